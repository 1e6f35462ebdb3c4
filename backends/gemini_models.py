"""What is known of Gemini's models: one row each, looked up by the start of the id. Unknown ones may do anything.

Read from Google's pages on models, thinking, media resolution, deprecations and prices as of AS_OF; the service has
the last word. Knows no connection and no prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from grounding.types import Resolution, Thinking

AS_OF = date(2026, 11, 10)
"""When the pages were last read."""

SOURCE = "ai.google.dev/gemini-api/docs: models, thinking, media-resolution, deprecations, pricing"


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens, in and out, up to and with the day `until`; thoughts cost what answers do.

    long_prompt: what both are multiplied with where the prompt has more than 200,000 tokens.
    """

    prompt: float
    answer: float
    until: date | None = None
    long_prompt: tuple[float, float] = (1.0, 1.0)


_PRO_LONG = (2.0, 1.5)
_NEW_YEAR = date(2026, 12, 31)
_HALF_PRICE = (Price(0.75, 3.75, _NEW_YEAR), Price(1.50, 7.50))


@dataclass(frozen=True)
class Model:
    """What suits one model, or a family of them. Empty and None: not known, so nothing is held back or sent.

    thinking: "budget" (tokens, 2.5), "level" (words, from 3 on) or "" where the model has no such setting.
    levels: what it takes, least first. temperature: for boxes and masks only. masks: the form it answers in.
    answer_tokens: room for masks by default; most_answer_tokens: the most it gives. picture_tokens: see gemini_cost.
    """

    ids: str
    thinking: str = ""
    levels: tuple[str | int, ...] = ()
    temperature: float | None = None
    boxes: bool | None = None
    points: bool | None = None
    masks: str | None = None
    answers_by_schema: bool = True
    documents: bool = True
    video: bool = True
    civic_integrity: bool = True
    picture_tokens: str = "fixed"
    answer_tokens: int = 8192
    most_answer_tokens: int | None = None
    context_tokens: int | None = None
    retires: date | None = None
    remark: str = ""
    prices: tuple[Price, ...] = ()


_LONG: Mapping[str, Any] = {"most_answer_tokens": 65_536, "context_tokens": 1_048_576, "answer_tokens": 32_768}
_SEES: Mapping[str, Any] = {"boxes": True, "points": True}
_FROM_3: Mapping[str, Any] = {**_LONG, **_SEES, "thinking": "level", "civic_integrity": False}
_OF_25: Mapping[str, Any] = {
    **_LONG,
    **_SEES,
    "thinking": "budget",
    "temperature": 0.5,  # Google's guide on image understanding: keeps 2.x from repeating itself
    "masks": "PNG",
    "picture_tokens": "tiles",
}
_ALL_LEVELS = ("minimal", "low", "medium", "high")
_NO_MINIMAL = ("low", "medium", "high")  # "minimal" is refused
_BUDGETS = (1024, 8192, 24_576)  # what Google's OpenAI-compatible API takes low, medium and high for

MODELS = (
    # Google's guide on image understanding: thinking off gives better boxes and masks.
    Model(r"gemini-2\.5-flash-lite", levels=(0, *_BUDGETS), prices=(Price(0.10, 0.40),), **_OF_25),
    Model(
        r"gemini-2\.5-flash(?!.*(image|tts|audio))",
        levels=(0, *_BUDGETS),
        retires=date(2026, 12, 1),
        remark="Google then passes requests on to gemini-3.5-flash-lite, at its price.",
        prices=(Price(0.30, 2.50),),
        **_OF_25,
    ),
    Model(
        r"gemini-2\.5-pro",
        levels=(128, *_BUDGETS),  # it cannot be turned off
        retires=date(2026, 12, 1),
        remark="Google then passes requests on to gemini-3.8-flash, at its price.",
        prices=(Price(1.25, 10.0, long_prompt=_PRO_LONG),),
        **_OF_25,
    ),
    Model(r"gemini-robotics-er-1", levels=(0, *_BUDGETS), **_OF_25),
    Model(
        r"gemini-2\.0-flash",
        temperature=0.5,
        picture_tokens="tiles",
        most_answer_tokens=8192,
        context_tokens=1_048_576,
        retires=date(2026, 6, 1),
        remark="It is gone.",
        **_SEES,
    ),
    # From 3 on: levels instead of budgets, and Google advises against any temperature but the default.
    Model(r"gemini-3\.8-flash(?!.*(image|tts|audio|live))", levels=_NO_MINIMAL, prices=_HALF_PRICE, **_FROM_3),
    Model(
        r"gemini-3\.[67]-flash(?!.*(image|tts|audio|live))",
        levels=_ALL_LEVELS,
        masks="outline",
        prices=_HALF_PRICE,
        **_FROM_3,
    ),
    Model(
        r"gemini-3\.5-flash-lite",
        levels=_ALL_LEVELS,
        prices=(Price(0.30, 2.50),),
        **_FROM_3,
    ),
    Model(
        r"gemini-3\.5-flash(?!.*(image|tts|audio|live))",
        levels=_ALL_LEVELS,
        masks="PNG",
        remark="Google passes requests on to gemini-3.6-flash.",
        prices=(Price(1.50, 9.0),),
        **_FROM_3,
    ),
    Model(
        r"gemini-3\.1-flash-lite(?!.*(image|tts|audio|live))",
        levels=_ALL_LEVELS,
        retires=date(2027, 5, 7),
        prices=(Price(0.25, 1.50),),
        **_FROM_3,
    ),
    Model(
        r"gemini-3\.1-pro(?!.*image)",
        levels=_NO_MINIMAL,
        prices=(Price(2.0, 12.0, long_prompt=_PRO_LONG),),
        **_FROM_3,
    ),
    Model(
        r"gemini-3-pro(?!.*image)", levels=("low", "high"), retires=date(2026, 3, 9), remark="It is gone.", **_FROM_3
    ),
    Model(r"gemini-3(\.[0-7])?-flash(?!.*image)", levels=_ALL_LEVELS, prices=(Price(0.50, 3.0),), **_FROM_3),
    Model(
        r"gemini-4-argon",
        levels=_NO_MINIMAL,
        prices=(Price(2.0, 10.0, date(2026, 11, 30)), Price(4.0, 20.0)),
        **_FROM_3,
    ),
    Model(r"gemini-[3-9]", thinking="level", levels=_NO_MINIMAL, answer_tokens=32_768, civic_integrity=False),
)
"""Looked up by the start of the id, first match wins."""

