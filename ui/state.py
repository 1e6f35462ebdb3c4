"""What the page remembers of one visitor: immutable, small, gone with the tab. Pictures lie on disk, not in here."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from grounding import documents, images, video
from grounding.documents import Document
from grounding.errors import ImageError
from grounding.exports import IMPORTED
from grounding.images import Picture
from grounding.types import Detection, Note, Result, Review, Task
from grounding.video import Clip
from jobs.project import Order
from jobs.project_answers import corrected
from ui.form import Form

SHOWN_SIDE = 1280
"""Longer side of what the page shows: about what a laptop's screen has room for. The download has full size."""

KEPT_S = 2 * 3600
"""Where others reach the page, pictures older than this are deleted when the next one arrives."""


_FOR_ALL = "welcome"
_LEAF_PX = 150  # longer side of a page's thumbnail


@dataclass(frozen=True, eq=False)
class Kept:
    """A picture laid aside on disk. `shown`: a JPEG of its upright pixels, at most SHOWN_SIDE.

    at_s: which moment of the clip it is, where it is a frame of one.
    """

    path: Path
    name: str
    size_wh: tuple[int, int]
    notes: tuple[Note, ...]
    shown: Path
    at_s: float | None = None

    def shown_image(self) -> Image.Image:
        with Image.open(_there(self.shown), formats=["JPEG"]) as opened:
            return opened.convert("RGB")


@dataclass(frozen=True)
class Member:
    """The place of a picture in a project. version: of its labels there, as the page has them.

    project: its name on the shelf. key: of the picture, so that another of its number is not taken for it. place,
    total: of the picture among all, from 1. labels: the project's classes.
    """

    project: str
    title: str
    picture: int
    version: int
    order: Order
    place: int
    total: int
    state: Review
    left: int
    labels: tuple[str, ...] = ()
    key: str = ""


@dataclass(frozen=True, eq=False)
class Answer:
    """A result with what was asked, of whom. Holds no API key.

    said: the detections as the model gave them, once a person corrected some; None: `result` is as it came.
    at: when it came, ISO 8601 in UTC.
    number: nobody can guess it, so that a correction reaches the answer it was made to, or none.
    asked: the form it answers, without the key, so that a cut answer can be gone on with.
    """

    task: Task
    prompt: str
    model: str
    result: Result
    said: tuple[Detection, ...] | None = None
    number: str = field(default_factory=lambda: uuid.uuid4().hex)
    asked: Form | None = None
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def words(self) -> Answer:
        """The same words, of no page: without objects, so with a number of its own."""
        return replace(self, result=replace(self.result, detections=()), said=None, number=uuid.uuid4().hex)


@dataclass(frozen=True, eq=False)
class Paper:
    """A document laid aside on disk. drawn: its pages' small pictures, as data URIs, as far as they were shown."""

    path: Path
    name: str
    pages: int
    drawn: dict[int, str] = field(default_factory=dict, repr=False)

    def thumbnails(self, places: tuple[int, ...]) -> list[str]:
        """The pages at `places`, from 0, as data URIs; each is drawn once. Raises ImageError where it was deleted."""
        missing = [place for place in places if place not in self.drawn]
        if missing:
            document = documents.load(_there(self.path), name=self.name)
            drawn = documents.thumbnails(document, [place + 1 for place in missing], max_side=_LEAF_PX)
            self.drawn.update(zip(missing, (images.jpeg_uri(each.image) for each in drawn), strict=True))
        return [self.drawn[place] for place in places]


@dataclass(frozen=True, eq=False)
class Reel:
    """A clip laid aside on disk, of which the pictures are moments."""

    path: Path
    name: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Sheet:
    """One of several pictures given together, with its share of the answer."""

    picture: Kept
    answer: Answer | None = None
    scene: int | None = None
    member: Member | None = None

    @property
    def corrected(self) -> int:
        """How many objects hold a person's work that is in no project."""
        return sum(map(corrected, self.answer.result.detections)) if self.answer and not self.member else 0

    @property
    def imported_from(self) -> str | None:
        """The file its labels came from."""
        origin = self.answer.result.origin if self.answer else None
        return str(origin.parameters.get("file", "")) if origin is not None and origin.backend == IMPORTED else None


