"""The files of a dataset by name, wherever they lie: a folder, a ZIP archive, one file, or memory. Nothing is unpacked.

Names are checked before a byte is read, sizes are counted while reading: an archive's own word on them is not trusted.
Knows no format.
"""

from __future__ import annotations

import functools
import io
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from PIL import Image

from grounding.archives import Archive
from grounding.errors import ImageError, RequestError
from grounding.exports.fields import record
from grounding.images import MAX_PIXELS, load

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".heic", ".heif", ".avif")

MAX_FILES = 100_000
MAX_FILE_BYTES = 200_000_000
"""COCO's own instances_train2017.json has 449 MB for 118,000 pictures; a person's set is far below half of that."""
MAX_READ_BYTES = 4_000_000_000
"""What is read from one archive in all: where a bomb stops."""
MAX_PROBLEMS = 200
"""Sentences kept; what comes after is counted."""

_LOOKED_AT = 20  # files, before it is said what a dataset is
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises on damaged, encrypted or oddly compressed members."""

T = TypeVar("T")


class Bundle:
    """The files, and what was wrong with them. Names are relative, with "/", and unique whatever their case.

    sizes: pictures whose (width, height) is known already, by name.
    """

    def __init__(
        self, files: Mapping[str, Callable[[], bytes]], sizes: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        self._files = dict(sorted(files.items()))
        self._known = dict(sizes or {})
        self._sizes: dict[str, tuple[int, int] | None] = {}
        self._problems: list[str] = []
        self._more = 0
        self._pictures: dict[str, list[str]] = {}
        for name in {**self._files, **self._known}:
            if name.lower().endswith(PICTURES) or name in self._known:
                for key in {PurePosixPath(name).name.casefold(), PurePosixPath(name).stem.casefold() + "/"}:
                    self._pictures.setdefault(key, []).append(name)

    def knowing(self, sizes: Mapping[str, tuple[int, int]]) -> Bundle:
        """The same files beside pictures of these sizes, no problem met yet."""
        return Bundle(self._files, sizes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def named(self, *endings: str) -> list[str]:
        """The names that end so, whatever their case, in order."""
        return [name for name in self._files if name.lower().endswith(endings)]

    def read(self, name: str) -> bytes:
        """The bytes of a file; raises RequestError where they cannot be had."""
        return self._files[name]()

    def text(self, name: str) -> str:
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise RequestError("It is not UTF-8 text. Save it as UTF-8.") from None

    def json(self, name: str) -> Any:
        """The JSON in a file, numbers that are none refused."""
        return parse_json(self.text(name))

    def has_json(self, is_mine: Callable[[Any], bool]) -> bool:
        """Whether what one of the first JSON files says is of a certain form."""
        for name in self.named(".json")[:_LOOKED_AT]:
            try:
                if is_mine(self.json(name)):
                    return True
            except RequestError:
                continue
        return False

    def records(self, name: str, read: Callable[[dict[str, Any]], T]) -> Iterator[T]:
        """What `read` makes of each line of a JSON Lines file; a problem is told for each line it cannot be made of."""
        try:
            lines = self.text(name).split("\n")
        except RequestError as error:
            self.problem(name, error)
            return
        for place, line in enumerate(lines, 1):
            try:
                if line.strip():
                    yield read(record(parse_json(line), "A line"))
            except RequestError as error:
                self.problem(name, f"Line {place} is left out. {error}")

    def problem(self, where: str, what: object) -> None:
        """Note one thing that was not read, or not as it stands, in a sentence."""
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(f"{where}: {what}" if where else str(what))
        else:
            self._more += 1

    @property
    def problems(self) -> tuple[str, ...]:
        more = (f"… and {self._more} more problems like these.",) if self._more else ()
        return (*self._problems, *more)

    def picture(self, name: str) -> str | None:
        """The picture file meant by `name`: at that place, under it in a folder, or else alone of that name."""
        inside = PurePosixPath(name.replace("\\", "/")).as_posix().lstrip("/")
        if inside in self._files or inside in self._known:
            return inside
        found = self._pictures.get(PurePosixPath(inside).name.casefold(), [])
        under = [each for each in found if each.endswith("/" + inside)]
        best = under or found
        return best[0] if len(best) == 1 else None

    def picture_beside(self, name: str) -> str | None:
        """The picture whose name differs from that of a label file by its ending, and maybe its folder, only."""
        stem = PurePosixPath(name).with_suffix("")
        found = self._pictures.get(stem.name.casefold() + "/", [])
        if len(found) > 1:
            tail = PurePosixPath(*stem.parts[1:]) if len(stem.parts) > 1 else stem
            alike = [each for each in found if f"/{PurePosixPath(each).with_suffix('')}".endswith(f"/{tail}")]
            found = alike or found
        return found[0] if len(found) == 1 else None

    def file(self, name: str) -> Callable[[], bytes] | None:
        """What gives the bytes of the picture `name`; None where it is not here."""
        found = self.picture(name)
        return self._files.get(found) if found else None

    def size_of(self, name: str) -> tuple[int, int] | None:
        """(width, height) of the picture `name` held upright, if it is here or was known; nothing is decoded."""
        if name not in self._sizes:
            found = self.picture(name)
            known = self._known.get(found) if found else None
            self._sizes[name] = known or (_size_wh(self._files[found]) if found else None)
        return self._sizes[name]

    def pictures(self) -> list[str]:
        """The picture files that are here."""
        return self.named(*PICTURES)


def open_bundle(source: Path | bytes | Mapping[str, bytes]) -> Bundle:
    """The files in a folder, an archive (path or bytes), one file, or a mapping; RequestError where there are none."""
    if isinstance(source, Mapping):
        return Bundle({name: functools.partial(bytes, content) for name, content in source.items()})
    if isinstance(source, Path) and source.is_dir():
        return _folder(source)
    try:
        if zipfile.is_zipfile(io.BytesIO(source) if isinstance(source, bytes) else source):
            return _archive(source)
        if isinstance(source, bytes):
            return Bundle({_name_by_content(source): lambda: source})
        if not source.is_file():
            raise RequestError("There is no such file or folder. Check its name and try again.")
    except OSError:
        raise RequestError("This file may not be opened. Check who may read it.") from None
    return Bundle({source.name: _reader(source)})


def parse_json(text: str) -> Any:
    """What `text` says; raises RequestError where it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RequestError("It is not valid JSON. Save or download it again.") from None


