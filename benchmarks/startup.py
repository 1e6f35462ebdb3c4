"""From starting the process to the page: Pinpoint against an empty Gradio page. `python -m benchmarks.startup`

served: `/` and `/config` have been answered. shown: a browser that was already open has mounted the page and painted it
(left out where there is no Chromium). CPU: the server's own until served, which a busy machine changes least.
Both sides take turns in one run; the ratio is the middle one of those within each pair of turns.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.sides import ROOT, Figures

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROUNDS = 3
GOAL = 1.3
EMPTY = """
import gradio, os
with gradio.Blocks() as page:
    pass
page.launch(server_port=int(os.environ["PINPOINT_PORT"]), quiet=True)
"""
SIDES = {"Pinpoint": [sys.executable, "app.py"], "an empty gr.Blocks": [sys.executable, "-c", EMPTY]}


def start_and_load(command: list[str], browser: Browser | None) -> Figures:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "PINPOINT_HOST")
    settings = {"PINPOINT_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    env = {key: value for key, value in os.environ.items() if key not in keys} | settings
    address = f"http://127.0.0.1:{port}"
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for path in ("/", "/config"):
            wait_for(address + path, process)
        figures = {"seconds served": time.perf_counter() - start, "CPU seconds": cpu_seconds(process.pid)}
        if browser:
            page = browser.new_page()
            page.goto(address)
            page.wait_for_selector(".gradio-container main", state="attached")
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
            figures["seconds shown"] = time.perf_counter() - start
            page.close()
        return figures
    finally:
        process.terminate()
        process.wait(20)


def cpu_seconds(pid: int) -> float:
    """User and system time of a running process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                answer.read()
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise SystemExit(f"The server ended with {process.returncode} before it served {url}.")


@contextmanager
def chromium() -> Iterator[Browser | None]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        yield None
        return
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


def main() -> None:
    with chromium() as browser:
        turns = [[start_and_load(command, browser) for command in SIDES.values()] for _ in range(ROUNDS)]
    print(f"From process start to the page, {ROUNDS} turns each")
    for side, figures in zip(SIDES, zip(*turns, strict=True), strict=True):
        print(f"  {side:<20}" + "".join(f"{median(turn[key] for turn in figures):9.2f} {key}" for key in figures[0]))
    for key in turns[0][0]:
        ratio = median(ours[key] / empty[key] for ours, empty in turns)
        print(f"  {key}: {ratio:.2f} times as long (goal at most {GOAL}: {'met' if ratio <= GOAL else 'MISSED'})")


if __name__ == "__main__":
    main()
