"""What the project pages show, as HTML strings; everything that a person or a model wrote is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from grounding.labels import Merged
from grounding.overlays import colour
from grounding.types import Review
from jobs.project import Entry, Outline
from jobs.project_import import Brought
from jobs.project_labels import Class
from jobs.shelf import Standing
from ui.markup import counted, safe
from ui.state import Session

STATES = {
    Review.OPEN: "open",
    Review.ACCEPTED: "approved",
    Review.UNSURE: "unsure",
    Review.REJECTED: "rejected",
}
"""A picture's state in the words of the page."""


def button(act: str, words: str, *, title: str = "", kind: str = "", off: bool = False, **data: object) -> str:
    """A button that tells the page `act`, and `data` with it."""
    told = "".join(f' data-{name}="{safe(value)}"' for name, value in data.items())
    hint = f' title="{safe(title)}" aria-label="{safe(title)}"' if title else ""
    return (
        f'<button type="button" class="pp-act {kind}" data-act="{act}"{told}{hint}{" disabled" if off else ""}>'
        f"{words}</button>"
    )


# the bar over the picture


def bar(now: Session, names: Sequence[str]) -> str:
    """Where the picture stands in its project and the ways on; where it is in none, the way into one."""
    if now.picture is None:
        return ""
    at = now.member
    if at is None:
        return _way_in(now, names)
    left = f"{at.left} open" if at.left else "none open"
    facts = (
        f"<p>In project <strong><bdi>{safe(at.title)}</bdi></strong> · {at.place} of {at.total} · "
        f'<span class="pp-state" data-state="{at.state}">{STATES[at.state]}</span> <small>{left}</small></p>'
    )
    waits = "pp-needs-saved"
    last = at.state is not Review.OPEN and at.left == 0
    approve = "Approve" if at.left <= 1 else "Approve &amp; next"
    ways = (
        button("before", "‹", title="Picture before", kind=waits)
        + button("after", "›", title="Picture after", kind=waits)
        + button("again", "↻", title="Show it again, as it is in the project")
        + button("reject", "Reject", kind=waits, n=at.picture)
        + button("unsure", "Unsure", kind=waits, n=at.picture)
        + button("skip", "Skip", kind=waits, off=at.left == 0, n=at.picture)
        + button("approve", f"{approve} <kbd>Ctrl+Enter</kbd>", kind=f"{waits} pp-main", n=at.picture)
    )
    done = '<p class="pp-hint">Every picture of this project is decided.</p>' if last else ""
    return f'<div class="pp-member">{facts}<div class="pp-ways">{ways}</div></div>{done}'


def _way_in(now: Session, names: Sequence[str]) -> str:
    options = "".join(f'<option value="{safe(name)}">{safe(name)}</option>' for name in names)
    what = f"these {len(now.album)} pictures" if now.album else "this picture"
    hidden = " hidden" if names else ""
    return (
        f'<div class="pp-member"><p>Keep {what} and the labels in a project</p><div class="pp-ways">'
        f'<select aria-label="Project">{options}<option value="">New project …</option></select>'
        f'<input type="text" maxlength="80" placeholder="name of the project" aria-label="Name of the new project"'
        f"{hidden}>"
        f"{button('add', 'Add to project', kind='pp-needs-saved')}</div></div>"
    )


# the projects there are


def shelf(found: Sequence[Standing], *, temporary: bool) -> str:
    """Every project with what is in it, and how long it stays."""
    stays = (
        "Your projects are kept for this visit only, and nobody else sees them: they are deleted about an hour after "
        "this page is closed, or reloaded. “Save as” takes one away whole; opened here again, it goes on where it was."
        if temporary
        else "Projects are kept on this machine, every change at once; close the page whenever you like."
    )
    rows = "".join(_standing(each) for each in found)
    none = '<p class="pp-hint">There is none yet. Make one, and add pictures.</p>'
    return f'<p class="pp-hint pp-stays">{safe(stays)}</p>' + (f'<ul class="pp-shelf">{rows}</ul>' if rows else none)


