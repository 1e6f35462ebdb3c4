"""YOLO as Ultralytics trains on it: data.yaml, and for each picture a text file with one line per object.

detect: `class x_centre y_centre width height`, in [0, 1]. segment: `class x1 y1 x2 y2 …`, one outline per object.
Outlines go through the centres of a mask's border pixels, because trainers fill them with OpenCV, border included: read
that way a mask without parts apart comes back exactly. Parts are joined by a line of one pixel, as Ultralytics' own
converter from COCO does. A line has no room for a score, a name or a point.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from grounding.errors import RequestError
from grounding.exports import fields, outlines, shapes
from grounding.exports.bundle import Bundle
from grounding.exports.format import (
    File,
    Format,
    Labels,
    Names,
    answered,
    classes_of,
    picture_file,
    read_sample,
    size_of,
)
from grounding.geometry import from_px, rect_px
from grounding.labels import Sample
from grounding.types import THRESHOLD, Box, Detection

_INSIDE = 0.25
"""Where in its pixel a corner lies: readers that cut off digits and readers that round both find that pixel."""

_BOX_VALUES = 4
_LEAST_OUTLINE = 6  # coordinates of a triangle; what is shorter is a box, or a box and a score

NAMES = partial(Names, stems=True)
Row = Callable[[Detection, tuple[int, int], int], Sequence[float] | None]


def yolo_detect_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """labels/NAME.txt with a box for each object that has one, images/NAME where the picture is at hand, data.yaml."""
    return _format(samples, labels, threshold, _box_row)


def yolo_segment_format(
    samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD
) -> Iterator[File]:
    """The same with an outline for each mask; a box without a mask becomes an outline of its four corners."""
    return _format(samples, labels, threshold, _outline_row)


def _format(samples: Iterable[Sample], labels: Labels, threshold: int, row: Row) -> Iterator[File]:
    classes, names = classes_of(labels), NAMES()
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, f"images/{name}")
        lines = []
        for detection in sample.result.detections:
            values = row(detection, size_of(sample), threshold)
            if values is not None:
                lines.append(" ".join([str(classes.index(detection.label)), *(f"{each:.9g}" for each in values)]))
        yield f"labels/{name.rpartition('.')[0] or name}.txt", "".join(line + "\n" for line in lines).encode()
    listed = "".join(f"  {place}: {_yaml_string(name)}\n" for place, name in enumerate(classes.names))
    head = "path: .\ntrain: images\nval: images\nnames:"
    yield "data.yaml", (f"{head}\n{listed}" if listed else f"{head} {{}}\n").encode()


def _box_row(detection: Detection, size_wh: tuple[int, int], threshold: int) -> Sequence[float] | None:
    box = detection.box
    if box is None and detection.mask is not None:
        box = from_px(shapes.bounds(shapes.pixels_of(detection.mask, size_wh, threshold)), size_wh)
    return None if box is None else ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, box.width, box.height)


def _outline_row(detection: Detection, size_wh: tuple[int, int], threshold: int) -> Sequence[float] | None:
    if detection.mask is not None:
        rings = outlines.centres(shapes.pixels_of(detection.mask, size_wh, threshold))
        ring = outlines.joined(rings) if rings else []
    elif detection.box is not None:
        x1, y1, x2, y2 = rect_px(detection.box, size_wh)
        ring = [(x1, y1), (x2 - 1, y1), (x2 - 1, y2 - 1), (x1, y2 - 1)]
    else:
        ring = []
    if not ring:
        return None
    ring += [ring[-1]] * (_LEAST_OUTLINE // 2 - len(ring))  # one pixel or a line of them is still an outline
    width, height = size_wh
    return [side for x, y in ring for side in ((x + _INSIDE) / width, (y + _INSIDE) / height)]


def _yaml_string(text: str) -> str:
    """A double-quoted YAML string: JSON's, with everything that YAML does not print escaped in YAML's own way."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(
        each
        if each.isprintable() and each != "\ufeff"
        else f"\\u{ord(each):04x}" if ord(each) < 0x10000 else f"\\U{ord(each):08x}"
        for each in quoted
    )  # fmt: skip


def read_yolo(bundle: Bundle) -> Iterator[Sample]:
    """Every labels file with its picture; a picture without one is a background, as Ultralytics trains on it."""
    classes = _read_classes(bundle)
    met = set()
    for name in _label_files(bundle):
        picture = bundle.picture_beside(name)
        met.add(picture)
        size_wh = bundle.size_of(picture) if picture else None
        try:
            lines = bundle.text(name).splitlines()
        except RequestError as error:
            bundle.problem(name, error)
            continue
        found = []
        for place, line in enumerate(lines, 1):
            try:
                if line.strip():
                    found.append(_read_line(line.split(), classes, size_wh))
            except RequestError as error:
                bundle.problem(name, f"Line {place} is left out. {error}")
        yield read_sample(
            _without(picture, "images") if picture else _without(name, "labels").rpartition(".")[0],
            size_wh,
            found,
            bundle,
            file=bundle.file(picture) if picture else None,
        )
    for picture in bundle.pictures():
        if picture not in met:
            yield read_sample(_without(picture, "images"), bundle.size_of(picture), [], bundle)


