"""What a labelling run has done so far: a file of JSON lines in its output folder that is only ever added to.

A picture is in it as soon as its answer came, and stays when the run is killed; a line that was being written then is
cut off by the next run, which goes on from there. The last line of a picture counts. Pictures that got no answer are
kept to be told of, and asked about again. Why lines and no database: docs/decisions.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.errors import RequestError
from grounding.labels import Sample
from grounding.types import Outcome
from jobs.records import from_record, to_record
from jobs.tally import Facts, Tally
from jobs.work import Job

try:
    import fcntl
except ImportError:  # Windows has no such lock: there, nothing keeps a second run out
    fcntl = None  # type: ignore[assignment]

NAME = "journal.jsonl"

_DAMAGED = "What was labelled so far is damaged and cannot be read. Begin anew."
_BUSY = "Another run is writing these labels just now. Wait for its end, or begin another one."


class JournalError(RequestError):
    """A journal cannot be gone on with; another folder, or none of it, can."""


@dataclass(frozen=True)
class _Entry:
    at: int  # in bytes
    stamp: str
    answered: bool
    cost_usd: float | None  # of all that was asked about it
    facts: Facts


class Journal:
    """Of one job in one folder. One process at a time; safe to call from several of its threads."""

    def __init__(self, folder: Path, job: Job) -> None:
        """Goes on with the folder's journal or begins one; JournalError where it is of another question."""
        self._turn = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._tally = Tally()
        try:
            self._fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise unwritable(error) from error
        try:
            self._lock()
            self._end = self._read_all(job.to_json())
            if self._end == 0:
                self._append({"journal": 1, "job": job.to_json()})
        except RequestError:
            os.close(self._fd)
            raise

    def has(self, name: str, stamp: str) -> bool:
        """Whether this picture, as it is now, was answered."""
        entry = self._entries.get(name)
        return entry is not None and entry.answered and entry.stamp == stamp

    def keep(self, sample: Sample, stamp: str) -> None:
        """On disk when this returns; a picture that got no answer will be asked about again by the next run."""
        answered = sample.result.outcome is not Outcome.FAILED
        usage = sample.result.usage
        row = {"picture": sample.picture, "stamp": stamp, "answered": answered, "facts": Facts.of(sample).to_json()}
        row |= {"cost_usd": usage.cost_usd if usage else None, "record": to_record(sample)}
        with self._turn:
            self._put(self._append(row), row)

    def read(self, name: str) -> Sample | None:
        """What came of a picture; None where nothing has."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        with open(os.dup(self._fd), "rb") as file, self._turn:
            file.seek(entry.at)
            return from_record(json.loads(file.readline())["record"])

    def asked(self, name: str) -> bool:
        """Whether anything came of a picture."""
        return name in self._entries

    def changed(self, name: str, stamp: str) -> bool:
        """Whether what came was of another picture of this name, which was replaced since."""
        entry = self._entries.get(name)
        return entry is not None and entry.stamp != stamp

    def facts(self, name: str) -> Facts | None:
        """What is counted of a picture; None where nothing came of it."""
        entry = self._entries.get(name)
        return entry.facts if entry else None

    def tally(self) -> Tally:
        """What came of all pictures so far."""
        with self._turn:
            return self._tally.copy()

    def cost_usd(self, names: Iterable[str] | None = None) -> float | None:
        """What the answers to these pictures, or to all, cost; None where no answer said."""
        with self._turn:
            entries = self._entries.values() if names is None else map(self._entries.get, names)
            known = [each.cost_usd for each in entries if each is not None and each.cost_usd is not None]
        return sum(known) if known else None

    def close(self) -> None:
        os.close(self._fd)

    def _lock(self) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it with the process
            except OSError as error:
                raise JournalError(_BUSY) from error

    def _read_all(self, question: Mapping[str, Any]) -> int:
        """Where the last whole line ends; what comes after is cut off."""
        end = 0
        for at, length, row in self._lines():
            if at == 0:
                _agree(row.get("job"), question)
            else:
                try:
                    self._put(at, row)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise JournalError(_DAMAGED) from error
            end = at + length
        os.ftruncate(self._fd, end)
        return end

    def _lines(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """(where it begins, how long it is, what it says) of each whole line."""
        at = 0
        with open(os.dup(self._fd), "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):  # it was being written when the run was killed
                    return
                try:
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("no entry")
                    if at and not {"picture", "stamp", "answered", "record"} <= row.keys():
                        raise ValueError("no entry")
                except ValueError as error:
                    raise JournalError(_DAMAGED) from error
                yield at, len(line), row
                at += len(line)

    def _append(self, row: Mapping[str, Any]) -> int:
        """Where the new line begins. All of it is written, or nothing."""
        rest = memoryview(json.dumps(row).encode() + b"\n")
        at = self._end
        os.lseek(self._fd, at, os.SEEK_SET)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            os.ftruncate(self._fd, at)
            raise unwritable(error) from error
        self._end = os.lseek(self._fd, 0, os.SEEK_CUR)
        return at

    def _put(self, at: int, row: Mapping[str, Any]) -> None:
        """Take the line at `at` in; what was known of its picture is no more, but for what it cost."""
        before = self._entries.get(row["picture"])
        costs = [cost for cost in (before.cost_usd if before else None, row.get("cost_usd")) if cost is not None]
        # Lines of older versions have no facts of their own.
        facts = Facts.from_json(row["facts"]) if "facts" in row else Facts.of(from_record(row["record"]))
        self._entries[row["picture"]] = _Entry(
            at, row["stamp"], bool(row["answered"]), sum(costs) if costs else None, facts
        )
        self._tally.put(row["picture"], facts, before.facts if before else None)


def _agree(before: object, question: Mapping[str, Any]) -> None:
    if not isinstance(before, dict):
        raise JournalError(_DAMAGED)
    differs = [key for key in question if before.get(key) != question[key]]
    if differs:
        raise JournalError(f"What is labelled there answers another question: {' and '.join(differs[:3])} differ.")


def unwritable(error: OSError) -> RequestError:
    return RequestError(f"The labels cannot be written to the disk: {error.strerror or 'unknown fault'}.")
