"""A picture to come, as every kind of source gives it, and what is passed over on the way. Opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".webp",
    ".heic",
    ".heif",
    ".hif",
    ".avif",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
)
"""What is meant as a picture in a folder, archive or data set; whether it is one, its content says."""


@dataclass(frozen=True)
class Source:
    """One picture to come. `get` gives its path or bytes, or raises ImageError.

    stamp: differs where a later run's picture of this name is another one; "" where that cannot be told beforehand.
    far: getting it takes the network.
    """

    name: str
    get: Callable[[], Path | bytes]
    stamp: str = ""
    far: bool = False


@dataclass(frozen=True)
class Skipped:
    """Something that is not meant as a picture, or holds none."""

    name: str
    reason: str


def means_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
