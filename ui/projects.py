"""Between the page and the projects on disk: pictures of a project on the stage, and everything new back into it.

A correction is on disk before the page hears that it was kept. Knows no gradio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import is_

import numpy as np

from grounding import images
from grounding.editing import PERSON, as_said, models_own, signed
from grounding.errors import GroundingError, RequestError
from grounding.labels import Sample
from grounding.types import Detection, Note, NoteKind, Origin, Outcome, Result, Review
from jobs.project import Order, Project, Which
from jobs.project_answers import laid_over, touched
from jobs.project_labels import classes
from jobs.shelf import Shelf as Projects
from jobs.shelf import folder_name
from jobs.work import stamped
from ui.messages import explanation, headline
from ui.state import Answer, Member, Session, Sheet, Shelf

NO_PROJECT = "This picture is in no project. Add it to one first."
_LAST = "What was asked last: "


def show(projects: Projects, visitor: str, name: str, picture: int, order: Order, shelf: Shelf) -> Session:
    """The project's picture on the stage, its labels as its answer."""
    with projects.lend(name, visitor) as project:
        entry, path = project.entry(picture), project.picture_path(picture)
        kept = shelf.keep(images.load(path, name=entry.name), original=path)
        sample = project.sample(picture)
        answer = None
        if sample is not None:
            result = sample.result
            answer = Answer(sample.task, "", _model(result), result, said=models_own(result.detections))
        return Session(kept, answer, member=member(project, name, picture, order))


def member(project: Project, name: str, picture: int, order: Order) -> Member:
    """Where the picture stands in the project now."""
    entries = project.pictures(order)
    place = next((place for place, each in enumerate(entries, 1) if each.id == picture), 0)
    entry = project.entry(picture)
    left = sum(each.state is Review.OPEN for each in entries)
    labels = tuple(each.name for each in classes(project) if each.name)
    return Member(name, project.name, picture, entry.version, order, place, len(entries), entry.state, left, labels,
                  project.key(picture))  # fmt: skip


def _check(project: Project, at: Member) -> None:
    """RequestError where the picture was removed, or the project was and another has its name."""
    if project.key(at.picture) != at.key:
        raise RequestError("This picture is not in the project any more. Choose another, or add it again.")


def _is_in(project: Project, at: Member) -> bool:
    try:
        return project.key(at.picture) == at.key
    except RequestError:  # it was removed
        return False


def keep_edit(after: Session, projects: Projects, visitor: str) -> Session:
    """`after`, whose objects a person changed, once they are in its project; RequestError where they cannot be."""
    at = after.member
    if at is None or after.answer is None:
        return after
    with projects.lend(at.project, visitor) as project:
        _check(project, at)
        found = after.answer.result.detections
        project.set_labels(at.picture, found, since=at.version)
        labels = dict.fromkeys((*at.labels, *(each.label for each in found if each.label)))
        version = project.entry(at.picture).version
        return replace(after, member=replace(at, version=version, labels=tuple(labels)))


def over_corrections(before: Session, after: Session) -> Session:
    """`after`, a person's work of `before` kept beside the new answers; in a project, `keep_answers` does the same."""
    was = {each.picture.path: each.answer for each in before.sheets}
    sheets = tuple(
        each if each.member else replace(each, answer=_over(was.get(each.picture.path), each)) for each in after.sheets
    )
    return holding(after, sheets)


def holding(now: Session, sheets: tuple[Sheet, ...]) -> Session:
    """`now`, its pictures with these answers and places in projects."""
    if now.album:
        return now.showing(sheets, now.place)
    return replace(now, answer=sheets[0].answer, member=sheets[0].member) if sheets else now


def _over(earlier: Answer | None, sheet: Sheet) -> Answer | None:
    answer = sheet.answer
    if answer is None or earlier is None or answer is earlier:
        return answer
    now, said = (
        Sample("", sheet.picture.size_wh, each.task, replace(_signed(each), raw="")) for each in (earlier, answer)
    )
    return _laid(answer, laid_over(now, said), earlier) if any(map(touched, now.result.detections)) else answer


