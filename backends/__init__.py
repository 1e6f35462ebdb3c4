"""The backends by name, each imported on first use, and the Pool that loads each once.

Adding one: a module with a Backend, one line in SPECS, one recorded reply for the contract tests.
"""

from __future__ import annotations

import importlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import cast

from grounding.backend import Backend, Batching, Capabilities, Loading, ManyModels, Report, Tools
from grounding.errors import ConfigError, GroundingError, Stopped
from grounding.settings import Settings
from grounding.types import Harm, Options, Outcome, Request, Result

_LOCAL = Capabilities(no_safety="This model has no such filters: it answers as it is.")


@dataclass(frozen=True)
class Spec:
    """A backend before it is loaded: enough for the page to offer it without importing it.

    opener: "module:function", called as function(model, settings, api_key) -> Backend; where it `reports`, with a
    Report behind these.
    models: what the page offers, the default first; any other id may be typed. None: there is no default.
    needs_key: True where each caller brings a key.
    capabilities: what the backend will say of itself once it is opened.
    tools: the module with its Tools, "" where it has none.
    """

    title: str
    opener: str
    models: tuple[str, ...]
    needs_key: bool = False
    capabilities: Capabilities = _LOCAL
    tools: str = ""
    reports: bool = False


SPECS: dict[str, Spec] = {
    "paligemma": Spec(
        "PaliGemma (where this page runs)",
        "backends.paligemma:open_backend",
        (
            "pinpoint-nano",
            "google/paligemma2-3b-mix-448",
            "google/paligemma2-3b-mix-224",
            "google/paligemma-3b-mix-448",
        ),
        capabilities=Capabilities(
            no_safety="PaliGemma has no safety filter of its own.",
            scores=True,
            streams=True,
            at_once=8,
            documents=True,
            options=frozenset({"temperature", "max_output_tokens", "language", "tiles"}),
        ),
        reports=True,
    ),
    "gemini": Spec(
        "Gemini (Google's API)",
        "backends.gemini:open_backend",
        ("gemini-3.6-flash", "gemini-3.8-flash", "gemini-3.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro"),
        needs_key=True,
        capabilities=Capabilities(
            harms=frozenset(Harm),
            sends_to="Google",
            max_images=16,
            streams=True,
            documents=True,
            options=frozenset(each.name for each in fields(Options)) - {"tiles"},
        ),
        tools="backends.gemini_tools",
    ),
    "replay": Spec("Replay (recorded answers)", "backends.replay:open_backend", models=()),
}


def first_choice(settings: Settings, backend: str | None = None) -> tuple[str, str]:
    """(backend, model) to use where nobody chose: the operator's, else the first there is.

    PINPOINT_MODEL belongs to PINPOINT_BACKEND, or to the first backend where that is unset, and to no other.
    """
    own = settings.backend or next(iter(SPECS))
    name = backend or own
    for each in (own, name):
        if each not in SPECS:
            raise ConfigError(f"There is no backend called {each[:40]!r}; there are {', '.join(SPECS)}.")
    model = settings.model if name == own and settings.model else next(iter(SPECS[name].models), "")
    return name, model


def tools(name: str) -> Tools | None:
    """What else the backend `name` offers: cost, code, self-test; None where it has none. Loads no model."""
    module = SPECS[name].tools
    return cast(Tools, importlib.import_module(module)) if module else None


def predict_many(backend: Backend, requests: Sequence[Request], stop: threading.Event | None = None) -> list[Result]:
    """A Result for each request, in order: together by a backend that can, one after another by any other.

    FAILED with the reason where there is no answer. Raises Stopped only.
    """
    if isinstance(backend, Batching):
        return backend.predict_many(requests, stop)
    results = []
    for each in requests:
        try:
            results.append(backend.predict(each, stop))
        except Stopped:
            raise
        except GroundingError as error:
            results.append(Result(Outcome.FAILED, str(error)))
    return results


_Key = tuple[str, str, str]


@dataclass(eq=False)
class _Lent:
    backend: Backend
    users: int = 0


