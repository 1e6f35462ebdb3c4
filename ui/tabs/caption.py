"""Caption: the picture in a sentence."""

from __future__ import annotations

from grounding.types import Task
from ui.tabs import prompt
from ui.tabs.prompt import Tab


def build(prompts: dict[Task, str]) -> Tab:
    return prompt.lay_out(
        Task.CAPTION,
        "Caption",
        doing="Describing the picture",
        about="Describes the picture in words.",
        label="In what way (optional)",
        placeholder="in one short sentence",
        value=prompts[Task.CAPTION],
    )


wire = prompt.connect
