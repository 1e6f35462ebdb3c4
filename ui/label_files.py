"""Labels in files: what is on the page written in a format, with what that lost; a file of anybody's brought back.

Knows no gradio and no model. A file is read again before it is offered, so what is said of it was seen, not assumed.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from grounding.editing import MAX_CELLS, MAX_OBJECTS, kept, numbered, signed
from grounding.errors import RequestError
from grounding.exports import FORMATS, IMPORTED, Format, Loss, export, export_zip, load
from grounding.labels import Sample, split_labels
from grounding.types import Detection, Note, NoteKind, Origin, Outcome, Result, Task, View
from jobs.answers import WITH_PICTURES
from ui.state import Answer, Session, Sheet, Shelf, file_stem

_NO_ANSWER = Result(Outcome.FAILED, "Nobody asked about this picture.")
_MOST_MASK_PX = 200_000_000
"""Of a file while it is read, 0.8 GB: it may hold a set of which only one picture is here."""
_NAMED = 5  # pictures or objects listed by name in one sentence
_LARGE_SIDE = 1024
"""Of an imported mask where all of a picture's together are too large to be kept; the page paints on 768."""


@dataclass(frozen=True)
class Offer:
    """A file that is ready, and what it says no more of the labels it was made of. count: of files, in a ZIP.

    hidden: objects that the score floor keeps out of sight; the file has them all the same.
    """

    path: Path
    form: Format
    losses: tuple[Loss, ...]
    count: int
    hidden: int

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size


@dataclass(frozen=True, eq=False)
class Taken:
    """A session with a file's labels on its pictures. pictures, objects: how many of each; left_out: a sentence for
    each thing in the file that is not on the page now.
    """

    session: Session
    form: Format
    name: str
    pictures: int
    objects: int
    left_out: tuple[str, ...]


def samples_of(session: Session, *, whole: bool = False, pictures: bool = False) -> tuple[Sample, ...]:
    """The picture on the stage with its labels, or all given together; each of a name of its own.

    pictures: whether their files go along. A picture without an answer is among them, and counts as not labelled.
    """
    alone = (Sheet(session.picture, session.answer),) if session.picture else ()
    sheets = session.sheets if whole else alone
    taken: set[str] = set()
    made = []
    for sheet in sheets:
        answer, kept = sheet.answer, sheet.picture
        task, result = (answer.task, answer.result) if answer else (Task.DETECT, _NO_ANSWER)
        name = kept.name or "picture"
        name = _free(name if PurePosixPath(name).suffix else f"{name}.png", taken)  # an example has no ending
        made.append(Sample(name, kept.size_wh, task, result, kept.path.read_bytes if pictures else None))
    return tuple(made)


def offer(
    session: Session, format_name: str, view: View, shelf: Shelf, *, whole: bool = False, pictures: bool = False
) -> Offer:
    """The labels on the page as a file in the shelf, cut at the view's threshold; RequestError where there are none."""
    samples = samples_of(session, whole=whole, pictures=pictures or format_name in WITH_PICTURES)
    if not any(sample.labelled for sample in samples):
        raise RequestError("There are no labels to download yet. Ask the model, draw some, or import a file.")
    asked = class_order(session, whole=whole)
    stem = download_stem(session, format_name, len(samples))
    found = [each for sample in samples for each in sample.result.detections]
    hidden = sum(each.own_score is not None and each.own_score < view.score_floor for each in kept(found))
    if samples[0].file is not None:  # pictures may be large: they go into the archive one by one
        path = shelf.new_file(f"{stem}.zip")
        losses = export_zip(samples, format_name, path, labels=asked, threshold=view.threshold)
        return Offer(path, FORMATS[format_name], losses, _members(path), hidden)
    exported = export(samples, format_name, labels=asked, threshold=view.threshold)
    name, content = exported.download()
    path = shelf.new_file(stem + PurePosixPath(name).suffix)
    path.write_bytes(content)
    return Offer(path, exported.format, exported.losses, len(exported.files), hidden)


def discard(made: Offer) -> None:
    """Delete the offered file: it may hold the pictures, and nobody took it."""
    shutil.rmtree(made.path.parent, ignore_errors=True)


def class_order(session: Session, *, whole: bool) -> tuple[str, ...]:
    """What was asked for, in that order: the first classes of a file."""
    answers = [each.answer for each in session.sheets] if whole else [session.answer]
    asked = [each.prompt for each in answers if each and each.task in (Task.DETECT, Task.SEGMENT)]
    return tuple(dict.fromkeys(label for prompt in asked for label in split_labels(prompt)))


def download_stem(session: Session, format_name: str, count: int) -> str:
    """ "garden-pinpoint-coco": what a download is called, without its ending."""
    name = Path(session.picture.name).stem if session.picture else ""
    of = f"{count}-pictures" if count > 1 else file_stem(name, "picture")
    return f"{of}-pinpoint" + ("" if format_name in ("json", "") else f"-{format_name}")


def take_in(path: Path, session: Session) -> Taken:
    """`session` with what the file at `path` says of its pictures, as answers; RequestError where that is nothing.

    A picture is known by its name, whatever folder and ending, and by its size; where one picture and one entry of
    the same size are left over, they are taken for the same.
    """
    sheets = session.sheets
    if not sheets:
        raise RequestError("Give the picture first; labels are matched to it by name and size.")
    sizes = {each.picture.name: each.picture.size_wh for each in sheets if each.picture.name}
    found = load(path, sizes=sizes, most_mask_px=_MOST_MASK_PX)
    pairs, left_out = _matched(found.samples, sheets)
    made: list[Sheet] = list(sheets)
    objects = 0
    for sample, place in pairs:
        answer, said = _answer(sample, path.name, found.format)
        left_out += _replaced(sheets[place])
        made[place] = replace(sheets[place], answer=answer)
        objects += len(answer.result.detections)
        left_out += said
    if not pairs:
        raise RequestError(
            f"Nothing in this file is about a picture on the page. {left_out[0] if left_out else ''}"[:199]
        )
    if session.album:
        here = any(at == session.place for _, at in pairs)
        after = session.showing(tuple(made), session.place if here else pairs[0][1])
    else:
        after = replace(session, answer=made[0].answer)
    return Taken(after, found.format, path.name, len(pairs), objects, (*left_out, *found.problems))


