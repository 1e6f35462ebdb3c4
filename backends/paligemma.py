"""PaliGemma on this machine: the bundled checkpoint, any folder with one, or any on the Hugging Face Hub.

A detection's score is the geometric mean of the probabilities the model gave the tokens of its label, None where it
said no label. Where one thing is asked for its label is nearly given, so most scores are close to 1. Whether location
tokens would rank better, and how often a score of 0.9 is right, is not known.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath

from backends import SPECS, paligemma_load
from backends.paligemma_generate import Answer, generate
from backends.paligemma_load import Checkpoint
from grounding.backend import Backend, Capabilities
from grounding.codecs.mask_tokens import MaskCodec, with_masks
from grounding.codecs.paligemma import Spot, answer_text, decode, encode_prefix, outcome_of
from grounding.errors import BackendError, GroundingError, RequestError, Stopped
from grounding.geometry import nms
from grounding.settings import Settings
from grounding.types import Detection, Note, NoteKind, Origin, Outcome, Request, Result, Task, Usage

CLASSES_PER_CALL = (("mix", 8),)
"""How many things to ask a checkpoint for in one detect prompt, by a word in its name; 1 for all others.

Measured by segis95/paligemma2-detection on COCO: 3b-mix-448 reaches mAP .10 with 1, .21 with 8, .13 with 80; the pt
checkpoints are best with 1. To segment, one at a time: asked for several, mix checkpoints answer one, unnamed.
"""

MAX_TOKENS = {Task.CAPTION: 192, Task.ASK: 96, Task.DETECT: 384, Task.SEGMENT: 640}
"""Token budgets: a box with a label takes about 8 tokens, with a mask 24."""

ROWS = 8  # prompts answered at once
REPEAT_IOU = 0.7
"""Boxes of one label that overlap more than this are one thing said twice. Things that stand close overlap less."""

_MASKS_RETRY_S = 60.0  # after the codebook could not be fetched


def open_backend(model: str, settings: Settings, api_key: str) -> Backend:
    """The checkpoint `model`, loaded; `api_key` is not used. Raises ModelLoad with what to do where it cannot be."""
    return PaliGemma(paligemma_load.load(model, settings.hf_token), settings.hf_token)


def classes_per_call(model: str) -> int:
    name = PurePath(model).name.lower()
    return next((count for word, count in CLASSES_PER_CALL if word in name), 1)


def prefixes(request: Request, per_call: int) -> list[str]:
    """The prompts that together ask `request`, each for at most `per_call` things."""
    if request.task not in (Task.DETECT, Task.SEGMENT) or not request.labels:
        return [encode_prefix(request)]
    once: dict[str, str] = {}
    for label in filter(str.strip, request.labels):
        once.setdefault(label.strip().casefold(), label)
    labels = list(once.values())
    size = per_call if request.task is Task.DETECT else 1
    chunks = [tuple(labels[i : i + size]) for i in range(0, len(labels), size)]
    return [encode_prefix(replace(request, labels=chunk)) for chunk in chunks or [()]]


@dataclass(frozen=True)
class _Said:
    """One prompt's answer; `origin` says what was asked, of whom and how."""

    origin: Origin
    answer: Answer


