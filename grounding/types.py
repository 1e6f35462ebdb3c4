"""The values every part of Pinpoint speaks in. All are frozen; none knows a model, a page or a file format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from grounding.documents import Document
    from grounding.images import Picture

THRESHOLD = 127
"""Mask threshold on the 0-255 scale: the midpoint Google's guide documents for Gemini's masks."""


class Task(StrEnum):
    CAPTION = "caption"
    ASK = "ask"
    DETECT = "detect"
    SEGMENT = "segment"


class Outcome(StrEnum):
    """What became of a request. "Nothing found" never looks like "blocked" or "could not be read"."""

    FOUND = "found"  # an answer, whole: objects, or text where text was asked for
    NONE = "none"  # the model answered that there is nothing
    BLOCKED = "blocked"  # a safety or policy filter withheld the prompt or the answer
    TRUNCATED = "truncated"  # the answer was cut; what was whole is kept
    REPAIRED = "repaired"  # something was mended or left out to read it; the notes say what
    UNRECOGNISED = "unrecognised"  # there is an answer, but no objects could be read from it
    FAILED = "failed"  # no answer came


class Harm(StrEnum):
    """The five categories Gemini filters by, named as the page and the command line name them."""

    HARASSMENT = "harassment"
    HATE_SPEECH = "hate_speech"
    SEXUALLY_EXPLICIT = "sexually_explicit"
    DANGEROUS_CONTENT = "dangerous_content"
    CIVIC_INTEGRITY = "civic_integrity"


class Level(StrEnum):
    """How much of a category is blocked, in AI Studio's words. DEFAULT sends no setting at all."""

    DEFAULT = "default"
    NONE = "none"
    FEW = "few"
    SOME = "some"
    MOST = "most"


class Thinking(StrEnum):
    """How much a model thinks before it answers, least first; each model takes the nearest it has."""

    LEAST = "least"  # none at all where it can be turned off
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    MODEL = "model"  # the model's own choice: nothing is sent


class Resolution(StrEnum):
    """How finely a service looks at pictures and pages; finer costs more tokens."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    ULTRA_HIGH = "ultra_high"


class _Corners(NamedTuple):
    x1: float
    y1: float
    x2: float
    y2: float


class Box(_Corners):
    """Left, top, right, bottom in [0, 1] of the upright picture; never empty. Pixels are called `box_px` instead."""

    __slots__ = ()

    def __new__(cls, x1: float, y1: float, x2: float, y2: float) -> Box:
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):  # also false for NaN
            raise ValueError(f"not a box in [0, 1]: {(x1, y1, x2, y2)}")
        return super().__new__(cls, float(x1), float(y1), float(x2), float(y2))

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return self.width * self.height


FULL_FRAME = Box(0, 0, 1, 1)


class Point(NamedTuple):
    """x right, y down, both in [0, 1] of the upright picture."""

    x: float
    y: float


@dataclass(frozen=True, eq=False)
class SoftMask:
    """A mask as the model gave it: probabilities at the codec's own size, inside its frame. Never thresholded.

    probs: float32[h, w] in [0, 1]; row 0 is the top of `frame`. Resize to the frame's pixels first, threshold last.
    threshold: 0-255 where a person chose one for this mask alone; it then stands in for the view's everywhere.
    """

    probs: np.ndarray
    frame: Box
    threshold: int | None = None

    def __post_init__(self) -> None:
        if self.probs.ndim != 2 or self.probs.dtype != np.float32 or 0 in self.probs.shape:
            raise ValueError(f"not float32[h, w]: {self.probs.dtype}{list(self.probs.shape)}")


@dataclass(frozen=True)
class Origin:
    """Where a detection came from, kept with it into every export that has room for it.

    backend: "person" for what a person drew. raw: the whole answer it was read from. answered_at: ISO 8601 in UTC.
    """

    backend: str
    model: str
    prompt: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    edited: bool = False  # changed by a person since
    raw: str = ""
    answered_at: str | None = None


class Review(StrEnum):
    """What a person made of a detection."""

    OPEN = "open"  # nobody has said yet
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSURE = "unsure"


@dataclass(frozen=True, eq=False)
class Detection:
    """One thing the model named. At least one of `box`, `point`, `mask` and `mask_tokens` is there.

    score: [0, 1], or None where the model gave none; never a stand-in.
    mask_tokens: the 16 codebook indices (0-127) the model said, row by row of a 4x4 grid, or None.
    box_before, label_before: the model's own where a person has changed it since.
    picture: which of the request's pictures it is in, from 0; None where there are several and the model did not say.
    """

    label: str
    box: Box | None = None
    point: Point | None = None
    score: float | None = None
    mask: SoftMask | None = None
    mask_tokens: tuple[int, ...] | None = None
    id: int = 0  # place in its result, from 0
    origin: Origin | None = None
    review: Review = Review.OPEN
    box_before: Box | None = None
    label_before: str | None = None
    picture: int | None = 0

    @property
    def own_score(self) -> float | None:
        """The score where it is of this very box and label; None where a person changed either since."""
        return self.score if self.box_before is None and self.label_before is None else None


class NoteKind(StrEnum):
    SKIPPED = "skipped"  # an item was left out
    REPAIRED = "repaired"  # an item was mended and kept
    CUT = "cut"  # the answer ended inside this
    CAPPED = "capped"  # more came than is shown or kept
    PICTURE = "picture"  # the picture was converted on the way in
    MODEL = "model"  # something worth knowing about how the model was asked


@dataclass(frozen=True)
class Note:
    """One thing skipped, repaired, cut or converted, in a sentence for people."""

    kind: NoteKind
    detail: str


class Stage(StrEnum):
    PROMPT = "prompt"
    ANSWER = "answer"


@dataclass(frozen=True)
class SafetyRating:
    """One category's rating as the service gave it, e.g. category "HARM_CATEGORY_HARASSMENT", probability "HIGH"."""

    category: str
    probability: str
    blocked: bool


