"""Asks Gemini: one prompt for each task, worded as Google's guides word it, so that answers come in its form.

Knows no client and no settings. A single picture goes before the prompt; several are introduced as "Picture 1:" …,
and each entry of the answer is asked to name its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grounding.errors import RequestError
from grounding.types import Request, Task

MAX_ITEMS = 25  # Google's notebooks set this limit: asked for more, models repeat themselves until the answer is cut
MOST_ITEMS = 1_000  # as many as somebody may ask for all the same

_CAPTION = "Describe this picture in one or two sentences."
_CAPTIONS = "Describe each of these in one or two sentences."
_BOXES = 'Output a json list where each entry contains the 2D bounding box in "box_2d" and {label} in "label".'
_MASKS = (
    "Output a JSON list of segmentation masks where each entry contains the 2D bounding box in the key "
    '"box_2d", the segmentation mask in key "mask", and the text label in the key "label".'
)
_SEVERAL = "Give each instance an entry of its own, at most {max_items} in all; if there are none, output []."
_WHICH = 'There are {pictures} pictures; add the number of the one an entry is about, from 1, in "picture".'
_PAGES = "Say on which page of the document you found what you say, as [page 3]."
_ON = "Go on exactly where your answer stopped. Repeat nothing, and add nothing about it."
_MORE = (
    "Your list was cut. Go on with the entries that follow, as a JSON list of its own in the same form. "
    "Repeat none; if there are no more, output []."
)

PRESETS: tuple[tuple[str, str], ...] = (
    ("Prominent items", f"Detect the prominent items. {_BOXES.format(label='a descriptive label')} {_SEVERAL}"),
    ("Named things", f"Detect the {{labels}}. {_BOXES.format(label='its name as given above')} {_SEVERAL}"),
    (
        "Custom instruction",
        f"Detect the {{labels}}. {{text}} {_BOXES.format(label='its name as given above')} {_SEVERAL}",
    ),
    (
        "Descriptive labels",
        f"Detect the {{labels}}. {_BOXES.format(label='a short phrase that tells it from the others')} {_SEVERAL}",
    ),
    (
        "Points",
        "Point to the {labels}, at most {max_items} in all. The answer should follow the json format: "
        '[{"point": [y, x], "label": <label>}, ...]. The points are in [y, x] format normalized to 0-1000.',
    ),
    ("Masks", f"Give the segmentation masks for the {{labels}}. {_MASKS} Use descriptive labels. {_SEVERAL}"),
)
"""(name, template) for `Options.template`, in the guides' wording."""


def prompt(request: Request) -> str:
    """The text that goes after the picture. Raises RequestError for a question without words."""
    text = request.text.strip()
    names = [name for label in request.labels if (name := " ".join(label.split()))]
    if request.task is Task.CAPTION:
        many = len(request.images) + len(request.documents) > 1
        return _joined(text or (_CAPTIONS if many else _CAPTION), _in_language(request, "Answer"))
    if request.task is Task.ASK:
        if not text:
            raise RequestError("There is no question. Write what you want to know about the picture.")
        return _joined(text, _PAGES if request.documents else "", _in_language(request, "Answer"))
    if request.documents and not request.images:
        raise RequestError("Boxes and masks need a picture. Choose pages of the document to look at as pictures.")
    which = _WHICH.format(pictures=len(request.images)) if len(request.images) > 1 else ""
    tail = (_in_language(request, "Write the labels"), which)
    several = _SEVERAL.format(max_items=request.options.max_items or MAX_ITEMS)
    if request.options.template.strip():
        return _joined(_filled(request, names, text), *tail)
    if request.task is Task.DETECT:
        return _joined(_find("Detect the", names, text), _BOXES.format(label=_label(names)), several, *tail)
    ending = "Use the names above as labels." if names else "Use descriptive labels."
    return _joined(_find("Give the segmentation masks for the", names, text), _MASKS, ending, several, *tail)


def go_on(request: Request) -> str:
    """What to say after `request.so_far` so that the model goes on from there."""
    return _MORE if request.task in (Task.DETECT, Task.SEGMENT) else _ON


def schema(request: Request) -> dict[str, Any]:
    """The JSON schema of the answer `prompt` asks for."""
    number = {"type": "integer"}
    box = {"type": "array", "items": number, "minItems": 4, "maxItems": 4}
    entry: dict[str, Any] = {"box_2d": box, "label": {"type": "string"}}
    if '"point"' in request.options.template:
        entry = {"point": {"type": "array", "items": number, "minItems": 2, "maxItems": 2}, "label": entry["label"]}
    if request.task is Task.SEGMENT:
        entry["mask"] = {"type": "string"}
    if len(request.images) > 1:
        entry["picture"] = number
    item = {"type": "object", "properties": entry, "required": list(entry)}
    return {"type": "array", "items": item, "maxItems": request.options.max_items or MAX_ITEMS}


def _filled(request: Request, names: Sequence[str], text: str) -> str:
    """The person's own wording; only these four names in braces mean anything in it, JSON stays as it is."""
    template = request.options.template.strip()
    values = {
        "{labels}": _enumerated(names) if names else "prominent items",
        "{text}": _ended(text) if text else "",
        "{max_items}": str(request.options.max_items or MAX_ITEMS),
        "{language}": request.options.language.strip() or "English",
    }
    for name, value in values.items():
        template = template.replace(name, value)
    return template


def _in_language(request: Request, what: str) -> str:
    language = " ".join(request.options.language.split())
    return f"{what} in {language}." if language and "{language}" not in request.options.template else ""


def _find(verb: str, names: Sequence[str], text: str) -> str:
    """What to look for: the names, the person's own words, both, or whatever stands out."""
    if names:
        sentence = f"{verb} {_enumerated(names)}."
        return f"{sentence} {_ended(text)}" if text else sentence
    return _ended(text) if text else f"{verb} prominent items."


def _label(names: Sequence[str]) -> str:
    return "its name as given above" if names else "a descriptive label"


def _enumerated(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _ended(text: str) -> str:
    return text if text[-1] in ".!?。！？" else text + "."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
