"""What a backend is: something that answers a Request. Knows no particular one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from grounding.types import Harm, Request, Result, Task


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do, as data, so that no caller asks which one it is.

    harms: categories whose threshold a request may set; empty where the backend has no filter: `no_safety` says why.
    sends_to: who gets to see the picture ("Google", "nobody: it stays on this machine"), for the notice on the page.
    scores: whether detections carry a score.
    """

    tasks: frozenset[Task] = frozenset(Task)
    harms: frozenset[Harm] = frozenset()
    no_safety: str = ""
    sends_to: str = "nobody: it stays on this machine"
    max_images: int = 1
    scores: bool = False
    streams: bool = False


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