def _laid(answer: Answer, sample: Sample, earlier: Answer | None) -> Answer:
    """The answer with what is there after it: its own words, the objects of `sample`, the notes of both.

    One that named nothing is a label all the same where objects stay; what it said is told by a note.
    """
    result, found = answer.result, sample.result.detections
    before = [each for each in sample.result.notes if not each.detail.startswith(_LAST)]
    notes = (*result.notes, *(note for note in before if note not in result.notes))
    labelled = replace(sample, task=answer.task, result=result).labelled
    if found and (not labelled or result.outcome is Outcome.NONE):
        words = f"{_LAST}{headline(result, answer.task)}. {explanation(result, answer.task)}".strip()
        outcome = sample.result.outcome if sample.labelled else Outcome.FOUND
        notes = (*notes, Note(NoteKind.MODEL, words))
        result = replace(result, outcome=outcome, text=result.text if labelled else "")
    return replace(answer, result=replace(result, detections=found, notes=notes), said=_said(found, earlier))


def _said(found: Sequence[Detection], earlier: Answer | None) -> tuple[Detection, ...]:
    """What a model gave of each of `found`: of what a person edited in `earlier`, as it was known there."""
    known: dict[object, list[Detection]] = {}
    if earlier is not None and earlier.said is not None:
        own = {each.id: each for each in earlier.said}
        for each in earlier.result.detections:
            if each.id in own:
                known.setdefault(_look(each), []).append(own[each.id])

    def said(each: Detection) -> Detection:
        if each.origin and each.origin.edited and (was := known.get(_look(each))):
            return _sharing(replace(was.pop(0), id=each.id), each)
        return as_said(each)

    return tuple(said(each) for each in found if not (each.origin and each.origin.backend == PERSON))


def _look(detection: Detection) -> object:
    return detection.label, detection.box, detection.point


def _sharing(said: Detection, now: Detection) -> Detection:
    """`said`, with the very pixels of `now` where they are the same: one of them may have been read from the disk."""
    if said.mask is None or now.mask is None or not np.array_equal(said.mask.probs, now.mask.probs):
        return said
    return replace(said, mask=replace(said.mask, probs=now.mask.probs))


def keep_answers(before: Session, after: Session, projects: Projects, visitor: str) -> Session:
    """`after` with its new answers in the projects of their pictures; where that fails, a note says so."""
    was = {each.picture.path: each.answer for each in before.sheets}
    answered = {id(each) for each in was.values()}
    sheets = tuple(
        _kept(each, was.get(each.picture.path), projects, visitor)
        if each.member and each.answer and id(each.answer) not in answered
        else each
        for each in after.sheets
    )
    return holding(after, sheets)


def _kept(sheet: Sheet, earlier: Answer | None, projects: Projects, visitor: str) -> Sheet:
    at, answer = sheet.member, sheet.answer
    assert at is not None
    assert answer is not None
    try:
        with projects.lend(at.project, visitor) as project:
            _check(project, at)
            sample = project.put_answer(at.picture, answer.task, _signed(answer), asked=answer.prompt)
            made = _laid(answer, sample, earlier)
            return replace(sheet, answer=made, member=member(project, at.project, at.picture, at.order))
    except GroundingError as error:
        note = Note(NoteKind.SKIPPED, f"This answer is not in the project: {error}")
        return replace(sheet, answer=replace(answer, result=replace(answer.result, notes=(*answer.result.notes, note))))


def add(now: Session, projects: Projects, visitor: str, name: str, *, new: bool) -> Session:
    """What is on the page, answers and corrections included, in a project; the picture shown is its picture now."""
    if now.picture is None:
        raise RequestError("Give a picture first; then it can go into a project.")
    if new:
        projects.create(name, visitor).close()
    name = folder_name(name)
    with projects.lend(name, visitor) as project:
        sheets = tuple(
            each if (at := each.member) and (at.project != name or _is_in(project, at)) else _added(each, project, name)
            for each in now.sheets
        )
        members = [each.member and member(project, each.member.project, each.member.picture, each.member.order)
                   if each.member and each.member.project == name else each.member for each in sheets]  # fmt: skip
    return holding(now, tuple(replace(each, member=at) for each, at in zip(sheets, members, strict=True)))


