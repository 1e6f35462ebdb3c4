"""Results as JSON, the same in files and the web API. Boxes are x1, y1, x2, y2 in [0, 1] of the upright picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from grounding.geometry import coco_rle
from grounding.labels import Sample
from grounding.types import THRESHOLD, Detection, Result, SafetyReport, Usage


def json_format(
    samples: Iterable[Sample], *, labels: tuple[str, ...] = (), threshold: int = THRESHOLD
) -> Iterator[tuple[str, bytes]]:
    """results.json: a list with one object for each picture, failed ones included."""
    del labels  # each detection names its own
    rows = [
        {"picture": sample.picture, **result_to_json(sample.result, sample.size_wh, threshold)} for sample in samples
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
        "score": detection.score,
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
