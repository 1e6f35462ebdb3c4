"""Says what was mended, left out or cut: one Note each, thousands of a kind in one with their number."""

from __future__ import annotations

from dataclasses import dataclass, field

from grounding.types import Note, NoteKind

_EACH = 20  # of one reason are told one by one; more are told together
_AT_MOST = 200  # notes of one answer: enough to read, and no answer can flood the page
_LISTED = 8
_LABEL_SHOWN = 40


def named(place: int, label: str) -> str:
    """ "item 3 (cat)"."""
    return f"item {place} ({_short(label)})" if label else f"item {place}"


def _short(label: str) -> str:
    line = " ".join(label.split())
    return line if len(line) <= _LABEL_SHOWN else line[: _LABEL_SHOWN - 1] + "…"


@dataclass(slots=True)
class Ledger:
    """Collects remarks on items and on the whole answer, in order."""

    _of_items: dict[tuple[NoteKind, str], list[tuple[int, str]]] = field(default_factory=dict)
    _of_answer: list[Note] = field(default_factory=list)
    _kinds: set[NoteKind] = field(default_factory=set)
    _skipped: set[int] = field(default_factory=set)

    def skip(self, place: int, label: str, why: str) -> None:
        self._skipped.add(place)
        self._note(NoteKind.SKIPPED, why, place, label)

    def mend(self, place: int, label: str, what: str) -> None:
        self._note(NoteKind.REPAIRED, what, place, label)

    def cap(self, place: int, label: str, what: str) -> None:
        self._note(NoteKind.CAPPED, what, place, label)

    def remark(self, place: int, label: str, what: str) -> None:
        """Something worth knowing that left the item as the model gave it."""
        self._note(NoteKind.MODEL, what, place, label)

    def add(self, kind: NoteKind, sentence: str) -> None:
        """A sentence on the whole answer."""
        self._kinds.add(kind)
        self._of_answer.append(Note(kind, sentence))

    def has(self, *kinds: NoteKind) -> bool:
        return not self._kinds.isdisjoint(kinds)

    def notes(self) -> tuple[Note, ...]:
        """Those on the answer first, then those on items by what they say."""
        told = list(self._of_answer)
        for (kind, what), items in self._of_items.items():
            left_out = " left out" if kind is NoteKind.SKIPPED else ""
            if len(items) <= (1 if kind is NoteKind.MODEL else _EACH):
                told += [Note(kind, f"I{named(*item)[1:]}{left_out}: {what}.") for item in items]
            else:
                places = ", ".join(str(place) for place, _ in items[:_LISTED]) + (", …" if len(items) > _LISTED else "")
                told.append(Note(kind, f"{len(items):,} items ({places}){left_out}: {what}."))
        if len(told) > _AT_MOST:
            more = len(told) - _AT_MOST + 1
            told = [*told[: _AT_MOST - 1], Note(NoteKind.CAPPED, f"{more:,} more notes like these are not shown.")]
        return tuple(told)

    def _note(self, kind: NoteKind, what: str, place: int, label: str) -> None:
        self._kinds.add(kind)
        self._of_items.setdefault((kind, what), []).append((place, label))
