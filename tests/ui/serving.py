"""One page with an Echo behind it, served on loopback for every test that needs a real server."""

from __future__ import annotations

import functools
import socket
from dataclasses import dataclass
from typing import Any

from grounding.settings import Settings
from tests.ui.echo import EchoPool

OPERATORS_KEY = "AIzaOperator000000000000"


@dataclass(frozen=True)
class Served:
    address: str
    pool: EchoPool
    page: Any

    def remembered(self) -> list[str]:
        """Everything the server holds for its visitors' sessions, as text."""
        sessions = self.page.app.state_holder.session_data.values()
        return [repr(value) for each in sessions for value in (*each.config_values.values(), *each.state_data.values())]


@functools.cache
def served() -> Served:
    """Started on first use, gone with the process."""
    from ui import app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(gemini_api_key=OPERATORS_KEY, port=port)
    pool = EchoPool(settings)
    page = app.create(settings, pool)
    return Served(app.serve(page, settings).rstrip("/"), pool, page)
