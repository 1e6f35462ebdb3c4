"""Where pictures and documents come in: dropped, pasted, photographed, fetched, chosen from examples, newly composed.

The drop area takes one picture; what else is dropped there (several, PDFs, clips, files of any other kind) the page's
script hands to a file field of ours, so that whatever is wrong with it is said in a sentence, in the page.
A clip becomes some moments of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from backends import SPECS, first_choice
from grounding import documents, video
from grounding.errors import ImageError, RequestError
from grounding.images import Picture
from grounding.settings import Settings
from grounding.types import Task
from jobs import fetch
from ui import actions, addresses, clips, examples, markup
from ui.components import PictureInput
from ui.desk import Desk
from ui.gathering import MAX_PICTURES
from ui.left_behind import leaving
from ui.messages import Problem, attempt
from ui.result_view import ResultView
from ui.state import Kept, Session, Sheet

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class PicturePanel:
    drop: PictureInput
    files: gr.File
    add: gr.UploadButton
    current: gr.HTML
    url: gr.Textbox
    fetch: gr.Button
    gallery: gr.Gallery
    compose: gr.Button


def build(first: Session, settings: Settings) -> PicturePanel:
    drop = PictureInput(
        sources=["upload", "clipboard", "webcam"],
        height=132,
        label="Picture",
        show_label=False,
        buttons=[],
        elem_id="pp-drop",
        placeholder="Drop pictures, a PDF or a clip here\nor click to choose",
        webcam_options=gr.WebcamOptions(mirror=False),
    )
    files = gr.File(
        file_count="multiple",
        label="Pictures, a PDF or a clip",
        interactive=True,
        elem_id="pp-files",
        elem_classes="pp-unseen",
    )
    current = gr.HTML(markup.current_picture(first.picture), elem_id="pp-current")
    add = gr.UploadButton(
        "Add pictures to ask about together",
        file_count="multiple",
        size="sm",
        elem_id="pp-add",
        visible=first.picture is not None and _many(first_choice(settings)[0]),
    )
    with gr.Row(elem_classes="pp-inline"):
        url = gr.Textbox(
            placeholder="… or paste a picture's address",
            show_label=False,
            label="Picture address",
            max_lines=1,
            scale=5,
            min_width=120,
        )
        get = gr.Button("Fetch", size="md", scale=1, min_width=76, elem_id="pp-fetch")
    with gr.Row(elem_classes="pp-inline pp-examples-head"):
        gr.HTML("<h3>Examples</h3>")
        compose = gr.Button("New scene", size="sm", min_width=96, scale=0, elem_id="pp-compose")
    gallery = gr.Gallery(
        value=[(example.thumbnail, example.title) for example in examples.shown()],
        columns=4,
        rows=2,
        height="auto",
        allow_preview=False,
        show_label=False,
        label="Example pictures",
        buttons=[],
        interactive=False,
        object_fit="cover",
        elem_id="pp-gallery",
    )
    return PicturePanel(drop, files, add, current, url, get, gallery, compose)


def wire(
    panel: PicturePanel,
    prompts: dict[Task, gr.Textbox],
    session: gr.State,
    result: ResultView,
    trouble: gr.HTML,
    backend: gr.Dropdown,
    desk: Desk,
) -> None:
    """Every way in ends alike: a new session with the picture on the stage, or why not, beside the old picture."""
    given = [session, panel.current, trouble, *result.cleared]
    asked = list(prompts.values())

    def show(before: Session, request: gr.Request, make: Callable[[], Session]) -> list[Any]:
        got = attempt(make)
        if isinstance(got, Problem):
            return [gr.skip(), markup.current_picture(before.picture, got), "", *(gr.skip() for _ in result.cleared)]
        desk.runs.stop(
            str(request.session_hash), replaced=True
        )  # an answer about the picture before would come too late
        got = leaving(before, got)
        return [got, markup.current_picture(got.picture), "", *result.show_picture(got)]

    def upload(file: tuple[str, str] | None, before: Session, request: gr.Request) -> list[Any]:
        if file is None:  # the drop area was cleared, by us
            return [gr.skip() for _ in (panel.drop, *given)]
        return [None, *show(before, request, lambda: take_in(file, desk))]

    def from_url(url: object, before: Session, request: gr.Request) -> list[Any]:
        return show(before, request, lambda: actions.give(_fetched(_address(url)), desk.shelf))

    def example(before: Session, chosen: gr.SelectData, request: gr.Request) -> list[Any]:
        return show_scene(before, request, lambda: _chosen(chosen.index))

    def compose(before: Session, request: gr.Request) -> list[Any]:
        return show_scene(before, request, lambda: examples.compose(random.randrange(1_000_000)))

    def show_scene(before: Session, request: gr.Request, make: Callable[[], examples.Example]) -> list[Any]:
        words: list[Any] = [gr.skip() for _ in prompts]

        def give() -> Session:
            scene = make()
            words[:] = [scene.prompts[task] for task in prompts]
            return replace(actions.give(scene.picture(), desk.shelf), scene=scene.seed)

        shown = show(before, request, give)
        return [*words, *shown]

    local = {**_QUIET, "concurrency_id": "picture", "concurrency_limit": 4}
    remote = {**_QUIET, "concurrency_id": "fetch", "concurrency_limit": 2, "trigger_mode": "once"}
    panel.drop.input(upload, [panel.drop, session], [panel.drop, *given], **local)
    _wire_files(panel, show, session, given, backend, desk)
    gr.on([panel.fetch.click, panel.url.submit], from_url, [panel.url, session], given, **remote)
    panel.gallery.select(example, [session], [*asked, *given], **local)
    panel.compose.click(compose, [session], [*asked, *given], **local)


def _wire_files(
    panel: PicturePanel,
    show: Callable[[Session, gr.Request, Callable[[], Session]], list[Any]],
    session: gr.State,
    given: list[Any],
    backend: gr.Dropdown,
    desk: Desk,
) -> None:
    """Several pictures at once, documents, and more pictures beside those there are."""

    def several(paths: list[str] | None, before: Session, request: gr.Request) -> list[Any]:
        if not paths:
            return [gr.skip() for _ in (panel.files, *given)]
        return [None, *show(before, request, lambda: take_all(paths, Session(), desk))]

    def more(paths: list[str] | None, before: Session, request: gr.Request) -> list[Any]:
        if not paths:
            return [gr.skip() for _ in given]
        return show(before, request, lambda: take_all(paths, before, desk))

    def choose_backend(backend: object) -> Any:
        return gr.update(visible=isinstance(backend, str) and _many(backend))

    local = {**_QUIET, "concurrency_id": "picture", "concurrency_limit": 4}
    panel.files.change(several, [panel.files, session], [panel.files, *given], **local)
    panel.add.upload(more, [panel.add, session], given, **local)
    backend.input(choose_backend, backend, panel.add, queue=False, **_QUIET)


def take_in(file: tuple[str, str], desk: Desk) -> Session:
    """A session with what lies in the drop area."""
    path, name = file
    return actions.give_upload(Path(path), name, desk.shelf)


def take_all(paths: Sequence[str], before: Session, desk: Desk) -> Session:
    """A session with these files: a document, a clip, or pictures beside those of `before`, the first new one shown."""
    files = [Path(path) for path in paths]
    heads = [_head(file) for file in files]
    alone = len(files) == 1 and before.picture is None
    if any(b"%PDF-" in head for head in heads):
        if not alone:
            raise RequestError("Give a PDF by itself, without pictures or other documents beside it.")
        return _take_document(files[0], desk)
    if any(map(video.is_clip, heads)):
        if not alone:
            raise RequestError("Give a clip by itself, without pictures or other clips beside it.")
        return clips.give(files[0], files[0].name, desk.shelf)
    old = before.sheets
    if before.document is not None:
        raise RequestError("A document is asked about by itself. To ask about these instead, drop them on the picture.")
    if len(old) + len(files) > MAX_PICTURES:
        raise RequestError(f"{MAX_PICTURES} pictures at once is the limit; remove some first, or give fewer.")
    new = tuple(Sheet(_kept(file, desk)) for file in files)
    return Session(reel=before.reel).showing((*old, *new), len(old))


def _take_document(file: Path, desk: Desk) -> Session:
    document = documents.load(file)
    first = desk.shelf.keep(documents.page(document, 1))
    return Session(first, document=desk.shelf.keep_document(document))


def _kept(file: Path, desk: Desk) -> Kept:
    got = actions.give_upload(file, file.name, desk.shelf).picture
    assert got is not None
    return got


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(1024)


def _many(backend: str) -> bool:
    return backend in SPECS and SPECS[backend].capabilities.max_images > 1


def _address(url: object) -> str:
    if not isinstance(url, str) or not url.strip():
        raise RequestError("Paste the address of a picture first; it begins with https://.")
    if why := addresses.objection(url.strip()):
        raise RequestError(why)
    return url.strip()


def _fetched(url: str) -> Picture:
    """The picture at `url`; where it was refused and this machine has no way out, that is said instead."""
    try:
        return fetch.fetch_picture(url)
    except ImageError as error:
        if str(error) == fetch.REFUSED and addresses.offline():
            raise ImageError(addresses.OFFLINE) from None
        raise


def _chosen(index: object) -> examples.Example:
    shown = examples.shown()
    if not isinstance(index, int) or not 0 <= index < len(shown):
        raise RequestError("There is no such example. Choose one of those shown.")
    return shown[index]
