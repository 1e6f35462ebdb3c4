"""What tests of the command line have in common: pictures, a run in this process, what it wrote."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

from jobs.label import main

ROOT = Path(__file__).parents[2]
KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"
BOX = json.dumps([{"box_2d": [100, 200, 500, 600], "label": "cat"}])


def picture(path: Path, orientation: int = 1) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20), "teal").save(path, exif=exif)
    return str(path)


def run(*arguments: str) -> int:
    """The exit code of the command line, in this process, against the stand-in."""
    try:
        return main([*arguments, "--backend", "gemini", "--model", "gemini-2.5-flash", "--out", "out"])
    except SystemExit as ended:
        return int(ended.code or 0)


def rows() -> list[dict[str, Any]]:
    return json.loads(Path("out/results.json").read_text(encoding="utf-8"))


def errors() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path("out/errors.csv").read_text(encoding="utf-8"))))


def assert_clean(*texts: str) -> None:
    for text in texts:
        assert "Traceback" not in text
        assert KEY not in text
        assert KEY[-12:] not in text
        assert not re.search(r"<\w+|\w+Error\b", text)
