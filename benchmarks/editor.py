"""The picture editor in headless Chromium without a GPU, measured in the page. `python -m benchmarks.editor`

12 megapixels, Gemini's 256x256 soft masks, through the real page: upload, question, decoder, canvas. A redraw is what
one move of the threshold slider costs: performance.now() round cutting, colouring and putting all masks. "First drawn"
runs from the moment the model has answered until picture and masks are on the canvas, decoding on both sides included.
Each question is asked several times: the median is what a busy machine gave, the best what this one can do.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends import Pool
from benchmarks import answers
from grounding.backend import Backend, Capabilities
from grounding.codecs.gemini import decode
from grounding.settings import Settings
from grounding.types import Request, Result, Usage

BARS_MS = {25: 7, 200: 33}
FIRST_DRAWN_S = 1.0
TIMES = 3  # each question; the first answer of a page also loads what draws it
MOVES = 40  # of the threshold, after each answer
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

_MOVE = """async (moves) => {
  const {editor} = document.querySelector(".pp-ed");
  const redraws = [], frames = [];
  for (let move = 0; move < moves; move++) {
    const began = performance.now();
    editor.setLooks({...editor.looks, threshold: 20 + (move * 37) % 220});
    editor.canvas.paint();
    redraws.push(editor.canvas.timing.masks);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    frames.push(performance.now() - began);
  }
  const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  return {best: Math.min(...redraws), median: middle(redraws), frame: middle(frames),
          canvas: `${editor.canvas.masks.width} x ${editor.canvas.masks.height}`};
}"""


class Recorded:
    """Answers "25" with 25 masks, read by the Gemini decoder when asked."""

    model = "recorded"
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.answers = {count: answers.gemini_answer(count) for count in BARS_MS}
        self.answered_at = 0.0

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        text = self.answers[int(request.labels[0])]
        self.answered_at = time.time()
        decoded = decode(text)
        return Result(decoded.outcome, "", decoded.detections, decoded.notes, usage=Usage(0.0), raw="[...]")

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        yield replace(self.predict(request, stop))

    def close(self) -> None:
        pass


class RecordedPool(Pool):
    def __init__(self, settings: Settings, backend: Recorded) -> None:
        super().__init__(settings)
        self.backend = backend

    @contextmanager
    def lend(self, name: str, model: str, api_key: str = "") -> Iterator[Backend]:
        backend: Any = self.backend
        yield backend


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("No chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    from ui import app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(port=port)
    backend = Recorded()
    pool = RecordedPool(settings, backend)
    address = app.serve(app.create(settings, pool), settings)
    photo = Path(tempfile.mkdtemp()) / "photo.jpg"
    answers.photo().save(photo, quality=90)
    missed = False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(600_000)
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_selector(".pp-ed[data-drawn]")
        page.locator("#pp-drop input[type=file]").set_input_files(photo)
        page.get_by_text("4000 × 3000 px").wait_for()
        page.get_by_role("tab", name="Segment").click()
        print("Picture editor, 12 megapixels, headless Chromium without a GPU", flush=True)
        for count, bar_ms in BARS_MS.items():
            missed |= not _measure(page, backend, count, bar_ms)
        browser.close()
    shutil.rmtree(photo.parent)
    return int(missed)


def _measure(page: Any, backend: Recorded, count: int, bar_ms: float) -> bool:
    """Whether both bars were met by the median."""
    first_s, redraws = [], []
    for _ in range(TIMES):
        first_s.append(_ask(page, backend, count))
        redraws.append(page.evaluate(_MOVE, MOVES))
    best_ms, ms, frame_ms = (
        min(each["best"] for each in redraws),
        *(statistics.median(each[what] for each in redraws) for what in ("median", "frame")),
    )
    drawn_s = statistics.median(first_s)
    met = {True: "met", False: "MISSED"}
    print(
        f"  {count:>3} masks on {redraws[0]['canvas']}, {TIMES} times\n"
        f"      redraw                {ms:5.1f} ms median, {best_ms:5.1f} best, bar {bar_ms}: {met[ms <= bar_ms]}"
        f" ({frame_ms:.1f} to the next frame)\n"
        f"      answer to first drawn {drawn_s:5.2f} s median,  {min(first_s):5.2f} best, bar {FIRST_DRAWN_S:g}: "
        f"{met[drawn_s <= FIRST_DRAWN_S]}",
        flush=True,
    )
    return ms <= bar_ms and drawn_s <= FIRST_DRAWN_S


def _ask(page: Any, backend: Recorded, count: int) -> float:
    """Seconds from the model's answer to the drawn picture, by one clock: server and browser run on this machine."""
    page.evaluate(
        """() => {
          const root = document.querySelector(".pp-ed");
          window.drawnAt = null;
          new MutationObserver((_, seen) => { window.drawnAt = Date.now(); seen.disconnect(); })
            .observe(root, {attributes: true, attributeFilter: ["data-drawn"]});
        }"""
    )
    page.locator("#pp-segment-run").and_(page.locator(":enabled")).wait_for()
    page.locator("#pp-segment-prompt").locator("input, textarea").fill(str(count))
    page.locator("#pp-segment-run").click()
    page.wait_for_function("window.drawnAt !== null")
    page.wait_for_function("!document.querySelector('.pp-ed-table').textContent.includes('…')")  # areas are counted
    drawn_at: float = page.evaluate("window.drawnAt")
    return drawn_at / 1000 - backend.answered_at


if __name__ == "__main__":
    raise SystemExit(main())
