"""The visit before, where another picture took the place of one that a person had corrected: kept, and brought back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from ui import asking, markup
from ui.desk import Desk
from ui.follow import Follower, Values
from ui.result_view import ResultView
from ui.state import Session

_LISTEN = """
element.addEventListener("click", (event) => { if (event.target.closest("[data-act]")) trigger("select", {}); });
"""


def work(session: Session) -> int:
    """How many objects hold a person's work that is in no project."""
    others = (sheet for place, sheet in session.leaves.items() if place != session.place)
    return sum(sheet.corrected for sheet in (*session.sheets, *others))


def leaving(before: Session, after: Session) -> Session:
    """`after`, remembering `before` where a person's work is only there; else what `before` remembered, once."""
    stays = {sheet.picture.path for sheet in after.sheets}
    if work(before) and not all(sheet.picture.path in stays for sheet in before.sheets):
        return replace(after, left=replace(before, left=None))
    left = before.left
    back = left is not None and left.picture is after.picture
    return replace(after, left=None if back else left)


def build() -> gr.HTML:
    return gr.HTML("", js_on_load=_LISTEN, elem_id="pp-left-behind")


def wire(box: gr.HTML, session: gr.State, current: gr.HTML, result: ResultView, desk: Desk) -> Follower:
    """`current`: where the page says which picture is asked about."""

    def back(now: Session, request: gr.Request) -> dict[Any, Any]:
        if now.left is None:
            return {box: ""}
        made = leaving(now, now.left)
        desk.runs.stop(str(request.session_hash), replaced=True)
        return {session: made, current: markup.current_picture(made.picture), **asking.shown(result, made)}

    def show(values: Values, visitor: str) -> Values:
        left: Session | None = values[session].left
        return {box: _offer(left) if left else ""}

    box.select(
        back,
        session,
        [session, box, current, *result.cleared],
        concurrency_id="picture",
        concurrency_limit=4,
        trigger_mode="once",
        show_progress="hidden",
        api_visibility="private",
    )
    return Follower(show, [session], [box])


def _offer(left: Session) -> str:
    name = markup.safe(left.picture.name if left.picture and left.picture.name else "The picture before")
    objects = markup.counted(work(left), "object")
    return (
        f'<p class="pp-hint"><span><bdi>{name}</bdi>, with {objects} you corrected, is kept.</span> '
        '<button type="button" class="pp-act" data-act="back">Bring it back</button></p>'
    )
