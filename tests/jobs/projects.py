"""What tests of projects have in common: pictures, answers, and how a picture's labels stand."""

from __future__ import annotations

import io

from PIL import Image

from grounding.types import Box, Detection, Origin, Outcome, Result, Review
from jobs.project import Project


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def thing(label: str = "cat", x: float = 0.0, id_: int = 0, score: float | None = None) -> Detection:
    return Detection(
        label, Box(x, 0, x + 0.25, 0.5), id=id_, score=score, origin=Origin("echo", "m", f"detect {label}")
    )


def answer(*found: Detection) -> Result:
    return Result(
        Outcome.FOUND if found else Outcome.NONE, detections=found, raw="said", origin=Origin("echo", "m", "?")
    )


def state(project: Project, picture: int) -> tuple[bool, list[tuple[str, str]] | None]:
    sample = project.sample(picture)
    found = None if sample is None else [(each.label, each.review.value) for each in sample.result.detections]
    return project.entry(picture).state is Review.ACCEPTED, found
