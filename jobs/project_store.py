"""How a project lies on disk: one SQLite file for labels and history, one file for each picture.

Every label is written whole at every step, arrays and long texts once under their hash: a step of 200 objects takes
60 kB, and no step depends on another. Nothing here is deleted but what was undone and then overwritten, and pictures.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Any

from grounding.errors import ImageError, RequestError
from grounding.labels import Sample
from grounding.types import Review
from jobs.database import Database
from jobs.records import blob_key, decode, deflated, encode

FILE = "project.sqlite"
PICTURES = "pictures"

_KIND = 0x50494E50  # "PINP"
_SCHEMA = """
CREATE TABLE project (name TEXT NOT NULL, labels TEXT NOT NULL);
CREATE TABLE picture (
    id INTEGER PRIMARY KEY,
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
    what TEXT NOT NULL,
    at TEXT NOT NULL,
    done INTEGER NOT NULL,
    sample TEXT NOT NULL,
    objects INTEGER NOT NULL,
    open INTEGER NOT NULL,
    least_score REAL,
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
    Order.OPEN: "done, id",
    Order.UNSURE: "least_score IS NULL, least_score, id",
    Order.DISAGREEMENT: "disagreement IS NULL, disagreement DESC, id",
}


@dataclass(frozen=True)
class Entry:
    """A picture in the project. objects, open: how many labels it has, and how many of them nobody reviewed.

    disagreement: in [0, 1], the part of the objects that its last two answers do not share; None with fewer answers.
    least_score: of its objects; None where none has one.
    """

    id: int
    name: str
    size_wh: tuple[int, int]
    done: bool
    objects: int
    open: int
    disagreement: float | None
    least_score: float | None
    can_undo: bool
    can_redo: bool


@dataclass(frozen=True)
class Step:
    """One change of a picture's labels. at: ISO 8601 in UTC. current: the one that holds."""

    number: int
    what: str
    at: str
    current: bool


class Store:
    """The reading and writing under a Project; safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        """Opens or makes the project's file; the folder is there."""
        self.folder = folder
        self.database = Database(folder / FILE, _SCHEMA, kind=_KIND, version=1)

    def row(self, query: str, *values: object) -> Any:
        """The first row; RequestError where there is none: queries name a picture that may be gone."""
        with self.database.read() as connection:
            row = connection.execute(query, values).fetchone()
        if row is None:
            raise RequestError("This picture is not in the project any more. Choose another.")
        return row

    def entries(self, order: Order) -> list[Entry]:
        with self.database.read() as connection:
            return [_entry(row) for row in connection.execute(f"{_ENTRIES} ORDER BY {_ORDERS[order]}")]

    def entry(self, picture: int) -> Entry:
        return _entry(self.row(f"{_ENTRIES} WHERE picture.id = ?", picture))

    def sample(self, picture: int) -> Sample | None:
        record, file = self.row(f"SELECT sample, file {_CURRENT} WHERE picture.id = ?", picture)
        return None if record is None else self.decoded(record, file)

    def step(self, picture: int, what: str, sample: Sample, *, done: bool, at: str | None = None) -> None:
        """A new step behind the current one; what was undone before it is forgotten."""
        found = sample.result.detections
        if len({each.id for each in found}) < len(found):
            raise RequestError("Two objects have the same number. Reload the picture and try again.")
        scores = [each.score for each in found if each.score is not None]
        open_ = sum(each.review is Review.OPEN for each in found)
        with self.database.change() as connection:
            (now,) = self.row("SELECT step FROM picture WHERE id = ?", picture)
            connection.execute("DELETE FROM step WHERE picture = ? AND number > ?", (picture, now))
            record = self.encoded(sample, connection)
            row = (picture, now + 1, what, at or _now(), done, record, len(found), open_, min(scores, default=None))
            connection.execute("INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            connection.execute("UPDATE picture SET step = ? WHERE id = ?", (now + 1, picture))

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

    def add_file(self, name: str, data: bytes) -> None:
        """The picture file, whole or not at all; one of this name holds the same content."""
        path = self.folder / PICTURES / name
        part = path.with_name(f"{name}.{os.getpid()}.part")
        try:
            if not path.exists():
                part.write_bytes(data)
                part.replace(path)
        except OSError as error:
            raise RequestError("The picture cannot be kept in the project's folder. Check the disk's space.") from error
        finally:
            part.unlink(missing_ok=True)


_CURRENT = "FROM picture LEFT JOIN step ON step.picture = picture.id AND step.number = picture.step"
_ENTRIES = f"""SELECT id, name, width, height, coalesce(done, 0) AS done, coalesce(objects, 0), coalesce(open, 0),
disagreement, least_score, picture.step > 0,
EXISTS (SELECT 1 FROM step AS later WHERE later.picture = picture.id AND later.number > picture.step) {_CURRENT}"""


def _entry(row: Sequence[object]) -> Entry:
    id_, name, width, height, done, objects, open_, differs, least, can_undo, can_redo = row
    return Entry(id_, name, (width, height), bool(done), objects, open_, differs, least,  # type: ignore[arg-type]
                 bool(can_undo), bool(can_redo))  # fmt: skip


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