def is_yolo(bundle: Bundle) -> bool:
    """Whether there are label lines; which of the two kinds does not matter to the reader."""
    if bundle.named("data.yaml", "data.yml"):
        return True
    return any(_in_labels(name) or _has_rows(bundle, name) for name in _label_files(bundle)[:20])


def is_yolo_segment(bundle: Bundle) -> bool:
    """Whether any of the first label lines is an outline."""
    try:
        texts = [bundle.text(name) for name in _label_files(bundle)[:50]]
    except RequestError:
        return False
    return any(len(line.split()) > _LEAST_OUTLINE for text in texts for line in text.splitlines()[:200])


def _label_files(bundle: Bundle) -> list[str]:
    texts = bundle.named(".txt")
    return [name for name in texts if _in_labels(name)] or [
        name for name in texts if name.rpartition("/")[2].lower() not in ("classes.txt", "readme.txt", "train.txt")
    ]


def _in_labels(name: str) -> bool:
    return "labels" in name.split("/")[:-1]


def _has_rows(bundle: Bundle, name: str) -> bool:
    """Whether a text of any folder starts with a class number and coordinates: other formats have lists in texts."""
    try:
        words = bundle.text(name).lstrip()[:10_000].partition("\n")[0].split()
        return len(words) > _BOX_VALUES and all(math.isfinite(float(word)) for word in words[: _BOX_VALUES + 1])
    except (RequestError, ValueError):
        return False


def _without(name: str, folder: str) -> str:
    """`name` without the first folder called so: "train/images/a.png" is the picture "train/a.png"."""
    *folders, last = name.split("/")
    if folder in folders:
        folders.remove(folder)
    return "/".join([*folders, last])


def _read_classes(bundle: Bundle) -> dict[int, str]:
    for name in bundle.named("data.yaml", "data.yml", "classes.txt"):
        try:
            if name.lower().endswith(".txt"):
                return dict(enumerate(bundle.text(name).splitlines()))
            return _read_yaml(bundle.text(name))
        except RequestError as error:
            bundle.problem(name, error)
    bundle.problem("", "There is no data.yaml or classes.txt that can be read: classes are called by their numbers.")
    return {}


def _read_yaml(text: str) -> dict[int, str]:
    import yaml

    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RequestError("It is not valid YAML.") from None
    names = fields.record(said, "It").get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise RequestError("It names no classes.")
    return {int(fields.number(place, "A class number")): fields.text(name) for place, name in names.items()}


def _read_line(words: list[str], classes: dict[int, str], size_wh: tuple[int, int] | None) -> Detection:
    number = fields.number(words[0], "A class number")
    label = classes.get(int(number)) if number == int(number) else None
    if label is None:
        if classes or number != int(number):
            raise RequestError(f"There is no class {fields.short(words[0])}.")
        label = str(int(number))
    values = [fields.number(word, "A coordinate") for word in words[1:]]
    if len(values) in (_BOX_VALUES, _BOX_VALUES + 1):
        score = fields.score_of(values[_BOX_VALUES]) if len(values) > _BOX_VALUES else None
        return Detection(label, _unit_box(*values[:_BOX_VALUES]), score=score)
    if len(values) < _LEAST_OUTLINE:
        raise RequestError("It has too few numbers for a box.")
    return _read_outline(label, fields.pairs(values), size_wh)


def _unit_box(x: float, y: float, width: float, height: float) -> Box:
    return fields.box_of((x - width / 2, y - height / 2, x + width / 2, y + height / 2), (1, 1))


def _read_outline(label: str, ring: list[tuple[float, float]], size_wh: tuple[int, int] | None) -> Detection:
    if size_wh is None:
        raise RequestError("It is an outline, and its picture, whose size it needs, is not there.")
    width, height = size_wh
    corners = [(_pixel(x, width), _pixel(y, height)) for x, y in ring]
    mask = shapes.mask_of(outlines.fill_through(corners), size_wh)
    return Detection(label, shapes.box_of(mask, size_wh), mask=mask)


def _pixel(value: float, side: int) -> int:
    """The number of the pixel that a coordinate in [0, 1] lies in; the far edge belongs to the last one."""
    if not -0.01 <= value <= 1.01:
        raise RequestError(f"A coordinate is not within 0 and 1: {value:g}.")
    return min(max(int(value * side + 1e-6), 0), side - 1)


YOLO_DETECT = Format(
    "yolo", "YOLO detect (boxes)", yolo_detect_format, read_yolo, lambda b: is_yolo(b) and not is_yolo_segment(b),
    names=NAMES,
)  # fmt: skip
YOLO_SEGMENT = Format(
    "yolo-segment", "YOLO segment (outlines)", yolo_segment_format, read_yolo,
    lambda b: is_yolo(b) and is_yolo_segment(b), names=NAMES,
)  # fmt: skip
