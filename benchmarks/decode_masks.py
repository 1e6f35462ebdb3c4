"""An answer of 400 masks, each as large as the picture of 12 megapixels. `python -m benchmarks.decode_masks`

Ours keeps each mask soft and as small as it came; supervision's parser makes 400 picture-sized arrays of it. The third
line makes the pixels too: every mask thresholded at full size, one after another.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import answers, sides
from grounding.codecs.gemini import decode
from grounding.geometry import binary_mask

COUNT = 400


def size_wh() -> tuple[int, int]:
    """12 megapixels where supervision then needs at most half the free memory, else a quarter of them, and so on.

    Our side does not depend on it: a smaller picture only makes the ratios smaller.
    """
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    free = int(line.split()[1]) * 1024
    width, height = answers.MEGAPIXELS_12
    while width * height * COUNT * 2.1 > free / 2:  # measured: the array of bools, and as much again at the peak
        width, height = width // 2, height // 2
    return width, height


def ours() -> sides.Figures:
    answer = answers.gemini_answer(COUNT, full_frame=True)
    assert decode(answers.gemini_answer(1)).detections  # imports
    return sides.measure(lambda: decode(answer), repeats=3)


def ours_with_pixels() -> sides.Figures:
    answer, size = answers.gemini_answer(COUNT, full_frame=True), size_wh()

    def work() -> int:
        masks = [detection.mask for detection in decode(answer).detections]
        return sum(int(binary_mask(mask, size)[0].sum()) for mask in masks if mask)

    return sides.measure(work, repeats=1)


def supervision() -> sides.Figures:
    import supervision as sv

    def parse(answer: str, size: tuple[int, int]) -> object:
        return sv.Detections.from_vlm(sv.VLM.GOOGLE_GEMINI_2_5, answer, resolution_wh=size)

    answer, size = answers.gemini_answer(COUNT, full_frame=True), size_wh()
    parse(answers.gemini_answer(1), (64, 48))  # imports
    return sides.measure(lambda: parse(answer, size), repeats=1)


if __name__ == "__main__":
    every = {"ours, soft": ours, "supervision, from_vlm": supervision, "ours, and every pixel": ours_with_pixels}
    width, height = size_wh()
    best = sides.run("benchmarks.decode_masks", every, rounds=1)
    sides.report(f"Decoding {COUNT} masks on {width}x{height}", best, {"seconds": 20, "megabytes": 10})
