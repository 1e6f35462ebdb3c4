"""What a request will take before it is asked: which prompts, how many tokens, about how long. And what merges after.

Loads nothing: the page may plan at every keystroke. Seconds are a rule of thumb until the model has answered once on
this machine; after that they follow what its answers took. Tokens of words are counted as a tokenizer would, about.
"""

from __future__ import annotations

import math
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backends import SPECS
from backends.paligemma_family import Precision
from backends.paligemma_names import Wanted, advice, classes_per_call, member, wanted
from grounding.codecs.paligemma import encode_prefix
from grounding.documents import PAGE_PIXELS, page
from grounding.geometry import iou_matrix, nms
from grounding.tiling import parts
from grounding.types import Detection, Note, NoteKind, Request, Task

REPEAT_IOU = 0.7
"""Boxes of one label that overlap more than this are one thing said twice. Things that stand close overlap less."""

SAME_PLACE_IOU = 0.9  # two labels on one box: told, not merged, for both may be true (a cat, a pet)
WHOLE = 0.98  # of both sides of the picture: what mix checkpoints say of things that fill it, and of things not there

ROWS = SPECS["paligemma"].capabilities.at_once  # prompts answered at once

_ANSWER_TOKENS = {Task.CAPTION: 15, Task.ASK: 4}
_TOKENS_A_CLASS = {Task.DETECT: 10, Task.SEGMENT: 28}
"""About: a box with its label takes 8 tokens, with a mask 24; some classes have several things, some none."""

_LONG_ANSWERS = {"describe": 60, "ocr": 80, "question": 12}
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Machine:
    """What a device does in a second with 16-bit weights, about; `step_s` is what each token costs beside that."""

    flops: float
    bytes_read: float
    step_s: float


MACHINES = {
    "cpu": Machine(6e10, 1e10, 0.008),  # two cores, as measured with pinpoint-nano and a 145 M model
    "cuda": Machine(5e13, 4e11, 0.02),  # a mid-size card, eager; better ones are up to ten times as quick
    "mps": Machine(5e12, 1e11, 0.02),
}


@dataclass(frozen=True)
class Plan:
    """What `request` becomes. looks: 1, or with tiles the whole picture and each of its parts.

    prompts: what is asked at each look. prompt_tokens: of all calls, image_tokens of them the picture's. seconds: None
    where nothing is known of the model. measured: whether seconds follow what this model took here before.
    notes: what to know first: a pt checkpoint, a prompt it was not tuned for.
    """

    prompts: tuple[str, ...]
    looks: int
    prompt_tokens: int
    image_tokens: int
    answer_tokens: int
    seconds: float | None
    measured: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def calls(self) -> int:
        return len(self.prompts) * self.looks

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.answer_tokens

    def __str__(self) -> str:
        """For people: "10 calls, about 11,000 tokens, about 40 s"."""
        calls = "1 call" if self.calls == 1 else f"{self.calls} calls"
        looks = f" ({self.looks} looks at the picture)" if self.looks > 1 else ""
        took = "time not known" if self.seconds is None else f"about {_span(self.seconds)}"
        return f"{calls}{looks}, about {_rounded(self.tokens):,} tokens, {took}"


