"""Numbers in files are as exact as a box can be meant, and carry none of a float's own noise."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from grounding.exports import FORMATS
from grounding.geometry import from_px, to_px
from grounding.labels import Sample
from grounding.types import Detection, Outcome, Point, Result, Task

SIZE_WH = (1333, 777)


def written(name: str, *detections: Detection) -> str:
    sample = Sample("a.png", SIZE_WH, Task.DETECT, Result(Outcome.FOUND, detections=detections))
    return "\n".join(content.decode() for _, content in FORMATS[name]([sample]))


def drawn(step_px: float, count: int = 100) -> list[Detection]:
    """Boxes whose edges, and points that, lie on multiples of `step_px`."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        x1, y1 = rng.integers(0, 300, 2) * step_px
        width, height = rng.integers(1, 300, 2) * step_px
        box = from_px((x1, y1, x1 + width, y1 + height), SIZE_WH)
        found.append(Detection("cat", box, Point(float(x1 / SIZE_WH[0]), float(y1 / SIZE_WH[1]))))
    return found


@pytest.mark.parametrize(
    ("name", "decimals"),
    [
        pytest.param("coco", 4, id="coco"),
        pytest.param("csv", 4, id="csv"),
        pytest.param("cvat", 4, id="cvat"),
        pytest.param("imagefolder", 4, id="imagefolder"),
        pytest.param("labelme", 4, id="labelme"),
        pytest.param("label-studio", 6, id="label-studio"),
        pytest.param("yolo", 12, id="yolo"),  # nine digits from the first that is no zero on
    ],
)
def test_no_number_has_a_floats_own_noise_behind_its_digits(name: str, decimals: int) -> None:
    longest = max(map(len, re.findall(r"\d\.(\d+)", written(name, *drawn(1), *drawn(0.7)))))
    assert longest <= decimals


def test_a_box_of_whole_pixels_has_whole_numbers_in_coco_and_its_area_too() -> None:
    annotations = json.loads(written("coco", *drawn(1)))["annotations"]
    assert all(each == int(each) for annotation in annotations for each in (*annotation["bbox"], annotation["area"]))


def test_a_box_in_coco_is_where_it_was_to_the_thousandth_of_a_pixel_and_inside_its_picture() -> None:
    found = drawn(0.7)
    annotations = json.loads(written("coco", *found))["annotations"]
    for detection, annotation in zip(found, annotations, strict=True):
        assert detection.box is not None
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width, y + height) == pytest.approx(to_px(detection.box, SIZE_WH), abs=1e-3)
        assert x + width <= SIZE_WH[0] + 1e-9
        assert y + height <= SIZE_WH[1] + 1e-9
        assert annotation["area"] == pytest.approx(width * height, abs=1e-3)
