"""Measures a checkpoint on scenes it never saw: `python -m training.evaluate --model assets/pinpoint-nano --seed 7`.

Goes the product's own way (backend, decoder, mask codec, threshold) and prints each figure beside its bar and its aim.
Every class is asked for in every scene, so an invented thing of any class counts against the average precision.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backends.paligemma import PaliGemma
from backends.paligemma_load import load
from grounding.images import Picture
from grounding.matching import mask_iou, matched
from grounding.types import Detection, Request, Task
from scenes import HELD_OUT_STYLE, LABELS, Scene, compose
from scenes.language import SIDES, absent, beside, colour, count, having, phrases, presence
from training.metrics import f1, named

SIZE_PX = 448  # as the page shows scenes
SEEDS_PER_RUN = 100_000


@dataclass
class Tally:
    """Hits and misses, or scores, of one row of the table."""

    values: list[float] = field(default_factory=list)

    def add(self, value: float | bool) -> None:
        self.values.append(float(value))

    @property
    def mean(self) -> float:
        return float(np.mean(self.values)) if self.values else float("nan")


@dataclass(frozen=True)
class Bar:
    name: str
    bar: float | None
    aim: float
    less_is_better: bool = False


BARS = {
    "ap50": Bar("detect: AP50 over all classes, asked class by class", 0.80, 0.95),
    "box_iou": Bar("detect: mean IoU of matched boxes", 0.75, 0.90),
    "absent": Bar("detect, absent class: answers nothing", 0.90, 0.98),
    "mask_iou": Bar("segment: mean mask IoU", 0.65, 0.85),
    "ask": Bar("ask: exact answers (counting up to 4, is there)", 0.85, 0.97),
    "caption": Bar("caption: F1 of the objects named", 0.85, 0.97),
    "refer": Bar("referring: accuracy at IoU 0.5", 0.75, 0.95),
    "ap50_held_out": Bar("a drawing style held out of training: AP50", None, 0.60),
    "seconds": Bar("seconds per detect, median", 1.0, 0.3, less_is_better=True),
}


class Asker:
    """One loaded checkpoint, asked about one scene at a time."""

    def __init__(self, folder: str) -> None:
        self.backend = PaliGemma(load(folder, None))

    def places(self, scene: Scene, task: Task, labels: Sequence[str]) -> tuple[Detection, ...]:
        request = Request(task, (_picture(scene),), labels=tuple(labels))
        return self.backend.predict(request).detections

    def words(self, scene: Scene, task: Task, text: str = "") -> str:
        return self.backend.predict(Request(task, (_picture(scene),), text=text)).text


def _picture(scene: Scene) -> Picture:
    return Picture(Image.fromarray(scene.image))


def average_precision(found: Sequence[Sequence[Detection]], scenes: Sequence[Scene]) -> float:
    """supervision's AP50 over all classes."""
    import supervision as sv
    from supervision.metrics import MeanAveragePrecision

    metric = MeanAveragePrecision()
    predictions, targets = [], []
    for detections, scene in zip(found, scenes, strict=True):
        known = [d for d in detections if d.box is not None and d.label in LABELS]
        predictions.append(
            sv.Detections(
                xyxy=np.array([d.box for d in known], float).reshape(-1, 4) * SIZE_PX,
                confidence=np.array([1.0 if d.score is None else d.score for d in known]),
                class_id=np.array([LABELS.index(d.label) for d in known], int),
            )
        )
        targets.append(
            sv.Detections(
                xyxy=np.array([o.box for o in scene.objects], float).reshape(-1, 4) * SIZE_PX,
                class_id=np.array([LABELS.index(o.label) for o in scene.objects], int),
            )
        )
    return float(metric.update(predictions, targets).compute().map50)


def detect_all(
    asker: Asker, scenes: Sequence[Scene], tallies: dict[str, Tally] | None = None
) -> list[tuple[Detection, ...]]:
    """Every class asked for in every scene; fills the rows that follow from it."""
    answers = []
    for scene in scenes:
        found = asker.places(scene, Task.DETECT, LABELS)
        answers.append(found)
        if tallies is None:
            continue
        present = {o.label for o in scene.objects}
        for label in LABELS:
            mine = [d for d in found if d.label == label]
            if label not in present:
                tallies["absent"].add(not mine)
                continue
            truth = [o.box for o in scene.objects if o.label == label]
            for _, _, overlap in matched([d.box for d in mine if d.box], truth):
                tallies["box_iou"].add(overlap)
    return answers


