"""The bundled checkpoint answers every task about the page's own examples: real inference, held against the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import scenes
from backends import Pool
from grounding import exports
from grounding.backend import Backend
from grounding.images import Picture
from grounding.labels import split_labels
from grounding.matching import compare
from grounding.settings import Settings
from grounding.types import Outcome, Request, Result, Task
from jobs import label
from scenes.language import beside, colour, count, presence
from scenes.truth import truth
from ui import examples

SIZE_PX = 448
MOST = round(0.75 * len(examples.SEEDS))
"""Of the examples: numbers come out a little different on other processors, and one answer may tip."""


@pytest.fixture(scope="module")
def nano() -> Iterator[Backend]:
    pool = Pool(Settings())
    with pool.lend("paligemma", "pinpoint-nano") as backend:
        yield backend
    pool.close()


@pytest.fixture(scope="module")
def shown() -> list[scenes.Scene]:
    return [scenes.compose(seed, size_px=SIZE_PX) for seed in examples.SEEDS]


def asked(nano: Backend, scene: scenes.Scene, task: Task, *, labels: tuple[str, ...] = (), text: str = "") -> Result:
    return nano.predict(Request(task, (Picture(Image.fromarray(scene.image)),), text, labels))


@pytest.mark.parametrize("task", [Task.DETECT, Task.SEGMENT])
def test_it_finds_what_the_examples_prompts_name(nano: Backend, shown: list[scenes.Scene], task: Task) -> None:
    whole, mask_ious = 0, list[float]()
    for scene in shown:
        labels = split_labels(examples.compose(scene.seed).prompts[task])
        result = asked(nano, scene, task, labels=labels)
        found = compare(result.detections, truth(scene, labels).detections, (SIZE_PX, SIZE_PX))
        whole += not found.only_first and not found.only_second
        mask_ious += [pair.mask_iou for pair in found.pairs if pair.mask_iou is not None]
    assert whole >= MOST
    if task is Task.SEGMENT:
        assert sum(mask_ious) / len(mask_ious) > 0.7


def test_it_finds_nothing_that_is_not_there(nano: Backend, shown: list[scenes.Scene]) -> None:
    silent = 0
    for scene in shown:
        gone = next(each for each in scenes.LABELS if each not in {o.label for o in scene.objects})
        silent += asked(nano, scene, Task.DETECT, labels=(gone,)).outcome is Outcome.NONE
    assert silent >= MOST


def test_it_names_the_things_in_a_caption(nano: Backend, shown: list[scenes.Scene]) -> None:
    named = 0
    for scene in shown:
        text = asked(nano, scene, Task.CAPTION).text
        named += all(o.label in text or scenes.things.KINDS[o.label].plural in text for o in scene.objects)
    assert named >= MOST


def test_it_answers_questions_in_one_word(nano: Backend, shown: list[scenes.Scene]) -> None:
    right, put = 0, 0
    for scene in shown:
        here = scene.objects[0].label
        gone = next(each for each in scenes.LABELS if each not in {o.label for o in scene.objects})
        exchanges = [presence(scene.objects, here), presence(scene.objects, gone), count(scene.objects, here)]
        for each in (*exchanges, colour(scene.objects, here), beside(scene.objects, here, "left")):
            if each is not None:
                put += 1
                text = each.prefix.removeprefix("answer en ")
                right += asked(nano, scene, Task.ASK, text=text).text == each.suffix
    assert right / put >= 0.75


def test_the_command_line_says_the_same_of_pictures_on_disk(
    nano: Backend, shown: list[scenes.Scene], tmp_path: Path
) -> None:
    scene = shown[0]
    picture = tmp_path / "scene.png"
    Image.fromarray(scene.image).save(picture)
    labels = split_labels(examples.compose(scene.seed).prompts[Task.SEGMENT])
    arguments = [str(picture), "--task", "segment", "--labels", "; ".join(labels), "--out", str(tmp_path / "out")]
    assert label.main([*arguments, "--backend", "paligemma", "--model", "pinpoint-nano", "--format", "json"]) == 0
    (written,) = exports.load(tmp_path / "out", "json").samples
    direct = asked(nano, scene, Task.SEGMENT, labels=labels)
    same = compare(direct.detections, written.result.detections, (SIZE_PX, SIZE_PX))
    assert len(same.pairs) == len(direct.detections) == len(written.result.detections) > 0
    assert all(pair.iou > 0.98 and (pair.mask_iou or 0) > 0.98 for pair in same.pairs)
