"""What the tests of the backends ask, and of what."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from PIL import Image

from grounding.errors import GroundingError
from grounding.images import load
from grounding.types import Box, Options, Request, Result, Task

PICTURE = load(Image.new("RGB", (400, 300), "navy"))


def ask(task: Task, *labels: str, text: str = "", **options: object) -> Request:
    return Request(task, (PICTURE,), text, labels, Options(**options))  # type: ignore[arg-type]


def boxes(result: Result) -> list[Box | None]:
    return [detection.box for detection in result.detections]


def told(error: GroundingError, tmp_path: Path) -> None:
    """It is a sentence for people, without paths, names of classes or keys."""
    message = str(error)
    assert message.endswith(".")
    assert len(message) < 200
    assert str(tmp_path) not in message
    assert not any(word in message for word in ("Error", "Traceback", "safetensors_rust", "hf_"))


def edited(folder: Path, copy: Path, **changes: object) -> str:
    """A copy of a checkpoint whose config.json says something else."""
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))
    return str(copy)
