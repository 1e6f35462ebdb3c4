"""What the Project page looks at, and what it does, as plain functions on the projects on disk. Knows no gradio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grounding.errors import RequestError
from grounding.exports import FORMATS, Loss, Tell, export_zip, untold
from grounding.types import Review
from jobs.project import Order, Project, Which, exported
from jobs.project_archive import save_as
from jobs.project_import import Brought, bring, is_project
from jobs.project_labels import classes, merge, part, proposals, redo, redoable, set_names, undo, undoable
from jobs.shelf import Shelf as Projects
from jobs.shelf import folder_name
from ui import markup, project_markup
from ui.state import Shelf, file_stem

PAGE = 24
"""Pictures on one page: 24 thumbnails of 15 kB come in one answer."""

UNNAMED = " "
"""How the field over the pictures says objects without a label; "" is any label."""

_NOT_HERE = "That cannot be done here. Reload the page and try again."


@dataclass(frozen=True)
class Viewed:
    """Which project is open on the page, and which of its pictures are shown. project: its name on the shelf or ""."""

    project: str = ""
    state: Review | None = None
    label: str | None = None
    order: Order = Order.ADDED
    start: int = 0


@dataclass(frozen=True)
class Drawn:
    """A project as the page shows it. first: the classes a person put in order, as the field for them has it."""

    head: str
    grid: str
    labels: str
    names: tuple[str, ...]
    first: str


@dataclass(frozen=True)
class Prepared:
    """A file to download, and what it lost. rejected: pictures left out, for a person rejected them."""

    path: Path
    losses: tuple[Loss, ...]
    pictures: int
    rejected: int


def drawn(view: Viewed, projects: Projects, visitor: str) -> Drawn:
    with projects.lend(view.project, visitor) as project:
        known = classes(project)
        tally = {state: project.count(Which(state)) for state in Review}
        total = project.count(Which(view.state, view.label))
        start = min(view.start, max(0, total - 1) // PAGE * PAGE)  # the last of a page may be gone
        which = Which(view.state, view.label, start, PAGE)
        cells = [
            (entry, project.thumbnail(entry.id), project.outline(entry.id))
            for entry in project.pictures(view.order, which)
        ]
        head = project_markup.head(
            project.name, sum(tally.values()), tally, undoable(project), redoable(project), temporary=projects.temporary
        )
        grid = project_markup.grid(cells, start, total, PAGE, every=sum(tally.values()))
        names = tuple(each.name for each in known)
        first = "; ".join(project.naming.names)
        return Drawn(head, grid, project_markup.labels(known, proposals(known)), names, first)


def act(view: Viewed, told: Mapping[str, object], projects: Projects, visitor: str) -> tuple[Viewed, str]:
    """The page after one of its buttons was pressed, and what to say of it; RequestError for what none says."""
    kind, name = told.get("act"), told.get("name")
    if kind == "open" and isinstance(name, str):
        return Viewed(name), ""
    if kind == "close":
        return Viewed(), ""
    if kind == "turn":
        return replace(view, start=max(0, number(told))), ""
    if kind == "label" and isinstance(name, str):
        return replace(view, label=None if view.label == name else name, start=0), ""
    if kind == "delete":
        projects.delete(view.project, visitor)
        return Viewed(), f"“{view.project}” is deleted."
    with projects.lend(view.project, visitor) as project:
        return view, _changed(project, told)


def _changed(project: Project, told: Mapping[str, object]) -> str:
    """What was done in the project, in words."""
    kind, word, into = told.get("act"), told.get("word"), told.get("into")
    if kind == "undo":
        return f"Undone: {what}." if (what := undo(project)) else "There is nothing to undo."
    if kind == "redo":
        return f"Done again: {what}." if (what := redo(project)) else "There is nothing to do again."
    if kind == "remove":
        project.remove_picture(number(told))
        return "The picture is removed."
    if kind == "part" and isinstance(word, str):
        part(project, word)
        return f"“{word}” is a label of its own again, in answers to come."
    if kind == "merge" and isinstance(word, str) and isinstance(into, str):
        return merged(project, [word], into)
    raise RequestError(_NOT_HERE)


def merged(project: Project, words: Sequence[str], into: str) -> str:
    count = merge(project, words, into)
    return f"{markup.counted(count, 'object')} renamed to “{' '.join(into.split())}”."


def arranged(project: Project, text: str) -> str:
    """The classes named in `text`, separated by semicolons, come first in this order; what was done, in words."""
    names = [name for part in text.split(";") if (name := " ".join(part.split()))]
    for name in names:
        if (other := project.naming.synonyms.get(name)) is not None:
            raise RequestError(f"“{name[:60]}” counts as “{other[:60]}”. Name that one, or take the two apart above.")
    set_names(project, names)
    if not names:
        return "No class comes first now: the most usual does."
    return f"{markup.counted(len(set(names)), 'class', 'classes')} in order; others follow, the most usual first."


def number(told: Mapping[str, object]) -> int:
    value = told.get("n")
    if not isinstance(value, str) or not value.lstrip("-").isdigit() or len(value) > 9:
        raise RequestError(_NOT_HERE)
    return int(value)


def filtered(view: Viewed, state: object, label: object, order: object) -> Viewed:
    """`view` as the fields over the pictures say."""
    if state not in ("", *(each.value for each in Review)) or order not in [each.value for each in Order]:
        raise RequestError(_NOT_HERE)
    wanted = "" if label == UNNAMED else label if isinstance(label, str) and label else None
    return Viewed(view.project, Review(state) if state else None, wanted, Order(order), 0)


def take(
    files: Sequence[tuple[Path, str]], view: Viewed, projects: Projects, visitor: str, tell: Callable[[str], None]
) -> tuple[Viewed, str]:
    """Files into the open project; where none is open, into a new one named after the first file."""
    if not files:
        raise RequestError("Choose a file first.")
    projects.check_room(visitor)
    (first, name), made = files[0], False
    if not view.project:
        free = free_name(Path(name).stem, projects.names(visitor))
        if is_project(first):
            projects.take_in(first, free, visitor).close()
            return Viewed(free), markup.hint(f"“{free}” is here, with its labels and their history.")
        projects.create(free, visitor).close()
        view, made = Viewed(free), True
    brought, problems = Brought(0, 0, ()), []
    with projects.lend(view.project, visitor) as project:
        for path, name in files:
            projects.check_room(visitor)
            try:
                brought += bring(project, path, name, lambda done, total: tell(f"{done} of {total}"))
            except RequestError as error:
                problems.append(str(error) if len(files) == 1 else f"{name}: {error}")
        empty = made and not project.count()
    if empty:
        projects.delete(view.project, visitor)
    if not brought.pictures and not brought.labelled and problems:
        raise RequestError(problems[0][:199])
    return view, project_markup.brought(brought + Brought(0, 0, tuple(problems)))


def free_name(name: str, taken: Sequence[str]) -> str:
    """A name of a project that is not taken, after a file's."""
    try:
        plain = folder_name(name)
    except RequestError:
        plain = "Project"
    known, free, count = {each.casefold() for each in taken}, plain, 1
    while free.casefold() in known:
        count += 1
        free = f"{plain[:74]} {count}"
    return free


