"""Where projects stand: in a folder of this machine for its owner; where others reach the page, in temporary ones."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from grounding.errors import RequestError
from grounding.settings import Settings
from grounding.types import Review
from jobs.project import FILE, Project, Which
from jobs.project_archive import import_archive

STAYS_S = 3600
"""How long a temporary project outlives its visitor's connection: a phone that slept for a while finds it again."""


MAX_TEMPORARY_BYTES = 1_000_000_000
"""Of one visitor's projects on a Space, whose disk of 50 GB all visitors share."""


@dataclass(frozen=True)
class Standing:
    """A project on the shelf. pictures, approved: how many. problem: why it cannot be read, "" where it can."""

    name: str
    title: str
    pictures: int = 0
    approved: int = 0
    changed_at: float = 0.0
    problem: str = ""


class Shelf:
    """The projects of everyone who uses this page; where it is shared, a visitor sees only their own.

    A project is opened for each use and closed behind it: nothing writes on into one that was deleted meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self.temporary = not settings.local
        self._home = Path(settings.projects).expanduser()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()
        self._left: dict[str, float] = {}  # visitor -> when they went, monotonic seconds

    def names(self, visitor: str = "") -> list[str]:
        """The projects there are, by name; a folder that no name leads to is none, or another would be meant by it."""
        try:
            every = [each.name for each in self._folder(visitor).iterdir() if (each / FILE).is_file()]
            found = [name for name in every if _is_folder_name(name)]
        except OSError:  # none was ever made
            return []
        return sorted(found, key=str.casefold)

    def recent(self, visitor: str = "") -> list[str]:
        """The same, the last changed first."""
        return sorted(self.names(visitor), key=lambda name: -self._changed_at(name, visitor))

    def standing(self, visitor: str = "") -> list[Standing]:
        """What there is, the last changed first."""
        return sorted((self._stands(name, visitor) for name in self.names(visitor)), key=lambda each: -each.changed_at)

    def _stands(self, name: str, visitor: str) -> Standing:
        changed_at = self._changed_at(name, visitor)
        try:
            with self.lend(name, visitor) as project:
                approved = project.count(Which(state=Review.ACCEPTED))
                return Standing(name, project.name, project.count(), approved, changed_at)
        except RequestError as error:
            return Standing(name, name, changed_at=changed_at, problem=str(error))

    def _changed_at(self, name: str, visitor: str) -> float:
        """When it last was, in seconds since 1970."""
        times = [0.0]
        for suffix in ("", "-wal"):
            with suppress(OSError):
                times.append((self._folder(visitor) / name / (FILE + suffix)).stat().st_mtime)
        return max(times)

    def check_room(self, visitor: str) -> None:
        """RequestError where a visit has taken all the disk it may; one's own machine has its own limits."""
        if self.temporary:
            files = (each for each in self._folder(visitor).rglob("*") if each.is_file())
            if sum(each.stat().st_size for each in files) > MAX_TEMPORARY_BYTES:
                raise RequestError("Your projects are as large as they may get here. Save one, delete it and go on.")

    @contextmanager
    def lend(self, name: str, visitor: str = "") -> Iterator[Project]:
        """The project, closed again afterwards."""
        project = self.open(name, visitor)
        try:
            yield project
        finally:
            project.close()

    def create(self, name: str, visitor: str = "") -> Project:
        return Project.create(self._place(name, visitor), " ".join(name.split()))

    def open(self, name: str, visitor: str = "") -> Project:
        return Project.open(self._place(name, visitor))

    def take_in(self, archive: Path, name: str, visitor: str = "") -> Project:
        """The project in a ZIP, under `name`."""
        self.check_room(visitor)
        return import_archive(archive, self._place(name, visitor))

    def delete(self, name: str, visitor: str = "") -> None:
        """The project and its pictures are gone for good; RequestError where something of it stays."""
        place = self._place(name, visitor)
        if not (place / FILE).is_file():
            raise RequestError("There is no such project. Check its name.")
        shutil.rmtree(place, ignore_errors=True)
        if place.exists():
            raise RequestError("The project could not be deleted whole. Close what uses its files, and try again.")

    def leave(self, visitor: str) -> None:
        """The visitor has gone: what was temporary goes too, after a while."""
        if self.temporary:
            self._left[visitor] = time.monotonic()
            self.tidy()

    def tidy(self, stays_s: float = STAYS_S) -> None:
        """Temporary projects of those who left longer ago are deleted."""
        for visitor, went in list(self._left.items()):
            if time.monotonic() - went >= stays_s and self._left.pop(visitor, None) is not None:
                shutil.rmtree(self._folder(visitor), ignore_errors=True)

    def _folder(self, visitor: str) -> Path:
        if not self.temporary:
            return self._home
        with self._lock:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="pinpoint-projects-", ignore_cleanup_errors=True)
        return Path(self._temporary.name) / hashlib.sha256(visitor.encode()).hexdigest()[:32]

    def _place(self, name: str, visitor: str) -> Path:
        self._left.pop(visitor, None)  # here again
        return self._folder(visitor) / folder_name(name)


def folder_name(name: str) -> str:
    """A project's name as that of a folder on any system: letters, digits, spaces, dashes; RequestError for none."""
    plain = re.sub(r"[^\w ()-]+", "-", " ".join(name.split()))[:80].strip(" -")
    if not re.search(r"\w", plain) or re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", plain):
        raise RequestError("Give the project a name of letters and digits.")
    return plain


def _is_folder_name(name: str) -> bool:
    try:
        return folder_name(name) == name
    except RequestError:
        return False
