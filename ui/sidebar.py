"""Which model answers, with whose key, behind which safety filters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from backends import SPECS, first_choice
from grounding.backend import Capabilities
from grounding.settings import Settings
from grounding.types import Harm, Level
from ui import markup
from ui.form import offered
from ui.small_world import BUNDLED

_LEVELS = [
    ("Default", Level.DEFAULT.value),
    ("Block none", Level.NONE.value),
    ("Block few", Level.FEW.value),
    ("Block some", Level.SOME.value),
    ("Block most", Level.MOST.value),
]


@dataclass(frozen=True)
class Sidebar:
    backend: gr.Dropdown
    model: gr.Dropdown
    key: gr.Textbox
    aside: gr.HTML
    filters: dict[Harm, gr.Radio]
    filters_note: gr.HTML
    who: gr.HTML

    @property
    def fields(self) -> dict[str, Any]:
        """The widgets a Form is read from, by the names it knows them by."""
        levels = {harm.value: radio for harm, radio in self.filters.items()}
        return {"backend": self.backend, "model": self.model, "api_key": self.key, **levels}


def capabilities(backend: str, settings: Settings) -> Capabilities:
    """What `backend` can do, before it is opened; a service that stands in for Google's is named by its host."""
    known = SPECS[backend].capabilities
    host = urlsplit(settings.gemini_base_url).hostname if settings.gemini_base_url else None
    return replace(known, sends_to=host) if host and SPECS[backend].needs_key else known


def who(backend: str, model: str, settings: Settings) -> str:
    return markup.who_answers(model, capabilities(backend, settings), shared=not settings.local)


def build(settings: Settings, who_box: gr.HTML) -> Sidebar:
    backend, model = first_choice(settings)
    spec, able = SPECS[backend], capabilities(backend, settings)
    gr.HTML("<h2>Model</h2>")
    with gr.Group(elem_classes="pp-stack"):
        backend_box = gr.Dropdown(
            [(SPECS[name].title, name) for name in offered(settings)],
            value=backend,
            label="Runs on",
            filterable=False,
            elem_id="pp-backend",
        )
        model_box = gr.Dropdown(
            list(dict.fromkeys((model, *spec.models))),
            value=model,
            label="Model",
            allow_custom_value=True,
            elem_id="pp-model",
        )
    key = key_field(_key_info(settings), "pp-key", visible=spec.needs_key)
    aside = gr.HTML(markup.small_world(), visible=model == BUNDLED)
    with gr.Accordion("Safety filters", open=False, elem_classes="pp-fold", elem_id="pp-filters"):
        note = gr.HTML(_filters_note(able))
        filters = {harm: _filter(harm, able) for harm in Harm}
    return Sidebar(backend_box, model_box, key, aside, filters, note, who_box)


def key_field(info: str, elem_id: str, *, visible: bool) -> gr.Textbox:
    """Where a visitor pastes a key. info: how long it is kept."""
    return gr.Textbox(
        type="password",
        label="Gemini API key",
        info=info,
        placeholder="Paste your key",
        max_lines=1,
        visible=visible,
        elem_id=elem_id,
        html_attributes=gr.InputHTMLAttributes(autocomplete="off", spellcheck=False),
    )


def forget_key(box: gr.Textbox, page: gr.Blocks, visitor: str) -> None:
    """Gradio keeps the last value of every widget for the visitor's session; the key is taken out of `box` again."""
    if visitor in page.state_holder:
        session = page.state_holder[visitor]
        kept = session[box._id]  # made anew, under another id, when it was shown
        session._update_value_in_config(kept._id, "")


def wire(sidebar: Sidebar, settings: Settings) -> None:
    def choose_backend(backend: object) -> dict[Any, Any]:
        if not isinstance(backend, str) or backend not in offered(settings):
            return {sidebar.who: gr.skip()}
        _, model = first_choice(settings, backend)
        able = capabilities(backend, settings)
        return {
            sidebar.model: gr.update(choices=list(dict.fromkeys((model, *SPECS[backend].models))), value=model),
            sidebar.key: gr.update(visible=SPECS[backend].needs_key),
            sidebar.aside: gr.update(visible=model == BUNDLED),
            sidebar.filters_note: _filters_note(able),
            sidebar.who: who(backend, model, settings),
            **{radio: gr.update(interactive=harm in able.harms) for harm, radio in sidebar.filters.items()},
        }

    def choose_model(backend: object, model: object) -> tuple[Any, Any]:
        if not isinstance(backend, str) or backend not in offered(settings) or not isinstance(model, str):
            return gr.skip(), gr.skip()
        return gr.update(visible=model == BUNDLED), who(backend, model[:120], settings)

    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    changed = [sidebar.model, sidebar.key, sidebar.aside, sidebar.filters_note, sidebar.who, *sidebar.filters.values()]
    sidebar.backend.input(choose_backend, sidebar.backend, changed, **quiet)
    sidebar.model.input(choose_model, [sidebar.backend, sidebar.model], [sidebar.aside, sidebar.who], **quiet)


def _filter(harm: Harm, able: Capabilities) -> gr.Radio:
    return gr.Radio(
        _LEVELS,
        value=Level.DEFAULT.value,
        label=harm.value.replace("_", " ").capitalize(),
        interactive=harm in able.harms,
        elem_classes="pp-segmented",
    )


def _filters_note(able: Capabilities) -> str:
    if able.harms:
        return markup.hint(
            "What Gemini may withhold. Default leaves it to the model; some kinds are always blocked by Google."
        )
    return markup.hint(able.no_safety)


def _key_info(settings: Settings) -> str:
    if settings.share_key and settings.gemini_api_key:
        return "Optional here: this page may use its operator's key. Yours is kept for this visit only."
    return "Used for your requests only, kept in memory, never stored. aistudio.google.com/apikey makes one."
