"""What every exchange with the Gemini service is held to, below google-genai: time to connect, size, certificates.

A streamed reply can be tapped: its bytes go to whoever listens, and the library reads empty events in their place, for
its own objects raise on odd types and drop fields they do not know.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2

_CONNECT_S = 10.0
_MAX_ANSWER_BYTES = 32_000_000
"""Far above the largest answer (65,536 tokens); what is more is no answer."""

_EMPTY_EVENT = b"data: {}\n\n"
_tap: contextvars.ContextVar[Callable[[bytes], None] | None] = contextvars.ContextVar("_tap", default=None)


def client() -> httpx2.AsyncClient:
    """A client whose every exchange keeps to the limits here."""
    hooks: dict[str, list[Callable[..., Any]]] = {"request": [_limit_connecting], "response": [_limit_size]}
    return httpx2.AsyncClient(event_hooks=hooks, verify=trusted())


@contextlib.contextmanager
def tapped(tap: Callable[[bytes], None]) -> Iterator[None]:
    """Inside, the bytes of a reply with status 200 go to `tap`, and the library is given empty events."""
    token = _tap.set(tap)
    try:
        yield
    finally:
        _tap.reset(token)


@functools.cache
def trusted() -> ssl.SSLContext:
    """Whose certificates are believed, read once; httpx2 alone ignores SSL_CERT_FILE and SSL_CERT_DIR."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder) if file or folder else httpx2.create_ssl_context()


class _TooLargeError(httpx2.HTTPError):
    pass


async def _limit_connecting(request: httpx2.Request) -> None:
    request.extensions["timeout"]["connect"] = min(_CONNECT_S, request.extensions["timeout"]["connect"])


async def _limit_size(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":  # not asked for: it may unpack to anything
        raise _TooLargeError("compressed")
    tap = _tap.get() if response.status_code == 200 else None
    response.stream = _Counted(response.stream, tap)  # type: ignore[arg-type]


class _Counted(httpx2.AsyncByteStream):
    """The same bytes, until there are more than any answer has; or, with a tap, empty events in their place."""

    def __init__(self, stream: httpx2.AsyncByteStream, tap: Callable[[bytes], None] | None = None) -> None:
        self._stream = stream
        self._tap = tap

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        async for chunk in self._stream:
            count += len(chunk)
            if count > _MAX_ANSWER_BYTES:
                raise _TooLargeError("too large")
            if self._tap is not None:
                self._tap(chunk)
            yield chunk if self._tap is None else _EMPTY_EVENT

    async def aclose(self) -> None:
        await self._stream.aclose()
