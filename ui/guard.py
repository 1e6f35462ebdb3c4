"""What stands before Gradio: routes it leaves open are shut, bodies capped, headers set, strangers' hosts refused.

Knows HTTP and Gradio's routes, nothing of pictures or models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_JSON_BYTES = 1_000_000
"""A prompt, some numbers and a file's name; a picture inside JSON goes round the upload limit and is refused."""

MAX_UPLOAD_BYTES = 51_000_000
"""One picture or document of 50 MB and its multipart wrapping."""

_OPEN = re.compile(
    r"/|/config/?|/theme\.css|/robots\.txt|/favicon\.ico|/manifest\.json|/pwa_icon(/\d+)?|/(static|assets|svelte)/.+"
    r"|/pinpoint/\w+/\w+\.js"
    r"|/gradio_api/("
    r"info/?|app_id/?|startup-events|theme\.css|upload_progress|upload|queue/(join|data)|cancel|reset/?"
    r"|heartbeat/\w+|run/predict/?|call/(v2/)?\w+(/\w+)?|file=/.+"
    r")"
)
"""Everything the page and gradio_client need. Shut: deep_link (serves a visitor's values to anyone), runs, monitoring,
process_recording, proxy, openapi, vibe-*, direct /run of queued events, file= of another host's address."""

_HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; "
        b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; "
        b"connect-src 'self' blob: data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        b"form-action 'self'; "
        b"frame-ancestors 'self' https://huggingface.co https://*.hf.space"
    ),  # Gradio's page needs inline scripts and Function(); model text still has no way out or in
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=()",
}

_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


class Guard:
    """ASGI middleware. With `local` only loopback names are served, so that no page elsewhere can reach in by DNS."""

    def __init__(self, app: ASGIApp, *, local: bool = False) -> None:
        self._app = app
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in _HEADERS]
                message = {**message, "headers": kept + list(_HEADERS.items())}
            await send(message)

        request = Request(scope, receive)
        refusal = self._refuse(request)
        if refusal is None and request.method == "POST":
            refusal, receive = await _read_post(request, receive)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refuse(self, request: Request) -> Response | None:
        if self._local and not _LOOPBACK_HOST.fullmatch(request.headers.get("host", "")):
            return PlainTextResponse("Open Pinpoint by its own address.", 403)
        path = request.url.path
        if not _OPEN.fullmatch(path) or "://" in path or path.startswith("/gradio_api/file=//"):
            return PlainTextResponse("Not found.", 404)
        if "deep_link" in parse_qs(request.url.query, keep_blank_values=True):
            return PlainTextResponse("Not found.", 404)
        return None


async def _read_post(request: Request, receive: Receive) -> tuple[Response | None, Receive]:
    """Uploads stream on under a cap; other bodies are read here, and refused where they bring pictures by address."""
    upload = request.url.path == "/gradio_api/upload"
    limit = MAX_UPLOAD_BYTES if upload else MAX_JSON_BYTES
    too_large = PlainTextResponse(f"Too large: the limit is {limit // 1_000_000} MB.", 413)
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > limit:
        return too_large, receive
    if upload:
        return None, _capped(receive, limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return too_large, receive
    try:
        foreign = any(_foreign(value) for value in _objects(json.loads(bytes(body) or b"null")))
    except (ValueError, RecursionError):
        return JSONResponse({"detail": "Not JSON."}, 400), receive
    if foreign:
        return JSONResponse({"detail": "Upload the picture first; addresses are not fetched here."}, 400), receive
    return None, _replay(bytes(body), receive)


def _objects(value: object) -> Iterator[dict[str, object]]:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as found:
                yield found
                waiting.extend(found.values())
            case list() as found:
                waiting.extend(found)


def _foreign(value: dict[str, object]) -> bool:
    """A file Gradio would fetch from elsewhere, or unpack from the JSON itself."""
    path, url = str(value.get("path") or ""), str(value.get("url") or "")
    return bool(re.match(r"\s*(\w+:)?//|\s*data:", path) or re.match(r"\s*data:", url))


def _capped(receive: Receive, limit: int) -> Receive:
    """`receive`, ending as a disconnect once more than `limit` bytes came: chunked bodies state no length."""
    seen = 0

    async def capped() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= limit else {"type": "http.disconnect"}

    return capped


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
