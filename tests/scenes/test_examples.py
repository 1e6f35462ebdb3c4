"""What the examples say of their scenes is true."""

from __future__ import annotations

import pytest

from scenes import compose
from scenes.examples import EXAMPLES
from scenes.language import caption, colour, count, having, phrases, presence
from training.settings import TRAINING_SEEDS

BY_SEED = [pytest.param(example, id=str(example.seed)) for example in EXAMPLES]


@pytest.mark.parametrize("example", BY_SEED)
def test_prompts_and_answers_fit_the_scene(example):
    scene = compose(example.seed, size_px=96)
    things = scene.objects
    labels = {thing.label for thing in things}
    known = labels | set(phrases(things))
    assert caption(things, scene.background).suffix == example.caption
    assert {part.strip() for part in example.detect.split(";")} <= known
    assert example.segment in known
    asked = [count(things, label) for label in labels] + [presence(things, label) for label in (*labels, "tree")]
    asked += [answer for label in labels if len(having(things, label)) == 1 and (answer := colour(things, label))]
    assert (f"answer en {example.question}", example.answer) in {(one.prefix, one.suffix) for one in asked}


def test_there_are_eight_examples_none_of_them_seen_in_training():
    assert len({example.seed for example in EXAMPLES}) >= 8
    assert max(example.seed for example in EXAMPLES) < TRAINING_SEEDS
