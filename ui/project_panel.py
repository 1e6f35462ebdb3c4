"""What stands on the page of projects: the projects there are, and one of them with its ways in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from grounding.settings import Settings
from jobs.project import Order
from ui import exports_panel, markup, project_markup
from ui.project_view import Viewed
from ui.state import KEPT_S

_LISTEN = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button && !button.disabled) trigger("select", {...button.dataset});
});
"""


@dataclass(frozen=True)
class ProjectPage:
    viewed: gr.State
    said: gr.HTML
    outside: gr.Column
    shelf: gr.HTML
    name: gr.Textbox
    make: gr.Button
    bring: gr.UploadButton
    open_path: gr.Textbox
    open_it: gr.Button
    inside: gr.Column
    head: gr.HTML
    state: gr.Dropdown
    label: gr.Dropdown
    order: gr.Dropdown
    grid: gr.HTML
    add: gr.UploadButton
    path: gr.Textbox
    add_path: gr.Button
    labels: gr.HTML
    words: gr.Dropdown
    into: gr.Dropdown
    merge: gr.Button
    first: gr.Textbox
    arrange: gr.Button
    form: gr.Dropdown
    approved: gr.Checkbox
    prepare: gr.Button
    lost: gr.HTML
    download: gr.DownloadButton
    save: gr.Button
    file: gr.DownloadButton

    @property
    def shown(self) -> list[Any]:
        """What `_show` updates."""
        return [self.viewed, self.said, self.outside, self.shelf, self.inside, self.head, self.state, self.label,
                self.order, self.grid, self.labels, self.words, self.into, self.first, self.lost,
                self.download]  # fmt: skip


def build(settings: Settings) -> ProjectPage:
    viewed = gr.State(Viewed(), time_to_live=KEPT_S)
    said = gr.HTML("", elem_id="pp-project-said")
    file = gr.DownloadButton("File", visible="hidden", elem_id="pp-project-file")
    with gr.Column(elem_id="pp-shelf-page") as outside:
        shelf = gr.HTML("", js_on_load=_LISTEN, elem_id="pp-shelf")
        with gr.Row(elem_classes="pp-inline pp-new"):
            name = gr.Textbox(
                placeholder="name of a new project", show_label=False, label="Name of a new project", max_lines=1,
                max_length=80, elem_id="pp-new-name", scale=3, min_width=160,
            )  # fmt: skip
            make = gr.Button(
                "New project", size="md", variant="primary", elem_id="pp-new-project", scale=1, min_width=120
            )
            bring = gr.UploadButton("Open a file …", size="md", elem_id="pp-open-project", scale=1, min_width=120)
        gr.HTML(markup.hint("A file: a saved project, a ZIP of pictures, or labels of any format with their pictures."))
        with gr.Row(elem_classes="pp-inline", visible=settings.local):
            open_path, open_it = _build_path(settings, "pp-open", "Open")
    with gr.Column(elem_id="pp-project", visible=False) as inside:
        head = gr.HTML("", js_on_load=_LISTEN, elem_id="pp-project-head")
        with gr.Row(elem_id="pp-project-layout"):
            with gr.Column(elem_id="pp-project-main"):
                add, path, add_path = _build_ways_in(settings)
                state, label, order = _build_filters()
                grid = gr.HTML("", js_on_load=_LISTEN, elem_id="pp-project-grid")
            with gr.Column(elem_id="pp-project-side"):
                labels, words, into, merge, first, arrange = _build_labels()
                form, approved, prepare, lost, download = _build_export()
                with gr.Column(elem_classes="pp-card"):
                    gr.HTML("<h3>The whole project</h3>")
                    save = gr.Button("Save as …", size="md", elem_id="pp-project-save")
                    gr.HTML(markup.hint("One file with pictures, labels and every step; “Open a file …” takes it."))
    return ProjectPage(
        viewed, said, outside, shelf, name, make, bring, open_path, open_it, inside, head, state, label, order, grid,
        add, path, add_path, labels, words, into, merge, first, arrange, form, approved, prepare, lost, download, save,
        file,
    )  # fmt: skip