class PaliGemma:
    """One loaded checkpoint. Requests from several threads wait for each other: memory is for one at a time."""

    def __init__(self, checkpoint: Checkpoint, hf_token: str | None = None) -> None:
        self._checkpoint: Checkpoint | None = checkpoint
        self._model = checkpoint.name
        self._hf_token = hf_token
        self._turn = threading.Lock()
        self._masks: MaskCodec | None = None
        self._masks_asked = -_MASKS_RETRY_S

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return SPECS["paligemma"].capabilities

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        if len(request.images) != 1:
            raise RequestError("PaliGemma looks at one picture at a time. Give it one.")
        asked = prefixes(request, classes_per_call(self._model))
        with self._my_turn(stop) as checkpoint:
            started = time.perf_counter()
            said: list[_Said] = []
            for first in range(0, len(asked), ROWS):
                said += self._ask(checkpoint, request, asked[first : first + ROWS], stop)
            result = self._in_words(said[0]) if _is_words(request, said) else self._in_places(checkpoint, said)
            seconds = time.perf_counter() - started
        return replace(result, usage=_usage(said, seconds), raw=_raw(said))

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        yield self.predict(request, stop)

    def close(self) -> None:
        self._checkpoint = None  # whoever is being answered holds on to it until then
        _free_gpu_memory()

    @contextmanager
    def _my_turn(self, stop: threading.Event | None) -> Iterator[Checkpoint]:
        while not self._turn.acquire(timeout=0.1):
            _raise_if(stop)
        try:
            _raise_if(stop)
            if self._checkpoint is None:
                raise BackendError("This model was put away to make room for another. Ask again to load it.")
            yield self._checkpoint
        finally:
            self._turn.release()

    def _ask(
        self, checkpoint: Checkpoint, request: Request, asked: Sequence[str], stop: threading.Event | None
    ) -> list[_Said]:
        max_tokens = request.options.max_output_tokens or MAX_TOKENS[request.task]
        temperature = request.options.temperature or 0.0
        image = request.images[0].image
        try:
            answers = generate(checkpoint, image, asked, max_tokens=max_tokens, temperature=temperature, stop=stop)
        except (MemoryError, RuntimeError) as error:
            if not paligemma_load.is_out_of_memory(error):
                raise
            _free_gpu_memory()
            raise BackendError("Memory ran out while the model was answering. Choose a smaller model.") from error
        _raise_if(stop)
        parameters = {"max_output_tokens": max_tokens, "temperature": temperature}
        origins = [Origin("paligemma", self._model, prefix, parameters) for prefix in asked]
        return [_Said(origin, answer) for origin, answer in zip(origins, answers, strict=True)]

    def _in_words(self, one: _Said) -> Result:
        text = answer_text(one.answer.text, prompt=one.origin.prompt)
        if one.answer.cut:
            note = Note(NoteKind.CUT, f"The answer was cut at {one.answer.answer_tokens} tokens.")
            return Result(Outcome.TRUNCATED, text, notes=(note,), origin=one.origin)
        return Result(Outcome.FOUND if text else Outcome.NONE, text, origin=one.origin)

    def _in_places(self, checkpoint: Checkpoint, said: Sequence[_Said]) -> Result:
        found: list[Detection] = []
        notes: list[Note] = []
        for one in said:
            decoded = decode(
                one.answer.text, prompt=one.origin.prompt, cut=one.answer.cut, score_of=_scores(one.answer)
            )
            found += [replace(detection, origin=one.origin) for detection in decoded.detections]
            notes += [_told(note, one, several=len(said) > 1) for note in decoded.notes]
        outcome = outcome_of(found, notes, empty=not any(one.answer.text.strip() for one in said))

        kept = nms(found, REPEAT_IOU)
        if len(kept) < len(found):
            merged = len(found) - len(kept)
            notes.append(Note(NoteKind.MODEL, f"{merged} said again in nearly the same place, shown once."))
        numbered = [replace(detection, id=place) for place, detection in enumerate(kept)]
        masked, more = self._with_masks(checkpoint, numbered)
        origin = replace(said[0].origin, prompt="\n".join(one.origin.prompt for one in said))
        return Result(outcome, "", tuple(masked), (*notes, *more), origin=origin)

    def _with_masks(self, checkpoint: Checkpoint, found: list[Detection]) -> tuple[list[Detection], list[Note]]:
        if not any(detection.mask_tokens for detection in found):
            return found, []
        masks = self._masks
        if masks is None:
            if time.monotonic() - self._masks_asked < _MASKS_RETRY_S:
                return found, [Note(NoteKind.MODEL, "Boxes come without masks: the mask codebook could not be had.")]
            self._masks_asked = time.monotonic()
            try:
                masks = self._masks = paligemma_load.mask_codec(checkpoint, self._hf_token)
            except GroundingError as error:
                return found, [Note(NoteKind.MODEL, f"Boxes come without masks. {error}")]
        return with_masks(found, masks.decode), []


def _is_words(request: Request, said: Sequence[_Said]) -> bool:
    """Whether to read the answer as a sentence: always where places were not asked for and none are named."""
    return request.task in (Task.CAPTION, Task.ASK) and "<loc" not in said[0].answer.text


def _scores(answer: Answer) -> Callable[[Spot], float | None]:
    def score_of(spot: Spot) -> float | None:
        return answer.probability(*spot.label) if spot.label else None

    return score_of


def _told(note: Note, one: _Said, *, several: bool) -> Note:
    """The note, with the budget that cut the answer and, where there were several, the prompt it is about."""
    budget = (
        f" It was stopped at {one.answer.answer_tokens} tokens." if note.kind is NoteKind.CUT and one.answer.cut else ""
    )
    about = f"{one.origin.prompt[:40]}: " if several else ""
    return replace(note, detail=about + note.detail + budget)


def _raw(said: Sequence[_Said]) -> str:
    """The answer as it was given; of several, each under its prompt."""
    if len(said) == 1:
        return said[0].answer.text
    return "\n".join(f"{one.origin.prompt}\n{one.answer.text}" for one in said)


def _usage(said: Sequence[_Said], seconds: float) -> Usage:
    answers = [one.answer for one in said]
    return Usage(
        seconds,
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        image_tokens=sum(answer.image_tokens for answer in answers),
        answer_tokens=sum(answer.answer_tokens for answer in answers),
    )


def _raise_if(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped


def _free_gpu_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
