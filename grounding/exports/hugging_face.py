"""Hugging Face datasets: an `imagefolder` with metadata.jsonl, or Parquet with the pictures inside. Rows are the same.

A row: image, width, height, task, text, and `objects`, a list of records: label, bbox (x, y, width, height in pixels,
as COCO's), score, point, mask (COCO's compressed RLE of the picture), mask_tokens, origin (a place in the row's
`origins`, JSON texts) and what a person did. What is not known is null.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from grounding.errors import ConfigError, RequestError
from grounding.exports import fields, shapes
from grounding.exports.bundle import Bundle, parse_json
from grounding.exports.extras import Origins, extras, read_extras, read_origins
from grounding.exports.format import (
    File,
    Format,
    Labels,
    Names,
    answered,
    bbox_px,
    picture_file,
    point_px,
    read_sample,
    size_of,
)
from grounding.geometry import coco_rle
from grounding.labels import Sample
from grounding.types import THRESHOLD, Detection, Task

_SHARD_BYTES = 200_000_000  # of pictures in one Parquet file; the Hub suggests at most 500 MB a file
_EXTRAS = ("score", "mask_tokens", "origin", "review", "box_before", "label_before")

_OBJECT = {
    "label": "string",
    "bbox": ["float64"],
    "score": "float64",
    "point": ["float64"],
    "mask": {"size": ["int32"], "counts": "string"},
    "mask_tokens": ["int32"],
    "origin": "int32",
    "review": "string",
    "box_before": ["float64"],
    "label_before": "string",
}
_ROW: dict[str, Any] = {
    "file_name": "string",
    "width": "int32",
    "height": "int32",
    "task": "string",
    "text": "string",
    "objects": [_OBJECT],
    "origins": ["string"],
}
"""The columns: a name of a type, a list of one, or a record of them."""


def imagefolder_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """train/metadata.jsonl, and train/NAME where the picture is at hand, which `datasets` wants."""
    del labels  # each object names its own
    names, lines = Names(), []
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, f"train/{name}")
        lines.append(json.dumps({"file_name": name, **_row(sample, threshold)}, ensure_ascii=False) + "\n")
    yield "train/metadata.jsonl", "".join(lines).encode("utf-8", "replace")


def parquet_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """data/train-00000.parquet and so on, 200 MB of pictures each at most; `image` is null without a picture."""
    del labels
    names, rows, weight, shard = Names(), [], 0, 0
    for sample in answered(samples):
        name = names.of(sample)
        content = next((content for _, content in picture_file(sample, name)), None)
        rows.append({"image": {"bytes": content, "path": name}, "file_name": name, **_row(sample, threshold)})
        weight += len(content or b"")
        if weight > _SHARD_BYTES:
            yield f"data/train-{shard:05d}.parquet", _packed(rows)
            rows, weight, shard = [], 0, shard + 1
    if rows or not shard:
        yield f"data/train-{shard:05d}.parquet", _packed(rows)


def _row(sample: Sample, threshold: int) -> dict[str, Any]:
    width, height = size_of(sample)
    origins = Origins()
    objects = [_object(each, (width, height), threshold, origins) for each in sample.result.detections]
    row = {"width": width, "height": height, "task": sample.task.value, "text": sample.result.text, "objects": objects}
    return row | {"origins": [json.dumps(each, ensure_ascii=False) for each in origins.rows]}


def _object(detection: Detection, size_wh: tuple[int, int], threshold: int, origins: Origins) -> dict[str, Any]:
    said: dict[str, Any] = dict.fromkeys(_OBJECT)
    said["label"] = detection.label
    if detection.box is not None:
        said["bbox"] = list(bbox_px(detection.box, size_wh))
    if detection.point is not None:
        said["point"] = list(point_px(detection.point, size_wh))
    if detection.mask is not None:
        said["mask"] = coco_rle(detection.mask, size_wh, threshold)
    return said | extras(detection, origins)


def _packed(rows: list[dict[str, Any]]) -> bytes:
    arrow, parquet = _pyarrow()
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    columns = [("image", image), *((name, _arrow_type(each)) for name, each in _ROW.items())]
    features = {"image": {"_type": "Image"}, **{name: _feature(each) for name, each in _ROW.items()}}
    # `datasets` reads here that the bytes are a picture.
    schema = arrow.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})
    buffer = io.BytesIO()
    # A lone surrogate has no UTF-8: as in every file here, "?" stands for it.
    parquet.write_table(arrow.Table.from_pylist(_valid(rows), schema=schema), buffer)
    return buffer.getvalue()


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_valid(each) for each in value]
    if isinstance(value, dict):
        return {name: _valid(each) for name, each in value.items()}
    return value


def _arrow_type(said: Any) -> Any:
    arrow, _ = _pyarrow()
    if isinstance(said, list):
        return arrow.list_(_arrow_type(said[0]))
    if isinstance(said, dict):
        return arrow.struct([(name, _arrow_type(each)) for name, each in said.items()])
    return getattr(arrow, said)()


def _feature(said: Any) -> Any:
    if isinstance(said, list):
        return {"feature": _feature(said[0]), "_type": "List"}
    if isinstance(said, dict):
        return {name: _feature(each) for name, each in said.items()}
    return {"dtype": said, "_type": "Value"}


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("Parquet needs the package pyarrow. Install it, or take the imagefolder instead.") from None
    return pyarrow, pyarrow.parquet


def read_imagefolder(bundle: Bundle) -> Iterator[Sample]:
    """Every line of every metadata.jsonl; a data set without our `objects` gives its pictures alone."""
    for name in bundle.named("metadata.jsonl"):
        folder = name.removesuffix("metadata.jsonl")
        yield from bundle.records(name, partial(_read_line, bundle=bundle, folder=folder))


def _read_line(row: dict[str, Any], bundle: Bundle, folder: str) -> Sample:
    picture = fields.text(row.get("file_name"))
    return _read_row(row, picture, bundle, folder + picture)


def read_parquet(bundle: Bundle) -> Iterator[Sample]:
    """Every row of every Parquet file that has `objects`, its picture too where that is inside."""
    _, parquet = _pyarrow()
    for name in bundle.named(".parquet"):
        try:
            table = parquet.ParquetFile(io.BytesIO(bundle.read(name)))
            if not {"objects", "file_name"} <= set(table.schema_arrow.names):
                raise RequestError("It has no columns “file_name” and “objects”.")
            for batch in table.iter_batches(batch_size=16):
                for row in batch.to_pylist():
                    yield from _read_packed(row, bundle, name)
        except RequestError as error:
            bundle.problem(name, error)
        except (OSError, ValueError, TypeError, KeyError, NotImplementedError):  # what pyarrow's errors derive from
            bundle.problem(name, "It is not a Parquet file that can be read. Download it again.")


def _read_packed(row: dict[str, Any], bundle: Bundle, name: str) -> Iterator[Sample]:
    try:
        picture = fields.text(row.get("file_name"))
        inside = row.get("image")
        content = inside.get("bytes") if isinstance(inside, dict) else None
        yield _read_row(row, picture, bundle, picture, content if isinstance(content, bytes) else None)
    except RequestError as error:
        bundle.problem(name, f"A row is left out. {error}")


def is_imagefolder(bundle: Bundle) -> bool:
    return bool(bundle.named("metadata.jsonl"))


def is_parquet(bundle: Bundle) -> bool:
    return bool(bundle.named(".parquet"))


def _read_row(row: dict[str, Any], picture: str, bundle: Bundle, path: str, content: bytes | None = None) -> Sample:
    if row.get("width") is not None and row.get("height") is not None:
        size_wh = fields.size_of(row["width"], row["height"])
    elif (known := bundle.size_of(path)) is not None:
        size_wh = known
    else:
        raise RequestError(f"The size of {fields.short(picture)} is not known.")
    said = row.get("origins") or []
    origins = read_origins([parse_json(fields.text(each)) for each in fields.rows(said, "The origins")])
    found = []
    for place, each in enumerate(fields.rows(row.get("objects") or [], "The objects"), 1):
        try:
            found.append(_read_object(fields.record(each, "An object"), size_wh, origins))
        except RequestError as error:
            bundle.problem(picture, f"Object {place} is left out. {error}")
    task = Task(row["task"]) if row.get("task") in list(Task) else None
    file = bundle.file(path) if content is None else (lambda: content)
    return read_sample(picture, size_wh, found, bundle, text=fields.text(row.get("text")), task=task, file=file)


def _read_object(said: dict[str, Any], size_wh: tuple[int, int], origins: list[Any]) -> Detection:
    box = point = mask = None
    if said.get("bbox") is not None:
        x, y, width, height = fields.numbers(said["bbox"], 4)
        box = fields.box_of((x, y, x + width, y + height), size_wh)
    if said.get("point") is not None:
        x, y = fields.numbers(said["point"], 2, "A point")
        point = fields.point_of(x, y, size_wh)
    if said.get("mask") is not None:
        crop, rle_wh = shapes.from_coco_rle(fields.record(said["mask"], "A mask"))
        if rle_wh != size_wh:
            raise RequestError("Its mask is of another size than the picture.")
        mask = shapes.mask_of(crop, size_wh)
    known = read_extras({name: said.get(name) for name in _EXTRAS}, origins)
    return Detection(fields.text(said.get("label")), box, point, mask=mask, **known)


IMAGEFOLDER = Format(
    "imagefolder", "Hugging Face imagefolder (metadata.jsonl)", imagefolder_format, read_imagefolder, is_imagefolder,
    words=True, names=Names,
)  # fmt: skip
PARQUET = Format("parquet", "Hugging Face Parquet", parquet_format, read_parquet, is_parquet, words=True, names=Names)
