"""Measures a checkpoint on scenes it never saw: `python -m training.evaluate --model assets/pinpoint-nano --seed 7`.

Prints each figure beside its bar and its aim. Every class is asked for in every scene, so an invented thing of any
class counts against the average precision. `--jobs` goes the product's own way: PNG files and `python -m jobs.label`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backends.paligemma import PaliGemma
from backends.paligemma_load import load
from grounding import exports
from grounding.images import Picture
from grounding.matching import mask_iou, matched
from grounding.types import Box, Detection, Request, Result, Task
from jobs import label as labelling
from scenes import HELD_OUT_STYLE, LABELS, Scene, SceneObject, compose
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
WORDS = ("presence", "count", "colour", "beside")


@dataclass(frozen=True)
class Question:
    """One prompt about the scene of that number. `kind`: the row it counts for."""

    kind: str
    scene: int
    task: Task
    labels: tuple[str, ...] = ()
    text: str = ""
    expected: str = ""
    means: tuple[int, ...] = ()  # objects of the scene


Answerer = Callable[[Sequence[Scene], Sequence[Question]], list[Result]]


def by_backend(folder: str) -> Answerer:
    """Asks the loaded checkpoint question by question."""
    backend = PaliGemma(load(folder, None))

    def answer(scenes: Sequence[Scene], questions: Sequence[Question]) -> list[Result]:
        pictures = [Picture(Image.fromarray(scene.image)) for scene in scenes]
        return [backend.predict(Request(q.task, (pictures[q.scene],), q.text, q.labels)) for q in questions]

    return answer


def by_jobs(folder: str) -> Answerer:
    """Writes the scenes as PNG and labels them by the command line, one run for each prompt; reads its JSON."""

    def answer(scenes: Sequence[Scene], questions: Sequence[Question]) -> list[Result]:
        alike: dict[tuple[Task, tuple[str, ...], str], list[int]] = defaultdict(list)
        for k, q in enumerate(questions):
            alike[q.task, q.labels, q.text].append(k)
        results: list[Result | None] = [None] * len(questions)
        with tempfile.TemporaryDirectory() as temporary:
            for run, ((task, labels, text), mine) in enumerate(alike.items()):
                pictures, out = Path(temporary, f"in-{run}"), Path(temporary, f"out-{run}")
                pictures.mkdir()
                for k in mine:
                    Image.fromarray(scenes[questions[k].scene].image).save(pictures / f"{k}.png")
                said = ["--labels", "; ".join(labels)] if labels else ["--text", text] if text else []
                args = [str(pictures), "--backend", "paligemma", "--model", folder, "--task", task.value, *said]
                if labelling.main([*args, "--format", "json", "--out", str(out)]):
                    raise SystemExit(f"jobs.label failed for {task.value} {said}")
                for sample in exports.load(out, "json").samples:
                    results[int(Path(sample.picture).stem)] = sample.result
        return [result for result in results if result is not None]

    return answer


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


def every_class(scenes: Sequence[Scene]) -> list[Question]:
    return [Question("detect", k, Task.DETECT, LABELS) for k in range(len(scenes))]


def _about(k: int, objects: Sequence[SceneObject], rng: np.random.Generator) -> Iterator[Question]:
    """What else a scene is asked: one class to segment, questions, an expression, a caption."""
    yield Question("caption", k, Task.CAPTION)
    present = sorted({o.label for o in objects})
    if not present:
        return
    label = str(rng.choice(present))
    yield Question("segment", k, Task.SEGMENT, (label,), means=having(objects, label))
    here, gone = str(rng.choice(present)), absent(present, rng)
    few = [label for label in present if len(having(objects, label)) <= 4]
    exchanges = [presence(objects, here), presence(objects, gone)]
    exchanges += [count(objects, str(rng.choice(few)))] if few else []
    exchanges += [e for e in (colour(objects, here), beside(objects, here, str(rng.choice(SIDES)))) if e]
    for e in exchanges:
        yield Question(e.kind, k, Task.ASK, text=e.prefix.removeprefix("answer en "), expected=e.suffix)
    single = {p: meant for p, meant in phrases(objects).items() if len(meant) == 1}
    apart = [p for p, meant in single.items() if len(having(objects, objects[meant[0]].label)) > 1]
    if single:  # preferring those that tell likes apart
        phrase = str(rng.choice(apart or list(single)))
        yield Question("refer", k, Task.DETECT, (phrase,), means=single[phrase])


def _boxes(result: Result) -> list[Box]:
    return [d.box for d in result.detections if d.box]


def _score_classes(result: Result, objects: Sequence[SceneObject], tallies: dict[str, Tally]) -> None:
    for label in LABELS:
        mine = [d for d in result.detections if d.label == label]
        truth = [o.box for o in objects if o.label == label]
        if not truth:
            tallies["absent"].add(not mine)
        for _, _, overlap in matched([d.box for d in mine if d.box], truth):
            tallies["box_iou"].add(overlap)


def _score_masks(result: Result, things: Sequence[SceneObject], tally: Tally) -> None:
    """A thing that was not found scores zero."""
    found = [d for d in result.detections if d.box and d.mask]
    pairs = {j: i for i, j, _ in matched([d.box for d in found if d.box], [t.box for t in things], 0.1)}
    for j, thing in enumerate(things):
        mask = found[pairs[j]].mask if j in pairs else None
        tally.add(mask_iou(mask, thing.mask, (SIZE_PX, SIZE_PX)) if mask else 0.0)


def score(scenes: Sequence[Scene], questions: Sequence[Question], results: Sequence[Result]) -> dict[str, float]:
    """Every row of the table that was measured but the held-out style's, and some more that explain them."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    found: list[tuple[Detection, ...]] = [()] * len(scenes)
    for q, result in zip(questions, results, strict=True):
        objects = scenes[q.scene].objects
        if q.kind == "detect":
            found[q.scene] = result.detections
            _score_classes(result, objects, tallies)
        elif q.kind == "segment":
            _score_masks(result, [objects[i] for i in q.means], tallies["mask_iou"])
        elif q.kind in WORDS:
            tallies[q.kind].add(result.text == q.expected)
        elif q.kind == "refer":
            right = matched(_boxes(result), [objects[i].box for i in q.means])
            tallies["refer"].add(len(result.detections) == 1 and bool(right))
            if result.usage:
                tallies["seconds"].add(result.usage.seconds)
        else:
            tallies["caption"].add(f1(named(result.text), named(" ".join(o.label for o in objects))))
    tallies["ask"].values = tallies["presence"].values + tallies["count"].values
    seconds = tallies.pop("seconds", None)
    rows = {key: tally.mean for key, tally in tallies.items()} | {"ap50": average_precision(found, scenes)}
    return rows | ({"seconds": float(np.median(seconds.values))} if seconds else {})


