"""Asks Gemini: one prompt for each task, worded as Google's guides word it, so that answers come in its form.

Knows no client and no settings; the picture goes before the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

from grounding.errors import RequestError
from grounding.types import Request, Task

MAX_ITEMS = 25  # Google's notebooks set this limit: asked for more, models repeat themselves until the answer is cut

_CAPTION = "Describe this picture in one or two sentences."
_BOXES = 'Output a json list where each entry contains the 2D bounding box in "box_2d" and {label} in "label".'
_MASKS = (
    "Output a JSON list of segmentation masks where each entry contains the 2D bounding box in the key "
    '"box_2d", the segmentation mask in key "mask", and the text label in the key "label".'
)
_SEVERAL = f"Give each instance an entry of its own, at most {MAX_ITEMS} in all; if there are none, output []."


def prompt(request: Request) -> str:
    """The text that goes after the picture. Raises RequestError for a question without words."""
    text = request.text.strip()
    names = [name for label in request.labels if (name := " ".join(label.split()))]
    if request.task is Task.CAPTION:
        return text or _CAPTION
    if request.task is Task.ASK:
        if not text:
            raise RequestError("There is no question. Write what you want to know about the picture.")
        return text
    if request.task is Task.DETECT:
        return _joined(_find("Detect the", names, text), _BOXES.format(label=_label(names)), _SEVERAL)
    ending = "Use the names above as labels." if names else "Use descriptive labels."
    return _joined(_find("Give the segmentation masks for the", names, text), _MASKS, ending, _SEVERAL)


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
    return " ".join(sentences)
