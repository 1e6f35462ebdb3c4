"""CSV: one row per object, a row without an object for a picture that has none. Masks are COCO's run lengths in a cell,
or the name of a PNG. Boxes are pixels and parts of them; what is not known is an empty cell.

A cell that a spreadsheet would run as a formula gets an apostrophe in front (ASVS 1.2.10), which reading takes away.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from grounding.errors import RequestError
from grounding.exports import fields, shapes
from grounding.exports.bundle import Bundle, parse_json
from grounding.exports.extras import Origins, extras, origin_from_json, read_extras
from grounding.exports.format import (
    File,
    Format,
    Labels,
    Names,
    answered,
    box_px,
    picture_file,
    point_px,
    read_sample,
    size_of,
)
from grounding.geometry import coco_rle
from grounding.labels import Sample
from grounding.types import THRESHOLD, Detection, SoftMask, Task

NAMES = partial(Names, bare=True)
_BOX = ("x1_px", "y1_px", "x2_px", "y2_px")
_POINT = ("point_x_px", "point_y_px")
COLUMNS = (
    "picture", "width", "height", "task", "text", "label", *_BOX, "score", *_POINT, "mask_rle", "mask_file",
    "mask_tokens", "origin", "review", "box_before", "label_before",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "'")
_LISTS = ("mask_tokens", "box_before")


def csv_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """labels.csv, each label as it was given; and images/NAME where the picture is at hand."""
    del labels  # each row names its own
    names, rows = NAMES(), []
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, f"images/{name}")
        of_objects = []
        for detection in sample.result.detections:
            row = object_row(sample, detection)
            if detection.mask is not None:
                row["mask_rle"] = coco_rle(detection.mask, size_of(sample), threshold)["counts"]
            of_objects.append(row)
        rows += [picture_row(sample, name) | row for row in of_objects or [{}]]
    yield "labels.csv", table(rows)


def picture_row(sample: Sample, name: str) -> dict[str, Any]:
    width, height = size_of(sample)
    return {"picture": name, "width": width, "height": height, "task": sample.task.value, "text": sample.result.text}


def object_row(sample: Sample, detection: Detection) -> dict[str, Any]:
    """All but the mask."""
    row: dict[str, Any] = {"label": detection.label}
    if detection.box is not None:
        row |= zip(_BOX, box_px(detection.box, size_of(sample)), strict=True)
    if detection.point is not None:
        row |= zip(_POINT, point_px(detection.point, size_of(sample)), strict=True)
    origins = Origins()
    row |= extras(detection, origins)
    for name in _LISTS:
        if name in row:
            row[name] = json.dumps(row[name])
    if "origin" in row:
        row["origin"] = json.dumps({**origins.rows[0], "raw": ""}, ensure_ascii=False)  # not once more for each object
    return row


def table(rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in COLUMNS])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA) else value
    return repr(value)


def read_csv(bundle: Bundle) -> Iterator[Sample]:
    """Every picture of every table in the bundle that has a `picture` and a `label` column."""
    for name in bundle.named(".csv"):
        try:
            yield from _read_table(bundle, name)
        except RequestError as error:
            bundle.problem(name, error)


def is_csv(bundle: Bundle) -> bool:
    return any(_head(bundle, name) >= {"picture", "label"} for name in bundle.named(".csv"))


def has_mask_files(bundle: Bundle) -> bool:
    """Whether a table names a PNG for any mask."""
    try:
        return any(each["mask_file"] for name in bundle.named(".csv") for each in _rows(bundle, name))
    except (RequestError, KeyError):
        return False


def _head(bundle: Bundle, name: str) -> set[str]:
    try:
        return set(next(csv.reader(io.StringIO(bundle.text(name), newline="")), ()))
    except (RequestError, csv.Error):
        return set()


def _rows(bundle: Bundle, name: str) -> Iterator[dict[str, str]]:
    csv.field_size_limit(200_000_000)  # a mask's run lengths are one cell
    reader = csv.DictReader(io.StringIO(bundle.text(name), newline=""), restval="")
    try:
        for row in reader:
            yield {key: _value(cell) for key, cell in row.items() if isinstance(key, str)}
    except csv.Error:
        raise RequestError("It is not a table that can be read as CSV.") from None


def _value(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _read_table(bundle: Bundle, name: str) -> Iterator[Sample]:
    if not {"picture", "label"} <= _head(bundle, name):
        raise RequestError("It has no columns “picture” and “label”.")
    pictures: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for place, row in enumerate(_rows(bundle, name), 2):
        pictures.setdefault(row["picture"], []).append((place, row))
    for picture, rows in pictures.items():
        first, found = rows[0][1], []
        try:
            size_wh = fields.size_of(first.get("width"), first.get("height")) if first.get("width") else None
            size_wh = size_wh or bundle.size_of(picture)
            if size_wh is None:
                raise RequestError("The size of this picture is not known.")
        except RequestError as error:
            bundle.problem(picture, error)
            continue
        for place, row in rows:
            try:
                if any(row.get(each) for each in ("label", _BOX[0], _POINT[0], "mask_rle", "mask_file", "mask_tokens")):
                    found.append(_read_row(row, size_wh, bundle))
            except RequestError as error:
                bundle.problem(name, f"Row {place} is left out. {error}")
        task = Task(first["task"]) if first.get("task") in list(Task) else None
        yield read_sample(picture, size_wh, found, bundle, text=first.get("text", ""), task=task)


def _read_row(row: dict[str, str], size_wh: tuple[int, int], bundle: Bundle) -> Detection:
    box = point = None
    if any(row.get(each) for each in _BOX):
        box = fields.box_of([fields.number(row.get(each), each) for each in _BOX], size_wh)
    if any(row.get(each) for each in _POINT):
        x, y = (fields.number(row.get(each), each) for each in _POINT)
        point = fields.point_of(x, y, size_wh)
    said: dict[str, Any] = {each: row[each] for each in ("score", "review") if row.get(each)}
    said |= {each: parse_json(row[each]) for each in _LISTS if row.get(each)}
    if row.get("label_before"):
        said["label_before"] = row["label_before"]
    origin = origin_from_json(parse_json(row["origin"])) if row.get("origin") else None
    known = read_extras({**said, "origin": 0}, [origin])
    mask = _read_mask(row, size_wh, bundle)
    if box is None and point is None and mask is None and "mask_tokens" not in known:
        raise RequestError("It has neither a box, a mask nor a point.")
    return Detection(row["label"], box, point, mask=mask, **known)


def _read_mask(row: dict[str, str], size_wh: tuple[int, int], bundle: Bundle) -> SoftMask | None:
    if counts := row.get("mask_rle"):
        crop, _ = shapes.from_coco_rle({"size": [size_wh[1], size_wh[0]], "counts": counts})
        return shapes.mask_of(crop, size_wh)
    if file := row.get("mask_file"):
        if file not in bundle:
            raise RequestError("Its mask's picture is not there.")
        return shapes.mask_of(shapes.from_png(bundle.read(file), size_wh), size_wh)
    return None


CSV = Format(
    "csv", "CSV (one row per object)", csv_format, read_csv, lambda b: is_csv(b) and not has_mask_files(b),
    words=True, names=NAMES,
)  # fmt: skip
