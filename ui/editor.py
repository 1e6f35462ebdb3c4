"""The picture to look at and to correct: a canvas in the page (assets/js/editor), fed by a value, heard by one event.

The page gets picture and soft masks once; threshold, score floor and overlays are its own from then on. What a person
changes comes back as the event `edit` and is answered by a receipt, so that the page knows what is safely kept.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from ui import corrections, markup, projects
from ui.components import SceneView
from ui.desk import Desk
from ui.messages import Problem, attempt
from ui.state import Session

SCRIPTS = Path(__file__).parents[1] / "assets" / "js" / "editor"

_LOOKS = """(overlays, threshold, floor) => {
  document.dispatchEvent(new CustomEvent("pinpoint:looks", {detail: {overlays, threshold, floor}}));
}"""


@dataclass(frozen=True)
class Editor:
    stage: gr.HTML
    table: gr.HTML
    receipt: gr.HTML


@functools.cache
def _place() -> str:
    """Where the scripts are served: a new address for every version, so that a browser never mixes two."""
    digest = hashlib.sha256()
    for path in sorted(SCRIPTS.glob("*.js")):
        digest.update(path.read_bytes())
    return f"/pinpoint/{digest.hexdigest()[:12]}"


def routes() -> list[BaseRoute]:
    """What `launch` must serve beside Gradio's own."""
    return [Mount(_place(), StaticFiles(directory=SCRIPTS))]


NOT_LOADED = "A part of the page did not load: pictures cannot be shown. Check the connection and load the page again."


def _script(body: str, failed: str = "") -> str:
    """`body` with the page's module as `main`; `failed` is done where it did not come in four tries. Older browsers
    remember the first failure, and do not ask the network again.

    Its address is relative, for the page may be served under a path.
    """
    address = json.dumps(f".{_place()}/main.js")
    return (
        f"(function bring(more) {{ import(new URL({address}, document.baseURI)).then((main) => {{ {body} }}, "
        f"() => {{ if (more) setTimeout(bring, 1000, more - 1); else {{ {failed} }} }}); }})(3);"
    )


def build_stage(first: Session) -> tuple[gr.HTML, gr.HTML]:
    """The canvas with its tools, and where the answers to corrections arrive."""
    stage = SceneView(
        corrections.scene(first),
        html_template='<div class="pp-ed"></div>',
        js_on_load=_script(
            "main.mount(element, props, watch, (post) => trigger('edit', post));",
            f"element.querySelector('.pp-ed').textContent = {json.dumps(NOT_LOADED)};",
        ),
        apply_default_css=False,
        elem_id="pp-stage",
    )
    receipt = gr.HTML(
        None,
        html_template="<i></i>",
        js_on_load=_script("watch('value', () => main.receipt(props.value));"),
        visible="hidden",
        elem_id="pp-receipt",
    )
    return stage, receipt


def build_table() -> gr.HTML:
    """Where the canvas keeps its table; Gradio never writes into it."""
    return gr.HTML("", html_template='<div class="pp-ed-table"></div>', apply_default_css=False, elem_id="pp-found")


def wire(editor: Editor, view: list[Any], status: gr.HTML, session: gr.State, desk: Desk) -> None:
    """The view's widgets talk to the page alone; corrections go to the session, and on to the picture's project.

    status: says how many objects there are.
    """

    def edit(now: Session, posted: gr.EventData, request: gr.Request) -> list[Any]:
        post, visitor = posted._data, str(request.session_hash)
        made = attempt(lambda: projects.keep_edit(corrections.correct(now, post), desk.projects, visitor))
        number = post.get("sequence") if isinstance(post, dict) else None
        receipt: dict[str, Any] = {"sequence": number if isinstance(number, int) else None}
        if isinstance(made, Problem):
            return [gr.skip(), {**receipt, "ok": False, "said": made.text}, gr.skip()]
        told, now_told = _told(now), _told(made)
        stays = told == now_told or desk.runs.running(visitor)  # a question under way has it
        return [made, {**receipt, "ok": True, "said": ""}, gr.skip() if stays else now_told]

    editor.stage.edit(
        edit,
        [session],
        [session, editor.receipt, status],
        queue=False,
        show_progress="hidden",
        trigger_mode="multiple",
        api_visibility="private",
    )
    changes: list[Callable[..., Any]] = [widget.change for widget in view]
    gr.on(changes, None, view, None, js=_LOOKS, queue=False, show_progress="hidden")


def _told(session: Session) -> str:
    pages = session.document.pages if session.document else 0
    return markup.answered(session.answer, pages) if session.answer else ""
