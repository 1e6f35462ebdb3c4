"""A picture with what was said about it, and the order of the classes: what every export starts from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from grounding.types import Outcome, Result, Task

_LABELLED = frozenset({Outcome.FOUND, Outcome.NONE, Outcome.REPAIRED})


def split_labels(text: str) -> tuple[str, ...]:
    """ "cat; dog" and one per line are two labels; commas split only where nothing else does. Repeats count once."""
    parts = re.split(r"[;\n]", text)
    if len(parts) == 1:
        parts = text.split(",")
    return tuple(dict.fromkeys(label for part in parts if (label := " ".join(part.split()))))


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture's result. `picture`: its name, unique in its set. `size_wh`: None where it could not be opened."""

    picture: str
    size_wh: tuple[int, int] | None
    task: Task
    result: Result

    @property
    def labelled(self) -> bool:
        """Whether there is an answer to use: "there are none" is one; blocked, failed and unreadable answers are not.

        A cut answer counts where something whole was left of it.
        """
        if self.result.outcome is Outcome.TRUNCATED:
            wrote = self.task in (Task.CAPTION, Task.ASK) and self.result.raw.strip() != ""
            return wrote or len(self.result.detections) > 0
        return self.result.outcome in _LABELLED


class LabelSet:
    """Class names in order: first those asked for, then each new one as it first appears.

    "Cat" and "cat" are one class, spelled as asked or as first seen; what has no name is an "object", or the one thing
    that was asked for.
    """

    def __init__(self, asked: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}
        for name in asked:
            self._names.setdefault(name.strip().casefold(), name.strip())
        self._unnamed = next(iter(self._names.values())) if len(self._names) == 1 else "object"

    def index(self, name: str) -> int:
        """The place of `name`, from 0; a new name goes to the end."""
        name = name.strip() or self._unnamed
        self._names.setdefault(name.casefold(), name)
        return list(self._names).index(name.casefold())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names.values())
