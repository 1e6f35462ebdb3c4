"""One page with an Echo behind it, served on loopback for every test that needs a real server."""

from __future__ import annotations

import functools
import socket
from dataclasses import dataclass

from grounding.settings import Settings
from tests.ui.echo import EchoPool

OPERATORS_KEY = "AIzaOperator000000000000"


@dataclass(frozen=True)
class Served:
    address: str
    pool: EchoPool


@functools.cache
def served() -> Served:
    """Started on first use, gone with the process."""
    from ui import app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(gemini_api_key=OPERATORS_KEY, port=port)
    pool = EchoPool(settings)
    return Served(app.serve(app.create(settings, pool), settings).rstrip("/"), pool)
