"""What is done with all pictures on the page, or the moments of a clip: ask about each, pick others, take the film."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from grounding.errors import RequestError
from grounding.overlays import OVERLAYS
from grounding.types import Task
from ui import asking, clips, estimates, markup, sidebar
from ui.desk import Desk
from ui.each import EachQuestion
from ui.exports_panel import CLICK_FILE, ExportsPanel
from ui.follow import Follower, Values
from ui.form import read_form, read_view
from ui.gathering import MAX_PICTURES
from ui.messages import Problem, attempt
from ui.state import Session
from ui.tabs.prompt import Around
from ui.tabs.prompt import wire as wire_question

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_FILM = (
    "The film shows the picked moments only, each until the next was taken and 2 s at most: "
    "nothing is drawn on frames no model saw."
)


@dataclass(frozen=True)
class AlbumPanel:
    whole: gr.Column
    each: gr.Button
    reel: gr.Row
    wish: gr.Textbox
    pick: gr.Button
    film: gr.Button
    takes: gr.HTML
    said: gr.HTML


def build() -> AlbumPanel:
    with gr.Column(visible=False, elem_id="pp-album") as whole:
        with gr.Row(elem_classes="pp-inline"):
            each = gr.Button("Ask about each", size="md", elem_id="pp-each", min_width=150, scale=0)
            with gr.Row(visible=False, elem_id="pp-reel", elem_classes="pp-inline") as reel:
                wish = gr.Textbox(
                    "",
                    label="Moments",
                    show_label=False,
                    container=False,
                    placeholder=f"Moments: 1 to {MAX_PICTURES}, or 0:03.5; 0:07",
                    max_lines=1,
                    max_length=400,
                    elem_id="pp-moments",
                    scale=2,
                    min_width=170,
                )
                pick = gr.Button("Pick these", size="md", elem_id="pp-pick", min_width=100, scale=0)
                film = gr.Button(
                    "Download annotated clip",
                    size="md",
                    elem_id="pp-film",
                    elem_classes="pp-needs-saved",  # the page waits until the last correction is kept
                    min_width=190,
                    scale=0,
                )
        takes = gr.HTML("", elem_id="pp-album-takes", elem_classes="pp-album-line")
        said = gr.HTML("", elem_id="pp-album-said", elem_classes="pp-album-line")
    return AlbumPanel(whole, each, reel, wish, pick, film, takes, said)


def wire(panel: AlbumPanel, task: gr.State, around: Around, take: ExportsPanel, desk: Desk) -> Follower:
    """`task`: whose tab is open; its words are what each picture is asked."""
    prompts = {tab.task.value: tab.prompt for tab in around.tabs}
    doing = {tab.task: tab.doing for tab in around.tabs}

    def offer(now: Session) -> Values:
        count, clip = len(now.sheets), now.reel is not None
        what = "moments" if clip else "pictures"
        return {
            panel.whole: gr.update(visible=clip or (count > 1 and now.document is None)),
            panel.each: gr.update(visible=count > 1, value=f"Ask about each of the {count} {what}"),
            panel.reel: gr.update(visible=clip),
            panel.said: markup.hint(_FILM) if clip else "",
        }

    def ask(values: dict[Any, Any]) -> EachQuestion:
        before: Session = values[around.session]
        if len(before.sheets) < 2:
            raise RequestError("There is one picture only: ask about it.")
        chosen = Task(values[task])
        fields = {name: values[widget] for name, widget in around.fields.items()}
        form = read_form(chosen, {**fields, "prompt": values[prompts[chosen.value]]}, desk.settings)
        return EachQuestion(form, doing[chosen], before, lambda: before)

    def pick(now: Session, wish: object, request: gr.Request) -> dict[Any, Any]:
        made = attempt(lambda: clips.pick(now, wish, desk.shelf))
        if isinstance(made, Problem):
            return {panel.said: markup.trouble(made)}
        desk.runs.stop(str(request.session_hash), replaced=True)
        shown = {around.pictures.current: markup.current_picture(made.picture), **asking.shown(around.result, made)}
        return {around.session: made, panel.said: markup.hint(_FILM), **shown}

    def film(now: Session, *view: object) -> str:
        made = attempt(lambda: clips.save_film(now, read_view(view, OVERLAYS), desk.shelf))
        if isinstance(made, Problem):
            raise gr.Error(made.text, print_exception=False, title="No clip", duration=6)
        return str(made)

    def estimate(values: dict[Any, Any]) -> str:
        now: Session = values[around.session]
        if len(now.sheets) < 2 or now.document is not None:
            return ""
        chosen = Task(values[task])
        fields = {name: values[widget] for name, widget in asked.items()}
        got = attempt(lambda: _takes(chosen, {**fields, "prompt": values[prompts[chosen.value]]}, now, desk))
        return "" if isinstance(got, Problem) else got

    def show(values: Values, visitor: str) -> Values:
        return {**offer(values[around.session]), panel.takes: estimate(values)}

    asked = {name: widget for name, widget in around.fields.items() if name != "api_key"}
    inputs = [around.session, task, *prompts.values(), *asked.values()]
    moved = [task.change, around.sidebar.model.change]
    gr.on(
        [*moved, *(each.change for each in (*prompts.values(), *around.options.fields.values()))],
        estimate,
        set(inputs),
        panel.takes,
        trigger_mode="always_last",
        queue=False,
        **_QUIET,
    )
    wire_question(None, around, desk, [panel.each.click], ask, {task, *prompts.values(), *around.fields.values()})
    gr.on(
        [panel.pick.click, panel.wish.submit],
        pick,
        [around.session, panel.wish],
        [around.session, panel.said, around.pictures.current, *around.result.cleared],
        trigger_mode="once",
        concurrency_id="picture",
        concurrency_limit=4,
        **_QUIET,
    )
    panel.film.click(
        film,
        [around.session, *around.result.view],
        take.file,
        trigger_mode="once",
        concurrency_id="export",
        concurrency_limit=2,
        **_QUIET,
    ).success(None, js=CLICK_FILE)
    outputs = [panel.whole, panel.each, panel.reel, panel.said, panel.takes]
    return Follower(show, inputs, outputs)


def _takes(task: Task, values: dict[str, object], now: Session, desk: Desk) -> str:
    """What asking about each by itself takes: as much as about the one shown, so many times."""
    form = read_form(task, values, desk.settings, with_key=False)
    able = sidebar.capabilities(form.backend, desk.settings)
    alone = Session(now.picture, scene=now.scene)
    took = estimates.took(form, alone, able, desk.paces, times=len(now.sheets))
    return markup.hint(f"Each by itself: {took}") if took else ""