@dataclass(frozen=True, eq=False)
class Session:
    """What is on the stage: one picture and its answer. Beside it, further pictures, or the document it is a page of.

    scene: the seed of the picture where it is a scene of ours, so that the truth about it is known.
    album: all the pictures, where there are several; the one on the stage is at `place`, its entry there is not kept
    up to date. document: what the picture is page `place + 1` of; leaves: its other pages that were shown, by place,
    each with what was found there. member: where the picture is in a project.
    reel: the clip that pictures of the album are moments of. left: the visit before, where only it has what a person
    corrected there; it has none itself.
    """

    picture: Kept | None = None
    answer: Answer | None = None
    scene: int | None = None
    album: tuple[Sheet, ...] = ()
    place: int = 0
    document: Paper | None = None
    leaves: Mapping[int, Sheet] = field(default_factory=dict)
    left: Session | None = None
    member: Member | None = None
    reel: Reel | None = None

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """All pictures in order, the one on the stage among them, up to date."""
        if self.picture is None:
            return ()
        now = Sheet(self.picture, self.answer, self.scene, self.member)
        return (*self.album[: self.place], now, *self.album[self.place + 1 :]) if self.album else (now,)

    def leaf(self, place: int, sheet: Sheet) -> Session:
        """The document's page at `place` on the stage; the one that was there is kept as it is."""
        assert self.picture is not None
        leaves = {**self.leaves, self.place: Sheet(self.picture, self.answer, member=self.member)}
        return replace(
            self, picture=sheet.picture, answer=sheet.answer, member=sheet.member, place=place, leaves=leaves
        )

    def showing(self, sheets: tuple[Sheet, ...], place: int) -> Session:
        """The same visit with these pictures, the one at `place` on the stage."""
        now = sheets[place]
        album = sheets if len(sheets) > 1 else ()
        stage = replace(self, picture=now.picture, answer=now.answer, scene=now.scene, member=now.member)
        return replace(stage, album=album, place=place)


def live(page: Any, held_in: Any, visitor: str) -> Session | None:
    """The visitor's session as `page` holds it by now in its state `held_in`, whatever a handler was given."""
    sessions = page.state_holder
    now = sessions[visitor][held_in._id] if visitor in sessions else None
    return now if isinstance(now, Session) else None


class Shelf:
    """Pictures in one private folder, under names nobody can guess. lasting: none is deleted while the page runs."""

    def __init__(self, folder: Path, *, lasting: bool = False) -> None:
        self._folder, self._lasting = folder, lasting
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(
        self, picture: Picture, original: Path | None = None, *, for_all: bool = False, at_s: float | None = None
    ) -> Kept:
        """Lay `picture` aside: its original file where there is one, else its pixels. `for_all`: it never expires."""
        self._tidy()
        path = self._folder / (f"{_FOR_ALL}-" * for_all + uuid.uuid4().hex)
        if original is None:
            path.write_bytes(images.encode(picture, max_bytes=images.MAX_BYTES)[0])
        else:
            shutil.copyfile(original, path)
        shown = path.with_suffix(".jpg")
        images.thumbnail(picture, SHOWN_SIDE).save(shown, "JPEG", quality=92, subsampling=0)
        return Kept(path, picture.name, picture.size_wh, picture.notes, shown, at_s)

    def open(self, kept: Kept) -> Picture:
        """Its full pixels again; raises ImageError where it was deleted meanwhile."""
        return images.load(_there(kept.path), name=kept.name)

    def keep_document(self, document: Document) -> Paper:
        self._tidy()
        path = self._folder / uuid.uuid4().hex
        path.write_bytes(document.data)
        return Paper(path, document.name, document.pages)

    def open_document(self, paper: Paper) -> Document:
        """The document again; raises ImageError where it was deleted meanwhile."""
        return documents.load(_there(paper.path), name=paper.name)

    def keep_clip(self, clip: Clip) -> Reel:
        self._tidy()
        path = self._folder / uuid.uuid4().hex
        path.write_bytes(clip.data)
        return Reel(path, clip.name, clip.seconds)

    def open_clip(self, reel: Reel) -> Clip:
        """The clip again; raises ImageError where it was deleted meanwhile."""
        return video.load(_there(reel.path), name=reel.name)

    def new_file(self, name: str) -> Path:
        """Where to write a file called `name` for one download."""
        self._tidy()
        folder = self._folder / uuid.uuid4().hex
        folder.mkdir()
        return folder / name

    def _tidy(self) -> None:
        if self._lasting:
            return
        oldest = time.time() - KEPT_S
        for path in self._folder.iterdir():
            if not path.name.startswith(_FOR_ALL) and path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def file_stem(name: str, otherwise: str) -> str:
    """`name` as the beginning of a download's file name, fit for every system; `otherwise` where nothing is left."""
    plain = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
    return plain[:60].strip("-") or otherwise


def _there(path: Path) -> Path:
    if not path.exists():
        raise ImageError("This file was deleted after two hours. Give it again.")
    return path
