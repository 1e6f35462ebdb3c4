"""Ask: a question about the picture, answered in words."""

from __future__ import annotations

from grounding.types import Task
from ui.tabs import prompt
from ui.tabs.prompt import Tab


def build(prompts: dict[Task, str]) -> Tab:
    return prompt.lay_out(
        Task.ASK,
        "Ask",
        doing="Thinking about your question",
        about="Answers a question about the picture.",
        label="Question",
        placeholder="How many houses are there?",
        value=prompts[Task.ASK],
    )


wire = prompt.connect
