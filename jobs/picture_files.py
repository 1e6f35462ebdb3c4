"""The files of a project's pictures: each as it came, under its content's hash, with a thumbnail beside it.

Knows no database: which picture has which file is said elsewhere, and several may have the same.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

from grounding import images
from grounding.errors import ImageError, RequestError

PICTURES = "pictures"

_THUMBNAILS = "thumbnails"
_THUMBNAIL_PX = 320


def file_of(data: bytes, picture: images.Picture) -> str:
    """The name that nothing but this content has."""
    suffix = {"JPEG": ".jpg", "HEIF": ".heic"}.get(picture.format, f".{picture.format.lower()}")
    return hashlib.sha256(data).hexdigest() + suffix


class PictureFiles:
    """Those in one project's folder, by the names that `file_of` gives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, file: str) -> Path:
        return self._folder / PICTURES / file

    def read(self, file: str) -> bytes:
        try:
            return self.path(file).read_bytes()
        except OSError as error:
            raise ImageError("The picture's file is no longer in the project's folder. Add it again.") from error

    def thumbnail(self, file: str) -> bytes:
        """The picture small, upright, as JPEG."""
        path = self._thumbnail_path(file)
        if not path.is_file():
            self._add_thumbnail(file, images.load(self.read(file)))
        return path.read_bytes()

    def add(self, file: str, data: bytes, picture: images.Picture) -> None:
        """The file and its thumbnail, each whole or not at all."""
        _put(self.path(file), data)
        self._add_thumbnail(file, picture)

    def remove(self, file: str) -> None:
        try:
            for path in (self._thumbnail_path(file), self.path(file)):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise RequestError("The picture's file cannot be deleted. Close what uses it and try again.") from error

    def _add_thumbnail(self, file: str, picture: images.Picture) -> None:
        buffer = io.BytesIO()
        images.thumbnail(picture, _THUMBNAIL_PX).save(buffer, "JPEG", quality=82)
        _put(self._thumbnail_path(file), buffer.getvalue())

    def _thumbnail_path(self, file: str) -> Path:
        return self._folder / _THUMBNAILS / f"{Path(file).stem}.jpg"


def _put(path: Path, data: bytes) -> None:
    """The file, whole or not at all; one of this name holds the same content."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
    except OSError as error:
        raise RequestError("The picture cannot be kept in the project's folder. Check the disk's space.") from error
    finally:
        part.unlink(missing_ok=True)
