"""What a file lost: its objects, read back, held against those that were written. Knows no format; it measures.

Nothing here is guessed from a format's name: the sentences would be the same for a file that somebody else wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from grounding.errors import GroundingError
from grounding.exports.extras import origin_to_json
from grounding.exports.losses import Aspect, Loss, Tally
from grounding.exports.pairing import paired
from grounding.exports.shapes import Crop, bounds, pixels_of, union
from grounding.labels import Sample
from grounding.types import THRESHOLD, Detection, Outcome, Review, SoftMask

_SAME_PX = 0.01
"""Boxes that differ by less are the same: it is what the digits of the files leave, a hundredth of a pixel."""
_SAME_SCORE = 1e-6


def compare(
    before: Sequence[Sample], after: Iterable[Sample], *, threshold: int, names: Sequence[str] | None = None
) -> tuple[Loss, ...]:
    """One Loss for each kind of thing that `after` no longer says as `before` did; none where nothing was lost.

    before, after: taken one by one, none held. names: what each of `before` is called in `after`, where not the same.
    """
    tally = Tally()
    waiting = {name: place for place, name in enumerate(names or [each.picture for each in before])}
    for _ in range(len(before)):
        tally.met(Aspect.PICTURE)
    for read in after:
        place = waiting.pop(read.picture, None)
        if place is None:
            tally.add(Aspect.PICTURE, "added")
        else:
            written = before[place]
            if written.picture != read.picture:
                tally.add(Aspect.PICTURE, "renamed", example=(written.picture, read.picture))
            _compare_picture(written, read, threshold, tally)
    for place in waiting.values():
        if before[place].labelled:
            tally.add(Aspect.PICTURE, "left out")
        else:
            tally.add(Aspect.PICTURE, "unanswered")
    return tally.losses()


def _compare_picture(written: Sample, read: Sample, threshold: int, tally: Tally) -> None:
    _compare_file(written, read, tally)
    if written.size_wh is not None and read.size_wh != written.size_wh:
        tally.add(Aspect.SIZE, "left out" if read.size_wh is None else "changed")
    if written.labelled and written.result.text:
        tally.met(Aspect.TEXT)
        if not read.result.text:
            tally.add(Aspect.TEXT, "left out")
        elif read.result.text != written.result.text:
            tally.add(Aspect.TEXT, "changed", example=(written.result.text, read.result.text))
    if _told(written) and _told(read) != _told(written):
        tally.add(Aspect.ANSWER, "left out")
    size_wh = written.size_wh or read.size_wh or (1000, 1000)  # without a size, as if it had this one
    before = [each for each in written.result.detections if each.review is not Review.REJECTED]
    for _ in range(len(written.result.detections) - len(before)):
        tally.add(Aspect.OBJECT, "rejected")
    after = read.result.detections
    groups, strangers = paired(before, after)
    for _ in strangers:
        tally.add(Aspect.OBJECT, "added")
    for detection, places in zip(before, groups, strict=True):
        tally.met(Aspect.OBJECT)
        if places:
            _compare_object(detection, [after[place] for place in places], size_wh, threshold, tally)
        elif detection.point is not None and detection.box is None and detection.mask is None:
            tally.met(Aspect.POINT)
            tally.add(Aspect.POINT, "left out")
        else:
            tally.add(Aspect.OBJECT, "left out")


def _compare_file(written: Sample, read: Sample, tally: Tally) -> None:
    if written.file is not None:
        if read.file is None:
            tally.add(Aspect.PICTURE, "bare")
        elif _content(read.file) != _content(written.file):
            tally.add(Aspect.PICTURE, "saved again")


def _content(file: Callable[[], bytes]) -> bytes | None:
    try:
        return file()
    except (GroundingError, OSError):
        return None


def _told(sample: Sample) -> tuple[object, ...]:
    outcome = sample.result.outcome
    usual = outcome in (Outcome.FOUND, Outcome.NONE)
    notes = tuple((note.kind.value, note.detail) for note in sample.result.notes)
    return () if usual and not notes else (outcome, notes)


def _compare_object(
    before: Detection, found: Sequence[Detection], size_wh: tuple[int, int], threshold: int, tally: Tally
) -> None:
    after = found[0]
    tally.met(Aspect.LABEL)
    if after.label != before.label:
        tally.add(Aspect.LABEL, "changed", example=(before.label, after.label))
    _present(Aspect.SCORE, before.score, after.score, tally)
    if before.score is not None and after.score is not None and abs(before.score - after.score) > _SAME_SCORE:
        tally.add(Aspect.SCORE, "changed")
    if (
        _present(Aspect.TOKENS, before.mask_tokens, after.mask_tokens, tally)
        and before.mask_tokens != after.mask_tokens
    ):
        tally.add(Aspect.TOKENS, "changed")
    _compare_origin(before, after, tally)
    changed_by_person = (before.review, before.box_before, before.label_before)
    if changed_by_person != (Review.OPEN, None, None):
        tally.met(Aspect.REVIEW)
        if changed_by_person != (after.review, after.box_before, after.label_before):
            tally.add(Aspect.REVIEW, "left out")
    _compare_place(Aspect.BOX, before.box, after.box, size_wh, tally, split=len(found) > 1)
    _compare_place(Aspect.POINT, before.point, after.point, size_wh, tally)
    masks = [each.mask for each in found if each.mask is not None]
    if before.mask is None:
        if masks:
            tally.add(Aspect.MASK, "added")
        return
    tally.met(Aspect.MASK)
    _compare_mask(before.mask, masks, size_wh, threshold, tally)


def _present(aspect: Aspect, before: object, after: object, tally: Tally) -> bool:
    """Whether both are there; tallies what is gone or made up."""
    if before is None:
        if after is not None:
            tally.add(aspect, "added")
        return False
    tally.met(aspect)
    if after is None:
        tally.add(aspect, "left out")
    return after is not None


def _compare_origin(before: Detection, after: Detection, tally: Tally) -> None:
    if not _present(Aspect.ORIGIN, before.origin, after.origin, tally) or before.origin == after.origin:
        return
    mine, theirs = origin_to_json(before.origin), origin_to_json(after.origin)
    if mine != theirs:
        raw_only = {**mine, "raw": ""} == {**theirs, "raw": ""}
        tally.add(Aspect.ORIGIN, "raw left out" if raw_only else "changed")


def _compare_place(
    aspect: Aspect,
    before: Sequence[float] | None,
    after: Sequence[float] | None,
    size_wh: tuple[int, int],
    tally: Tally,
    *,
    split: bool = False,
) -> None:
    if _present(aspect, before, after, tally) and before is not None and after is not None and not split:
        moved = np.abs(np.subtract(before, after)) * np.resize(size_wh, len(before))
        if moved.max() > _SAME_PX:
            tally.add(aspect, "moved", measure=float(moved.max()))


def _compare_mask(
    before: SoftMask, after: Sequence[SoftMask], size_wh: tuple[int, int], threshold: int, tally: Tally
) -> None:
    if not after:
        tally.add(Aspect.MASK, "left out")
        return
    soft = bool(((before.probs > 0) & (before.probs < 1)).any())
    if soft:
        tally.met(Aspect.SOFTNESS)
        if not any(((each.probs > 0) & (each.probs < 1)).any() for each in after):
            tally.add(Aspect.SOFTNESS, "left out")
    mine = pixels_of(before, size_wh, threshold)
    read = [pixels_of(each, size_wh, THRESHOLD) for each in after]
    theirs = union(read)
    canvas_mine, canvas_theirs = _side_by_side(mine, theirs)
    parts, holes = _parts_and_holes(canvas_mine)
    if parts > 1:
        tally.met(Aspect.PARTS)
    if holes:
        tally.met(Aspect.HOLES)
    if len(after) > 1:
        tally.add(Aspect.PARTS, "split")
    either = int((canvas_mine | canvas_theirs).sum())
    iou = int((canvas_mine & canvas_theirs).sum()) / either if either else 1.0
    if iou == 1:
        return
    tally.add(Aspect.MASK, "changed", measure=iou)
    their_parts, their_holes = _parts_and_holes(canvas_theirs)
    if parts > 1 and len(after) == 1 and their_parts < parts:
        tally.add(Aspect.PARTS, "joined")
    if holes > their_holes:
        tally.add(Aspect.HOLES, "filled")


def _side_by_side(a: Crop, b: Crop) -> tuple[np.ndarray, np.ndarray]:
    """Both as bool arrays of the smallest frame around them, one empty pixel wide about."""
    corners = np.array([bounds(a), bounds(b)])
    left, top = corners[:, :2].min(0) - 1
    shape = tuple((corners[:, 2:].max(0) - (left, top) + 1)[::-1])
    canvases = []
    for (pixels, _), (x1, y1, x2, y2) in zip((a, b), corners, strict=True):
        canvas = np.zeros(shape, dtype=bool)
        canvas[y1 - top : y2 - top, x1 - left : x2 - left] = pixels
        canvases.append(canvas)
    return canvases[0], canvases[1]


def _parts_and_holes(framed: np.ndarray) -> tuple[int, int]:
    """How many pieces a mask has, pixels that touch at a corner being one, and how many holes. Empty at its rim."""
    import cv2

    # Borders are walked here, where labelling the pieces would look at every pixel, twice.
    _, tree = cv2.findContours(framed.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents = np.array([]) if tree is None else tree[0, :, 3]
    parts = int(np.count_nonzero(parents < 0))
    return parts, len(parents) - parts