UNKNOWN = Model("")
"""Asked with nothing special; whatever a person sets is sent."""

_STEPS = (Thinking.LOW, Thinking.MEDIUM, Thinking.HIGH)
_WORDS = {Thinking.LEAST: "low", Thinking.LOW: "low", Thinking.MEDIUM: "medium", Thinking.HIGH: "high"}


def find(model: str) -> Model:
    """The row for the id `model`, with or without "models/"; UNKNOWN where there is none."""
    return next((each for each in MODELS if re.match(each.ids, model.removeprefix("models/"))), UNKNOWN)


def thinking_config(model: Model, wish: Thinking | None) -> dict[str, Any]:
    """The thinking_config for `wish`: the nearest the model has; empty for its own choice, or where it has none."""
    if wish is None or wish is Thinking.MODEL:
        return {}
    if model is UNKNOWN:  # sent as asked: the service says if it cannot; "least" has no name all models know
        return {} if wish is Thinking.LEAST else {"thinking_level": _WORDS[wish]}
    if not model.levels:
        return {}
    if wish is Thinking.LEAST:
        level = model.levels[0]
    elif model.thinking == "budget":
        level = model.levels[1 + _STEPS.index(wish)]
    else:
        level = _WORDS[wish] if _WORDS[wish] in model.levels else model.levels[-1]
    return {"thinking_budget" if model.thinking == "budget" else "thinking_level": level}


def resolution_config(wish: Resolution | None) -> str | None:
    return None if wish is None else f"MEDIA_RESOLUTION_{wish.name}"


def price(model: Model, on: date) -> Price | None:
    """What the model costs on a day; None where that is not known."""
    return next((each for each in model.prices if each.until is None or on <= each.until), None)


def described(name: str) -> tuple[tuple[str, str], ...]:
    """What is known of the model `name`, as (what, how) for people."""
    model = find(name)
    if model is UNKNOWN:
        return (("Known", "no: it is asked as it is, and the service says what it cannot do"),)
    rows = [
        ("Boxes", _yes(model.boxes)),
        ("Points", _yes(model.points)),
        ("Masks", {"PNG": "yes, as a picture in the box", "outline": "yes, as an outline"}.get(model.masks or "", "?")),
        ("Thinking", ", ".join(map(str, model.levels)) + (" tokens" * (model.thinking == "budget")) or "none"),
        ("Answers by a schema", _yes(model.answers_by_schema)),
        ("PDF", _yes(model.documents)),
        ("Video", _yes(model.video)),
        ("Reads at once", f"{model.context_tokens:,} tokens" if model.context_tokens else "?"),
        ("Answers at most", f"{model.most_answer_tokens:,} tokens" if model.most_answer_tokens else "?"),
        ("Retires", model.retires.isoformat() if model.retires else "no date announced"),
        ("Source", f"{SOURCE}; read {AS_OF.isoformat()}"),
    ]
    return (*rows, *((("Good to know", model.remark),) if model.remark else ()))


def retirement(name: str, today: date) -> str:
    """A sentence where the model is gone or will be within 60 days, else ""."""
    model = find(name)
    if model.retires is None or (model.retires - today).days > 60:
        return ""
    said = "has retired" if model.retires <= today else f"retires on {model.retires.isoformat()}"
    return f"{name.removeprefix('models/')} {said}. {model.remark}".strip()


def _yes(known: bool | None) -> str:
    return "?" if known is None else "yes" if known else "no"
