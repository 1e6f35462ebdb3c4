"""The same question about each of the pictures, one request after the other, so that every model can be asked.

What a service says of one picture does not lean on the others, and an answer that fails takes none with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
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
) -> Session:
    """`session` with an answer to `form` for each of its pictures; raises GroundingError where not even one came.

    The first failure ends it, and so does a stop: what had come is kept, the others keep what they had, and the picture
    it ended at is shown, saying so. came: hears the pictures answered so far after each.
    """
    sheets = list(session.sheets)
    for place, sheet in enumerate(session.sheets):
        if told:
            told(place, None)
        alone = Session(sheet.picture, scene=sheet.scene, member=sheet.member)
        grew = _at(place, told) if told else None
        try:
            answered = actions.answer(form, alone, pool, shelf, stop, grew)
        except GroundingError as error:
            if place == 0:
                raise
            return _ended(form, session, sheets, place, error)
        sheets[place] = replace(sheet, answer=answered.answer)
        if came:
            came(tuple(sheets[: place + 1]))
        if stop is not None and stop.is_set() and place + 1 < len(sheets):
            return _ended(form, session, sheets, place + 1, Stopped())
    return session.showing(tuple(sheets), session.place)


def _at(place: int, told: Told) -> actions.Grew:
    def grew(result: Result) -> None:
        told(place, result)

    return grew


def _ended(form: Form, session: Session, sheets: list[Sheet], place: int, error: GroundingError) -> Session:
    """What had come, with the reason where it ended: the one that failed, or the last one before a stop."""
    far = f"{place} of {len(sheets)} pictures were asked about; the others keep what they had."
    if isinstance(error, Stopped):
        place -= 1
        answer = sheets[place].answer
        assert answer is not None
        note = Note(NoteKind.CUT, f"You stopped this. {far}")
        result = replace(answer.result, notes=(note, *answer.result.notes))
        sheets[place] = replace(sheets[place], answer=replace(answer, result=result))
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

        return answer_each(self.form, asked, desk.pool, desk.shelf, stop, told, came)

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