def _build_filters() -> tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown]:
    with gr.Row(elem_classes="pp-filters"):
        words = project_markup.STATES
        states = [("All pictures", ""), *((words[each].capitalize(), each.value) for each in words)]
        state = gr.Dropdown(states, value="", label="Show", elem_id="pp-show-state", min_width=120)
        label = gr.Dropdown([("Any label", "")], value="", label="With", elem_id="pp-show-label", min_width=120)
        orders = [(each.value.capitalize(), each.value) for each in Order]
        order = gr.Dropdown(orders, value=Order.ADDED.value, label="Order", elem_id="pp-show-order", min_width=120)
    return state, label, order


def _build_ways_in(settings: Settings) -> tuple[gr.UploadButton, gr.Textbox, gr.Button]:
    with gr.Row(elem_classes="pp-inline"):
        add = gr.UploadButton(
            "Add pictures or labels …",
            file_count="multiple",
            size="md",
            elem_id="pp-project-add",
            scale=1,
            min_width=190,
        )
        path, add_path = _build_path(settings, "pp-project", "Add")
    return add, path, add_path


def _build_path(settings: Settings, prefix: str, verb: str) -> tuple[gr.Textbox, gr.Button]:
    """A way in without an upload, of any size, for those who sit at this machine."""
    local = settings.local
    path = gr.Textbox(
        placeholder="… or a folder or file on this machine", show_label=False, max_lines=1, visible=local,
        label="Folder or file on this machine", elem_id=f"{prefix}-path", scale=2, min_width=160,
    )  # fmt: skip
    button = gr.Button(verb, size="md", visible=local, elem_id=f"{prefix}-path-go", scale=0, min_width=64)
    return path, button


def _build_labels() -> tuple[gr.HTML, gr.Dropdown, gr.Dropdown, gr.Button, gr.Textbox, gr.Button]:
    with gr.Column(elem_classes="pp-card"):
        gr.HTML("<h3>Labels</h3>")
        labels = gr.HTML("", js_on_load=_LISTEN, elem_id="pp-project-labels")
        with gr.Row(elem_classes="pp-merge"):
            many: dict[str, Any] = {"allow_custom_value": True, "min_width": 100}
            words = gr.Dropdown([], multiselect=True, label="Merge", elem_id="pp-merge-words", **many)
            into = gr.Dropdown([], value=None, label="into", elem_id="pp-merge-into", **many)
        merge = gr.Button("Merge", size="md", elem_id="pp-merge")
        gr.HTML(markup.hint("Renames in every picture, and in answers to come. Undo takes it back at once."))
        first = gr.Textbox(
            label="Classes, in order", placeholder="cat; dog", max_lines=1, elem_id="pp-classes",
            info="Numbered so in YOLO and COCO files. Labels not named here follow, the most usual first.",
        )  # fmt: skip
        arrange = gr.Button("Set the order", size="md", elem_id="pp-classes-set")
    return labels, words, into, merge, first, arrange


def _build_export() -> tuple[gr.Dropdown, gr.Checkbox, gr.Button, gr.HTML, gr.DownloadButton]:
    with gr.Column(elem_classes="pp-card"):
        gr.HTML("<h3>Export</h3>")
        form = gr.Dropdown(exports_panel.choices(), value="coco", label="Labels as", elem_id="pp-project-format")
        approved = gr.Checkbox(False, label="Approved pictures only", container=False, elem_id="pp-project-approved")
        prepare = gr.Button("Write and check", size="md", elem_id="pp-project-prepare")
        lost = gr.HTML("", elem_id="pp-project-lost")
        download = gr.DownloadButton("Download", variant="primary", visible=False, elem_id="pp-project-download")
    return form, approved, prepare, lost, download
