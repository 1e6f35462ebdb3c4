"""The doors in front of Gradio, tried against a tiny app and against the real page."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.ui.serving import PATIENCE_S, served
from ui.guard import MAX_JSON_BYTES, MAX_UPLOAD_BYTES, Guard

OPEN = [
    "/",
    "/config",
    "/theme.css",
    "/assets/index.js",
    "/static/fonts/x.woff2",
    "/gradio_api/info",
    "/gradio_api/queue/data?session_hash=a",
    "/gradio_api/heartbeat/abc",
    "/gradio_api/file=/tmp/x/y.jpg",
    "/gradio_api/startup-events",
    "/gradio_api/call/detect/abc",
]

SHUT = [
    "/gradio_api/deep_link?session_hash=a",
    "/?deep_link=abc",
    "/?x=1&deep_link",
    "/gradio_api/runs",
    "/gradio_api/runs/",
    "/gradio_api/run-history/records",
    "/monitoring",
    "/monitoring/summary",
    "/gradio_api/process_recording",
    "/gradio_api/proxy=https://example.com/x",
    "/gradio_api/file=https://example.com/x",
    "/gradio_api/file=//example.com/x",
    "/gradio_api/file=http:%2F%2Fexample.com",
    "/openapi.json",
    "/gradio_api/openapi.json",
    "/docs",
    "/gradio_api/vibe-code",
    "/gradio_api/dev/reload",
    "/gradio_api/run/detect",
    "/gradio_api/api/predict",
    "/login",
    "/gradio_api/token",
    "/gradio_api/custom_component/a/b/c/d",
    "/gradio_api/file/etc/passwd",
    "/gradio_api//deep_link",
    "/GRADIO_API/deep_link",
]


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"in:{len(body)}")(scope, receive, send)


def ask(method: str, url: str, *, local: bool = False, **more: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=Guard(inner, local=local))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client:
            return await client.request(method, url, **more)

    with ThreadPoolExecutor(1) as thread:  # playwright leaves a loop running in this one
        return thread.submit(lambda: asyncio.run(go())).result()


@pytest.mark.parametrize("path", OPEN)
def test_what_the_page_needs_is_open(path: str) -> None:
    assert ask("GET", path).text == "in:0"


@pytest.mark.parametrize("path", SHUT)
def test_everything_else_is_shut(path: str) -> None:
    assert ask("GET", path).status_code == 404


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"path": "http://169.254.169.254/x"}, id="http"),
        pytest.param({"path": "HTTPS://example.com"}, id="capitals"),
        pytest.param({"path": " https://example.com"}, id="a space before"),
        pytest.param({"path": "//example.com/x"}, id="no scheme"),
        pytest.param({"path": "ftp://example.com"}, id="ftp"),
        pytest.param({"path": "data:image/png;base64,AAAA"}, id="data as path"),
        pytest.param({"path": "/tmp/a.png", "url": "data:image/png;base64,AAAA"}, id="data as url"),
        pytest.param([[[{"deep": {"path": "http://a"}}]]], id="nested"),
    ],
)
def test_pictures_by_address_never_reach_gradio(data: Any) -> None:
    refused = ask("POST", "/gradio_api/queue/join", json={"data": [data], "session_hash": "x"})
    assert refused.status_code == 400


def test_an_uploaded_file_and_words_about_addresses_pass() -> None:
    fine = {
        "data": [{"path": "/tmp/a.png", "url": "http://127.0.0.1:7860/gradio_api/file=/tmp/a.png"}, "https://a.example"]
    }
    assert ask("POST", "/gradio_api/queue/join", json=fine).text == f"in:{len(json.dumps(fine, separators=(',', ':')))}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"{", 400, id="not JSON"),
        pytest.param(b"[" * 100_000, 400, id="endlessly nested"),
        pytest.param(b'"' + b"x" * MAX_JSON_BYTES + b'"', 413, id="too long"),
    ],
)
def test_odd_bodies_are_refused(body: bytes, status: int) -> None:
    assert ask("POST", "/gradio_api/queue/join", content=body).status_code == status


def test_a_body_of_unstated_length_is_counted() -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 100_000

    assert ask("POST", "/gradio_api/queue/join", content=endless()).status_code == 413


def test_an_upload_says_how_long_it_is_or_is_cut() -> None:
    assert ask("POST", "/gradio_api/upload", headers={"content-length": str(MAX_UPLOAD_BYTES + 1)}).status_code == 413


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7860", "", "0.0.0.0:7860"]
)
def test_a_local_page_answers_only_to_its_own_name(host: str) -> None:
    assert ask("GET", "/", local=True, headers={"host": host}).status_code == 403
    assert ask("GET", "/", local=False, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:1", "LOCALHOST", "[::1]:7860"])
def test_a_local_page_has_three_names(host: str) -> None:
    assert ask("GET", "/", local=True, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/nowhere", "/gradio_api/file=/etc/passwd"])
def test_every_answer_of_the_real_page_carries_the_headers(path: str) -> None:
    headers = httpx.get(served().address + path, timeout=PATIENCE_S).headers
    assert "script-src-attr 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'self' https://huggingface.co" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_only_listed_routes_of_the_real_page_answer() -> None:
    with httpx.Client(base_url=served().address, timeout=PATIENCE_S) as client:
        for path in ("/gradio_api/deep_link?session_hash=x", "/monitoring", "/gradio_api/runs", "/openapi.json"):
            assert client.get(path).status_code == 404
        assert client.post("/gradio_api/run/detect", json={"data": []}).status_code == 404
        assert client.post("/gradio_api/process_recording").status_code == 404
        assert client.get("/gradio_api/file=/etc/passwd").status_code in (403, 404)
