"""PaliGemma on this machine: the bundled checkpoint, any folder with one, or any on the Hugging Face Hub.

What a detection's score is: see paligemma_scores. How prompts are answered together: see paligemma_batching.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from backends import SPECS, paligemma_load
from backends.paligemma_batching import ROWS, Batcher, Job, Trouble, free_memory
from backends.paligemma_generate import Engine
from backends.paligemma_load import Checkpoint
from backends.paligemma_masks import MaskDecoder
from backends.paligemma_names import classes_per_call
from backends.paligemma_planner import prefixes, with_page
from backends.paligemma_reading import Said, read, to_show
from backends.paligemma_voice import Row
from grounding.backend import Backend, Capabilities, Report
from grounding.codecs.mask_tokens import with_masks
from grounding.errors import BackendError, GroundingError, ModelLoad, RequestError, Stopped
from grounding.settings import Settings
from grounding.tiling import answer_in_parts
from grounding.types import Detection, Note, NoteKind, Origin, Outcome, Request, Result, Task

MAX_TOKENS = {Task.CAPTION: 192, Task.ASK: 96, Task.DETECT: 384, Task.SEGMENT: 640}
"""Token budgets: a box with a label takes about 8 tokens, with a mask 24."""

_MASKS_RETRY_S = 60.0  # after the codebook could not be fetched
T = TypeVar("T")

_LOADING = threading.Lock()
"""transformers' from_pretrained is not safe in two threads at once; a lost model is loaded again beside the Pool."""


def open_backend(model: str, settings: Settings, api_key: str, report: Report | None = None) -> Backend:
    """The checkpoint `model`, loaded; `api_key` is not used. Raises ModelLoad with what to do where it cannot be."""

    def load() -> Checkpoint:
        with _LOADING:
            return paligemma_load.load(
                model, settings.hf_token, device=settings.device, precision=settings.precision, report=report
            )

    return PaliGemma(load(), settings.hf_token, reload=load)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A request in line: its job, and where each of the job's answers comes from."""

    request: Request
    job: Job
    origins: list[Origin]
    checkpoint: Checkpoint

    def said(self) -> list[Said]:
        """As far as it came."""
        answers = self.job.answers
        return [Said(origin, answer, done) for origin, (answer, done) in zip(self.origins, answers, strict=True)]


class PaliGemma:
    """One loaded checkpoint. What several threads ask is answered together."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        hf_token: str | None = None,
        *,
        reload: Callable[[], Checkpoint] | None = None,
        rows: int = ROWS,
    ) -> None:
        """reload: loads the checkpoint anew after its GPU was lost. rows: how many prompts are answered at once."""
        self._checkpoint: Checkpoint | None = checkpoint
        self._batcher = Batcher(Engine(checkpoint), rows)
        self._model = checkpoint.name
        self._resolution = int(checkpoint.processor.image_processor.size["height"])
        self._hf_token = hf_token
        self._reload = reload
        self._rows = rows
        self._lock = threading.Lock()  # held while loading
        self._masks: MaskDecoder | None = None
        self._masks_asked = -_MASKS_RETRY_S

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return SPECS["paligemma"].capabilities

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        if request.options.tiles:
            return answer_in_parts(request, partial(self.predict_many, stop=stop))
        return self._whole(self._ask(request, stop))

    def predict_many(self, requests: Sequence[Request], stop: threading.Event | None = None) -> list[Result]:
        """A Result for each request, in order, answered together; FAILED with the reason where there is no answer.

        Raises Stopped only.
        """
        with ExitStack() as leaving:
            asked: list[_Asked | Result] = []
            for each in requests:
                one: _Asked | Result
                if each.options.tiles:
                    one = _try(partial(self.predict, each, stop))
                else:
                    one = _try(partial(self._ask, each, stop))
                asked.append(one)
                if isinstance(one, _Asked):
                    leaving.callback(one.job.leave)
            return [one if isinstance(one, Result) else _try(partial(self._whole, one)) for one in asked]

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        """A word or a token at a time where words are asked for, a box or a mask at a time where places are."""
        if request.options.tiles:
            yield self.predict(request, stop)
            return
        asked = self._ask(request, stop)
        shown = ""
        for _ in asked.job.follow():
            said = asked.said()
            now = to_show(request, said)
            if now != shown and not all(one.done for one in said):
                shown = now
                yield self._read(asked, said)
        yield self._read(asked, asked.said())

    def close(self) -> None:
        """Take no more requests; those being answered are answered, and only then is the memory free."""
        self._batcher.close()
        self._checkpoint = None
        if not self._batcher.lost:
            free_memory()

    def _ask(self, request: Request, stop: threading.Event | None) -> _Asked:
        request = with_page(request, self._resolution)
        if len(request.images) != 1:
            raise RequestError("PaliGemma looks at one picture at a time. Give it one.")
        prompts = prefixes(request, classes_per_call(self._model))
        max_tokens = request.options.max_output_tokens or MAX_TOKENS[request.task]
        temperature = request.options.temperature or 0.0
        parameters = {"max_output_tokens": max_tokens, "temperature": temperature}
        origins = [Origin("paligemma", self._model, prefix, parameters) for prefix in prompts]
        rows = [Row(request.images[0], prefix, max_tokens, temperature) for prefix in prompts]
        if stop is not None and stop.is_set():
            raise Stopped
        with self._lock:
            if self._batcher.lost:
                self._load_anew()
            checkpoint = self._checkpoint  # before the place in the line: it may be put away as soon as that is taken
            job = self._batcher.submit(rows, stop)
            assert checkpoint is not None, "the batcher refuses once it is closed"
            return _Asked(request, job, origins, checkpoint)

    def _load_anew(self) -> None:
        if self._reload is None:
            raise BackendError(Trouble.DEVICE.value)
        try:
            self._checkpoint = self._reload()
        except ModelLoad as error:
            raise ModelLoad("The graphics card no longer answers. Restart Pinpoint to use it again.") from error
        self._batcher = Batcher(Engine(self._checkpoint), self._rows)
        self._masks, self._masks_asked = None, -_MASKS_RETRY_S

    def _whole(self, asked: _Asked) -> Result:
        asked.job.wait()
        return self._read(asked, asked.said())

    def _read(self, asked: _Asked, said: Sequence[Said]) -> Result:
        def masks(found: list[Detection]) -> tuple[list[Detection], list[Note]]:
            return self._with_masks(asked.checkpoint, found)

        return read(asked.request, said, masks, asked.checkpoint.calibration, asked.job.seconds)

    def _with_masks(self, checkpoint: Checkpoint, found: list[Detection]) -> tuple[list[Detection], list[Note]]:
        if not any(detection.mask_tokens for detection in found):
            return found, []
        with self._lock:
            masks = self._masks
            if masks is None:
                if time.monotonic() - self._masks_asked < _MASKS_RETRY_S:
                    return found, [
                        Note(NoteKind.MODEL, "Boxes come without masks: the mask codebook could not be had.")
                    ]
                self._masks_asked = time.monotonic()
                try:
                    masks = self._masks = MaskDecoder(
                        paligemma_load.mask_codec(checkpoint, self._hf_token), checkpoint.device
                    )
                except GroundingError as error:
                    return found, [Note(NoteKind.MODEL, f"Boxes come without masks. {error}")]
        return with_masks(found, masks.decode), []


def _try(do: Callable[[], T]) -> T | Result:
    """What `do` gives, or a failed Result where it raises anything but Stopped."""
    try:
        return do()
    except Stopped:
        raise
    except GroundingError as error:
        return Result(Outcome.FAILED, str(error))
