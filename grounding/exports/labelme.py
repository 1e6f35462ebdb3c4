"""LabelMe: a JSON file beside each picture. A mask is a shape of its own type, its pixels a PNG in base64.

A box, a mask and a point of one object are three shapes, tied by `group_id`. Beyond LabelMe's own words, which it keeps
when it saves: `score`, `origin` (a place in the file's `origins`) and what a person did.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from grounding.errors import RequestError
from grounding.exports import fields, shapes
from grounding.exports.bundle import Bundle
from grounding.exports.extras import Origins, extras, read_extras, read_origins
from grounding.exports.format import (
    File,
    Format,
    Labels,
    Names,
    Part,
    answered,
    box_px,
    grouped,
    picture_file,
    point_px,
    read_sample,
    size_of,
)
from grounding.exports.results import to_bytes
from grounding.labels import Sample
from grounding.types import THRESHOLD, Detection

NAMES = partial(Names, stems=True)
_VERSION = "6.3.1"  # of the LabelMe whose reader the files were tried with


def labelme_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """NAME.json beside NAME.png, each label as it was given."""
    del labels  # each shape names its own
    names = NAMES()
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, name)
        width, height = size_of(sample)
        origins, found = Origins(), []
        for group, detection in enumerate(sample.result.detections, 1):
            found += _shapes(detection, group, (width, height), threshold, origins)
        file: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": found,
            "imagePath": PurePosixPath(name).name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        if origins.rows:
            file["origins"] = origins.rows
        yield f"{name.rpartition('.')[0] or name}.json", to_bytes(file)


def _shapes(
    detection: Detection, group: int, size_wh: tuple[int, int], threshold: int, origins: Origins
) -> list[dict[str, Any]]:
    places: list[tuple[str, list[list[float]], str | None]] = []
    if detection.box is not None:
        x1, y1, x2, y2 = box_px(detection.box, size_wh)
        places.append(("rectangle", [[x1, y1], [x2, y2]], None))
    if detection.mask is not None:
        crop = shapes.pixels_of(detection.mask, size_wh, threshold)
        left, top, right, bottom = shapes.bounds(crop)
        places.append(("mask", [[left, top], [right - 1, bottom - 1]], _png(crop[0])))  # the last pixel is included
    if detection.point is not None:
        places.append(("point", [list(point_px(detection.point, size_wh))], None))
    said = extras(detection, origins)
    return [
        {
            "label": detection.label,
            "points": points,
            "group_id": group if len(places) > 1 else None,
            "description": "",
            "shape_type": kind,
            "flags": {},
            "mask": mask,
            **said,
        }
        for kind, points, mask in places
    ]


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def read_labelme(bundle: Bundle) -> Iterator[Sample]:
    """Every LabelMe file of the bundle; a shape that is no box, outline, circle, mask or point is told and left out."""
    for name in bundle.named(".json"):
        try:
            file = bundle.json(name)
            if _is_labelme(file):
                yield _read_file(file, bundle, name)
        except RequestError as error:
            bundle.problem(name, error)


def is_labelme(bundle: Bundle) -> bool:
    return bundle.has_json(_is_labelme)


def _is_labelme(file: Any) -> bool:
    return isinstance(file, dict) and "shapes" in file and "imagePath" in file


def _read_file(file: dict[str, Any], bundle: Bundle, name: str) -> Sample:
    beside = PurePosixPath(name).parent / PurePosixPath(fields.text(file["imagePath"]).replace("\\", "/")).name
    picture = beside.as_posix()
    size_wh = fields.size_of(file.get("imageWidth"), file.get("imageHeight"))
    origins = read_origins(file.get("origins"))
    parts = []
    for place, shape in enumerate(fields.rows(file["shapes"], "The list of shapes"), 1):
        try:
            parts.append(_read_shape(fields.record(shape, "A shape"), size_wh, origins))
        except RequestError as error:
            bundle.problem(name, f"Shape {place} is left out. {error}")
    data = file.get("imageData")
    inside = None
    if isinstance(data, str) and bundle.file(picture) is None:
        inside = partial(_decoded, data)
    return read_sample(picture, size_wh, grouped(parts, size_wh), bundle, file=inside)


def _read_shape(shape: dict[str, Any], size_wh: tuple[int, int], origins: list[Any]) -> Part:
    label, kind = fields.text(shape.get("label")), shape.get("shape_type", "polygon")
    points = [
        (each[0], each[1])
        for each in (fields.numbers(point, 2, "A point") for point in fields.rows(shape.get("points"), "Its points"))
    ]
    group, said = shape.get("group_id"), read_extras(shape, origins)
    if kind == "mask" and len(points) == 2:
        corner = (math.floor(points[0][0]), math.floor(points[0][1]))
        return Part(label, group, pixels=(_pixels(shape.get("mask")), corner), extras=said)
    if kind == "rectangle" and len(points) == 2:
        return Part(label, group, box=fields.box_of((*points[0], *points[1]), size_wh), extras=said)
    if kind == "point" and len(points) == 1:
        return Part(label, group, point=fields.point_of(*points[0], size_wh), extras=said)
    if kind == "circle" and len(points) == 2:
        (x, y), radius = points[0], math.dist(*points)
        points, kind = fields.ellipse(x, y, radius, radius), "polygon"
    if kind == "polygon" and len(points) > 2:
        return Part(label, group, pixels=shapes.fill(points), extras=said)
    raise RequestError(f"A {fields.short(kind)} of {len(points)} points is no box, mask or point.")


def _pixels(mask: object) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(_decoded(mask)), formats=["PNG"]) as image:
            return np.asarray(image.convert("L")) > 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise RequestError("Its mask is not a PNG picture.") from None


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(fields.text(text))
    except (binascii.Error, ValueError):
        raise RequestError("It is not base64.") from None


LABELME = Format("labelme", "LabelMe (JSON beside each picture)", labelme_format, read_labelme, is_labelme, names=NAMES)
