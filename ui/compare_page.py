"""The Compare page: two models about the picture on the Picture page, or one model asked the same again and again.

Moving the IoU slider matches anew what was answered; nothing it calls can reach a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from backends import SPECS
from grounding.matching import LEAST_IOU
from grounding.settings import Settings
from grounding.types import Task
from ui import asking, compare_estimate, compare_markup, compare_sides, markup, projects, trial, trial_asking
from ui.compare_sides import SidePanel
from ui.components import Range
from ui.desk import Desk
from ui.follow import Follower, listed
from ui.messages import BUSY, Problem, attempt
from ui.result_view import ResultView
from ui.sidebar import Sidebar, key_field
from ui.state import KEPT_S, Kept, Session
from ui.tabs.prompt import Tab
from ui.trial import MANY, TWO, Trial

_SCRIPT = Path(__file__).parents[1] / "assets" / "js" / "compare.js"
_TO_RESULT = """() => { if (matchMedia('(max-width: 900px)').matches)
  document.querySelector('#pp-cmp-result')?.scrollIntoView({behavior: 'smooth', block: 'start'}) }"""
_IN_SIGHT = "Boolean(document.querySelector('#pp-cmp-board')?.offsetParent)"
_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class ComparePage:
    """trial: what was asked last. followed: the prompt last taken over from the Picture page.

    open: whether the page is looked at; the browser says so whenever it is asked.
    """

    tab: gr.Tab
    trial: gr.State
    followed: gr.State
    open: gr.Checkbox
    picture: gr.HTML
    prompt: gr.Textbox
    task: gr.Radio
    kind: gr.Radio
    sides: tuple[SidePanel, SidePanel]
    many: gr.Column
    times: Range
    key: gr.Textbox
    run: gr.Button
    stop: gr.Button
    before: gr.HTML
    status: gr.HTML
    iou: Range
    stale: gr.HTML
    board: gr.HTML


def build(first: Session, prompt: str, settings: Settings) -> ComparePage:
    """`prompt`: what the Picture page would look for in its first picture."""
    with gr.Tab("Compare", id="compare") as tab, gr.Row(elem_id="pp-cmp-layout"):
        made, followed = gr.State(None, time_to_live=KEPT_S), gr.State(prompt)
        seen = gr.Checkbox(False, visible=False)
        with gr.Column(elem_id="pp-cmp-left"):
            with gr.Column(elem_classes="pp-card"):
                kind, picture, words, task = _question(first, prompt)
            sides = compare_sides.build("A", settings), compare_sides.build("B", settings)
            with gr.Column(elem_classes="pp-card", visible=False) as many:
                least, most = trial.LEAST_TIMES, trial.MOST_TIMES
                times = Range(least, most, 5, step=1, label="Times to ask", elem_id="pp-cmp-times", buttons=[])
            with gr.Column(elem_classes="pp-card"):
                key, run, stop, before = _start(settings)
        with gr.Column(elem_id="pp-cmp-result"):
            status, stale, iou, board = _result(first)
    return ComparePage(
        tab, made, followed, seen, picture, words, task, kind, sides, many, times, key, run, stop, before, status, iou,
        stale, board,
    )  # fmt: skip


def _question(first: Session, prompt: str) -> tuple[gr.Radio, gr.HTML, gr.Textbox, gr.Radio]:
    kind = gr.Radio(
        [("Two models", TWO), ("One model, many times", MANY)],
        value=TWO,
        show_label=False,
        label="What to compare",
        elem_classes="pp-segmented",
        elem_id="pp-cmp-kind",
    )
    picture = gr.HTML(_picture(first.picture), elem_id="pp-cmp-picture")
    words = gr.Textbox(
        prompt,
        label="What to find",
        placeholder="cat; dog",
        max_lines=1,
        max_length=4000,
        elem_id="pp-cmp-prompt",
    )
    task = gr.Radio(
        [("Detect", Task.DETECT.value), ("Segment", Task.SEGMENT.value)],
        value=Task.DETECT.value,
        show_label=False,
        label="Task",
        elem_classes="pp-segmented",
        elem_id="pp-cmp-task",
    )
    return kind, picture, words, task


def _start(settings: Settings) -> tuple[gr.Textbox, gr.Button, gr.Button, gr.HTML]:
    needed = any(SPECS[compare_sides.first(letter, settings)[0]].needs_key for letter in "AB")
    info = "Empty: the one on the Picture page. Kept in memory for this visit, never stored."
    key = key_field(info, "pp-cmp-key", visible=needed)
    with gr.Row(elem_classes="pp-inline"):
        run = gr.Button(
            "Compare",
            variant="primary",
            elem_id="pp-cmp-run",
            elem_classes="pp-needs-picture",
            min_width=120,
            scale=3,
        )
        stop = gr.Button("Stop", visible=False, elem_id="pp-cmp-stop", min_width=80, scale=1)
    return key, run, stop, gr.HTML("", elem_classes="pp-before", elem_id="pp-cmp-before")


def _result(first: Session) -> tuple[gr.HTML, gr.HTML, Range, gr.HTML]:
    status = gr.HTML(_status(), elem_id="pp-cmp-status")
    stale = gr.HTML("", elem_id="pp-cmp-stale")
    iou = Range(
        0.05,
        0.95,
        LEAST_IOU,
        step=0.05,
        label="Same place from this IoU on",
        elem_id="pp-cmp-iou",
        buttons=["reset"],
    )
    board = gr.HTML(
        _waiting(first.picture), js_on_load=_SCRIPT.read_text(), apply_default_css=False, elem_id="pp-cmp-board"
    )
    return status, stale, iou, board


def _picture(kept: Kept | None) -> str:
    if kept is None:
        return markup.hint("No picture yet: give one on the Picture page.")
    name = markup.safe(kept.name or "Picture")
    return (
        f'<div class="pp-current"><img src="{markup.data_uri(kept)}" alt="The picture on the Picture page">'
        f"<div><strong><bdi>{name}</bdi></strong><span>from the Picture page</span></div></div>"
    )


def _waiting(kept: Kept | None) -> str:
    return compare_markup.waiting(kept) if kept else ""


def _status(words: str = "Ask two models the same, and see where they differ.") -> str:
    return f'<div class="pp-status" data-tone="quiet"><strong>{words}</strong></div>'


def wire(
    panel: ComparePage,
    page: gr.Blocks,
    pages: gr.Tabs,
    session: gr.State,
    result: ResultView,
    sidebar: Sidebar,
    tabs: list[Tab],
    desk: Desk,
) -> list[Follower]:
    trial_asking.wire(panel, page, session, sidebar, desk)
    panel.run.click(None, js=_TO_RESULT)
    return [_wire_choices(panel, session, tabs, desk), _wire_board(panel, pages, session, result, desk)]


def _wire_choices(panel: ComparePage, session: gr.State, tabs: list[Tab], desk: Desk) -> Follower:
    """What is chosen on the left shows and hides what belongs to it, and says what asking will take."""

    def choose_kind(kind: object) -> list[Any]:
        many = kind == MANY
        words = "Ask one model the same again and again, and see how steady it is."
        return [
            gr.update(visible=not many),
            gr.update(visible=many),
            gr.update(value="Ask again and again" if many else "Compare"),
            _status(words) if many else _status(),
        ]

    panel.kind.input(choose_kind, panel.kind, [panel.sides[1].box, panel.many, panel.run, panel.status], **_QUIET)

    compare_sides.wire(panel.sides, panel.key, desk.settings)

    def follow(now: Session, words: str, followed: str, *prompts: str) -> list[Any]:
        """The question of the Picture page, as long as none was typed here."""
        if words.strip() and words != followed:
            return [gr.skip()] * 3
        task = now.answer.task if now.answer and now.answer.task is Task.SEGMENT else Task.DETECT
        wanted = dict(zip([tab.task for tab in tabs], prompts, strict=True))[task]
        return [wanted, wanted, task.value]

    asked = [session, panel.prompt, panel.followed, *(tab.prompt for tab in tabs)]
    panel.tab.select(follow, asked, [panel.prompt, panel.followed, panel.task], **_QUIET)
    return compare_estimate.wire(panel, session, desk)


def _wire_board(panel: ComparePage, pages: gr.Tabs, session: gr.State, result: ResultView, desk: Desk) -> Follower:
    def match(made: Trial | None, least_iou: object) -> Any:
        if made is None:
            return gr.skip()
        got = attempt(lambda: trial_asking.show(made, trial.read_iou(least_iou)))
        return markup.trouble(got) if isinstance(got, Problem) else got

    def move(now: Session, made: Trial | None, seen: object) -> list[Any]:
        if seen is not True:  # drawn once somebody looks: every correction comes by here
            return [gr.skip()] * 3
        drawn = attempt(lambda: (_picture(now.picture), gr.skip() if made is not None else _waiting(now.picture)))
        if isinstance(drawn, Problem):
            return [markup.trouble(drawn), "", gr.skip()]
        other = made is not None and (now.picture is None or now.picture.path != made.picture.path)
        words = "This comparison is about an earlier picture; there is another one on the Picture page by now."
        return [drawn[0], markup.beware(words) if other else "", drawn[1]]

    def use(now: Session, made: Trial | None, posted: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        visitor = str(request.session_hash)
        got = BUSY if desk.runs.running(visitor) else attempt(lambda: taken(now, made, posted._data, desk, visitor))
        if isinstance(got, Problem):
            return {panel.stale: markup.trouble(got)}
        return {session: got, panel.stale: "", pages: gr.update(selected="picture"), **asking.shown(result, got)}

    panel.iou.change(match, [panel.trial, panel.iou], panel.board, trigger_mode="always_last", **_QUIET)
    inputs, shown = [session, panel.trial, panel.open], [panel.picture, panel.stale, panel.board]
    panel.tab.select(move, inputs, shown, js="(session, made) => [session, made, true]", **_QUIET)
    outputs = [session, panel.stale, pages, *result.cleared]
    panel.board.select(use, [session, panel.trial], outputs, show_progress="hidden", api_visibility="private")
    return listed(move, inputs, shown, (panel.open, _IN_SIGHT))


def taken(now: Session, made: Trial | None, post: object, desk: Desk, visitor: str) -> Session:
    """`now` with the picked objects beside those a person corrected, and in its project; raises RequestError."""
    said = post if isinstance(post, dict) else {}
    after = projects.over_corrections(now, trial.take(made, said.get("number"), said.get("picks"), now))
    return projects.keep_answers(now, after, desk.projects, visitor)
