"""Who is asked on one side of a comparison: backend, model, and what may differ between two of the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from backends import SPECS, first_choice
from grounding.settings import Settings
from grounding.types import Thinking
from ui.form import offered
from ui.trial import SHOWN

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_THINKING = [("The usual", ""), *((each.value.capitalize(), each.value) for each in Thinking)]


@dataclass(frozen=True)
class SidePanel:
    box: gr.Column
    backend: gr.Dropdown
    model: gr.Dropdown
    temperature: gr.Textbox
    thinking: gr.Dropdown

    @property
    def fields(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "model": self.model,
            "temperature": self.temperature,
            "thinking": self.thinking,
        }


def first(letter: str, settings: Settings) -> tuple[str, str, str]:
    """(backend, model, temperature) to begin with: B is Gemini where its key is shared, else A left to chance."""
    backend, model = first_choice(settings)
    if letter == "A":
        return backend, model, ""
    if settings.share_key and settings.gemini_api_key and backend != "gemini":
        return *first_choice(settings, "gemini"), ""
    return backend, model, "1"


def build(letter: str, settings: Settings) -> SidePanel:
    backend, model, temperature = first(letter, settings)
    heeds = SPECS[backend].capabilities.options
    low = letter.lower()
    choices = [(SPECS[name].title, name) for name in offered(settings)]
    with gr.Column(elem_classes="pp-card pp-cmp-side", elem_id=f"pp-cmp-side-{low}") as box:
        with gr.Row(elem_classes="pp-inline"):
            backend_box = gr.Dropdown(
                [*choices, ("The answer on the Picture page", SHOWN)],
                value=backend,
                label="Runs on",
                filterable=False,
                scale=3,
                min_width=150,
                elem_id=f"pp-cmp-backend-{low}",
            )
            warmth = gr.Textbox(
                temperature,
                label="Temperature",
                placeholder="usual",
                max_lines=1,
                min_width=84,
                visible="temperature" in heeds,
                elem_id=f"pp-cmp-temperature-{low}",
            )
        with gr.Row(elem_classes="pp-inline"):
            model_box = gr.Dropdown(
                _models(backend, settings),
                value=model,
                label="Model",
                allow_custom_value=True,
                scale=2,
                min_width=150,
                elem_id=f"pp-cmp-model-{low}",
            )
            thinking = gr.Dropdown(
                _THINKING, value="", label="Thinking", filterable=False, min_width=104, visible="thinking" in heeds
            )
    return SidePanel(box, backend_box, model_box, warmth, thinking)


def _models(backend: str, settings: Settings) -> list[str]:
    return list(dict.fromkeys((first_choice(settings, backend)[1], *SPECS[backend].models)))


def wire(sides: tuple[SidePanel, SidePanel], key: gr.Textbox, settings: Settings) -> None:
    """What the chosen backend heeds is shown, and the key where either side needs one."""

    def choose_backend(backend: object, other: object) -> list[Any]:
        names = [name for name in (backend, other) if isinstance(name, str) and name in offered(settings)]
        needs_key = gr.update(visible=any(SPECS[name].needs_key for name in names))
        if backend == SHOWN:
            return [*(gr.update(visible=False) for _ in range(3)), needs_key]
        if not isinstance(backend, str) or backend not in names:
            return [gr.skip()] * 4
        heeds = SPECS[backend].capabilities.options
        models = _models(backend, settings)
        return [
            gr.update(choices=models, value=models[0], visible=True),
            gr.update(value="", visible="temperature" in heeds),
            gr.update(value="", visible="thinking" in heeds),
            needs_key,
        ]

    a, b = sides
    for side, other in ((a, b), (b, a)):
        changed = [side.model, side.temperature, side.thinking, key]
        side.backend.input(choose_backend, [side.backend, other.backend], changed, **_QUIET)
