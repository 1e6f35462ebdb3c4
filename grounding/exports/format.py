"""What every format is made of: a writer, a reader, and the names and bytes of the pictures between them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Protocol

from PIL import Image

from grounding.codecs.mask_tokens import MaskCodec
from grounding.errors import GroundingError
from grounding.exports.bundle import Bundle
from grounding.exports.shapes import Crop, mask_of, union
from grounding.geometry import to_px
from grounding.images import load
from grounding.labels import LabelSet, Sample
from grounding.types import THRESHOLD, Box, Detection, Outcome, Point, Result, Review, Task

File = tuple[str, bytes]
Labels = Sequence[str] | LabelSet
"""The classes whose order comes first; a LabelSet also says which spellings count as which class."""


class Writer(Protocol):
    def __call__(self, samples: Iterable[Sample], *, labels: Labels, threshold: int) -> Iterator[File]: ...


@dataclass(frozen=True)
class Format:
    """One way to take labels away and bring them back.

    Called, it yields (file name, content) for the folder and takes `samples` one by one and once; pictures whose file
    is at hand are written too. read: every picture in a bundle, with a problem told to the bundle for each thing left
    out. mine: whether a bundle looks like this format. words: whether captions and answers have room in it.
    names: makes the names of the pictures in the files; None where they are as they are.
    with_codec: the same format, with a codec that turns masks into PaliGemma's tokens and back.
    """

    name: str
    title: str
    write: Writer
    read: Callable[[Bundle], Iterator[Sample]]
    mine: Callable[[Bundle], bool]
    words: bool = False
    names: Callable[[], Names] | None = None
    with_codec: Callable[[MaskCodec], Format] | None = None

    def __call__(self, samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
        return self.write(samples, labels=labels, threshold=threshold)


def classes_of(labels: Labels) -> LabelSet:
    return labels if isinstance(labels, LabelSet) else LabelSet(labels)


def answered(samples: Iterable[Sample]) -> Iterator[Sample]:
    """The samples that were labelled and whose size is known, without what a person rejected."""
    for sample in samples:
        if is_answered(sample):
            yield unrejected(sample)


def is_answered(sample: Sample) -> bool:
    return sample.labelled and sample.size_wh is not None


def unrejected(sample: Sample) -> Sample:
    kept = tuple(each for each in sample.result.detections if each.review is not Review.REJECTED)
    return replace(sample, result=replace(sample.result, detections=kept))


def size_of(sample: Sample) -> tuple[int, int]:
    """The size of a sample that came out of `answered`."""
    assert sample.size_wh is not None
    return sample.size_wh


PX_DECIMALS = 4
"""Of the pixels that files say. A float's own noise (148.00000000000003) begins far behind; COCO's own files have two,
and a thousandth of a picture one pixel wide, the finest step on any model's grid, is still ten of the last.
"""


def box_px(box: Box, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 in pixels as files say them."""
    x1, y1, x2, y2 = (round(each, PX_DECIMALS) for each in to_px(box, size_wh))
    return x1, y1, x2, y2


def bbox_px(box: Box, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """x, y, width, height as COCO has them, between the edges that `box_px` gives: never out of the picture."""
    x1, y1, x2, y2 = box_px(box, size_wh)
    return x1, y1, round(x2 - x1, PX_DECIMALS), round(y2 - y1, PX_DECIMALS)


def point_px(point: Point, size_wh: tuple[int, int]) -> tuple[float, float]:
    """x, y in pixels as files say them."""
    return round(point.x * size_wh[0], PX_DECIMALS), round(point.y * size_wh[1], PX_DECIMALS)


def read_sample(
    picture: str,
    size_wh: tuple[int, int] | None,
    detections: Sequence[Detection],
    bundle: Bundle,
    *,
    text: str = "",
    task: Task | None = None,
    file: Callable[[], bytes] | None = None,
) -> Sample:
    """A picture as a file describes it, its objects numbered."""
    numbered = tuple(replace(each, id=place) for place, each in enumerate(detections))
    outcome = Outcome.FOUND if numbered or text else Outcome.NONE
    if task is None:
        task = Task.CAPTION if text else Task.SEGMENT if any(each.mask for each in numbered) else Task.DETECT
    return Sample(picture, size_wh, task, Result(outcome, text, numbered), file or bundle.file(picture))


_KEPT = (".png", ".jpg", ".jpeg", ".webp", ".bmp")  # what every reader of datasets opens
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\ud800-\udfff]')  # not in a file name, on Windows at least


