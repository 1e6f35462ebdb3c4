"""Pascal VOC: an XML file of boxes for each picture, and its masks as two indexed PNGs, of classes and of objects.

Boxes are whole pixels counted from 1, the last one included, as VOC's own are. `score` is our word beyond VOC's, left
out where unknown. A pixel of the PNGs belongs to one object only, the last one where they overlap, and there is room
for 254 objects: 255 is VOC's border that belongs to nobody.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image

from grounding.errors import RequestError
from grounding.exports import fields, markup, shapes
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
from grounding.geometry import rect_px
from grounding.labels import LabelSet, Sample
from grounding.types import THRESHOLD, Detection, SoftMask

NAMES = partial(Names, stems=True, flat=True)
_MOST_OBJECTS = 254


def voc_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """Annotations/NAME.xml, and JPEGImages/, SegmentationObject/ and SegmentationClass/ where there is anything."""
    classes, names = classes_of(labels), NAMES()
    stems: list[str] = []
    for sample in answered(samples):
        name = names.of(sample)
        stem = name.rpartition(".")[0] or name
        stems.append(stem)
        yield from picture_file(sample, f"JPEGImages/{name}")
        boxed = [each for each in sample.result.detections if each.box or each.mask]
        masks = [(place, each.mask) for place, each in enumerate(boxed, 1) if each.mask and place <= _MOST_OBJECTS]
        yield f"Annotations/{stem}.xml", _annotation(name, sample, boxed, bool(masks), classes)
        if masks:
            width, height = size_wh = size_of(sample)
            objects, kinds = np.zeros((2, height, width), dtype=np.uint8)
            for place, mask in masks:
                crop = shapes.pixels_of(mask, size_wh, threshold)
                x1, y1, x2, y2 = shapes.bounds(crop)
                objects[y1:y2, x1:x2][crop[0]] = place
                kinds[y1:y2, x1:x2][crop[0]] = min(classes.index(boxed[place - 1].label) + 1, _MOST_OBJECTS)
            yield f"SegmentationObject/{stem}.png", _indexed(objects)
            yield f"SegmentationClass/{stem}.png", _indexed(kinds)
    yield "labelmap.txt", "".join(f"{each!r}\n" for each in classes.names).encode()
    yield "ImageSets/Main/default.txt", "".join(f"{stem}\n" for stem in stems).encode()


def _annotation(name: str, sample: Sample, boxed: Sequence[Detection], segmented: bool, classes: LabelSet) -> bytes:
    root = Element("annotation")
    markup.add(root, "folder", "JPEGImages")
    markup.add(root, "filename", name)
    markup.add(markup.add(root, "source"), "annotation", "Pinpoint")
    width, height = size_of(sample)
    size = markup.add(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        markup.add(size, tag, value)
    markup.add(root, "segmented", int(segmented))
    for detection in boxed:
        frame = detection.box or (detection.mask.frame if detection.mask else None)
        assert frame is not None
        x1, y1, x2, y2 = rect_px(frame, (width, height))
        each = markup.add(root, "object")
        markup.add(each, "name", classes.name(detection.label))
        markup.add(each, "pose", "Unspecified")
        for tag in ("truncated", "difficult", "occluded"):
            markup.add(each, tag, 0)
        box = markup.add(each, "bndbox")
        for tag, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
            markup.add(box, tag, value)
        if detection.own_score is not None:
            markup.add(each, "score", repr(float(detection.own_score)))
    return markup.to_xml(root, declared=False)


def _indexed(places: np.ndarray) -> bytes:
    image = Image.frombytes("P", (places.shape[1], places.shape[0]), places.tobytes())
    image.putpalette(_PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _palette() -> bytes:
    """Colours far from one another in turn, black for none, VOC's cream for the border."""
    colours = [(0, 0, 0)]
    for place in range(_MOST_OBJECTS):
        hue, light = (place * 0.618034) % 1, (0.95, 0.7, 0.5)[place % 3]
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, light)
        colours.append((int(255 * red), int(255 * green), int(255 * blue)))
    return bytes(channel for colour in [*colours, (224, 224, 192)] for channel in colour)


_PALETTE = _palette()


def read_voc(bundle: Bundle) -> Iterator[Sample]:
    """Every annotation of the bundle, with the masks of its SegmentationObject picture where there is one."""
    for name in bundle.named(".xml"):
        try:
            root = markup.read_xml(bundle.read(name))
            if root.tag == "annotation":
                yield _read_picture(root, bundle, name)
        except RequestError as error:
            bundle.problem(name, error)


def is_voc(bundle: Bundle) -> bool:
    return any(_tag(bundle, name) == "annotation" for name in bundle.named(".xml")[:20])


def _tag(bundle: Bundle, name: str) -> str:
    try:
        return markup.read_xml(bundle.read(name)).tag
    except RequestError:
        return ""


def _read_picture(root: Element, bundle: Bundle, name: str) -> Sample:
    picture = markup.text_of(root, "filename").strip() or (bundle.picture_beside(name) or name).rpartition("/")[2]
    if root.find("size") is not None:
        size_wh = fields.size_of(markup.number_of(root, "size/width"), markup.number_of(root, "size/height"))
    elif (known := bundle.size_of(picture)) is not None:
        size_wh = known
    else:
        raise RequestError("It does not say how large its picture is.")
    masks = _read_masks(bundle, name, size_wh)
    found = []
    for place, each in enumerate(root.iterfind("object"), 1):
        try:
            x1, y1, x2, y2 = (markup.number_of(each, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
            box = fields.box_of((x1 - 1, y1 - 1, x2, y2), size_wh)
            score = fields.score_of(markup.text_of(each, "score").strip())
            found.append(Detection(markup.text_of(each, "name"), box, score=score, mask=masks.get(place)))
        except RequestError as error:
            bundle.problem(name, f"Object {place} is left out. {error}")
    inside = [each for each in bundle if each.endswith(f"JPEGImages/{picture}")]  # masks have the same name
    return read_sample(picture, size_wh, found, bundle, file=bundle.file(inside[0] if inside else picture))


def _read_masks(bundle: Bundle, name: str, size_wh: tuple[int, int]) -> dict[int, SoftMask]:
    """The objects' masks by their number in the annotation."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    at = [each for each in bundle.named(f"{stem.lower()}.png") if each.endswith(f"SegmentationObject/{stem}.png")]
    if not at:
        return {}
    try:
        with Image.open(io.BytesIO(bundle.read(at[0])), formats=["PNG"]) as image:
            if image.size != size_wh or image.mode not in ("P", "L"):
                raise RequestError("The masks' picture is of another size than the picture, or not indexed.")
            places = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        bundle.problem(at[0], "The masks' picture is damaged.")
        return {}
    except RequestError as error:
        bundle.problem(at[0], error)
        return {}
    numbers = [int(each) for each in np.unique(places) if 0 < each <= _MOST_OBJECTS]
    return {place: shapes.mask_of(shapes.tight((places == place, (0, 0))), size_wh) for place in numbers}


VOC = Format("voc", "Pascal VOC (XML, masks as PNG)", voc_format, read_voc, is_voc, names=NAMES)
