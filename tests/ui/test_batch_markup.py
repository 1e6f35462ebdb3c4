"""What the Batch page shows of a batch: how it stands, what waits, what failed and why; strangers' words stay words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grounding.types import Outcome, Task
from jobs.batch import Batch, Given, Noted
from jobs.pictures import Skipped
from jobs.tally import Facts, Tally
from jobs.work import Job
from ui import batch_markup
from ui.batch_state import Finished, Look, Standing
from ui.messages import Problem

EVIL = "<img src=x onerror=alert(1)>\"'&.png"


def look(standing: Standing = Standing.RUNNING, tally: Tally | None = None, total: int = 50, **more: object) -> Look:
    tally = tally or Tally(labelled=3)
    batch = Batch(Path("x"), Job("gemini", "m", Task.DETECT, "", ("cat", EVIL)), Given(), "2026-11-22T07:00:00+00:00")
    noted = Noted(total, (Skipped(EVIL, "not a picture"),), 1, False)
    done = tally.labelled + len(tally.failures)
    return Look("0" * 32, batch, standing, tally, noted, done, **more)  # type: ignore[arg-type]


def failed(*reasons: tuple[str, Outcome, str]) -> Tally:
    tally = Tally()
    for picture, outcome, reason in reasons:
        tally.put(picture, Facts(outcome, False, {}, reason))
    return tally


def words(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", html).split())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(look(Standing.WAITING, before=2), "In line: 2 before yours", id="in line"),
        pytest.param(look(Standing.OPENING), "Opening the pictures and the model", id="opening"),
        pytest.param(look(), "3 of 50 done", id="running"),
        pytest.param(look(stopping=True), "Stopping", id="stopping"),
        pytest.param(
            look(per_second=2.5, seconds_left=130.0, cost_usd=0.012),
            "2.5 pictures/s · 2 min left · $0.012 so far",
            id="pace",
        ),
        pytest.param(look(per_second=0.05), "3.0 pictures/min", id="slow"),
        pytest.param(look(waiting_s=12.4), "the service asked to wait, 12 s more", id="a wait"),
        pytest.param(look(aside=True), "one at a time meanwhile", id="others ask"),
        pytest.param(look(Standing.STOPPED), "no answered picture is asked again", id="stopped"),
        pytest.param(look(Standing.LEFT), "nobody was looking", id="left"),
        pytest.param(look(Standing.GIVEN_UP), "no answers came any more", id="given up"),
        pytest.param(look(Standing.FAILED, trouble=Problem("No good key.")), "No good key.", id="trouble"),
        pytest.param(look(Standing.DONE, total=3), "Done: 3 of 3 labelled", id="done"),
    ],
)  # fmt: skip
def test_how_it_stands_is_said(given: Look, said: str) -> None:
    assert said in words(batch_markup.status(given, shared=False))


def test_what_is_read_out_changes_with_its_standing_only() -> None:
    assert batch_markup.told(look()) == batch_markup.told(look(tally=Tally(labelled=9), per_second=2.0))
    told = {batch_markup.told(each) for each in (*(look(each) for each in Standing), look(stopping=True))}
    assert len(told) == len(Standing) + 1


def test_every_standing_has_a_headline_of_its_own() -> None:
    told = {words(batch_markup.status(look(each), shared=True)) for each in Standing}
    assert len(told) == len(Standing)


def test_what_happens_when_one_leaves_is_said_beforehand_and_meanwhile() -> None:
    for html in (batch_markup.empty(shared=False), batch_markup.status(look(), shared=False)):
        assert "goes on as long as the app runs" in words(html)
    for html in (batch_markup.empty(shared=True), batch_markup.status(look(), shared=True)):
        assert "ten minutes" in words(html)


def test_each_failure_is_named_with_why_and_what_to_do() -> None:
    tally = failed(
        ("a.png", Outcome.FAILED, "This PNG picture is damaged or incomplete. Save it again."),
        ("b.png", Outcome.BLOCKED, "The answer was withheld for harassment."),
        ("c.png", Outcome.UNRECOGNISED, ""),
    )
    html = batch_markup.failures(tally)
    rows = [words(row) for row in re.findall("<tr>.*?</tr>", html)[1:]]
    assert rows == [
        "a.png This PNG picture is damaged or incomplete. Save it again.",
        "b.png The answer was withheld for harassment. "
        "Leave it, or choose milder filters on the Picture page for a new batch.",
        "c.png Unrecognised Retry it, or choose another model.",
    ]  # fmt: skip
    assert batch_markup.failures(Tally()) == ""


def test_of_many_failures_the_last_are_shown_and_the_others_counted() -> None:
    html = batch_markup.failures(failed(*((f"{n}.png", Outcome.FAILED, "No. Yes.") for n in range(130))))
    assert html.count("<tr>") == batch_markup.MOST_ROWS + 1
    assert "30 more are named in errors.csv" in words(html)
    assert "129.png" in html


def test_the_end_is_summed_up_by_cause_and_by_label() -> None:
    tally = failed(
        ("a.png", Outcome.UNRECOGNISED, "No place in it: “a cat”"),
        ("b.png", Outcome.UNRECOGNISED, "No place in it: “two dogs”"),
    )
    tally.put("c.png", Facts(Outcome.FOUND, True, {"cat": 3, EVIL: 1}))
    tally.put("d.png", Facts(Outcome.NONE, True))
    said = words(batch_markup.summary(look(Standing.STOPPED, tally)))
    assert "2 labelled · 1 of them empty · 2 without labels · 46 not asked about yet" in said
    assert "2 No place in it: “…”" in said
    assert "Objects by label: 4 cat 3" in said
    assert "Passed over: 1" in said
    assert batch_markup.summary(look(tally=Tally())) == ""


def test_a_picture_asked_again_is_counted_once() -> None:
    tally = failed(("a.png", Outcome.FAILED, "No."))
    before = Facts(Outcome.FAILED, False, {}, "No.")
    tally.put("a.png", Facts(Outcome.FOUND, True, {"cat": 2}), before)
    tally.put("a.png", Facts(Outcome.NONE, True), Facts(Outcome.FOUND, True, {"cat": 2}))
    assert (tally.labelled, tally.empty, tally.failures, +tally.objects) == (1, 1, {}, {})


def test_words_of_strangers_stay_words() -> None:
    tally = failed((EVIL, Outcome.FAILED, EVIL))
    tally.put("b", Facts(Outcome.FOUND, True, {EVIL: 1}))
    shown = look(Standing.FAILED, tally, trouble=Problem(EVIL))
    for html in (
        batch_markup.status(shown, shared=True),
        batch_markup.failures(tally),
        batch_markup.summary(shown),
        batch_markup.finished([Finished(EVIL, "data:image/jpeg;base64,", EVIL)]),
    ):
        assert "<img src=x" not in html
        assert "onerror=alert(1)&gt;" in html
