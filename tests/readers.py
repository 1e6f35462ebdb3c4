"""Other people's readers over a folder of exports, in a Python of their own; prints what each mask's pixels add up to.

Run by tests/grounding/exports/test_other_readers.py with the interpreter of requirements-readers.txt, whose packages
contradict the app's own.
"""

from __future__ import annotations

import hashlib
import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Found = list[list[Any]]  # [label, digest of the whole picture's mask or None, box in pixels or None], sorted


def digest(mask: np.ndarray) -> str:
    return hashlib.sha256(np.packbits(np.asarray(mask).astype(bool)).tobytes()).hexdigest()[:12]


def labelme(folder: Path) -> Found:
    from labelme._label_file import LabelFile

    found: Found = []
    for path in sorted(folder.rglob("*.json")):
        file = LabelFile(str(path))
        data = json.loads(path.read_text("utf-8"))
        for shape in file.shapes:
            if shape["shape_type"] == "mask":
                (x1, y1), (x2, y2) = ((int(v) for v in point) for point in shape["points"])
                canvas = np.zeros((data["imageHeight"], data["imageWidth"]), bool)
                canvas[y1 : y2 + 1, x1 : x2 + 1] = shape["mask"]
                found.append([shape["label"], digest(canvas)])
    return found


def cvat(folder: Path) -> Found:
    from datumaro.components.dataset import Dataset

    data = Dataset.import_from(str(folder), "cvat")
    names = [each.name for each in data.categories()[next(k for k in data.categories() if k.name == "label")]]
    return [
        [names[each.label], digest(each.image)]
        for item in data
        for each in item.annotations
        if each.type.name == "mask"
    ]


def label_studio(folder: Path) -> Found:
    from label_studio_sdk.converter.brush import decode_rle

    config = ElementTree.parse(folder / "labeling_config.xml").getroot()
    controls = {each.get("name"): {label.get("value") for label in each} for each in config if len(each)}
    found: Found = []
    for task in json.loads((folder / "tasks.json").read_text("utf-8")):
        for region in task["predictions"][0]["result"]:
            value = region["value"]
            label = value[region["type"]][0]
            assert label in controls[region["from_name"]], "a label that the configuration lacks"
            if region["type"] == "brushlabels":
                rgba = decode_rle(value["rle"]).reshape(region["original_height"], region["original_width"], 4)
                found.append([label, digest(rgba[..., 3] > 0)])
    return found


def imagefolder(folder: Path) -> Found:
    from datasets import load_dataset

    return _rows(load_dataset("imagefolder", data_dir=str(folder), split="train"))


def parquet(folder: Path) -> Found:
    from datasets import load_dataset

    return _rows(load_dataset("parquet", data_files=str(folder / "data/*.parquet"), split="train"))


def _rows(rows: Any) -> Found:
    from pycocotools import mask

    found: Found = []
    for row in rows:
        assert row["image"].size == (row["width"], row["height"])
        found += [
            [each["label"], digest(mask.decode(each["mask"]))] for each in row["objects"] if each["mask"] is not None
        ]
    return found


READERS: dict[str, Callable[[Path], Found]] = {
    "labelme": labelme, "cvat": cvat, "label-studio": label_studio, "imagefolder": imagefolder, "parquet": parquet,
}  # fmt: skip

if __name__ == "__main__":
    said = {name: sorted(READERS[name](Path(sys.argv[1], name))) for name in sys.argv[2:]}
    print("\n" + json.dumps(said))
