"""How a project lies on disk: one SQLite file for labels and history, one file for each picture.

Every label is written whole at every step, arrays and long texts once under their hash: a step of 200 objects takes
60 kB, and no step depends on another. Nothing here is deleted but what was undone and then overwritten, and pictures.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from grounding.errors import RequestError
from grounding.labels import Naming, Sample
from grounding.types import Review
from jobs.database import Database
from jobs.picture_files import PictureFiles
from jobs.project_listing import (
    CURRENT,
    ENTRY,
    Entry,
    Order,
    Outline,
    Which,
    count_query,
    decode_outline,
    encode_outline,
    entries_query,
    entry_of,
    renamed_outline,
)
from jobs.records import blob_key, decode, deflated, encode

FILE = "project.sqlite"
CHANGED = "This picture was changed in another window meanwhile. Show it again to go on from there."

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


class Store:
    """The reading and writing under a Project; safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        """Opens or makes the project's file; the folder is there."""
        self.folder = folder
        self.files = PictureFiles(folder)
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
        query, values = entries_query(order, which)
        with self.database.read() as connection:
            return [entry_of(row) for row in connection.execute(query, values).fetchall()]

    def count(self, which: Which) -> int:
        query, values = count_query(which)
        return int(self.row(query, *values)[0])

    def outline(self, picture: int) -> list[Outline]:
        (told,) = self.row(f"SELECT outline {CURRENT} WHERE picture.id = ?", picture)
        return decode_outline(told or "[]")

    def entry(self, picture: int) -> Entry:
        return entry_of(self.row(ENTRY, picture))

    def sample(self, picture: int) -> Sample | None:
        record, file = self.row(f"SELECT sample, file {CURRENT} WHERE picture.id = ?", picture)
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
        scores = [each.own_score for each in found if each.own_score is not None]
        open_ = sum(each.review is Review.OPEN for each in found)
        with self.database.change() as connection:
            now, version = self.row(f"SELECT picture.step, coalesce(action, 0) {CURRENT} WHERE id = ?", picture)
            if since is not None and version != since:
                raise RequestError(CHANGED)
            record = self.encoded(sample, connection)
            number = self.action() if action is None else action
            row = (picture, now + 1, number, what, at or _now(), state.value, record, len(found), open_,
                   min(scores, default=None), encode_outline(found))  # fmt: skip
            _put_step(connection, row)

    def rename(self, picture: int, words: Collection[str], name: str, what: str, action: int) -> int:
        """A step in which objects called one of `words` are called `name`; how many. No mask is read for it."""
        columns = "picture.step, state, sample, objects, open, least_score, outline"
        now, state, record, objects, open_, least, outline = self.row(
            f"SELECT {columns} {CURRENT} WHERE id = ?", picture
        )
        told = json.loads(record)
        found = [each for each in told["result"].get("detections", []) if _label(each) in words]
        for each in found:
            before = each.pop("label_before", each["label"])
            each["label"] = name
            if before != name:
                each["label_before"] = before
        if found:
            drawn = renamed_outline(outline, words, name)
            row = (picture, now + 1, action, what, _now(), state, json.dumps(told), objects, open_, least, drawn)
            with self.database.change() as connection:
                _put_step(connection, row)
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
        return replace(decode(json.loads(record), Sample, self.blob), file=partial(self.files.read, file))


def _put_step(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
    """The step as the current one of its picture; what was undone before it is forgotten."""
    picture, number, *_ = row
    connection.execute("DELETE FROM step WHERE picture = ? AND number >= ?", (picture, number))
    connection.execute("INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.execute("UPDATE picture SET step = ? WHERE id = ?", (number, picture))


def _label(record: dict[str, Any]) -> str:
    """An object's label in a record; "" for one so long that it lies elsewhere: nobody chose it from a list."""
    label = record.get("label")
    return label if isinstance(label, str) else ""


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
