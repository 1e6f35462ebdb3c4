"""A clip on the page: which of its moments are pictures there, and the film of what was found. Knows no gradio."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grounding import film, overlays, video
from grounding.errors import RequestError
from grounding.types import Note, NoteKind, View
from grounding.video import Clip
from ui.corrections import labels_of
from ui.gathering import MAX_PICTURES
from ui.state import Reel, Session, Sheet, Shelf, file_stem

MOMENTS = 8
"""At first: enough to see what happens, and little enough to be asked about one by one."""

_LOST = "moments could not be read: the clip is damaged there. Whole frames after them are shown, if any."
_GONE = "no longer here, nor what was corrected: only what is picked stays. A project keeps them."
_HOW_MANY = f"Type how many moments, 1 to {MAX_PICTURES}, or which ones: 0:03.5; 0:07."


def give(file: Path, name: str, shelf: Shelf) -> Session:
    """A session with MOMENTS moments of the clip in `file`, evenly spread; raises ImageError where it is none."""
    clip = video.load(file, name=name)
    return _session(clip, shelf.keep_clip(clip), video.moments(clip, MOMENTS), shelf)


def pick(now: Session, wish: object, shelf: Shelf) -> Session:
    """Other moments of the clip on the page: `wish` says how many, or which. What is there already keeps its answer.

    Pictures that are no moments stay behind them; corrected moments that go are told beside the pictures.
    """
    if now.reel is None:
        raise RequestError("There is no clip to pick from. Give one first.")
    clip = shelf.open_clip(now.reel)
    times_s = read_moments(wish, clip)
    others = sum(each.picture.at_s is None for each in now.sheets)
    if len(times_s) + others > MAX_PICTURES:
        there = "1 picture is" if others == 1 else f"{others} pictures are"
        raise RequestError(f"{there} beside the moments. Pick {MAX_PICTURES - others} at most, or remove some.")
    return _session(clip, now.reel, times_s, shelf, now.sheets)


def read_moments(wish: object, clip: Clip) -> tuple[float, ...]:
    """The moments that were typed: "8" is so many, evenly spread; "0:03.5; 0:07" those. Raises RequestError."""
    words = str(wish).strip() if isinstance(wish, str | int | float) and not isinstance(wish, bool) else ""
    if re.fullmatch(r"\d{1,6}", words):
        if not 1 <= int(words) <= MAX_PICTURES:
            raise RequestError(_HOW_MANY)
        return video.moments(clip, int(words))
    times = [_seconds(each) for each in re.split(r"[;,\s]+", words) if each]
    if not 1 <= len(times) <= MAX_PICTURES:
        raise RequestError(_HOW_MANY)
    if late := [at for at in times if at > clip.seconds]:
        raise RequestError(f"The clip ends at {video.clock(clip.seconds)}; there is no moment {video.clock(late[0])}.")
    return tuple(sorted({max((each for each in clip.times_s if each <= at + 0.05), default=0.0) for at in times}))


def save_film(now: Session, view: View, shelf: Shelf) -> Path:
    """The film of the moments, each drawn as `view` says, without what was rejected; raises GroundingError."""
    shown = [(sheet.picture.at_s, sheet) for sheet in now.sheets]
    moments = sorted(((at, sheet) for at, sheet in shown if at is not None), key=lambda each: each[0])
    if now.reel is None or not moments:
        raise RequestError("There is no clip on the page. Give one first.")
    drawn = []
    for at, sheet in moments:
        image = shelf.open(sheet.picture).image
        found = labels_of(sheet.answer).detections if sheet.answer else ()
        drawn.append((at, overlays.render(image, found, view, max_side=film.SIDE)))
    path = shelf.new_file(f"{file_stem(Path(now.reel.name).stem, 'clip')}-pinpoint.mp4")
    film.write(path, drawn, now.reel.seconds)
    return path


def _session(clip: Clip, reel: Reel, times_s: tuple[float, ...], shelf: Shelf, there: Sequence[Sheet] = ()) -> Session:
    """The clip's moments on the page, the first of them on the stage. there: what the page has already."""
    old = [_without_told(sheet) for sheet in there]
    known = {each.picture.at_s: each for each in old if each.picture.at_s is not None}
    missing = [at for at in times_s if at not in known]
    picked = video.pick(clip, missing) if missing else ()
    new = {each.at_s: Sheet(shelf.keep(each.picture, at_s=each.at_s)) for each in picked}
    shown = {**new, **{at: known[at] for at in times_s if at in known}}
    sheets = [*(shown[at] for at in sorted(shown)), *(each for each in old if each.picture.at_s is None)]
    told = []
    if lost := video.unread(missing, new):
        told.append(f"{lost} of {len(times_s)} {_LOST}")
    if gone := sum(_corrected(sheet) for at, sheet in known.items() if at not in shown):
        told.append(f"{'1 corrected moment is' if gone == 1 else f'{gone} corrected moments are'} {_GONE}")
    notes = tuple(Note(NoteKind.SKIPPED, each) for each in told)
    if notes:
        sheets = [replace(each, picture=replace(each.picture, notes=(*each.picture.notes, *notes))) for each in sheets]
    return Session(reel=reel).showing(tuple(sheets), 0)


def _corrected(sheet: Sheet) -> bool:
    """Whether a person's work goes with it; in a project it stays."""
    return sheet.answer is not None and sheet.answer.said is not None and sheet.member is None


def _without_told(sheet: Sheet) -> Sheet:
    """The picture without what was said of those picked with it before."""
    notes = tuple(note for note in sheet.picture.notes if not note.detail.endswith((_LOST, _GONE)))
    return sheet if notes == sheet.picture.notes else replace(sheet, picture=replace(sheet.picture, notes=notes))


def _seconds(words: str) -> float:
    found = re.fullmatch(r"(?:(\d{1,3}):)?(\d{1,4}(?:\.\d{1,3})?)s?", words)
    if found is None:
        raise RequestError(_HOW_MANY)
    return int(found[1] or 0) * 60 + float(found[2])
