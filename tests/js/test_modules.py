"""The page's own modules, where node is there to run them; the browser's tests touch them too."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grounding.geometry import rect_px
from grounding.types import Box

BORDERS = json.loads((Path(__file__).parent / "borders.json").read_text())
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="no node on this machine; the browser tests run the same modules")
def test_the_editors_modules_hold_what_their_tests_say() -> None:
    tests = sorted(str(path) for path in Path(__file__).parent.glob("*.test.mjs"))
    done = subprocess.run([str(NODE), "--test", *tests], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["why"]) for row in BORDERS if row["from_px"] < row["to_px"]])
def test_the_core_rounds_a_box_as_the_page_does(row: dict[str, Any]) -> None:
    side = row["side"]
    start, end = row["from_px"] / side, row["to_px"] / side
    assert rect_px(Box(start, 0, end, 1), (side, 7)) == (row["borders"][0], 0, row["borders"][1], 7)
    assert rect_px(Box(0, start, 1, end), (7, side)) == (0, row["borders"][0], 7, row["borders"][1])
