"""Asking both sides at once, or one model many times: each in a thread of its own, one failing leaves the others be."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from backends import SPECS
from grounding.errors import RequestError
from grounding.types import Result
from ui import compare_markup, markup, sidebar, stability_markup, trial
from ui.desk import Desk
from ui.form import Form
from ui.messages import STOPPED, Problem, attempt
from ui.runs import PATIENCE_S, POLL_S, Run
from ui.state import Session
from ui.trial import Trial

if TYPE_CHECKING:
    from ui.compare_page import ComparePage

AT_ONCE = 3
"""Threads that ask a service many times: quick, and far below any service's limit of requests a minute."""
LINES = tuple(f" compares {n}" for n in range(AT_ONCE))
"""A visitor's threads here are told from the one of the Picture page by these."""

Heard = tuple[int, Result | Problem]
Updates = dict[Any, Any]


@dataclass(eq=False)
class Inquiry:
    """Who is asked what, and what came of it so far. forms: with their keys; None where the answer is there already."""

    made: Trial
    forms: Sequence[Form | None]
    came: queue.SimpleQueue[Heard] = field(default_factory=queue.SimpleQueue)

    def shares(self) -> list[list[int]]:
        """The places each thread asks for, one after the other."""
        todo = [place for place, form in enumerate(self.forms) if form is not None]
        first = self.forms[todo[0]]
        hosted = first is not None and SPECS[first.backend].needs_key
        threads = min(AT_ONCE, len(todo)) if hosted or not self.made.repeats else 1
        return [todo[n::threads] for n in range(threads)]

    def work(self, places: Sequence[int], desk: Desk, stop: threading.Event) -> None:
        for place in places:
            form = self.forms[place]
            assert form is not None
            got = STOPPED if stop.is_set() else trial.ask(form, self.made.picture, desk, stop)
            self.came.put((place, got))

    def take(self) -> bool:
        """Whether something came since the last time; `made` then knows of it."""
        news = False
        while not self.came.empty():
            self.made = self.made.heard(*self.came.get())
            news = True
        return news

    def give_up(self) -> None:
        """Whoever has not answered by now was stopped."""
        for place, side in enumerate(self.made.sides):
            if side.got is None:
                self.made = self.made.heard(place, STOPPED)


def wire(panel: ComparePage, page: gr.Blocks, session: gr.State, asked: sidebar.Sidebar, desk: Desk) -> None:
    """The button and Enter ask; Stop stops; whoever leaves the page stops too."""
    fields = [side.fields for side in panel.sides]
    filters = {harm.value: radio for harm, radio in asked.filters.items()}
    inputs = {session, panel.prompt, panel.task, panel.kind, panel.times, panel.iou, panel.key, asked.key}
    inputs |= {*filters.values(), *(widget for each in fields for widget in each.values())}

    def prepare(values: Updates) -> Inquiry:
        now: Session = values[session]
        task, repeats = trial.read_task(values[panel.task]), values[panel.kind] == trial.MANY
        common = {name: values[widget] for name, widget in filters.items()}
        common |= {"prompt": values[panel.prompt], "api_key": values[panel.key] or values[asked.key]}

        def read(place: int) -> Form | None:
            chosen = {name: values[widget] for name, widget in fields[place].items()}
            return trial.read_side(task, {**common, **chosen}, desk.settings)

        if repeats:
            form = read(0)
            if form is None:
                raise RequestError("The answer on the Picture page cannot be asked again. Choose a model.")
            forms: list[Form | None] = [form] * trial.read_times(values[panel.times])
        else:
            forms = [read(0), read(1)]
        trial.read_iou(values[panel.iou])
        return Inquiry(trial.begin(task, str(values[panel.prompt]), forms, now, repeats=repeats), forms)

    async def ask(values: Updates, request: gr.Request) -> AsyncIterator[Updates]:
        visitor = str(request.session_hash)
        try:
            inquiry = attempt(lambda: prepare(values))
            if isinstance(inquiry, Problem):
                yield {panel.status: markup.failed(inquiry)}
                return
            async for updates in _run(inquiry, panel, float(values[panel.iou]), desk, visitor):
                yield updates
        finally:  # also when the visitor leaves
            for box in (panel.key, asked.key):
                sidebar.forget_key(box, page, visitor)

    def stop(request: gr.Request) -> None:
        for line in LINES:
            desk.runs.stop(str(request.session_hash) + line)

    gr.on(
        [panel.run.click, panel.prompt.submit],
        ask,
        inputs,
        [panel.trial, panel.status, panel.stale, panel.board, panel.run, panel.stop, panel.iou],
        trigger_mode="once",
        concurrency_id="model",
        concurrency_limit=8,
        show_progress="hidden",
        api_visibility="private",
    )
    panel.stop.click(stop, queue=False, show_progress="hidden", api_visibility="private")
    page.unload(stop)


