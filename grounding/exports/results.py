"""Results as JSON, the same in files and the web API. Boxes are x1, y1, x2, y2 in [0, 1] of the upright picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from grounding.errors import RequestError
from grounding.exports import fields, shapes
from grounding.exports.bundle import Bundle
from grounding.exports.extras import read_extras, unit_box
from grounding.exports.format import File, Format, Labels, unrejected
from grounding.geometry import coco_rle
from grounding.labels import Sample
from grounding.types import (
    THRESHOLD,
    Detection,
    Note,
    NoteKind,
    Outcome,
    Result,
    SafetyReport,
    Task,
    Usage,
)


def json_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """results.json: a list with one object for each picture, failed ones included."""
    del labels  # each detection names its own
    rows = [
        {"picture": each.picture, **result_to_json(each.result, each.size_wh, threshold)}
        for each in map(unrejected, samples)
    ]
    yield "results.json", to_bytes(rows)


def result_to_json(result: Result, size_wh: tuple[int, int] | None, threshold: int = THRESHOLD) -> dict[str, Any]:
    """{outcome, text, detections, notes, safety, usage}; masks: COCO RLE of a `size_wh` picture, None without."""
    return {
        "outcome": result.outcome.value,
        "text": result.text,
        "detections": [detection_to_json(each, size_wh, threshold) for each in result.detections],
        "notes": [{"kind": note.kind.value, "detail": note.detail} for note in result.notes],
        "safety": _safety(result.safety),
        "usage": None if result.usage is None else _usage(result.usage),
    }


def detection_to_json(
    detection: Detection, size_wh: tuple[int, int] | None, threshold: int = THRESHOLD
) -> dict[str, Any]:
    """{label, box, point, score, mask, mask_tokens}, each None where the model gave none.

    With "picture" (from 0) where it is not in the request's first, None where the model did not say which.
    """
    mask, tokens = detection.mask, detection.mask_tokens
    return {
        "label": detection.label,
        "box": None if detection.box is None else list(detection.box),
        "point": None if detection.point is None else list(detection.point),
        "score": detection.own_score,
        "mask": None if mask is None or size_wh is None else coco_rle(mask, size_wh, threshold),
        "mask_tokens": None if tokens is None else list(tokens),
        **({} if detection.picture == 0 else {"picture": detection.picture}),
    }


def to_bytes(value: object) -> bytes:
    """UTF-8 JSON as people read it; a lone surrogate, which UTF-8 cannot hold, stays a JSON escape."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "backslashreplace")


def _safety(report: SafetyReport) -> dict[str, Any]:
    return {
        "stage": None if report.stage is None else report.stage.value,
        "reason": report.reason,
        "explanation": report.explanation,
        "ratings": [
            {"category": each.category, "probability": each.probability, "blocked": each.blocked}
            for each in report.ratings
        ],
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {**vars(usage), "seconds": round(usage.seconds, 3)}


def read_results(bundle: Bundle) -> Iterator[Sample]:
    """Every picture of every results.json; usage and safety are not read back."""
    for name in bundle.named(".json"):
        try:
            rows = bundle.json(name)
        except RequestError as error:
            bundle.problem(name, error)
            continue
        if not _is_results(rows):
            continue
        for place, row in enumerate(rows, 1):
            try:
                yield _read_picture(fields.record(row, "An entry"), bundle)
            except RequestError as error:
                bundle.problem(name, f"Entry {place} is left out. {error}")


def is_results(bundle: Bundle) -> bool:
    return bundle.has_json(_is_results)


def _is_results(rows: Any) -> bool:
    return (
        isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict) and {"picture", "outcome"} <= rows[0].keys()
    )


def _read_picture(row: dict[str, Any], bundle: Bundle) -> Sample:
    picture, text = fields.text(row.get("picture")), fields.text(row.get("text"))
    said = fields.rows(row.get("detections") or [], "The list of detections")
    masks = [each["mask"] for each in said if isinstance(each, dict) and isinstance(each.get("mask"), dict)]
    size_wh = bundle.size_of(picture)
    if masks:
        height, width = fields.numbers(masks[0].get("size"), 2, "A mask's size")
        size_wh = fields.size_of(width, height)
    found: list[Detection] = []
    for place, each in enumerate(said, 1):
        try:
            found.append(replace(_read_detection(fields.record(each, "A detection"), size_wh), id=len(found)))
        except RequestError as error:
            bundle.problem(picture, f"Detection {place} is left out. {error}")
    notes = tuple(_read_note(each) for each in fields.rows(row.get("notes") or [], "The notes"))
    outcome = row.get("outcome")
    if outcome not in list(Outcome):
        raise RequestError(f"There is no outcome {fields.short(outcome)}.")
    task = Task.SEGMENT if masks else Task.DETECT if found or not text else Task.CAPTION
    result = Result(Outcome(outcome), text, tuple(found), notes)
    return Sample(picture, size_wh, task, result, bundle.file(picture))


def _read_note(said: object) -> Note:
    note = fields.record(said, "A note")
    if note.get("kind") not in list(NoteKind):
        raise RequestError(f"There is no note of kind {fields.short(note.get('kind'))}.")
    return Note(NoteKind(note["kind"]), fields.text(note.get("detail")))


def _read_detection(said: dict[str, Any], size_wh: tuple[int, int] | None) -> Detection:
    box = None if said.get("box") is None else unit_box(said["box"])
    mask = point = None
    if said.get("point") is not None:
        x, y = fields.numbers(said["point"], 2, "A point")
        point = fields.point_of(x, y, (1, 1))
    if said.get("mask") is not None:
        crop, rle_wh = shapes.from_coco_rle(fields.record(said["mask"], "A mask"))
        if rle_wh != size_wh:
            raise RequestError("Its mask is of another size than the picture.")
        mask = shapes.mask_of(crop, rle_wh)
    known = read_extras({name: said.get(name) for name in ("score", "mask_tokens")}, [])
    return Detection(fields.text(said.get("label")), box, point, mask=mask, **known)


JSON = Format("json", "Pinpoint's results (JSON)", json_format, read_results, is_results, words=True)
