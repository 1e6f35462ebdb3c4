"""The page of projects: what there is, one of them with its pictures, labels and ways in and out.

Every press is on disk when the page shows it. What changes the picture on the stage shows it there anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from grounding.errors import RequestError
from grounding.exports import FORMATS, Tell
from grounding.types import THRESHOLD
from jobs.shelf import folder_name
from ui import asking, exports_panel, markup, project_markup, project_view, projects
from ui.desk import Desk
from ui.form import local_path
from ui.left_behind import leaving
from ui.messages import BUSY, Problem, attempt
from ui.picture_panel import PicturePanel
from ui.project_panel import ProjectPage, build
from ui.project_view import Prepared, Viewed
from ui.result_view import ResultView
from ui.runs import watched
from ui.state import Session

_DOWNLOAD = exports_panel.CLICK_FILE.replace("pp-file", "pp-project-file")
__all__ = ["build", "wire"]

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_SHARED: dict[str, Any] = {**_QUIET, "concurrency_id": "project", "concurrency_limit": 4}
Updates = dict[Any, Any]


def wire(
    made: ProjectPage,
    tab: gr.Tab,
    pages: gr.Tabs,
    session: gr.State,
    pictures: PicturePanel,
    result: ResultView,
    desk: Desk,
) -> None:
    _wire_looking(made, tab, desk)
    stage = Stage(session, pictures, result, desk)
    _wire_acts(made, pages, stage, desk)
    _wire_classes(made, stage, desk)
    _wire_ways_in(made, desk)
    _wire_ways_out(made, result, desk)


def _wire_looking(made: ProjectPage, tab: gr.Tab, desk: Desk) -> None:
    def look(view: Viewed, request: gr.Request) -> Updates:
        return _show(made, view, desk, str(request.session_hash))

    def choose(view: Viewed, state: object, label: object, order: object, request: gr.Request) -> Updates:
        chosen = attempt(lambda: project_view.filtered(view, state, label, order))
        if isinstance(chosen, Problem):
            return {made.said: markup.trouble(chosen)}
        return _show(made, chosen, desk, str(request.session_hash))

    tab.select(look, made.viewed, made.shown, **_SHARED)
    fields = [made.state, made.label, made.order]
    gr.on([each.input for each in fields], choose, [made.viewed, *fields], made.shown, **_SHARED)


@dataclass(frozen=True)
class Stage:
    """The Picture page, as far as the project changes it."""

    session: gr.State
    pictures: PicturePanel
    result: ResultView
    desk: Desk

    @property
    def parts(self) -> list[Any]:
        return [self.session, self.pictures.current, *self.result.cleared]

    def put(self, now: Session) -> Updates:
        current = markup.current_picture(now.picture)
        return {self.session: now, self.pictures.current: current, **asking.shown(self.result, now)}

    def again(self, now: Session, name: str, visitor: str) -> Updates:
        """What it shows, anew, where that is of the project that was changed."""
        if now.member is None or now.member.project != name or self.desk.runs.running(visitor):
            return {}
        shown = attempt(lambda: projects.turn(now, 0, self.desk.projects, visitor, self.desk.shelf))
        return {self.session: replace(now, member=None)} if isinstance(shown, Problem) else self.put(shown)


def _wire_acts(made: ProjectPage, pages: gr.Tabs, stage: Stage, desk: Desk) -> None:
    def press(view: Viewed, now: Session, chosen: gr.EventData, request: gr.Request) -> Updates:
        visitor = str(request.session_hash)
        told: dict[str, object] = chosen._data if isinstance(chosen._data, dict) else {}
        if told.get("act") in ("show", "review"):
            return open_picture(view, now, told, visitor)
        done = attempt(lambda: project_view.act(view, told, desk.projects, visitor))
        if isinstance(done, Problem):
            return {made.said: markup.trouble(done)}
        after, words = done
        looks = told.get("act") in ("open", "close", "turn", "label")
        again = {} if looks else stage.again(now, view.project, visitor)
        return {**_show(made, after, desk, visitor, markup.hint(words) if words else ""), **again}

    def open_picture(view: Viewed, now: Session, told: dict[str, object], visitor: str) -> Updates:
        def find() -> Session:
            if told.get("act") == "review":
                return projects.first_open(desk.projects, visitor, view.project, view.order, desk.shelf)
            number = project_view.number(told)
            return projects.show(desk.projects, visitor, view.project, number, view.order, desk.shelf)

        got = BUSY if desk.runs.running(visitor) else attempt(find)
        if isinstance(got, Problem):
            return {made.said: markup.trouble(got)}
        return {made.said: "", pages: gr.Tabs(selected="picture"), **stage.put(leaving(now, got))}

    for part in (made.shelf, made.head, made.grid, made.labels):
        part.select(press, [made.viewed, stage.session], [*made.shown, *stage.parts, pages], **_SHARED)


def _wire_classes(made: ProjectPage, stage: Stage, desk: Desk) -> None:
    def unite(view: Viewed, now: Session, words: object, into: object, request: gr.Request) -> Updates:
        visitor = str(request.session_hash)

        def do() -> str:
            chosen = [each for each in words if isinstance(each, str)] if isinstance(words, list) else []
            with desk.projects.lend(view.project, visitor) as project:
                return project_view.merged(project, chosen, into if isinstance(into, str) else "")

        said = attempt(do)
        if isinstance(said, Problem):
            return {made.said: markup.trouble(said)}
        return {**_show(made, view, desk, visitor, markup.hint(said)), **stage.again(now, view.project, visitor)}

    inputs = [made.viewed, stage.session, made.words, made.into]
    made.merge.click(unite, inputs, [*made.shown, *stage.parts], **_SHARED)

    def arrange(view: Viewed, text: object, request: gr.Request) -> Updates:
        visitor = str(request.session_hash)

        def do() -> str:
            with desk.projects.lend(view.project, visitor) as project:
                return project_view.arranged(project, text if isinstance(text, str) else "")

        said = attempt(do)
        if isinstance(said, Problem):
            return {made.said: markup.trouble(said)}
        return _show(made, view, desk, visitor, markup.hint(said))

    gr.on([made.arrange.click, made.first.submit], arrange, [made.viewed, made.first], made.shown, **_SHARED)


def _wire_ways_in(made: ProjectPage, desk: Desk) -> None:
    def create(view: Viewed, name: object, request: gr.Request) -> Updates:
        visitor = str(request.session_hash)

        def do() -> Viewed:
            desk.projects.create(name if isinstance(name, str) else "", visitor).close()
            return Viewed(folder_name(str(name)))

        after = attempt(do)
        if isinstance(after, Problem):
            return {made.said: markup.trouble(after)}
        return {made.name: "", **_show(made, after, desk, visitor)}

    def upload(view: Viewed, paths: Any, request: gr.Request) -> Iterator[Updates]:
        given = [paths] if isinstance(paths, str) else list(paths or [])
        files = [(Path(each), Path(each).name) for each in given]
        yield from _taken(made, view, files, desk, str(request.session_hash))

    def from_path(view: Viewed, path: object, request: gr.Request) -> Iterator[Updates]:
        found = attempt(lambda: _local(path, desk))
        if isinstance(found, Problem):
            yield {made.said: markup.trouble(found)}
            return
        yield from _taken(made, view, [(found, found.name)], desk, str(request.session_hash))

    once: dict[str, Any] = {**_QUIET, "concurrency_id": "take", "concurrency_limit": 2, "trigger_mode": "once"}
    gr.on([made.make.click, made.name.submit], create, [made.viewed, made.name], [made.name, *made.shown], **_SHARED)
    made.bring.upload(upload, [made.viewed, made.bring], made.shown, **once)
    made.add.upload(upload, [made.viewed, made.add], made.shown, **once)
    for path, button in ((made.path, made.add_path), (made.open_path, made.open_it)):
        gr.on([button.click, path.submit], from_path, [made.viewed, path], made.shown, **once)


def _local(path: object, desk: Desk) -> Path:
    if not desk.settings.local:
        raise RequestError("On a shared page folders of its machine are not read. Upload the files.")
    if not isinstance(path, str) or not path.strip():
        raise RequestError("Give the folder's or file's whole path first.")
    return local_path(path)


def _taken(
    made: ProjectPage, view: Viewed, files: Sequence[tuple[Path, str]], desk: Desk, visitor: str
) -> Iterator[Updates]:
    """Progress in a line while files come in, then the project with them."""
    done = yield from watched(
        lambda tell: attempt(lambda: project_view.take(files, view, desk.projects, visitor, tell)),
        lambda far, seconds: {made.said: markup.busy(f"Adding {far}".strip(), seconds)},
    )
    if isinstance(done, Problem):
        yield _show(made, view, desk, visitor, markup.trouble(done))
        return
    after, words = done
    yield _show(made, after, desk, visitor, words)


def _wire_ways_out(made: ProjectPage, result: ResultView, desk: Desk) -> None:
    def prepare(
        view: Viewed, form: object, approved: object, threshold: object, request: gr.Request
    ) -> Iterator[Updates]:
        cut = int(threshold) if isinstance(threshold, int | float) and 0 <= threshold <= 255 else THRESHOLD
        visitor = str(request.session_hash)

        def write(tell: Tell) -> Prepared:
            return project_view.prepare(view, form, approved, cut, desk.projects, visitor, desk.shelf, tell)

        ready = yield from watched(
            lambda tell: attempt(lambda: write(tell)),
            lambda far, seconds: {made.lost: markup.busy(far or "Writing", seconds), made.download: no_file()},
        )
        if isinstance(ready, Problem):
            yield {made.lost: markup.trouble(ready), made.download: no_file()}
            return
        size = f"{markup.counted(ready.pictures, 'picture')}, {ready.path.stat().st_size / 1e6:.1f} MB"
        note = f"Masks are cut at {cut}, as on the Picture page." if cut != THRESHOLD else ""
        if ready.rejected:
            note += f" {markup.counted(ready.rejected, 'rejected picture')} left out."
        words = exports_panel.lost(FORMATS[str(form)], ready.losses, about=size, note=note.strip())
        yield {made.lost: words, made.download: gr.update(visible=True, value=str(ready.path))}

    def no_file() -> Updates:
        return gr.update(visible=False, value=None)

    def stale() -> Updates:
        return {made.lost: "", made.download: no_file()}

    def save(view: Viewed, request: gr.Request) -> str:
        path = attempt(lambda: project_view.save(view, desk.projects, str(request.session_hash), desk.shelf))
        if isinstance(path, Problem):
            raise gr.Error(path.text, print_exception=False, title="Not saved", duration=6)
        return str(path)

    export: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "export", "concurrency_limit": 2}
    made.prepare.click(
        prepare, [made.viewed, made.form, made.approved, result.threshold], [made.lost, made.download],
        show_progress="hidden", trigger_mode="once", **export,
    )  # fmt: skip
    gr.on([made.form.input, made.approved.input], stale, None, [made.lost, made.download], queue=False, **_QUIET)
    made.save.click(save, made.viewed, made.file, trigger_mode="once", show_progress="hidden", **export).success(
        None, js=_DOWNLOAD
    )


def _show(made: ProjectPage, view: Viewed, desk: Desk, visitor: str, said: str = "") -> Updates:
    """The whole page as it is on disk now. A file that was prepared before is offered no longer."""
    if view.project:
        drawn = attempt(lambda: project_view.drawn(view, desk.projects, visitor))
        if isinstance(drawn, Problem):
            return _show(made, Viewed(), desk, visitor, said + markup.trouble(drawn))
        if view.label is not None and view.label not in drawn.names:  # merged, or removed with its pictures
            return _show(made, replace(view, label=None, start=0), desk, visitor, said)
        label = [("Any label", ""), *((name or "no label", name or project_view.UNNAMED) for name in drawn.names)]
        chosen = project_view.UNNAMED if view.label == "" else view.label or ""
        names = [name for name in drawn.names if name]
        return {
            made.viewed: view, made.said: said,
            made.outside: gr.update(visible=False), made.inside: gr.update(visible=True),
            made.head: drawn.head, made.grid: drawn.grid, made.labels: drawn.labels,
            made.state: gr.update(value=view.state.value if view.state else ""),
            made.label: gr.update(choices=label, value=chosen),
            made.order: gr.update(value=view.order.value),
            made.words: gr.update(choices=names, value=[]), made.into: gr.update(choices=names, value=None),
            made.first: drawn.first,
            made.lost: "", made.download: gr.update(visible=False, value=None),
        }  # fmt: skip
    there = attempt(lambda: project_markup.shelf(desk.projects.standing(visitor), temporary=desk.projects.temporary))
    shelf = markup.trouble(there) if isinstance(there, Problem) else there
    return {
        made.viewed: view, made.said: said, made.shelf: shelf,
        made.outside: gr.update(visible=True), made.inside: gr.update(visible=False),
    }  # fmt: skip
