"""Pictures and labels from elsewhere into a project: picture files, folders and ZIPs, label files of every format.

What is brought in at once is undone at once, but for the pictures, which stay. Knows no page.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from grounding.errors import GroundingError, ImageError, RequestError
from grounding.exports import IMPORTED, Imported, load
from grounding.exports.bundle import Bundle, open_bundle
from grounding.labels import Sample
from grounding.types import Origin
from jobs.project import Entry, Project
from jobs.project_answers import laid_over

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
        with zipfile.ZipFile(path) as archive:
            archive.getinfo("project.json")
            archive.getinfo("labels.jsonl")
            return True
    except (OSError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile):
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
        found = load(path)
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
    here = {entry.name.casefold(): entry for entry in project.pictures()}
    action = project.store.action()
    added, labelled, problems = 0, 0, list(found.problems)
    for done, sample in enumerate(found.samples):
        tell(done, len(found.samples))
        try:
            entry = _meant(sample, here)
            if entry is None and sample.file is None:
                problems.append(f"{sample.picture}: Its picture is neither in the file nor in the project.")
                continue
            picture = entry.id if entry else project.add_picture(sample.file() if sample.file else b"", sample.picture)
            added += entry is None
            if sample.labelled:
                _put(project, picture, sample, origin, f"imported from {name[:80]}", action)
                labelled += 1
        except GroundingError as error:
            problems.append(f"{sample.picture}: {error}")
    if not added and not labelled:
        raise RequestError(f"Nothing was added. {problems[0] if problems else 'The file is empty.'}"[:199])
    return Brought(added, labelled, tuple(problems))


def _put(project: Project, picture: int, sample: Sample, origin: Origin, what: str, action: int) -> None:
    signed = tuple(each if each.origin else replace(each, origin=origin) for each in sample.result.detections)
    entry = project.entry(picture)
    said = replace(sample, size_wh=entry.size_wh, result=replace(sample.result, detections=signed))
    after = laid_over(project.sample(picture), said)
    project.put_sample(picture, after, what, action=action)


def _meant(sample: Sample, here: dict[str, Entry]) -> Entry | None:
    """The picture of the project that a label file means: of its name, or alone of its name without folders."""
    name = PurePosixPath(sample.picture.replace("\\", "/"))
    entry = here.get(name.as_posix().casefold())
    if entry is None:
        alike = [each for key, each in here.items() if PurePosixPath(key).name == name.name.casefold()]
        entry = alike[0] if len(alike) == 1 else None
    if entry is None:
        return None
    if sample.size_wh not in (None, entry.size_wh):
        (width, height), (w, h) = sample.size_wh or (0, 0), entry.size_wh
        raise RequestError(f"It is {width} × {height} in the file and {w} × {h} in the project; its labels stay out.")
    return entry
