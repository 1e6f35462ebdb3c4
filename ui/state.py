"""What the page remembers of one visitor: immutable, small, gone with the tab. Pictures lie on disk, not in here."""

from __future__ import annotations

import shutil
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from grounding import images
from grounding.errors import ImageError
from grounding.images import Picture
from grounding.types import Detection, Note, Result, Task

SHOWN_SIDE = 1280
"""Longer side of what the page shows: about what a laptop's screen has room for. The download has full size."""

KEPT_S = 2 * 3600
"""Pictures older than this are deleted when the next one arrives."""


_FOR_ALL = "welcome"


@dataclass(frozen=True, eq=False)
class Kept:
    """A picture laid aside on disk. `shown`: a JPEG of its upright pixels, at most SHOWN_SIDE."""

    path: Path
    name: str
    size_wh: tuple[int, int]
    notes: tuple[Note, ...]
    shown: Path

    def shown_image(self) -> Image.Image:
        with Image.open(_there(self.shown), formats=["JPEG"]) as opened:
            return opened.convert("RGB")


@dataclass(frozen=True, eq=False)
class Answer:
    """A result with what was asked, of whom. Holds no API key.

    said: the detections as the model gave them, once a person corrected some; None: `result` is as it came.
    number: nobody can guess it, so that a correction reaches the answer it was made to, or none.
    """

    task: Task
    prompt: str
    model: str
    result: Result
    said: tuple[Detection, ...] | None = None
    number: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, eq=False)
class Session:
    """`scene`: the seed of the picture where it is a scene of ours, so that the truth about it is known."""

    picture: Kept | None = None
    answer: Answer | None = None
    scene: int | None = None


class Shelf:
    """Pictures in one private folder, under names nobody can guess."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, picture: Picture, original: Path | None = None, *, for_all: bool = False) -> Kept:
        """Lay `picture` aside: its original file where there is one, else its pixels. `for_all`: it never expires."""
        self._tidy()
        path = self._folder / (f"{_FOR_ALL}-" * for_all + uuid.uuid4().hex)
        if original is None:
            path.write_bytes(images.encode(picture, max_bytes=images.MAX_BYTES)[0])
        else:
            shutil.copyfile(original, path)
        shown = path.with_suffix(".jpg")
        images.thumbnail(picture, SHOWN_SIDE).save(shown, "JPEG", quality=92, subsampling=0)
        return Kept(path, picture.name, picture.size_wh, picture.notes, shown)

    def open(self, kept: Kept) -> Picture:
        """Its full pixels again; raises ImageError where it was deleted meanwhile."""
        return images.load(_there(kept.path), name=kept.name)

    def new_file(self, name: str) -> Path:
        """Where to write a file called `name` for one download."""
        self._tidy()
        folder = self._folder / uuid.uuid4().hex
        folder.mkdir()
        return folder / name

    def _tidy(self) -> None:
        oldest = time.time() - KEPT_S
        for path in self._folder.iterdir():
            if not path.name.startswith(_FOR_ALL) and path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _there(path: Path) -> Path:
    if not path.exists():
        raise ImageError("This picture was deleted after two hours. Give it again.")
    return path
