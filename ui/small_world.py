"""What the bundled model was not taught, said before it is asked: it would answer all the same."""

from __future__ import annotations

import re

from grounding.codecs.paligemma_prompts import LANGUAGES, PROMPTS
from grounding.labels import split_labels
from grounding.types import Task
from scenes import KINDS
from ui.form import Form

BUNDLED = "pinpoint-nano"
SCENES_ONLY = (
    f"{BUNDLED} knows only drawn scenes like the examples; about other pictures it mostly guesses. "
    "For photographs choose Gemini with your own key, or a large PaliGemma checkpoint, under Model."
)
_NAMES = {name for kind in KINDS.values() for name in (kind.name, kind.plural)}
_FIRST = re.compile(rf"(?:{'|'.join(each.word for each in PROMPTS)})\b\s*")
_SPOKEN = re.compile(rf"(?:{'|'.join(each.word for each in PROMPTS if each.language)}) ({'|'.join(LANGUAGES)})\b")


def beyond(form: Form, *, drawn: bool) -> list[str]:
    """Sentences on what of `form` is beyond the bundled model; none for other models. drawn: the picture is a scene."""
    if form.model != BUNDLED:
        return []
    said = [] if drawn else [SCENES_ONLY]
    if (spoken := _SPOKEN.match(form.text.lower())) and spoken[1] != "en":
        said.append(f"{BUNDLED} answers in English only.")
    if form.task in (Task.DETECT, Task.SEGMENT):
        labels = form.labels or split_labels(_FIRST.sub("", form.text.lower(), count=1))  # of a prompt word for word
        strange = [f"“{label[:40]}”" for label in labels if not _NAMES.intersection(re.findall(r"\w+", label.lower()))]
        if strange:
            said.append(f"{BUNDLED} has no word for {' or '.join(strange[:3])}. It knows: {', '.join(KINDS)}.")
    return said
