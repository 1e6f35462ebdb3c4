"""An answer about a scene of ours is held against the truth; about any other picture there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import scenes
from grounding.types import Box, Detection, Origin, Outcome, Result, Review, SoftMask, Task, View
from ui import truth_markup
from ui.state import Answer, Session
from ui.truth import hold

SEED = next(k for k in range(200) if len(scenes.compose(k, size_px=64).objects) > 2)
TRUE = scenes.compose(SEED, size_px=768).objects


def answered(*found: Detection, task: Task = Task.DETECT, prompt: str = "") -> Session:
    prompt = prompt or "; ".join(dict.fromkeys(o.label for o in TRUE))
    return Session(answer=Answer(task, prompt, "m", Result(Outcome.FOUND, "", found)), scene=SEED)


def test_a_perfect_answer_is_told_so():
    held = hold(answered(*(Detection(o.label, box=o.box, mask=o.mask) for o in TRUE), task=Task.SEGMENT), View())
    assert held is not None
    assert held.comparison is not None
    assert len(held.comparison.pairs) == len(TRUE)
    assert all(pair.iou > 0.98 and (pair.mask_iou or 0) > 0.98 for pair in held.comparison.pairs)
    assert f"{len(TRUE)} of {len(TRUE)} found, mean IoU 1.00 of boxes, 1.00 of masks<" in truth_markup.held(held)


def test_a_mask_that_lies_beside_its_thing_is_no_plain_success_however_well_its_box_sits():
    first, *others = TRUE
    corner = SoftMask(np.ones((1, 1), np.float32), Box(first.box.x1, first.box.y1, first.box.x1 + 0.01, first.box.y2))
    found = (
        Detection(first.label, box=first.box, mask=corner),
        *(Detection(o.label, box=o.box, mask=o.mask) for o in others),
    )
    held = hold(answered(*found, task=Task.SEGMENT), View())
    assert held is not None
    assert held.comparison is not None
    masks = [pair.mask_iou or 0 for pair in held.comparison.pairs]
    words = truth_markup.held(held)
    assert f"mean IoU 1.00 of boxes, {sum(masks) / len(masks):.2f} of masks, 1 mask under 0.50<" in words
    assert words.count('<td data-tone="warn">found, mask off</td>') == 1
    assert words.count('<td data-tone="good">found</td>') == len(others)


def test_of_boxes_alone_no_mask_is_spoken_of():
    held = hold(answered(*(Detection(o.label, box=o.box) for o in TRUE)), View())
    assert f"{len(TRUE)} of {len(TRUE)} found, mean IoU 1.00<" in (truth_markup.held(held) if held else "")


def test_what_was_missed_and_what_was_invented_are_both_counted():
    gone = next(label for label in scenes.LABELS if label not in {o.label for o in TRUE})
    held = hold(answered(Detection(gone, box=TRUE[0].box)), View())
    words = truth_markup.held(held) if held else ""
    assert f"0 of {len(TRUE)} found, 1 not there" in words
    assert words.count(">missed<") == len(TRUE)


def test_what_is_there_but_was_not_asked_for_is_neither_found_nor_invented():
    first, other = (next(o for o in TRUE if (o.label == TRUE[0].label) is same) for same in (True, False))
    found = (
        Detection(first.label, box=first.box),
        Detection(other.label, box=other.box),
        Detection("moon", box=first.box),
    )
    held = hold(answered(*found, prompt=first.label), View())
    words = truth_markup.held(held) if held else ""
    assert "2 not asked for" in words
    assert "not there" not in words


def test_what_a_person_rejected_is_not_found():
    found = [Detection(o.label, box=o.box, review=Review.REJECTED) for o in TRUE]
    held = hold(answered(*found), View())
    assert f"0 of {len(TRUE)} found<" in (truth_markup.held(held) if held else "")


def test_what_a_person_deleted_renamed_or_drew_is_not_laid_at_the_models_door():
    said = tuple(Detection(o.label, box=o.box, id=k, origin=Origin("m", "m", "")) for k, o in enumerate(TRUE))
    now = answered(*said)
    assert now.answer is not None
    edited = Origin("m", "m", "", edited=True)
    renamed = (replace(said[0], label="thing", origin=edited), *said[1:])
    for labels, corrected in ((said, False), (said[1:], True), (renamed, True)):
        result = replace(now.answer.result, detections=labels)
        held = hold(replace(now, answer=replace(now.answer, result=result, said=said)), View())
        words = truth_markup.held(held) if held else ""
        assert ("After your corrections: " in words) is corrected
        assert ("The corrected labels against the ground truth" in words) is corrected
        assert ("The answer against the ground truth" in words) is not corrected


def test_an_expression_the_scene_gives_no_meaning_is_not_held_against_the_model():
    held = hold(answered(prompt="<b>unicorn</b>"), View())
    words = truth_markup.held(held) if held else ""
    assert "no plain meaning" in words
    assert "<b>" not in words


def test_a_caption_is_answered_by_the_true_one():
    held = hold(answered(task=Task.CAPTION), View())
    assert held is not None
    assert held.comparison is None
    assert held.caption in truth_markup.held(held)


def test_there_is_no_truth_about_other_pictures():
    assert hold(replace(answered(), scene=None), View()) is None
