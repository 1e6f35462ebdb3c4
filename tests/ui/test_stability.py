"""One model asked many times: what every answer names, how far its boxes spread, and which answers never came."""

from __future__ import annotations

import re
import threading

from grounding.errors import BackendError
from grounding.types import Request, Result, Task
from tests.ui.comparing import asked, form, words
from tests.ui.echo import Wavering
from ui import stability_markup, trial
from ui.desk import Desk
from ui.messages import STOPPED
from ui.state import Session
from ui.trial_asking import Inquiry, show


def test_a_model_that_never_differs_is_told_so_after_it_was_asked(session: Session, desk: Desk) -> None:
    made = asked(session, desk, *[form()] * 3, repeats=True)
    assert len(desk.pool.echo.requests) == 3  # type: ignore[attr-defined]
    html = words(show(made, 0.5))
    assert "All 3 answers are the same, to the last pixel of every box" in html
    assert "this model always takes the likeliest word" in html
    warm = words(show(asked(session, desk, *[form(temperature="1")] * 2, repeats=True), 0.5))
    assert "All 2 answers are the same" in warm
    assert "likeliest" not in warm


def test_one_answer_is_counted_as_one(session: Session, desk: Desk) -> None:
    html = words(show(asked(session, desk, form(), repeats=True), 0.5))
    assert "1 of 1 answer " in html
    assert "1 things" not in html
    assert "1 answers" not in html


def test_spread_is_told_in_pixels_and_in_shares_of_the_picture(session: Session, desk: Desk) -> None:
    made = asked(session, desk, *[form("echo/two")] * 3, repeats=True)
    found = trial.spread(made, 0.5)
    assert [(each.label, len(each.members)) for each in found.clusters] == [("dogish", 1), ("cat", 3)]
    html = stability_markup.board(made, 0.5)
    rows = re.findall(r"<tr data-row.*?</tr>", html)
    assert "1 of 3" in words(rows[0])
    assert rows[0].count("seen once") == 4
    cat = words(rows[1])
    assert "3 of 3 ± 4.0 px 1.00 % range 8.0 px ± 0.0 px" in cat  # the left edge moved by 0, 4 and 8 of 400 px
    assert "± 3.0 px 1.00 % range 6.0 px" in cat  # the bottom one by 0, 3 and 6 of 300
    assert "3 answers name 2 things: 1 in every answer, 1 in some only." in words(html)
    assert "data-most" in rows[1]
    assert "data-most" not in rows[0]


def test_who_was_stopped_is_told_so_and_what_came_stays(session: Session, desk: Desk) -> None:
    forms = [form("echo/two")] * 3
    inquiry = Inquiry(trial.begin(Task.DETECT, "cat; dog", forms, session, repeats=True), forms)
    inquiry.work([0], desk, threading.Event())
    stop = threading.Event()
    stop.set()
    inquiry.work([1], desk, stop)
    assert inquiry.take()
    inquiry.give_up()
    assert [side.got == STOPPED for side in inquiry.made.sides] == [False, True, True]
    html = show(inquiry.made, 0.5)
    assert "2 of 3 gave no answer: Stopped" in words(html)
    assert "it takes two to see a spread" in html


def test_runs_that_failed_are_counted_and_what_is_taken_still_comes_from_its_own_answer(
    session: Session, desk: Desk
) -> None:
    class Once(Wavering):
        def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
            if not self.requests:
                self.requests.append(request)
                raise BackendError("Not now. Try again.")
            return super().predict(request, stop)

    desk.pool.twins["echo/once"] = Once()  # type: ignore[attr-defined]
    made = asked(session, desk, *[form("echo/once")] * 3, repeats=True)
    html = stability_markup.board(made, 0.5)
    assert "1 of 3 gave no answer: Not now." in words(html)
    assert "2 of 3 answers" in words(html)
    (cat, *_) = [each for each in trial.spread(made, 0.5).clusters if each.label == "cat"]
    place = made.answering[cat.medoid[0]]
    assert f'data-pick="{place}:{cat.medoid[1]}"' in html
    taken = trial.take(made, made.number, [[place, cat.medoid[1]]], session)
    assert taken.answer
    assert taken.answer.result.detections[0].box == made.sides[place].found[cat.medoid[1]].box
    assert f"1 from answer {place + 1}" in taken.answer.result.notes[0].detail
