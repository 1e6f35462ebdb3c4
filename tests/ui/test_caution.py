"""What was beyond the bundled model is said beside its answer too, in the words that stood under the button."""

from __future__ import annotations

from html import escape

import pytest

from grounding.types import Outcome, Result, Task
from ui import caution
from ui.form import Form
from ui.small_world import QUESTIONS_ONLY, SCENES_ONLY
from ui.state import Answer, Session


def answered(task: Task, prompt: str, scene: int | None, model: str = "pinpoint-nano") -> Session:
    asked = Form(task, prompt, (), "paligemma", model)
    return Session(answer=Answer(task, prompt, model, Result(Outcome.FOUND, "0"), asked=asked), scene=scene)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        pytest.param(answered(Task.CAPTION, "", None), SCENES_ONLY, id="about a photograph"),
        pytest.param(answered(Task.ASK, "Who is it?", 49), QUESTIONS_ONLY, id="to a question of no kind it knows"),
        pytest.param(answered(Task.ASK, "Who is it?", None), f"{SCENES_ONLY} {QUESTIONS_ONLY}", id="both"),
    ],
)
def test_beside_the_answer_the_caution_is_one_line(now: Session, words: str) -> None:
    assert caution.line(now) == f'<p class="pp-hint pp-beware">{escape(words)}</p>'


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(Session(), id="nobody was asked yet"),
        pytest.param(answered(Task.CAPTION, "", 49), id="a scene it knows"),
        pytest.param(answered(Task.CAPTION, "", None, "google/paligemma2-3b-mix-224"), id="another model"),
    ],
)
def test_where_nothing_was_beyond_it_nothing_is_said(now: Session) -> None:
    assert caution.line(now) == ""