def _name_by_content(content: bytes) -> str:
    head = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"PAR1"):
        return "data.parquet"
    if head.startswith(b"<"):
        return "annotations.xml"
    if head.startswith((b"{", b"[")):
        lines = content.count(b"\n{") and content.lstrip().startswith(b"{") and b'"suffix"' in content[:100_000]
        return "data.jsonl" if lines else "annotations.json"
    return "labels.csv"


def _folder(root: Path) -> Bundle:
    files: dict[str, Callable[[], bytes]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            each for each in folders if not each.startswith(".") and not os.path.islink(os.path.join(folder, each))
        )
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".") and not path.is_symlink() and len(files) < MAX_FILES:
                files[path.relative_to(root).as_posix()] = _reader(path)
    return Bundle(files)


def _reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with path.open("rb") as file:
                return _checked(file.read(MAX_FILE_BYTES + 1))
        except OSError:
            raise RequestError("It may not be opened. Check who may read it.") from None

    return read


def _checked(content: bytes) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise RequestError(f"It is larger than {MAX_FILE_BYTES // 10**6} MB. Split the dataset and try again.")
    return content


def _archive(source: Path | bytes) -> Bundle:
    try:
        archive = Archive(source)
        members = [each for each in archive.infolist() if not each.is_dir()]
    except _DAMAGED:
        raise RequestError("This archive is damaged. Pack it again.") from None
    if len(members) > MAX_FILES:
        raise RequestError(f"This archive holds more than {MAX_FILES} files. Split it and try again.")
    budget = [MAX_READ_BYTES]
    files: dict[str, Callable[[], bytes]] = {}
    refused: list[tuple[str, str]] = []
    taken: set[str] = set()
    for member in members:
        name = member.filename.replace("\\", "/")
        if any(part.startswith((".", "__MACOSX")) and part != ".." for part in PurePosixPath(name).parts):
            continue
        fault = _fault(member, name) or ("Two files have this name." if name.casefold() in taken else None)
        taken.add(name.casefold())
        if fault:
            refused.append((name, fault))
        else:
            files[PurePosixPath(name).as_posix()] = _member(archive, member, budget)
    bundle = Bundle(files)
    for name, fault in refused:
        bundle.problem("".join(each if each.isprintable() else "?" for each in name[-80:]), fault)
    return bundle


def _fault(member: zipfile.ZipInfo, name: str) -> str | None:
    """Why a member is left alone, if it is: what its entry says, before a byte of it is unpacked."""
    if ".." in PurePosixPath(name).parts or name.startswith("/") or ":" in name.split("/")[0]:
        return "Its name leads out of the archive; it was not read."
    if stat.S_ISLNK(member.external_attr >> 16):
        return "It is a link, not a file; it was not read."
    if member.flag_bits & 1:
        return "It is locked with a password. Unpack the archive and load the folder."
    if member.file_size > MAX_FILE_BYTES:
        return f"It unpacks to more than {MAX_FILE_BYTES // 10**6} MB; it was not read."
    return None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: list[int]) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with archive.open(member) as file:
                content = _checked(file.read(min(MAX_FILE_BYTES, budget[0]) + 1))
        except _DAMAGED:
            raise RequestError("It is damaged in the archive. Pack it again.") from None
        budget[0] -= len(content)
        if budget[0] < 0:
            raise RequestError("The archive unpacks to more than is read here. Split it and try again.")
        return content

    return read


def _size_wh(read: Callable[[], bytes]) -> tuple[int, int] | None:
    try:
        content = read()
        try:
            with Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "WEBP", "BMP", "GIF"]) as opened:
                width, height = opened.size
                turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # stored on its side
        except (OSError, ValueError, SyntaxError, KeyError, TypeError, Image.DecompressionBombError):
            width, height = load(content).size_wh
            turned = False
    except (ImageError, RequestError):
        return None
    if width * height > MAX_PIXELS:
        return None
    return (height, width) if turned else (width, height)
