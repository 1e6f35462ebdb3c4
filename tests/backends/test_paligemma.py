"""The PaliGemma backend by real inference of a tiny checkpoint."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
from PIL import Image

from backends import SPECS, paligemma_load
from backends.paligemma import PaliGemma, open_backend
from backends.paligemma_batching import Job
from backends.paligemma_generate import Engine, generate
from backends.paligemma_load import Checkpoint
from backends.paligemma_names import BUNDLED
from backends.paligemma_voice import Answer, Row
from grounding.codecs.mask_tokens import MaskCodec
from grounding.errors import BackendError, RequestError, Stopped
from grounding.images import load
from grounding.settings import Settings
from grounding.types import Box, NoteKind, Outcome, Request, Task
from tests.backends.asking import PICTURE, ask, boxes

NOISE = load(Image.effect_noise((90, 60), 90))
CATS = [Box(200 / 1024, 100 / 1024, 400 / 1024, 300 / 1024), Box(600 / 1024, 500 / 1024, 800 / 1024, 700 / 1024)]


@pytest.fixture(scope="session")
def tiny(folder: Path) -> PaliGemma:
    return PaliGemma(paligemma_load.load(str(folder), None))


def test_a_caption_is_what_the_model_said(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.CAPTION))
    assert (result.outcome, result.text, result.raw) == (Outcome.FOUND, "a cat on grass", "a cat on grass")
    assert result.detections == result.notes == ()
    assert result.origin
    assert result.origin.prompt == "caption en"


def test_a_question_is_answered(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.ASK, text="how many cats ?"))
    assert (result.outcome, result.text) == (Outcome.FOUND, "two")
    assert result.usage
    assert result.usage.seconds > 0
    assert (result.usage.image_tokens, result.usage.answer_tokens) == (4, 2)
    assert result.usage.prompt_tokens == 4 + len(["<bos>", "answer", "en", "how", "many", "cats", "?", "\\n"])


def test_objects_are_detected_with_their_scores(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "cat"))
    assert result.outcome is Outcome.FOUND
    assert [(d.id, d.label, d.box) for d in result.detections] == [(0, "cat", CATS[0]), (1, "cat", CATS[1])]
    assert all(d.score is not None and 0.8 < d.score <= 1 for d in result.detections)
    assert result.detections[0].origin
    assert result.detections[0].origin.prompt == "detect cat"
    assert result.detections[0].origin.parameters == {"max_output_tokens": 384, "temperature": 0.0}


def test_nothing_said_is_nothing_found(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "dog"))
    assert (result.outcome, result.detections, result.notes, result.raw) == (Outcome.NONE, (), (), "")


def test_several_things_are_asked_one_by_one_and_answered_in_order(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "cat", "dog", "red car", "Cat"))
    assert result.outcome is Outcome.FOUND
    assert [d.label for d in result.detections] == ["cat", "cat", "red car"]
    assert boxes(result)[:2] == CATS
    assert [d.id for d in result.detections] == [0, 1, 2]
    assert result.detections[2].origin
    assert result.detections[2].origin.prompt == "detect red car"
    assert result.usage
    assert result.usage.image_tokens == 12
    assert result.raw.split("\n")[2:4] == ["detect dog", ""]


def test_more_prompts_than_fit_at_once_are_all_answered(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, *(f"thing{i}" for i in range(9)), "red car"))
    assert "red car" in [d.label for d in result.detections]
    assert result.usage
    assert result.usage.image_tokens == 40


def test_words_where_places_were_asked_for_are_unrecognised_and_noted(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "house"))
    assert (result.outcome, result.detections) == (Outcome.UNRECOGNISED, ())
    assert [note.kind for note in result.notes] == [NoteKind.SKIPPED]
    mixed = tiny.predict(ask(Task.DETECT, "house", "cat"))
    assert (mixed.outcome, boxes(mixed)) == (Outcome.REPAIRED, CATS)
    assert mixed.notes[0].detail.startswith("detect house: ")


def test_one_thing_said_twice_is_shown_once_and_noted(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "grass"))
    assert (result.outcome, len(result.detections)) == (Outcome.FOUND, 1)
    assert [note.kind for note in result.notes] == [NoteKind.MODEL]


def test_places_asked_for_in_a_question_are_given_as_places(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.ASK, text="detect cat"))
    assert (result.outcome, boxes(result)) == (Outcome.FOUND, CATS)


def test_objects_are_cut_out_with_the_codebook_beside_the_checkpoint(tiny: PaliGemma, folder: Path) -> None:
    result = tiny.predict(ask(Task.SEGMENT, "cat"))
    (cat,) = result.detections
    assert (result.outcome, result.notes, cat.box, cat.mask_tokens) == (Outcome.FOUND, (), CATS[0], tuple(range(16)))
    assert cat.mask
    assert cat.mask.frame == CATS[0]
    expected = MaskCodec.load(folder / "vae-oid.npz").decode(np.arange(16)[None])[0]
    assert np.allclose(cat.mask.probs, expected, atol=1e-4)


def test_without_a_codebook_boxes_and_tokens_are_kept_and_the_reason_is_noted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "vae-oid.npz").unlink()
    backend = PaliGemma(paligemma_load.load(str(tmp_path / "bare"), None))
    for _ in range(2):
        result = backend.predict(ask(Task.SEGMENT, "cat"))
        (cat,) = result.detections
        assert (result.outcome, cat.mask, cat.mask_tokens) == (Outcome.FOUND, None, tuple(range(16)))
        assert [note.kind for note in result.notes] == [NoteKind.MODEL]
        assert "without masks" in result.notes[0].detail


@pytest.mark.parametrize(
    ("request_", "kept"),
    [
        pytest.param(ask(Task.CAPTION, max_output_tokens=2), "a cat", id="caption"),
        pytest.param(ask(Task.DETECT, "cat", max_output_tokens=7), CATS[:1], id="in the second box"),
        pytest.param(ask(Task.DETECT, "cat", max_output_tokens=3), [], id="in the first box"),
        pytest.param(ask(Task.SEGMENT, "cat", max_output_tokens=12), CATS[:1], id="in the mask"),
    ],
)
def test_an_answer_that_meets_its_budget_is_truncated_and_says_at_what(
    tiny: PaliGemma, request_: Request, kept: object
) -> None:
    result = tiny.predict(request_)
    assert result.outcome is Outcome.TRUNCATED
    assert (result.text or boxes(result)) == kept
    assert [note.kind for note in result.notes if note.kind is not NoteKind.MODEL] == [NoteKind.CUT]
    assert f"{request_.options.max_output_tokens} tokens" in result.notes[0].detail


class SetAfter(threading.Event):
    """Reads as set from the given look on: a person who presses Stop while the model is at work."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("looks", [0, 1, 3, 8])
