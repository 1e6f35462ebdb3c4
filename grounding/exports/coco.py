"""COCO instances: boxes in pixels, masks as compressed RLE, so that holes and separate parts survive.

Holds the pictures that were labelled, empty ones too: they are negatives. Says nothing about licences or dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from grounding.exports.results import to_bytes
from grounding.geometry import area_px, coco_rle, to_px
from grounding.labels import LabelSet, Sample
from grounding.types import THRESHOLD, Box, Detection, Outcome


def coco_format(
    samples: Iterable[Sample], *, labels: tuple[str, ...] = (), threshold: int = THRESHOLD
) -> Iterator[tuple[str, bytes]]:
    """annotations.json as pycocotools reads it; ids count from 1 and `score` is kept where the model gave one."""
    classes = LabelSet(labels)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for sample in samples:
        if not sample.labelled or sample.size_wh is None:
            continue
        image: dict[str, Any] = {"id": len(images) + 1, "file_name": sample.picture}
        image["width"], image["height"] = sample.size_wh
        if sample.result.outcome not in (Outcome.FOUND, Outcome.NONE):
            image["outcome"] = sample.result.outcome.value
        images.append(image)
        for detection in sample.result.detections:
            frame = detection.box or (detection.mask.frame if detection.mask else None)
            if frame is None:
                image.setdefault("notes", []).append(f"{detection.label!r} has a point but no box: left out here.")
                continue
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": classes.index(detection.label) + 1,
                    **_shape(detection, frame, sample.size_wh, threshold),
                }
            )
    categories = [{"id": index, "name": name, "supercategory": ""} for index, name in enumerate(classes.names, 1)]
    info = {"description": "Labelled with Pinpoint", "mask_threshold": threshold}
    file = {"info": info, "images": images, "annotations": annotations, "categories": categories}
    yield "annotations.json", to_bytes(file)


def _shape(detection: Detection, frame: Box, size_wh: tuple[int, int], threshold: int) -> dict[str, Any]:
    x1, y1, x2, y2 = to_px(frame, size_wh)
    mask = detection.mask
    shape: dict[str, Any] = {
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1) if mask is None else area_px(mask, size_wh, threshold),
        "segmentation": [] if mask is None else coco_rle(mask, size_wh, threshold),
        "iscrowd": 0,
    }
    if detection.score is not None:
        shape["score"] = detection.score
    return shape