def _matched(samples: Sequence[Sample], sheets: Sequence[Sheet]) -> tuple[list[tuple[Sample, int]], list[str]]:
    """(entry, place of its picture) as far as they meet, and a sentence for what did not."""
    pairs: list[tuple[Sample, int]] = []
    said: list[str] = []
    free = dict(enumerate(sheets))
    strangers: list[Sample] = []
    for sample in samples:
        named = [at for at, sheet in free.items() if _stem(sample.picture) == _stem(sheet.picture.name)]
        same = [at for at in named if sample.size_wh in (None, sheets[at].picture.size_wh)]
        if not sample.labelled:
            said.append(f"“{_short(sample.picture)}” has no labels in the file, only that there was no answer.")
        elif same:
            pairs.append((sample, same[0]))
            del free[same[0]]
        elif named and sample.size_wh is not None:
            (width, height), (here_w, here_h) = sample.size_wh, sheets[named[0]].picture.size_wh
            what = f"“{_short(sample.picture)}” is {width} × {height} in the file and {here_w} × {here_h} here"
            said.append(f"{what}, so its labels were left out.")
        else:
            strangers.append(sample)
    for sample in list(strangers):
        alike = [at for at, sheet in free.items() if sheet.picture.size_wh == sample.size_wh]
        if len(alike) == 1 and sum(each.size_wh == sample.size_wh for each in strangers) == 1:
            pairs.append((sample, alike[0]))
            strangers.remove(sample)
            here = free.pop(alike[0]).picture.name
            said.append(f"“{_short(sample.picture)}” was taken for “{_short(here)}”: nothing else has its size.")
    if strangers:
        count = "One picture" if len(strangers) == 1 else f"{len(strangers)} pictures"
        is_not = "is not" if len(strangers) == 1 else "are not"
        said.append(f"{count} of the file {is_not} on the page: {_listed(each.picture for each in strangers)}.")
    return pairs, said


def _answer(sample: Sample, file: str, form: Format) -> tuple[Answer, list[str]]:
    """The entry as an answer on the page; unknown scores stay unknown, and an origin says which file it came from."""
    origin = Origin(IMPORTED, "", "", {"file": file, "format": form.title})
    found, said = sample.result.detections, []
    if len(found) > MAX_OBJECTS:
        said.append(
            f"{len(found) - MAX_OBJECTS} objects of “{_short(sample.picture)}” are more than one picture takes."
        )
        found = found[:MAX_OBJECTS]
    light = _kept_light(found)
    if shrunk := sum(one is not other for one, other in zip(found, light, strict=True)):
        side = max(max(each.mask.probs.shape) for each in light if each.mask)
        are = "1 large mask is" if shrunk == 1 else f"{shrunk} large masks are"
        said.append(f"{are} kept with {side} pixels on the longer side; edges are soft now.")
    named = numbered(signed(light, origin))
    notes = (*sample.result.notes, *(Note(NoteKind.SKIPPED, each) for each in said))
    task = sample.task
    if task in (Task.DETECT, Task.SEGMENT):
        task = Task.SEGMENT if any(each.mask for each in named) else Task.DETECT
    result = replace(sample.result, detections=named, notes=notes, origin=origin, usage=None)
    return Answer(task, "", f"imported from {file}", result), said


def _replaced(sheet: Sheet) -> list[str]:
    """What the file takes the place of; in a project a person's work stays."""
    count = sheet.corrected
    if not count:
        return []
    were = "1 object you corrected was" if count == 1 else f"{count} objects you corrected were"
    return [f"{were} replaced by the file's, on “{_short(sheet.picture.name)}”."]


def _kept_light(found: Sequence[Detection]) -> list[Detection]:
    """The same, large masks made smaller where all together are more than a page and its server should hold."""
    light, side = list(found), _LARGE_SIDE
    while sum(each.mask.probs.size for each in light if each.mask) > MAX_CELLS and side > 16:
        light = [_smaller(each, side) for each in light]
        side //= 2
    return light


def _smaller(detection: Detection, side: int) -> Detection:
    mask = detection.mask
    if mask is None or max(mask.probs.shape) <= side:
        return detection
    height, width = mask.probs.shape
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    probs = np.asarray(Image.fromarray(mask.probs).resize(size, Image.Resampling.BOX), np.float32).clip(0, 1)
    return replace(detection, mask=replace(mask, probs=probs))


def _free(name: str, taken: set[str]) -> str:
    """`name`, numbered where it is taken."""
    path, count = PurePosixPath(name), 1
    while name.casefold() in taken:
        count += 1
        name = f"{path.stem} ({count}){path.suffix}"
    taken.add(name.casefold())
    return name


def _members(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return len(archive.namelist())


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem.casefold()


def _short(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2] or "a picture"
    shown = "".join(each if each.isprintable() else "?" for each in last[:60])
    return shown if len(shown) <= 40 else shown[:39] + "…"


def _listed(names: Iterable[str]) -> str:
    every = [_short(name) for name in names]
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
