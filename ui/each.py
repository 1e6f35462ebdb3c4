"""The same question about each of the pictures, one request after the other, so that every model can be asked.

What a service says of one picture does not lean on the others, and an answer that fails takes none with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from backends import Pool
from grounding.errors import GroundingError, Stopped
from grounding.types import Note, NoteKind, Outcome, Result
from ui import actions
from ui.asking import Question
from ui.desk import Desk
from ui.form import Form
from ui.state import Answer, Session, Sheet, Shelf

Told = Callable[[int, Result | None], None]
"""Hears which picture is asked about, from 0, and what has come of its answer: None when it begins."""


def answer_each(
    form: Form,
    session: Session,
    pool: Pool,
    shelf: Shelf,
    stop: threading.Event | None = None,
    told: Told | None = None,
    came: Callable[[tuple[Sheet, ...]], None] | None = None,
    removed: Callable[[Sheet], bool] = lambda _: False,
) -> Session:
    """`session` with an answer to `form` for each of its pictures; raises GroundingError where not even one came.

    The first failure ends it, and so does a stop: what had come is kept, the others keep what they had, and the picture
    it ended at is shown, saying so. came: hears the pictures gone through so far after each answer. removed: whether a
    picture has left the page by now; it is not asked about, and a note counts it.
    """
    sheets = list(session.sheets)
    for place, sheet in enumerate(session.sheets):
        if removed(sheet):
            continue
        if told:
            told(place, None)
        alone = Session(sheet.picture, scene=sheet.scene, member=sheet.member)
        grew = _at(place, told) if told else None
        try:
            answered = actions.answer(form, alone, pool, shelf, stop, grew)
        except GroundingError as error:
            if not _answered(session, sheets):
                raise
            return _ended(form, session, sheets, place, error)
        sheets[place] = replace(sheet, answer=answered.answer)
        if came:
            came(tuple(sheets[: place + 1]))
        if stop is not None and stop.is_set() and place + 1 < len(sheets):
            return _ended(form, session, sheets, place + 1, Stopped())
    done = _answered(session, sheets)
    if done and len(done) < len(sheets):
        here = [place for place in done if not removed(sheets[place])] or done
        at = session.place if session.place in here else here[-1]
        sheets[at] = _noted(sheets[at], Note(NoteKind.SKIPPED, f"{_far(done, sheets, len(sheets))}."))
    return session.showing(tuple(sheets), session.place)


def _answered(session: Session, sheets: Sequence[Sheet]) -> list[int]:
    """The places of the pictures that have another answer than in `session`."""
    both = enumerate(zip(session.sheets, sheets, strict=True))
    return [place for place, (was, now) in both if now.answer is not was.answer]


def _far(done: Sequence[int], sheets: Sequence[Sheet], place: int) -> str:
    """How many were asked about, and how many of those before `place` were not."""
    gone = place - len(done)
    away = f", {gone} {'was' if gone == 1 else 'were'} removed meanwhile" if gone else ""
    return f"{len(done)} of {len(sheets)} pictures were asked about{away}"


def _noted(sheet: Sheet, note: Note) -> Sheet:
    answer = sheet.answer
    assert answer is not None
    result = replace(answer.result, notes=(note, *answer.result.notes))
    return replace(sheet, answer=replace(answer, result=result))


def _at(place: int, told: Told) -> actions.Grew:
    def grew(result: Result) -> None:
        told(place, result)

    return grew


def _ended(form: Form, session: Session, sheets: list[Sheet], place: int, error: GroundingError) -> Session:
    """What had come, with the reason where it ended: at `place`, which failed, or by a stop before it."""
    done = _answered(session, sheets)
    far = f"{_far(done, sheets, place)}; the others keep what they had."
    if isinstance(error, Stopped):
        place = done[-1]
        sheets[place] = _noted(sheets[place], Note(NoteKind.CUT, f"You stopped this. {far}"))
    else:
        note = Note(NoteKind.CUT, far)
        failed = Result(Outcome.FAILED, str(error), notes=(note,))
        told = Answer(form.task, form.prompt, form.model, failed, asked=form.remembered)
        sheets[place] = replace(sheets[place], answer=told)
    return session.showing(tuple(sheets), place)


@dataclass(eq=False)
class EachQuestion(Question):
    """As a Question, but about each picture by itself; the page shows the one that is asked about.

    said: what is being done, to which the picture's number is added.
    """

    said: str = ""
    _came: tuple[Sheet, ...] = field(default=(), init=False)
    _place: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.said = self.said or self.doing

    def answer(self, desk: Desk, stop: threading.Event) -> Session:
        asked = self.asked = self.take_in()
        count = len(asked.sheets)

        def told(place: int, result: Result | None) -> None:
            self._place = place
            self.doing = f"{self.said} · {place + 1} of {count}"
            self.news.tell(result or Result(Outcome.NONE, done=False))  # so that nothing is said of the one before

        def came(sheets: tuple[Sheet, ...]) -> None:
            self._came = sheets

        return answer_each(self.form, asked, desk.pool, desk.shelf, stop, told, came, self._removed)

    def _removed(self, sheet: Sheet) -> bool:
        """Whether it is not on the page any more, where others that were asked about still are."""
        now = self.held()
        there = {each.picture.path for each in now.sheets} if now else set()
        asked = {each.picture.path for each in self.asked.sheets} if self.asked else set()
        return sheet.picture.path not in there and not there.isdisjoint(asked)

    def so_far(self) -> Session | None:
        """The pictures that are answered, the others as they were."""
        came = self._came
        if self.asked is None or not came:
            return None
        sheets = [*came, *self.asked.sheets[len(came) :]]
        return _ended(self.form, self.asked, sheets, len(came), Stopped())

    def grown(self, result: Result) -> Session | None:
        """The picture that is asked about, with what was found in it so far."""
        if self.asked is None or not result.detections:
            return None
        answer = Answer(
            self.form.task, self.form.prompt, self.form.model, result, number=f"{self.number}-{self._place}"
        )
        return Session(self.asked.sheets[self._place].picture, answer)
