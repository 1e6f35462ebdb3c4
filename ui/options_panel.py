"""What else a request may set, folded away; only what the chosen backend heeds is shown, and blank leaves it alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from backends import SPECS, first_choice
from grounding.codecs.gemini_prompt import PRESETS
from grounding.settings import Settings
from grounding.types import Resolution, Thinking
from ui.form import offered
from ui.sidebar import Sidebar

_NEEDS = {"instruction": "template"}
"""Fields that are none of Options', by the one of Options' that must be heeded for them to matter."""

_THINKING = [
    ("Usual for the task", ""),
    ("Least", Thinking.LEAST.value),
    ("Low", Thinking.LOW.value),
    ("Medium", Thinking.MEDIUM.value),
    ("High", Thinking.HIGH.value),
    ("The model's own choice", Thinking.MODEL.value),
]
_RESOLUTION = [
    ("The model's own", ""),
    *((each.value.replace("_", " ").capitalize(), each.value) for each in Resolution),
]
_TILES = [("The whole picture only", 1), ("Also 2 × 2 parts", 2), ("Also 3 × 3 parts", 3), ("Also 4 × 4 parts", 4)]
_USUAL = "Usual"


@dataclass(frozen=True)
class OptionsPanel:
    """fields: by the names a Form is read from. preset: fills the template."""

    fields: dict[str, Any]
    preset: gr.Dropdown


def build(settings: Settings) -> OptionsPanel:
    backend, _ = first_choice(settings)
    heeds = SPECS[backend].capabilities.options

    def at(name: str) -> dict[str, Any]:
        return {"visible": _NEEDS.get(name, name) in heeds, "elem_id": f"pp-option-{name.replace('_', '-')}"}

    def words(name: str, label: str, placeholder: str, info: str | None = None, lines: int = 1) -> gr.Textbox:
        return gr.Textbox(
            "", label=label, placeholder=placeholder, info=info, lines=lines, max_lines=max(lines, 8), **at(name)
        )

    def number(name: str, label: str, placeholder: str, info: str | None = None) -> gr.Textbox:
        """A field for a number: gr.Number turns empty into 0 once it was hidden."""
        return gr.Textbox("", label=label, placeholder=placeholder, info=info, max_lines=1, **at(name))

    with gr.Accordion("Options", open=False, elem_classes="pp-fold", elem_id="pp-options"):
        fields: dict[str, Any] = {
            "instruction": words("instruction", "Say more about what to find", "only the green ones"),
            "language": words("language", "Language of labels and answers", "Turkish"),
            "tiles": gr.Dropdown(
                _TILES, value=1, label="Small things", info="Parts cost a call each.", filterable=False, **at("tiles")
            ),
            "max_items": number("max_items", "Objects at most", "25"),
            "max_output_tokens": number("max_output_tokens", "Output limit, tokens", "usual for the task"),
            "temperature": number("temperature", "Temperature", "the model's own", "0 to 2; 0 is the steadiest"),
            "thinking": gr.Dropdown(_THINKING, value="", label="Thinking", filterable=False, **at("thinking")),
            "resolution": gr.Dropdown(
                _RESOLUTION, value="", label="Media resolution", filterable=False, **at("resolution")
            ),
            "seed": number("seed", "Seed", "none"),
            "structured": gr.Checkbox(False, label="Hold the answer to a schema", **at("structured")),
            "reuse": gr.Checkbox(
                False,
                label="Keep pictures at Google for further questions",
                info="Up to 48 hours; you can delete them under Request and tests.",
                **at("reuse"),
            ),
            "system": words("system", "System instruction", "You label pictures for a museum.", lines=2),
        }
        preset = gr.Dropdown(
            [_USUAL, *(name for name, _ in PRESETS)],
            value=_USUAL,
            label="Wording",
            info="As Google's guides word it; fills the template.",
            filterable=False,
            visible="template" in heeds,
            elem_id="pp-option-preset",
        )
        fields["template"] = words(
            "template",
            "Template for detect and segment",
            "usual",
            "{labels}, {text}, {max_items} and {language} are filled in. Empty: the usual wording.",
            lines=3,
        )
    return OptionsPanel(fields, preset)


def wire(panel: OptionsPanel, sidebar: Sidebar, settings: Settings) -> None:
    def choose_backend(backend: object) -> list[Any]:
        if not isinstance(backend, str) or backend not in offered(settings):
            return [gr.skip() for _ in changed]
        heeds = SPECS[backend].capabilities.options
        shown = [gr.update(visible=_NEEDS.get(name, name) in heeds) for name in panel.fields]
        return [*shown, gr.update(visible="template" in heeds)]

    def choose_preset(name: object) -> str:
        return dict(PRESETS).get(name, "") if isinstance(name, str) else ""

    changed = [*panel.fields.values(), panel.preset]
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    sidebar.backend.input(choose_backend, sidebar.backend, changed, **quiet)
    panel.preset.input(choose_preset, panel.preset, panel.fields["template"], **quiet)