@dataclass
class Names:
    """File names for pictures: each safe on every system and its own, whatever the case; the picture's where it can be.

    stems: label files are named after their picture, so two pictures may not differ by their ending only.
    flat: there are no folders. bare: a picture whose file is not written keeps its name, whatever it is.
    """

    stems: bool = False
    flat: bool = False
    bare: bool = False
    _taken: set[str] = field(default_factory=set)

    def of(self, sample: Sample) -> str:
        if self.bare and sample.file is None:
            return sample.picture
        parts = [_UNSAFE.sub("_", part).strip(" ") for part in sample.picture.replace("\\", "/").split("/")]
        parts = [part.rstrip(". ") or "_" for part in parts if part not in ("", ".")]  # Windows drops such endings
        path = PurePosixPath(*(_shortened(part) for part in parts)) if parts else PurePosixPath("picture")
        if self.flat:
            path = PurePosixPath(_shortened("_".join(path.parts)))
        if sample.file is not None and path.suffix.lower() not in _KEPT:
            path = path.with_name(path.name + ".png" if len(path.suffix) > 5 else path.stem + ".png")
        unique, count = path, 1
        while self._key(unique) in self._taken:
            count += 1
            unique = path.with_name(f"{path.stem} ({count}){path.suffix}")
        self._taken.add(self._key(unique))
        return unique.as_posix()

    def _key(self, path: PurePosixPath) -> str:
        return (path.with_suffix("") if self.stems else path).as_posix().casefold()


def _shortened(part: str) -> str:
    """A name whose UTF-8 fits where 255 bytes are the limit, with room for a number and an ending."""
    if len(part.encode()) <= 200:
        return part
    stem, dot, suffix = part.rpartition(".")
    if not dot or len(suffix) > 5:
        stem, suffix = part, ""
    return stem.encode()[:180].decode("utf-8", "ignore") + (f".{suffix}" if suffix else "")


def picture_file(sample: Sample, name: str) -> Iterator[File]:
    """The picture under `name`, as it is where everybody reads it so, else saved again upright; nothing without one."""
    if sample.file is None:
        return
    try:
        yield name, _upright(sample.file(), name)
    except (GroundingError, OSError):
        return  # what is missing shows when the export is read again


def _upright(content: bytes, name: str) -> bytes:
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "WEBP", "BMP"]) as opened:
            if opened.getexif().get(0x0112, 1) == 1:
                return content
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, Image.DecompressionBombError):
        pass  # not one of these: read it the careful way
    buffer = io.BytesIO()
    image = load(content).image
    if name.lower().endswith((".jpg", ".jpeg")):
        image.save(buffer, "JPEG", quality=95, subsampling=0)
    elif name.lower().endswith(".webp"):
        image.save(buffer, "WEBP", lossless=True)
    else:
        image.save(buffer, "BMP" if name.lower().endswith(".bmp") else "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Part:
    """One shape of a file in which a box, a mask and a point of one object are shapes of their own, tied by a group."""

    label: str
    group: object = None  # None, "" and 0: stands alone
    box: Box | None = None
    pixels: Crop | None = None
    point: Point | None = None
    extras: dict[str, Any] = field(default_factory=dict)


def grouped(parts: Sequence[Part], size_wh: tuple[int, int]) -> list[Detection]:
    """One detection for each group of the same name with at most one box and one point; else one for each shape."""
    groups: dict[tuple[object, ...], list[Part]] = {}
    for place, part in enumerate(parts):
        key = (part.label, str(part.group)) if part.group not in (None, "", 0, "0") else (place,)
        groups.setdefault(key, []).append(part)
    found: list[Detection] = []
    for group in groups.values():
        one = sum(part.box is not None for part in group) < 2 and sum(part.point is not None for part in group) < 2
        found += [_merged(group, size_wh)] if one else [_merged([part], size_wh) for part in group]
    return found


def _merged(group: Sequence[Part], size_wh: tuple[int, int]) -> Detection:
    crops = [part.pixels for part in group if part.pixels is not None]
    extras = {key: value for part in group for key, value in part.extras.items()}
    return Detection(
        group[0].label,
        next((part.box for part in group if part.box), None),
        next((part.point for part in group if part.point), None),
        mask=mask_of(union(crops), size_wh) if crops else None,
        **extras,
    )
