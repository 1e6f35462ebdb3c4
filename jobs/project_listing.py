"""What a list of a project's pictures shows: which of them, in what order, and of each what a row tells.

As SQL over the tables of jobs/project_store.py and as values read from them; no mask is read for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from grounding.types import Detection, Review


class Order(StrEnum):
    """In which order pictures come up for review."""

    ADDED = "as added"
    NAME = "by name"
    OPEN = "open first"
    UNSURE = "lowest score first"
    DISAGREEMENT = "disagreement first"


_ORDERS = {
    Order.ADDED: "id",
    Order.NAME: "name COLLATE NOCASE",
    Order.OPEN: "coalesce(state, 'open') <> 'open', id",
    Order.UNSURE: "least_score IS NULL, least_score, id",
    Order.DISAGREEMENT: "disagreement IS NULL, disagreement DESC, id",
}


@dataclass(frozen=True)
class Entry:
    """A picture in the project. objects, open: how many labels it has, and how many of them nobody reviewed.

    state: of the picture; accepted is approved. version: another after every change of its labels, 0 before the first.
    disagreement: in [0, 1], the part of the objects that its last two answers to one question do not share; None where
    there are no two.
    """

    id: int
    name: str
    size_wh: tuple[int, int]
    state: Review
    version: int
    objects: int
    open: int
    disagreement: float | None


@dataclass(frozen=True)
class Which:
    """Some of the pictures: in this state, with an object of this label, from this place on, so many. None: all."""

    state: Review | None = None
    label: str | None = None
    start: int = 0
    most: int | None = None


ALL = Which()


@dataclass(frozen=True)
class Outline:
    """An object as a list shows it: a point is a box of no size."""

    label: str
    review: Review
    corners: tuple[float, float, float, float]


CURRENT = "FROM picture LEFT JOIN step ON step.picture = picture.id AND step.number = picture.step"
_ENTRIES = f"""SELECT id, name, width, height, coalesce(state, 'open'), coalesce(action, 0),
coalesce(objects, 0), coalesce(open, 0), disagreement {CURRENT}"""

ENTRY = f"{_ENTRIES} WHERE picture.id = ?"
"""The row that `entry_of` reads, of one picture."""


def entries_query(order: Order, which: Which) -> tuple[str, list[object]]:
    """The rows that `entry_of` reads, and the query's values."""
    where, values = _where(which)
    query = f"{_ENTRIES} {where} ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?"
    return query, [*values, -1 if which.most is None else which.most, which.start]


def count_query(which: Which) -> tuple[str, list[object]]:
    """How many there are, `start` and `most` left aside, and the query's values."""
    where, values = _where(which)
    return f"SELECT count(*) {CURRENT} {where}", values


def _where(which: Which) -> tuple[str, list[object]]:
    wanted: list[tuple[str, object]] = []
    if which.state is not None:
        wanted.append(("coalesce(state, 'open') = ?", which.state.value))
    if which.label is not None:
        has = "SELECT 1 FROM json_each(outline) WHERE json_extract(value, '$[0]') = ?"
        wanted.append((f"outline IS NOT NULL AND EXISTS ({has})", which.label))
    clause = " AND ".join(each for each, _ in wanted)
    return f"WHERE {clause}" if clause else "", [value for _, value in wanted]


def entry_of(row: Sequence[object]) -> Entry:
    id_, name, width, height, state, version, objects, open_, differs = row
    return Entry(id_, name, (width, height), Review(state), version, objects, open_, differs)  # type: ignore[arg-type]


def encode_outline(found: Sequence[Detection]) -> str:
    """A step's column `outline`; `decode_outline` reads it."""
    labels = [each.label.encode("utf-8", "replace").decode() for each in found]  # no JSON holds half a surrogate pair
    told = zip(labels, found, strict=True)
    return json.dumps([[name, each.review.value, [round(at, 4) for at in _corners(each)]] for name, each in told])


def decode_outline(text: str) -> list[Outline]:
    return [Outline(label, Review(review), tuple(at)) for label, review, at in json.loads(text)]


def renamed_outline(text: str, words: Collection[str], name: str) -> str:
    """The same, with objects called one of `words` called `name`."""
    return json.dumps([[name if label in words else label, *more] for label, *more in json.loads(text)])


def _corners(detection: Detection) -> tuple[float, ...]:
    if detection.box is not None:
        return detection.box
    if detection.point is not None:
        return (*detection.point, *detection.point)
    return detection.mask.frame if detection.mask is not None else (0.0, 0.0, 1.0, 1.0)
