"""A folder is labelled, beside doing it by hand with the libraries. `python -m benchmarks.label [gemini|paligemma] [N]`

Gemini: a service on this machine that takes half a second over each answer. Ours is `python -m jobs.label`'s run with
its defaults, journal and COCO file included. By hand: google-genai in a loop, supervision's parser and COCO writer.
PaliGemma: the bundled checkpoint. By hand: transformers in a loop, one prompt for each label; the same parser, writer.
Both sides read the same files and ask the same; their boxes are compared before any figure is printed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

import scenes
from benchmarks import sides

ROOT = Path(__file__).parents[1]
ROUNDS = 2
SERVICE_S = 0.5
"""Gemini 2.5 Flash takes one to three seconds over a few boxes; the quicker the service, the harder for us."""
COUNTS = {"gemini": 40, "paligemma": 8}  # so that both, twice each, take three minutes
LABELS = ("cat", "house", "tree")
GOALS = {"gemini": 4.0, "paligemma": 1.5}
MODELS = {"gemini": "gemini-2.5-flash", "paligemma": "pinpoint-nano"}
ANSWER = json.dumps([{"box_2d": [100, 200, 500, 600], "label": "cat"}, {"box_2d": [5, 10, 300, 310], "label": "tree"}])
MAX_NEW_TOKENS = 384  # what our backend allows to detect; both stop where the model does

_FOLDER = "PINPOINT_BENCHMARK_FOLDER"  # pictures and what each side wrote, handed to the sides' processes
_URL = "PINPOINT_BENCHMARK_URL"


def ours(backend_name: str) -> sides.Figures:
    from grounding.exports import FORMATS
    from grounding.settings import Settings
    from grounding.types import Task
    from jobs.journal import Journal
    from jobs.run import parallel_for, run
    from jobs.sources import Source, gather
    from jobs.work import Job, open_backend

    job = Job(backend_name, MODELS[backend_name], Task.DETECT, labels=LABELS)
    settings = Settings(gemini_api_key="none-needed-here", gemini_base_url=os.environ.get(_URL))
    folder = Path(os.environ[_FOLDER])
    out = folder / "ours"
    out.mkdir(exist_ok=True)

    def work(backend: Any) -> None:
        (out / "journal.jsonl").unlink(missing_ok=True)
        sources = [each for each in gather([folder / "pictures"], _none()) if isinstance(each, Source)]
        parallel = parallel_for(backend_name == "gemini", len(sources))
        with closing(Journal(out, job)) as journal:
            for _ in run(sources, job, backend, journal, parallel=parallel):
                pass
            samples = (sample for source in sources if (sample := journal.read(source.name)))
            for name, content in FORMATS["coco"](samples, labels=LABELS, threshold=127):
                if name.endswith(".json"):
                    (out / "annotations.json").write_bytes(content)

    with open_backend(job, settings) as backend:
        from jobs.work import label_picture

        label_picture(first_picture(folder), "warm", job, backend)
        return sides.measure(lambda: work(backend), repeats=1)


def by_hand_gemini() -> sides.Figures:
    import supervision as sv
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="none-needed-here", http_options=types.HttpOptions(base_url=os.environ[_URL]))

    def ask(path: Path) -> Any:
        image = Image.open(path)
        prompt = f"Detect {', '.join(LABELS)}. Answer with a JSON list of box_2d and label."
        reply = client.models.generate_content(model=MODELS["gemini"], contents=[image, prompt])
        return sv.Detections.from_vlm(sv.VLM.GOOGLE_GEMINI_2_5, reply.text, resolution_wh=image.size, classes=[*LABELS])

    return by_hand(ask)


def by_hand_paligemma() -> sides.Figures:
    import supervision as sv
    import torch
    from transformers import AutoProcessor, PaliGemmaForConditionalGeneration

    checkpoint = ROOT / "assets" / MODELS["paligemma"]
    processor = AutoProcessor.from_pretrained(checkpoint, local_files_only=True)
    model = PaliGemmaForConditionalGeneration.from_pretrained(checkpoint, local_files_only=True).eval()

    def ask(path: Path) -> Any:
        image = Image.open(path).convert("RGB")
        found = []
        for place, label in enumerate(LABELS):
            inputs = processor(images=image, text=f"<image>detect {label}", return_tensors="pt")
            with torch.inference_mode():
                said = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
            text = processor.decode(said[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            each = sv.Detections.from_vlm(sv.VLM.PALIGEMMA, text, resolution_wh=image.size, classes=[label])
            if each.class_id is not None:
                each.class_id = each.class_id + place  # one prompt knows one class
            found.append(each)
        return sv.Detections.merge(found)

    return by_hand(ask)


def by_hand(ask: Callable[[Path], Any]) -> sides.Figures:
    import supervision as sv

    folder = Path(os.environ[_FOLDER])

    def work() -> None:
        paths = sorted((folder / "pictures").iterdir())
        found = {str(path): ask(path) for path in paths}
        dataset = sv.DetectionDataset([*LABELS], [str(path) for path in paths], found)
        dataset.as_coco(annotations_path=str(folder / "by_hand.json"))

    ask(sorted((folder / "pictures").iterdir())[0])
    return sides.measure(work, repeats=1)


def _none() -> Any:
    from contextlib import ExitStack

    return ExitStack()


def first_picture(folder: Path) -> Path:
    return sorted((folder / "pictures").iterdir())[0]


def boxes(path: Path) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """(label, box in whole pixels) of each picture, sorted."""
    file = json.loads(path.read_text())
    names = {each["id"]: each["name"] for each in file["categories"]}
    pictures = {each["id"]: Path(each["file_name"]).name for each in file["images"]}
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = {name: [] for name in pictures.values()}
    for each in file["annotations"]:
        box = tuple(round(value) for value in each["bbox"])
        found[pictures[each["image_id"]]].append((names[each["category_id"]], box))
    return {name: sorted(each) for name, each in found.items()}


def same(one: list[tuple[str, tuple[int, ...]]], other: list[tuple[str, tuple[int, ...]]]) -> bool:
    """Equal labels, and boxes within a pixel: writers round differently."""
    return len(one) == len(other) and all(
        a == b and all(abs(x - y) <= 1 for x, y in zip(p, q, strict=True))
        for (a, p), (b, q) in zip(one, other, strict=True)
    )


def compare(which: str, count: int) -> None:
    by_hands = {"gemini": by_hand_gemini, "paligemma": by_hand_paligemma}
    every = {f"ours, {which}": lambda: ours(which), f"by hand, {which}": by_hands[which]}
    title = f"{count} pictures labelled with {MODELS[which]}, {len(LABELS)} things each"
    if sys.argv[1:2] == ["--side"]:  # the process of one side
        sides.run("benchmarks.label", every, rounds=1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[_FOLDER] = folder
        (Path(folder) / "pictures").mkdir()
        for seed in range(count):
            Image.fromarray(scenes.compose(seed, size_px=768).image).save(
                f"{folder}/pictures/{seed:03d}.jpg", quality=95
            )
        with _service(which):
            best = sides.run("benchmarks.label", every, rounds=ROUNDS)
        found = boxes(Path(folder) / "ours/annotations.json"), boxes(Path(folder) / "by_hand.json")
    equal = sum(same(found[0].get(name, []), found[1][name]) for name in found[1])
    print(f"equal answers: {equal} of {count} pictures, {sum(map(len, found[0].values()))} objects of ours")
    sides.report(title, best, {"seconds": GOALS[which]})


def _service(which: str) -> Any:
    from contextlib import nullcontext

    if which != "gemini":
        return nullcontext()
    from tests.stand_in import StandIn, reply

    class Slow(StandIn):
        def __init__(self) -> None:
            super().__init__()
            os.environ[_URL] = self.url
            said = reply(ANSWER)
            self.says(type(said)(body=said.body, wait_s=SERVICE_S))

    return Slow()


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["--side"]:
        compare(given[1].rsplit(" ", 1)[1], 0)
    count = int(given.pop()) if given and given[-1].isdigit() else 0
    for each in given or list(COUNTS):
        compare(each, count or COUNTS[each])
