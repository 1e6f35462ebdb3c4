"""PaliGemma under faults and under many visitors, by real inference of a checkpoint whose model is wrapped."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from backends import Pool, paligemma_load
from backends.paligemma import PaliGemma
from backends.paligemma_batching import Trouble
from backends.paligemma_load import Checkpoint
from grounding.backend import Backend
from grounding.errors import BackendError, ModelLoad, Stopped
from grounding.images import load
from grounding.settings import Settings
from grounding.types import Request, Task
from tests.backends.conftest import Model

PICTURES = [load(Image.new("RGB", (40, 30), colour)) for colour in ("red", "navy", "firebrick")]
RIGHT = {"cat": 2, "dog": 0, "red car": 1, "grass": 1}  # boxes, see tiny_paligemma.ANSWERS

GPU_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
GPU_LOST = RuntimeError("CUDA error: device-side assert triggered")


def find(*labels: str, picture: int = 0) -> Request:
    return Request(Task.DETECT, (PICTURES[picture],), labels=labels)


def caption(picture: int = 0) -> Request:
    return Request(Task.CAPTION, (PICTURES[picture],))


def right(backend: Backend) -> int:
    """How many of 20 requests are answered as they should be."""
    asked = [label for label in RIGHT for _ in range(5)]
    return sum(len(backend.predict(find(label)).detections) == RIGHT[label] for label in asked)


def in_line(backend: PaliGemma, jobs: int) -> None:
    """Returns once so many jobs wait."""
    while len(backend._batcher._jobs) < jobs:
        time.sleep(0.01)


def at(call: int, error: BaseException) -> Callable[[int], BaseException | None]:
    return lambda now: error if now == call else None


def always(error: BaseException) -> Callable[[int], BaseException | None]:
    return lambda now: error


@pytest.mark.parametrize("error", [pytest.param(GPU_MEMORY, id="GPU"), pytest.param(MemoryError(), id="machine")])
@pytest.mark.parametrize("call", [1, 3], ids=["reading the prompts", "speaking"])
def test_memory_that_runs_out_once_costs_nobody_the_answer(
    watched: Checkpoint, model: Model, error: BaseException, call: int
) -> None:
    model.fails = at(call, error)
    backend = PaliGemma(watched)
    result = backend.predict(find(*RIGHT))
    assert [d.label for d in result.detections] == ["cat", "cat", "red car", "grass"]
    assert model.rows[0] == 4
    assert max(model.rows[call:]) == 2, "tried again with as many rows"
    assert right(backend) == 20


@pytest.mark.parametrize("error", [pytest.param(GPU_MEMORY, id="GPU"), pytest.param(MemoryError(), id="machine")])
def test_memory_that_never_suffices_is_said_and_the_next_request_works(
    watched: Checkpoint, model: Model, error: BaseException
) -> None:
    model.fails = always(error)
    backend = PaliGemma(watched)
    with pytest.raises(BackendError) as caught:
        backend.predict(find("cat"))
    assert str(caught.value) == Trouble.MEMORY.value
    assert len(model.rows) == 2, "not tried once more, or more than once"
    model.fails = lambda call: None
    assert right(backend) == 20


def test_a_lost_gpu_is_said_and_the_model_loaded_anew_once(watched: Checkpoint, model: Model) -> None:
    model.fails = at(3, GPU_LOST)
    loads: list[int] = []

    def reload() -> Checkpoint:
        loads.append(1)
        return replace(watched, model=model._model)

    backend = PaliGemma(watched, reload=reload)
    with pytest.raises(BackendError) as caught:
        backend.predict(find("cat"))
    assert str(caught.value) == Trouble.DEVICE.value
    calls = len(model.rows)
    assert right(backend) == 20
    assert len(loads) == 1
    assert len(model.rows) == calls, "the old model was asked again"


def test_a_gpu_lost_for_good_is_said_at_every_request(watched: Checkpoint, model: Model) -> None:
    model.fails = always(GPU_LOST)

    def reload() -> Checkpoint:
        raise ModelLoad("It cannot be loaded.")

    backend = PaliGemma(watched, reload=reload)
    with pytest.raises(BackendError, match="Ask again"):
        backend.predict(caption())
    for _ in range(2):
        with pytest.raises(ModelLoad, match="Restart Pinpoint"):
            backend.predict(caption())


def test_all_who_wait_are_told_of_a_lost_gpu(watched: Checkpoint, model: Model) -> None:
    backend = PaliGemma(watched, rows=1)
    model.gate.clear()
    model.fails = always(GPU_LOST)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(backend.predict, caption()) for _ in range(4)]
        assert model.arrived.wait(60)
        model.gate.set()
        assert {str(each.exception(60)) for each in asked} == {Trouble.DEVICE.value}
    assert len(model.rows) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_nobody_foresaw_leaves_nobody_waiting(watched: Checkpoint, model: Model) -> None:
    model.fails = at(2, IndexError("index 7 is out of bounds"))
    backend = PaliGemma(watched)
    with pytest.raises(BackendError) as caught:
        backend.predict(find("cat"))
    assert str(caught.value) == Trouble.UNKNOWN.value
    assert right(backend) == 20


@pytest.mark.parametrize("trouble", Trouble)
def test_each_trouble_is_told_in_a_sentence_that_says_what_to_do(trouble: Trouble) -> None:
    assert len(trouble.value) < 200
    assert "sk again" in trouble.value or "Choose" in trouble.value


def test_eight_first_requests_at_once_load_one_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    really_load = paligemma_load.load

    def count(*of: Any, **more: Any) -> Checkpoint:
        loads.append("once more")
        return really_load(*of, **more)

    monkeypatch.setattr(paligemma_load, "load", count)
    pool = Pool(Settings())
    together = threading.Barrier(8)

    def first() -> int:
        together.wait(60)
        with pool.lend("paligemma", str(folder)) as backend:
            return len(backend.predict(find("cat")).detections)

    with ThreadPoolExecutor(8) as threads:
        assert [each.result(120) for each in [threads.submit(first) for _ in range(8)]] == [2] * 8
    assert len(loads) == 1
    with pool.lend("paligemma", str(folder)) as backend:
        assert right(backend) == 20
    pool.close()


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda whole: None, id="missing"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="cut"),
        pytest.param(lambda whole: b"\0\xff rubbish", id="rubbish"),
    ],
)
def test_after_weights_that_did_not_load_the_mended_ones_do_and_answer_right(
    folder: Path, tmp_path: Path, harm: Callable[[bytes], bytes | None]
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    weights = mine / "model.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    if (harmed := harm(whole)) is not None:
        weights.write_bytes(harmed)
    pool = Pool(Settings())
    together = threading.Barrier(8)

    def first() -> None:
        together.wait(60)
        with pool.lend("paligemma", str(mine)):
            raise AssertionError("it was lent")

    with ThreadPoolExecutor(8) as threads:
        errors = [each.exception(120) for each in [threads.submit(first) for _ in range(8)]]
    assert {type(error) for error in errors} == {ModelLoad}
    weights.write_bytes(whole)
    with pool.lend("paligemma", str(mine)) as backend:
        assert right(backend) == 20
    pool.close()


def test_a_model_put_away_from_the_page_is_loaded_again_when_asked_and_answers_right(folder: Path) -> None:
    pool = Pool(Settings())
    with pool.lend("paligemma", str(folder)) as backend:
        assert not pool.unload("paligemma", str(folder)), "somebody has it"
        assert right(backend) == 20
    assert pool.unload("paligemma", str(folder))
    assert pool.opened() == ()
    assert not pool.unload("paligemma", str(folder))
    with pool.lend("paligemma", str(folder)) as again:
        assert again is not backend
        assert right(again) == 20
    pool.close()


def test_visitors_who_wait_are_answered_in_one_batch(watched: Checkpoint, model: Model) -> None:
    backend = PaliGemma(watched)
    model.gate.clear()
    with ThreadPoolExecutor(7) as threads:
        first = threads.submit(backend.predict, caption())
        assert model.arrived.wait(60)
        others = [threads.submit(backend.predict, find("cat", picture=i % 3)) for i in range(5)]
        others.append(threads.submit(backend.predict, Request(Task.ASK, (PICTURES[0],), "how many cats ?")))
        in_line(backend, 6)
        model.gate.set()
        assert first.result(60).text == "a cat on grass"
        assert [len(each.result(60).detections) for each in others[:5]] == [2] * 5
        assert others[5].result(60).text == "two"
    assert model.rows.count(6) >= 1
    assert sum(was > now for was, now in zip(model.rows, model.rows[1:], strict=False)) >= 1, "no row left the batch"


def test_many_prompts_of_one_visitor_do_not_keep_the_next_one_waiting_for_all(
    watched: Checkpoint, model: Model
) -> None:
    backend = PaliGemma(watched, rows=2)
    model.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        many = threads.submit(backend.predict, find(*(f"thing{i}" for i in range(12))))
        assert model.arrived.wait(60)
        one = threads.submit(backend.predict, caption())
        in_line(backend, 2)
        jobs = {len(job.voices): job for job in backend._batcher._jobs}
        model.gate.set()
        one.result(60), many.result(60)
    ends = {rows: max(voice.heard for voice in job.voices) for rows, job in jobs.items()}
    assert ends[1] < ends[12], "when the last token came, not when a waiting thread woke up"


def test_a_stop_takes_one_visitor_out_and_hurts_no_other(watched: Checkpoint, model: Model) -> None:
    backend = PaliGemma(watched)
    model.gate.clear()
    stop = threading.Event()
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(backend.predict, caption())
        assert model.arrived.wait(60)
        stopped = threads.submit(backend.predict, find("cat", "dog"), stop)
        other = threads.submit(backend.predict, find("cat"))
        in_line(backend, 2)
        stop.set()
        with pytest.raises(Stopped):
            stopped.result(60)  # while the model is still busy with the first
        model.gate.set()
        assert first.result(60).text == "a cat on grass"
        assert len(other.result(60).detections) == 2
    assert 3 not in model.rows


def test_a_stop_is_heeded_within_one_token(watched: Checkpoint, model: Model) -> None:
    stop = threading.Event()

    def press(call: int) -> None:
        if call == 3:
            stop.set()

    model.fails = press
    backend = PaliGemma(watched)
    with pytest.raises(Stopped):
        backend.predict(Request(Task.SEGMENT, (PICTURES[0],), labels=("cat",)), stop)
    model.fails = lambda call: None
    assert backend.predict(caption()).text == "a cat on grass"
    after_stop = len(model.rows) - len(["a", "cat", "on", "grass", "<eos>"])
    assert after_stop <= 4
