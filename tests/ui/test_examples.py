"""The page's first pictures: what the bundled model says of each, asked as the page asks, is right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import scenes
from backends import Pool
from grounding.backend import Backend
from grounding.labels import split_labels
from grounding.matching import compare
from grounding.settings import Settings
from grounding.types import Request, Task
from scenes import language
from scenes.truth import truth
from ui.examples import SEEDS, SIDE_PX, Example, compose


@pytest.fixture(scope="module")
def model() -> Iterator[Backend]:
    pool = Pool(Settings())
    with pool.lend("paligemma", "pinpoint-nano") as backend:
        yield backend
    pool.close()


@pytest.fixture(params=SEEDS, ids=str)
def example(request: pytest.FixtureRequest) -> Example:
    return compose(request.param)


@pytest.mark.parametrize("task", [Task.DETECT, Task.SEGMENT])
def test_all_that_is_in_it_is_found_and_nothing_else(model: Backend, example: Example, task: Task) -> None:
    scene = scenes.compose(example.seed, size_px=SIDE_PX)
    labels = tuple(sorted({thing.label for thing in scene.objects}))
    assert set(split_labels(example.prompts[task])) <= set(labels)
    said = model.predict(Request(task, (example.picture(),), "", labels))
    found = compare(said.detections, truth(scene, labels).detections, (SIDE_PX, SIDE_PX))
    assert not found.only_first
    assert not found.only_second
    assert min(pair.iou for pair in found.pairs) > 0.75
    if task is Task.SEGMENT:
        assert min(pair.mask_iou or 0 for pair in found.pairs) > 0.75


def test_its_caption_names_each_thing_once_and_the_background(model: Backend, example: Example) -> None:
    scene = scenes.compose(example.seed, size_px=SIDE_PX)
    said = model.predict(Request(Task.CAPTION, (example.picture(),))).text
    true = language.caption(scene.objects, scene.background).suffix
    assert sorted(said.split()) == sorted(true.split()), "the classes may come in any order"


def test_its_question_is_answered_rightly(model: Backend, example: Example) -> None:
    scene = scenes.compose(example.seed, size_px=SIDE_PX)
    said = model.predict(Request(Task.ASK, (example.picture(),), example.prompts[Task.ASK]))
    asked = f"answer en {example.prompts[Task.ASK]}".lower()
    counts = [language.count(scene.objects, thing.label) for thing in scene.objects]
    assert said.text == next(each.suffix for each in counts if each.prefix == asked)
