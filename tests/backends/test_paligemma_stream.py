"""Answers as they grow: words word by word, boxes as they close; the last one is what predict gives."""

from __future__ import annotations

import threading

import pytest
from PIL import Image

from backends.paligemma import PaliGemma
from backends.paligemma_load import Checkpoint
from backends.paligemma_reading import settled
from grounding.errors import RequestError, Stopped
from grounding.images import load
from grounding.types import Request, Result, Task
from tests.backends.conftest import Model

PICTURE = load(Image.new("RGB", (400, 300), "navy"))


def ask(task: Task, text: str = "", *labels: str) -> Request:
    return Request(task, (PICTURE,), text, labels)


class Held:
    """Steps the model token by token: the stream is read after each, so nothing grows unseen."""

    def __init__(self, model: Model) -> None:
        self._turn = threading.Semaphore(1)
        model.fails = self._wait

    def _wait(self, call: int) -> None:
        assert self._turn.acquire(timeout=60)

    def go_on(self) -> None:
        self._turn.release()


def seen(backend: PaliGemma, held: Held, request: Request) -> list[Result]:
    results = []
    for result in backend.stream(request):
        results.append(result)
        held.go_on()
    return results


def test_words_come_one_by_one(watched: Checkpoint, model: Model) -> None:
    backend, held = PaliGemma(watched), Held(model)
    results = seen(backend, held, ask(Task.CAPTION))
    assert [(each.text, each.done) for each in results] == [
        ("a", False),
        ("a cat", False),
        ("a cat on", False),
        ("a cat on grass", False),
        ("a cat on grass", True),
    ]


@pytest.mark.parametrize(
    ("request_", "counts"),
    [
        pytest.param(ask(Task.DETECT, "", "cat"), [1, 2], id="two boxes of one prompt"),
        pytest.param(ask(Task.DETECT, "", "dog", "cat"), [1, 2], id="of two prompts"),
        pytest.param(ask(Task.SEGMENT, "", "cat"), [1], id="a mask"),
        pytest.param(ask(Task.DETECT, "", "dog"), [0], id="nothing"),
    ],
)
def test_boxes_come_as_they_close_and_the_last_result_is_whole(
    checkpoint: Checkpoint, request_: Request, counts: list[int]
) -> None:
    backend = PaliGemma(checkpoint)
    whole = backend.predict(request_)
    results = list(backend.stream(request_))
    assert [each.done for each in results] == [False] * (len(results) - 1) + [True]
    shown = [len(each.detections) for each in results]
    assert shown == sorted(shown)
    assert set(shown) <= {*counts, len(whole.detections)}
    last = results[-1]
    assert (last.outcome, last.notes, last.raw) == (whole.outcome, whole.notes, whole.raw)
    assert [(d.id, d.label, d.box, d.mask_tokens) for d in last.detections] == [
        (d.id, d.label, d.box, d.mask_tokens) for d in whole.detections
    ]
    assert [d.mask is None for d in last.detections] == [d.mask is None for d in whole.detections]


def test_a_stream_that_is_closed_leaves_the_line(watched: Checkpoint, model: Model) -> None:
    backend = PaliGemma(watched)
    stream = backend.stream(ask(Task.SEGMENT, "", "cat"))
    caption = backend.stream(ask(Task.CAPTION))
    assert next(caption).text.startswith("a")
    caption.close()
    stream.close()
    assert backend.predict(ask(Task.CAPTION)).text == "a cat on grass"


def test_a_stream_stops(checkpoint: Checkpoint) -> None:
    backend, stop = PaliGemma(checkpoint), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        next(backend.stream(ask(Task.CAPTION), stop))


def test_what_cannot_be_asked_is_refused_at_the_first_step(checkpoint: Checkpoint) -> None:
    with pytest.raises(RequestError):
        next(PaliGemma(checkpoint).stream(ask(Task.ASK)))


BOX = "<loc0001><loc0002><loc0003><loc0004>"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("", "", id="nothing yet"),
        pytest.param(BOX[:18], "", id="in the box"),
        pytest.param(f"{BOX} cat", "", id="the name may go on"),
        pytest.param(f"{BOX} cat ;", f"{BOX} cat ;", id="closed"),
        pytest.param(f"{BOX} cat ; {BOX} d", f"{BOX} cat ; ", id="in the second name"),
        pytest.param(f"{BOX} cat {BOX[:9]}", f"{BOX} cat ", id="closed by the next box"),
        pytest.param("two cats", "", id="words"),
    ],
)
def test_only_what_can_change_no_more_is_shown(text: str, part: str) -> None:
    assert settled(text) == part
