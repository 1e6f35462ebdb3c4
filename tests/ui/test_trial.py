"""Who is asked in a comparison, about what, at what cost; and what cannot be asked."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from typing import Any

import pytest

from grounding.errors import ConfigError, RequestError
from grounding.settings import Settings
from grounding.types import Box, Detection, Origin, Outcome, Result, Review, Task
from tests.ui.comparing import KEY, asked, form
from ui import compare_estimate, estimates, trial
from ui.desk import Desk
from ui.form import Form
from ui.sidebar import capabilities
from ui.stability_markup import NEVER_DIFFERS
from ui.state import Answer, Session
from ui.trial import SHOWN
from ui.trial_asking import Inquiry, show


@pytest.mark.parametrize(
    ("read", "value"),
    [
        pytest.param(trial.read_task, "caption", id="words have no places"),
        pytest.param(trial.read_task, None, id="no task"),
        pytest.param(trial.read_task, ["detect"], id="a list"),
        pytest.param(trial.read_iou, 0, id="IoU of nothing"),
        pytest.param(trial.read_iou, 1, id="IoU of everything"),
        pytest.param(trial.read_iou, "0.5", id="IoU as text"),
        pytest.param(trial.read_iou, True, id="IoU as truth"),
        pytest.param(trial.read_iou, float("nan"), id="IoU that is no number"),
        pytest.param(trial.read_times, 1, id="once"),
        pytest.param(trial.read_times, 11, id="too often"),
        pytest.param(trial.read_times, 2.5, id="half a time"),
        pytest.param(trial.read_times, None, id="no times"),
        pytest.param(trial.read_times, float("inf"), id="for ever"),
    ],
)
def test_odd_choices_are_refused_in_a_sentence(read: Any, value: object) -> None:
    with pytest.raises(RequestError, match=r"\.$"):
        read(value)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param({"backend": "nowhere"}, ConfigError, id="no such backend"),
        pytest.param({"backend": "gemini"}, ConfigError, id="no key"),
        pytest.param({"prompt": " "}, RequestError, id="nothing to find"),
        pytest.param({"temperature": "hot"}, RequestError, id="a temperature in words"),
        pytest.param({"temperature": "3"}, RequestError, id="too hot"),
        pytest.param({"model": "../../etc/passwd"}, RequestError, id="a path"),
        pytest.param({"backend": "gemini", "thinking": "hard", "api_key": KEY}, RequestError, id="odd thinking"),
    ],
)
def test_a_side_that_cannot_be_asked_is_refused(values: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        trial.read_side(Task.DETECT, {"prompt": "cat", **values}, Settings())


def test_sides_are_told_apart_by_what_was_set_and_heeded() -> None:
    gemini = {"backend": "gemini", "api_key": KEY}
    assert trial.name_of(form("gemini-2.5-flash", **gemini)) == "gemini-2.5-flash"
    warm = form("gemini-2.5-flash", temperature="0,7", thinking="low", **gemini)
    assert trial.name_of(warm) == "gemini-2.5-flash, temperature 0.7, thinking low"
    assert trial.name_of(form("pinpoint-nano", thinking="low")) == "pinpoint-nano"


def test_there_must_be_a_picture_and_somebody_to_ask(session: Session) -> None:
    with pytest.raises(RequestError, match="picture first"):
        trial.begin(Task.DETECT, "cat", [form(), form()], Session(), repeats=False)
    with pytest.raises(RequestError, match="Both sides"):
        trial.begin(Task.DETECT, "cat", [None, None], session, repeats=False)
    with pytest.raises(RequestError, match="no objects on the Picture page"):
        trial.begin(Task.DETECT, "cat", [None, form()], session, repeats=False)


def test_both_sides_are_asked_the_same_about_the_same_picture_and_the_key_is_not_kept(
    session: Session, desk: Desk
) -> None:
    one = form("gemini-2.5-flash", backend="gemini", api_key=KEY)
    made = asked(session, desk, one, form("echo/two"))
    pool: Any = desk.pool
    first, second = pool.echo.requests[-1], pool.twins["echo/two"].requests[-1]
    assert first.labels == second.labels == ("cat", "dog")
    assert first.images[0].content_id == second.images[0].content_id
    assert KEY in pool.keys
    assert KEY not in repr(made) + show(made, 0.5)
    assert all(side.form is None or side.form.api_key == "" for side in made.sides)


def test_each_side_has_a_thread_and_only_a_service_is_asked_several_times_at_once(session: Session) -> None:
    def shares(*forms: Form | None, repeats: bool = False) -> list[list[int]]:
        return Inquiry(trial.begin(Task.DETECT, "cat", forms, session, repeats=repeats), forms).shares()

    hosted = form("gemini-2.5-flash", backend="gemini", api_key=KEY)
    assert shares(form(), form()) == [[0], [1]]
    assert shares(*[form()] * 4, repeats=True) == [[0, 1, 2, 3]]
    assert shares(*[hosted] * 5, repeats=True) == [[0, 3], [1, 4], [2]]
    answered = Session(session.picture, Answer(Task.DETECT, "cat", "m", Result(Outcome.NONE)))
    assert Inquiry(
        trial.begin(Task.DETECT, "cat", [None, form()], answered, repeats=False), [None, form()]
    ).shares() == [[1]]


def test_the_picture_pages_answer_is_a_side_that_nobody_is_asked_for(session: Session, desk: Desk) -> None:
    assert trial.read_side(Task.DETECT, {"backend": SHOWN}, Settings()) is None
    drawn = Detection("cat", Box(0, 0, 0.5, 0.5), origin=Origin("person", "", "", edited=True))
    answer = Answer(
        Task.DETECT, "cat", "gemini-x", Result(Outcome.FOUND, "", (drawn, Detection("dog", Box(0, 0, 1, 1))))
    )
    now = Session(session.picture, answer)
    made = asked(now, desk, None, form("echo/two"))
    assert made.sides[0].name == "Picture page: gemini-x"
    taken = trial.take(made, made.number, [[0, 0], [0, 1]], now)
    assert taken.answer
    assert [each.origin and (each.origin.backend, each.origin.model) for each in taken.answer.result.detections] == [
        ("person", ""),
        ("", "gemini-x"),
    ]


def test_what_a_person_rejected_is_no_answer_to_hold_against_another(session: Session) -> None:
    cat = Detection("cat", Box(0, 0, 0.5, 0.5))
    found = (replace(cat, review=Review.REJECTED), cat)
    now = replace(session, answer=Answer(Task.DETECT, "cat", "m", Result(Outcome.FOUND, "", found)))
    made = trial.begin(Task.DETECT, "cat", (None, form()), now, repeats=False)
    assert len(made.sides[0].found) == 1


def test_a_cost_is_said_for_all_the_calls_together(session: Session, desk: Desk) -> None:
    one = form("gemini-2.5-flash", backend="gemini", api_key=KEY)
    able = capabilities("gemini", Settings())
    once, often = (estimates.took(one, session, able, desk.paces, times=n) for n in (1, 4))
    assert often.startswith("4 calls. About ")
    tokens = [int(re.search(r"About ([\d,]+) tokens", said)[1].replace(",", "")) for said in (once, often)]  # type: ignore[index]
    assert tokens[1] == 4 * tokens[0]
    nano = form("pinpoint-nano")
    assert "2 calls" in estimates.took(nano, session, capabilities("paligemma", Settings()), desk.paces)
    assert "10 calls" in estimates.took(nano, session, capabilities("paligemma", Settings()), desk.paces, times=5)


def test_asking_again_what_leaves_nothing_to_chance_is_warned_of_before(session: Session, desk: Desk) -> None:
    warned = escape(NEVER_DIFFERS)
    assert warned in compare_estimate.cost(form(), "A", session, 5, desk)
    assert warned not in compare_estimate.cost(form(), "A", session, 1, desk)
    assert warned not in compare_estimate.cost(form(temperature="1"), "A", session, 5, desk)
    assert warned not in compare_estimate.cost(form(backend="gemini", api_key=KEY), "A", session, 5, desk)
