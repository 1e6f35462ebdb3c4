"""Two ways on from an answer that was cut: let the model go on where it stopped, or ask again with a higher limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from backends import SPECS
from grounding.errors import RequestError
from grounding.types import Outcome
from ui.asking import Question
from ui.desk import Desk
from ui.follow import Follower, Values
from ui.form import Form, read_key
from ui.options import MAX_ANSWER_TOKENS
from ui.state import Answer, Session
from ui.tabs.prompt import Around
from ui.tabs.prompt import wire as wire_question

_HIGHER = 4  # times the limit the answer was cut at: twice is soon reached again


@dataclass(frozen=True)
class CutPanel:
    row: gr.Row
    go_on: gr.Button
    higher: gr.Button


def build() -> CutPanel:
    with gr.Row(visible=False, elem_id="pp-cut", elem_classes="pp-inline") as row:
        go_on = gr.Button("Go on from there", size="md", elem_id="pp-go-on", min_width=140, scale=0)
        higher = gr.Button("Raise the limit and ask again", size="md", elem_id="pp-higher", min_width=220, scale=0)
    return CutPanel(row, go_on, higher)


def wire(panel: CutPanel, around: Around, desk: Desk) -> Follower:
    def offer(values: Values, visitor: str) -> Values:
        now: Session = values[around.session]
        on, limit = _can_go_on(now.answer), _limit(now.answer)
        named = f"Ask again with up to {min(limit * _HIGHER, MAX_ANSWER_TOKENS):,} tokens" if limit else ""
        return {
            panel.row: gr.update(visible=bool(on or limit)),
            panel.go_on: gr.update(visible=on),
            panel.higher: gr.update(visible=bool(limit), value=named),
        }

    def go_on(values: dict[Any, Any]) -> Question:
        answer = _cut(values)
        return _again(values, replace(_asked(answer), so_far=answer.result.raw))

    def higher(values: dict[Any, Any]) -> Question:
        answer = _cut(values)
        limit = min((_limit(answer) or 1) * _HIGHER, MAX_ANSWER_TOKENS)
        form = _asked(answer)
        return _again(values, replace(form, options=replace(form.options, max_output_tokens=limit)))

    def _cut(values: dict[Any, Any]) -> Answer:
        answer: Answer | None = values[around.session].answer
        if answer is None or answer.result.outcome is not Outcome.TRUNCATED:
            raise RequestError("There is no cut answer to go on with. Ask again.")
        return answer

    def _again(values: dict[Any, Any], form: Form) -> Question:
        before: Session = values[around.session]
        key = read_key(values[around.sidebar.key], form.backend, desk.settings)
        return Question(replace(form, api_key=key), "Going on", before, lambda: before)

    wire_question(None, around, desk, [panel.go_on.click], go_on, {around.sidebar.key})
    wire_question(None, around, desk, [panel.higher.click], higher, {around.sidebar.key})
    return Follower(offer, [around.session], [panel.row, panel.go_on, panel.higher])


def _asked(answer: Answer) -> Form:
    if answer.asked is None:
        raise RequestError("What was asked is not known any more. Ask again.")
    return answer.asked


def _can_go_on(answer: Answer | None) -> bool:
    """Services are shown what they said; models of this machine begin anew each time."""
    if answer is None or answer.asked is None or answer.result.outcome is not Outcome.TRUNCATED:
        return False
    return bool(answer.result.raw.strip() and SPECS[answer.asked.backend].tools)


def _limit(answer: Answer | None) -> int | None:
    """The limit the answer was cut at; None where it was not, or something else ended it."""
    if answer is None or answer.asked is None or answer.result.outcome is not Outcome.TRUNCATED:
        return None
    result = answer.result
    if "max_output_tokens" not in SPECS[answer.asked.backend].capabilities.options or result.usage is None:
        return None
    return result.cut_at_tokens or answer.asked.options.max_output_tokens or result.usage.answer_tokens
