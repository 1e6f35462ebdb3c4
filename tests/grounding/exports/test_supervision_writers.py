"""Why the writers are our own: supervision's, given the same set, lose what ours keep. When one stops, use it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import supervision as sv

from grounding.exports import export, load
from grounding.exports.compare import compare
from grounding.exports.losses import Aspect
from grounding.exports.shapes import mask_of, pixels_of, tight, whole
from grounding.geometry import to_px
from grounding.labels import Sample
from grounding.types import Box, Detection, Outcome, Result, Task
from tests.label_sets import every_aspect, with_pictures

SIZE_WH = (40, 30)


def masked() -> Sample:
    """A ring with a hole and a mask of two parts, both scored, each with the box around it."""
    found = []
    for each in every_aspect()[0].result.detections[1:3]:
        assert each.mask is not None
        pixels, (left, top) = pixels_of(each.mask, SIZE_WH, 127)
        height, width = pixels.shape
        box = Box(left / 40, top / 30, (left + width) / 40, (top + height) / 30)
        found.append(Detection(each.label.lower(), box, score=0.75, mask=each.mask, id=len(found)))
    (sample,) = with_pictures([Sample("a.png", SIZE_WH, Task.SEGMENT, Result(Outcome.FOUND, detections=tuple(found)))])
    return sample


@pytest.fixture
def theirs(tmp_path: Path) -> sv.DetectionDataset:
    sample = masked()
    found = sample.result.detections
    assert sample.file is not None
    picture = tmp_path / "a.png"
    picture.write_bytes(sample.file())
    detections = sv.Detections(
        xyxy=np.array([to_px(each.box, SIZE_WH) for each in found if each.box]),
        mask=np.array([whole(pixels_of(each.mask, SIZE_WH, 127), SIZE_WH) for each in found if each.mask]),
        confidence=np.array([each.score for each in found], dtype=float),
        class_id=np.arange(len(found)),
    )
    return sv.DetectionDataset([each.label for each in found], [str(picture)], {str(picture): detections})


def lost(files: Path, name: str) -> set[tuple[Aspect, str]]:
    read = load(files, name).samples
    return {(each.aspect, each.what) for each in compare([masked()], read, threshold=127)}


def ours(name: str) -> set[tuple[Aspect, str]]:
    return {(each.aspect, each.what) for each in export([masked()], name).losses}


def test_its_coco_writer_drops_scores_and_calls_parts_a_crowd(theirs: sv.DetectionDataset, tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    theirs.as_coco(annotations_path=str(path))
    annotations = json.loads(path.read_text())["annotations"]
    assert 1 in [each["iscrowd"] for each in annotations]
    assert not any("score" in each for each in annotations)
    assert (Aspect.SCORE, "left out") in lost(path, "coco")
    assert ours("coco") == set()


def test_its_yolo_writer_splits_parts_into_objects(theirs: sv.DetectionDataset, tmp_path: Path) -> None:
    theirs.as_yolo(
        images_directory_path=str(tmp_path / "y/images"),
        annotations_directory_path=str(tmp_path / "y/labels"),
        data_yaml_path=str(tmp_path / "y/data.yaml"),
    )
    lines = (tmp_path / "y/labels/a.txt").read_text().splitlines()
    assert len(lines) > len(masked().result.detections)
    ours_written = export([masked()], "yolo-segment").files["labels/a.txt"].decode().splitlines()
    assert len(ours_written) == len(masked().result.detections)


def test_its_voc_writer_splits_parts_and_has_no_masks_of_pixels(theirs: sv.DetectionDataset, tmp_path: Path) -> None:
    theirs.as_pascal_voc(annotations_directory_path=str(tmp_path / "v"))
    written = (tmp_path / "v/a.xml").read_text()
    assert written.count("<object>") > len(masked().result.detections)
    assert "score" not in written
    assert ours("voc") == set()


def test_masks_come_back_through_both_ways_of_cutting() -> None:
    for each in masked().result.detections:
        assert each.mask is not None
        crop = pixels_of(each.mask, SIZE_WH, 127)
        again = pixels_of(mask_of(crop, SIZE_WH), SIZE_WH, 200)
        assert np.array_equal(whole(again, SIZE_WH), whole(tight(crop), SIZE_WH))
