"""How a project lies on disk: one SQLite file for labels and history, one file for each picture.

Every label is written whole at every step, arrays and long texts once under their hash: a step of 200 objects takes
60 kB, and no step depends on another. Nothing here is deleted but what was undone and then overwritten, and pictures.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Any

from grounding.errors import ImageError, RequestError
from grounding.labels import Naming, Sample
from grounding.types import Detection, Review
from jobs.database import Database
from jobs.records import blob_key, decode, deflated, encode

FILE = "project.sqlite"
PICTURES = "pictures"

THUMBNAILS = "thumbnails"
THUMBNAIL_PX = 320

_KIND = 0x50494E50  # "PINP"
_SCHEMA = """
CREATE TABLE project (name TEXT NOT NULL, actions INTEGER NOT NULL, naming INTEGER NOT NULL);
CREATE TABLE naming (number INTEGER PRIMARY KEY, action INTEGER NOT NULL, what TEXT NOT NULL, words TEXT NOT NULL);
CREATE TABLE picture (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    file TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    step INTEGER NOT NULL DEFAULT 0,
    disagreement REAL
);
CREATE TABLE step (
    picture INTEGER NOT NULL REFERENCES picture ON DELETE CASCADE,
    number INTEGER NOT NULL,
    action INTEGER NOT NULL,
    what TEXT NOT NULL,
    at TEXT NOT NULL,
    state TEXT NOT NULL,
    sample TEXT NOT NULL,
    objects INTEGER NOT NULL,
    open INTEGER NOT NULL,
    least_score REAL,
    outline TEXT NOT NULL,
    PRIMARY KEY (picture, number)
) WITHOUT ROWID;
CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    picture INTEGER NOT NULL REFERENCES picture ON DELETE CASCADE,
    sample TEXT NOT NULL
);
CREATE INDEX answer_of ON answer (picture);
CREATE TABLE blob (key TEXT PRIMARY KEY, data BLOB NOT NULL);
"""
"""action: what was done at once has one number, in every picture it changed; project.actions is the newest. A picture's
`step`, and the project's `naming`, is the number of the one that holds, 0 before the first. outline: [label, review,
[x1, y1, x2, y2]] of each object, a point as a box of no size: what a list needs without its masks."""


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


class Store:
    """The reading and writing under a Project; safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        """Opens or makes the project's file; the folder is there."""
        self.folder = folder
        self.database = Database(folder / FILE, _SCHEMA, kind=_KIND, version=2)

    def row(self, query: str, *values: object) -> Any:
        """The first row; RequestError where there is none: queries name a picture that may be gone."""
        with self.database.read() as connection:
            row = connection.execute(query, values).fetchone()
        if row is None:
            raise RequestError("This picture is not in the project any more. Choose another.")
        return row

    def identity(self) -> str:
        """What tells this project from every other, one made again under its name too. Older files get one now."""
        with self.database.change() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS identity (key TEXT NOT NULL)")
            if connection.execute("SELECT 1 FROM identity").fetchone() is None:
                connection.execute("INSERT INTO identity VALUES (?)", (uuid.uuid4().hex,))
            return str(self.row("SELECT key FROM identity")[0])

    def entries(self, order: Order, which: Which) -> list[Entry]:
        where, values = _where(which)
        query = f"{_ENTRIES} {where} ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?"
        with self.database.read() as connection:
            rows = connection.execute(query, (*values, -1 if which.most is None else which.most, which.start))
            return [_entry(row) for row in rows]

    def count(self, which: Which) -> int:
        where, values = _where(which)
        return int(self.row(f"SELECT count(*) {_CURRENT} {where}", *values)[0])

    def outline(self, picture: int) -> list[Outline]:
        (told,) = self.row(f"SELECT outline {_CURRENT} WHERE picture.id = ?", picture)
        return [Outline(label, Review(review), tuple(at)) for label, review, at in json.loads(told or "[]")]

    def entry(self, picture: int) -> Entry:
        return _entry(self.row(f"{_ENTRIES} WHERE picture.id = ?", picture))

    def sample(self, picture: int) -> Sample | None:
        record, file = self.row(f"SELECT sample, file {_CURRENT} WHERE picture.id = ?", picture)
        return None if record is None else self.decoded(record, file)

    def action(self) -> int:
        """The number of something that is done now, in one picture or in many."""
        with self.database.change() as connection:
            connection.execute("UPDATE project SET actions = actions + 1")
            return int(self.row("SELECT actions FROM project")[0])

    def step(
        self,
        picture: int,
        what: str,
        sample: Sample,
        *,
        state: Review,
        at: str | None = None,
        action: int | None = None,
        since: int | None = None,
    ) -> None:
        """A new step behind the current one; what was undone before it is forgotten.

        since: the version it goes on from; RequestError where the picture has another by now.
        """
        found = sample.result.detections
        if len({each.id for each in found}) < len(found):
            raise RequestError("Two objects have the same number. Reload the picture and try again.")
        scores = [each.score for each in found if each.score is not None]
        open_ = sum(each.review is Review.OPEN for each in found)
        with self.database.change() as connection:
            now, version = self.row(f"SELECT picture.step, coalesce(action, 0) {_CURRENT} WHERE id = ?", picture)
            if since is not None and version != since:
                raise RequestError(CHANGED)
            connection.execute("DELETE FROM step WHERE picture = ? AND number > ?", (picture, now))
            record = self.encoded(sample, connection)
            number = self.action() if action is None else action
            row = (picture, now + 1, number, what, at or _now(), state.value, record, len(found), open_,
                   min(scores, default=None), _outline(found))  # fmt: skip
            connection.execute("INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            connection.execute("UPDATE picture SET step = ? WHERE id = ?", (now + 1, picture))

    def rename(self, picture: int, words: Collection[str], name: str, what: str, action: int) -> int:
        """A step in which objects called one of `words` are called `name`; how many. No mask is read for it."""
        columns = "picture.step, state, sample, objects, open, least_score, outline"
        now, state, record, objects, open_, least, outline = self.row(
            f"SELECT {columns} {_CURRENT} WHERE id = ?", picture
        )
        told = json.loads(record)
        found = [each for each in told["result"].get("detections", []) if _label(each) in words]
        for each in found:
            before = each.pop("label_before", each["label"])
            each["label"] = name
            if before != name:
                each["label_before"] = before
        if found:
            drawn = json.dumps([[name if label in words else label, *more] for label, *more in json.loads(outline)])
            row = (picture, now + 1, action, what, _now(), state, json.dumps(told), objects, open_, least, drawn)
            with self.database.change() as connection:
                connection.execute("DELETE FROM step WHERE picture = ? AND number > ?", (picture, now))
                connection.execute("INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                connection.execute("UPDATE picture SET step = ? WHERE id = ?", (now + 1, picture))
        return len(found)

    def naming(self) -> Naming:
        row = self.row("SELECT (SELECT words FROM naming WHERE naming.number = project.naming) FROM project")[0]
        told = json.loads(row or "{}")
        return Naming(tuple(told.get("names", ())), dict(told.get("synonyms", {})))

    def name(self, naming: Naming, what: str, action: int) -> None:
        """Another naming from now on; those undone before are forgotten."""
        with self.database.change() as connection:
            (now,) = self.row("SELECT naming FROM project")
            connection.execute("DELETE FROM naming WHERE number > ?", (now,))
            words = json.dumps({"names": naming.names, "synonyms": dict(naming.synonyms)})
            connection.execute("INSERT INTO naming VALUES (?, ?, ?, ?)", (now + 1, action, what, words))
            connection.execute("UPDATE project SET naming = ?", (now + 1,))

    def add_answer(self, picture: int, sample: Sample) -> None:
        with self.database.change() as connection:
            row = picture, self.encoded(sample, connection)
            connection.execute("INSERT INTO answer (picture, sample) VALUES (?, ?)", row)

    def blob(self, key: str) -> bytes:
        return bytes(self.row("SELECT data FROM blob WHERE key = ?", key)[0])

    def encoded(self, sample: Sample, connection: sqlite3.Connection) -> str:
        def put(data: bytes) -> str:
            key = blob_key(data)
            if not connection.execute("SELECT 1 FROM blob WHERE key = ?", (key,)).fetchone():
                connection.execute("INSERT INTO blob VALUES (?, ?)", (key, deflated(data)))
            return key

        return json.dumps(encode(replace(sample, file=None), put))

    def decoded(self, record: str, file: str) -> Sample:
        return replace(decode(json.loads(record), Sample, self.blob), file=self.file(file))

    def file(self, file: str) -> Callable[[], bytes]:
        def read() -> bytes:
            try:
                return (self.folder / PICTURES / file).read_bytes()
            except OSError as error:
                raise ImageError("The picture's file is no longer in the project's folder. Add it again.") from error

        return read

    def add_file(self, name: str, data: bytes, folder: str = PICTURES) -> None:
        """The file, whole or not at all; one of this name holds the same content."""
        path = self.folder / folder / name
        part = path.with_name(f"{name}.{os.getpid()}.part")
        try:
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                part.write_bytes(data)
                part.replace(path)
        except OSError as error:
            raise RequestError("The picture cannot be kept in the project's folder. Check the disk's space.") from error
        finally:
            part.unlink(missing_ok=True)


CHANGED = "This picture was changed in another window meanwhile. Show it again to go on from there."

_CURRENT = "FROM picture LEFT JOIN step ON step.picture = picture.id AND step.number = picture.step"
_ENTRIES = f"""SELECT id, name, width, height, coalesce(state, 'open'), coalesce(action, 0),
coalesce(objects, 0), coalesce(open, 0), disagreement {_CURRENT}"""


def _where(which: Which) -> tuple[str, list[object]]:
    wanted: list[tuple[str, object]] = []
    if which.state is not None:
        wanted.append(("coalesce(state, 'open') = ?", which.state.value))
    if which.label is not None:
        has = "SELECT 1 FROM json_each(outline) WHERE json_extract(value, '$[0]') = ?"
        wanted.append((f"outline IS NOT NULL AND EXISTS ({has})", which.label))
    clause = " AND ".join(each for each, _ in wanted)
    return f"WHERE {clause}" if clause else "", [value for _, value in wanted]


def _entry(row: Sequence[object]) -> Entry:
    id_, name, width, height, state, version, objects, open_, differs = row
    return Entry(id_, name, (width, height), Review(state), version, objects, open_, differs)  # type: ignore[arg-type]


def _label(record: dict[str, Any]) -> str:
    """An object's label in a record; "" for one so long that it lies elsewhere: nobody chose it from a list."""
    label = record.get("label")
    return label if isinstance(label, str) else ""


def _outline(found: Sequence[Detection]) -> str:
    labels = [each.label.encode("utf-8", "replace").decode() for each in found]  # no JSON holds half a surrogate pair
    told = zip(labels, found, strict=True)
    return json.dumps([[name, each.review.value, [round(at, 4) for at in _corners(each)]] for name, each in told])


def _corners(detection: Detection) -> tuple[float, ...]:
    if detection.box is not None:
        return detection.box
    if detection.point is not None:
        return (*detection.point, *detection.point)
    return detection.mask.frame if detection.mask is not None else (0.0, 0.0, 1.0, 1.0)


def free_name(connection: sqlite3.Connection, name: str) -> str:
    """`name`, or with a number behind it where it is taken."""
    stem, suffix = PurePath(name).stem, PurePath(name).suffix
    folder = name[: len(name) - len(stem + suffix)]
    free, count = name, 1
    while connection.execute("SELECT 1 FROM picture WHERE name = ?", (free,)).fetchone():
        count += 1
        free = f"{folder}{stem} ({count}){suffix}"
    return free


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
