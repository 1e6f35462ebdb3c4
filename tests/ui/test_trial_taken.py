"""What is taken from a comparison: each object with its own origin, beside what a person corrected."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from grounding import images
from grounding.errors import RequestError
from grounding.types import Box, Detection, Origin, Outcome, Result, Task
from tests.ui.comparing import asked, form
from ui import actions, compare_page, corrections, trial
from ui.desk import Desk
from ui.state import Answer, Session


def test_what_is_taken_becomes_the_answer_with_each_objects_own_origin(session: Session, desk: Desk) -> None:
    made = asked(session, desk, form(temperature="0.5"), form("echo/two"))
    taken = trial.take(made, made.number, [[1, 0], [0, 1]], session)
    assert taken.answer
    assert taken.picture is session.picture
    found = taken.answer.result.detections
    assert [each.label for each in found] == ["cat", "dog"]
    assert [each.id for each in found] == [0, 1]
    origins = [each.origin for each in found if each.origin]
    assert [each.model for each in origins] == ["echo/two", "pinpoint-nano"]
    assert origins[1].parameters == {"temperature": 0.5}
    assert all(each.answered_at and each.raw == "[...]" for each in origins)
    assert "1 from A (pinpoint-nano, temperature 0.5); 1 from B (echo/two)" in taken.answer.result.notes[0].detail
    objects = (corrections.scene(taken) or {})["objects"]
    assert [each["origin"]["model"] for each in objects] == ["echo/two", "pinpoint-nano"]
    post = {"key": taken.answer.number, "objects": objects[:1]}
    post["objects"][0]["label"] = "tiger"
    edited = corrections.correct(taken, post)
    assert edited.answer
    assert edited.answer.result.detections[0].origin
    assert edited.answer.result.detections[0].origin.edited
    assert edited.answer.result.detections[0].origin.model == "echo/two"


def test_what_a_person_corrected_stays_beside_what_is_taken(session: Session, desk: Desk) -> None:
    mine = Detection("owl", Box(0, 0, 0.5, 0.5), origin=Origin("person", "", "", edited=True))
    now = replace(session, answer=Answer(Task.DETECT, "owl", "m", Result(Outcome.FOUND, "", (mine,))))
    made = asked(now, desk, form(), form("echo/two"))
    after = compare_page.taken(now, made, {"number": made.number, "picks": [[1, 0]]}, desk, "me")
    assert after.answer
    assert [each.label for each in after.answer.result.detections] == ["owl", "cat"]
    for post in (None, {}, {"number": made.number}):
        with pytest.raises(RequestError):
            compare_page.taken(now, made, post, desk, "me")


@pytest.mark.parametrize(
    "picks",
    [
        pytest.param([], id="nothing ticked"),
        pytest.param(None, id="no list"),
        pytest.param([[0, 9]], id="no such object"),
        pytest.param([[2, 0]], id="no such side"),
        pytest.param([[0, -1]], id="from the end"),
        pytest.param([[True, 0]], id="truth for a number"),
        pytest.param([[0, 0], [0, 0]], id="twice the same"),
        pytest.param([[0, 0, 0]], id="three numbers"),
        pytest.param(["0:0"], id="text"),
        pytest.param([[0, k] for k in range(3000)], id="thousands"),
    ],
)
def test_odd_picks_are_refused_and_change_nothing(picks: object, session: Session, desk: Desk) -> None:
    made = asked(session, desk, form(), form("echo/two"))
    with pytest.raises(RequestError):
        trial.take(made, made.number, picks, session)


def test_nothing_is_taken_from_another_comparison_or_onto_another_picture(session: Session, desk: Desk) -> None:
    made = asked(session, desk, form(), form("echo/two"))
    other = actions.give(images.load(Image.new("RGB", (40, 30))), desk.shelf)
    for comparison, number, onto, why in (
        (None, made.number, session, "replaced by a newer one"),
        (made, "guessed", session, "replaced by a newer one"),
        (made, None, session, "replaced by a newer one"),
        (made, made.number, other, "another picture"),
        (made, made.number, Session(), "another picture"),
    ):
        with pytest.raises(RequestError, match=why):
            trial.take(comparison, number, [[0, 0]], onto)
