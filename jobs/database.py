"""SQLite files that outlive their process: every change is on disk when the call returns, whoever is killed next.

A write-ahead log, flushed to the disk at each checkpoint: a killed process loses nothing, a power cut at most the last
changes, and neither harms the file. Faults come out as RequestErrors with a sentence.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.errors import RequestError

_BUSY_S = 5.0


class Database:
    """One file, one connection, used by one thread at a time; `kind` is the application_id that marks such files."""

    def __init__(self, path: Path, schema: str, *, kind: int, version: int) -> None:
        """Opens or makes the file."""
        self._turn = threading.RLock()
        self._closed = False
        with _explained():
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with _explained():
                self._prepare(schema, kind, version)
        except RequestError:
            self._connection.close()
            raise

    def _prepare(self, schema: str, kind: int, version: int) -> None:
        run = self._connection.execute
        run("PRAGMA trusted_schema = OFF")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA foreign_keys = ON")
        run("BEGIN IMMEDIATE")
        found = run("PRAGMA application_id").fetchone()[0], run("PRAGMA user_version").fetchone()[0]
        if found == (0, 0) and not run("SELECT 1 FROM sqlite_schema").fetchone():
            for statement in filter(str.strip, schema.split(";")):
                run(statement)
            run(f"PRAGMA application_id = {kind}")
            run(f"PRAGMA user_version = {version}")
        elif found != (kind, version):
            run("ROLLBACK")
            raise RequestError("This file was not made by this program, or by another version of it.")
        run("COMMIT")

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, or nothing of it."""
        with self._turn, _explained():
            self._check_open()
            if self._connection.in_transaction:  # inside another change
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:  # a KeyboardInterrupt, too, must not leave half a change open
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        with self._turn, _explained():
            self._check_open()
            yield self._connection

    def close(self) -> None:
        with self._turn:
            self._closed = True
            self._connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RequestError("This project was closed meanwhile. Open it again.")


@contextmanager
def _explained() -> Iterator[None]:
    """sqlite3's faults as sentences for people."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise RequestError(_SENTENCES.get(_code(error), _UNUSABLE)) from error
    except sqlite3.DatabaseError as error:
        raise RequestError(
            "The file the labels are kept in is damaged. Take a saved copy, or start a new project."
        ) from error


def _code(error: sqlite3.Error) -> str:
    """ "BUSY" of SQLITE_BUSY_SNAPSHOT; "" where the fault is not SQLite's own."""
    return f"{getattr(error, 'sqlite_errorname', '')}__".split("_")[1]


_UNUSABLE = "The labels cannot be kept in that folder. Check that it exists and may be written to."
_SENTENCES = {
    "BUSY": "Somebody else is writing to this project just now. Try again.",
    "LOCKED": "Somebody else is writing to this project just now. Try again.",
    "FULL": "The disk is full. Make room and try again: what was there is kept.",
    "READONLY": "The folder may not be written to. Choose another one.",
}
