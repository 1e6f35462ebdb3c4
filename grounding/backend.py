"""What a backend is: something that answers a Request. Knows no particular one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from grounding.types import Estimate, Harm, Request, Result, SelfTest, Task


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do, as data, so that no caller asks which one it is.

    harms: categories whose threshold a request may set; empty where the backend has no filter: `no_safety` says why.
    sends_to: who gets to see the picture ("Google", "nobody: it stays on this machine"), for the notice on the page.
    scores: whether detections carry a score. documents: whether it reads PDFs, with or without pictures beside them.
    options: the fields of Options it heeds. at_once: how many requests it gains from being given together.
    """

    tasks: frozenset[Task] = frozenset(Task)
    harms: frozenset[Harm] = frozenset()
    no_safety: str = ""
    sends_to: str = "nobody: it stays on this machine"
    max_images: int = 1
    scores: bool = False
    streams: bool = False
    documents: bool = False
    options: frozenset[str] = frozenset({"temperature", "max_output_tokens"})
    at_once: int = 1


class Stage(StrEnum):
    DOWNLOADING = "downloading"
    READING = "reading into memory"


@dataclass(frozen=True)
class Loading:
    """How far a model is on its way: `done` of `total` bytes, None where that is not known."""

    stage: Stage
    done: int
    total: int | None = None


Report = Callable[[Loading], None]
"""Called now and then while a model loads, from any thread."""


class Backend(Protocol):
    """Answers requests, one model each; safe to call from several threads."""

    @property
    def model(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        """Answer `request`; once `stop` is set, give up soon and raise Stopped.

        Raises GroundingError where no answer came. A filter's block and an unreadable answer are Results.
        """
        ...

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        """What `predict` gives, as it grows: each Result holds all that came so far, the last is done and whole.

        Raises as `predict` does, possibly after some Results. Closing the iterator ends the call, as `stop` does.
        """
        ...

    def close(self) -> None:
        """Free connections and memory. A closed backend is not used again."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A backend that answers many requests sooner together than one after another."""

    def predict_many(self, requests: Sequence[Request], stop: threading.Event | None = None) -> list[Result]:
        """A Result for each request, in order; FAILED with the reason where there is no answer. Raises Stopped only."""
        ...


@runtime_checkable
class ManyModels(Protocol):
    """A backend that can open others of its kind over the same connection, so that a key has one."""

    def with_model(self, model: str) -> Backend:
        """Another model; raises ConfigError as opening it would. Each is closed by itself."""
        ...


class Tools(Protocol):
    """What else a hosted backend offers; a module has these functions. Backends that run here have none.

    Of these only `count`, `self_test`, `uploads` and `delete_uploads` ask the service.
    """

    def estimate(self, model: str, request: Request) -> Estimate:
        """Tokens and cost of `request` by the documented rules."""
        ...

    def preview(self, model: str, request: Request) -> str:
        """The request as JSON, as it would be sent, pictures shortened to their size."""
        ...

    def snippet(self, model: str, request: Request) -> str:
        """A Python program that sends the same request. The key is not in it: it reads the environment's."""
        ...

    def describe(self, model: str) -> tuple[tuple[str, str], ...]:
        """What is known of the model, as (name, value) for people."""
        ...

    def replay(self, saved: bytes | str, request: Request) -> Result:
        """A saved reply, the service's own or only the model's words, read again as the answer to `request`."""
        ...

    def count(self, backend: Backend, request: Request, stop: threading.Event | None = None) -> int:
        """The request's tokens as the service counts them."""
        ...

    def self_test(self, backend: Backend, stop: threading.Event | None = None) -> SelfTest:
        """Asks about one known picture and says what came out right."""
        ...

    def uploads(self, backend: Backend) -> tuple[tuple[str, datetime], ...]:
        """Pictures and documents the service keeps for this key from here: (name, until when)."""
        ...

    def delete_uploads(self, backend: Backend, stop: threading.Event | None = None) -> int:
        """Has the service delete them; gives back how many it deleted."""
        ...
