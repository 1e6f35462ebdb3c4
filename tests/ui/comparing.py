"""What tests of comparisons have in common: a model's form, a trial asked to its end or told, the words of a page."""

from __future__ import annotations

import re
import threading

from grounding.settings import Settings
from grounding.types import Detection, Outcome, Result, Task
from ui import trial
from ui.desk import Desk
from ui.form import Form
from ui.state import Session
from ui.trial import Side, Trial
from ui.trial_asking import Inquiry

KEY = "AIzaSECRETsecret0000000"


def form(model: str = "", prompt: str = "cat; dog", task: Task = Task.DETECT, **values: object) -> Form:
    read = trial.read_side(task, {"prompt": prompt, "model": model, **values}, Settings())
    assert read is not None
    return read


def asked(session: Session, desk: Desk, *forms: Form | None, repeats: bool = False) -> Trial:
    """A trial that was asked to its end."""
    one = next(each for each in forms if each)
    inquiry = Inquiry(trial.begin(one.task, one.prompt, forms, session, repeats=repeats), forms)
    for places in inquiry.shares():
        inquiry.work(places, desk, threading.Event())
    inquiry.take()
    return inquiry.made


def told(first: list[Detection], second: list[Detection], session: Session, prompt: str = "cat") -> Trial:
    """A trial with these answers."""
    sides = [
        Side(name, form(), Result(Outcome.FOUND, "", tuple(found))) for name, found in (("m", first), ("n", second))
    ]
    assert session.picture
    return Trial(session.picture, session.scene, Task.DETECT, prompt, tuple(sides), repeats=False)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
