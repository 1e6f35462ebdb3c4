"""What a detection knows beyond its place and name, as JSON: for formats whose files have room for words of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Any

from grounding.codecs.mask_tokens import SEG_CODES, SEG_LENGTH
from grounding.errors import RequestError
from grounding.exports import fields
from grounding.types import Box, Detection, Origin, Review


def origin_to_json(origin: Origin | None) -> dict[str, Any]:
    """Every field of an origin, those left at nothing included."""
    if origin is None:
        return {}
    said = {each.name: getattr(origin, each.name) for each in fields_of(Origin)}
    # The rest may hold anything; a whole answer is text, and long: every object of it has it.
    found: dict[str, Any] = json.loads(json.dumps(said | {"raw": ""}, default=_plain))
    return found | {"raw": origin.raw}


def origin_from_json(value: object) -> Origin | None:
    """The origin that `origin_to_json` wrote; None where nothing is said. Fields of newer files are passed over."""
    if not value:
        return None
    said = fields.record(value, "An origin")
    known = {each.name for each in fields_of(Origin)}
    texts: dict[str, Any] = {
        name: fields.text(said.get(name)) for name in ("backend", "model", "prompt", "raw") if name in known
    }
    others: dict[str, Any] = {name: each for name, each in said.items() if name in known - set(texts)}
    others["parameters"] = fields.record(others.get("parameters") or {}, "An origin's parameters")
    others["edited"] = others.get("edited") is True
    return Origin(**{**texts, **others})


class Origins:
    """The different origins of a file, each written once; detections name theirs by its place."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._places: dict[tuple[str, str], int] = {}
        self._known: dict[int, tuple[Origin, int]] = {}

    def place(self, origin: Origin) -> int:
        if (known := self._known.get(id(origin))) and known[0] is origin:
            return known[1]
        row = origin_to_json(origin)
        key = json.dumps(row | {"raw": ""}, sort_keys=True), origin.raw
        place = self._places.setdefault(key, len(self.rows))
        if place == len(self.rows):
            self.rows.append(row)
        self._known[id(origin)] = (origin, place)
        return place


def read_origins(value: object) -> list[Origin | None]:
    """The origins of a file in their places."""
    return [origin_from_json(each) for each in value] if isinstance(value, list) else []


def extras(detection: Detection, origins: Origins) -> dict[str, Any]:
    """score, mask_tokens, origin (a place in `origins`) and what a person did; each only where it is known."""
    said: dict[str, Any] = {}
    if detection.score is not None:
        said["score"] = detection.score
    if detection.mask_tokens is not None:
        said["mask_tokens"] = list(detection.mask_tokens)
    if detection.origin is not None:
        said["origin"] = origins.place(detection.origin)
    if detection.review is not Review.OPEN:
        said["review"] = detection.review.value
    if detection.box_before is not None:
        said["box_before"] = list(detection.box_before)
    if detection.label_before is not None:
        said["label_before"] = detection.label_before
    return said


def read_extras(said: Mapping[str, Any], origins: list[Origin | None]) -> dict[str, Any]:
    """The arguments of a Detection that `extras` wrote; raises RequestError where they are none."""
    found: dict[str, Any] = {}
    if (score := fields.score_of(said.get("score"))) is not None:
        found["score"] = score
    if (tokens := said.get("mask_tokens")) is not None:
        codes = fields.numbers(tokens, SEG_LENGTH, "A set of mask tokens")
        if not all(0 <= each < SEG_CODES for each in codes):
            raise RequestError("A mask token is none of 0 to 127.")
        found["mask_tokens"] = tuple(int(each) for each in codes)
    place = said.get("origin")
    if isinstance(place, int) and 0 <= place < len(origins):
        found["origin"] = origins[place]
    if (review := said.get("review")) in list(Review):
        found["review"] = Review(review)
    if said.get("box_before") is not None:
        found["box_before"] = unit_box(said["box_before"])
    if said.get("label_before") is not None:
        found["label_before"] = fields.text(said["label_before"])
    return found


def unit_box(value: object) -> Box:
    """x1, y1, x2, y2 in [0, 1]."""
    try:
        return Box(*fields.numbers(value, 4))
    except ValueError:
        raise RequestError(f"A box is not within 0 and 1: {fields.short(value)}.") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
