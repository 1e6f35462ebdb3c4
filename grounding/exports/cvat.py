"""CVAT for images 1.1: one annotations.xml; masks as run lengths in their frame, exact to the pixel.

A box, a mask and a point of one object are three shapes, tied by `group_id`. The score is an attribute of CVAT's own
kind, declared for each label, and left out where unknown. `source` says whether a person drew or changed the shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from grounding.errors import RequestError
from grounding.exports import fields, markup, shapes
from grounding.exports.bundle import Bundle
from grounding.exports.format import (
    File,
    Format,
    Labels,
    Names,
    Part,
    answered,
    box_px,
    classes_of,
    grouped,
    picture_file,
    point_px,
    read_sample,
    size_of,
)
from grounding.labels import LabelSet, Sample
from grounding.types import THRESHOLD, Detection

_SHAPES = ("box", "mask", "polygon", "points", "polyline", "cuboid", "ellipse", "skeleton", "tag")


def cvat_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """annotations.xml, and images/NAME where the picture is at hand."""
    classes, names = classes_of(labels), Names()
    root = Element("annotations")
    markup.add(root, "version", "1.1")
    listed = markup.add(markup.add(markup.add(root, "meta"), "task"), "labels")
    for count, sample in enumerate(answered(samples)):
        name = names.of(sample)
        yield from picture_file(sample, f"images/{name}")
        width, height = size_of(sample)
        image = markup.add(root, "image", id=count, name=name, width=width, height=height)
        for group, detection in enumerate(sample.result.detections, 1):
            _add_object(image, detection, group, (width, height), threshold, classes)
    for name in classes.names:
        label = markup.add(listed, "label")
        markup.add(label, "name", name)
        score = markup.add(markup.add(label, "attributes"), "attribute")
        for tag, value in (("name", "score"), ("mutable", "False"), ("input_type", "text")):
            markup.add(score, tag, value)
        for tag in ("default_value", "values"):
            markup.add(score, tag, "")
    yield "annotations.xml", markup.to_xml(root)


def _add_object(
    image: Element, detection: Detection, group: int, size_wh: tuple[int, int], threshold: int, classes: LabelSet
) -> None:
    person = detection.origin is not None and (detection.origin.edited or detection.origin.backend == "person")
    common: dict[str, object] = {
        "label": classes.name(detection.label),
        "source": "manual" if person else "auto",
        "occluded": 0,
    }
    parts: list[tuple[str, dict[str, object]]] = []
    if detection.box is not None:
        edges = (f"{each:.4f}" for each in box_px(detection.box, size_wh))
        parts.append(("box", dict(zip(("xtl", "ytl", "xbr", "ybr"), edges, strict=True))))
    if detection.mask is not None:
        crop = shapes.pixels_of(detection.mask, size_wh, threshold)
        left, top, right, bottom = shapes.bounds(crop)
        runs = ", ".join(map(str, shapes.row_runs(crop[0])))
        parts.append(("mask", {"rle": runs, "left": left, "top": top, "width": right - left, "height": bottom - top}))
    if detection.point is not None:
        at = ",".join(f"{each:.4f}" for each in point_px(detection.point, size_wh))
        parts.append(("points", {"points": at}))
    if len(parts) > 1:
        common["group_id"] = group
    for tag, place in parts:
        shape = markup.add(image, tag, None, **common, **place, z_order=0)
        if detection.own_score is not None:
            markup.add(shape, "attribute", repr(float(detection.own_score)), name="score")


def read_cvat(bundle: Bundle) -> Iterator[Sample]:
    """Every picture of every CVAT file; what is no box, outline, ellipse, mask or point is told."""
    for name in bundle.named(".xml"):
        try:
            root = markup.read_xml(bundle.read(name))
        except RequestError as error:
            bundle.problem(name, error)
            continue
        if root.tag == "annotations":
            for image in root.iterfind("image"):
                try:
                    yield _read_image(image, bundle)
                except RequestError as error:
                    bundle.problem(name, f"A picture is left out. {error}")
            if tracks := len(root.findall("track")):
                bundle.problem(name, f"{tracks} tracks of a video are left out: labels of pictures are read here.")


def is_cvat(bundle: Bundle) -> bool:
    for name in bundle.named(".xml")[:20]:
        try:
            if markup.read_xml(bundle.read(name)).tag == "annotations":
                return True
        except RequestError:
            continue
    return False


def _read_image(image: Element, bundle: Bundle) -> Sample:
    picture = markup.attribute(image, "name")
    size_wh = fields.size_of(image.get("width"), image.get("height"))
    parts = []
    for place, shape in enumerate((each for each in image if each.tag in _SHAPES), 1):
        try:
            parts.append(_read_shape(shape, size_wh))
        except RequestError as error:
            bundle.problem(picture, f"Shape {place} is left out. {error}")
    return read_sample(picture, size_wh, grouped(parts, size_wh), bundle)


def _read_shape(shape: Element, size_wh: tuple[int, int]) -> Part:
    label, group = markup.attribute(shape, "label"), shape.get("group_id")
    said: dict[str, Any] = {}
    for each in shape.iterfind("attribute"):
        if each.get("name") == "score" and (score := fields.score_of((each.text or "").strip())) is not None:
            said["score"] = score
    if fields.number(shape.get("rotation", "0"), "A rotation"):
        raise RequestError("It is rotated, which boxes here cannot be.")
    if shape.tag == "box":
        edges = markup.attributes(shape, "xtl", "ytl", "xbr", "ybr")
        return Part(label, group, box=fields.box_of(edges, size_wh), extras=said)
    if shape.tag == "mask":
        left, top, width, height = (int(each) for each in markup.attributes(shape, "left", "top", "width", "height"))
        fields.size_of(width, height)
        runs = [fields.number(each, "A mask's run length") for each in markup.attribute(shape, "rle").split(",")]
        return Part(label, group, pixels=(shapes.from_row_runs(runs, (width, height)), (left, top)), extras=said)
    if shape.tag == "ellipse":
        return Part(label, group, pixels=shapes.fill(fields.ellipse(*markup.attributes(shape, "cx", "cy", "rx", "ry"))))
    if shape.tag not in ("polygon", "points"):
        raise RequestError(f"A {shape.tag} is no box, mask or point.")
    flat = [
        fields.number(each, "A coordinate") for each in markup.attribute(shape, "points").replace(";", ",").split(",")
    ]
    points = fields.pairs(flat)
    if shape.tag == "polygon" and len(points) > 2:
        return Part(label, group, pixels=shapes.fill(points), extras=said)
    if shape.tag == "points" and len(points) == 1:
        return Part(label, group, point=fields.point_of(*points[0], size_wh), extras=said)
    raise RequestError(f"{len(points)} points in one shape are no object.")


CVAT = Format("cvat", "CVAT for images 1.1 (XML)", cvat_format, read_cvat, is_cvat, names=Names)