def _added(sheet: Sheet, project: Project, name: str) -> Sheet:
    picture = project.add_picture(_file(sheet), sheet.picture.name or "picture.png")
    answer = sheet.answer
    if answer is not None:
        signed, found = _signed(answer), answer.result.detections
        own = models_own(found) if answer.said is None else answer.said
        if len(own) == len(found) and all(map(is_, own, found)):
            sample = project.put_answer(picture, answer.task, signed, asked=answer.prompt)
        else:  # corrected before it came here
            if answer.model != PERSON:
                said = replace(answer, result=replace(answer.result, detections=own))
                project.put_answer(picture, answer.task, _signed(said), asked=answer.prompt)
            sample = project.set_labels(picture, signed.detections)
        found = sample.result.detections
        answer = replace(answer, result=replace(answer.result, detections=found), said=_said(found, answer))
    return replace(sheet, answer=answer, member=member(project, name, picture, Order.ADDED))


def _file(sheet: Sheet) -> bytes:
    try:
        return sheet.picture.path.read_bytes()
    except OSError as error:
        raise RequestError("This picture was deleted after two hours. Give it again.") from error


def decide(now: Session, state: Review | None, projects: Projects, visitor: str, shelf: Shelf) -> Session:
    """The picture decided on (None: left as it is), and the next open one on the stage; itself where none is left."""
    at = _member(now)
    with projects.lend(at.project, visitor) as project:
        if state is not None:
            _check(project, at)
            project.set_state(at.picture, state, since=at.version)
        following = project.next_open(at.order, after=at.picture)
    return show(projects, visitor, at.project, at.picture if following is None else following, at.order, shelf)


def turn(now: Session, by: int, projects: Projects, visitor: str, shelf: Shelf) -> Session:
    """The picture so many places on, decided or not; by=0: this one again, as it is in the project."""
    at = _member(now)
    with projects.lend(at.project, visitor) as project:
        ids = [each.id for each in project.pictures(at.order)]
    if not ids:
        raise RequestError("The project has no pictures any more. Add some, or open another.")
    place = ids.index(at.picture) if at.picture in ids else at.place - 1 - by
    shown = show(projects, visitor, at.project, ids[(place + by) % len(ids)], at.order, shelf)
    return shown if by else _onto(now, shown, at)


def _onto(now: Session, shown: Session, at: Member) -> Session:
    """`shown` in the place of the picture on the stage; the album, clip or document it is of stays."""
    assert now.picture is not None
    assert shown.picture is not None
    assert shown.member is not None
    if not (now.album or now.reel or now.document):
        return shown
    if shown.member.key != at.key:  # it was removed
        return replace(now, member=None)
    picture = replace(shown.picture, name=now.picture.name, at_s=now.picture.at_s)
    anew = replace(now, picture=picture, answer=shown.answer, member=shown.member)
    return anew.showing(anew.sheets, now.place) if now.album else anew


def first_open(projects: Projects, visitor: str, name: str, order: Order, shelf: Shelf) -> Session:
    """The first picture nobody decided on, to begin with; the first of all where there is none."""
    with projects.lend(name, visitor) as project:
        wanted = project.next_open(order)
        if wanted is None:
            entries = project.pictures(order, Which(most=1))
            if not entries:
                raise RequestError("There is no picture in this project yet. Add some first.")
            wanted = entries[0].id
    return show(projects, visitor, name, wanted, order, shelf)


def _member(now: Session) -> Member:
    if now.member is None:
        raise RequestError(NO_PROJECT)
    return now.member


def _signed(answer: Answer) -> Result:
    """The result, every object with an origin: what came without one came from this answer."""
    backend = answer.asked.backend if answer.asked else ""
    origin = answer.result.origin or Origin(backend, answer.model, answer.prompt)
    found = signed(answer.result.detections, origin)
    return stamped(replace(answer.result, detections=found, origin=origin), answer.at)


def _model(result: Result) -> str:
    origins = [result.origin, *(each.origin for each in result.detections)]
    return next((each.model for each in origins if each and each.model), "in the project")
