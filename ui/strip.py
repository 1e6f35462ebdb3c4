"""Pictures given together, moments of a clip, a document's pages: small beside the result, one of them on the stage."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from grounding import documents, video
from grounding.errors import RequestError
from grounding.types import Outcome
from ui import asking, markup
from ui.corrections import labels_of
from ui.desk import Desk
from ui.follow import Follower, Values
from ui.gathering import about_whole
from ui.messages import Problem, attempt
from ui.state import Answer, Kept, Reel, Session, Sheet, Shelf, live
from ui.tabs.prompt import Around

_LISTEN = """
const tell = async (data) => {
  const said = {...data}, sync = document.querySelector(".pp-ed")?.editor?.sync;
  if (!sync?.pending || await sync.leave()) trigger("select", said); // a correction is kept before its picture leaves
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button && !button.disabled) tell(button.dataset);
});
document.addEventListener("pinpoint:page", ({detail}) => tell({act: "page", n: String(detail)}));
// The arrow keys go through the pictures, and the one shown keeps them. One is sent for at a time: pressed faster than
// pictures come, the keys move what is wanted, and that is sent for next.
let wanted = null, free = null;
const thumbs = () => [...element.querySelectorAll(".pp-thumb")];
const shownOf = (all) => all.find((each) => each.getAttribute("aria-pressed") === "true");
const fetchWanted = (thumb) => {
  clearTimeout(free);
  free = setTimeout(() => { wanted = null; }, 5000); // nothing came: a refusal says so elsewhere
  tell(thumb.dataset);
};
element.addEventListener("keydown", (event) => {
  const step = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[event.key];
  const all = thumbs();
  const from = all.find((each) => each.dataset.n === wanted) ?? shownOf(all);
  if (!step || !from || !event.target.closest(".pp-thumb")) return;
  event.preventDefault();
  const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(from) + step))];
  if (next === from) return;
  const waiting = wanted !== null;
  wanted = next.dataset.n;
  if (!waiting) fetchWanted(next);
});
// What tells of the answer's objects follows corrections where it is shown, once the hand rests: each such event costs
// the page more than the correction itself.
let resting = null;
document.addEventListener("pinpoint:kept", () => {
  clearTimeout(resting);
  resting = setTimeout(() => {
    const telling = [...document.querySelectorAll("#pp-strip ul, #pp-truth-said, #pp-cut")];
    if (telling.some((each) => each.offsetParent)) trigger("corrected");
  }, 1000);
});
// Drawn anew for a correction, the strip stays where it was scrolled to, and so does the page.
let last = "", left = 0;
element.addEventListener("scroll", (event) => { left = event.target.scrollLeft; }, true);
new MutationObserver(() => {
  const all = thumbs(), shown = shownOf(all);
  if (!shown) return;
  shown.closest("ul").scrollLeft = left;
  const now = shown.dataset.n + shown.querySelector("img").src;
  if (now !== last) shown.scrollIntoView({block: "nearest", inline: "nearest"});
  last = now;
  if (wanted === null) return;
  shown.focus();
  const next = all.find((each) => each.dataset.n === wanted);
  if (next && next !== shown) return fetchWanted(next);
  clearTimeout(free);
  wanted = null;
}).observe(element, {childList: true, subtree: true, attributeFilter: ["aria-pressed"]});
"""


def build() -> gr.HTML:
    return gr.HTML("", js_on_load=_LISTEN, elem_id="pp-strip")


def wire(strip: gr.HTML, around: Around, desk: Desk) -> Follower:
    session, pictures, result = around.session, around.pictures, around.result

    def choose(now: Session, chosen: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        def latest(read: Session) -> Session:
            """With what was corrected since `read`, where the same page is still shown."""
            held = live(around.page, session, str(request.session_hash))
            return held if held and (held.document, held.place) == (read.document, read.place) else read

        made = attempt(lambda: turn(now, chosen._data, desk.shelf, latest))
        if isinstance(made, Problem):
            return {pictures.current: markup.current_picture(now.picture, made)}
        return {session: made, pictures.current: markup.current_picture(made.picture), **asking.shown(result, made)}

    def show(values: Values, visitor: str) -> Values:
        made = attempt(lambda: drawn(values[session]))
        return {strip: markup.trouble(made) if isinstance(made, Problem) else made}

    strip.select(
        choose,
        [session],
        [session, pictures.current, *result.cleared],
        concurrency_id="picture",
        concurrency_limit=4,
        show_progress="hidden",
        api_visibility="private",
    )
    return Follower(show, [session], [strip])


def _as_read(now: Session) -> Session:
    return now


def turn(now: Session, chosen: object, shelf: Shelf, latest: Callable[[Session], Session] = _as_read) -> Session:
    """`now` after a button of the strip was pressed; raises RequestError for what none of them says.

    latest: `now` as it has become by the time a page is drawn, which takes a while.
    """
    act, n = (chosen.get("act"), chosen.get("n")) if isinstance(chosen, dict) else (None, None)
    place = int(n) if isinstance(n, str) and n.isdigit() and len(n) < 6 else -1
    if act == "page" and now.document is not None and 0 <= place < now.document.pages:
        return leaf(now, place, shelf, latest)
    if act == "show" and now.document is None and 0 <= place < len(now.sheets):
        return now.showing(now.sheets, place)
    if act == "remove" and now.document is None and 0 <= place < len(now.sheets) > 1:
        left = (*now.sheets[:place], *now.sheets[place + 1 :])
        shown = now.place - (place < now.place)
        return now.showing(left, min(shown, len(left) - 1))
    raise RequestError("That picture is no longer there. Choose another.")


def leaf(now: Session, place: int, shelf: Shelf, latest: Callable[[Session], Session]) -> Session:
    """The document's page at `place` on the stage, as it was left; words about the whole document come along.

    Each page is a picture of its own, in a project too.
    """
    assert now.document is not None
    if place == now.place:
        return now
    there = now.leaves.get(place)
    if there is None or not there.picture.path.exists():
        kept = shelf.keep(documents.page(shelf.open_document(now.document), place + 1))
        there = replace(there, picture=kept) if there else Sheet(kept)
    now = latest(now)
    return now.leaf(place, replace(there, answer=_beside_words(now.answer, there.answer)))


def _beside_words(before: Answer | None, own: Answer | None) -> Answer | None:
    """The page's own answer; where that is none, or only words, the words of `before` about the whole document."""
    if before is None or not about_whole(before) or (own and (own.result.detections or not about_whole(own))):
        return own
    return before.words()


