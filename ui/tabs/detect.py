"""Detect: a box around each thing that was asked for."""

from __future__ import annotations

from grounding.types import Task
from ui.tabs import prompt
from ui.tabs.prompt import Tab


def build(prompts: dict[Task, str]) -> Tab:
    return prompt.lay_out(
        Task.DETECT,
        "Detect",
        doing="Looking for it",
        about="Draws a box around each thing you name.",
        label="What to find",
        placeholder="cat; dog",
        value=prompts[Task.DETECT],
    )


wire = prompt.connect