def test_stop_is_heeded_before_and_between_tokens(tiny: PaliGemma, looks: int) -> None:
    stop = SetAfter(looks)
    with pytest.raises(Stopped):
        tiny.predict(ask(Task.SEGMENT, "cat"), stop)
    assert stop.looks > -4, "it went on after Stop"
    assert tiny.predict(ask(Task.CAPTION)).text == "a cat on grass"


def test_several_threads_get_the_answers_that_one_gets(tiny: PaliGemma) -> None:
    asked = [ask(Task.CAPTION), ask(Task.DETECT, "cat"), ask(Task.DETECT, "red car", "cat")] * 2
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(tiny.predict, asked))
    assert [answer.raw for answer in answers] == [tiny.predict(one).raw for one in asked]


def test_a_closed_backend_says_what_to_do(folder: Path) -> None:
    backend = open_backend(str(folder), Settings(), "")
    backend.close()
    with pytest.raises(BackendError, match="Ask again"):
        backend.predict(ask(Task.CAPTION))


class ClosesAfter(SetAfter):
    """Is never set; closes the backend once, at the given look: another person loads another model meanwhile."""

    def __init__(self, looks: int, backend: PaliGemma) -> None:
        super().__init__(looks)
        self.backend = backend
        self.closing = threading.Lock()

    def is_set(self) -> bool:
        if super().is_set() and self.closing.acquire(blocking=False):  # of the two threads that look, the first
            self.backend.close()
        return False


def test_who_has_a_place_in_the_line_is_answered_though_the_backend_is_closed_at_that_moment(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = PaliGemma(checkpoint)
    submit = backend._batcher.submit

    def close_behind(rows: list[Row], stop: threading.Event | None) -> Job:
        job = submit(rows, stop)
        backend.close()
        return job

    monkeypatch.setattr(backend._batcher, "submit", close_behind)
    assert backend.predict(ask(Task.CAPTION)).text == "a cat on grass"


@pytest.mark.parametrize("warm", [pytest.param(True, id="masks read before"), pytest.param(False, id="not yet")])
@pytest.mark.parametrize("looks", [1, 5])
def test_an_answer_under_way_is_whole_though_the_backend_is_closed(folder: Path, warm: bool, looks: int) -> None:
    backend = PaliGemma(paligemma_load.load(str(folder), None))
    if warm:
        backend.predict(ask(Task.SEGMENT, "cat"))
    result = backend.predict(ask(Task.SEGMENT, "cat"), ClosesAfter(looks, backend))
    assert (result.outcome, result.notes, boxes(result)) == (Outcome.FOUND, (), CATS[:1])
    assert result.detections[0].mask
    with pytest.raises(BackendError, match="Ask again"):
        backend.predict(ask(Task.SEGMENT, "cat"))


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(Task.CAPTION, ()), id="no picture"),
        pytest.param(Request(Task.CAPTION, (PICTURE, PICTURE)), id="two pictures"),
        pytest.param(ask(Task.DETECT), id="nothing to look for"),
        pytest.param(ask(Task.DETECT, "", " "), id="empty labels"),
        pytest.param(ask(Task.ASK), id="no question"),
    ],
)
def test_what_cannot_be_asked_is_refused(tiny: PaliGemma, request_: Request) -> None:
    with pytest.raises(RequestError):
        tiny.predict(request_)


