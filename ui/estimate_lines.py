"""Keeps the quiet line under every Ask button in step with what is typed and chosen. Asks nobody."""

from __future__ import annotations

import gradio as gr

from grounding.types import Task
from ui import estimates
from ui.desk import Desk
from ui.follow import Follower, Values
from ui.form import read_form
from ui.messages import Problem, attempt
from ui.sidebar import capabilities
from ui.state import Session
from ui.tabs.prompt import Around


def wire(around: Around, desk: Desk) -> Follower:
    fields = {name: widget for name, widget in around.fields.items() if name != "api_key"}
    prompts = {tab.task: tab.prompt for tab in around.tabs}

    def show(values: Values) -> Values:
        now: Session = values[around.session]
        chosen = {name: values[widget] for name, widget in fields.items()}
        return {tab.before: line(tab.task, {**chosen, "prompt": values[tab.prompt]}, now, desk) for tab in around.tabs}

    inputs, outputs = [around.session, *prompts.values(), *fields.values()], [tab.before for tab in around.tabs]
    moved = [around.page.load, *(prompt.change for prompt in prompts.values())]
    moved += [around.sidebar.model.change, *(widget.change for widget in around.options.fields.values())]
    gr.on(
        moved,
        show,
        set(inputs),
        outputs,
        trigger_mode="always_last",
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Follower(lambda values, visitor: show(values), inputs, outputs)


def line(task: Task, values: dict[str, object], now: Session, desk: Desk) -> str:
    """What stands under the button of `task`; "" where there is nothing to ask yet."""
    form = attempt(lambda: read_form(task, values, desk.settings, with_key=False))
    if isinstance(form, Problem):
        return ""
    return estimates.before(form, now, capabilities(form.backend, desk.settings), desk.paces)
