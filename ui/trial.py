"""Two models about one picture, or one model asked again and again: who is asked, what came, what is taken of it.

Knows no gradio and draws nothing.
"""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import scenes
from backends import SPECS
from grounding.agreement import Agreement, Row, Stability, Verdict, agree, stability
from grounding.editing import numbered, signed
from grounding.errors import RequestError
from grounding.labels import split_labels
from grounding.matching import compare
from grounding.settings import Settings
from grounding.types import Detection, Note, NoteKind, Origin, Outcome, Result, Task
from jobs.work import stamped
from scenes import truth
from scenes.composing import Scene
from ui import actions
from ui.corrections import labels_of
from ui.desk import Desk
from ui.form import Form, read_form
from ui.messages import Problem, attempt
from ui.options import heeded
from ui.state import Answer, Kept, Session
from ui.truth import unasked

SHOWN = "shown"
"""In place of a backend: the answer that is on the Picture page, corrections included. Nobody is asked for it."""

TWO, MANY = "two", "many"
"""The two kinds of trial: two sides, or one asked many times."""

LEAST_TIMES, MOST_TIMES = 2, 10
_SIDE_PX = 512  # a scene is composed anew at this size; boxes and masks are in shares of it
_MAX_PICKS = 2_000


@dataclass(frozen=True, eq=False)
class Side:
    """One that answers. form: holds no key; None for the Picture page's answer. got: None while it is still asked."""

    name: str
    form: Form | None
    got: Result | Problem | None = None

    @property
    def answered(self) -> bool:
        """Whether it named objects, or said that there are none: what was blocked or unreadable said neither."""
        if not isinstance(self.got, Result):
            return False
        if self.got.outcome is Outcome.TRUNCATED:
            return bool(self.got.detections)
        return self.got.outcome in (Outcome.FOUND, Outcome.NONE, Outcome.REPAIRED)

    @property
    def found(self) -> tuple[Detection, ...]:
        return self.got.detections if isinstance(self.got, Result) and self.answered else ()


@dataclass(frozen=True, eq=False)
class Trial:
    """What was asked about `picture`. repeats: every side is the same model with the same settings, one run each.

    scene: the seed where the picture is a scene of ours. number: nobody can guess it, so that what is taken is taken
    from what was seen.
    """

    picture: Kept
    scene: int | None
    task: Task
    prompt: str
    sides: tuple[Side, ...]
    repeats: bool
    number: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def answering(self) -> list[int]:
        """The places of the sides that answered."""
        return [place for place, side in enumerate(self.sides) if side.answered]

    @property
    def runs(self) -> list[Side]:
        return [self.sides[place] for place in self.answering]

    @property
    def alike(self) -> bool:
        """Whether both sides ask the same model with the same settings."""
        return not self.repeats and self.sides[0].form is not None and self.sides[0].name == self.sides[1].name

    def heard(self, place: int, got: Result | Problem) -> Trial:
        sides = (*self.sides[:place], replace(self.sides[place], got=got), *self.sides[place + 1 :])
        return replace(self, sides=sides)


def read_task(value: object) -> Task:
    if value not in (Task.DETECT.value, Task.SEGMENT.value):
        raise RequestError("Objects are compared, so choose Detect or Segment.")
    return Task(value)


def read_iou(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.05 <= value <= 0.95:
        raise RequestError("The least IoU goes from 0.05 to 0.95.")
    return float(value)


def read_times(value: object) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value % 1
        or not LEAST_TIMES <= value <= MOST_TIMES
    ):
        raise RequestError(f"How often to ask is a whole number from {LEAST_TIMES} to {MOST_TIMES}.")
    return int(value)


def read_side(task: Task, values: Mapping[str, object], settings: Settings, *, with_key: bool = True) -> Form | None:
    """The form of one side, None for the Picture page's answer; raises RequestError or ConfigError."""
    if values.get("backend") == SHOWN:
        return None
    form = read_form(task, values, settings, with_key=with_key)
    return replace(form, options=heeded(form.options, SPECS[form.backend].capabilities))


def begin(task: Task, prompt: str, forms: Sequence[Form | None], session: Session, *, repeats: bool) -> Trial:
    """A trial nobody was asked for yet; the Picture page's answer is in it already where it is one of the sides."""
    if session.picture is None:
        raise RequestError("Give a picture first, on the Picture page.")
    if not repeats and forms[0] is None and forms[1] is None:
        raise RequestError("Both sides are the answer on the Picture page. Choose a model for one of them.")
    sides = tuple(_shown(session) if form is None else Side(name_of(form), replace(form, api_key="")) for form in forms)
    prompt = "; ".join(split_labels(prompt)) or prompt
    return Trial(session.picture, session.scene, task, prompt, sides, repeats)


def _shown(session: Session) -> Side:
    answer = session.answer
    if answer is None or answer.task not in (Task.DETECT, Task.SEGMENT):
        raise RequestError(
            "There are no objects on the Picture page yet. Detect or segment there first, or choose a model."
        )
    origin = answer.result.origin or Origin("", answer.model, answer.prompt)
    found = signed(numbered(labels_of(answer).detections), origin)
    return Side(f"Picture page: {answer.model}", None, stamped(replace(answer.result, detections=found)))


