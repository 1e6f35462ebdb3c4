"""Label Studio: tasks.json with predictions to start from, and labeling_config.xml, the configuration that they fit.

A box, a mask and a point of one object are three regions, the later ones children of the first (`parentID`). Unknown
scores are left out. Pictures are named by Label Studio's path for local files, below the folder that it serves.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from grounding.errors import RequestError
from grounding.exports import fields, markup, shapes
from grounding.exports.brush import decode_brush, encode_brush
from grounding.exports.bundle import Bundle
from grounding.exports.extras import Origins, extras, read_extras, read_origins
from grounding.exports.format import (
    File,
    Format,
    Labels,
    Names,
    Part,
    answered,
    classes_of,
    grouped,
    picture_file,
    read_sample,
    size_of,
)
from grounding.exports.results import to_bytes
from grounding.labels import LabelSet, Sample
from grounding.types import THRESHOLD, Detection

_LOCAL = "/data/local-files/?d="
_CONTROLS = {  # control tag and its name -> the kind of region
    "RectangleLabels": ("box", "rectanglelabels"),
    "BrushLabels": ("mask", "brushlabels"),
    "KeyPointLabels": ("point", "keypointlabels"),
}


def label_studio_format(
    samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD
) -> Iterator[File]:
    """tasks.json, labeling_config.xml with every label in it, and images/NAME where the picture is at hand."""
    classes, names = classes_of(labels), Names()
    tasks: list[dict[str, Any]] = []
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, f"images/{name}")
        origins, regions = Origins(), []
        for place, detection in enumerate(sample.result.detections):
            regions += _regions(detection, f"{len(tasks)}-{place}", size_of(sample), threshold, classes, origins)
        prediction: dict[str, Any] = {"model_version": _model(sample), "result": regions}
        scores = [each.own_score for each in sample.result.detections if each.own_score is not None]
        if scores and len(scores) == len(sample.result.detections):
            prediction["score"] = sum(scores) / len(scores)
        width, height = size_of(sample)
        meta = {"picture": name, "width": width, "height": height, "origins": origins.rows}
        data = {"image": _LOCAL + urllib.parse.quote(f"images/{name}")}
        tasks.append({"data": data, "meta": meta, "predictions": [prediction]})
    yield "tasks.json", to_bytes(tasks)
    yield "labeling_config.xml", _config(classes)


def _model(sample: Sample) -> str:
    models = {each.origin.model for each in sample.result.detections if each.origin}
    return ", ".join(sorted(models)) or (sample.result.origin.model if sample.result.origin else "") or "pinpoint"


def _config(classes: LabelSet) -> bytes:
    view = Element("View")
    markup.add(view, "Image", name="image", value="$image", zoom="true")
    for control, (name, _) in _CONTROLS.items():
        labels = markup.add(view, control, name=name, toName="image")
        for label in classes.names or ("object",):
            markup.add(labels, "Label", value=label)
    return markup.to_xml(view, declared=False)


def _regions(
    detection: Detection, seed: str, size_wh: tuple[int, int], threshold: int, classes: LabelSet, origins: Origins
) -> list[dict[str, Any]]:
    width, height = size_wh
    label = [classes.name(detection.label)]
    values: list[tuple[str, dict[str, Any]]] = []
    if box := detection.box:
        place = {"x": _percent(box.x1), "y": _percent(box.y1)}
        place |= {"width": _percent(box.width), "height": _percent(box.height)}
        values.append(("RectangleLabels", {**place, "rotation": 0}))
    if detection.mask:
        crop = shapes.pixels_of(detection.mask, size_wh, threshold)
        values.append(("BrushLabels", {"format": "rle", "rle": encode_brush(shapes.whole(crop, size_wh))}))
    if detection.point:
        place = {"x": _percent(detection.point.x), "y": _percent(detection.point.y), "width": 0.5}
        values.append(("KeyPointLabels", place))
    said = extras(detection, origins)
    score = said.pop("score", None)
    regions: list[dict[str, Any]] = []
    for control, value in values:
        name, kind = _CONTROLS[control]
        region: dict[str, Any] = {"id": hashlib.sha256(f"{seed}-{name}".encode()).hexdigest()[:10], "type": kind}
        region |= {"from_name": name, "to_name": "image", "original_width": width, "original_height": height}
        region |= {"image_rotation": 0, "value": {**value, kind: label}}
        if regions:
            region["parentID"] = regions[0]["id"]
        if score is not None:
            region["score"] = score
        if said:
            region["meta"] = said
        regions.append(region)
    return regions


def _percent(part: float) -> float:
    """To the millionth of a percent, a thousandth of a pixel of the largest picture: without a float's own noise."""
    return round(part * 100, 6)


