"""Where projects stand: in a folder of this machine for its owner; on a public Space in a temporary one per visitor."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
from pathlib import Path

from grounding.errors import RequestError
from grounding.settings import Settings
from jobs.project import FILE, Project
from jobs.project_archive import import_archive


class Shelf:
    """The projects of everyone who uses this page; a visitor of a Space sees only their own."""

    def __init__(self, settings: Settings) -> None:
        self.temporary = settings.on_space
        self._home = Path(settings.projects).expanduser()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    def names(self, visitor: str = "") -> list[str]:
        """The projects there are, by name."""
        try:
            found = [each.name for each in self._folder(visitor).iterdir() if (each / FILE).is_file()]
        except OSError:  # none was ever made
            return []
        return sorted(found, key=str.casefold)

    def create(self, name: str, visitor: str = "") -> Project:
        return Project.create(self._place(name, visitor), " ".join(name.split()))

    def open(self, name: str, visitor: str = "") -> Project:
        return Project.open(self._place(name, visitor))

    def take_in(self, archive: Path, name: str, visitor: str = "") -> Project:
        """The project in a ZIP, under `name`."""
        return import_archive(archive, self._place(name, visitor))

    def delete(self, name: str, visitor: str = "") -> None:
        """The project and its pictures are gone for good."""
        place = self._place(name, visitor)
        if not (place / FILE).is_file():
            raise RequestError("There is no such project. Check its name.")
        shutil.rmtree(place, ignore_errors=True)

    def leave(self, visitor: str) -> None:
        """The visitor has gone: what was temporary goes, too."""
        if self.temporary:
            shutil.rmtree(self._folder(visitor), ignore_errors=True)

    def _folder(self, visitor: str) -> Path:
        if not self.temporary:
            return self._home
        with self._lock:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="pinpoint-projects-", ignore_cleanup_errors=True)
        return Path(self._temporary.name) / hashlib.sha256(visitor.encode()).hexdigest()[:32]

    def _place(self, name: str, visitor: str) -> Path:
        return self._folder(visitor) / folder_name(name)


def folder_name(name: str) -> str:
    """A project's name as that of a folder on any system: letters, digits, spaces, dashes; RequestError for none."""
    plain = re.sub(r"[^\w ()-]+", "-", " ".join(name.split()))[:80].strip(" -")
    if not re.search(r"\w", plain) or re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", plain):
        raise RequestError("Give the project a name of letters and digits.")
    return plain
