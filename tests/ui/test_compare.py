"""What is said of two answers: where they agree, where they differ, and how either fares against the truth."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import scenes
from grounding import images
from grounding.agreement import Verdict
from grounding.types import FULL_FRAME, Box, Detection, Point, SoftMask, Task
from tests.ui.comparing import asked, form, told, words
from ui import actions, compare_markup, trial
from ui.desk import Desk
from ui.messages import Problem
from ui.state import Session
from ui.trial_asking import show

EVIL = "<img src=x onerror=alert(1)>"


def test_disagreement_stands_first_in_the_table_numbered_as_in_the_pictures(session: Session) -> None:
    there, far = Box(0.1, 0.1, 0.4, 0.4), Box(0.6, 0.6, 0.9, 0.9)
    made = told(
        [Detection("cat", there, score=0.87), Detection("mug", far)],
        [Detection("Cat", there), Detection("cup", far), Detection("dog", Box(0.5, 0, 0.6, 0.1), score=0.5)],
        session,
    )
    html = compare_markup.board(made, 0.5)
    rows = re.findall(r"<tr data-row.*?</tr>", html)
    assert [words(row).split()[1:3] for row in rows] == [["another", "label"], ["only", "B"], ["both", "cat"]]
    assert words(rows[2]) == "3 both cat 0.87 Cat 1.00"  # the second score is unknown: empty
    assert html.count('data-row="3"') == 3  # its row, and its place in either picture
    assert "data-ghost" in html
    said = words(html)
    assert "1 both 1 another label 0 only A 1 only B 1.00 mean IoU" in said
    assert "Both name 1 object in the same place (IoU of 0.50 or more). 1 place has two names. Only B has 1." in said


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        pytest.param([], [], "Both say that there is nothing.", id="nothing twice"),
        pytest.param(
            [Box(0, 0, 1, 1)], [Box(0, 0, 1, 1)], "Full agreement: both name the same 1 object", id="the same"
        ),
        pytest.param([Box(0, 0, 1, 1)], [], "They share no object", id="nothing shared"),
    ],
)
def test_the_whole_is_said_in_plain_words(first: list[Box], second: list[Box], said: str, session: Session) -> None:
    made = told([Detection("cat", each) for each in first], [Detection("cat", each) for each in second], session)
    assert said in words(compare_markup.board(made, 0.5))


def test_a_point_is_listed_though_it_cannot_be_matched(session: Session) -> None:
    made = told([Detection("pen", point=Point(0.5, 0.5))], [], session)
    html = words(compare_markup.board(made, 0.5))
    assert "1 object has no box to be matched by" in html
    assert "no box pen" in html


def test_moving_the_least_iou_matches_anew(session: Session) -> None:
    made = told([Detection("cat", Box(0, 0, 0.4, 0.4))], [Detection("cat", Box(0.1, 0, 0.5, 0.4))], session)  # 0.6
    tight, loose = trial.agreement(made, 0.75), trial.agreement(made, 0.5)
    assert tight
    assert loose
    assert (tight.count(Verdict.AGREED), loose.count(Verdict.AGREED)) == (0, 1)


def test_one_side_failing_leaves_the_others_answer(session: Session, desk: Desk) -> None:
    made = asked(session, desk, form("echo/down"), form("echo/two"))
    assert isinstance(made.sides[0].got, Problem)
    assert [each.label for each in made.sides[1].found] == ["cat"]
    html = compare_markup.board(made, 0.5)
    assert "The service is busy" in html
    assert "only B" not in words(html)
    assert html.count("data-pick") == 1
    taken = trial.take(made, made.number, [[1, 0]], session)
    assert taken.answer
    assert taken.answer.result.detections[0].origin


def test_the_same_model_twice_is_a_question_about_chance(session: Session, desk: Desk) -> None:
    assert "what differs is chance" in show(asked(session, desk, form("echo/two"), form("echo/two")), 0.5)
    assert "what differs is chance" not in show(asked(session, desk, form(), form("echo/two")), 0.5)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        pytest.param("nothing", "Nothing found", id="nothing there"),
        pytest.param("blocked", "Blocked before an answer", id="blocked"),
        pytest.param("bug", "Something went wrong on our side", id="a bug"),
    ],
)
def test_each_ending_of_a_side_reads_differently(label: str, said: str, session: Session, desk: Desk) -> None:
    for repeats in (False, True):
        one = form(prompt=f"{label}; cat")
        html = words(show(asked(session, desk, one, one, repeats=repeats), 0.5))
        assert said in html or (repeats and label == "nothing" and "All 2 answers are the same" in html)


def test_what_models_and_people_write_is_only_text(session: Session, desk: Desk) -> None:
    for repeats in (False, True):
        html = show(asked(session, desk, form(prompt=EVIL), form(prompt=EVIL), repeats=repeats), 0.5)
        assert EVIL not in html
        assert "&lt;img src=x" in html


def test_a_scenes_truth_stands_beside_either_side(desk: Desk) -> None:
    seed = next(k for k in range(200) if len(scenes.compose(k, size_px=64).objects) > 2)
    scene = scenes.compose(seed, size_px=448)
    given = actions.give(images.load(Image.fromarray(scene.image)), desk.shelf)
    session = Session(given.picture, scene=seed)
    true = [Detection(each.label, each.box) for each in scene.objects]
    asked_for = "; ".join(dict.fromkeys(each.label for each in true))
    made = told(true, true[:1], session, asked_for)
    perfect, poor = (trial.against_truth(made, side) for side in made.sides)
    assert perfect
    assert poor
    assert (len(perfect.ious), perfect.true, perfect.invented) == (len(true), len(true), 0)
    assert len(poor.ious) == 1
    html = words(compare_markup.board(made, 0.5))
    assert f"{len(true)} of {len(true)} true ones found, mean IoU" in html
    assert f"1 of {len(true)} true ones found" in html
    one = told(true, [Detection("dog", FULL_FRAME)], session, true[0].label)
    found = [trial.against_truth(one, side) for side in one.sides]
    assert [each and each.invented for each in found] == [0, 1], "what is there is not invented, asked for or not"
    assert trial.against_truth(told(true, true, Session(given.picture)), made.sides[0]) is None


def test_against_the_truth_masks_count_beside_boxes(desk: Desk) -> None:
    scene = scenes.compose(49, size_px=448)
    given = actions.give(images.load(Image.fromarray(scene.image)), desk.shelf)
    true = [Detection(each.label, each.box, mask=each.mask) for each in scene.objects]
    corner = SoftMask(np.ones((1, 1), np.float32), Box(0, 0, 0.01, 0.01))
    poor = [replace(true[0], mask=corner), *true[1:]]
    labels = "; ".join(dict.fromkeys(each.label for each in true))
    made = told(true, poor, Session(given.picture, scene=49), labels)
    perfect, off = (trial.against_truth(made, side) for side in made.sides)
    assert perfect
    assert off
    assert min(perfect.mask_ious.values()) > 0.95
    assert off.mask_ious[0] == 0
    masks = [sum(each.mask_ious.values()) / 3 for each in (perfect, off)]
    said = words(compare_markup.board(made, 0.5))
    assert f"of boxes, {masks[0]:.2f} of masks. " in said
    assert f"of boxes, {masks[1]:.2f} of masks, 1 mask under 0.50. " in said


@pytest.mark.parametrize("task", [Task.DETECT, Task.SEGMENT])
@pytest.mark.parametrize("repeats", [False, True])
def test_the_pictures_are_drawn_and_the_one_on_the_shelf_is_left_as_it_is(
    task: Task, repeats: bool, session: Session, desk: Desk
) -> None:
    assert session.picture
    before = session.picture.shown.read_bytes()
    made = asked(session, desk, *[form("echo/two", "cat; dog; bird", task)] * 2, repeats=repeats)
    html = show(made, 0.5)
    assert html.count("data:image/jpeg;base64,") >= 2 - repeats
    assert session.picture.shown.read_bytes() == before
