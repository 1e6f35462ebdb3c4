"""The backends by name, each imported on first use, and the Pool that loads each once.

Adding one: a module with a Backend, one line in SPECS, one recorded reply for the contract tests.
"""

from __future__ import annotations

import importlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from grounding.backend import Backend, Capabilities
from grounding.errors import ConfigError
from grounding.settings import Settings
from grounding.types import Harm

_LOCAL = Capabilities(no_safety="A model on this machine has no such filters: it answers as it is.")


@dataclass(frozen=True)
class Spec:
    """A backend before it is loaded: enough for the page to offer it without importing it.

    opener: "module:function", called as function(model, settings, api_key) -> Backend.
    models: what the page offers, the default first; any other id may be typed.
    needs_key: True where each caller brings a key.
    capabilities: what the backend will say of itself once it is opened.
    """

    title: str
    opener: str
    models: tuple[str, ...]
    needs_key: bool = False
    capabilities: Capabilities = _LOCAL


SPECS: dict[str, Spec] = {
    "paligemma": Spec(
        "PaliGemma (this machine)",
        "backends.paligemma:open_backend",
        (
            "pinpoint-nano",
            "google/paligemma2-3b-mix-448",
            "google/paligemma2-3b-mix-224",
            "google/paligemma-3b-mix-448",
        ),
        capabilities=Capabilities(no_safety="PaliGemma has no safety filter of its own.", scores=True),
    ),
    "gemini": Spec(
        "Gemini (Google's API)",
        "backends.gemini:open_backend",
        ("gemini-3.6-flash", "gemini-3.5-flash", "gemini-2.5-flash", "gemini-2.5-pro"),
        needs_key=True,
        capabilities=Capabilities(harms=frozenset(Harm), sends_to="Google"),
    ),
    "replay": Spec("Replay (recorded answers)", "backends.replay:open_backend", ("tests/fixtures/replies",)),
}


class Pool:
    """Hands out backends, each (backend, model, key) opened once and kept; the least recently used is closed.

    Opening happens under one lock: transformers' from_pretrained is not safe in two threads at once
    and leaves the process unable to load anything afterwards.
    """

    def __init__(self, settings: Settings, *, keep: int = 4) -> None:
        self._settings = settings
        self._keep = keep
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, str, str], Backend] = OrderedDict()

    def get(self, name: str, model: str, api_key: str = "") -> Backend:
        """The backend `name` with `model`; raises ConfigError for an unknown name, ModelLoad where it cannot load."""
        if name not in SPECS:
            raise ConfigError(f"There is no backend called {name[:40]!r}; there are {', '.join(SPECS)}.")
        key = (name, model, api_key)
        with self._lock:
            if key not in self._open:
                module, function = SPECS[name].opener.split(":")
                opener: Callable[[str, Settings, str], Backend] = getattr(importlib.import_module(module), function)
                self._open[key] = opener(model, self._settings, api_key)
            self._open.move_to_end(key)
            while len(self._open) > self._keep:
                _, oldest = self._open.popitem(last=False)
                oldest.close()
            return self._open[key]

    def close(self) -> None:
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()
