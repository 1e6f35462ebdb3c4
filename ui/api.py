"""The public endpoints /caption, /ask, /detect and /segment: a picture and a text in, JSON out.

A key for Gemini travels in the header `x-gemini-api-key`, never among the values, which end up in histories.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from grounding import images
from grounding.errors import RequestError
from grounding.exports.results import result_to_json
from grounding.types import Task
from ui import actions
from ui.desk import Desk
from ui.form import read_form
from ui.messages import Problem, attempt

KEY_HEADER = "x-gemini-api-key"

_ABOUT = {
    Task.CAPTION: "Describe a picture. `text`: in what way (optional).",
    Task.ASK: "Answer the question `text` about a picture.",
    Task.DETECT: 'Find the things named in `text` ("cat; dog") and give their boxes, [x1, y1, x2, y2] in [0, 1].',
    Task.SEGMENT: 'Find the things named in `text` ("cat; dog") and give their boxes and masks (COCO RLE).',
}


def build(desk: Desk) -> None:
    """One endpoint per task, over components the page does not show."""
    for task in Task:
        picture = gr.File(visible=False, label="picture", type="filepath")
        text, backend, model = (gr.Textbox("", visible=False, label=name) for name in ("text", "backend", "model"))
        gr.Button(visible=False).click(
            _endpoint(task, desk),
            [picture, text, backend, model],
            gr.JSON(visible=False, label="result"),
            api_name=task.value,
            api_description=_ABOUT[task] + " `backend` and `model` are the page's own unless named.",
            concurrency_id="model",
            concurrency_limit=8,
        )


def _endpoint(task: Task, desk: Desk) -> Callable[..., Any]:
    async def endpoint(picture: str, text: str, backend: str, model: str, request: gr.Request) -> dict[str, Any]:
        key = request.headers.get(KEY_HEADER, "")
        values = {"prompt": text, "backend": backend, "model": model, "api_key": key}

        def work(stop: threading.Event) -> dict[str, Any]:
            if not picture:
                raise RequestError("Give a picture: its upload is the first parameter.")
            form = read_form(task, values, desk.settings)
            loaded = images.load(Path(picture))
            return result_to_json(actions.ask(form, loaded, desk.pool, stop), loaded.size_wh)

        caller = uuid.uuid4().hex  # each call is its own: one client may send several at once
        run = desk.runs.begin(caller, lambda stop: attempt(lambda: work(stop)))
        assert run is not None
        try:
            got = await asyncio.wrap_future(run.future)
        finally:
            desk.runs.end(caller, run)
        if isinstance(got, Problem):
            raise gr.Error(got.text, print_exception=False)
        return got

    endpoint.__name__ = task.value
    return endpoint
