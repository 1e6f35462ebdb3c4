"""The checkpoints a model of this machine can be, as a table to choose from, with what each takes; and unloading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from backends import SPECS, first_choice
from backends.paligemma_family import FAMILY, Member, Precision, in_gb
from grounding.settings import Settings
from ui import markup
from ui.desk import Desk
from ui.sidebar import Sidebar, who
from ui.small_world import BUNDLED

_BACKEND = "paligemma"
_LISTEN = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-model]");
  if (button) trigger("select", {model: button.dataset.model});
});"""
_PRECISIONS = (Precision.BFLOAT16, Precision.INT8, Precision.NF4)
_TUNED = {"pt": "being fine-tuned", "mix": "many tasks", "ft": "one task", "own": "its own"}


@dataclass(frozen=True)
class FamilyPanel:
    fold: gr.Accordion
    table: gr.HTML
    unload: gr.Button
    said: gr.HTML


def build(settings: Settings) -> FamilyPanel:
    backend, _ = first_choice(settings)
    with gr.Accordion(
        "PaliGemma checkpoints",
        open=False,
        visible=backend == _BACKEND,
        elem_classes="pp-fold",
        elem_id="pp-family",
    ) as fold:
        table = gr.HTML(family_table(_offered(settings)), js_on_load=_LISTEN, elem_id="pp-family-table")
        unload = gr.Button(
            "Unload models from memory", size="sm", visible=settings.local, elem_id="pp-unload", min_width=160
        )
        said = gr.HTML("", elem_id="pp-family-said")
    return FamilyPanel(fold, table, unload, said)


def wire(panel: FamilyPanel, sidebar: Sidebar, desk: Desk) -> None:
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    known = {each.id for each in _offered(desk.settings)}

    def choose(chosen: gr.EventData) -> list[Any]:
        data = chosen._data
        model = data.get("model") if isinstance(data, dict) else None
        if not isinstance(model, str) or model not in {BUNDLED, *known}:
            return [gr.skip(), gr.skip(), gr.skip()]
        return [model, gr.update(visible=model == BUNDLED), who(_BACKEND, model, desk.settings)]

    def unload() -> str:
        if not desk.settings.local:
            return markup.hint("Models of a shared page are its operator's to unload.")
        gone = [model for name, model in desk.pool.opened() if desk.pool.unload(name, model)]
        if not gone:
            return markup.hint("Nothing was unloaded: no model is in memory, or the one there is answering just now.")
        return markup.hint(f"Unloaded: {', '.join(gone)}. It is loaded again when it is asked.")

    panel.table.select(choose, None, [sidebar.model, sidebar.aside, sidebar.who], **quiet)
    panel.unload.click(unload, None, panel.said, **quiet)
    sidebar.backend.input(lambda backend: gr.update(visible=backend == _BACKEND), sidebar.backend, panel.fold, **quiet)


def family_table(members: tuple[Member, ...]) -> str:
    """Each checkpoint: pixels and image tokens, what it was tuned for, memory by precision, published figures."""
    return (
        '<p class="pp-hint">Fetched from the Hugging Face Hub when first asked; Google’s need their licence accepted '
        "once. Memory is for one prompt. For 8 or 4 bits put @int8 or @nf4 behind the name; they need an NVIDIA card. "
        "Published figures are other people’s.</p>"
        '<div class="pp-table pp-facts-table"><table><caption>PaliGemma checkpoints</caption><thead><tr>'
        f'<th scope="col">Checkpoint</th></tr></thead><tbody>{"".join(map(_row, members))}</tbody></table></div>'
    )


def _row(each: Member) -> str:
    name = markup.safe(each.id)
    half, int8, nf4 = (in_gb(each.memory_bytes(precision)) for precision in _PRECISIONS)
    facts = [
        f"{each.resolution} px, {each.image_tokens:,} image tokens; tuned for: {_tuned(each)}",
        f"{half} of memory, {int8} in 8 bits, {nf4} in 4",
        *(markup.safe(f"{score.benchmark}: {score.value} ({score.source})") for score in each.scores),
    ]
    return (
        f'<tr><td><button type="button" class="pp-act" data-model="{name}" aria-label="Choose {name}">'
        f"<b>{markup.safe(each.id.removeprefix('google/'))}</b></button><br>{'<br>'.join(facts)}</td></tr>"
    )


def _tuned(each: Member) -> str:
    words = ", ".join(each.prompts) if each.tuning.value == "ft" else _TUNED[each.tuning.value]
    return markup.safe(words)


def _offered(settings: Settings) -> tuple[Member, ...]:
    """On a shared page only what is listed can be loaded."""
    return FAMILY if settings.local else tuple(each for each in FAMILY if each.id in SPECS[_BACKEND].models)
