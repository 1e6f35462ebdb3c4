"""Corrections made by a person, as a browser sends them: checked like anything a stranger posts, then made detections.

Soft masks travel as 8-bit maps at their own size, deflated, in base64. A level is rounded up, so that every threshold
from 0 to 255 cuts the 8-bit map exactly where it cuts the one it was made of. Knows no page and no session.
"""

from __future__ import annotations

import base64
import binascii
import math
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from grounding.errors import RequestError
from grounding.types import Box, Detection, Origin, Point, Review, SoftMask

PERSON = "person"
"""The backend of what no model said."""

MAX_OBJECTS = 2_000
MAX_LABEL = 200
MAX_SIDE = 1_024
"""Of a mask that was painted; the page paints on 768 at most."""
MAX_CELLS = 24_000_000
"""Of all painted masks of one picture: 96 MB as float32, about forty of the largest."""

_SAME = 1e-7  # of a picture's side: less than a thousandth of a pixel of any picture; JSON keeps more

T = TypeVar("T")


def numbered(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """`detections`, each with its place as its id: corrections refer to them by it."""
    return tuple(each if each.id == place else replace(each, id=place) for place, each in enumerate(detections))


def signed(detections: Iterable[Detection], origin: Origin) -> tuple[Detection, ...]:
    """`detections`, those without an origin of their own with this one."""
    return tuple(each if each.origin else replace(each, origin=origin) for each in detections)


def kept(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """`detections` without those a person rejected: what is a label."""
    return tuple(each for each in detections if each.review is not Review.REJECTED)


def models_own(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """What a model, not a person, put there, as it gave it; what a person changed, as far as that is known."""
    return tuple(as_said(each) for each in detections if not (each.origin and each.origin.backend == PERSON))


def as_said(detection: Detection) -> Detection:
    """As the model gave it. Edited it stays where that is not known: no mask that a person may have painted is in it.

    Tokens are kept only with the model's own mask, which fills its box.
    """
    origin, mask = detection.origin, detection.mask
    if origin is None or not origin.edited:
        return detection
    box, label = detection.box_before or detection.box, detection.label_before
    if mask is not None and detection.mask_tokens is not None and box is not None:
        mask = SoftMask(mask.probs, box)
    elif detection.box is not None or detection.point is not None:
        mask = None
    told = detection.box_before is not None or label is not None
    known = told and detection.point is None and (detection.mask is None) == (mask is None)
    return replace(
        detection,
        label=detection.label if label is None else label,
        box=box,
        mask=mask,
        origin=replace(origin, edited=not known),
        box_before=None,
        label_before=None,
    )


def encode_mask(mask: SoftMask) -> dict[str, Any]:
    """{frame, size: [w, h], data, threshold}: what `decode_mask` reads, up to 1/255 of each probability."""
    height, width = mask.probs.shape
    levels = np.ceil(mask.probs * np.float32(255) - np.float32(1e-3)).clip(0, 255).astype(np.uint8)  # 127/255 stays 127
    data = base64.b64encode(zlib.compress(levels.tobytes(), 1)).decode()
    return {"frame": list(mask.frame), "size": [width, height], "data": data, "threshold": mask.threshold}


def decode_mask(value: Mapping[str, object]) -> SoftMask:
    """The mask of {frame, size, data, threshold}; raises RequestError where it is anything else."""
    sides = _list(value.get("size"), 2, "A mask's size")
    width, height = (_whole(side, 1, MAX_SIDE, "A mask's side") for side in sides)
    data = value.get("data")
    if not isinstance(data, str):
        raise RequestError("A mask came without its pixels. Undo the last stroke and paint it again.")
    try:
        unpacker = zlib.decompressobj()
        levels = unpacker.decompress(base64.b64decode(data, validate=True), width * height + 1)
    except (zlib.error, binascii.Error, ValueError):
        raise RequestError("A mask's pixels could not be read. Undo the last stroke and paint it again.") from None
    if len(levels) != width * height:
        raise RequestError("A mask's pixels do not fill its size. Undo the last stroke and paint it again.")
    probs = np.frombuffer(levels, np.uint8).reshape(height, width).astype(np.float32) / np.float32(255)
    return SoftMask(probs, _box(value.get("frame")), _threshold(value.get("threshold")))


def describe(detections: Iterable[Detection], said: Sequence[Detection] = ()) -> list[dict[str, Any]]:
    """Everything a page needs to show and to correct `detections`, as JSON; `said`: the same as the model gave them.

    edited, of each: a person changed it before, and what the model gave is not all known.
    """
    models = {each.id: each for each in said}
    return [_describe(each, models.get(each.id)) for each in detections]


def _describe(detection: Detection, model: Detection | None) -> dict[str, Any]:
    mask, origin = detection.mask, detection.origin
    whole: dict[str, Any] = {
        "id": detection.id,
        "label": _printable(detection.label),
        "box": None if detection.box is None else list(detection.box),
        "point": None if detection.point is None else list(detection.point),
        "score": detection.score,
        "review": detection.review.value,
        "mask": None,
        "model": None,
        "origin": None,
        "edited": model is not None and model.origin is not None and model.origin.edited,
    }
    if mask is not None:
        own = model is not None and model.mask is not None and model.mask.probs is mask.probs
        whole["mask"] = {**encode_mask(mask), "own": own}
    if model is not None:
        whole["model"] = {
            "label": _printable(detection.label if detection.label_before is None else detection.label_before),
            "box": None if model.box is None else list(detection.box_before or model.box),
            "point": None if model.point is None else list(model.point),
            "frame": None if model.mask is None else list(model.mask.frame),
        }
    if origin is not None:
        parameters = {str(name): str(value) for name, value in origin.parameters.items()}
        whole["origin"] = {
            "backend": origin.backend,
            "model": origin.model,
            "prompt": origin.prompt,
            "parameters": parameters,
            "answered_at": origin.answered_at,
        }
    return whole


def corrected(
    objects: object, said: Sequence[Detection], now: Sequence[Detection], asked: Origin
) -> tuple[Detection, ...]:
    """The detections a person left, of `objects` as the page sends them; raises RequestError and changes nothing.

    said: what the model gave. now: what there was before this correction; both are referred to by id. asked: the
    origin of what has none of its own. What is as the model gave it comes back as the very same, with its review.
    """
    if not isinstance(objects, list) or len(objects) > MAX_OBJECTS:
        raise RequestError(f"The corrections should be a list of at most {MAX_OBJECTS} objects. Reload the page.")
    models, before = {each.id: each for each in said}, {each.id: each for each in now}
    made = tuple(_corrected(each, models, before, asked) for each in objects)
    if len({each.id for each in made}) < len(made):
        raise RequestError("Two corrected objects have the same number. Reload the page and try again.")
    own = {id(each.mask.probs) for each in said if each.mask}
    if _painted(made, own) > max(MAX_CELLS, _painted(now, own)):  # as much as there was may stay
        raise RequestError("That is more painted mask than one picture can keep. Delete some of the painted objects.")
    return made


def _painted(detections: Iterable[Detection], own: set[int]) -> int:
    """Cells of masks that are none of those in `own`, by the identity of their pixels."""
    masks = [each.mask.probs for each in detections if each.mask]
    return sum(probs.size for probs in masks if id(probs) not in own)


def _corrected(
    value: object, models: Mapping[int, Detection], before: Mapping[int, Detection], asked: Origin
) -> Detection:
    if not isinstance(value, dict):
        raise RequestError("A corrected object could not be read. Reload the page and try again.")
    number = _whole(value.get("id"), 0, 1_000_000, "An object's number")
    model = models.get(number)
    mask = _mask(value.get("mask"), model, before.get(number))
    box, point = _optional(_box, value.get("box")), _optional(_point, value.get("point"))
    if box is None and point is None and mask is None:
        raise RequestError("An object needs a box, a point or a mask. Delete it instead.")
    said = value.get("label")
    label = model.label if model and said == _printable(model.label) else _label(said)
    review = _review(value.get("review"))
    if model is None:
        drawn = Origin(PERSON, "", "", edited=True)
        return Detection(label, box, point, None, mask, id=number, origin=drawn, review=review)
    box, point = _own(_own(box, model.box), model.box_before), _own(point, model.point)
    was_label, was_box = model.label_before, model.box_before  # where the model's own was corrected before
    was_label = model.label if was_label is None else was_label
    was_box = was_box or model.box
    same = (label, box, point) == (model.label, model.box, model.point) and mask is model.mask
    if same:
        return replace(model, review=review)
    return replace(
        model,
        label=label,
        box=box,
        point=point,
        mask=mask,
        mask_tokens=model.mask_tokens if _tokens_hold(box, mask, model) else None,
        origin=replace(model.origin or asked, edited=True),
        review=review,
        box_before=None if box == was_box else was_box,
        label_before=None if label == was_label else was_label,
    )


def _tokens_hold(box: Box | None, mask: SoftMask | None, model: Detection) -> bool:
    """PaliGemma's mask tokens fill their box: they hold while the mask is the model's own and fills the box still."""
    if model.mask is None:
        return mask is None and box == model.box
    own = mask is not None and mask.probs is model.mask.probs
    return own and mask is not None and box is not None and _close(box, mask.frame)


def _mask(value: object, model: Detection | None, before: Detection | None) -> SoftMask | None:
    """A new mask, or the pixels of one that is known here already, "model" or "now", in a frame that may have moved."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RequestError("A mask could not be read. Reload the page and try again.")
    if "from" not in value:
        return decode_mask(value)
    source = {"model": model, "now": before}.get(value["from"] if isinstance(value["from"], str) else "")
    known = source.mask if source else None
    if known is None:
        raise RequestError("A corrected mask is not known here any more. Reload the page and try again.")
    frame = _own(_box(value.get("frame")), known.frame)
    threshold = _threshold(value.get("threshold"))
    same = frame == known.frame and threshold == known.threshold
    return known if same else SoftMask(known.probs, frame or known.frame, threshold)


def _own(value: T | None, model: T | None) -> T | None:
    """`model` where `value` is the same but for what a float loses on its way through a page."""
    close = isinstance(value, tuple) and isinstance(model, tuple) and _close(value, model)
    return model if close else value


def _close(value: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) < _SAME for a, b in zip(value, other, strict=True))


def _optional(read: Any, value: object) -> Any:
    return None if value is None else read(value)


def _printable(label: str) -> str:
    """What JSON can carry of a label: half a surrogate pair, which a model may say, it cannot."""
    return label.encode("utf-8", "replace").decode()


def _label(value: object) -> str:
    if not isinstance(value, str):
        raise RequestError("A label should be text.")
    joiners = "\u200c\u200d"  # parts of words in Persian and of emoji, though they print nothing
    clean = "".join(" " if unicodedata.category(c)[0] in "CZ" and c not in joiners else c for c in value)
    label = " ".join(clean.split())
    if len(label) > MAX_LABEL:
        raise RequestError(f"A label is longer than {MAX_LABEL} characters. Choose a shorter one.")
    return label


def _review(value: object) -> Review:
    if not isinstance(value, str) or value not in [each.value for each in Review]:
        raise RequestError("An object can be open, accepted, rejected or unsure, nothing else.")
    return Review(value)


def _threshold(value: object) -> int | None:
    return None if value is None else _whole(value, 0, 255, "An object's own mask threshold")


def _box(value: object) -> Box:
    x1, y1, x2, y2 = (_unit(each, "A box's edge") for each in _list(value, 4, "A box"))
    if not (x1 < x2 and y1 < y2):
        raise RequestError("A box must have a width and a height. Draw it again.")
    return Box(x1, y1, x2, y2)


def _point(value: object) -> Point:
    x, y = (_unit(each, "A point") for each in _list(value, 2, "A point"))
    return Point(x, y)


def _list(value: object, count: int, what: str) -> list[object]:
    if not isinstance(value, list) or len(value) != count:
        raise RequestError(f"{what} should be {count} numbers. Reload the page and try again.")
    return value


def _unit(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise RequestError(f"{what} lies outside the picture. Move it back inside.")
    return float(value)


def _whole(value: object, low: int, high: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestError(f"{what} should be a whole number from {low} to {high}.")
    return value
