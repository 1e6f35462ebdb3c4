"""The Batch page at work: many pictures, one question, labels as they come, files at the end.

A batch runs in a thread of its own (ui/batches.py); the page looks at it once a second while it runs. Which one is its
own, the browser keeps: reloaded, the page finds it again.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from backends import SPECS, first_choice
from grounding.errors import RequestError
from grounding.exports import Tell
from grounding.types import Task
from jobs.batch import Put, TakenAway
from jobs.shelf import folder_name
from ui import batch_markup, exports_panel, markup, sidebar
from ui.batch_estimate import Counted, before, count
from ui.batch_form import job_of, read_format, read_given, read_question, read_wanted
from ui.batch_panel import BatchPanel
from ui.batch_state import Look
from ui.batches import Batches
from ui.desk import Desk
from ui.form import offered, read_key, read_view
from ui.messages import Problem, attempt
from ui.runs import watched
from ui.tabs.prompt import Around

TICK_S = 1.0
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_PROMPTS = {
    Task.DETECT: ("What to look for", "cat; dog"),
    Task.SEGMENT: ("What to look for", "cat; dog"),
    Task.CAPTION: ("In what way (optional)", "in one sentence"),
    Task.ASK: ("The question", "How many cups are there?"),
}
_STRINGS = 5  # the first of what is shown: HTML, sent only where it changed

_SURE = (
    "(number) => confirm('Delete this batch? Its labels, and the copies of its pictures here, are gone then.') "
    "? number : ''"
)

Seen = tuple[Any, ...]
"""What this page shows already, so that nothing is sent twice."""


def wire(panel: BatchPanel, around: Around, batches: Batches, desk: Desk) -> None:
    """Outside of all tabs: what a hidden tab holds is not there yet in the browser."""
    number = gr.BrowserState("", storage_key="pinpoint-batch", secret="pinpoint")  # the number itself is the secret
    seen = gr.State(())
    timer = gr.Timer(TICK_S, active=False)
    view = View(panel, batches)
    shown = [seen, timer, *panel.shown]

    def look(mine: object, before: Seen) -> list[Any]:
        return view.updates(mine, before)

    def find(mine: object) -> list[Any]:
        """When the page is opened: the browser's batch, or this machine's last one."""
        listed = batches.listed()
        last = listed[0][1] if listed else ""
        known = mine if isinstance(mine, str) and batches.look(mine) else last
        return [known, *view.updates(known, ())]

    def choose(chosen: object) -> list[Any]:
        known = chosen if isinstance(chosen, str) and batches.look(chosen) else ""
        return [known, *view.updates(known, ()), "", gr.update(visible=False)]

    timer.tick(look, [number, seen], shown, queue=False, **_QUIET)
    around.page.load(find, number, [number, *shown], **_QUIET)
    panel.earlier.input(choose, panel.earlier, [number, *shown, panel.lost, panel.file], queue=False, **_QUIET)
    panel.leaf.select(lambda mine: view.updates(mine, ()), number, shown, queue=False, **_QUIET)
    _wire_order(panel, around, desk, batches)
    _wire_run(panel, around, desk, batches, view, number, shown)
    _wire_take(panel, desk, batches, number)


class View:
    """What the right half of the page shows of a batch, as updates of `shown`."""

    def __init__(self, panel: BatchPanel, batches: Batches) -> None:
        self._panel, self._batches = panel, batches

    def updates(self, number: object, before: Seen, trouble: Problem | None = None) -> list[Any]:
        look = self._batches.look(number) if isinstance(number, str) else None
        strings = self._strings(look, trouble)
        standing = (look.number, look.standing, look.stopping, look.standing.busy or look.done) if look else None
        now = (*strings, standing)
        changed = [
            gr.skip() if index < len(before) and before[index] == each else each for index, each in enumerate(strings)
        ]
        same = len(before) == len(now) and before[-1] == standing
        rest = [gr.skip() for _ in self._panel.shown[_STRINGS:]] if same else self._buttons(look, number)
        return [now, gr.Timer(active=bool(look and look.standing.busy)), *changed, *rest]

    def _strings(self, look: Look | None, trouble: Problem | None) -> list[str]:
        said = markup.trouble(trouble) if trouble else ""
        if look is None:
            return [batch_markup.empty(self._batches.shared) + said, "", "", "", ""]
        return [
            batch_markup.status(look, self._batches.shared) + said,
            batch_markup.finished(look.finished),
            batch_markup.failures(look.tally),
            batch_markup.summary(look),
            batch_markup.told(look),
        ]

    def _buttons(self, look: Look | None, number: object) -> list[Any]:
        """Start, Stop, Go on, Retry, Delete; what is taken away, its format and threshold; the batches there are."""
        listed = self._batches.listed()
        several = gr.update(choices=listed, value=number if look else None, visible=len(listed) > (look is not None))
        if look is None:
            return [gr.update(interactive=True), *[gr.update(visible=False)] * 5, gr.skip(), gr.skip(), several]
        idle, busy = not look.standing.busy, look.standing.busy
        left = look.total is None or look.done < look.total
        words = look.batch.job.task in (Task.CAPTION, Task.ASK)
        return [
            gr.update(interactive=idle),
            gr.update(visible=busy, interactive=not look.stopping),
            gr.update(visible=idle and left),
            gr.update(visible=idle and bool(look.tally.failures)),
            gr.update(visible=idle),
            gr.update(visible=idle and look.done > 0),
            gr.update(value="json") if words else gr.skip(),
            gr.update(visible=look.batch.job.task is Task.SEGMENT),
            several,
        ]


def _wire_order(panel: BatchPanel, around: Around, desk: Desk, batches: Batches) -> None:
    """The left half: what was given is counted, what it will take is said; nobody is asked."""
    fields, settings = panel.fields, desk.settings
    counted = gr.State(Counted())
    named = _named(panel, around)
    del named["api_key"]

    def tell(values: dict[Any, Any]) -> dict[Any, Any]:
        """One handler for every change, so that none that began earlier has the last word."""
        chosen = {name: values[widget] for name, widget in named.items()}
        given = attempt(lambda: read_given(chosen, settings))
        now = Counted(trouble=given) if isinstance(given, Problem) else count(*given, batches, values[counted])
        form = attempt(lambda: read_question(chosen, settings, with_key=False))
        asked = None if isinstance(form, Problem) else form  # not typed yet
        rate = batches.per_second(job_of(asked)) if asked else None
        return {counted: now, panel.before: before(asked, now, desk.paces, batches, rate)}

    def choose_backend(backend: object) -> list[Any]:
        if not isinstance(backend, str) or backend not in offered(settings):
            return [gr.skip()] * 3
        _, model = first_choice(settings, backend)
        models = list(dict.fromkeys((model, *SPECS[backend].models)))
        key = gr.update(visible=SPECS[backend].needs_key)
        return [gr.update(choices=models, value=model), key, sidebar.who(backend, model, settings)]

    def choose_model(backend: object, model: object) -> Any:
        known = isinstance(backend, str) and backend in offered(settings) and isinstance(model, str)
        return sidebar.who(str(backend), str(model)[:120], settings) if known else gr.skip()

    def choose_task(task: object) -> Any:
        if not isinstance(task, str) or task not in list(Task):
            return gr.skip()
        label, placeholder = _PROMPTS[Task(task)]
        return gr.update(label=label, placeholder=placeholder)

    typed = [fields[name] for name in ("place", "dataset", "split", "most")]
    moved = [fields[name].change for name in ("files", "addresses", "prompt", "task", "model")]
    moved += [panel.leaf.select, *(event for field in typed for event in (field.blur, field.submit))]
    gr.on(
        moved,
        tell,
        {counted, *named.values()},
        [counted, panel.before],
        trigger_mode="always_last",
        concurrency_id="picture",
        concurrency_limit=4,
        **_QUIET,
    )
    quick: dict[str, Any] = {**_QUIET, "queue": False}
    fields["task"].change(choose_task, fields["task"], fields["prompt"], **quick)
    fields["backend"].input(choose_backend, fields["backend"], [fields["model"], fields["api_key"], panel.who], **quick)
    fields["model"].input(choose_model, [fields["backend"], fields["model"]], panel.who, **quick)


def _wire_run(
    panel: BatchPanel,
    around: Around,
    desk: Desk,
    batches: Batches,
    view: View,
    number: gr.BrowserState,
    shown: list[Any],
) -> None:
    """Start, Stop, Go on, Retry, Delete."""
    named, key = _named(panel, around), panel.fields["api_key"]

    def start(values: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        visitor = str(request.session_hash)

        def begin() -> str:
            wanted = read_wanted({name: values[widget] for name, widget in named.items()}, desk.settings)
            mine = values[number]
            return batches.begin(wanted, mine if isinstance(mine, str) else "", visitor)

        try:
            got = attempt(begin)
        finally:
            sidebar.forget_key(key, around.page, visitor)
        if isinstance(got, Problem):
            return {panel.trouble: markup.trouble(got)}
        return {panel.trouble: "", number: got, panel.lost: "", panel.file: gr.update(visible=False),
                **dict(zip(shown, view.updates(got, ()), strict=True))}  # fmt: skip

    def go_on(mine: object, typed: object, request: gr.Request) -> list[Any]:
        return run(mine, typed, str(request.session_hash), again=False)

    def retry(mine: object, typed: object, request: gr.Request) -> list[Any]:
        return run(mine, typed, str(request.session_hash), again=True)

    def run(mine: object, typed: object, visitor: str, *, again: bool) -> list[Any]:
        def go() -> None:
            look = batches.look(str(mine))
            if look is None:
                raise RequestError("There is no such batch any more. Begin anew.")
            batches.go_on(str(mine), read_key(typed, look.batch.job.backend, desk.settings), again=again)

        try:
            got = attempt(go)
        finally:
            sidebar.forget_key(key, around.page, visitor)
        failed = got if isinstance(got, Problem) else None
        look = batches.look(str(mine)) if failed else None
        needs_key = look is not None and SPECS[look.batch.job.backend].needs_key
        return [
            *view.updates(mine, (), failed),
            "",
            gr.update(visible=False),
            gr.update(visible=True) if needs_key else gr.skip(),
        ]

    def stop(mine: object) -> list[Any]:
        batches.stop(str(mine))
        return view.updates(mine, ())

    def delete(mine: object) -> list[Any]:
        if not mine:  # not meant
            return [gr.skip() for _ in (number, *shown)]
        attempt(lambda: batches.delete(str(mine)))
        return ["", *view.updates("", ())]

    some = {**_QUIET, "trigger_mode": "once", "concurrency_id": "batch", "concurrency_limit": 4}
    cleared = [panel.lost, panel.file]
    panel.start.click(start, {number, *named.values()}, [panel.trouble, number, *cleared, *shown], **some)
    panel.go_on.click(go_on, [number, key], [*shown, *cleared, key], **some)
    panel.retry.click(retry, [number, key], [*shown, *cleared, key], **some)
    panel.stop.click(stop, number, shown, queue=False, **_QUIET)
    panel.delete.click(delete, number, [number, *shown], js=_SURE, **some)


def _named(panel: BatchPanel, around: Around) -> dict[str, Any]:
    """The widgets an order is read from: the page's own, and filters and options of the Picture page."""
    filters = {harm.value: radio for harm, radio in around.sidebar.filters.items()}
    return {**around.options.fields, **filters, **panel.fields}


