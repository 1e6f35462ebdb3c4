"""One page with an Echo behind it, served on loopback for every test that needs a real server."""

from __future__ import annotations

import atexit
import functools
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends import Pool
from grounding.settings import Settings
from tests.ui.echo import EchoPool

OPERATORS_KEY = "AIzaOperator000000000000"
PATIENCE_S = 60.0
"""For an answer of a page on a busy machine."""
_RESERVED: list[socket.socket] = []


@dataclass(frozen=True)
class Served:
    address: str
    page: Any
    pool: EchoPool

    def forgets(self, secret: str) -> bool:
        return forgets(self.page, secret)


def remembered(page: Any) -> list[str]:
    """Everything the server holds for its visitors' sessions, as text."""
    sessions = list(page.app.state_holder.session_data.values())
    return [repr(value) for each in sessions for value in (*each.config_values.values(), *each.state_data.values())]


def forgets(page: Any, secret: str, within_s: float = PATIENCE_S) -> bool:
    """Whether the server holds `secret` no more; soon, for a run ends a moment after its result is shown."""
    ends = time.monotonic() + within_s
    while any(secret in each for each in remembered(page)):
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


@functools.cache
def served() -> Served:
    """Started on first use, gone with the process."""
    folder = Path(tempfile.mkdtemp(prefix="pinpoint-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = Settings(gemini_api_key=OPERATORS_KEY, port=free_port(), projects=str(folder / "none"))
    pool = EchoPool(settings)
    return Served(*serve(settings, pool), pool)


def serve(settings: Settings, pool: Pool) -> tuple[str, Any]:
    """(address, page) of a page with `pool` behind it."""
    from ui import app

    page = app.create(settings, pool)
    return app.serve(page, settings).rstrip("/"), page


def free_port() -> int:
    """A port that nobody else gets by chance before a page is served there: bound already, but not listened at."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that the page, which does the same, may too
    reserved.bind(("127.0.0.1", 0))
    _RESERVED.append(reserved)
    port: int = reserved.getsockname()[1]
    return port