async def _run(
    inquiry: Inquiry, panel: ComparePage, least_iou: float, desk: Desk, visitor: str
) -> AsyncIterator[Updates]:
    """Updates of the page until everybody answered, or was stopped."""
    running: list[tuple[str, Run[None]]] = []
    try:
        for line, places in zip(LINES, inquiry.shares(), strict=False):
            run = desk.runs.begin(visitor + line, partial(inquiry.work, places, desk))
            if run is None:
                yield {panel.status: markup.hint("Something is being compared already. Wait for it, or stop it.")}
                return
            running.append((visitor + line, run))
        told = _told(inquiry, 0)
        yield {panel.status: told, panel.stale: "", **_working(panel, True)}
        while await _going_on([run for _, run in running]):
            updates: Updates = {}
            if inquiry.take() and any(side.got is None for side in inquiry.made.sides):
                updates = await _drawn(inquiry, panel, least_iou)
            seconds = max(int(run.seconds) for _, run in running)
            stopping = any(run.stop.is_set() for _, run in running)
            said = markup.busy("Stopping", seconds) if stopping else _told(inquiry, seconds)
            if said != told:
                told = updates[panel.status] = said
            if updates:
                yield updates
        inquiry.take()
        inquiry.give_up()
        yield {
            **(await _drawn(inquiry, panel, least_iou)),
            panel.status: _finished(inquiry.made),
            **_working(panel, False),
        }
    finally:  # also when the visitor leaves
        for name, run in running:
            desk.runs.end(name, run)


def show(made: Trial, least_iou: float) -> str:
    """The board of what was answered so far."""
    return (stability_markup if made.repeats else compare_markup).board(made, least_iou)


async def _going_on(runs: Sequence[Run[None]]) -> bool:
    """A moment later: whether any of `runs` still works, and is not stopped for longer than it needs to notice."""
    await asyncio.sleep(POLL_S)
    left = [run for run in runs if not run.future.done()]
    if left and all(run.stop.is_set() for run in left):
        await asyncio.wait([asyncio.wrap_future(run.future) for run in left], timeout=PATIENCE_S)
        return False
    return bool(left)


async def _drawn(inquiry: Inquiry, panel: ComparePage, least_iou: float) -> Updates:
    made = inquiry.made
    got = await asyncio.to_thread(lambda: attempt(lambda: show(made, least_iou)))
    return {panel.trial: made, panel.board: markup.trouble(got) if isinstance(got, Problem) else got}


def _told(inquiry: Inquiry, seconds: int) -> str:
    sides = inquiry.made.sides
    if inquiry.made.repeats:
        done = sum(side.got is not None for side in sides)
        return markup.busy(f"Asking {sides[0].name} · {done} of {len(sides)}", seconds)
    waiting = [f"{'AB'[place]} ({side.name})" for place, side in enumerate(sides) if side.got is None]
    return markup.busy(f"Asking {' and '.join(waiting) or 'nobody any more'}", seconds)


def _finished(made: Trial) -> str:
    answered, total = len(made.runs), len(made.sides)
    stopped = any(isinstance(side.got, Problem) and side.got.stopped for side in made.sides)
    if made.repeats:
        words = f"{answered} of {total} answers came"
    elif answered == total:
        words = "Both answered"
    else:
        words = f"Only {'AB'[made.answering[0]]} answered" if answered else "Neither answered"
    tone = "good" if answered == total else "warn" if answered or stopped else "stop"
    prompt = f'<span class="pp-facts"><bdi>{markup.safe(made.prompt[:80])}</bdi></span>'
    return (
        f'<div class="pp-status" data-tone="{tone}"><strong>{words}{", then stopped" * stopped}.</strong>{prompt}</div>'
    )


def _working(panel: ComparePage, working: bool) -> Updates:
    return {
        panel.run: gr.update(interactive=not working),
        panel.stop: gr.update(visible=working),
        panel.iou: gr.update(interactive=not working),
    }
