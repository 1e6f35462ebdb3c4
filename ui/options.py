"""What else a request may set, read from widgets: blank leaves it to the model, anything odd is refused.

Knows no gradio. Which of these a backend heeds, its Capabilities say; `heeded` leaves out the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from enum import StrEnum
from typing import TypeVar

from grounding.backend import Capabilities
from grounding.codecs.gemini_prompt import MOST_ITEMS
from grounding.errors import RequestError
from grounding.tiling import MOST as MAX_TILES
from grounding.types import Options, Resolution, Thinking

MAX_TEXT = 8_000
"""Characters of a system instruction or of a template: pages of text, far below what a model reads."""

MAX_ANSWER_TOKENS = 1_048_576

Choice = TypeVar("Choice", bound=StrEnum)


def read_options(values: Mapping[str, object]) -> Options:
    """Options from `values` by their field's names; None and "" leave one unset. Raises RequestError for odd ones."""
    tiles = _whole(values.get("tiles"), 1, MAX_TILES, "The number of parts a side")
    return Options(
        temperature=_number(values.get("temperature"), 0, 2, "The temperature"),
        max_output_tokens=_whole(values.get("max_output_tokens"), 1, MAX_ANSWER_TOKENS, "The output limit"),
        system=_words(values.get("system"), MAX_TEXT, "The system instruction"),
        thinking=_choice(values.get("thinking"), Thinking, "thinking"),
        resolution=_choice(values.get("resolution"), Resolution, "media resolution"),
        max_items=_whole(values.get("max_items"), 1, MOST_ITEMS, "The number of objects"),
        structured=_flag(values.get("structured"), "Structured output") or None,
        language=" ".join(_words(values.get("language"), 60, "The language").split()),
        template=_words(values.get("template"), MAX_TEXT, "The template"),
        seed=_whole(values.get("seed"), -(2**31), 2**31 - 1, "The seed"),
        reuse=_flag(values.get("reuse"), "Keeping the picture"),
        tiles=tiles if tiles and tiles > 1 else None,
    )


def heeded(options: Options, capabilities: Capabilities) -> Options:
    """`options` without what the backend does not know: the page hides it, and it must not travel unseen."""
    unset = Options()
    others = {each.name: getattr(unset, each.name) for each in fields(Options)}
    return replace(options, **{name: value for name, value in others.items() if name not in capabilities.options})


def _words(value: object, limit: int, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError(f"{what} should be text.")
    clean = "".join(char if char.isprintable() or char == "\n" else " " for char in value).strip()
    if len(clean) > limit:
        raise RequestError(f"{what} is too long: {len(clean):,} characters; the limit is {limit:,}.")
    return clean


def _read(value: object) -> object:
    """What was typed as the number it is: "0.5", "0,5", "1,000"; None where nothing was."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    text = text.replace(",", "" if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+", text) else ".")
    if not text:
        return None
    return float(text) if re.fullmatch(r"[+-]?\d{1,12}(\.\d{1,12})?", text) else value


def _number(value: object, low: float, high: float, what: str) -> float | None:
    value = _read(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RequestError(f"{what} should be a number from {low:g} to {high:g}, or nothing.")
    if not low <= value <= high:
        raise RequestError(f"{what} goes from {low:g} to {high:g}. Leave it empty for the model's own.")
    return float(value)


def _whole(value: object, low: int, high: int, what: str) -> int | None:
    value = _read(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value % 1:
        raise RequestError(f"{what} should be a whole number, or nothing.")
    if not low <= value <= high:
        raise RequestError(f"{what} goes from {low:,} to {high:,}. Leave it empty for the usual.")
    return int(value)


def _choice(value: object, kind: type[Choice], what: str) -> Choice | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or value not in [each.value for each in kind]:
        raise RequestError(f"Choose one of the offered kinds of {what}.")
    return kind(value)


def _flag(value: object, what: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise RequestError(f"{what} is either on or off.")
