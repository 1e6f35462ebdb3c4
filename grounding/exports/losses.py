"""What an export lost, counted and said in sentences. Knows no file and no format; it is told what was seen."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum


class Aspect(StrEnum):
    """What a label set says; the columns of docs/formats.md."""

    PICTURE = "picture"
    SIZE = "size"
    OBJECT = "object"
    LABEL = "label"
    BOX = "box"
    MASK = "mask"
    HOLES = "holes"
    PARTS = "parts"
    SOFTNESS = "soft mask"
    POINT = "point"
    SCORE = "score"
    TOKENS = "mask tokens"
    ORIGIN = "origin"
    REVIEW = "review"
    TEXT = "text"
    ANSWER = "notes"


@dataclass(frozen=True)
class Loss:
    """One kind of thing that is not in the file as it was, in a sentence for people.

    count: how many of `total`. lost: whether it is gone, not only changed. measure: the greatest shift in pixels, or
    the smallest IoU, where one was taken.
    """

    aspect: Aspect
    what: str
    sentence: str
    count: int
    total: int
    measure: float | None = None

    @property
    def lost(self) -> bool:
        return self.what == "left out"

    def __str__(self) -> str:
        return self.sentence


_NOUNS = {
    Aspect.PICTURE: ("picture", "pictures"),
    Aspect.SIZE: ("picture size", "picture sizes"),
    Aspect.OBJECT: ("object", "objects"),
    Aspect.LABEL: ("label", "labels"),
    Aspect.BOX: ("box", "boxes"),
    Aspect.MASK: ("mask", "masks"),
    Aspect.HOLES: ("mask with holes", "masks with holes"),
    Aspect.PARTS: ("multi-part mask", "multi-part masks"),
    Aspect.SOFTNESS: ("soft mask", "soft masks"),
    Aspect.POINT: ("point", "points"),
    Aspect.SCORE: ("score", "scores"),
    Aspect.TOKENS: ("set of mask tokens", "sets of mask tokens"),
    Aspect.ORIGIN: ("note on who or what made a label", "notes on who or what made a label"),
    Aspect.REVIEW: ("review", "reviews"),
    Aspect.TEXT: ("text", "texts"),
    Aspect.ANSWER: ("answer", "answers"),
}

_SAID = {
    (Aspect.PICTURE, "unanswered"): "{n} without an answer left out",
    (Aspect.PICTURE, "bare"): "{n} described only: the picture files are not in it",
    (Aspect.PICTURE, "saved again"): "{n} saved again, upright and without hidden data",
    (Aspect.PICTURE, "renamed"): "{n} renamed, because not every name can be a file's ({example})",
    (Aspect.PICTURE, "added"): "{n} more in the file than in the set",
    (Aspect.OBJECT, "rejected"): "{n} left out: rejected by a person",
    (Aspect.OBJECT, "added"): "{n} more in the file than in the set",
    (Aspect.LABEL, "changed"): "{n} spelled otherwise ({example})",
    (Aspect.BOX, "moved"): "{n} moved, by {measure:.2g} px at most",
    (Aspect.BOX, "added"): "{n} drawn where there was none",
    (Aspect.POINT, "moved"): "{n} moved, by {measure:.2g} px at most",
    (Aspect.MASK, "changed"): "{n} changed, IoU {measure:.3f} at worst",
    (Aspect.MASK, "added"): "{n} drawn where there was none",
    (Aspect.HOLES, "filled"): "holes filled in {n}",
    (Aspect.PARTS, "split"): "{n} split into objects of their own",
    (Aspect.PARTS, "joined"): "{n} joined to one part",
    (Aspect.SOFTNESS, "left out"): "{n} cut at the threshold, fixed in the file: for another, set it and export again",
    (Aspect.ORIGIN, "raw left out"): "{n} without the raw answer it came in",
    (Aspect.ANSWER, "left out"): "notes on {n} left out",
    (Aspect.TEXT, "changed"): "{n} changed ({example})",
}


@dataclass
class _Count:
    count: int = 0
    measure: float | None = None
    example: str = ""


@dataclass
class Tally:
    """Counts what is seen, then says it. `met`: how many of an aspect there were to lose."""

    _met: dict[Aspect, int] = field(default_factory=lambda: defaultdict(int))
    _counts: dict[tuple[Aspect, str], _Count] = field(default_factory=lambda: defaultdict(_Count))

    def met(self, aspect: Aspect) -> None:
        self._met[aspect] += 1

    def add(
        self, aspect: Aspect, what: str, *, measure: float | None = None, example: tuple[str, str] | None = None
    ) -> None:
        """One more of what happened to an aspect. The worst measure is kept, and the first example (was, is)."""
        count = self._counts[aspect, what]
        count.count += 1
        if measure is not None:
            worse = min if aspect is Aspect.MASK else max
            count.measure = measure if count.measure is None else worse(count.measure, measure)
        if example and not count.example:
            was, now = map(_short, example)
            count.example = f"“{was}” is now “{now}”" if was != now else _unseen(*example)

    def losses(self) -> tuple[Loss, ...]:
        """In the order of the aspects."""
        order = list(Aspect)
        return tuple(
            self._loss(aspect, what, count)
            for (aspect, what), count in sorted(self._counts.items(), key=lambda each: order.index(each[0][0]))
        )

    def _loss(self, aspect: Aspect, what: str, count: _Count) -> Loss:
        one, many = _NOUNS[aspect]
        noun = f"{count.count} {one if count.count == 1 else many}"
        said = _SAID.get((aspect, what), f"{{n}} {what}")
        sentence = said.format(n=noun, measure=count.measure or 0.0, example=count.example)
        return Loss(aspect, what, sentence, count.count, self._met[aspect], count.measure)


def _short(text: str) -> str:
    shown = _words(text[:200])
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _unseen(was: str, now: str) -> str:
    """What is different between two texts that begin alike."""
    return "line breaks or spaces only" if _words(was) == _words(now) else "after the first words"


def _words(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
