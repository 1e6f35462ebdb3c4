"""What a prompt means in a scene is read from the scene itself."""

from __future__ import annotations

import pytest

import scenes
from scenes.language import having, phrases
from scenes.truth import in_words, truth

SCENE = next(s for s in map(scenes.compose, range(200)) if len({o.label for o in s.objects}) < len(s.objects) > 3)
MANY = next(o.label for o in SCENE.objects if len(having(SCENE.objects, o.label)) > 1)
GONE = next(label for label in scenes.LABELS if not having(SCENE.objects, label))


def boxes(*asked: str) -> list[object]:
    return [d.box for d in truth(SCENE, asked).detections]


def test_a_class_means_all_its_things_with_their_exact_boxes_and_masks():
    found = truth(SCENE, [MANY]).detections
    assert [d.box for d in found] == [SCENE.objects[k].box for k in having(SCENE.objects, MANY)]
    assert all(d.mask is not None and d.score is None for d in found)


def test_every_expression_with_a_plain_meaning_is_understood():
    for words, meant in phrases(SCENE.objects).items():
        assert boxes(words) == [SCENE.objects[k].box for k in meant]


@pytest.mark.parametrize("spelt", [MANY.upper(), f"  the {MANY} ", scenes.things.KINDS[MANY].plural])
def test_spelling_does_not_matter_and_the_asked_words_are_the_label(spelt: str):
    assert boxes(spelt) == boxes(MANY)
    assert {d.label for d in truth(SCENE, [spelt]).detections} == {spelt}


@pytest.mark.parametrize("asked", [GONE, f"red {GONE}"])
def test_what_is_not_there_is_plainly_nothing(asked: str):
    found = truth(SCENE, [asked])
    assert (found.detections, found.unclear) == ((), ())


@pytest.mark.parametrize("asked", ["unicorn", "", f"largest {GONE}", "everything", "red", "the"])
def test_words_without_a_meaning_here_are_named_as_such(asked: str):
    assert truth(SCENE, [asked]).unclear == (asked,)


def test_the_caption_names_every_class():
    assert all(
        o.label in in_words(SCENE) or scenes.things.KINDS[o.label].plural in in_words(SCENE) for o in SCENE.objects
    )
