"""Two ways of doing one thing, measured beside each other in one run: each turn in a process of its own, turn by turn.

Seconds are those of one piece of work, imports and set-up left out. Peak memory is how far the process's resident set
rose above what it held just before (Linux: VmHWM, reset through /proc/self/clear_refs; it sees Pillow's and OpenCV's
memory, which tracemalloc does not). Only the ratios mean anything: on a busy machine both sides wait alike.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]

Figures = dict[str, float]


def measure(work: Callable[[], object], *, repeats: int) -> Figures:
    """{"seconds": the quickest of `repeats`, "megabytes": peak of the first}. Results are dropped at once."""
    gc.collect()
    held = _status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # 5: the peak starts again from here
    seconds = []
    megabytes = 0.0
    for turn in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
        if turn == 0:
            megabytes = max(_status_mb("VmHWM") - held, 0.1)
    return {"seconds": min(seconds), "megabytes": megabytes}


def _status_mb(key: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024


def run(module: str, sides: dict[str, Callable[[], Figures]], *, rounds: int) -> dict[str, Figures]:
    """Each side's best figures over `rounds` alternating turns. In the process of one turn: prints them and exits."""
    if len(sys.argv) == 3 and sys.argv[1] == "--side":
        print(json.dumps(sides[sys.argv[2]]()))
        raise SystemExit
    best: dict[str, Figures] = {}
    for _ in range(rounds):
        for side in sides:
            command = [sys.executable, "-W", "ignore", "-m", module, "--side", side]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{side} failed:\n{done.stderr}")
            figures: Figures = json.loads(done.stdout.splitlines()[-1])
            best[side] = {key: min(value, best.get(side, figures)[key]) for key, value in figures.items()}
    return best


def report(title: str, best: dict[str, Figures], goals: Figures) -> None:
    """A line a side, then the ratios of the second side to the first beside their goals."""
    print(title)
    for side, figures in best.items():
        print(f"  {side:<38}" + "".join(f"{value:12.3f} {key}" for key, value in figures.items()))
    ours, theirs = list(best.values())[:2]
    for key, goal in goals.items():
        ratio = theirs[key] / ours[key]
        print(f"  {key}: {ratio:.1f} times less (goal {goal:g}: {'met' if ratio >= goal else 'MISSED'})")
