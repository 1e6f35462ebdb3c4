"""A project as one ZIP to take away or hand on: pictures, labels, answers and the whole history; and back again.

An archive may come from a stranger. Members are looked up by the names this module gives them and never unpacked to
the disk under their own; sizes are limited as they are read; pictures and labels go in by the same door as any others.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from grounding.archives import Archive
from grounding.errors import RequestError
from grounding.images import MAX_BYTES
from grounding.labels import Naming, Sample
from grounding.types import Review
from jobs.picture_files import PICTURES
from jobs.project import Project
from jobs.project_labels import namings_of
from jobs.records import decode

MAX_ARCHIVE_BYTES = 4_000_000_000
"""What an archive may unpack to in all, counted as it is read."""

_MAX_LINE = 200_000_000  # a picture's history: 3,000 steps of 200 objects
_MAX_BLOB = 64_000_000
_MAX_STEP_PX = 200_000_000
"""Of all masks that are in memory at once, which are those of one step: 3,000 of a model's own, 800 MB."""
_MAX_PX = 100_000_000_000
"""Of all masks in all steps: a million and a half of a model's own. A mask shrinks a thousandfold, twice over."""
_ABOUT, _LABELS = "project.json", "labels.jsonl"
_NO_PROJECT = "This ZIP holds no project, or a damaged one. Save it again where it came from."
_UNFINISHED = ".unfinished-import"
_THERE = "There is a project of this name already. Open it, or choose another name."
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, TypeError, NotImplementedError,
            RuntimeError, AttributeError)  # fmt: skip


