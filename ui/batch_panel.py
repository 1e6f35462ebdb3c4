"""What the Batch page is built of: where pictures come from, the question, the model; and beside it how it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from backends import SPECS, first_choice
from grounding.settings import Settings
from grounding.types import THRESHOLD, Task
from ui import batch_markup, exports_panel, markup, sidebar
from ui.components import Range
from ui.form import offered

_TASKS = [(task.value.capitalize(), task.value) for task in (Task.DETECT, Task.SEGMENT, Task.CAPTION, Task.ASK)]
_ONE_EACH = (
    "One batch each: a new one takes the place of the one before, whose labels are deleted. Take them away first."
)
_MB = "50 MB"  # what the page takes at once: ui.guard.MAX_UPLOAD_BYTES


@dataclass(frozen=True)
class BatchPanel:
    """fields: what an order is read from, by the names ui/batch_form.py knows. take: hidden while there is nothing.

    told: for screen readers, how it stands; unlike the status it does not change each second.
    """

    leaf: gr.Tab
    earlier: gr.Dropdown
    fields: dict[str, Any]
    who: gr.HTML
    before: gr.HTML
    trouble: gr.HTML
    start: gr.Button
    status: gr.HTML
    stop: gr.Button
    go_on: gr.Button
    retry: gr.Button
    delete: gr.Button
    finished: gr.HTML
    failures: gr.HTML
    summary: gr.HTML
    told: gr.HTML
    take: gr.Column
    form: gr.Dropdown
    threshold: gr.Slider
    make: gr.Button
    lost: gr.HTML
    file: gr.DownloadButton
    project: gr.Textbox
    put: gr.Button
    put_said: gr.HTML

    @property
    def shown(self) -> list[Any]:
        """What a look at the batch changes, in the order of ui/batch_page.py."""
        buttons = [self.start, self.stop, self.go_on, self.retry, self.delete]
        return [
            self.status,
            self.finished,
            self.failures,
            self.summary,
            self.told,
            *buttons,
            self.take,
            self.form,
            self.threshold,
            self.earlier,
        ]


def build(settings: Settings) -> BatchPanel:
    local = settings.local
    with gr.Tab("Batch", id="batch", elem_id="pp-batch-page") as leaf, gr.Row(elem_classes="pp-batch-layout"):
        with gr.Column(elem_classes="pp-batch-left"):
            with gr.Column(elem_classes="pp-card"):
                fields = _pictures(local)
            with gr.Column(elem_classes="pp-card"):
                asked, who = _question(settings)
                before = gr.HTML("", elem_id="pp-batch-before")
                trouble = gr.HTML("", elem_id="pp-batch-trouble")
                if not local:
                    gr.HTML(markup.hint(_ONE_EACH), elem_id="pp-batch-one-each")
                start = gr.Button("Start the batch", variant="primary", elem_id="pp-batch-start")
        with gr.Column(elem_classes="pp-batch-right"):
            earlier = gr.Dropdown(
                [], value=None, label="Batches on this machine", visible=False, filterable=False,
                elem_id="pp-batch-earlier",
            )  # fmt: skip
            status = gr.HTML(batch_markup.empty(not local), elem_id="pp-batch-status")
            told = gr.HTML("", elem_id="pp-batch-told", elem_classes="pp-unseen")
            with gr.Row(elem_classes="pp-batch-buttons"):
                stop, go_on, retry, delete = (
                    gr.Button(words, visible=False, size="md", elem_id=f"pp-batch-{name}", min_width=120)
                    for words, name in (
                        ("Stop", "stop"),
                        ("Go on", "go-on"),
                        ("Retry the failed", "retry"),
                        ("Delete it", "delete"),
                    )
                )
            finished = gr.HTML("", elem_id="pp-batch-finished")
            summary = gr.HTML("", elem_id="pp-batch-summary")
            failures = gr.HTML("", elem_id="pp-batch-failures")
            with gr.Column(visible=False, elem_id="pp-batch-take", elem_classes="pp-card") as take:
                taken = _take(local)
    return BatchPanel(
        leaf, earlier, {**fields, **asked}, who, before, trouble, start, status, stop, go_on, retry, delete, finished,
        failures, summary, told, take, *taken,
    )  # fmt: skip


def _pictures(local: bool) -> dict[str, Any]:
    gr.HTML("<h2>Pictures</h2>")
    with gr.Tabs(elem_id="pp-batch-from"):
        with gr.Tab("Files", id="files"):
            files = gr.File(
                file_count="multiple",
                label="Pictures or a ZIP",
                height=168,
                elem_id="pp-batch-files",
            )
            more = "name the folder instead" if local else "begin again with the rest"
            gr.HTML(markup.hint(f"Also lists of addresses (.txt) and Parquet. {_MB} at once; for more, {more}."))
        with gr.Tab("Links", id="addresses"):
            addresses = gr.Textbox(
                "",
                label="Addresses of pictures, one a line",
                placeholder="https://example.org/one.jpg\nhttps://example.org/two.jpg",
                lines=5,
                max_lines=10,
                elem_id="pp-batch-addresses",
            )
        with gr.Tab("Hub", id="dataset"):
            dataset = gr.Textbox(
                "",
                label="Data set on the Hugging Face Hub",
                placeholder="owner/name",
                info="Its pictures, or those in its Parquet files. /folder behind it for a part.",
                max_lines=1,
                elem_id="pp-batch-dataset",
            )
            split = gr.Textbox("", label="Split", placeholder="any", max_lines=1, elem_id="pp-batch-split")
        with gr.Tab("Folder", id="place", visible=local):
            place = gr.Textbox(
                "",
                label="A folder, ZIP, .txt list or Parquet file on this machine",
                placeholder="~/Pictures/garden",
                info="Read where it is; nothing is copied or changed.",
                max_lines=1,
                elem_id="pp-batch-place",
            )
    most = gr.Textbox("", label="Pictures at most", placeholder="all", max_lines=1, elem_id="pp-batch-most")
    return {"files": files, "addresses": addresses, "dataset": dataset, "split": split, "place": place, "most": most}


def _question(settings: Settings) -> tuple[dict[str, Any], gr.HTML]:
    backend, model = first_choice(settings)
    spec = SPECS[backend]
    gr.HTML("<h2>Question</h2>")
    task = gr.Radio(
        _TASKS, value=Task.DETECT.value, show_label=False, label="Task", elem_id="pp-batch-task",
        elem_classes="pp-segmented", container=False,
    )  # fmt: skip
    prompt = gr.Textbox(
        "", label="What to look for", placeholder="cat; dog", max_lines=1, max_length=4000, elem_id="pp-batch-prompt"
    )
    with gr.Group(elem_classes="pp-stack"):
        backend_box = gr.Dropdown(
            [(SPECS[name].title, name) for name in offered(settings)],
            value=backend,
            label="Runs on",
            filterable=False,
            elem_id="pp-batch-backend",
        )
        model_box = gr.Dropdown(
            list(dict.fromkeys((model, *spec.models))),
            value=model,
            label="Model",
            allow_custom_value=True,
            elem_id="pp-batch-model",
        )
    info = "Kept in memory until the batch ends, never stored."
    key = sidebar.key_field(info, "pp-batch-key", visible=spec.needs_key)
    who = gr.HTML(sidebar.who(backend, model, settings), elem_classes="pp-batch-who")
    return {"task": task, "prompt": prompt, "backend": backend_box, "model": model_box, "api_key": key}, who


def _take(local: bool) -> tuple[Any, ...]:
    gr.HTML("<h2>Take the labels away</h2>")
    with gr.Row(elem_classes="pp-inline"):
        form = gr.Dropdown(
            exports_panel.choices(), value="coco", label="Labels as", elem_id="pp-batch-format", scale=3, min_width=180
        )
        make = gr.Button("Make the file", elem_id="pp-batch-make", scale=1, min_width=140)
    threshold = Range(
        0,
        255,
        THRESHOLD,
        step=1,
        label="Mask threshold",
        visible=False,
        elem_id="pp-batch-threshold",
        buttons=["reset"],
    )
    lost = gr.HTML("", elem_id="pp-batch-lost")
    file = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="pp-batch-file")
    with gr.Row(elem_classes="pp-inline", visible=local):
        project = gr.Textbox(
            "",
            label="Or into a project",
            placeholder="its name; a new one is made where there is none",
            max_lines=1,
            elem_id="pp-batch-project",
            scale=3,
            min_width=180,
        )
        put = gr.Button("Put them there", elem_id="pp-batch-put", scale=1, min_width=140)
    put_said = gr.HTML("", elem_id="pp-batch-put-said")
    return form, threshold, make, lost, file, project, put, put_said
