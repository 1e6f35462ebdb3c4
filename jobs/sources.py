"""Where a job's pictures come from: files, folders, ZIP archives, web addresses, data sets on the Hub and in Parquet.

Nothing is opened as a picture here; a source only knows its name and how to get its bytes. Names are unique. Archives
are read by member, never unpacked. Web addresses and data sets are `jobs.addresses` and `jobs.datasets`.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath

from grounding.archives import Archive
from grounding.errors import ImageError, RequestError
from grounding.images import MAX_BYTES
from jobs.addresses import addresses_in, from_address, from_list, is_address
from jobs.datasets import HUB, Hub, from_parquet
from jobs.fetch import Rules
from jobs.pictures import Skipped, Source, means_picture

__all__ = ["MAX_ARCHIVE_BYTES", "MAX_MEMBERS", "Skipped", "Source", "gather"]

MAX_MEMBERS = 10_000
MAX_ARCHIVE_BYTES = 2_000_000_000
"""What one archive may unpack to in all, counted as it is read: a bomb stops here, 400 holiday pictures do not."""

_MAX_RATIO = 200  # pictures are compressed already; only bombs and blank bitmaps shrink further than this
_CHUNK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises on damaged, encrypted or oddly compressed members."""


def gather(
    given: Iterable[str | Path],
    open_files: ExitStack,
    *,
    besides: Path | None = None,
    rules: Rules | None = None,
    hub: Hub | None = None,
) -> Iterator[Source | Skipped]:
    """Every picture in what is `given`, folders and archives in name order; raises RequestError for what is unreadable.

    Archives stay open, for the sources to read from, until `open_files` is closed. besides: a folder to leave out.
    """
    taken: set[str] = set()
    for each in given:
        for found in _found(each, open_files, besides, rules or Rules(), hub or Hub()):
            yield replace(found, name=_unique(found.name, taken)) if isinstance(found, Source) else found


def _found(
    given: str | Path, open_files: ExitStack, besides: Path | None, rules: Rules, hub: Hub
) -> Iterable[Source | Skipped]:
    if isinstance(given, str) and given.startswith(HUB):
        return hub.pictures(given)
    if isinstance(given, str) and is_address(given):
        return [from_address(given, rules)]
    path = Path(given)
    if os.path.isdir(path):  # Path.is_dir raises on a name that is too long
        return _folder(path, besides)
    if path.suffix.lower() == ".zip":
        return _archive(path, open_files)
    if path.suffix.lower() == ".parquet":
        return from_parquet(path)
    if path.suffix.lower() == ".txt" and (lines := addresses_in(path)):
        return from_list(lines, rules)
    return [_file(path, path.name)]


def _file(path: Path, name: str) -> Source:
    try:
        status = os.stat(path)
        stamp = f"{status.st_size}:{status.st_mtime_ns}"
    except (OSError, ValueError):  # the run will say what is wrong with it
        stamp = ""
    return Source(name, lambda: path, stamp)


def _folder(root: Path, besides: Path | None) -> Iterator[Source | Skipped]:
    closed: list[OSError] = []
    left_out = None if besides is None else os.path.realpath(besides)
    for folder, folders, files in os.walk(root, onerror=closed.append):
        folders[:] = sorted(each for each in folders if not each.startswith((".", "__MACOSX")))
        folders[:] = [each for each in folders if os.path.realpath(os.path.join(folder, each)) != left_out]
        for link in (each for each in folders if os.path.islink(os.path.join(folder, each))):
            yield Skipped(Path(folder, link).relative_to(root).as_posix(), "a link to a folder; name it itself")
        for file in sorted(files):
            path = Path(folder, file)
            name = path.relative_to(root).as_posix()
            if file.startswith("."):
                continue
            if means_picture(file):
                yield _file(path, name)
            else:
                yield Skipped(name, _not_meant(file))
    for error in closed:
        yield Skipped(Path(error.filename).name, "a folder that may not be opened")


def _archive(path: Path, open_files: ExitStack) -> Iterator[Source | Skipped]:
    try:
        archive = open_files.enter_context(Archive(path))
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        raise RequestError(f"{path.name[:80]} is not a ZIP archive that can be read.") from None
    budget = [MAX_ARCHIVE_BYTES]
    members = sorted((each for each in archive.infolist() if not each.is_dir()), key=lambda each: each.filename)
    for member in members[:MAX_MEMBERS]:
        inside = PurePosixPath(member.filename.replace("\\", "/"))
        if any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in inside.parts):
            continue
        name = f"{path.name}/{inside.as_posix().lstrip('/')}"
        if means_picture(inside.name):
            yield Source(name, _reader(archive, member, budget), f"{member.CRC:08x}:{member.file_size}")
        else:
            yield Skipped(name, _not_meant(inside.name))
    if len(members) > MAX_MEMBERS:
        yield Skipped(path.name, f"It holds {len(members)} files; those after the first {MAX_MEMBERS} are left out.")


def _reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: list[int]) -> Callable[[], bytes]:
    def get() -> bytes:
        if fault := _fault(member):
            raise ImageError(fault)
        chunks: list[bytes] = []
        try:
            with archive.open(member) as file:
                while chunk := file.read(_CHUNK):
                    chunks.append(chunk)
                    budget[0] -= len(chunk)
                    if budget[0] < 0:
                        raise ImageError("The archive unpacks to more than is read here. Split it and try again.")
                    if sum(map(len, chunks)) > MAX_BYTES:
                        raise ImageError(f"The picture in the archive is larger than {MAX_BYTES // 10**6} MB.")
        except _DAMAGED:
            raise ImageError("This file in the archive is damaged. Pack it again.") from None
        return b"".join(chunks)

    return get


def _fault(member: zipfile.ZipInfo) -> str | None:
    """Why a member is left alone, if it is: what its entry in the archive says, before a byte of it is unpacked."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    if ".." in parts or member.filename.startswith(("/", "\\")) or ":" in member.filename:
        return "Its name in the archive leads out of the archive. Pack it again under a plain name."
    if stat.S_ISLNK(member.external_attr >> 16):
        return "It is a link in the archive, not a picture. Pack the picture itself."
    if member.flag_bits & 1:
        return "It is locked with a password. Unpack the archive and label the folder."
    if member.file_size > _CHUNK and member.file_size > _MAX_RATIO * max(member.compress_size, 1):
        return "It unpacks to far more than a picture does, like an archive bomb. Unpack it yourself if you trust it."
    return None


def _not_meant(name: str) -> str:
    return "an archive inside" if name.lower().endswith((".zip", ".7z", ".rar", ".tar", ".gz")) else "not a picture"


def _unique(name: str, taken: set[str]) -> str:
    unique, count = name, 1
    while unique.casefold() in taken:  # one file system's "A.png" and "a.png" are another's one file
        count += 1
        stem, dot, suffix = name.rpartition(".")
        unique = f"{stem} ({count}).{suffix}" if dot else f"{name} ({count})"
    taken.add(unique.casefold())
    return unique