def name_of(form: Form) -> str:
    """The model and what was set: "gemini-2.5-flash, temperature 0.7"."""
    options = form.options
    parts = [form.model]
    if options.temperature is not None:
        parts.append(f"temperature {options.temperature:g}")
    if options.thinking is not None:
        parts.append(f"thinking {options.thinking.value}")
    return ", ".join(parts)


def ask(form: Form, picture: Kept, desk: Desk, stop: threading.Event) -> Result | Problem:
    """The model's answer with its origin kept in every object, or why there is none."""
    got = attempt(lambda: actions.ask(form, desk.shelf.open(picture), desk.pool, stop))
    if isinstance(got, Problem):
        return got
    set_ = {"temperature": form.options.temperature} if form.options.temperature is not None else {}
    origin = got.origin or Origin(form.backend, form.model, form.prompt, set_)
    found = signed(numbered(got.detections), origin)
    return stamped(replace(got, origin=origin, detections=found))


def agreement(trial: Trial, least_iou: float) -> Agreement | None:
    """Both answers held against each other; None before both are there."""
    first, second = trial.sides
    if not (first.answered and second.answered):
        return None
    return agree(first.found, second.found, trial.picture.size_wh, least_iou=least_iou)


def lonely(trial: Trial) -> tuple[Row, ...]:
    """The objects of the one side that answered, while there is nothing to hold them against."""
    first, second = trial.sides
    rows = [Row(Verdict.ONLY_FIRST, place, None) for place in range(len(first.found))]
    return (*rows, *(Row(Verdict.ONLY_SECOND, None, place) for place in range(len(second.found))))


def spread(trial: Trial, least_iou: float) -> Stability:
    """What `trial.runs` have in common, and how far it spreads."""
    return stability([side.found for side in trial.runs], least_iou=least_iou)


@dataclass(frozen=True)
class Against:
    """One answer held against what truly is in a drawn scene. ious: of its objects that are there, by their place.

    mask_ious: of those of them that have a mask.
    """

    ious: Mapping[int, float]
    mask_ious: Mapping[int, float]
    true: int
    invented: int
    unclear: tuple[str, ...]


def against_truth(trial: Trial, side: Side) -> Against | None:
    """None where the picture is no scene of ours, or nothing was answered."""
    if trial.scene is None or not side.answered:
        return None
    asked, scene = split_labels(trial.prompt), _scene(trial.scene)
    known = truth.truth(scene, asked)
    found = compare(side.found, known.detections, (_SIDE_PX, _SIDE_PX))
    ious = {pair.first: pair.iou for pair in found.pairs}
    mask_ious = {pair.first: pair.mask_iou for pair in found.pairs if pair.mask_iou is not None}
    invented = set(found.only_first) - unasked(scene, asked, side.found)
    return Against(ious, mask_ious, len(known.detections), len(invented), known.unclear)


@functools.lru_cache(16)
def _scene(seed: int) -> Scene:
    return scenes.compose(seed, size_px=_SIDE_PX)


def take(trial: Trial | None, number: object, picks: object, session: Session) -> Session:
    """`session` with the picked objects as its answer, each with the origin it has; raises RequestError."""
    if trial is None or number != trial.number:
        raise RequestError("This comparison was replaced by a newer one. Choose again.")
    if session.picture is None or session.picture.path != trial.picture.path:
        raise RequestError("There is another picture on the Picture page by now. Ask again about that one.")
    chosen = [_picked(trial, pick) for pick in _listed(picks)]
    places = sorted({place for place, _ in chosen})
    results = {place: got for place in places if isinstance(got := trial.sides[place].got, Result)}
    names = list(dict.fromkeys(trial.sides[place].name for place in places))
    raw = [f"{_title(trial, place)}\n{got.raw}" for place, got in results.items()]
    counts = [f"{sum(at == place for at, _ in chosen)} from {_title(trial, place)}" for place in places]
    result = Result(
        Outcome.FOUND,
        detections=numbered(each for _, each in chosen),
        notes=(
            Note(NoteKind.MODEL, f"Taken from a comparison: {'; '.join(counts)}."),
            *(note for got in results.values() for note in got.notes),
        ),
        raw="\n\n".join(raw),
    )
    return replace(session, answer=Answer(trial.task, trial.prompt, " and ".join(names), result))


def _title(trial: Trial, place: int) -> str:
    return f"answer {place + 1}" if trial.repeats else f"{'AB'[place]} ({trial.sides[place].name})"


def _listed(picks: object) -> list[object]:
    if not isinstance(picks, list) or not picks:
        raise RequestError("Tick at least one object first.")
    if len(picks) > _MAX_PICKS or len({str(pick) for pick in picks}) < len(picks):
        raise RequestError("The ticked objects could not be read. Reload the page and try again.")
    return picks


def _picked(trial: Trial, pick: object) -> tuple[int, Detection]:
    if isinstance(pick, list) and len(pick) == 2 and all(type(each) is int and each >= 0 for each in pick):
        place, at = pick
        if place < len(trial.sides) and at < len(trial.sides[place].found):
            return place, trial.sides[place].found[at]
    raise RequestError("One of the ticked objects is no longer there. Choose again.")