@dataclass(frozen=True)
class SafetyReport:
    """What a filter did: which stage it stopped (None: nothing), the service's own word, and a sentence for people.

    sliders: categories whose level would have mattered; changeable: False where no slider changes this, None where the
    service does not say.
    """

    stage: Stage | None = None
    reason: str | None = None
    explanation: str = ""
    ratings: tuple[SafetyRating, ...] = ()
    sliders: tuple[Harm, ...] = ()
    changeable: bool | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens as the model counted them, None where it did not say; wall-clock seconds of the model's work.

    image_tokens: of pictures and of pages, part of prompt_tokens. cost_usd: by the price table, None where it has none.
    requests: how often the service was asked, tries that failed included.
    """

    seconds: float
    prompt_tokens: int | None = None
    image_tokens: int | None = None
    thought_tokens: int | None = None
    answer_tokens: int | None = None
    cost_usd: float | None = None
    requests: int | None = None


@dataclass(frozen=True)
class Estimate:
    """What a request would take, before it is sent. `prices_of`: the day the prices were read, "" where none is known.

    cost_usd is of the prompt; most_usd that of an answer as long as it may get on top. Both None without a price.
    """

    prompt_tokens: int
    image_tokens: int
    most_answer_tokens: int
    cost_usd: float | None = None
    most_usd: float | None = None
    prices_of: str = ""


@dataclass(frozen=True)
class SelfTest:
    """What a model showed it can do with one known picture. `can` lists what was tried; `detail` says how it went."""

    model: str
    can: Mapping[str, bool]
    detail: str
    seconds: float


@dataclass(frozen=True)
class Options:
    """What else a request may set. None and "" leave it to the backend's own default for the task.

    Which of these a backend heeds, its Capabilities say. `template` replaces the prompt's wording for detect and
    segment: {labels}, {text}, {max_items} and {language} in it are filled in. `language`: of the labels, in words,
    e.g. "Turkish". `structured`: hold the answer to a schema. `reuse`: the same picture will be asked about again.
    `tiles`: also look at the picture in so many parts a side, for small things.
    """

    temperature: float | None = None
    max_output_tokens: int | None = None
    system: str = ""
    thinking: Thinking | None = None
    resolution: Resolution | None = None
    max_items: int | None = None
    structured: bool | None = None
    language: str = ""
    template: str = ""
    seed: int | None = None
    reuse: bool = False
    tiles: int | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """One question about pictures or documents. `text` is a question or a free prompt; `labels` what to look for.

    so_far: `raw` of an earlier answer to the same request that was cut; the backend goes on from there.
    """

    task: Task
    images: tuple[Picture, ...]
    text: str = ""
    labels: tuple[str, ...] = ()
    options: Options = Options()
    safety: Mapping[Harm, Level] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()
    so_far: str = ""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a codec read from an answer's text."""

    outcome: Outcome
    detections: tuple[Detection, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """A backend's whole reply to a Request.

    text: what to read aloud: a caption, an answer, or for a failure or a block the sentence that explains it.
    raw: the answer exactly as the model gave it, for people who want to see for themselves.
    done: False while a stream is still growing it; its outcome is then that of what came so far.
    wait_s: in a stream, the service asked to wait: so long nothing will come; `text` says why. None otherwise.
    cut_at_tokens: the output limit the answer was cut at. To go on: the same Request with `so_far` set to `raw`; to
    raise the limit: the same Request with more `max_output_tokens`.
    """

    outcome: Outcome
    text: str = ""
    detections: tuple[Detection, ...] = ()
    notes: tuple[Note, ...] = ()
    safety: SafetyReport = SafetyReport()
    usage: Usage | None = None
    raw: str = ""
    origin: Origin | None = None
    done: bool = True
    wait_s: float | None = None
    cut_at_tokens: int | None = None


@dataclass(frozen=True)
class View:
    """How a result is drawn. Changing it never calls a model.

    threshold: 0-255; a mask pixel shows where 255 * probability > threshold.
    score_floor: detections whose score is known and lower are hidden; unknown scores always show.
    """

    overlays: tuple[str, ...] = ("mask", "box", "label")
    threshold: int = THRESHOLD
    score_floor: float = 0.0


def clamp_unit(value: float) -> float:
    """The nearest number in [0, 1]; NaN is an error, not a number."""
    if math.isnan(value):
        raise ValueError("NaN is not a coordinate")
    return min(1.0, max(0.0, value))
