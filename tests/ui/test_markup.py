"""Nothing a model or a person writes becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from grounding.backend import Capabilities
from grounding.types import (
    Detection,
    Note,
    NoteKind,
    Outcome,
    Result,
    SafetyRating,
    SafetyReport,
    Stage,
    Task,
    Usage,
)
from ui import markup
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
        "safety": markup.safety(report),
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


def test_uncounted_tokens_are_left_out() -> None:
    found = Result(Outcome.FOUND, detections=(Detection("cat"),), usage=Usage(1.25))
    html = markup.answered(Answer(Task.DETECT, "cat", "m", found))
    assert "1.2 s" in html
    assert "tokens" not in html
