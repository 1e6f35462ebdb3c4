"""Recorded replies answer like a model, each by its own codec."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PIL import Image

from backends import SPECS
from backends.replay import Replay, open_backend
from grounding.errors import BackendError, ConfigError, RequestError, Stopped
from grounding.images import Picture
from grounding.settings import Settings
from grounding.types import Outcome, Request, Result, Task

FOLDER = "tests/fixtures/replies"


def opened(folder: Path | str = FOLDER) -> Replay:
    return open_backend(str(folder), Settings(), "")


def ask(task: Task, name: str = "any.jpg", folder: Path | str = FOLDER) -> Result:
    picture = Picture(Image.new("RGB", (8, 8)), name)
    return opened(folder).predict(Request(task, (picture,), "what?", ("cat",)))


def test_a_picture_without_a_reply_of_its_own_gets_the_common_one() -> None:
    result = ask(Task.DETECT)
    assert [(each.id, each.label) for each in result.detections] == [(0, "cat"), (1, "dog")]
    assert result.outcome is Outcome.FOUND


def test_a_picture_with_a_reply_of_its_own_gets_that_one() -> None:
    result = ask(Task.DETECT, "street.png")
    assert [each.label for each in result.detections] == ["car", "bus"]
    assert result.detections[0].box == pytest.approx((204 / 1024, 102 / 1024, 614 / 1024, 512 / 1024))


def test_masks_and_mask_tokens_come_through() -> None:
    (ring,) = ask(Task.SEGMENT).detections
    assert ring.mask is not None
    assert ring.mask.probs.shape == (16, 16)
    (car,) = ask(Task.SEGMENT, "street.png").detections
    assert car.mask_tokens == tuple(index * 7 % 128 for index in range(16))


@pytest.mark.parametrize(("name", "text"), [("any", "A cat and a dog on a lawn."), ("street", "a car beside a bus")])
def test_words_come_without_control_tokens(name: str, text: str) -> None:
    assert ask(Task.CAPTION, name).text == text


def test_an_empty_reply_is_no_answer_in_words(tmp_path: Path) -> None:
    (tmp_path / "ask.gemini.txt").write_text("")
    assert ask(Task.ASK, folder=tmp_path).outcome is Outcome.NONE


@pytest.mark.parametrize("task", [Task.CAPTION, Task.ASK])
@pytest.mark.parametrize("text", ["Segment of an orange on a plate", "Detect and avoid\nSlow down"])
def test_words_that_read_like_a_prompt_are_kept(tmp_path: Path, task: Task, text: str) -> None:
    (tmp_path / f"{task}.paligemma.txt").write_text(text)
    result = ask(task, folder=tmp_path)
    assert (result.outcome, result.text) == (Outcome.FOUND, text)


def test_a_missing_reply_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no recorded answer"):
        ask(Task.CAPTION, folder=tmp_path)


@pytest.mark.parametrize("name", ["../secret.png", "a/b.png", "..", "", "street\0.png", "*.png"])
def test_a_pictures_name_leads_nowhere_else(name: str) -> None:
    assert ask(Task.CAPTION, name).text == "A cat and a dog on a lawn."


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        opened("no/such/folder")


@pytest.mark.parametrize("model", ["", " "])
def test_without_a_folder_it_says_what_to_give(model: str) -> None:
    with pytest.raises(ConfigError, match="PINPOINT_MODEL"):
        opened(model)


def test_no_folder_is_offered_of_itself() -> None:
    assert SPECS["replay"].models == ()


def test_two_pictures_and_a_stop_are_refused() -> None:
    picture = Picture(Image.new("RGB", (8, 8)))
    with pytest.raises(RequestError):
        opened().predict(Request(Task.CAPTION, (picture, picture)))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        opened().predict(Request(Task.CAPTION, (picture,)), stop)
