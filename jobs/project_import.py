"""Pictures and labels from elsewhere into a project: picture files, folders and ZIPs, label files of every format.

What is brought in at once is undone at once, but for the pictures, which stay. Knows no page.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from grounding.archives import Archive
from grounding.editing import signed
from grounding.errors import GroundingError, ImageError, RequestError
from grounding.exports import IMPORTED, Imported, load
from grounding.exports.bundle import Bundle, open_bundle
from grounding.exports.format import picture_file
from grounding.labels import Sample
from grounding.types import Origin, Outcome, Result, Task
from jobs.project import Entry, Project

_LABEL_FILES = (".json", ".jsonl", ".xml", ".csv", ".txt", ".yaml", ".yml", ".parquet", ".zip")

Tell = Callable[[int, int], None]
"""Hears how many of how many are done."""


@dataclass(frozen=True)
class Brought:
    """pictures: how many are new. labelled: how many got labels. problems: a sentence for each thing that did not."""

    pictures: int
    labelled: int
    problems: tuple[str, ...]

    def __add__(self, other: Brought) -> Brought:
        return Brought(
            self.pictures + other.pictures, self.labelled + other.labelled, (*self.problems, *other.problems)
        )


def is_project(path: Path) -> bool:
    """Whether a file looks like an archive of a whole project."""
    try:
        with Archive(path) as archive:
            archive.getinfo("project.json")
            archive.getinfo("labels.jsonl")
            return True
    except (RequestError, OSError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile):
        return False


def bring(project: Project, path: Path, name: str, tell: Tell = lambda done, total: None) -> Brought:
    """What is in the file, folder or ZIP at `path` into the project; RequestError where nothing of it can be used."""
    if is_project(path):
        raise RequestError("This is a whole project. Go to “All projects” and open the file there.")
    if path.is_file() and not name.lower().endswith(_LABEL_FILES):
        return _pictures(project, [(name, path.read_bytes)], tell)
    bundle = open_bundle(path)
    pictures = bundle.pictures()
    others = [each for each in bundle if each not in set(pictures)]
    if pictures and not others:
        return _pictures(project, [(each, _reader(bundle, each)) for each in pictures], tell) + _said(bundle)
    try:
        found = load(path, sizes={entry.name: entry.size_wh for entry in project.pictures()})
    except RequestError:
        if not pictures:
            raise
        brought = _pictures(project, [(each, _reader(bundle, each)) for each in pictures], tell)
        return brought + Brought(0, 0, tuple(f"{each}: It is no picture and no label file." for each in others))
    return _labels(project, found, name, tell)


def _reader(bundle: Bundle, name: str) -> Callable[[], bytes]:
    return lambda: bundle.read(name)


def _said(bundle: Bundle) -> Brought:
    return Brought(0, 0, bundle.problems)


def _pictures(project: Project, files: Iterable[tuple[str, Callable[[], bytes]]], tell: Tell) -> Brought:
    added, problems, every = 0, [], list(files)
    for done, (name, read) in enumerate(every):
        tell(done, len(every))
        try:
            project.add_picture(read(), name)
            added += 1
        except ImageError as error:
            problems.append(f"{name}: {error}")
        except OSError:
            problems.append(f"{name}: It may not be opened. Check who may read it.")
    if not added and problems:
        raise RequestError(f"Nothing was added. {problems[0]}"[:199])
    return Brought(added, 0, tuple(problems))


def _labels(project: Project, found: Imported, name: str, tell: Tell) -> Brought:
    origin = Origin(IMPORTED, "", "", {"file": name, "format": found.format.title})
    known = _Known(project)
    action, what = project.store.action(), f"imported from {name[:80]}"
    added, labelled, problems = 0, 0, list(found.problems)
    for done, sample in enumerate(found.samples):
        tell(done, len(found.samples))
        try:
            data = sample.file() if sample.file else None
            entry = known.of_name(sample) if data is None else known.of_content(sample.picture, data)
            if entry is None and data is None:
                problems.append(f"{sample.picture}: Its picture is neither in the file nor in the project.")
                continue
            picture = entry.id if entry else project.add_picture(data or b"", sample.picture)
            added += entry is None
            if sample.labelled:
                result = replace(sample.result, detections=signed(sample.result.detections, origin))
                project.put_sample(picture, replace(sample, result=result), what, action=action)
                labelled += 1
        except GroundingError as error:
            problems.append(f"{sample.picture}: {error}")
    if not added and not labelled:
        raise RequestError(f"Nothing was added. {problems[0] if problems else 'The file is empty.'}"[:199])
    return Brought(added, labelled, tuple(problems))


class _Known:
    """The pictures of a project before an import, to find which of them a label file means."""

    def __init__(self, project: Project) -> None:
        self._project = project
        with project.store.database.read() as connection:
            files = dict(connection.execute("SELECT id, file FROM picture").fetchall())
        self._named: dict[str, Entry] = {}
        self._under: dict[str, list[Entry]] = {}  # by its name without folders, and that without its ending and with /
        self._holding: dict[str, list[Entry]] = {}  # by SHA-256; each is meant once, for equal pictures may be several
        for entry in project.pictures():
            name = PurePosixPath(entry.name.casefold())
            self._named[name.as_posix()] = entry
            for key in {name.name, f"{name.stem}/"}:
                self._under.setdefault(key, []).append(entry)
            if entry.id in files:
                self._holding.setdefault(PurePosixPath(files[entry.id]).stem, []).append(entry)

    def of_name(self, sample: Sample) -> Entry | None:
        """The picture of that name, or alone of its name without folders; RequestError where it is of another size."""
        entry = self._of_name(sample.picture)
        if entry is not None and sample.size_wh not in (None, entry.size_wh):
            (width, height), (w, h) = sample.size_wh or (0, 0), entry.size_wh
            raise RequestError(
                f"It is {width} × {height} in the file and {w} × {h} in the project; its labels stay out."
            )
        return entry

    def of_content(self, name: str, data: bytes) -> Entry | None:
        """The picture with this content, or of which an export would write this; whatever else has its name is not."""
        holding = self._holding.get(hashlib.sha256(data).hexdigest(), [])
        named = self._of_name(name)
        if holding:
            entry = named if named in holding else holding[0]
            assert entry is not None
            holding.remove(entry)
            return entry
        if named is None:
            alike = self._under.get(f"{_plain(name).stem}/", [])
            named = alike[0] if len(alike) == 1 else None
        return named if named is not None and self._written(named, name) == data else None

    def _of_name(self, picture: str) -> Entry | None:
        name = _plain(picture)
        entry = self._named.get(name.as_posix())
        alike = self._under.get(name.name, [])
        return entry or (alike[0] if len(alike) == 1 else None)

    def _written(self, entry: Entry, name: str) -> bytes | None:
        """What an export writes of a picture that lies on its side, or that few programs read; None where it cannot."""
        file = partial(self._project.picture, entry.id)
        sample = Sample(entry.name, entry.size_wh, Task.DETECT, Result(Outcome.NONE), file)
        return next((content for _, content in picture_file(sample, name)), None)


def _plain(picture: str) -> PurePosixPath:
    return PurePosixPath(picture.replace("\\", "/").casefold())
