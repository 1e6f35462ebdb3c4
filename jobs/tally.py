"""What came of a run's pictures, counted as they come: labels by name, empty ones, and each that got none with why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grounding.labels import Sample
from grounding.types import NoteKind, Outcome, Result

MAX_REASON = 300


@dataclass(frozen=True)
class Failure:
    """A picture without labels: what came instead, and why, in a sentence that says what to do next."""

    picture: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Facts:
    """What is counted of one picture. objects: how many of each label."""

    outcome: Outcome
    labelled: bool
    objects: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""

    @classmethod
    def of(cls, sample: Sample) -> Facts:
        result = sample.result
        if not sample.labelled:
            return cls(result.outcome, False, {}, reason(result))
        return cls(result.outcome, True, Counter(each.label for each in result.detections))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Facts:
        objects = {str(label): int(count) for label, count in data["objects"].items()}
        return cls(Outcome(data["outcome"]), bool(data["labelled"]), objects, str(data["reason"]))

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome.value,
            "labelled": self.labelled,
            "objects": dict(self.objects),
            "reason": self.reason[:MAX_REASON],
        }


@dataclass
class Tally:
    """empty: labelled, with nothing in them. objects: how many of each label, over all pictures."""

    labelled: int = 0
    empty: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Failure] = field(default_factory=dict)

    def put(self, picture: str, now: Facts, before: Facts | None = None) -> None:
        """One more picture; `before`: what was counted of it, where it had been asked about already."""
        if before is not None:
            self._count(before, -1)
            self.failures.pop(picture, None)
        self._count(now, 1)
        if not now.labelled:
            self.failures[picture] = Failure(picture, now.outcome, now.reason)

    def copy(self) -> Tally:
        return replace(self, objects=self.objects.copy(), failures=self.failures.copy())

    def _count(self, facts: Facts, by: int) -> None:
        self.labelled += by * facts.labelled
        self.empty += by * (facts.outcome is Outcome.NONE)
        for label, count in facts.objects.items():
            self.objects[label] += by * count


def reason(result: Result) -> str:
    """What to tell of a result that is no label. A cut or unreadable answer's own text may be long; its note is not."""
    about = [note.detail for note in result.notes if note.kind is not NoteKind.PICTURE]
    if result.outcome in (Outcome.UNRECOGNISED, Outcome.TRUNCATED) and about:
        return about[0]
    if result.outcome is Outcome.UNRECOGNISED:
        return "No objects could be read from the model's answer."
    return result.text
