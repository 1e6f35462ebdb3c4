"""One contract, held by every backend in SPECS. A new backend needs one line in OPENERS, and its replies."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from backends import SPECS, Pool
from grounding.backend import Backend
from grounding.codecs import gemini as gemini_codec
from grounding.errors import RequestError, Stopped
from grounding.images import Picture
from grounding.settings import Settings
from grounding.types import Outcome, Request, Task
from tests.stand_in import Answer, Sent, StandIn, reply

REPLIES = Path(__file__).parents[1] / "fixtures/replies"


class Opened(NamedTuple):
    name: str
    backend: Backend


def open_paligemma(given: pytest.FixtureRequest, open_files: ExitStack) -> Backend:
    """Real inference, by a checkpoint small enough to be made here."""
    folder = given.getfixturevalue("folder")
    pool = Pool(Settings())
    open_files.callback(pool.close)
    return open_files.enter_context(pool.lend("paligemma", str(folder)))


def open_gemini(given: pytest.FixtureRequest, open_files: ExitStack) -> Backend:
    """The real client, answered over the loopback address by the hand-written replies."""
    service = open_files.enter_context(_Replies())
    pool = Pool(Settings(gemini_base_url=service.url))
    open_files.callback(pool.close)
    return open_files.enter_context(pool.lend("gemini", SPECS["gemini"].models[0], "a-key-for-tests"))


def open_replay(given: pytest.FixtureRequest, open_files: ExitStack) -> Backend:
    return open_files.enter_context(Pool(Settings()).lend("replay", str(REPLIES)))


OPENERS: dict[str, Callable[[pytest.FixtureRequest, ExitStack], Backend]] = {
    "paligemma": open_paligemma,
    "gemini": open_gemini,
    "replay": open_replay,
}


class _Replies(StandIn):
    """Answers by task, which it knows by the prompt."""

    def take(self, sent: Sent) -> Answer:
        super().take(sent)
        prompt = sent.body["contents"][0]["parts"][1]["text"]
        task = next(task for task in Task if gemini_codec.prompt(request(task)) == prompt)
        return reply((REPLIES / f"{task}.gemini.txt").read_text())


@pytest.fixture(scope="module", params=SPECS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with ExitStack() as open_files:
        yield Opened(request.param, OPENERS[request.param](request, open_files))


def request(task: Task, pictures: int = 1) -> Request:
    picture = Picture(Image.new("RGB", (32, 24), "teal"), "any.png")
    return Request(task, (picture,) * pictures, "how many cats ?" if task is Task.ASK else "", ("cat", "dog"))


def test_every_backend_has_an_opener_here() -> None:
    assert set(OPENERS) == set(SPECS)


def test_it_says_of_itself_what_its_spec_promised(opened: Opened) -> None:
    spec = SPECS[opened.name]
    said = replace(opened.backend.capabilities, sends_to=spec.capabilities.sends_to)  # the stand-in is not Google
    assert said == spec.capabilities
    assert opened.backend.model
    assert bool(said.harms) != bool(said.no_safety), "either there are filters or there is a reason why not"


@pytest.mark.parametrize("task", Task)
def test_it_answers_each_task_with_a_whole_result(opened: Opened, task: Task) -> None:
    result = opened.backend.predict(request(task))
    assert result.outcome is not Outcome.FAILED
    assert [each.id for each in result.detections] == list(range(len(result.detections)))
    for each in result.detections:
        assert each.box or each.point or each.mask or each.mask_tokens
        assert each.score is None or 0 <= each.score <= 1
    for origin in [result.origin, *(each.origin for each in result.detections)]:
        assert origin is not None
        assert (origin.backend, origin.model, origin.edited) == (opened.name, opened.backend.model, False)
    assert result.usage is not None
    assert result.usage.seconds >= 0
    assert all(note.detail and not re.search(r"/\w+/|Error\b", note.detail) for note in result.notes)
    if task in (Task.CAPTION, Task.ASK):
        assert result.outcome is Outcome.NONE or result.text or result.detections


def test_scores_are_known_only_where_it_says_so(opened: Opened) -> None:
    result = opened.backend.predict(request(Task.DETECT))
    assert opened.backend.capabilities.scores or {each.score for each in result.detections} <= {None}


@pytest.mark.parametrize("none", [True, False], ids=["none", "one too many"])
def test_it_refuses_more_pictures_than_it_says_and_none(opened: Opened, none: bool) -> None:
    with pytest.raises(RequestError):
        opened.backend.predict(request(Task.CAPTION, 0 if none else opened.backend.capabilities.max_images + 1))


def test_it_gives_up_once_stop_is_set(opened: Opened) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        opened.backend.predict(request(Task.DETECT), stop)


def test_it_answers_several_threads_at_once_as_it_answers_one(opened: Opened) -> None:
    alone = opened.backend.predict(request(Task.DETECT))
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda _: opened.backend.predict(request(Task.DETECT)), range(4)))
    assert {(each.outcome, each.raw) for each in together} == {(alone.outcome, alone.raw)}
