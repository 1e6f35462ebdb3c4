"""A stand-in for the Gemini service on the loopback address: says what it is told to say, and keeps what it was sent.

    with StandIn() as service:
        service.says(reply("[]"))                       # every request from now on
        service.says(Answer(503), Answer(503), reply("a cat"))   # one each; the last one stays
        open_backend("gemini-2.5-flash", Settings(gemini_base_url=service.url), "a-key")

Knows nothing of prompts and models; takes any path.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. A dict becomes JSON.

    wait_s: silence before it. drip_s: a pause before each byte. cut_at: bytes after which the connection is closed,
    although more were promised. reset: hang up without a byte.
    """

    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json; charset=UTF-8"})
    wait_s: float = 0
    drip_s: float = 0
    cut_at: int | None = None
    reset: bool = False

    @property
    def payload(self) -> bytes:
        return json.dumps(self.body).encode() if isinstance(self.body, dict) else self.body


@dataclass(frozen=True)
class Sent:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


def reply(text: str, *, finish: str = "STOP", **more: Any) -> Answer:
    """What the service says when a model answers `text`; `more` goes beside the candidates."""
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": finish, "index": 0}
    return Answer(body={"candidates": [candidate], **more})


class StandIn:
    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self._answers = [Answer(body={})]
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.gone = threading.Event()  # set when a client hung up before its answer was out
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stand_in": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def says(self, *answers: Answer) -> None:
        with self._lock:
            self._answers = list(answers)
            self.requests.clear()
            self.gone.clear()

    def take(self, sent: Sent) -> Answer:
        with self._lock:
            self.requests.append(sent)
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def pause(self, seconds: float) -> None:
        self._ended.wait(seconds)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.stand_in.take(Sent(self.path, dict(self.headers), json.loads(body)))
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self._wait(answer.wait_s)
        payload = answer.payload
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        try:
            if answer.drip_s:
                for index in range(len(payload)):
                    self._wait(answer.drip_s)
                    self.wfile.write(payload[index : index + 1])
            else:
                self.wfile.write(payload[: answer.cut_at])
        except OSError:
            self.stand_in.gone.set()
        if answer.cut_at is not None:
            self.close_connection = True

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.connection.setblocking(False)
        while seconds and (left := end - time.monotonic()) > 0:
            self.stand_in.pause(min(left, 0.05))
            with contextlib.suppress(BlockingIOError):
                if self.connection.recv(1, socket.MSG_PEEK) == b"":
                    self.stand_in.gone.set()
                    break
        self.connection.setblocking(True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""
