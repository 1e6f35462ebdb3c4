"""Segment: a mask over each thing that was asked for, soft until the threshold is chosen."""

from __future__ import annotations

from grounding.types import Task
from ui.tabs import prompt
from ui.tabs.prompt import Tab


def build(prompts: dict[Task, str]) -> Tab:
    return prompt.lay_out(
        Task.SEGMENT,
        "Segment",
        doing="Cutting it out",
        about="Masks each thing you name; the threshold stays yours to move afterwards.",
        label="What to cut out",
        placeholder="cat; dog",
        value=prompts[Task.SEGMENT],
    )


wire = prompt.connect
