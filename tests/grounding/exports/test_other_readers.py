"""Exports are read by programs that are not ours: pycocotools, supervision, and in a Python of their own LabelMe,
Datumaro (CVAT), Label Studio's converter and `datasets`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from grounding.exports import export
from grounding.exports.shapes import pixels_of, whole
from grounding.labels import LabelSet, Sample
from tests.label_sets import every_aspect, label_set, with_pictures

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning")
"""pycocotools on numpy 2: once for each mask."""

ROOT = Path(__file__).parents[3]
READERS = Path(os.environ.get("PINPOINT_READERS", ROOT / ".venv-readers/bin/python"))


def masks_of(samples: list[Sample]) -> Iterator[tuple[str, np.ndarray]]:
    for sample in samples:
        assert sample.size_wh is not None
        for each in sample.result.detections:
            if each.mask is not None:
                yield each.label, whole(pixels_of(each.mask, sample.size_wh, 127), sample.size_wh)


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_pycocotools_reads_a_hundred_label_sets_to_the_pixel(name: str, tmp_path: Path) -> None:
    for seed in range(100 if name == "coco" else 25):
        samples = label_set(seed)
        path = tmp_path / "annotations.json"
        path.write_bytes(export(samples, name).files["annotations.json"])
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
        annotations = [each for each in coco.loadAnns(coco.getAnnIds()) if each["segmentation"]]
        read = [coco.annToMask(each) > 0 for each in annotations]
        written = [mask for _, mask in masks_of(samples) if name == "coco" or mask.any()]
        assert len(read) == len(written)
        assert all(np.array_equal(a, b) for a, b in zip(read, written, strict=True)), seed
        assert all(each["iscrowd"] == 0 for each in annotations)
        assert [each["area"] for each in annotations] == [mask.sum() for mask in written]


def test_supervision_reads_yolo_outlines_and_voc_boxes_as_they_were_written(tmp_path: Path) -> None:
    import supervision as sv

    samples = with_pictures(every_aspect()[:2])
    export(samples, "yolo-segment").write(tmp_path / "yolo")
    read = sv.DetectionDataset.from_yolo(
        images_directory_path=str(tmp_path / "yolo/images"),
        annotations_directory_path=str(tmp_path / "yolo/labels"),
        data_yaml_path=str(tmp_path / "yolo/data.yaml"),
        force_masks=True,
    )
    filled = [d for _, _, d in read if d.mask is not None]
    masks = {read.classes[c]: m for d in filled for c, m in zip(d.class_id, d.mask, strict=True)}
    written = dict(masks_of(samples))
    for label in ("dog", "boat"):
        assert np.array_equal(masks[label], written[label]), label

    export(samples, "voc").write(tmp_path / "voc")
    boxes = sv.DetectionDataset.from_pascal_voc(
        images_directory_path=str(tmp_path / "voc/JPEGImages"),
        annotations_directory_path=str(tmp_path / "voc/Annotations"),
    )
    found = {boxes.classes[c]: box for _, _, d in boxes for c, box in zip(d.class_id, d.xyxy, strict=True)}
    assert found["boat"].tolist() == [3, 22, 14, 29]


CLASSED = ("cvat", "label-studio")  # whose labels are classes


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the other readers say of one export of several sets; they take half a minute to import."""
    if not READERS.exists():
        pytest.skip("no interpreter with requirements-readers.txt: set PINPOINT_READERS")
    folder = tmp_path_factory.mktemp("exports")
    for name in OTHERS:
        export(SAMPLES, name).write(folder / name)
    script = [str(READERS), str(ROOT / "tests/readers.py"), str(folder), *OTHERS]
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "PATH": "", "HOME": str(folder)}
    run = subprocess.run(script, capture_output=True, text=True, env=offline, timeout=600)
    assert run.returncode == 0, run.stderr[-2000:]
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


SAMPLES = with_pictures(every_aspect()[:2])
OTHERS = ("labelme", "cvat", "label-studio", "imagefolder", "parquet")


@pytest.mark.parametrize("name", OTHERS)
def test_other_readers_find_every_mask_to_the_pixel(name: str, read: dict[str, Any]) -> None:
    classes = LabelSet()
    for label in (each.label for sample in SAMPLES for each in sample.result.detections):
        classes.index(label)
    written = sorted(
        [
            classes.name(label) if name in CLASSED else label,
            hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:12],
        ]
        for label, mask in masks_of(SAMPLES)
    )
    assert read[name] == written