def evaluate(answer: Answerer, seed: int, number: int) -> dict[str, float]:
    """Every row of the table by its key; files say nothing of seconds, so by way of them there are none."""
    torch.manual_seed(seed)
    rng, first = np.random.default_rng(seed), seed * SEEDS_PER_RUN
    scenes = [compose(first + k, size_px=SIZE_PX) for k in range(number)]
    questions = every_class(scenes) + [q for k, scene in enumerate(scenes) for q in _about(k, scene.objects, rng)]
    rows = score(scenes, questions, answer(scenes, questions))
    other = [compose(first + number + k, size_px=SIZE_PX, style=HELD_OUT_STYLE) for k in range(max(1, number // 3))]
    rows["ap50_held_out"] = average_precision([r.detections for r in answer(other, every_class(other))], other)
    return rows


def table(rows: dict[str, float]) -> str:
    lines = [f"{'on unseen scenes':<58}{'measured':>9}{'bar':>7}{'aim':>7}"]
    for key, bar in BARS.items():
        value = rows.get(key)
        measured = "none" if value is None else f"{value:.3f}"
        wanted = "report" if bar.bar is None else f"{bar.bar:.2f}"
        bad = None not in (value, bar.bar) and (value > bar.bar if bar.less_is_better else value < bar.bar)
        lines.append(f"{bar.name:<58}{measured:>9}{wanted:>7}{bar.aim:>7.2f}{'  below the bar' if bad else ''}")
    more = ", ".join(f"{key} {rows[key]:.3f}" for key in WORDS if key in rows)
    return "\n".join([*lines, f"of the answers: {more}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="assets/pinpoint-nano")
    parser.add_argument("--seed", type=int, default=7, help="scenes from seed * 100,000 on; training's lie far above")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--jobs", action="store_true", help="by way of PNG files and python -m jobs.label")
    parser.add_argument("--out", type=Path, help="also write the figures there as JSON")
    args = parser.parse_args()
    rows = evaluate((by_jobs if args.jobs else by_backend)(args.model), args.seed, args.scenes)
    print(table(rows))
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
