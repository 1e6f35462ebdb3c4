"""A detection's score, from the probabilities the model gave the tokens that say it. Knows no model and no picture.

score = P(a box begins here) x P(its label) x the overlap to be expected: of three parts that are compared, with others,
by `python -m benchmarks.scores`. Where the checkpoint's folder holds a calibration measured on these very weights, the
score is the share of such boxes that were right there; else it only ranks. What it says of other pictures than those
it was measured on is not known.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from grounding.codecs.paligemma import LOC_BINS, Spot

QUANTILES = 8  # points that stand for a distribution over places; 16 or 32 rank no better, 4 a little worse
FILE = "scores.json"  # beside the weights
_JOINS = " ;\n"  # what stands between one thing and the next


class Place(NamedTuple):
    """What a step gave the <loc> tokens: all of them together, and where they lie, as QUANTILES bins in order."""

    mass: float
    quantiles: tuple[int, ...]


class Scored(Protocol):
    """What of an answer a score needs: see `paligemma_generate.Answer`. `places`: one a token, or none at all."""

    @property
    def text(self) -> str: ...
    @property
    def ends(self) -> tuple[int, ...]: ...
    @property
    def log_probs(self) -> tuple[float, ...]: ...
    @property
    def places(self) -> tuple[Place, ...]: ...


@dataclass(frozen=True)
class Calibration:
    """The share of boxes that are right, by their raw score: a logistic curve over its log-odds."""

    slope: float
    offset: float

    def __call__(self, raw: float) -> float:
        odds = self.slope * float(_log_odds(raw)) + self.offset
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def place_columns(logits: Any, first_loc: int, total: Any = None) -> Any:
    """float[rows, 1 + QUANTILES] of one step's float[rows, vocabulary]: mass and quantiles. On the model's device.

    total: float[rows], the logits' logsumexp, where it is known already.
    """
    logits = logits.float()
    total = logits.logsumexp(-1) if total is None else total
    probs = (logits[:, first_loc : first_loc + LOC_BINS] - total[:, None]).exp()
    so_far = probs.cumsum(-1)
    mass = so_far[:, -1:]
    marks = mass * (so_far.new_ones(QUANTILES).cumsum(0) - 0.5) / QUANTILES
    bins = (so_far[:, :, None] < marks[:, None, :]).sum(1).clamp(max=LOC_BINS - 1)
    columns = so_far.new_empty(len(so_far), 1 + QUANTILES)
    columns[:, :1], columns[:, 1:] = mass, bins
    return columns


def places_of(columns: list[list[float]]) -> tuple[Place, ...]:
    """One Place for each step's row of `place_columns`."""
    return tuple(Place(row[0], tuple(int(at) for at in row[1:])) for row in columns)


def score_of(answer: Scored, calibration: Calibration | None = None) -> Callable[[Spot], float | None]:
    """A function from where a detection stands in `answer` to its score; None where the tokens do not tell."""

    def score(spot: Spot) -> float | None:
        raw = raw_score(answer, spot)
        return raw if raw is None or calibration is None else calibration(raw)

    return score


def raw_score(answer: Scored, spot: Spot) -> float | None:
    """The three parts multiplied; None where the places of the box are not known."""
    parts = parts_of(answer, spot)
    return None if parts is None else math.prod(parts)


def parts_of(answer: Scored, spot: Spot) -> tuple[float, float, float] | None:
    """P(a box begins here), P(its label) as the geometric mean of its tokens, and the overlap to be expected."""
    steps = _steps(answer, spot.box)
    if len(steps) != 4 or len(answer.places) < len(answer.ends):
        return None
    before = sum(answer.log_probs[step] for step in _joining(answer, steps[0]))
    label = [answer.log_probs[step] for step in _steps(answer, spot.label)] if spot.label else []
    y1, x1, y2, x2 = (answer.places[step].quantiles for step in steps)
    bins = [int(answer.text[: answer.ends[step]][-5:-1]) for step in steps]
    overlap = _overlap(bins[0], bins[2], y1, y2) * _overlap(bins[1], bins[3], x1, x2)
    begins = math.exp(before) * min(1.0, answer.places[steps[0]].mass)
    return begins, math.exp(sum(label) / len(label)) if label else 1.0, overlap


def _steps(answer: Scored, span: tuple[int, int]) -> list[int]:
    """The tokens that make text[span]."""
    starts = (0, *answer.ends)
    return [n for n, end in enumerate(answer.ends) if end > span[0] and starts[n] < span[1] and end > starts[n]]


def _joining(answer: Scored, step: int) -> list[int]:
    """The tokens right before `step` that only lead over to it: they say that there is one more thing."""
    starts = (0, *answer.ends)
    first = step
    while first and not answer.text[starts[first - 1] : answer.ends[first - 1]].strip(_JOINS):
        first -= 1
    return list(range(first, step))


def _overlap(start: int, end: int, starts: tuple[int, ...], ends: tuple[int, ...]) -> float:
    """The mean overlap (IoU, along one side) of the stretch that was said with those that might have been."""
    start, end = sorted((start, end))
    a, b = np.meshgrid(starts, ends)
    low, high = np.minimum(a, b), np.maximum(a, b)
    shared = np.clip(np.minimum(end, high) - np.maximum(start, low), 0, None)
    union = np.maximum((end - start) + (high - low) - shared, 1)
    return float((shared / union).mean())


def _log_odds(raw: float | np.ndarray) -> Any:
    inside = np.clip(raw, 1e-9, 1 - 1e-6)
    return np.log(inside / (1 - inside))


def fit(raw: np.ndarray, right: np.ndarray) -> Calibration:
    """The curve under which `right` is likeliest (Platt scaling), by Newton's steps; a faint pull keeps it finite."""
    x = np.stack([_log_odds(raw), np.ones(len(raw))], 1)
    weights, pull = np.zeros(2), 1e-3 * np.eye(2)
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (right - p) - pull @ weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + pull
        weights = weights + np.clip(np.linalg.solve(curvature, gradient), -5, 5)
    return Calibration(float(weights[0]), float(weights[1]))


def read(folder: Path) -> Calibration | None:
    """The calibration kept in `folder`; None where there is none, or it was measured on other weights."""
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if kept["weights"] != weights_mark(folder):
            return None
        curve = Calibration(float(kept["slope"]), float(kept["offset"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return curve if math.isfinite(curve.slope) and math.isfinite(curve.offset) and curve.slope > 0 else None


def write(folder: Path, curve: Calibration, measured: dict[str, object]) -> None:
    """Keep `curve` in `folder`, tied to its weights, with what was `measured` for people to read."""
    kept = {"weights": weights_mark(folder), **asdict(curve), "measured": measured}
    (folder / FILE).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def weights_mark(folder: Path) -> str:
    """A mark that changes with the weights: their files' sizes and a megabyte from the middle of each."""
    mark = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        mark.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            file.seek(max(0, (size - (1 << 20)) // 2))
            mark.update(file.read(1 << 20))
    return mark.hexdigest()
