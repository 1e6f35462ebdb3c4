"""A stand-in for the Gemini service on the loopback address: says what it is told to say, and keeps what it was sent.

    with StandIn() as service:
        service.says(reply("[]"))                       # every question from now on
        service.says(Answer(503), Answer(503), reply("a cat"))   # one each; the last one stays
        service.says(streamed("a ", "cat"))             # as events; `drip_s` puts a pause before each
        service.once_asked(stop.set)                    # when the next question is there
        open_backend("gemini-2.5-flash", Settings(gemini_base_url=service.url), "a-key")

Questions (generate and stream) are answered so, and are in `requests`. Tokens are counted as `counts` says. Files are
kept as the real service does it: started, sent in pieces, asked after, deleted; they are in `files`, and what was sent
about them in `file_requests`. Knows nothing of prompts and models.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

JSON = {"Content-Type": "application/json; charset=UTF-8"}
EVENTS = {"Content-Type": "text/event-stream"}
_LONG_S = 60.0  # longer than any test waits


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. A dict becomes JSON; several `pieces` are sent one after the other, in place of the body.

    wait_s: silence before it. drip_s: a pause before each byte, or before each piece. cut_at: bytes after which the
    connection is closed, although more were promised; of pieces, how many. reset: hang up without a byte.
    hangs_at: before which piece it falls silent, for longer than anyone waits. turns: each piece takes one.
    """

    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    wait_s: float = 0
    drip_s: float = 0
    cut_at: int | None = None
    reset: bool = False
    pieces: tuple[bytes, ...] = ()
    hangs_at: int | None = None
    turns: threading.Semaphore | None = None

    @property
    def payload(self) -> bytes:
        return json.dumps(self.body).encode() if isinstance(self.body, dict) else self.body


@dataclass(frozen=True)
class Sent:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    method: str = "POST"


@dataclass
class Kept:
    """One file. asked: how often its state was asked for."""

    name: str
    mime_type: str
    data: bytes
    key: str
    asked: int = 0


def reply(text: str, *, finish: str = "STOP", **more: Any) -> Answer:
    """What the service says when a model answers `text`; `more` goes beside the candidates."""
    return Answer(body=_said(text, finish, more))


def streamed(
    *texts: str,
    finish: str = "STOP",
    drip_s: float = 0,
    cut_at: int | None = None,
    hangs_at: int | None = None,
    turns: threading.Semaphore | None = None,
    **more: Any,
) -> Answer:
    """The same as events, one for each of `texts`; only the last one says that it is finished."""
    last = len(texts) - 1
    chunks = [_said(text, finish if i == last else "", more if i == last else {}) for i, text in enumerate(texts)]
    pieces = tuple(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks)
    return Answer(headers=EVENTS, pieces=pieces, drip_s=drip_s, cut_at=cut_at, hangs_at=hangs_at, turns=turns)


def _said(text: str, finish: str, more: Mapping[str, Any]) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], **more}


