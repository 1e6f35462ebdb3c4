"""The slim bar over the picture: which picture of which project it is, what became of it, and on to the next.

Where it is in none, the way into one. Ctrl+Enter approves; the page waits until the last correction is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from grounding.errors import RequestError
from grounding.types import Review
from ui import asking, markup, project_markup, projects
from ui.desk import Desk
from ui.follow import Follower, Values
from ui.messages import BUSY, Problem, attempt
from ui.picture_panel import PicturePanel
from ui.result_view import ResultView
from ui.state import Member, Session

_LISTEN = """
const tell = (data) => trigger("select", {...data});
element.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-act]");
  if (!button || button.disabled) return;
  // What can be kept is kept first; what was refused is given up: that is what this button is for.
  if (button.dataset.act === "again") await document.querySelector(".pp-ed")?.editor?.sync.flush();
  const into = element.querySelector("select"), name = element.querySelector("input");
  tell({...button.dataset, ...(button.dataset.act === "add" ? {into: into.value, name: name.value} : {})});
});
element.addEventListener("change", (event) => {
  if (!event.target.matches("select")) return;
  const name = element.querySelector("input");
  name.hidden = event.target.value !== "";
  if (!name.hidden) name.focus();
});
element.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input")) element.querySelector("[data-act=add]").click();
});
document.addEventListener("keydown", (event) => {
  const approve = element.querySelector("[data-act=approve]");
  if (event.repeat || event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !approve?.offsetParent) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.target.matches?.(".pp-ed-label")) event.target.blur(); // a label that is being typed
  approve.click();
}, true);
"""
_LEFT = (
    "The other pictures or pages are no longer beside this one. Those in the project stay there; else give them again."
)
_GONE = "The project is no longer there. The picture and its labels still are, in no project."
_DECISIONS = {"approve": Review.ACCEPTED, "reject": Review.REJECTED, "unsure": Review.UNSURE, "skip": None}


@dataclass(frozen=True)
class ProjectBar:
    bar: gr.HTML
    said: gr.HTML


def build() -> ProjectBar:
    bar = gr.HTML("", js_on_load=_LISTEN, elem_id="pp-member")
    return ProjectBar(bar, gr.HTML("", elem_id="pp-member-said"))


def wire(made: ProjectBar, session: gr.State, pictures: PicturePanel, result: ResultView, desk: Desk) -> Follower:
    def act(now: Session, chosen: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        visitor = str(request.session_hash)
        after = BUSY if desk.runs.running(visitor) else attempt(lambda: acted(now, chosen._data, desk, visitor))
        if isinstance(after, Problem):
            return {made.said: markup.trouble(after)}
        if after.picture is now.picture:  # the stage stays as it is but for what the project makes of it
            said = markup.hint(_GONE) if now.member and not after.member else ""
            return {session: after, made.said: said, **asking.shown(result, after)}
        current = markup.current_picture(after.picture)
        said = markup.hint(_LEFT) if left_together(now, after) else ""
        return {session: after, pictures.current: current, made.said: said, **asking.shown(result, after)}

    def show(values: Values, visitor: str) -> Values:
        now: Session = values[session]
        drawn = attempt(lambda: project_markup.bar(now, names(now, desk, visitor)))
        return {made.bar: markup.trouble(drawn) if isinstance(drawn, Problem) else drawn}

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    outputs = [session, pictures.current, made.said, *result.cleared]
    made.bar.select(act, session, outputs, concurrency_id="picture", concurrency_limit=4, trigger_mode="once", **quiet)
    return Follower(show, [session], [made.bar])


def left_together(now: Session, after: Session) -> bool:
    """Whether what stood beside the picture is no longer on the page."""
    return bool(now.album or now.reel or now.document) and not (after.album or after.reel or after.document)


def names(now: Session, desk: Desk, visitor: str) -> list[str]:
    """The projects the picture could go into, the last changed first."""
    return [] if now.member else desk.projects.recent(visitor)


def acted(now: Session, chosen: object, desk: Desk, visitor: str) -> Session:
    """`now` after a button of the bar was pressed; raises RequestError for what none of them says."""
    told = chosen if isinstance(chosen, dict) else {}
    act, into, name = told.get("act"), told.get("into"), told.get("name")
    if act in _DECISIONS:
        if now.member is not None and told.get("n", str(now.member.picture)) != str(now.member.picture):
            raise RequestError("Another picture is shown by now. Look at it, and decide then.")
        return projects.decide(now, _DECISIONS[act], desk.projects, visitor, desk.shelf)
    if act == "again" and now.member and _is_gone(now.member, desk, visitor):
        return replace(now, member=None)  # else every correction would be refused for good
    if act in ("before", "after", "again"):
        by = {"before": -1, "after": 1, "again": 0}[act]
        return projects.turn(now, by, desk.projects, visitor, desk.shelf)
    if act == "add" and isinstance(into, str) and isinstance(name, str):
        return projects.add(now, desk.projects, visitor, into or name, new=not into)
    raise RequestError("That cannot be done here. Reload the page and try again.")


def _is_gone(at: Member, desk: Desk, visitor: str) -> bool:
    """Whether there is nothing left of the project to show again."""
    if at.project not in desk.projects.names(visitor):
        return True
    with desk.projects.lend(at.project, visitor) as project:
        return project.count() == 0
