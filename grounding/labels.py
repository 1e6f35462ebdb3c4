"""A picture with what was said about it, and the order of the classes: what every export starts from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grounding.types import Outcome, Result, Task

_LABELLED = frozenset({Outcome.FOUND, Outcome.NONE, Outcome.REPAIRED})


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
    """Class names in order: first those asked for, then each new one as it first appears."""

    def __init__(self, asked: Iterable[str] = ()) -> None:
        self._indices = {name: index for index, name in enumerate(dict.fromkeys(asked))}

    def index(self, name: str) -> int:
        """The place of `name`, from 0; a new name goes to the end."""
        return self._indices.setdefault(name, len(self._indices))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._indices)
