"""PaliGemma's prompts, word for word: each kind it was taught put together from a few choices, or typed by hand.

What stands in the last box is what the model gets. Hidden where another backend is chosen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from backends import first_choice
from grounding.codecs.paligemma_prompts import LANGUAGES, PROMPTS
from grounding.errors import RequestError
from grounding.settings import Settings
from grounding.types import Task
from ui import estimates, picture_panel
from ui.asking import Question
from ui.desk import Desk
from ui.follow import Follower
from ui.form import Form, read_form
from ui.messages import Problem, attempt
from ui.sidebar import capabilities
from ui.state import Session
from ui.tabs import prompt as task_tab
from ui.tabs.prompt import Around, Tab

_BACKEND = "paligemma"
_KINDS = {each.word: each for each in PROMPTS}
_PUT_TOGETHER = """(kind, language, typed) => {
  const spoken = %s, said = (typed || "").trim().replace(/\\s+/g, " ");
  return [kind, spoken.includes(kind) ? language : "", said].filter(Boolean).join(" ");
}""" % json.dumps([each.word for each in PROMPTS if each.language])  # noqa: UP031 (braces are the script's own)
"""In the page itself: an answer from the server would come late, over what was typed into the last box since."""

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class PromptPanel:
    """tab: the box, its buttons and its line, as the tasks' tabs have them."""

    fold: gr.Accordion
    kind: gr.Dropdown
    language: gr.Dropdown
    typed: gr.Textbox
    tab: Tab


def build(settings: Settings) -> PromptPanel:
    backend, _ = first_choice(settings)
    with gr.Accordion(
        "Prompt, word for word", open=False, visible=backend == _BACKEND, elem_classes="pp-fold", elem_id="pp-words"
    ) as fold:
        kind = gr.Dropdown(
            [(each.title, each.word) for each in PROMPTS], value="caption", label="Kind", elem_id="pp-words-kind"
        )
        language = gr.Dropdown(
            [(name, code) for code, name in sorted(LANGUAGES.items(), key=lambda one: one[1])],
            value="en",
            label="Language of the answer",
            elem_id="pp-words-language",
        )
        typed = gr.Textbox("", label="About what", visible=False, max_length=1000, elem_id="pp-words-typed")
        words = gr.Textbox(
            "caption en",
            label="Prompt as the model gets it",
            info="Yours to change; kinds it was not taught are sent as they are.",
            lines=1,
            max_lines=3,
            max_length=2000,
            elem_id="pp-words-prompt",
        )
        with gr.Row(elem_classes="pp-inline"):
            run = gr.Button(
                "Ask this", variant="primary", elem_id="pp-words-run", elem_classes="pp-needs-picture", scale=3
            )
            stop = gr.Button("Stop", visible=False, elem_id="pp-words-stop", min_width=80, scale=1)
        before = gr.HTML("", elem_classes="pp-before")
    return PromptPanel(
        fold, kind, language, typed, Tab(Task.ASK, "Asking word for word", words, run, stop, before, fold)
    )


def wire(panel: PromptPanel, around: Around, desk: Desk) -> Follower:
    fields = around.fields
    words = panel.tab.prompt

    def choose_kind(kind: object) -> dict[Any, Any]:
        chosen = _KINDS.get(str(kind), PROMPTS[0])
        return {
            panel.typed: gr.update(visible=bool(chosen.needs), label=chosen.needs[:1].upper() + chosen.needs[1:]),
            panel.language: gr.update(visible=chosen.language),
        }

    def show(values: dict[Any, Any]) -> str:
        now: Session = values[around.session]
        chosen = {name: values[widget] for name, widget in fields.items() if name != "api_key"}
        form = attempt(lambda: read_words(values[words], chosen, desk.settings, with_key=False))
        if isinstance(form, Problem) or form.backend != _BACKEND:
            return ""
        return estimates.before(form, now, capabilities(form.backend, desk.settings), desk.paces)

    def prepare(values: dict[Any, Any]) -> Question:
        before: Session = values[around.session]
        dropped: tuple[str, str] | None = values[around.pictures.drop]
        chosen = {name: values[widget] for name, widget in fields.items()}
        form = read_words(values[words], chosen, desk.settings)
        take_in = (lambda: picture_panel.take_in(dropped, desk)) if dropped else lambda: before
        return Question(form, panel.tab.doing, before, take_in)

    parts = [panel.kind, panel.language, panel.typed]
    gr.on([part.input for part in parts], None, parts, words, js=_PUT_TOGETHER, **_QUIET)
    panel.kind.input(choose_kind, panel.kind, [panel.typed, panel.language], **_QUIET)
    inputs = [around.session, words, *(widget for name, widget in fields.items() if name != "api_key")]
    gr.on(
        [panel.fold.expand, words.change, around.sidebar.model.change],
        show,
        set(inputs),
        panel.tab.before,
        trigger_mode="always_last",
        **_QUIET,
    )
    with_own = replace(around, tabs=(*around.tabs, panel.tab))
    task_tab.wire_tab(panel.tab, with_own, desk, prepare, {words, around.pictures.drop, *fields.values()})
    around.sidebar.backend.input(
        lambda backend: gr.update(visible=backend == _BACKEND), around.sidebar.backend, panel.fold, **_QUIET
    )
    return Follower(lambda values, visitor: {panel.tab.before: show(values)}, inputs, [panel.tab.before])


def read_words(words: object, values: dict[str, Any], settings: Settings, *, with_key: bool = True) -> Form:
    """The form that sends `words` as they are; the task they are answered as follows from the first of them.

    Raises RequestError or ConfigError.
    """
    said = " ".join(str(words or "").split())
    if not said:
        raise RequestError("Type a prompt first, for example: detect cat ; dog.")
    kind = _KINDS.get(said.split()[0].lower())
    form = read_form(Task.CAPTION, {**values, "prompt": said}, settings, with_key=with_key)
    return replace(form, task=kind.task if kind and said.lower() != kind.word else Task.CAPTION)