def prepare(
    view: Viewed,
    form: object,
    approved: object,
    threshold: int,
    projects: Projects,
    visitor: str,
    shelf: Shelf,
    tell: Tell = untold,
) -> Prepared:
    """The project's labels as a ZIP of a format, read again: what it lost is known before it is offered."""
    if not isinstance(form, str) or form not in FORMATS:
        raise RequestError("There is no such format. Choose one of those listed.")
    with projects.lend(view.project, visitor) as project:
        done_only = approved is True
        samples = project.export_set(done_only=done_only)
        if not samples:
            none = "No picture is approved yet. Approve some, or export all."
            raise RequestError(none if done_only else "There are no labels to export yet.")
        path = shelf.new_file(f"{file_stem(view.project, 'project')}-{form}.zip")
        first = set(project.naming.names)
        known = classes(project, exported(done_only=done_only))
        names = [each.name for each in known if each.name and (each.objects or each.name in first)]
        losses = export_zip(samples, form, path, labels=names, threshold=threshold, tell=tell)
        return Prepared(path, losses, len(samples), project.count(Which(Review.REJECTED)))


def save(view: Viewed, projects: Projects, visitor: str, shelf: Shelf) -> Path:
    """The whole project as one file."""
    with projects.lend(view.project, visitor) as project:
        path = shelf.new_file(f"{file_stem(view.project, 'project')}.pinpoint.zip")
        save_as(project, path)
        return path