class Paces:
    """How long plans really took, over what was thought, by model. One for all visitors of a machine; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ratios: dict[str, float] = {}

    def learn(self, model: str, plan: Plan, seconds: float) -> None:
        """Take in what a plan took: `Usage.seconds` of its result."""
        if not plan.seconds or seconds <= 0:
            return
        with self._lock:
            before = self._ratios.get(model)
            now = seconds / plan.seconds * (before if plan.measured and before else 1)
            self._ratios[model] = now if before is None else math.sqrt(before * now)  # half the way, in ratios

    def ratio(self, model: str) -> float | None:
        with self._lock:
            return self._ratios.get(model)


def plan(request: Request, model: str, *, device: str = "", paces: Paces | None = None) -> Plan:
    """What asking `model` for `request` takes; raises RequestError where it cannot be asked.

    device: "cpu", "cuda" or "mps"; "" guesses from the machine.
    """
    prompts = tuple(prefixes(request, classes_per_call(model)))
    places = request.task in (Task.DETECT, Task.SEGMENT)
    looks = len(parts(request.options.tiles)) if request.options.tiles and places else 1
    row = member(model)
    picture = row.image_tokens if row else 0
    words = [count_tokens(prompt) + 2 for prompt in prompts]  # with <bos> and the line's end
    answers = [_answer_tokens(request, prompt) for prompt in prompts]
    seconds = None
    ratio = paces.ratio(model) if paces else None
    if row:
        machine = MACHINES[device.partition(":")[0] or _device()]
        weights = row.weights_bytes(_precision(wanted(model)))
        steps = sum(max(answers[at : at + ROWS]) for at in range(0, len(answers), ROWS))
        read = 2 * row.parameters * sum(picture + count for count in words) / machine.flops
        said = steps * (weights / machine.bytes_read + machine.step_s)
        seconds = looks * (read + said) * (ratio or 1)
    return Plan(
        prompts,
        looks,
        looks * (picture * len(prompts) + sum(words)),
        looks * picture * len(prompts),
        looks * sum(answers),
        seconds,
        ratio is not None,
        advice(model, prompts[0]),
    )


def prefixes(request: Request, per_call: int) -> list[str]:
    """The prompts that together ask `request`, each for at most `per_call` things, of even length.

    To segment, one thing a prompt: asked for several, mix checkpoints answer one, unnamed.
    """
    if request.task not in (Task.DETECT, Task.SEGMENT) or not request.labels:
        return [encode_prefix(request)]
    once: dict[str, str] = {}
    for label in filter(str.strip, request.labels):
        once.setdefault(" ".join(label.split()).casefold(), label)
    labels = list(once.values())
    calls = math.ceil(len(labels) / (per_call if request.task is Task.DETECT else 1)) or 1
    size = math.ceil(len(labels) / calls) or 1  # 9 things in two calls are 5 and 4, not 8 and 1
    chunks = [tuple(labels[at : at + size]) for at in range(0, len(labels), size)]
    return [encode_prefix(replace(request, labels=chunk)) for chunk in chunks or [()]]


def with_page(request: Request, resolution: int) -> Request:
    """`request` with the first page of its document as its picture, where it has a document and no picture.

    Drawn at twice the model's resolution: pages are taller than wide, and the model squeezes them to a square.
    """
    if request.images or len(request.documents) != 1:
        return request
    drawn = page(request.documents[0], 1, max_side=min(PAGE_PIXELS, 2 * resolution))
    return replace(request, images=(drawn,))


def page_notes(request: Request) -> tuple[Note, ...]:
    """That only the first page of a longer document was looked at."""
    pages = request.documents[0].pages if request.documents else 1
    if pages == 1:
        return ()
    return (
        Note(NoteKind.MODEL, f"Page 1 of {pages} was looked at: this model sees one page. Load another by itself."),
    )


def merged(found: Sequence[Detection]) -> tuple[tuple[Detection, ...], list[Note]]:
    """`found` without what was said again, class by class, the better score kept; and notes on what to look at twice.

    Flagged and kept: two labels on one box, and boxes of the whole picture.
    """
    kept = nms(found, REPEAT_IOU)
    notes = []
    if len(kept) < len(found):
        fewer = len(found) - len(kept)
        notes.append(Note(NoteKind.MODEL, f"{fewer} said again in nearly the same place, shown once."))
    if pairs := _one_box_two_labels(kept):
        named = ", ".join(f"“{a[:30]}” and “{b[:30]}”" for a, b in pairs[:3])
        more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
        notes.append(Note(NoteKind.MODEL, f"Two labels on the same box, both kept: {named}{more}."))
    if whole := list(dict.fromkeys(d.label for d in kept if _is_whole(d))):
        names = ", ".join(f"“{label[:30]}”" for label in whole[:5])
        notes.append(Note(NoteKind.MODEL, f"Boxes of the whole picture, which may mean “not found”: {names}."))
    return kept, notes


def _is_whole(detection: Detection) -> bool:
    return detection.box is not None and min(detection.box.width, detection.box.height) >= WHOLE


def _one_box_two_labels(found: Sequence[Detection]) -> list[tuple[str, str]]:
    boxed = [(d.label, d.box) for d in found if d.box and not _is_whole(d)]  # those have a note of their own
    overlap = iou_matrix([box for _, box in boxed], [box for _, box in boxed])
    return [
        (boxed[i][0], boxed[j][0])
        for i in range(len(boxed))
        for j in range(i + 1, len(boxed))
        if overlap[i, j] >= SAME_PLACE_IOU and boxed[i][0].casefold() != boxed[j][0].casefold()
    ]


def count_tokens(text: str) -> int:
    """About how many tokens `text` takes: a word or a mark each, long words more, other scripts one for two letters."""
    return sum(
        math.ceil(len(word) / (8 if word.isascii() else 2)) if len(word) > 1 else 1 for word in _WORD.findall(text)
    )


def _answer_tokens(request: Request, prompt: str) -> int:
    """About how many tokens the answer to `prompt` takes."""
    word = prompt.split(maxsplit=1)[0].lower()
    most = request.options.max_output_tokens or sys.maxsize
    if word in ("detect", "segment"):
        each = _TOKENS_A_CLASS[Task(word)]
        return min(most, each * (prompt.count(" ; ") + 1))
    task = request.task if request.task in _ANSWER_TOKENS else Task.CAPTION
    return min(most, _LONG_ANSWERS.get(word, _ANSWER_TOKENS[task]))


def _precision(name: Wanted) -> Precision:
    return Precision.BFLOAT16 if name.precision is Precision.AUTO else name.precision


def _device() -> str:
    """Where a model would run, as far as the system shows without asking torch."""
    if any(Path(place).exists() for place in ("/dev/nvidiactl", "/proc/driver/nvidia/version")):
        return "cuda"
    return "mps" if sys.platform == "darwin" else "cpu"


def _span(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    if seconds < 90:
        return f"{_rounded(round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _rounded(number: int) -> int:
    """To two digits: more would pretend to be known."""
    digits = max(0, len(str(abs(number))) - 2)
    return int(round(number, -digits))
