"""Small things found by also looking at a picture in overlapping parts. Knows no model: whoever answers is handed in.

A part is asked as a picture of its own. What is found there is moved back to the whole picture; what a part's edge cut
off gives way to the whole thing where that was found too, and is joined to its other half where it was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from grounding.errors import RequestError
from grounding.geometry import nms, rect_px
from grounding.images import Picture
from grounding.types import (
    FULL_FRAME,
    Box,
    Detection,
    Note,
    NoteKind,
    Outcome,
    Point,
    Request,
    Result,
    SoftMask,
    Task,
    Usage,
)

OVERLAP = 0.2  # of a part's side: SAHI's default; what is smaller than that is whole in some part
MOST = 6  # parts a side: 37 looks at one picture
REPEAT_IOU = 0.5  # of one label: a thing seen in two parts; its boxes differ more than those said twice in one look
_WITHIN = 0.7  # of a cut piece's area inside another box of its label: a piece of that
_EDGE = 0.02  # of a part's side: a box that comes so near an inner edge may have been cut by it
_JOINED_SIDE = 128  # pixels of a mask put together from pieces: twice the codecs' own 64


@dataclass(frozen=True)
class _Found:
    """A detection in the whole picture's frame; cut: whether an inner edge of its part may have cut it."""

    detection: Detection
    cut: bool


def parts(each_side: int) -> tuple[Box, ...]:
    """The whole picture, then `each_side` x `each_side` parts of it from the top left, overlapping by OVERLAP."""
    if not 1 <= each_side <= MOST:
        raise RequestError(f"A picture can be looked at in 1 to {MOST} parts a side.")
    if each_side == 1:
        return (FULL_FRAME,)
    side = 1 / (each_side - (each_side - 1) * OVERLAP)
    starts = [k * (1 - side) / (each_side - 1) for k in range(each_side)]
    return (FULL_FRAME, *(Box(x, y, min(1.0, x + side), min(1.0, y + side)) for y in starts for x in starts))


def answer_in_parts(request: Request, answer: Callable[[Sequence[Request]], Sequence[Result]]) -> Result:
    """What `answer` says of the picture and of each of its `options.tiles` x `options.tiles` parts, put together.

    answer: answers several requests, each alone; a failure of one is a Result too. Only detect and segment on one
    picture are looked at in parts; anything else is answered as it is.
    """
    each_side = request.options.tiles or 1
    plain = replace(request, options=replace(request.options, tiles=None))
    if each_side == 1 or request.task not in (Task.DETECT, Task.SEGMENT) or len(request.images) != 1:
        return answer([plain])[0]
    frames = parts(each_side)
    picture = request.images[0]
    results = answer([replace(plain, images=(_cut_out(picture, frame),)) for frame in frames])
    return together(results, [_whole_pixels(frame, picture) for frame in frames])


def _whole_pixels(frame: Box, picture: Picture) -> Box:
    """`frame` as it is really cut out."""
    width, height = picture.size_wh
    x1, y1, x2, y2 = rect_px(frame, picture.size_wh)
    return Box(x1 / width, y1 / height, x2 / width, y2 / height)


def _cut_out(picture: Picture, frame: Box) -> Picture:
    if frame == FULL_FRAME:
        return picture
    crop: Image.Image = picture.image.crop(rect_px(frame, picture.size_wh))
    return Picture(crop, picture.name, picture.format)


def together(results: Sequence[Result], frames: Sequence[Box]) -> Result:
    """One result for the whole picture from those of its parts; the first is of the whole."""
    found = [_moved(d, frame) for result, frame in zip(results, frames, strict=True) for d in result.detections]
    whole = _without_pieces(found)
    merged = nms(_joined(whole), REPEAT_IOU)
    notes = [note for result in results for note in result.notes]
    notes = list(dict.fromkeys(notes))  # the parts say much the same
    fewer = len(found) - len(merged)
    notes.insert(0, Note(NoteKind.MODEL, f"Looked at {len(frames)} times: as a whole and in {len(frames) - 1} parts."))
    if fewer:
        notes.insert(1, Note(NoteKind.MODEL, f"{fewer} seen in several parts or cut by an edge were merged."))
    detections = tuple(replace(d, id=number) for number, d in enumerate(merged))
    return replace(
        results[0],
        outcome=_outcome([result.outcome for result in results], bool(detections)),
        text=next((result.text for result in results if result.outcome is Outcome.FAILED), results[0].text),
        detections=detections,
        notes=tuple(notes),
        usage=_usage([result.usage for result in results]),
        raw="\n".join(result.raw for result in results),
    )


def _moved(detection: Detection, frame: Box) -> _Found:
    """`detection`, found in the part `frame`, as it lies in the whole picture."""
    box = detection.box and _box_in(detection.box, frame)
    mask = detection.mask and SoftMask(detection.mask.probs, _box_in(detection.mask.frame, frame))
    point = detection.point and Point(*_point_in(detection.point, frame))
    cut = False
    if detection.box:
        x1, y1, x2, y2 = detection.box
        inner = (frame.x1 > 0, frame.y1 > 0, frame.x2 < 1, frame.y2 < 1)
        near = (x1 < _EDGE, y1 < _EDGE, x2 > 1 - _EDGE, y2 > 1 - _EDGE)
        cut = any(a and b for a, b in zip(inner, near, strict=True))
    return _Found(replace(detection, box=box, mask=mask, point=point), cut)


