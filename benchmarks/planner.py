"""Whether fewer calls cost accuracy: `python -m benchmarks.planner`.

Every class is asked for, in an order drawn for each scene, in scenes the checkpoint never saw: one class a call with
nothing merged, against the planner with 1, 2 and 4 classes a call (the bundled one was taught up to 4), repeats merged.
The planner's own number for this checkpoint must not fall by more than the bar. Also: what the plan thought it would
take, and what it took.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from backends import paligemma_planner
from backends.paligemma import PaliGemma
from backends.paligemma_family import FAMILY, Tuning
from backends.paligemma_load import load
from backends.paligemma_names import classes_per_call
from backends.paligemma_planner import Paces, plan, prefixes
from benchmarks.scores import auroc, calibration_error, judged
from grounding.images import Picture
from grounding.types import Detection, Request, Task
from scenes import LABELS, Scene, compose
from training.evaluate import SEEDS_PER_RUN, SIZE_PX, average_precision

BAR = 0.01
COCO_CLASSES = 80


@dataclass(frozen=True)
class Figures:
    """auroc, error: whether scores rank right boxes above wrong ones, and how far they are from the share of right."""

    ap50: float
    auroc: float
    error: float
    boxes: int


def ask(backend: PaliGemma, scene: Scene, per_call: int) -> tuple[Detection, ...]:
    """Every class, `per_call` at a time: each prompt a request of its own, so that nothing is merged between them."""
    picture = Picture(Image.fromarray(scene.image))
    labels = tuple(str(each) for each in np.random.default_rng(scene.seed).permutation(LABELS))
    prompts = prefixes(Request(Task.DETECT, (picture,), labels=labels), per_call)
    requests = [Request(Task.DETECT, (picture,), text=prompt) for prompt in prompts]
    return tuple(d for result in backend.predict_many(requests) for d in result.detections)


def figures(found: Sequence[Sequence[Detection]], scenes: Sequence[Scene]) -> Figures:
    scores: list[float] = []
    right: list[bool] = []
    for detections, scene in zip(found, scenes, strict=True):
        for label in {each.label for each in detections}:
            of_label = [(each.score or 0.0, each.box) for each in detections if each.label == label and each.box]
            truth = [each.box for each in scene.objects if each.label == label]
            scores += [score for score, _ in of_label]
            right += judged([box for _, box in of_label], truth)
    ranked, good = np.array(scores), np.array(right, bool)
    return Figures(average_precision(found, scenes), auroc(ranked, good), calibration_error(ranked, good), len(right))


def table(backend: PaliGemma, scenes: Sequence[Scene], sizes: Sequence[int]) -> dict[str, Figures]:
    """One class a call as it comes, then each number of classes a call with repeats merged."""
    rows: dict[str, Figures] = {}
    for size in sizes:
        found = [ask(backend, scene, size) for scene in scenes]
        if size == 1:
            rows["one class a call"] = figures(found, scenes)
        merged = [paligemma_planner.merged(each)[0] for each in found]
        rows[f"{size} a call, merged"] = figures(merged, scenes)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pinpoint-nano")
    parser.add_argument("--seed", type=int, default=12, help="scenes from seed * 100,000 on")
    parser.add_argument("--scenes", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)

    backend = PaliGemma(load(args.model, None))
    scenes = [compose(args.seed * SEEDS_PER_RUN + k, size_px=SIZE_PX) for k in range(args.scenes)]
    own = classes_per_call(args.model)
    rows = table(backend, scenes, sorted({1, 2, 4, own}))
    print(f"{args.scenes} scenes{'':<14}   AP50  AUROC  calibration error  boxes")
    for name, row in rows.items():
        print(f"{name:<22}{row.ap50:>7.3f}{row.auroc:>7.3f}{row.error:>19.3f}{row.boxes:>7}")
    lost = rows["one class a call"].ap50 - rows[f"{own} a call, merged"].ap50
    print(f"planner's choice of {own} a call loses {lost:.3f} (bar {BAR}: {'met' if lost <= BAR else 'MISSED'})")

    many = Request(Task.DETECT, (Picture(Image.fromarray(scenes[0].image)),), labels=LABELS)
    paces = Paces()
    for turn in ("at first", "after one answer"):
        thought = plan(many, args.model, device="cpu", paces=paces)
        started = time.perf_counter()
        backend.predict(many)
        took = time.perf_counter() - started
        print(f"{turn}: {thought}; took {took:.1f} s")
        paces.learn(args.model, thought, took)
    eighty = Request(Task.DETECT, many.images, labels=tuple(f"class {n}" for n in range(COCO_CLASSES)))
    calls = {plan(eighty, row.id).calls for row in FAMILY if row.tuning is Tuning.MIX}
    print(f"{COCO_CLASSES} classes with a mix checkpoint: {max(calls)} calls (bar 10)")
    backend.close()


if __name__ == "__main__":
    main()