def drawn(session: Session) -> str:
    """The pictures given together, or pages of the document, to choose the one on the stage from; "" for one alone."""
    if session.document is not None:
        return _pages(session)
    sheets = session.sheets
    if len(sheets) < 2 and session.reel is None:
        return ""
    cells = "".join(
        _cell(sheet, place, shown=place == session.place, alone=len(sheets) == 1) for place, sheet in enumerate(sheets)
    )
    if session.reel is None:
        return f'<ul class="pp-strip" aria-label="Pictures asked about together">{cells}</ul>'
    return (
        f'<div class="pp-pages">{_about_reel(session, session.reel)}'
        f'<ul class="pp-strip" aria-label="Moments of the clip">{cells}</ul></div>'
    )


def _cell(sheet: Sheet, place: int, *, shown: bool, alone: bool) -> str:
    """One picture, small, with its number or its moment and how many things were found in it."""
    name = markup.safe(sheet.picture.name or f"Picture {place + 1}")
    at_s = sheet.picture.at_s
    count = len(labels_of(sheet.answer).detections) if sheet.answer else 0
    found = f'<span class="pp-count" title="{count} found here">{count}</span>' if count else ""
    if not count and sheet.answer and sheet.answer.result.outcome is Outcome.NONE:
        found = '<span class="pp-count" data-tone="quiet" title="Nothing found here">0</span>'
    if sheet.answer and sheet.answer.result.outcome in _WITHOUT:
        found = '<span class="pp-count" data-tone="stop" title="No answer came here">!</span>'
    away = (
        f'<button type="button" class="pp-away" data-act="remove" data-n="{place}" '
        f'aria-label="Remove picture {place + 1}, {name}">×</button>'
    )
    return (
        f'<li><button type="button" class="pp-thumb" data-act="show" data-n="{place}" '
        f'aria-pressed="{str(shown).lower()}" aria-label="Show picture {place + 1}, {name}">'
        f'<img src="{_small(sheet.picture)}" alt=""><b>{place + 1 if at_s is None else video.clock(at_s)}</b>{found}'
        f"</button>{'' if alone else away}</li>"
    )


_WITHOUT = (Outcome.BLOCKED, Outcome.FAILED)


@functools.lru_cache(maxsize=512)
def _small(kept: Kept) -> str:
    """Drawn once: the strip is shown anew whenever another picture is."""
    return markup.data_uri(kept)


def _about_reel(session: Session, reel: Reel) -> str:
    """The clip, what was found in all its moments, and the way to the one before and after."""
    sheets, here = session.sheets, session.place
    asked = [sheet.answer for sheet in sheets if sheet.answer]
    count = sum(len(labels_of(answer).detections) for answer in asked)
    objects = f" {count} {'object' if count == 1 else 'objects'} in {len(asked)} asked about." if asked else ""
    moments = "1 moment" if len(sheets) == 1 else f"{len(sheets)} moments"
    step = _steps("show", here, len(sheets), "‹ Moment before", "Moment after ›")
    name = markup.safe(reel.name or "Clip")
    length = video.clock(reel.seconds)
    return f'<p class="pp-hint"><span><bdi>{name}</bdi>, {length} long; {moments}.{objects}</span> {step}</p>'


_PAGES_SHOWN = 12


def _pages(session: Session) -> str:
    """Pages round the one on the stage, each drawn small, and the way to those before and after."""
    assert session.document is not None
    total, here = session.document.pages, session.place
    first = max(0, min(here - _PAGES_SHOWN // 2, total - _PAGES_SHOWN))
    numbers = range(first, min(first + _PAGES_SHOWN, total))
    cells = "".join(
        f'<li><button type="button" class="pp-thumb pp-leaf" data-act="page" data-n="{number}" '
        f'aria-pressed="{str(number == here).lower()}" aria-label="Show page {number + 1}">'
        f'<img src="{thumb}" alt=""><b>{number + 1}</b></button></li>'
        for number, thumb in zip(numbers, session.document.thumbnails(tuple(numbers)), strict=True)
    )
    name = markup.safe(session.document.name or "Document")
    pages = "1 page" if total == 1 else f"{total} pages"
    about = f"<bdi>{name}</bdi>, {pages}; page {here + 1} is shown."
    step = _steps("page", here, total, "‹ Previous page", "Next page ›")
    return (
        f'<div class="pp-pages"><p class="pp-hint"><span>{about}</span> {step}</p>'
        f'<ul class="pp-strip" aria-label="Pages of the document">{cells}</ul></div>'
    )


def _steps(act: str, here: int, total: int, before: str, after: str) -> str:
    """Buttons to the one before and the one after `here`; at an end, one that does nothing."""
    return "".join(
        f'<button type="button" class="pp-act" data-act="{act}" data-n="{to}" {"" if 0 <= to < total else "disabled"}>'
        f"{words}</button>"
        for to, words in ((here - 1, before), (here + 1, after))
    )
