"""Answers from recorded replies, read by the same codecs: for tests, and for trying the page without a model.

The model's name is a folder (a relative one also counts from the repository's root) of text files:

    TASK.CODEC.txt            the reply to every picture, e.g. detect.gemini.txt
    PICTURE.TASK.CODEC.txt    the reply to one picture, e.g. street.detect.paligemma.txt for street.jpg

TASK is caption, ask, detect or segment; CODEC is gemini or paligemma. Replies are hand-written or recorded; the folder
says which. It does not look at the picture, and knows no labels.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from backends import SPECS
from grounding.backend import Capabilities
from grounding.codecs import gemini, paligemma
from grounding.errors import BackendError, ConfigError, RequestError, Stopped
from grounding.settings import Settings
from grounding.types import Decoded, Origin, Outcome, Request, Result, Task, Usage

_ROOT = Path(__file__).parents[1]
_DECODERS: dict[str, Callable[[str], Decoded]] = {"gemini": gemini.decode, "paligemma": paligemma.decode}
_TEXTS: dict[str, Callable[[str], str]] = {"gemini": str.strip, "paligemma": paligemma.answer_text}


def open_backend(model: str, settings: Settings, api_key: str) -> Replay:
    """The replies in folder `model`; raises ConfigError where there is no such folder."""
    del settings, api_key
    if not model.strip():
        raise ConfigError("Recorded answers need a folder. Name one as the model, or set PINPOINT_MODEL to it.")
    folder = next((each for each in (Path(model), _ROOT / model) if each.is_dir()), None)
    if folder is None:
        raise ConfigError("There is no such folder of recorded answers. Give an existing folder as the model.")
    return Replay(model, folder)


class Replay:
    def __init__(self, model: str, folder: Path) -> None:
        self._model = model
        self._folder = folder

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return SPECS["replay"].capabilities

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        """The recorded answer for the request's picture and task; raises BackendError where there is none."""
        if len(request.images) != 1:
            raise RequestError("Recorded answers are for one picture at a time.")
        if stop is not None and stop.is_set():
            raise Stopped
        started = time.monotonic()
        raw, codec = self._find(request.task, Path(request.images[0].name).stem)
        origin = Origin("replay", self._model, request.text or "; ".join(request.labels), {"codec": codec})
        if request.task in (Task.CAPTION, Task.ASK):
            text = _TEXTS[codec](raw)
            return Result(
                Outcome.FOUND if text else Outcome.NONE,
                text,
                usage=Usage(time.monotonic() - started),
                raw=raw,
                origin=origin,
            )
        decoded = _DECODERS[codec](raw)
        return Result(
            decoded.outcome,
            raw.strip() if decoded.outcome is Outcome.UNRECOGNISED else "",
            tuple(replace(each, id=index, origin=origin) for index, each in enumerate(decoded.detections)),
            decoded.notes,
            usage=Usage(time.monotonic() - started),
            raw=raw,
            origin=origin,
        )

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        yield self.predict(request, stop)

    def close(self) -> None:
        """Nothing is held open."""

    def _find(self, task: Task, stem: str) -> tuple[str, str]:
        named = [f"{stem}.{task}"] if re.fullmatch(r"[\w -]+", stem) else []
        for start in (*named, task.value):
            for codec in _DECODERS:
                file = self._folder / f"{start}.{codec}.txt"
                if file.is_file():
                    return file.read_text(encoding="utf-8", errors="replace"), codec
        raise BackendError(f"There is no recorded answer to {task} for this picture.")
