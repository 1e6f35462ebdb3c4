"""Which of a model's token probabilities tell right boxes from wrong ones: `python -m benchmarks.scores`.

Asks the checkpoint for one class a call on scenes it never saw: every class that is there and as many that are not.
A box is right where it is the best one for a thing of that class that it overlaps by half (IoU). Nothing is forced:
wrong boxes are those the model says by itself, repeats included; the last lines leave out what the page would merge.
Of each candidate it prints how well it ranks (AUROC) and how far it is from the share that is right (expected
calibration error), as it is and calibrated on the other half of the scenes.
`--write` keeps the calibration beside the weights; `--figure FILE` draws the reliability diagram.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backends import paligemma_scores
from backends.paligemma_load import Checkpoint, load
from backends.paligemma_planner import REPEAT_IOU
from backends.paligemma_scores import Place, fit, place_columns, places_of, raw_score
from grounding.codecs.paligemma import LOC_BINS, Spot, decode
from grounding.geometry import iou_matrix, nms
from grounding.types import Box, Detection
from scenes import LABELS, Scene, compose

SIZE_PX = 448
SEEDS_PER_RUN = 100_000  # as training.evaluate counts them; training's own lie far above
MAX_TOKENS = 96  # ten boxes with labels
BINS = 10  # of the calibration error and the diagram
BAR = 0.8


@dataclass(frozen=True)
class Answer:
    """What `raw_score` needs of an answer, and `full`: float[tokens, LOC_BINS], what each step gave every place."""

    text: str
    ends: tuple[int, ...]
    log_probs: tuple[float, ...]
    places: tuple[Place, ...]
    full: np.ndarray

    def steps(self, span: tuple[int, int]) -> list[int]:
        starts = (0, *self.ends)
        return [n for n, end in enumerate(self.ends) if end > span[0] and starts[n] < span[1]]


@dataclass(frozen=True, eq=False)
class Said:
    """One box as the model said it on scene number `scene`; right: whether a thing of the class is there."""

    scene: int
    right: bool
    detection: Detection
    spot: Spot
    answer: Answer

    @property
    def label(self) -> list[float]:
        steps = self.answer.steps(self.spot.label) if self.spot.label else []
        return [math.exp(self.answer.log_probs[step]) for step in steps]

    @property
    def places(self) -> list[tuple[np.ndarray, int]]:
        """For y1, x1, y2, x2: what every place was given, and the one that was chosen."""
        return [
            (self.answer.full[step], int(self.answer.text[: self.answer.ends[step]][-5:-1]))
            for step in self.answer.steps(self.spot.box)
        ]


Score = Callable[[Said], float]


def _shown(said: Said) -> float:
    score = raw_score(said.answer, said.spot)
    if score is None:
        raise ValueError(f"no score: {said.answer.text}")
    return score


def _part(number: int) -> Score:
    def score(said: Said) -> float:
        parts = paligemma_scores.parts_of(said.answer, said.spot)
        return parts[number] if parts else 0.0

    return score


def _joint(said: Said) -> float:
    return math.prod(float(row[at]) for row, at in said.places)


def _mean(said: Said) -> float:
    return _joint(said) ** 0.25


def _near(reach: int) -> Score:
    """The probability of the chosen places and their neighbours, all four together."""
    return lambda said: math.prod(float(row[max(0, at - reach) : at + reach + 1].sum()) for row, at in said.places)


def _times(*scores: Score) -> Score:
    return lambda said: math.prod(score(said) for score in scores)


_begins, _label, _overlap = (_part(number) for number in range(3))
SHOWN = "box begins x label x overlap (shown)"
CANDIDATES: dict[str, Score] = {
    "label tokens, geometric mean": _label,
    "location tokens, geometric mean": _mean,
    "location tokens, product": _joint,
    **{f"locations within {reach} bins, product": _near(reach) for reach in (8, 16, 32, 64, 96)},
    "a box begins": _begins,
    "expected overlap": _overlap,
    "label x locations, geometric mean": _times(_label, _mean),
    "box begins x label x within 32 bins": _times(_begins, _label, _near(32)),
    "box begins x overlap": _times(_begins, _overlap),
    "label x overlap": _times(_label, _overlap),
    SHOWN: _shown,
}


def answers(checkpoint: Checkpoint, image: Image.Image, labels: Sequence[str]) -> list[Answer]:
    """What the checkpoint answers to "detect LABEL" for each label, by transformers' own generate()."""
    tokenizer = checkpoint.processor.tokenizer
    prompts = [f"<image>detect {label}" for label in labels]
    inputs = checkpoint.processor(images=[image] * len(labels), text=prompts, padding=True, return_tensors="pt")
    inputs.pop("labels", None)
    inputs["pixel_values"] = inputs["pixel_values"].to(checkpoint.model.dtype)
    with torch.inference_mode():
        said = checkpoint.model.generate(
            **inputs, max_new_tokens=MAX_TOKENS, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
    first = tokenizer.convert_tokens_to_ids("<loc0000>")
    logits = torch.stack(said.logits, 1).float()
    columns = torch.stack([place_columns(step.float(), first) for step in said.logits], 1).tolist()
    rows = said.sequences[:, inputs["input_ids"].shape[1] :].tolist()
    out = []
    for number, row in enumerate(rows):
        length = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
        texts = [tokenizer.decode(row[: n + 1], clean_up_tokenization_spaces=False) for n in range(length)]
        probs = logits[number, :length].log_softmax(-1)
        chosen = probs.gather(1, torch.tensor(row[:length], dtype=torch.long)[:, None])[:, 0].tolist()
        full = probs[:, first : first + LOC_BINS].exp().numpy()
        text = texts[-1] if texts else ""
        places = places_of(columns[number][:length])
        out.append(Answer(text, tuple(map(len, texts)), tuple(chosen), places, full))
    return out


def collect(checkpoint: Checkpoint, scenes: Sequence[Scene], rng: np.random.Generator) -> list[Said]:
    """What the checkpoint says on `scenes`, each box judged."""
    said: list[Said] = []
    for number, scene in enumerate(scenes):
        present = sorted({o.label for o in scene.objects})
        gone = [str(x) for x in rng.permutation([x for x in LABELS if x not in present])[: max(1, len(present))]]
        asked = [*present, *gone]
        for label, answer in zip(asked, answers(checkpoint, Image.fromarray(scene.image), asked), strict=True):
            spots: list[Spot] = []
            found = decode(answer.text, prompt=f"detect {label}", score_of=_noting(spots)).detections
            right = judged([d.box for d in found if d.box], [o.box for o in scene.objects if o.label == label])
            said += [Said(number, *each, answer) for each in zip(right, found, spots, strict=True)]
    return said


def _noting(spots: list[Spot]) -> Callable[[Spot], float | None]:
    def score_of(spot: Spot) -> None:
        spots.append(spot)

    return score_of


def judged(found: Sequence[Box], truth: Sequence[Box]) -> list[bool]:
    """For each box found, whether it is the best for a thing that it overlaps by half."""
    right = [False] * len(found)
    overlap = iou_matrix(found, truth)
    while overlap.size and overlap.max() >= 0.5:
        i, j = np.unravel_index(overlap.argmax(), overlap.shape)
        right[i] = True
        overlap[i, :] = overlap[:, j] = 0
    return right


def merged(said: Sequence[Said]) -> np.ndarray:
    """bool[boxes]: which the page would show, repeats merged by the shown score."""
    groups: dict[tuple[int, str], list[Detection]] = {}
    for place, one in enumerate(said):
        group = groups.setdefault((one.scene, one.detection.label), [])
        group.append(replace(one.detection, id=place, score=_shown(one)))
    kept = {d.id for group in groups.values() for d in nms(group, REPEAT_IOU)}
    return np.array([place in kept for place in range(len(said))], bool)


def auroc(scores: np.ndarray, right: np.ndarray) -> float:
    """How often a right box scores above a wrong one, equal counted half; nan where one kind is missing."""
    good, bad = np.sort(scores[right]), scores[~right]
    if not len(good) or not len(bad):
        return float("nan")
    below, upto = np.searchsorted(good, bad, "left"), np.searchsorted(good, bad, "right")
    return float((len(good) - upto + 0.5 * (upto - below)).sum() / (len(good) * len(bad)))


def reliability(scores: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean score, share right, number) of each of BINS equal stretches of [0, 1] that holds a box."""
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    inside = [place == b for b in range(BINS)]
    return [(float(scores[m].mean()), float(right[m].mean()), int(m.sum())) for m in inside if m.any()]


def calibration_error(scores: np.ndarray, right: np.ndarray) -> float:
    """Mean distance of the score from the share that is right, over the boxes."""
    return sum(n * abs(score - share) for score, share, n in reliability(scores, right)) / max(1, len(scores))


def calibrated(scores: np.ndarray, right: np.ndarray, half: np.ndarray) -> np.ndarray:
    """`scores`, each half of the scenes mapped by what the other half says."""
    out = np.empty_like(scores)
    for mine in (half, ~half):
        curve = fit(scores[~mine], right[~mine])
        out[mine] = [curve(score) for score in scores[mine]]
    return out


def draw(path: Path, curves: dict[str, np.ndarray], right: np.ndarray) -> None:
    """The reliability diagram: share of right boxes over the score, and how many boxes each point stands for."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, row = plt.subplots(1, len(curves), figsize=(4 * len(curves), 4), sharey=True)
    for ax, (name, scores) in zip(row, curves.items(), strict=True):
        ax.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        points = reliability(scores, right)
        ax.plot([x for x, _, _ in points], [y for _, y, _ in points], marker="o")
        for x, y, n in points:
            ax.annotate(str(n), (x, y), textcoords="offset points", xytext=(6, -10), fontsize=8)
        ax.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="score", title=name)
    row[0].set_ylabel("share of right boxes")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pinpoint-nano")
    parser.add_argument("--seed", type=int, default=11, help="scenes from seed * 100,000 on")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--figure", type=Path, help="draw the reliability diagram there (.png or .svg)")
    parser.add_argument("--write", action="store_true", help="keep the calibration beside the weights")
    args = parser.parse_args()
    torch.set_num_threads(1)  # so little work is slower when it is shared

    checkpoint = load(args.model, None)
    scenes = [compose(args.seed * SEEDS_PER_RUN + k, size_px=SIZE_PX) for k in range(args.scenes)]
    said = collect(checkpoint, scenes, np.random.default_rng(args.seed))
    right = np.array([one.right for one in said], bool)
    half = np.array([one.scene % 2 == 0 for one in said], bool)
    values = {name: np.array([score(one) for one in said]) for name, score in CANDIDATES.items()}
    print(f"{args.model}: {len(said)} boxes on {args.scenes} unseen scenes, {right.mean():.1%} right")
    print(f"{'score':<42}{'AUROC':>8}{'ECE':>8}{'calibrated':>12}")
    for name, scores in values.items():
        error, after = calibration_error(scores, right), calibration_error(calibrated(scores, right, half), right)
        print(f"{name:<42}{auroc(scores, right):>8.3f}{error:>8.3f}{after:>12.3f}")
    shown, kept = values[SHOWN], merged(said)
    area = auroc(shown, right)
    print(f"shown score: AUROC {area:.3f} (bar {BAR}: {'met' if area >= BAR else 'MISSED'})")
    shown, right, half = shown[kept], right[kept], half[kept]
    mapped = calibrated(shown, right, half)
    error = calibration_error(mapped, right)
    print(f"repeats merged, as the page shows them: {len(right)} boxes, {right.mean():.1%} right,", end=" ")
    print(f"AUROC {auroc(shown, right):.3f}, calibration error {error:.3f} on the other half of the scenes")
    if args.figure:
        draw(args.figure, {"as it is": shown, "calibrated on the other half": mapped}, right)
    if args.write:
        measured = {"boxes": len(right), "scenes": args.scenes, "seed": args.seed}
        figures = {"auroc_with_repeats": round(area, 3), "calibration_error": round(error, 3)}
        paligemma_scores.write(checkpoint.folder, fit(shown, right), {**measured, **figures})


if __name__ == "__main__":
    main()