class StandIn:
    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.file_requests: list[Sent] = []
        self.files: dict[str, Kept] = {}
        self.counts = Answer(body={"totalTokens": 0})
        self.file_fault: Answer | None = None  # once, to whatever is next asked about files
        self.processing = 0  # how often a new file says it is not ready yet
        self.kept_for = timedelta(hours=48)
        self._answers = [Answer(body={})]
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._asked = threading.Event()
        self.gone = threading.Event()  # set when a client hung up before its answer was out
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stand_in": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def says(self, *answers: Answer) -> None:
        """What to answer from now on; what came before is forgotten, files are kept."""
        with self._lock:
            self._answers = list(answers)
            self.requests.clear()
            self.file_requests.clear()
            self.gone.clear()
            self._asked.clear()

    def once_asked(self, do: Callable[[], object], after_s: float = 0.0) -> None:
        """Calls `do` so long after the first question since `says` came in, in a thread of its own."""

        def wait() -> None:
            self._asked.wait()
            self.pause(after_s)
            do()

        threading.Thread(target=wait, daemon=True).start()

    def take(self, sent: Sent) -> Answer:
        with self._lock:
            self.requests.append(sent)
            self._asked.set()
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def answer(self, sent: Sent, data: bytes) -> Answer:
        """What any request gets. `data` is its body as it came."""
        path = sent.path.split("?")[0]
        if ":countTokens" in path:
            return self.counts
        if not re.search(r"/files\b", path):
            return self.take(sent)
        with self._lock:
            self.file_requests.append(sent)
            fault, self.file_fault = self.file_fault, None
            return fault or self._of_files(sent, path, data)

    def _of_files(self, sent: Sent, path: str, data: bytes) -> Answer:
        headers = {name.lower(): value for name, value in sent.headers.items()}
        commands = headers.get("x-goog-upload-command", "")
        if "start" in commands:
            name = f"files/f{len(self.files) + 1}"
            kind = headers["x-goog-upload-header-content-type"]
            self.files[name] = Kept(name, kind, b"", headers.get("x-goog-api-key", ""))
            return Answer(headers={**JSON, "X-Goog-Upload-URL": f"{self.url}/upload/v1/{name}?upload_id=1"})
        found = re.search(r"files/\w+", path)
        kept = self.files.get(found[0]) if found else None
        if kept is None:
            return Answer(404, {"error": {"code": 404, "message": "no such file", "status": "NOT_FOUND"}})
        if "upload" in commands:
            if int(headers["x-goog-upload-offset"]) != len(kept.data):
                return Answer(400, {"error": {"code": 400, "message": "wrong offset"}})
            kept.data += data
            ended = "finalize" in commands
            status = {"X-Goog-Upload-Status": "final" if ended else "active"}
            return Answer(headers={**JSON, **status}, body={"file": self._about(kept)} if ended else b"")
        if sent.method == "DELETE":
            del self.files[kept.name]
            return Answer(body={})
        kept.asked += 1
        return Answer(body=self._about(kept))

    def _about(self, kept: Kept) -> dict[str, Any]:
        until = datetime.now(UTC) + self.kept_for
        return {
            "name": kept.name,
            "uri": f"{self.url}/v1/{kept.name}",
            "mimeType": kept.mime_type,
            "sizeBytes": str(len(kept.data)),
            "expirationTime": until.isoformat().replace("+00:00", "Z"),
            "state": "PROCESSING" if kept.asked < self.processing else "ACTIVE",
        }

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
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body: dict[str, Any] = {}
        with contextlib.suppress(ValueError):  # the pieces of a file are no JSON
            body = json.loads(data)
        answer = self.stand_in.answer(Sent(self.path, dict(self.headers), body, self.command), data)
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self._wait(answer.wait_s)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header(
            *(("Transfer-Encoding", "chunked") if answer.pieces else ("Content-Length", str(len(answer.payload))))
        )
        self.end_headers()
        try:
            self._send_pieces(answer) if answer.pieces else self._send_whole(answer)
        except OSError:
            self.stand_in.gone.set()
        if answer.cut_at is not None:
            self.close_connection = True

    def _send_whole(self, answer: Answer) -> None:
        payload = answer.payload
        if not answer.drip_s:
            self.wfile.write(payload[: answer.cut_at])
            return
        for index in range(len(payload)):
            self._wait(answer.drip_s)
            self.wfile.write(payload[index : index + 1])

    def _send_pieces(self, answer: Answer) -> None:
        for number, piece in enumerate(answer.pieces[: answer.cut_at]):
            self._wait(_LONG_S if number == answer.hangs_at else answer.drip_s)
            if answer.turns is not None:
                answer.turns.acquire(timeout=_LONG_S)
            self.wfile.write(b"%X\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        if answer.cut_at is None:
            self.wfile.write(b"0\r\n\r\n")

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