def _point_in(point: tuple[float, float], frame: Box) -> tuple[float, float]:
    return frame.x1 + point[0] * frame.width, frame.y1 + point[1] * frame.height


def _box_in(box: Box, frame: Box) -> Box:
    corners = *_point_in((box.x1, box.y1), frame), *_point_in((box.x2, box.y2), frame)
    return Box(*(min(1.0, max(0.0, v)) for v in corners))


def _without_pieces(found: Sequence[_Found]) -> list[_Found]:
    """`found` without cut pieces of what was also found whole, or of a larger piece."""
    kept: list[_Found] = []
    for one in sorted(found, key=lambda f: (f.cut, -(f.detection.box.area if f.detection.box else 0))):
        if not (one.cut and any(_inside(one.detection, other.detection) >= _WITHIN for other in kept)):
            kept.append(one)
    return [one for one in found if any(one is other for other in kept)]


def _same_label(a: Detection, b: Detection) -> bool:
    return a.label.casefold() == b.label.casefold()


def _inside(piece: Detection, other: Detection) -> float:
    """The share of `piece` that lies in `other`; 0 for another label."""
    if not (piece.box and other.box and _same_label(piece, other)):
        return 0.0
    width, height = _shared(piece.box, other.box)
    return width * height / piece.box.area if piece.box.area else 0.0


def _shared(a: Box, b: Box) -> tuple[float, float]:
    return max(0.0, min(a.x2, b.x2) - max(a.x1, b.x1)), max(0.0, min(a.y2, b.y2) - max(a.y1, b.y1))


def _halves(a: Box, b: Box) -> bool:
    """Whether two cut pieces are of one thing: they overlap, and along one side nearly all of the smaller is shared."""
    width, height = _shared(a, b)
    if not width or not height:
        return False
    return width >= _WITHIN * min(a.width, b.width) or height >= _WITHIN * min(a.height, b.height)


def _joined(found: Sequence[_Found]) -> list[Detection]:
    """`found` with the cut pieces of one thing put together; whole things stay as they are."""
    out: list[Detection] = [one.detection for one in found if not one.cut]
    waiting = [one.detection for one in found if one.cut]
    while waiting:
        piece = waiting.pop(0)
        while piece.box and (
            half := next((d for d in waiting if d.box and _same_label(d, piece) and _halves(piece.box, d.box)), None)
        ):
            waiting.remove(half)
            piece = _union(piece, half)
        out.append(piece)
    return out


def _union(a: Detection, b: Detection) -> Detection:
    """Two pieces as one thing: the box round both, masks laid over one another, the lower score; None where one is."""
    if not (a.box and b.box):
        raise ValueError("only boxes can be joined")
    box = Box(min(a.box.x1, b.box.x1), min(a.box.y1, b.box.y1), max(a.box.x2, b.box.x2), max(a.box.y2, b.box.y2))
    score = None if a.score is None or b.score is None else min(a.score, b.score)
    mask = None
    if a.mask and b.mask:
        probs = np.maximum(_laid_in(a.mask, box), _laid_in(b.mask, box))
        mask = SoftMask(probs, box)
    return replace(a, box=box, score=score, mask=mask, mask_tokens=None)


def _laid_in(mask: SoftMask, box: Box) -> np.ndarray:
    """float32[_JOINED_SIDE, _JOINED_SIDE]: the mask where it lies in `box`, 0 round it."""
    canvas = np.zeros((_JOINED_SIDE, _JOINED_SIDE), np.float32)
    inner = _inner(mask.frame, box)
    x1, y1, x2, y2 = rect_px(inner, (_JOINED_SIDE, _JOINED_SIDE))
    picture = Image.fromarray(np.ascontiguousarray(mask.probs))
    canvas[y1:y2, x1:x2] = np.asarray(picture.resize((x2 - x1, y2 - y1), Image.Resampling.BILINEAR))
    return canvas


def _inner(frame: Box, box: Box) -> Box:
    """`frame` in the frame of `box`, which it lies in."""
    values = (
        (frame.x1 - box.x1) / box.width,
        (frame.y1 - box.y1) / box.height,
        (frame.x2 - box.x1) / box.width,
        (frame.y2 - box.y1) / box.height,
    )
    return Box(*(min(1.0, max(0.0, v)) for v in values))


def _outcome(outcomes: Sequence[Outcome], found: bool) -> Outcome:
    """The outcome of the whole: what needs saying most, else whether anything was found."""
    for serious in (Outcome.FAILED, Outcome.BLOCKED, Outcome.TRUNCATED, Outcome.REPAIRED):
        if serious in outcomes:
            return serious
    if found:
        return Outcome.FOUND
    return Outcome.UNRECOGNISED if Outcome.UNRECOGNISED in outcomes else Outcome.NONE


def _usage(usages: Sequence[Usage | None]) -> Usage | None:
    known = [usage for usage in usages if usage is not None]
    if not known:
        return None

    def total(name: str) -> int | None:
        values = [value for usage in known if (value := getattr(usage, name)) is not None]
        return sum(values) if values else None

    costs = [usage.cost_usd for usage in known if usage.cost_usd is not None]
    return Usage(
        sum(usage.seconds for usage in known),
        total("prompt_tokens"),
        total("image_tokens"),
        total("thought_tokens"),
        total("answer_tokens"),
        sum(costs) if costs else None,
        total("requests"),
    )
