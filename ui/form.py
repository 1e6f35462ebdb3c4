"""From what widgets send to what may be asked: everything is checked here again, and whatever is odd is refused.

The browser's own checks are not: anyone may post anything to an event. Knows no gradio.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backends import SPECS, first_choice
from grounding.errors import ConfigError, RequestError
from grounding.labels import split_labels
from grounding.settings import Settings, clean_key
from grounding.types import Harm, Level, Options, Task, View
from ui.options import read_options

MAX_PROMPT = 4_000
MAX_LABELS = 100
MAX_LABEL = 200

_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w.-]+){0,2}")
"""A name or owner/name, behind an @ a precision or a revision; never a path of ours."""


@dataclass(frozen=True)
class Form:
    """A visitor's choices, checked. The key is theirs, or the operator's where that is shared.

    text: a question, a free prompt, or beside labels what else to say about them. so_far: see Request.
    """

    task: Task
    text: str
    labels: tuple[str, ...]
    backend: str
    model: str
    api_key: str = field(default="", repr=False)
    safety: Mapping[Harm, Level] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    so_far: str = ""

    @property
    def prompt(self) -> str:
        return "; ".join(self.labels) or self.text

    @property
    def remembered(self) -> Form:
        """What an answer keeps of it: no key, and not how far an answer before had come."""
        return replace(self, api_key="", so_far="")


def read_form(task: Task, values: Mapping[str, object], settings: Settings, *, with_key: bool = True) -> Form:
    """Check `values` (prompt, backend, model, api_key, one per Harm, and those of Options and `instruction`).

    with_key: False where nothing will be asked. Raises RequestError or ConfigError.
    """
    prompt = _text(values.get("prompt", ""), MAX_PROMPT)
    backend = values.get("backend") or first_choice(settings)[0]
    if not isinstance(backend, str) or backend not in offered(settings):
        raise ConfigError(f"There is no such backend. Choose one of: {', '.join(offered(settings))}.")
    labels = read_labels(prompt) if task in (Task.DETECT, Task.SEGMENT) else ()
    if task is Task.ASK and not prompt:
        raise RequestError("Type a question about the picture first.")
    options = read_options(values)
    own_words = "template" in SPECS[backend].capabilities.options and options.template
    if task in (Task.DETECT, Task.SEGMENT) and not labels and not (own_words and "{labels}" not in options.template):
        raise RequestError("Type what to look for first, for example: cat; dog.")
    return Form(
        task=task,
        text=_text(values.get("instruction", ""), MAX_PROMPT) if task in (Task.DETECT, Task.SEGMENT) else prompt,
        labels=labels,
        backend=backend,
        model=_model(values.get("model"), backend, settings),
        api_key=read_key(values.get("api_key"), backend, settings) if with_key else "",
        safety={
            harm: level for harm in Harm if (level := _level(values.get(harm.value, "default"))) is not Level.DEFAULT
        },
        options=options,
    )


def read_view(values: Sequence[object], known: Collection[str]) -> View:
    """A View from its three widgets (overlays, threshold, score floor); raises RequestError for odd values."""
    overlays, threshold, score_floor = values
    if not isinstance(overlays, list | tuple) or not all(isinstance(name, str) and name in known for name in overlays):
        raise RequestError("Choose overlays from the list.")
    return View(
        overlays=tuple(dict.fromkeys(overlays)),
        threshold=round(_number(threshold, 0, 255, "The mask threshold")),
        score_floor=_number(score_floor, 0, 1, "The score floor"),
    )


def read_labels(text: str) -> tuple[str, ...]:
    """The labels in `text`; raises RequestError for more, or longer ones, than are asked at once."""
    labels = split_labels(text)
    if len(labels) > MAX_LABELS:
        raise RequestError(f"That is {len(labels)} things to look for; {MAX_LABELS} at a time is the limit.")
    if any(len(label) > MAX_LABEL for label in labels):
        raise RequestError(f"One of these labels is longer than {MAX_LABEL} characters. Separate labels by semicolons.")
    return labels


def offered(settings: Settings) -> tuple[str, ...]:
    """The backends visitors may choose; replaying recorded answers is for whoever started the page with it."""
    return tuple(name for name in SPECS if name != "replay" or settings.backend == name)


def local_path(text: str) -> Path:
    """A folder or file of this machine, by its whole path; RequestError where there is none."""
    try:
        path = Path(text.strip().strip("\"'")).expanduser()
        whole, there = path.is_absolute(), path.exists()
    except (OSError, RuntimeError, ValueError):  # too long a name, a home of nobody, a NUL
        whole, there = True, False
    if not whole:
        raise RequestError("Give the folder's whole path, from / or ~ or the drive on.")
    if not there:
        raise RequestError("There is no such folder or file on this machine. Check the path.")
    return path


def _text(value: object, limit: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError("The prompt should be text.")
    clean = "".join(char if char.isprintable() or char == "\n" else " " for char in value).strip()
    if len(clean) > limit:
        raise RequestError(f"The prompt is too long: {len(clean)} characters; the limit is {limit}.")
    return clean


def _model(value: object, backend: str, settings: Settings) -> str:
    _, chosen = first_choice(settings, backend)
    known = (*SPECS[backend].models, chosen)
    if value in (None, ""):
        return chosen
    if not isinstance(value, str):
        raise RequestError("Choose a model from the list, or type its id.")
    model = value.strip()
    if model in known:
        return model
    if len(model) > 120 or not _MODEL_ID.fullmatch(model):
        raise RequestError(
            "This does not look like a model id. It should read like owner/name, or a name from the list."
        )
    if not SPECS[backend].needs_key and not settings.local:
        raise RequestError("On a shared page only the listed models can be loaded. Choose one of them.")
    return model


def read_key(value: object, backend: str, settings: Settings) -> str:
    """The key to ask `backend` with: the visitor's, or the operator's where that is shared; raises ConfigError."""
    if not SPECS[backend].needs_key:
        return ""
    if value is not None and not isinstance(value, str):
        raise RequestError("The API key should be text.")
    key = clean_key(value or "")
    if not key and settings.share_key and settings.gemini_api_key:
        return settings.gemini_api_key
    if not key:
        place = "on this machine" if settings.local else "that runs on this page's server: it needs none"
        raise ConfigError(
            "Gemini needs an API key. Paste yours under Model (aistudio.google.com/apikey makes one), "
            f"or choose a model {place}."
        )
    return key


def _level(value: object) -> Level:
    """Anything that is not a level's own name is refused, null too, so that no filter opens by accident."""
    if not isinstance(value, str) or value not in [level.value for level in Level]:
        raise RequestError("A safety filter has a value that is not offered. Choose it again.")
    return Level(value)


def _number(value: object, low: float, high: float, what: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        raise RequestError(f"{what} should be a number from {low:g} to {high:g}.")
    return float(value)