@pytest.mark.parametrize(
    "text", ["<image> <image>", "<loc0001><seg001><eos>", "\0\ud800", "?" * 1500, "猫はどこですか"]
)
def test_no_question_breaks_the_model(tiny: PaliGemma, text: str) -> None:
    assert tiny.predict(ask(Task.CAPTION, text=f"x {text}")).outcome in (Outcome.FOUND, Outcome.NONE, Outcome.TRUNCATED)


def test_it_has_no_filter_and_says_so(tiny: PaliGemma) -> None:
    can = tiny.capabilities
    assert (can.harms, can.scores, can.max_images, set(can.tasks)) == (frozenset(), True, 1, set(Task))
    assert "no safety filter" in can.no_safety


@pytest.mark.parametrize("text", ["gemma", "gemma2"])
def test_prompts_answered_together_get_the_answers_they_get_alone(untaught: Callable[[str], Path], text: str) -> None:
    checkpoint = paligemma_load.load(str(untaught(text)), None)
    asked = ["detect cat", "caption en", "answer en how many cats ? how many cats ?"]
    rows = [Row(NOISE, prompt, 12) for prompt in asked]
    together = generate(Engine(checkpoint), rows)
    alone = [generate(Engine(checkpoint), [row])[0] for row in rows]
    assert [a.text for a in together] == [a.text for a in alone]
    assert [a.prompt_tokens for a in together] == [a.prompt_tokens for a in alone]
    assert len({a.log_probs for a in together}) == 3
    for a, b in zip(together, alone, strict=True):
        assert np.allclose(a.log_probs, b.log_probs, atol=1e-4)


def test_the_answer_and_its_probabilities_are_those_of_transformers_itself(folder: Path) -> None:
    import torch

    checkpoint = paligemma_load.load(str(folder), None)
    inputs = checkpoint.processor(images=NOISE.image, text="<image>detect car cat", return_tensors="pt")
    inputs.pop("labels", None)
    plain = checkpoint.model.generate(
        **inputs, max_new_tokens=10, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    new = plain.sequences[0, inputs["input_ids"].shape[1] :]
    chances = [torch.log_softmax(step[0], -1)[token].item() for step, token in zip(plain.logits, new, strict=True)]
    (answer,) = generate(Engine(checkpoint), [Row(NOISE, "detect car cat", 10)])
    assert answer.text == checkpoint.processor.decode(new, skip_special_tokens=True)
    assert answer.text
    assert np.allclose(answer.log_probs, chances[: len(answer.log_probs)], atol=1e-4)


def test_with_a_temperature_answers_vary(tiny: PaliGemma) -> None:
    said = {tiny.predict(ask(Task.CAPTION, temperature=50.0, max_output_tokens=6)).raw for _ in range(3)}
    assert len(said) > 1


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        pytest.param((5, 8), 0.25, id="one token"),
        pytest.param((5, 12), 0.5, id="two tokens: geometric mean"),
        pytest.param((6, 7), 0.25, id="inside a token"),
        pytest.param((0, 12), (0.5 * 0.25 * 1) ** (1 / 3), id="all"),
        pytest.param((5, 5), None, id="nothing"),
        pytest.param((12, 20), None, id="beyond"),
    ],
)
def test_a_score_is_the_geometric_mean_over_the_tokens_of_the_words(
    span: tuple[int, int], expected: float | None
) -> None:
    answer = Answer("<loc>red car", (5, 8, 12), tuple(math.log(p) for p in (0.5, 0.25, 1.0)), False, 0, 0, 3)
    assert answer.probability(*span) == (None if expected is None else pytest.approx(expected))


def test_the_first_model_the_page_offers_is_the_bundled_one() -> None:
    assert SPECS["paligemma"].models[0] in BUNDLED
