"""Nothing a model or a person writes becomes markup."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from grounding.backend import Capabilities, Loading
from grounding.backend import Stage as Loadings
from grounding.settings import Settings
from grounding.types import (
    Box,
    Detection,
    Estimate,
    Harm,
    Note,
    NoteKind,
    Outcome,
    Result,
    Review,
    SafetyRating,
    SafetyReport,
    SelfTest,
    Stage,
    Task,
    Usage,
)
from ui import markup, service_markup, sidebar
from ui.messages import Problem
from ui.state import Answer

EVIL = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "</td></table><form action=http://evil><input name=key>",
    "&lt;b&gt; &#60;",
    "\u202egnp.exe\u2066<svg onload=alert(1)>",
]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(sorted(name for name, _ in attrs))))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def tags(html: str) -> _Tags:
    parser = _Tags()
    parser.feed(html)
    return parser


def pieces(word: str) -> dict[str, str]:
    report = SafetyReport(Stage.ANSWER, word, word, (SafetyRating(word, word, True),))
    result = Result(Outcome.UNRECOGNISED, word, usage=Usage(1.0, 1, 1, 1, 1))
    return {
        "notes": markup.notes([Note(NoteKind.SKIPPED, word)]),
        "safety": markup.safety(replace(report, stage=None)),
        "blocked": markup.blocked(report),
        "blocked answer": markup.answered(Answer(Task.ASK, "x", "m", Result(Outcome.BLOCKED, word, safety=report))),
        "cited": markup.answered(Answer(Task.ASK, "x", "m", Result(Outcome.FOUND, f"{word} [page 1]")), pages=2),
        "steps": markup.failed(Problem("x", steps=(word, "Open https://huggingface.co/google/x and accept."))),
        "growing": markup.growing("x", 1, Result(Outcome.FOUND, word, done=False), Task.ASK),
        "waiting": markup.waiting(word, 3),
        "loading": markup.loading(word, Loading(Loadings.READING, 5, 10), 3),
        "beware": markup.beware(word),
        "facts": service_markup.facts(word, [(word, word)]),
        "tested": service_markup.tested(SelfTest(word, {word: True}, word, 1.0)),
        "uploads": service_markup.uploads([(word, datetime(2026, 11, 22, 4, 5, tzinfo=UTC))]),
        "answered": markup.answered(Answer(Task.ASK, word, word, result)),
        "who": markup.who_answers(word, Capabilities(sends_to=word)),
        "failed": markup.failed(Problem(word)),
        "trouble": markup.trouble(Problem(word)),
        "hint": markup.hint(word),
        "busy": markup.busy(word, 3),
    }


@pytest.mark.parametrize("word", EVIL)
@pytest.mark.parametrize("piece", list(pieces("x")))
def test_words_never_become_markup(piece: str, word: str) -> None:
    plain, evil = tags(pieces("plain")[piece]), tags(pieces(word)[piece])
    assert evil.seen == plain.seen
    assert word in evil.words or any(word.lower() in each.lower() or word.capitalize() in each for each in evil.words)


def test_an_empty_report_shows_no_empty_list() -> None:
    assert markup.notes([]) == ""
    assert markup.safety(SafetyReport()) == ""


def test_the_page_says_who_sees_the_picture() -> None:
    assert "stays on this machine" in markup.who_answers("pinpoint-nano", Capabilities())
    assert "sent to Google" in markup.who_answers("gemini", Capabilities(sends_to="Google"))
    on_a_server = markup.who_answers("pinpoint-nano", Capabilities(), shared=True)
    assert "stays on the server that this page comes from" in on_a_server
    assert "this machine" not in on_a_server + sidebar.who("paligemma", "pinpoint-nano", Settings(host="0.0.0.0"))
    assert "stays on this machine" in sidebar.who("paligemma", "pinpoint-nano", Settings())


def test_uncounted_tokens_are_left_out() -> None:
    found = Result(Outcome.FOUND, detections=(Detection("cat"),), usage=Usage(1.25))
    html = markup.answered(Answer(Task.DETECT, "cat", "m", found))
    assert "1.2 s" in html
    assert "tokens" not in html


@pytest.mark.parametrize(
    ("report", "said"),
    [
        pytest.param(SafetyReport(Stage.PROMPT), "before the model answered", id="the prompt"),
        pytest.param(SafetyReport(Stage.ANSWER), "its answer was withheld", id="the answer"),
        pytest.param(SafetyReport(changeable=False), "No slider changes this", id="no slider"),
        pytest.param(SafetyReport(sliders=(Harm.HATE_SPEECH,), changeable=True), "<b>Hate speech</b>", id="a slider"),
        pytest.param(SafetyReport(reason="OTHER"), "<code>OTHER</code>", id="the service's word"),
    ],
)
def test_a_blocked_answer_says_what_was_stopped_and_what_can_be_changed(report: SafetyReport, said: str) -> None:
    html = markup.answered(Answer(Task.DETECT, "cat", "m", Result(Outcome.BLOCKED, safety=report)))
    assert said in html
    assert "Nothing found" not in html
    assert ("Open the safety filters" in html) is (report.changeable is not False)


def test_pages_a_document_has_become_buttons_and_others_stay_words() -> None:
    html = markup.answered(Answer(Task.ASK, "?", "m", Result(Outcome.FOUND, "It is [page 2], not [page 9].")), pages=3)
    assert 'data-pp-page="2"' in html
    assert "[page 9]" in html


def test_a_cut_answer_says_where_it_was_cut() -> None:
    note = Note(NoteKind.CUT, "The answer was cut at 64 tokens: 7 whole, 1 partial.")
    cut = Result(Outcome.TRUNCATED, detections=(Detection("cat"),) * 7, notes=(note,))
    assert "7 whole, 1 partial" in markup.answered(Answer(Task.DETECT, "cat", "m", cut))


TWO = (Detection("cat", Box(0, 0, 0.5, 0.5), id=0), Detection("dog", Box(0.5, 0.5, 1, 1), id=1))
DRAWN = Detection("cup", Box(0, 0, 0.1, 0.1), id=2)


@pytest.mark.parametrize(
    ("task", "said", "now", "told"),
    [
        pytest.param(Task.DETECT, None, TWO, "Found 2 objects", id="not corrected"),
        pytest.param(Task.DETECT, TWO, (replace(TWO[0], label="lynx"), TWO[1]), "Found 2 objects", id="renamed"),
        pytest.param(Task.DETECT, TWO, TWO[:1], "Found 2 objects · 1 after corrections", id="one deleted"),
        pytest.param(Task.DETECT, TWO, (), "Found 2 objects · 0 after corrections", id="all deleted"),
        pytest.param(
            Task.DETECT,
            TWO,
            (replace(TWO[0], review=Review.REJECTED), TWO[1]),
            "Found 2 objects · 1 after corrections",
            id="one rejected",
        ),
        pytest.param(Task.SEGMENT, TWO, (*TWO, DRAWN), "Found 2 objects · 3 after corrections", id="one drawn"),
        pytest.param(Task.DETECT, (), (DRAWN,), "1 object drawn", id="drawn where nothing was found"),
        pytest.param(Task.DETECT, (), (), "No object left", id="and deleted again"),
        pytest.param(Task.CAPTION, (), (DRAWN,), "Caption · 1 object drawn", id="drawn beside words"),
    ],
)
def test_the_status_says_what_the_model_found_and_what_corrections_left(
    task: Task, said: tuple[Detection, ...] | None, now: tuple[Detection, ...], told: str
) -> None:
    html = markup.answered(Answer(task, "cat; dog", "m", Result(Outcome.FOUND, "A cup.", now), said=said))
    assert f"<strong>{told}</strong>" in html


def test_only_other_things_found_is_not_shown_in_green() -> None:
    found = Result(Outcome.REPAIRED, detections=(Detection("house"),))
    assert 'data-tone="warn"' in markup.answered(Answer(Task.DETECT, "cat", "m", found))


@pytest.mark.parametrize(
    ("cost", "said"), [(0.0, "$0"), (0.00031, "$0.00031"), (0.0123, "$0.012"), (0.5, "$0.50"), (12.345, "$12.35")]
)
def test_costs_keep_two_digits_that_count(cost: float, said: str) -> None:
    assert markup.dollars(cost) == said


COUNTS = [
    (100, 100, "counts 100 tokens in; the estimate was 100: the same."),
    (1000, 1250, "counts 1,000 tokens in; the estimate was 1,250: 250 too many, 25%."),
    (1000, 999, "the estimate was 999: 1 too few, 0%."),
    (0, 5, "counts 0 tokens in; the estimate was 5: 5 too many."),
    (1, 1, "counts 1 token in"),
]


@pytest.mark.parametrize(("count", "estimated", "words"), COUNTS)
def test_how_far_an_estimate_was_from_the_services_own_count_is_said(count: int, estimated: int, words: str) -> None:
    assert words in service_markup.counted(count, Estimate(estimated, 0, 10))
