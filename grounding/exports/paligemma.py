"""PaliGemma's fine-tuning data: one JSON line per prompt: image, prefix and suffix, as the model is trained on them.

Objects with mask tokens are asked for with "segment", the others that have a box with "detect"; a picture in which
nothing of what was asked for is seen teaches the empty answer. Masks become tokens where a codec is given. There is no
room for scores, points, or the box beside a mask. Reads the same lines from anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from grounding.codecs.mask_tokens import SIDE, MaskCodec
from grounding.codecs.paligemma import answer_text, decode, encode_prefix, encode_suffix, plain
from grounding.errors import RequestError
from grounding.exports import fields, shapes
from grounding.exports.bundle import Bundle, parse_json
from grounding.exports.format import File, Format, Labels, Names, answered, classes_of, picture_file, read_sample
from grounding.geometry import binary_mask, from_px, rect_px
from grounding.labels import LabelSet, Sample
from grounding.types import THRESHOLD, Detection, Request, Task

_WORDS = {Task.CAPTION: "caption en", Task.ASK: "answer en"}


def paligemma_format(
    samples: Iterable[Sample],
    *,
    labels: Labels = (),
    threshold: int = THRESHOLD,
    codec: MaskCodec | None = None,
) -> Iterator[File]:
    """train.jsonl, and images/NAME where the picture is at hand."""
    classes, names, lines = classes_of(labels), Names(), []
    asked = classes.names
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, f"images/{name}")
        for prefix, suffix in _pairs(sample, classes, asked, threshold, codec):
            row = {"image": f"images/{name}", "prefix": prefix, "suffix": suffix}
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    yield "train.jsonl", "".join(lines).encode("utf-8", "replace")


def _pairs(
    sample: Sample, classes: LabelSet, asked: Sequence[str], threshold: int, codec: MaskCodec | None
) -> Iterator[tuple[str, str]]:
    if sample.task in _WORDS:
        prefix = _worded(sample)
        if prefix and sample.result.text:
            yield prefix, plain(sample.result.text)
        return
    found = [_with_tokens(each, sample, threshold, codec) for each in sample.result.detections]
    found = [replace(each, label=classes.name(each.label)) for each in found if each.box is not None]
    cut_out = [each for each in found if each.mask_tokens]
    boxed = [each for each in found if not each.mask_tokens]
    if cut_out:
        yield _prefix(Task.SEGMENT, cut_out, asked), encode_suffix(cut_out)
    if boxed:
        yield _prefix(Task.DETECT, boxed, asked), encode_suffix(boxed)
    if not found and asked and not sample.result.detections:
        yield _prefix(sample.task, (), asked), ""


def _worded(sample: Sample) -> str:
    """The prompt of a caption or an answer; "" for an answer whose question is not known any more."""
    said = plain(sample.result.origin.prompt) if sample.result.origin else ""
    if sample.task is Task.CAPTION:
        return said if said.startswith(("caption", "cap ", "describe")) else _WORDS[Task.CAPTION]
    return said if not said or said.startswith("answer ") else f"{_WORDS[Task.ASK]} {said}"


def _prefix(task: Task, found: Sequence[Detection], asked: Sequence[str]) -> str:
    names = asked or tuple(dict.fromkeys(each.label for each in found))
    return encode_prefix(Request(task, (), labels=(*names, *(each.label for each in found if each.label not in names))))


def _with_tokens(detection: Detection, sample: Sample, threshold: int, codec: MaskCodec | None) -> Detection:
    """The same with a box where there is a mask, and with the tokens of that mask where they can be had."""
    mask, size_wh = detection.mask, sample.size_wh
    if mask is None or size_wh is None:
        return detection
    box = detection.box or from_px(shapes.bounds(shapes.pixels_of(mask, size_wh, threshold)), size_wh)
    if codec is None or detection.mask_tokens:
        return replace(detection, box=box)
    pixels, corner = binary_mask(mask, size_wh, threshold)
    x1, y1, x2, y2 = rect_px(box, size_wh)
    canvas = np.zeros((y2 - y1, x2 - x1), dtype=np.float32)
    left, top, right, bottom = shapes.bounds((pixels, corner))
    x, y, end_x, end_y = max(x1, left), max(y1, top), min(x2, right), min(y2, bottom)
    if x < end_x and y < end_y:
        canvas[y - y1 : end_y - y1, x - x1 : end_x - x1] = pixels[y - top : end_y - top, x - left : end_x - left]
    small = Image.fromarray(canvas).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    codes = codec.encode(np.asarray(small, dtype=np.float32)[None])[0]
    return replace(detection, box=box, mask_tokens=tuple(int(each) for each in codes))


def read_paligemma(bundle: Bundle, codec: MaskCodec | None = None) -> Iterator[Sample]:
    """One sample for each picture, whatever the number of its lines; masks where a codec is given, else tokens."""
    for name in bundle.named(".jsonl"):
        rows: dict[str, list[tuple[str, str]]] = {}
        for picture, pair in bundle.records(name, _read_line):
            rows.setdefault(picture, []).append(pair)
        for picture, pairs in rows.items():
            yield _read_picture(picture, pairs, bundle, codec)


def _read_line(row: dict[str, Any]) -> tuple[str, tuple[str, str]]:
    """A line's picture, and its prefix and suffix."""
    return fields.text(row.get("image")), (fields.text(row.get("prefix")), fields.text(row.get("suffix")))


def is_paligemma(bundle: Bundle) -> bool:
    for name in bundle.named(".jsonl"):
        try:
            first = parse_json(bundle.text(name).split("\n", 1)[0])
        except RequestError:
            continue
        if isinstance(first, dict) and "suffix" in first and "image" in first:
            return True
    return False


def _read_picture(picture: str, pairs: Sequence[tuple[str, str]], bundle: Bundle, codec: MaskCodec | None) -> Sample:
    found: list[Detection] = []
    text, task = "", None
    for prefix, suffix in pairs:
        if prefix.startswith(("detect", "segment")):
            decoded = decode(suffix, prompt=prefix, mask_decoder=codec.decode if codec else None)
            found += decoded.detections
            for note in decoded.notes:
                bundle.problem(picture, note.detail)
            task = Task.SEGMENT if prefix.startswith("segment") else task or Task.DETECT
        else:
            text = answer_text(suffix, prompt=prefix)
            task = Task.ASK if prefix.startswith("answer") else Task.CAPTION
    shown = picture.removeprefix("images/")
    return read_sample(shown, bundle.size_of(shown), found, bundle, text=text, task=task, file=bundle.file(picture))


def _with_codec(codec: MaskCodec) -> Format:
    return replace(PALIGEMMA, write=partial(paligemma_format, codec=codec), read=partial(read_paligemma, codec=codec))


PALIGEMMA = Format(
    "paligemma", "PaliGemma fine-tuning (JSONL: prefix, suffix)", paligemma_format, read_paligemma, is_paligemma,
    words=True, names=Names, with_codec=_with_codec,
)  # fmt: skip