def _standing(each: Standing) -> str:
    name = safe(each.title or each.name)
    if each.problem:
        why = f'<span class="pp-problem">{safe(each.problem)}</span>'
        return f"<li><div><strong><bdi>{name}</bdi></strong>{why}</div></li>"
    when = datetime.fromtimestamp(each.changed_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = f"{counted(each.pictures, 'picture')}, {each.approved} approved · {when}"
    return (
        f"<li><div><strong><bdi>{name}</bdi></strong><span>{facts}</span></div>"
        f"{button('open', 'Open', title=f'Open {each.title or each.name}', name=each.name)}</li>"
    )


# one project


def head(title: str, pictures: int, tally: Mapping[Review, int], undo: str, redo: str, *, temporary: bool) -> str:
    """Its name, how far it is, and what can be done with it as a whole."""
    facts = " · ".join(
        [counted(pictures, "picture"), *(f"{count} {STATES[state]}" for state, count in tally.items() if count)]
    )
    done = tally[Review.ACCEPTED] + tally[Review.REJECTED]
    kept = "temporary: kept for this visit" if temporary else "kept on this machine"
    delete = (
        '<details class="pp-sure"><summary class="pp-act">Delete …</summary><div>'
        f"<p>Delete “{safe(title)}” with {counted(pictures, 'picture')} and all labels? This cannot be undone.</p>"
        f"{button('delete', 'Delete for good', kind='pp-danger')}</div></details>"
    )
    acts = (
        button("review", "Review", kind="pp-main", off=not pictures)
        + button("undo", "↶ Undo", title=f"Undo: {undo}" if undo else "Nothing to undo", off=not undo)
        + button("redo", "↷ Redo", title=f"Redo: {redo}" if redo else "Nothing to redo", off=not redo)
        + delete
    )
    return (
        f'<div class="pp-project-head"><div>{button("close", "‹ All projects")}<h2><bdi>{safe(title)}</bdi></h2>'
        f"<p>{facts} · <span>{kept}</span></p>"
        f'<progress max="{max(1, pictures)}" value="{done}" aria-label="Decided"></progress></div>'
        f'<div class="pp-ways">{acts}</div></div>'
    )


def grid(
    cells: Sequence[tuple[Entry, bytes, Sequence[Outline]]], start: int, total: int, page: int, *, every: int
) -> str:
    """The pictures of one page, with their objects drawn small, and the way to other pages; every: of the project."""
    if not cells:
        none = "No picture is like that: show others above." if every else "No pictures yet. Add some above."
        return f'<p class="pp-hint pp-none">{none}</p>'
    items = "".join(_cell(*each) for each in cells)
    last = start + len(cells)
    pager = (
        '<nav class="pp-pager" aria-label="Pages of pictures">'
        + button("turn", "‹", title="Page before", n=start - page, off=start == 0)
        + f"<span>{start + 1}–{last} of {total}</span>"
        + button("turn", "›", title="Page after", n=start + page, off=last >= total)
        + "</nav>"
    )
    return f'<ul class="pp-grid">{items}</ul>{pager if total > page or start else ""}'


def _cell(entry: Entry, thumbnail: bytes, objects: Sequence[Outline]) -> str:
    width, height = entry.size_wh
    image = base64.b64encode(thumbnail).decode()
    name = safe(entry.name)
    found = counted(sum(each.review is not Review.REJECTED for each in objects), "object")
    told = f"{found}, {STATES[entry.state]}"
    more = ""
    if entry.disagreement is not None:
        why = "The part of the objects that its last two answers to one question do not share"
        more = f'<small title="{why}">{entry.disagreement:.0%} disagree</small>'
    return (
        f'<li data-state="{entry.state}"><button type="button" class="pp-pic" data-act="show" data-n="{entry.id}" '
        f'aria-label="Show {name}: {told}"><span class="pp-frame"><span style="aspect-ratio: {width} / {height}">'
        f'<img src="data:image/jpeg;base64,{image}" alt="">{_drawn(objects)}</span></span></button>'
        f'<div class="pp-told"><strong title="{name}"><bdi>{name}</bdi></strong>'
        f'<span>{found} · <span class="pp-state" data-state="{entry.state}">'
        f"{STATES[entry.state]}</span></span>{more}</div>"
        f'<details class="pp-sure pp-gone"><summary aria-label="Remove {name}" title="Remove">×</summary><div>'
        f"<p>Remove this picture and its labels for good?</p>{button('remove', 'Remove', kind='pp-danger', n=entry.id)}"
        "</div></details></li>"
    )


def _drawn(objects: Sequence[Outline]) -> str:
    """Boxes and points over a thumbnail, the rejected ones left away; no script and no picture of its own."""
    shapes = []
    for each in objects:
        if each.review is Review.REJECTED:
            continue
        x, y, right, bottom = (at * 100 for at in each.corners)
        drawn = f'stroke="{colour(each.label)}"'
        if (x, y) == (right, bottom):
            shapes.append(f'<line x1="{x:.2f}" y1="{y:.2f}" x2="{x:.2f}" y2="{y:.2f}" {drawn} class="pp-spot"/>')
        else:
            box = f'x="{x:.2f}" y="{y:.2f}" width="{right - x:.2f}" height="{bottom - y:.2f}"'
            shapes.append(f"<rect {box} {drawn}/>")
    return f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{"".join(shapes)}</svg>'


def labels(known: Sequence[Class], proposed: Sequence[Merged]) -> str:
    """Every label with its count and the words that count as it, and what seems to mean the same."""
    if not known:
        return '<p class="pp-hint">No label yet. Ask about a picture, or draw an object and name it.</p>'
    rows = "".join(_label(each) for each in known)
    offers = "".join(
        f"<li><span>{safe(each)}</span>{button('merge', 'Merge', word=each.spelling, into=each.name)}</li>"
        for each in proposed
    )
    alike = f'<p class="pp-hint">These seem to mean the same:</p><ul class="pp-alike">{offers}</ul>' if offers else ""
    return f'<ul class="pp-labels">{rows}</ul>{alike}'


def _label(each: Class) -> str:
    words = "".join(
        '<span class="pp-word">'
        f"<bdi>{safe(word)}</bdi>{button('part', '×', title=f'{word} is no synonym', word=word)}</span>"
        for word in each.words
    )
    also = f'<div class="pp-also">also {words}</div>' if words else ""
    count = f"{each.objects} in {counted(each.pictures, 'picture')}" if each.objects else "none yet"
    name = f"<bdi>{safe(each.name)}</bdi>" if each.name else "no label"
    return (
        f'<li><button type="button" class="pp-label" data-act="label" data-name="{safe(each.name)}" '
        f'title="Show pictures with it"><i style="background: {colour(each.name)}"></i>{name}</button>'
        f"<span>{count}</span>{also}</li>"
    )


_SHOWN = 12  # problems named; what comes after is counted


def brought(made: Brought) -> str:
    """What came in, and what did not, in lines."""
    parts = [counted(made.pictures, "picture") + " added"] if made.pictures or not made.labelled else []
    parts += [f"{counted(made.labelled, 'picture')} labelled"] if made.labelled else []
    head = f"<p>{', '.join(parts)}.</p>"
    lines = "".join(f"<li>{safe(each)}</li>" for each in made.problems[:_SHOWN])
    more = len(made.problems) - _SHOWN
    lines += f"<li>… and {more} more like these.</li>" if more > 0 else ""
    return head + (f'<ul class="pp-picture-notes">{lines}</ul>' if lines else "")
