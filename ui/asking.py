"""Asking, from the page: a question runs in a thread of its own, its answer is shown as it grows, Stop ends it.

What was there before stays until something comes in its place; where nothing does, it comes back. Inputs stay always.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from grounding.types import Outcome, Result
from ui import actions, corrections, gathering, markup, projects
from ui.desk import Desk
from ui.form import Form
from ui.messages import REPLACED, STOPPED, Problem, attempt
from ui.result_view import ResultView
from ui.runs import PATIENCE_S, POLL_S, News, Run
from ui.state import Answer, Session, live

_REDRAW_S = 0.25  # between drawings of a growing answer; one that took long is followed by a longer pause
_REDRAW_SHARE = 4
_ROUNDS = 3  # of laying an answer over corrections that go on coming

Updates = dict[Any, Any]


class Page(Protocol):
    """The parts of the page a question changes."""

    @property
    def page(self) -> gr.Blocks: ...
    @property
    def session(self) -> gr.State: ...
    @property
    def result(self) -> ResultView: ...
    @property
    def trouble(self) -> gr.HTML: ...


@dataclass(eq=False)
class Question:
    """Checked, and ready for a thread. take_in: the session to ask about, where it is not ready yet.

    number: of the answer while it grows; corrections to it are refused, for the next drawing would undo them.
    held: the page's session as it is by now; `run` knows it.
    """

    form: Form
    doing: str
    before: Session
    take_in: Callable[[], Session]
    news: News[Result] = field(default_factory=News)
    asked: Session | None = None
    number: str = field(default_factory=lambda: f"growing-{time.monotonic_ns()}")
    held: Callable[[], Session | None] = lambda: None

    def answer(self, desk: Desk, stop: threading.Event) -> Session:
        """The answer, in the thread that asks; no project hears of it before the page takes it."""
        self.asked = self.take_in()
        return actions.answer(self.form, self.asked, desk.pool, desk.shelf, stop, self.news.tell)

    def so_far(self) -> Session | None:
        """What is whole already of an answer that is no longer waited for; None where nothing is."""
        return None

    def grown(self, result: Result) -> Session | None:
        """What to draw of an answer that is still growing; None where no place was named yet."""
        if self.asked is None or not result.detections:
            return None
        shown = gathering.share(result, self.asked.place) if len(self.asked.album) > 1 else result
        answer = Answer(self.form.task, self.form.prompt, self.form.model, shown, number=self.number)
        return Session(self.asked.picture, answer)


async def run(
    question: Question, desk: Desk, visitor: str, page: Page, working: Callable[[bool], Updates]
) -> AsyncIterator[Updates]:
    """Updates of the page until the question is answered; none that matters where the visitor's last one still runs.

    working: the buttons' own updates, for the first and the last of these. Nothing follows the answer: Gradio sends
    what changed since the update before, and the next one would take the answer's parts away while the page reads them.
    """
    result, trouble = page.result, page.trouble
    held = question.held = partial(live, page.page, page.session, visitor)
    running = desk.runs.begin(visitor, lambda stop: attempt(lambda: question.answer(desk, stop)))
    if running is None:  # pressed twice
        yield {result.status: gr.skip()}
        return
    earlier = question.before.answer is not None
    drawn = False
    try:
        yield {result.status: markup.busy(question.doing, 0), trouble: "", **working(True)}
        async for updates in _while(running, question, desk, result, held):
            drawn = drawn or result.editor.stage in updates
            yield updates
        got = running.future.result() if running.future.done() else question.so_far() or STOPPED
        if isinstance(got, Session) and not _dropped(running, question):
            got = await _kept(question, got, held, desk, visitor)
        if isinstance(got, Session) and _dropped(running, question):
            got = REPLACED
        if isinstance(got, Session):
            attempt(partial(desk.learn, question.form, got))
            yield {page.session: got, **shown(result, got), **_elsewhere(question, got, result), **working(False)}
            return
        got = REPLACED if got.stopped and running.replaced else got
        standing = held() or question.before
        again = {result.editor.stage: corrections.scene(standing)} if drawn and not running.replaced else {}
        said = "" if got.stopped else markup.trouble(got)
        yield {
            result.status: markup.failed(got, earlier=earlier and not running.replaced),
            trouble: said,
            **again,
            **working(False),
        }
    finally:  # also when the visitor leaves
        desk.runs.end(visitor, running)


def _dropped(running: Run, question: Question) -> bool:
    """Whether what was asked about has left the page. An upload that was asked about while it arrived is what came."""
    return running.replaced and question.asked is question.before


async def _kept(
    question: Question, answered: Session, now: Callable[[], Session | None], desk: Desk, visitor: str
) -> Session | Problem:
    """The answer beside what was done meanwhile, in its project, and over what a person had corrected.

    now: the page's session as it is by now. What was corrected while this worked is there before the answer is, too.
    """
    asked = question.asked
    assert asked is not None
    before, after = beside(asked, answered, now())
    put = await asyncio.to_thread(attempt, lambda: projects.keep_answers(before, after, desk.projects, visitor))
    if isinstance(put, Problem):
        return put
    came = _came(asked, answered)
    in_project = {each.picture.path: each for each in put.sheets if each.member and each.picture.path in came}
    for _ in range(_ROUNDS):
        held = now()
        before, after = beside(asked, answered, held)
        made = await asyncio.to_thread(projects.over_corrections, before, after)
        if now() is held:
            break
    made = projects.holding(made, tuple(in_project.get(each.picture.path, each) for each in made.sheets))
    return _turned_back(made, held) if held else made


def beside(asked: Session, answered: Session, live: Session | None) -> tuple[Session, Session]:
    """(what stands, the same with the new answers): removed pictures stay away, corrections made meanwhile are kept.

    Of a document the page that was asked about is on the stage, whichever is shown by now.
    """
    if live and live.document and live.document is asked.document:
        live = _page(live, asked.place)
    known = {each.picture.path for each in asked.sheets}
    if live is None or known.isdisjoint(each.picture.path for each in live.sheets):
        return asked, answered
    came = _came(asked, answered)
    sheets = tuple(replace(each, answer=came.get(each.picture.path, each.answer)) for each in live.sheets)
    after = projects.holding(live, sheets)
    ended = answered.picture.path if answered.picture and answered.place != asked.place else None
    place = next((place for place, each in enumerate(sheets) if each.picture.path == ended), live.place)
    return live, after.showing(sheets, place) if after.album else after


def _came(asked: Session, answered: Session) -> dict[Path, Answer | None]:
    was = {each.picture.path: each.answer for each in asked.sheets}
    return {each.picture.path: each.answer for each in answered.sheets if each.answer is not was[each.picture.path]}


def _page(now: Session, place: int) -> Session:
    """A page of the document that was shown before on the stage again, if it is not there now."""
    there = now.leaves.get(place)
    return now if place == now.place or there is None or now.picture is None else now.leaf(place, there)


def _turned_back(made: Session, held: Session) -> Session:
    """`made`, the page of the document on the stage that was; words about the whole come along where no object is."""
    if made.document is None or made.document is not held.document or made.place == held.place:
        return made
    back, words = _page(made, held.place), made.answer
    if words is None or not gathering.about_whole(words) or (back.answer and back.answer.result.detections):
        return back
    return replace(back, answer=words.words())


def _elsewhere(question: Question, got: Session, result: ResultView) -> Updates:
    """Where the answer is, when another page of the document is on the stage."""
    asked = question.asked
    if asked is None or got.document is None or got.place == asked.place:
        return {}
    there = got.leaves.get(asked.place)
    if there is None or there.answer is None or gathering.about_whole(there.answer):
        return {}
    return {result.status: markup.hint(f"The answer is on page {asked.place + 1}, which was asked about.")}


def shown(result: ResultView, session: Session) -> Updates:
    """What stands on the stage and beside it, answered or not."""
    if session.answer is None:
        return dict(zip(result.cleared, result.show_picture(session), strict=True))
    pages = session.document.pages if session.document else 0
    return {**result.show_answer(session), result.status: markup.answered(session.answer, pages)}


async def _while(
    running: Run, question: Question, desk: Desk, result: ResultView, held: Callable[[], Session | None]
) -> AsyncIterator[Updates]:
    """What is seen while the model works: the seconds, its loading, a wait it asked for, the answer as it grows."""
    told = shown = ""
    newest: Result | None = None
    drawn_at, pause_s, waits_until, stopped_s = -math.inf, _REDRAW_S, 0.0, math.inf
    undrawn = False
    while not running.future.done():
        await asyncio.sleep(POLL_S)
        if (came := question.news.take()) is not None:
            newest, undrawn = came, came.wait_s is None
            waits_until = time.monotonic() + came.wait_s if came.wait_s is not None else 0.0
        if running.stop.is_set():
            stopped_s = min(stopped_s, running.seconds)
            if running.seconds - stopped_s > PATIENCE_S:
                return
        updates: Updates = {}
        shown = _status(running, question, desk, newest, waits_until)
        if shown != told:
            told = updates[result.status] = shown
        if undrawn and newest and time.monotonic() - drawn_at > pause_s:
            began, grown = time.monotonic(), question.grown(newest)
            undrawn = grown is not None and not _in_sight(grown, question.before, held())
            if grown is not None and not undrawn:
                scene = await asyncio.to_thread(corrections.scene, grown)
                if _in_sight(grown, question.before, held()):  # still
                    updates[result.editor.stage] = scene
            drawn_at = time.monotonic()
            pause_s = max(_REDRAW_S, _REDRAW_SHARE * (drawn_at - began))
        if updates:
            yield updates


def _in_sight(grown: Session, before: Session, now: Session | None) -> bool:
    """Whether the growing answer is of what is looked at: nothing is drawn over a picture turned to meanwhile."""
    asked = {each.picture.path for each in (before, grown) if each.picture}
    return now is None or now.picture is None or now.picture.path in asked


def _status(running: Run, question: Question, desk: Desk, newest: Result | None, waits_until: float) -> str:
    seconds = int(running.seconds)
    if running.stop.is_set():
        return markup.busy("Stopping", seconds)
    if newest and newest.outcome is Outcome.FAILED and waits_until:
        return markup.waiting(newest.text, max(0, math.ceil(waits_until - time.monotonic())))
    if newest is not None:
        return markup.growing(question.doing, seconds, newest, question.form.task)
    form = question.form
    if (loading := desk.pool.loading(form.backend, form.model, form.api_key)) is not None:
        return markup.loading(form.model, loading, seconds)
    return markup.busy(question.doing, seconds)
