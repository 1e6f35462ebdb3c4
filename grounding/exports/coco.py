"""COCO instances: boxes in pixels, masks as compressed RLE, so that holes and separate parts survive; or as polygons.

Holds the pictures that were labelled, empty ones too: they are negatives. Says nothing about licences or dates.
`iscrowd` is 0 throughout: one object of several parts is still one object, and trainers skip crowds.
Beyond COCO's own words, which its readers pass over: `score`, `origin` (a place in `info.origins`), `label` where it
differs from its category's name, and what a person did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from grounding.errors import RequestError
from grounding.exports import fields, outlines, shapes
from grounding.exports.bundle import Bundle
from grounding.exports.extras import Origins, extras, read_extras, read_origins
from grounding.exports.format import (
    PX_DECIMALS,
    File,
    Format,
    Labels,
    Names,
    answered,
    bbox_px,
    classes_of,
    picture_file,
    read_sample,
    size_of,
)
from grounding.exports.results import to_bytes
from grounding.geometry import coco_rle_of
from grounding.labels import Sample
from grounding.types import THRESHOLD, Box, Detection, Outcome, SoftMask

NAMES = partial(Names, bare=True)
Segmentation = Callable[[np.ndarray, tuple[int, int], tuple[int, int]], Any]
"""Of a crop's pixels, its corner in the picture and the picture's size."""


def coco_format(
    samples: Iterable[Sample],
    *,
    labels: Labels = (),
    threshold: int = THRESHOLD,
    segmentation: Segmentation = coco_rle_of,
) -> Iterator[File]:
    """annotations.json as pycocotools reads it; ids count from 1 and `score` is kept where the model gave one."""
    classes, names, origins = classes_of(labels), NAMES(), Origins()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, f"images/{name}")
        image: dict[str, Any] = {"id": len(images) + 1, "file_name": name}
        image["width"], image["height"] = size_wh = size_of(sample)
        if sample.result.outcome not in (Outcome.FOUND, Outcome.NONE):
            image["outcome"] = sample.result.outcome.value
        images.append(image)
        for detection in sample.result.detections:
            frame = detection.box or (detection.mask.frame if detection.mask else None)
            if frame is None:
                image.setdefault("notes", []).append(f"{detection.label!r} has a point but no box: left out here.")
                continue
            category = classes.index(detection.label)
            annotation = {"id": len(annotations) + 1, "image_id": image["id"], "category_id": category + 1}
            annotation |= _shape(detection, frame, size_wh, threshold, segmentation) | extras(detection, origins)
            if detection.label != classes.names[category]:
                annotation["label"] = detection.label
            annotations.append(annotation)
    categories = [{"id": index, "name": name, "supercategory": ""} for index, name in enumerate(classes.names, 1)]
    info: dict[str, Any] = {"description": "Labelled with Pinpoint", "mask_threshold": threshold}
    if origins.rows:
        info["origins"] = origins.rows
    file = {"info": info, "images": images, "annotations": annotations, "categories": categories}
    yield "annotations.json", to_bytes(file)


def coco_polygons_format(
    samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD
) -> Iterator[File]:
    """The same with outlines along the pixels' edges, one per part, each hole joined to its part's outline."""
    return coco_format(samples, labels=labels, threshold=threshold, segmentation=_polygons)


def _shape(
    detection: Detection, frame: Box, size_wh: tuple[int, int], threshold: int, segmentation: Segmentation
) -> dict[str, Any]:
    x, y, width, height = bbox_px(frame, size_wh)
    said: dict[str, Any] = {"bbox": [x, y, width, height]}
    if detection.mask is None:
        said |= {"area": round(width * height, PX_DECIMALS), "segmentation": []}
    else:
        pixels, offset = shapes.pixels_of(detection.mask, size_wh, threshold)
        said |= {"area": int(np.count_nonzero(pixels)), "segmentation": segmentation(pixels, offset, size_wh)}
    return said | {"iscrowd": 0}


def _polygons(pixels: np.ndarray, offset: tuple[int, int], size_wh: tuple[int, int]) -> list[list[float]]:
    del size_wh  # outlines are the same in any picture
    rings = (outlines.joined(part) for part in outlines.edges((pixels, offset)))
    return [[float(side) for corner in ring for side in corner] for ring in rings]


def read_coco(bundle: Bundle) -> Iterator[Sample]:
    """Every picture of every COCO file in the bundle, with its objects."""
    for name in bundle.named(".json"):
        try:
            file = bundle.json(name)
            if _is_coco(file):
                yield from _read_file(file, bundle, name)
        except RequestError as error:
            bundle.problem(name, error)


def is_coco(bundle: Bundle) -> bool:
    return bundle.has_json(_is_coco)


def _is_coco(file: Any) -> bool:
    return isinstance(file, dict) and "images" in file and "annotations" in file


def _read_file(file: dict[str, Any], bundle: Bundle, name: str) -> Iterator[Sample]:
    categories: dict[Any, str] = {}
    for each in fields.rows(file.get("categories", []), "The list of categories"):
        category = fields.record(each, "A category")
        categories[_key(category.get("id"))] = fields.text(category.get("name"))
    info = file.get("info")
    origins = read_origins(info.get("origins") if isinstance(info, dict) else None)
    of_image: dict[Any, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for place, each in enumerate(fields.rows(file["annotations"], "The list of annotations"), 1):
        if isinstance(each, dict):
            of_image[_key(each.get("image_id"))].append((place, each))
        else:
            bundle.problem(name, f"Annotation {place} is not a list of named values.")
    for image in fields.rows(file["images"], "The list of images"):
        try:
            image = fields.record(image, "An image")
            picture = fields.text(image.get("file_name"))
            size_wh = fields.size_of(image.get("width"), image.get("height"))
        except RequestError as error:
            bundle.problem(name, f"A picture is left out. {error}")
            continue
        found = []
        for place, annotation in of_image.pop(_key(image.get("id")), ()):
            try:
                found.append(_read_annotation(annotation, size_wh, categories, origins))
                if annotation.get("iscrowd") == 1:
                    bundle.problem(picture, f"Annotation {place} is a crowd; it was read as one object.")
            except RequestError as error:
                bundle.problem(picture, f"Annotation {place} is left out. {error}")
        yield read_sample(picture, size_wh, found, bundle)
    if left := sum(map(len, of_image.values())):
        are = "annotation belongs" if left == 1 else "annotations belong"
        bundle.problem(name, f"{left} {are} to no picture of this file: left out.")


def _key(value: object) -> object:
    return value if isinstance(value, (int, str)) else fields.short(value)


def _read_annotation(
    said: dict[str, Any], size_wh: tuple[int, int], categories: dict[Any, str], origins: list[Any]
) -> Detection:
    label = fields.text(said.get("label")) if "label" in said else categories.get(_key(said.get("category_id")))
    if label is None:
        raise RequestError(f"There is no category {fields.short(said.get('category_id'))}.")
    box = None
    if said.get("bbox"):
        x, y, width, height = fields.numbers(said["bbox"], 4)
        box = fields.box_of((x, y, x + width, y + height), size_wh)
    mask = _read_mask(said.get("segmentation"), size_wh)
    if box is None and mask is None:
        raise RequestError("It has neither a box nor a mask.")
    return Detection(label, box, mask=mask, **read_extras(said, origins))


def _read_mask(segmentation: object, size_wh: tuple[int, int]) -> SoftMask | None:
    if isinstance(segmentation, dict):
        crop, rle_wh = shapes.from_coco_rle(segmentation)
        if rle_wh != size_wh:
            raise RequestError("Its mask is of another size than the picture.")
        return shapes.mask_of(crop, size_wh)
    if not segmentation:
        return None
    polygons = fields.rows(segmentation, "A mask")
    if polygons and not isinstance(polygons[0], list):
        polygons = [polygons]  # some tools write one polygon without the list around it
    crops = [shapes.fill(fields.pairs(fields.numbers(each, None, "An outline"))) for each in polygons if each]
    return shapes.mask_of(shapes.union(crops), size_wh) if crops else None


COCO = Format("coco", "COCO instances (JSON, masks as RLE)", coco_format, read_coco, is_coco, names=NAMES)
COCO_POLYGONS = Format(
    "coco-polygons", "COCO instances (JSON, masks as polygons)", coco_polygons_format, read_coco, is_coco, names=NAMES
)