def read_label_studio(bundle: Bundle) -> Iterator[Sample]:
    """Every task's annotations, its predictions where nobody has annotated it; regions of other kinds are told."""
    for name in bundle.named(".json"):
        try:
            tasks = bundle.json(name)
        except RequestError as error:
            bundle.problem(name, error)
            continue
        if not _is_tasks(tasks):
            continue
        for place, task in enumerate(tasks, 1):
            try:
                yield _read_task(fields.record(task, "A task"), bundle)
            except RequestError as error:
                bundle.problem(name, f"Task {place} is left out. {error}")


def is_label_studio(bundle: Bundle) -> bool:
    return bundle.has_json(_is_tasks)


def _is_tasks(tasks: Any) -> bool:
    return (
        isinstance(tasks, list)
        and bool(tasks)
        and isinstance(tasks[0], dict)
        and isinstance(tasks[0].get("data"), dict)
    )


def _read_task(task: dict[str, Any], bundle: Bundle) -> Sample:
    data = fields.record(task.get("data"), "Its data")
    meta = task.get("meta") if isinstance(task.get("meta"), dict) else {}
    assert isinstance(meta, dict)
    picture = fields.text(meta.get("picture")) or _picture(data)
    answers = task.get("annotations") or task.get("predictions") or [{}]
    regions = fields.rows(fields.record(fields.rows(answers, "Its answers")[0]).get("result") or [], "Its regions")
    size_wh = fields.size_of(meta["width"], meta["height"]) if "width" in meta and "height" in meta else None
    origins, parts = read_origins(meta.get("origins")), []
    for place, each in enumerate(regions, 1):
        try:
            region = fields.record(each, "A region")
            size_wh = size_wh or fields.size_of(region.get("original_width"), region.get("original_height"))
            parts.append(_read_region(region, size_wh, origins))
        except RequestError as error:
            bundle.problem(picture, f"Region {place} is left out. {error}")
    size_wh = size_wh or bundle.size_of(picture)
    return read_sample(picture, size_wh, grouped(parts, size_wh or (1, 1)), bundle)


def _picture(data: dict[str, Any]) -> str:
    address = fields.text(data.get("image") or next((each for each in data.values() if isinstance(each, str)), ""))
    path = urllib.parse.unquote(address.partition("?d=")[2] or address.partition("?")[0])
    return path.rpartition("/")[2] if "://" in path else path.removeprefix("images/").lstrip("/")


def _read_region(region: dict[str, Any], size_wh: tuple[int, int], origins: list[Any]) -> Part:
    kind, value = fields.text(region.get("type")), fields.record(region.get("value"), "Its value")
    names = value.get(kind) or value.get("labels") or [""]
    label = fields.text(fields.rows(names, "Its labels")[0])
    group = region.get("parentID") or region.get("id")
    meta = region.get("meta") if isinstance(region.get("meta"), dict) else {}
    said = read_extras({**(meta or {}), "score": region.get("score")}, origins)
    width, height = size_wh
    if kind.startswith("rectangle"):
        if fields.number(value.get("rotation", 0), "A rotation"):
            raise RequestError("It is rotated, which boxes here cannot be.")
        x, y, w, h = (fields.number(value.get(side), f"Its {side}") / 100 for side in ("x", "y", "width", "height"))
        return Part(label, group, box=fields.box_of((x, y, x + w, y + h), (1, 1)), extras=said)
    if kind.startswith("keypoint"):
        x, y = (fields.number(value.get(side), f"Its {side}") / 100 for side in ("x", "y"))
        return Part(label, group, point=fields.point_of(x, y, (1, 1)), extras=said)
    if kind.startswith("brush") and value.get("format") == "rle":
        pixels = decode_brush(fields.numbers(value.get("rle"), None, "A brush"), size_wh)
        return Part(label, group, pixels=shapes.tight((pixels, (0, 0))), extras=said)
    if kind.startswith("polygon"):
        points = [fields.numbers(each, 2, "A point") for each in fields.rows(value.get("points"), "Its points")]
        ring = [(x / 100 * width, y / 100 * height) for x, y in points]
        return Part(label, group, pixels=shapes.fill(ring), extras=said)
    if kind.startswith("ellipse"):
        x, y, rx, ry = (
            fields.number(value.get(side), f"Its {side}") / 100 for side in ("x", "y", "radiusX", "radiusY")
        )
        return Part(label, group, pixels=shapes.fill(fields.ellipse(x * width, y * height, rx * width, ry * height)))
    raise RequestError(f"A region of kind {fields.short(kind)} is no box, mask or point.")


LABEL_STUDIO = Format(
    "label-studio", "Label Studio (predictions and labelling config)", label_studio_format, read_label_studio,
    is_label_studio, names=Names,
)  # fmt: skip