def segment_some(asker: Asker, scene: Scene, rng: np.random.Generator, tally: Tally) -> None:
    """One class of the scene; a thing that was not found scores zero."""
    if not scene.objects:
        return
    label = str(rng.choice(sorted({o.label for o in scene.objects})))
    things = [scene.objects[k] for k in having(scene.objects, label)]
    found = [d for d in asker.places(scene, Task.SEGMENT, [label]) if d.box and d.mask]
    pairs = {j: i for i, j, _ in matched([d.box for d in found if d.box], [t.box for t in things], 0.1)}
    for j, thing in enumerate(things):
        mask = found[pairs[j]].mask if j in pairs else None
        tally.add(mask_iou(mask, thing.mask, (SIZE_PX, SIZE_PX)) if mask else 0.0)


def ask_some(asker: Asker, scene: Scene, rng: np.random.Generator, tallies: dict[str, Tally]) -> None:
    present = sorted({o.label for o in scene.objects})
    if not present:
        return
    here, gone = str(rng.choice(present)), absent(present, rng)
    few = [label for label in present if len(having(scene.objects, label)) <= 4]
    exchanges = [presence(scene.objects, here), presence(scene.objects, gone)]
    exchanges += [count(scene.objects, str(rng.choice(few)))] if few else []
    for exchange in exchanges:
        right = asker.words(scene, Task.ASK, exchange.prefix.removeprefix("answer en ")) == exchange.suffix
        tallies["ask"].add(right)
        tallies[exchange.kind].add(right)
    for more in (colour(scene.objects, here), beside(scene.objects, here, str(rng.choice(SIDES)))):
        if more:
            said = asker.words(scene, Task.ASK, more.prefix.removeprefix("answer en "))
            tallies[more.kind].add(said == more.suffix)


def refer_some(asker: Asker, scene: Scene, rng: np.random.Generator, tally: Tally) -> None:
    """One expression that means one thing, preferring those that tell likes apart; right if the one box found fits."""
    single = {p: k[0] for p, k in phrases(scene.objects).items() if len(k) == 1}
    apart = [p for p, k in single.items() if len(having(scene.objects, scene.objects[k].label)) > 1]
    if not single:
        return
    phrase = str(rng.choice(apart or list(single)))
    found = asker.places(scene, Task.DETECT, [phrase])
    pairs = matched([d.box for d in found if d.box], [scene.objects[single[phrase]].box])
    tally.add(len(found) == 1 and bool(pairs))


def evaluate(folder: str, seed: int, number: int) -> dict[str, float]:
    """Every row of the table by its key, and some more that explain them."""
    torch.manual_seed(seed)
    rng, asker = np.random.default_rng(seed), Asker(folder)
    first = seed * SEEDS_PER_RUN
    scenes = [compose(first + k, size_px=SIZE_PX) for k in range(number)]
    keys = (
        "absent",
        "box_iou",
        "mask_iou",
        "ask",
        "presence",
        "count",
        "colour",
        "beside",
        "caption",
        "refer",
        "seconds",
    )
    tallies = {key: Tally() for key in keys}
    answers = detect_all(asker, scenes, tallies)
    rows = {"ap50": average_precision(answers, scenes)}
    for scene in scenes:
        segment_some(asker, scene, rng, tallies["mask_iou"])
        ask_some(asker, scene, rng, tallies)
        refer_some(asker, scene, rng, tallies["refer"])
        said = named(asker.words(scene, Task.CAPTION))
        tallies["caption"].add(f1(said, named(" ".join(o.label for o in scene.objects))))
    for scene in scenes[:25]:
        started = time.perf_counter()
        asker.places(scene, Task.DETECT, [scene.objects[0].label if scene.objects else "cat"])
        tallies["seconds"].add(time.perf_counter() - started)
    other = [compose(first + number + k, size_px=SIZE_PX, style=HELD_OUT_STYLE) for k in range(max(1, number // 3))]
    rows["ap50_held_out"] = average_precision(detect_all(asker, other), other)
    rows |= {key: tally.mean for key, tally in tallies.items()}
    return rows | {"seconds": float(np.median(tallies["seconds"].values))}


def table(rows: dict[str, float]) -> str:
    lines = [f"{'on unseen scenes':<58}{'measured':>9}{'bar':>7}{'aim':>7}"]
    for key, bar in BARS.items():
        value = rows[key]
        good = bar.bar is None or (value <= bar.bar if bar.less_is_better else value >= bar.bar)
        wanted = "report" if bar.bar is None else f"{bar.bar:.2f}"
        lines.append(
            f"{bar.name:<58}{value:>9.3f}{wanted:>7}{bar.aim:>7.2f}  {'' if good else 'below the bar'}".rstrip()
        )
    more = ", ".join(f"{key} {rows[key]:.3f}" for key in ("presence", "count", "colour", "beside"))
    return "\n".join([*lines, f"of the answers: {more}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="assets/pinpoint-nano")
    parser.add_argument("--seed", type=int, default=7, help="scenes from seed * 100,000 on; training's lie far above")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--out", type=Path, help="also write the figures there as JSON")
    args = parser.parse_args()
    rows = evaluate(args.model, args.seed, args.scenes)
    print(table(rows))
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
