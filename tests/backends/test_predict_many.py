"""Requests given together: one batch where the backend can, one after another where it cannot, each with its result."""

from __future__ import annotations

import threading

import pytest

import backends
from backends.paligemma import PaliGemma
from backends.paligemma_load import Checkpoint
from grounding.backend import Capabilities
from grounding.errors import GroundingError, RequestError, Stopped
from grounding.types import Outcome, Request, Result, Task
from tests.backends.asking import ask
from tests.backends.conftest import Model

CAPTION = ask(Task.CAPTION)


def test_requests_given_together_are_answered_in_order_and_in_one_batch(watched: Checkpoint, model: Model) -> None:
    backend = PaliGemma(watched)
    requests = [CAPTION, ask(Task.DETECT, "cat"), ask(Task.DETECT, "dog"), Request(Task.CAPTION, ()), CAPTION]
    results = backends.predict_many(backend, requests)
    assert [result.outcome for result in results] == [
        Outcome.FOUND,
        Outcome.FOUND,
        Outcome.NONE,
        Outcome.FAILED,
        Outcome.FOUND,
    ]
    assert [len(result.detections) for result in results] == [0, 2, 0, 0, 0]
    assert results[4].text == "a cat on grass"
    assert "one picture" in results[3].text
    assert max(model.rows) > 1
    assert results[0].usage
    assert results[0].usage.seconds > 0


def test_requests_given_together_end_with_a_stop(watched: Checkpoint) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        backends.predict_many(PaliGemma(watched), [CAPTION], stop)


class OneByOne:
    """A backend that knows nothing of batches."""

    model, capabilities = "m", Capabilities()

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        if stop is not None and stop.is_set():
            raise Stopped
        if not request.images:
            raise RequestError("There is no picture.")
        return Result(Outcome.FOUND, request.task.value)


def test_any_other_backend_is_asked_one_after_another() -> None:
    results = backends.predict_many(OneByOne(), [CAPTION, Request(Task.ASK, ()), ask(Task.DETECT, "cat")])  # type: ignore[arg-type]
    assert [(each.outcome, each.text) for each in results] == [
        (Outcome.FOUND, "caption"),
        (Outcome.FAILED, "There is no picture."),
        (Outcome.FOUND, "detect"),
    ]
    stop = threading.Event()
    stop.set()
    with pytest.raises(GroundingError):
        backends.predict_many(OneByOne(), [CAPTION], stop)  # type: ignore[arg-type]
