"""The threshold slider moves: 25 masks on a 12-megapixel picture are drawn again. `python -m benchmarks.redraw`

Ours: the answer was decoded once and the picture brought to the size shown once; a move thresholds and draws there.
supervision: its parser thresholds while it reads, so a move reads the answer again, then annotates at full size.
"""

from __future__ import annotations

from benchmarks import answers, sides
from grounding.codecs.gemini import decode
from grounding.images import load, thumbnail
from grounding.overlays import render
from grounding.types import View

COUNT = 25
SHOWN = 1280


def ours() -> sides.Figures:
    detections = decode(answers.gemini_answer(COUNT)).detections
    assert len(detections) == COUNT
    shown = thumbnail(load(answers.photo()), SHOWN)
    render(thumbnail(load(shown), 64), detections, View())  # imports
    return sides.measure(lambda: render(shown, detections, View(threshold=100)), repeats=5)


def ours_full_size() -> sides.Figures:
    detections = decode(answers.gemini_answer(COUNT)).detections
    picture = load(answers.photo())
    render(thumbnail(picture, 64), detections, View())
    return sides.measure(lambda: render(picture.image, detections, View(threshold=100)), repeats=2)


def supervision() -> sides.Figures:
    import supervision as sv

    answer, scene = answers.gemini_answer(COUNT), answers.photo()

    def redraw(scene: object, resolution_wh: tuple[int, int], answer: str) -> object:
        detections = sv.Detections.from_vlm(sv.VLM.GOOGLE_GEMINI_2_5, answer, resolution_wh=resolution_wh)
        for annotator in (sv.MaskAnnotator(), sv.BoxAnnotator(), sv.LabelAnnotator()):
            scene = annotator.annotate(scene, detections)
        return scene

    redraw(scene.resize((64, 48)), (64, 48), answers.gemini_answer(1))  # imports
    return sides.measure(lambda: redraw(scene.copy(), scene.size, answer), repeats=2)


if __name__ == "__main__":
    every = {
        f"ours, at the {SHOWN} pixels shown": ours,
        "supervision, from_vlm and annotators": supervision,
        "ours, at full size (the download)": ours_full_size,
    }
    best = sides.run("benchmarks.redraw", every, rounds=2)
    sides.report(f"Redraw of {COUNT} masks on 12 megapixels", best, {"seconds": 20, "megabytes": 10})