def save_as(project: Project, path: Path) -> None:
    """Everything in `project` as one ZIP at `path`, whole or not at all; the project stays as it is."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            _write(project, archive)
        Archive(part).close()  # what cannot be taken in again is no copy
        part.replace(path)
    except OSError as error:
        raise RequestError("The project cannot be saved there. Check the folder and the disk's space.") from error
    finally:
        part.unlink(missing_ok=True)


def import_archive(path: Path, folder: Path) -> Project:
    """A new project in `folder` with all that `save_as` put into the ZIP; RequestError where it is no such ZIP."""
    if _taken(folder):
        raise RequestError(_THERE)
    built = folder.with_name(f".{secrets.token_hex(8)}{_UNFINISHED}")
    try:
        built.mkdir(parents=True)
    except OSError as error:
        raise RequestError("The project's folder cannot be made. Check that it may be written to.") from error
    _sweep(folder.parent)
    with ExitStack() as on_failure:
        on_failure.callback(shutil.rmtree, built, ignore_errors=True)
        _build(path, built)
        try:
            if folder.is_dir():
                folder.rmdir()  # an empty one
            built.rename(folder)
        except OSError as error:
            raise RequestError(_THERE) from error
        on_failure.pop_all()
    return Project.open(folder)


def _taken(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _sweep(home: Path) -> None:
    """What imports that were killed have left, a day later."""
    with suppress(OSError):
        for each in home.glob(f".*{_UNFINISHED}"):
            if time.time() - each.stat().st_mtime > 86_400:
                shutil.rmtree(each, ignore_errors=True)


def _build(path: Path, folder: Path) -> None:
    """The whole project in `folder`, closed again; a kill leaves a hidden folder behind and no half of a project."""
    try:
        with Archive(path) as archive:
            reader = _Reader(archive)
            about = json.loads(reader.read(_ABOUT, _MAX_BLOB))
            with closing(Project.create(folder, str(about["name"])[:200])) as project:
                _name(project, about["namings"], about["naming"])
                for line in reader.lines(_LABELS):
                    _add(project, reader, json.loads(line))
    except _DAMAGED as error:
        raise RequestError(_NO_PROJECT) from error


def _write(project: Project, archive: zipfile.ZipFile) -> None:
    namings, current = namings_of(project)
    about = {"pinpoint_project": 1, "name": project.name, "namings": namings, "naming": current}
    archive.writestr(_ABOUT, json.dumps(about), zipfile.ZIP_DEFLATED)
    written: set[str] = set()
    with archive.open(zipfile.ZipInfo(_LABELS), "w", force_zip64=True) as lines:
        rows = []
        for entry in project.pictures():
            row = project.dump(entry.id)
            rows.append((entry.id, row["file"], _blobs(row)))
            lines.write(json.dumps(row).encode() + b"\n")
    for picture, file, blobs in rows:
        if file not in written:
            archive.writestr(f"{PICTURES}/{file}", project.picture(picture))
        for key in blobs - written:
            archive.writestr(f"blobs/{key}", project.blob(key))
        written |= {file, *blobs}


def _blobs(value: Any) -> set[str]:
    """The keys of every blob that a record names."""
    if isinstance(value, dict):
        own = {value["blob"]} if isinstance(value.get("blob"), str) else set()
        return own.union(*(_blobs(each) for each in value.values()))
    return set().union(*(_blobs(each) for each in value)) if isinstance(value, list) else set()


def _mask_px(value: Any) -> int:
    """The pixels of every mask in a record. Says nothing of whether these are masks: decoding will."""
    if isinstance(value, dict):
        size = value.get("size")
        own = size[0] * size[1] if isinstance(size, list) and [type(each) for each in size] == [int, int] else 0
        return max(own, 0) + sum(map(_mask_px, value.values()))
    return sum(map(_mask_px, value)) if isinstance(value, list) else 0


def _add(project: Project, reader: _Reader, row: dict[str, Any]) -> None:
    file = row["file"]
    if not re.fullmatch(r"[0-9a-f]{64}\.[a-z]{3,5}", file):
        raise ValueError("no picture's file")
    picture = project.add_picture(reader.read(f"{PICTURES}/{file}", MAX_BYTES), str(row["name"]))

    def sample(record: Any) -> Sample:
        reader.count_px(_mask_px(record))
        return decode(record, Sample, reader.blob)

    steps = (  # one at a time: all of a picture's together may be larger than the memory
        (str(each["what"]), str(each["at"]), Review(each["state"]), _action(each["action"]), sample(each["sample"]))
        for each in row["steps"]
    )
    current, differs = row["step"], row["disagreement"]
    if not (isinstance(current, int) and 0 <= current <= len(row["steps"])):
        raise ValueError("no step of it")
    if differs is not None and not 0 <= float(differs) <= 1:
        raise ValueError("no part of all objects")
    answers = (sample(each) for each in row["answers"])
    project.restore(picture, steps, current, answers, None if differs is None else float(differs))


def _name(project: Project, namings: Any, current: Any) -> None:
    """The classes, and every naming there was before."""
    for action, what, words in namings:
        synonyms = {str(word): str(name) for word, name in words["synonyms"].items()}
        project.store.name(Naming(tuple(map(str, words["names"])), synonyms), str(what), _action(action))
    if not (isinstance(current, int) and 0 <= current <= len(namings)):
        raise ValueError("no naming of it")
    with project.store.database.change() as connection:
        newest = max((action for action, _, _ in namings), default=0)
        connection.execute("UPDATE project SET naming = ?, actions = max(actions, ?)", (current, newest))


def _action(number: Any) -> int:
    if not (isinstance(number, int) and 0 < number < 1_000_000_000):
        raise ValueError("no number of an action")
    return number


class _Reader:
    """Reads members of a stranger's ZIP, so much of each and so much in all."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._left = MAX_ARCHIVE_BYTES
        self._left_px = _MAX_PX

    def read(self, name: str, most: int) -> bytes:
        with self._archive.open(name) as file:
            data = file.read(most + 1)
        self._count(len(data), most)
        return data

    def blob(self, key: str) -> bytes:
        return self.read(f"blobs/{key}", _MAX_BLOB)

    def lines(self, name: str) -> Iterator[bytes]:
        with self._archive.open(name) as file:
            while line := file.readline(_MAX_LINE + 1):
                self._count(len(line), _MAX_LINE)
                yield line

    def count_px(self, pixels: int) -> None:
        """Before the masks of a step are unpacked."""
        self._left_px -= pixels
        if pixels > _MAX_STEP_PX or self._left_px < 0:
            raise RequestError("The masks in the ZIP unpack to more than fits in memory. It may be no honest project.")

    def _count(self, size: int, most: int) -> None:
        self._left -= size
        if size > most or self._left < 0:
            raise RequestError("The ZIP unpacks to more than a project may hold. Split it where it came from.")