class Pool:
    """Lends backends, each (backend, model, key) opened once; of each kind, idle ones beyond `keep` are closed.

    Kinds are what holds weights in memory and what holds a caller's key. Backends of a kind are opened one at a time:
    transformers' from_pretrained is not safe in two threads at once and leaves the process unable to load anything
    afterwards. Whatever is open already is lent meanwhile without waiting.
    """

    def __init__(self, settings: Settings, *, keep_local: int = 2, keep_keys: int = 32) -> None:
        self._settings = settings
        self._keep = {False: keep_local, True: keep_keys}
        self._opening = {False: threading.Lock(), True: threading.Lock()}
        self._table = threading.Lock()
        self._open: OrderedDict[_Key, _Lent] = OrderedDict()
        self._loading: dict[_Key, Loading] = {}

    @contextmanager
    def lend(self, name: str, model: str, api_key: str = "") -> Iterator[Backend]:
        """The backend `name` with `model`, not closed before it is given back.

        Raises ConfigError for an unknown name, ModelLoad where it cannot be loaded.
        """
        name, _ = first_choice(self._settings, name)
        key = (name, model, api_key)
        lent = self._take(key) or self._open_and_take(key)
        try:
            yield lent.backend
        finally:
            with self._table:
                lent.users -= 1
            self._tidy(SPECS[name].needs_key, spare=0)

    def loading(self, name: str, model: str, api_key: str = "") -> Loading | None:
        """How far a model is that somebody waits for in `lend`; None while nothing of it is loaded, or all."""
        with self._table:
            return self._loading.get((name, model, api_key))

    def _reporter(self, key: _Key) -> Report:
        def report(loading: Loading) -> None:
            with self._table:
                self._loading[key] = loading

        return report

    def users(self, name: str, model: str, api_key: str = "") -> int:
        """How many have this backend right now."""
        with self._table:
            lent = self._open.get((name, model, api_key))
            return lent.users if lent else 0

    def opened(self) -> tuple[tuple[str, str], ...]:
        """(name, model) of what is open and holds no caller's key."""
        with self._table:
            return tuple((name, model) for name, model, _ in self._open if not SPECS[name].needs_key)

    def unload(self, name: str, model: str) -> bool:
        """Close a model of this machine; False where it is not open, or in use."""
        with self._table:
            lent = self._open.get((name, model, ""))
            if lent is None or lent.users:
                return False
            del self._open[name, model, ""]
        lent.backend.close()
        return True

    def close(self) -> None:
        """Close everything, lent or not."""
        with self._table:
            lent = list(self._open.values())
            self._open.clear()
        for each in lent:
            each.backend.close()

    def _take(self, key: _Key) -> _Lent | None:
        with self._table:
            if lent := self._open.get(key):
                lent.users += 1
                self._open.move_to_end(key)
            return lent

    def _open_and_take(self, key: _Key) -> _Lent:
        name, model, api_key = key
        spec = SPECS[name]
        with self._opening[spec.needs_key]:
            if lent := self._take(key):  # opened by another caller while this one waited
                return lent
            self._tidy(spec.needs_key, spare=1)  # before, not after: there may be memory for one only
            module, function = spec.opener.split(":")
            opener: Callable[..., Backend] = getattr(importlib.import_module(module), function)
            report = (self._reporter(key),) if spec.reports else ()
            try:
                opened = (self._opened_beside(key) if spec.needs_key else None) or opener(
                    model, self._settings, api_key, *report
                )
            finally:
                with self._table:
                    self._loading.pop(key, None)
            lent = _Lent(opened, users=1)
            with self._table:
                self._open[key] = lent
            return lent

    def _opened_beside(self, key: _Key) -> Backend | None:
        """The key's model by a backend of the same name and key, where one can share its connection with another."""
        with self._table:  # nobody tidies that backend away meanwhile
            for (name, _, api_key), each in self._open.items():
                if (name, api_key) == key[::2] and isinstance(each.backend, ManyModels):
                    return each.backend.with_model(key[1])
        return None

    def _tidy(self, needs_key: bool, *, spare: int) -> None:
        """Close idle backends of the kind, oldest first, until there is room for `spare` more."""
        with self._table:
            kind = [key for key in self._open if SPECS[key[0]].needs_key is needs_key]
            surplus = len(kind) + spare - self._keep[needs_key]
            idle = [key for key in kind if not self._open[key].users]
            closing = [self._open.pop(key) for key in idle[: max(0, surplus)]]
        for each in closing:
            each.backend.close()