def _wire_take(panel: BatchPanel, desk: Desk, batches: Batches, number: gr.BrowserState) -> None:
    """Files are written, read again and compared before they are offered."""

    def write(mine: object, form: object, threshold: object, tell: Tell) -> TakenAway:
        look = batches.look(str(mine))
        if look is None:
            raise RequestError("There is no such batch any more. Begin anew.")
        name = read_format(form, look.batch.job.task)
        cut = read_view([[], threshold, 0], ()).threshold
        return batches.take_away(str(mine), name, cut, desk.shelf.new_file(f"batch-pinpoint-{name}"), tell)

    def make(mine: object, form: object, threshold: object) -> Any:
        made = yield from watched(
            lambda tell: attempt(lambda: write(mine, form, threshold, tell)),
            lambda far, seconds: [markup.busy(far or "Writing it", seconds), gr.update(visible=False)],
        )
        if isinstance(made, Problem):
            yield [markup.trouble(made), gr.update(visible=False)]
            return
        about = exports_panel.size_words(made.path.stat().st_size)
        missing = f"{made.unlabelled:,} {'picture' if made.unlabelled == 1 else 'pictures'}"
        note = f"{missing} without labels: errors.csv in the ZIP names each." if made.unlabelled else ""
        said = exports_panel.lost(made.form, made.losses, about=about, note=note)
        yield [said, gr.update(value=str(made.path), visible=True, label=f"Download {made.path.name}")]

    def put(mine: object, name: object) -> str:
        def into() -> Put:
            if batches.shared or not isinstance(name, str) or not name.strip():
                raise RequestError("Name the project first.")
            projects = desk.projects
            if folder_name(name) not in projects.names():
                projects.create(name).close()
            with projects.lend(folder_name(name)) as project:
                return batches.put_into(str(mine), project)

        got = attempt(into)
        if isinstance(got, Problem):
            return markup.trouble(got)
        said = f"{got.pictures} {'picture is' if got.pictures == 1 else 'pictures are'} in the project now."
        said += f" {got.missed} could not be read again." if got.missed else ""
        said += f" {got.changed} stayed out: the file changed since it was labelled." if got.changed else ""
        return markup.hint(said + (f" {got.there} were there before and stay as they are." if got.there else ""))

    slow = {**_QUIET, "trigger_mode": "once", "concurrency_id": "export", "concurrency_limit": 2}
    panel.make.click(make, [number, panel.form, panel.threshold], [panel.lost, panel.file], **slow)
    panel.put.click(put, [number, panel.project], panel.put_said, **slow)
    changed = [panel.form.input, panel.threshold.release]
    gr.on(changed, lambda: ["", gr.update(visible=False)], None, [panel.lost, panel.file], queue=False, **_QUIET)
