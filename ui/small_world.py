"""What the bundled model was not taught, said before it is asked: it would answer all the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grounding.codecs.paligemma_prompts import LANGUAGES, PROMPTS
from grounding.labels import split_labels
from grounding.types import Task
from scenes import KINDS
from scenes.palette import COLOURS
from ui.form import Form

BUNDLED = "pinpoint-nano"
SCENES_ONLY = (
    f"{BUNDLED} knows only drawn scenes like the examples; about other pictures it mostly guesses. "
    "For photographs choose Gemini with your own key, or a large PaliGemma checkpoint, under Model."
)
QUESTIONS_ONLY = (
    f"{BUNDLED} was taught four questions; its answer to any other means nothing. Ask: “How many cats are there?”, "
    "“Is there a red car?”, “What colour is the dog?”, or “What is left of the tree?” (right of, above, below)."
)
_NAMES = {name for kind in KINDS.values() for name in (kind.name, kind.plural)}
_SINGLE = {kind.plural: kind.name for kind in KINDS.values() if kind.plural != kind.name}
_FIRST = re.compile(rf"(?:{'|'.join(each.word for each in PROMPTS)})\b\s*")
_SPOKEN = re.compile(rf"(?:{'|'.join(each.word for each in PROMPTS if each.language)}) ({'|'.join(LANGUAGES)})\b")
_ANSWER = re.compile(rf"answer (?:{'|'.join(LANGUAGES)}) ")
_TAUGHT = ("caption", "detect ", "segment ")  # word for word, in the field of a question
_ASKED = re.compile(
    rf"how many (?P<many>.+) are there\?|is there an? (?:(?:{'|'.join(COLOURS)}) )?(?P<there>.+)\?"
    r"|what colour is the (?P<coloured>.+)\?|what is (?:left of|right of|above|below) the (?P<beside>.+)\?"
)
"""As scenes.language asks in training."""


def beyond(form: Form, *, drawn: bool) -> list[str]:
    """Sentences on what of `form` is beyond the bundled model; none for other models. drawn: the picture is a scene."""
    if form.model != BUNDLED:
        return []
    said = [] if drawn else [SCENES_ONLY]
    text = " ".join(form.text.lower().split())
    if (spoken := _SPOKEN.match(text)) and spoken[1] != "en":
        said.append(f"{BUNDLED} answers in English only.")
    if form.task in (Task.DETECT, Task.SEGMENT):
        labels = form.labels or split_labels(_FIRST.sub("", text, count=1))  # of a prompt word for word
        said += [*_strange(labels), *_plural(labels)]
    elif form.task is Task.ASK and (question := _ANSWER.sub("", text, count=1)) and not question.startswith(_TAUGHT):
        said += _untaught(question)
    return said


def _strange(labels: Sequence[str]) -> list[str]:
    strange = [f"“{label[:40]}”" for label in labels if not _NAMES.intersection(re.findall(r"\w+", label.lower()))]
    known = f"It knows: {', '.join(KINDS)}."
    return [f"{BUNDLED} has no word for {' or '.join(strange[:3])}. {known}"] if strange else []


def _plural(labels: Sequence[str]) -> list[str]:
    words = dict.fromkeys(word for label in labels for word in re.findall(r"\w+", label.lower()) if word in _SINGLE)
    better = [f"“{_SINGLE[word]}” rather than “{word}”" for word in words]
    return [f"{BUNDLED} was taught to look for things by the singular: name {', '.join(better[:3])}."] if better else []


def _untaught(question: str) -> list[str]:
    asked = _ASKED.fullmatch(question)
    if asked is None:
        return [QUESTIONS_ONLY]
    ((how, thing),) = ((how, thing) for how, thing in asked.groupdict().items() if thing)
    names = {kind.plural for kind in KINDS.values()} if how == "many" else KINDS.keys()
    return [] if thing in names else _strange([thing]) or [QUESTIONS_ONLY]
