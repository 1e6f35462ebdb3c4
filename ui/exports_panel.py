"""Labels taken away and brought back, from the page: what a format would lose is said before it is downloaded.

`lost` says the same for whoever else writes files: a format and its losses in, words out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from grounding.errors import RequestError
from grounding.exports import FORMATS, Format, Loss
from grounding.overlays import OVERLAYS
from jobs.answers import WITH_PICTURES
from ui import actions, asking, label_files, markup, projects
from ui.desk import Desk
from ui.follow import Follower, listed
from ui.form import read_view
from ui.label_files import Offer, Taken
from ui.messages import BUSY, Problem, attempt
from ui.result_view import ResultView
from ui.state import Session

FIRST = "coco"

CLICK_FILE = """() => setTimeout(() =>
  document.querySelector('#pp-file a, a#pp-file, button#pp-file, #pp-file button')?.click(), 60)"""
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_CHECKING = '<p class="pp-hint" data-unchecked>Checking what this format keeps …</p>'
_NOTHING_YET = markup.hint("There are no labels to download yet.")
_CHECK_IN_SIGHT = """
let seen = false;
const ask = () => { if (seen && String(props.value).includes("data-unchecked")) trigger("check"); };
new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; ask(); }, {rootMargin: "300px"})
  .observe(element.closest("#pp-take") ?? element);
watch("value", ask);
"""
"""Writing and reading hundreds of large masks takes seconds, so it is done for those who look."""
_SHOWN = 12  # sentences about a file; what comes after is counted


@dataclass(frozen=True)
class ExportsPanel:
    """whole: all the pictures on the page. pictures: with their files. said: what the format would lose.

    taken: what was last taken in, without its session; brought: tells of it, and of what could not be.
    """

    form: gr.Dropdown
    whole: gr.Checkbox
    pictures: gr.Checkbox
    said: gr.HTML
    save_labels: gr.Button
    save_picture: gr.Button
    bring: gr.UploadButton
    taken: gr.State
    brought: gr.HTML
    file: gr.DownloadButton

    @property
    def wanted(self) -> list[Any]:
        """What is to be downloaded."""
        return [self.form, self.whole, self.pictures]


def choices() -> list[tuple[str, str]]:
    """(plain name, format) of every format, for a dropdown."""
    return [(form.title, name) for name, form in FORMATS.items()]


def lost(form: Format, losses: Sequence[Loss], *, about: str = "", note: str = "") -> str:
    """What a file of this format says no more of these very labels, "nothing is lost" where that is so.

    about: the file, in words ("12 kB"). note: a sentence to end with.
    """
    head = f"<strong>{markup.safe(form.title)}</strong>" + (f" <span>{markup.safe(about)}</span>" if about else "")
    end = f'<p class="pp-hint">{markup.safe(note)}</p>' if note else ""
    if not losses:
        return f'<div class="pp-lost" data-tone="good"><p>{head}</p><p>Nothing is lost.</p>{end}</div>'
    lines = "".join(f"<li>{markup.safe(_capital(loss.sentence))}</li>" for loss in losses)
    return (
        f'<div class="pp-lost" data-tone="warn"><p>{head}</p><p>What it does not keep:</p><ul>{lines}</ul>{end}</div>'
    )


def build() -> ExportsPanel:
    with gr.Column(elem_id="pp-take", elem_classes="pp-card"):
        with gr.Row(elem_classes="pp-inline"):
            form = gr.Dropdown(choices(), value=FIRST, label="Labels as", elem_id="pp-format", scale=3, min_width=180)
            save_labels = gr.Button(
                "Download labels",
                size="md",
                elem_id="pp-save-labels",
                elem_classes="pp-needs-saved",  # the page waits until the last correction is kept
                scale=1,
                min_width=140,
            )
        with gr.Row(elem_classes="pp-which"):
            pictures = gr.Checkbox(False, label="With the picture file", container=False, elem_id="pp-with-pictures")
            whole = gr.Checkbox(True, label="All pictures", container=False, visible=False, elem_id="pp-whole")
        said = gr.HTML(_NOTHING_YET, js_on_load=_CHECK_IN_SIGHT, elem_id="pp-lost")
        with gr.Row(elem_classes="pp-downloads"):
            save_picture = gr.Button(
                "Download picture", size="md", elem_id="pp-save-picture", elem_classes="pp-needs-saved", min_width=140
            )
            bring = gr.UploadButton("Import labels", size="md", elem_id="pp-import", min_width=140)
        took = gr.State(None)
        brought = gr.HTML("", elem_id="pp-imported")
        file = gr.DownloadButton("File", visible="hidden", elem_id="pp-file")
    return ExportsPanel(form, whole, pictures, said, save_labels, save_picture, bring, took, brought, file)


def wire(panel: ExportsPanel, session: gr.State, result: ResultView, desk: Desk) -> Follower:
    """Losses follow the session and the choices; nothing here reaches a model."""
    _wire_downloads(panel, session, result, desk)
    _wire_import(panel, session, result, desk)
    return _wire_preview(panel, session, result, desk)


def _wire_preview(panel: ExportsPanel, session: gr.State, result: ResultView, desk: Desk) -> Follower:
    def begin(now: Session, form: object, whole: object, took: Taken | None) -> list[Any]:
        count = len(now.sheets)
        several = gr.update(visible=count > 1, label=f"All {count} pictures")
        files = "With the picture files" if count > 1 and whole is True else "With the picture file"
        along = gr.update(interactive=form not in WITH_PICTURES, label=files)
        there = any(sheet.answer for sheet in now.sheets)
        return [several, along, _CHECKING if there else _NOTHING_YET, still(took, now)]

    def check(now: Session, *choices: object) -> str:
        made = attempt(lambda: _offer(now, *choices, desk=desk))
        said = offered(made)
        if isinstance(made, Offer):  # written to be read again, not to be taken away
            label_files.discard(made)
        return said

    chosen: list[Callable[..., Any]] = [panel.form.input, panel.whole.input, panel.pictures.input]
    corrected = result.editor.receipt.change  # Gradio tells of no state that changed past its queue
    inputs = [session, panel.form, panel.whole, panel.taken]
    outputs = [panel.whole, panel.pictures, panel.said, panel.brought]
    moved = [corrected, *chosen, result.threshold.release, result.floor.release]
    gr.on(moved, begin, inputs, outputs, queue=False, **_QUIET)
    panel.said.check(
        check,
        [session, *panel.wanted, *result.view],
        panel.said,
        trigger_mode="always_last",
        concurrency_id="export",
        concurrency_limit=2,
        **_QUIET,
    )
    return listed(begin, inputs, outputs)


def _wire_downloads(panel: ExportsPanel, session: gr.State, result: ResultView, desk: Desk) -> None:
    def labels(now: Session, *choices: object) -> list[Any]:
        made = attempt(lambda: _offer(now, *choices, desk=desk))
        if isinstance(made, Problem):
            raise _no_download(made)
        return [str(made.path), offered(made)]

    def picture(now: Session, *view: object) -> str:
        def make() -> str:
            path = desk.shelf.new_file(label_files.download_stem(now, "", 1) + ".png")
            path.write_bytes(actions.full_picture(now, read_view(view, OVERLAYS), desk.shelf))
            return str(path)

        made = attempt(make)
        if isinstance(made, Problem):
            raise _no_download(made)
        return made

    shared: dict[str, Any] = {**_QUIET, "concurrency_id": "export", "concurrency_limit": 2}
    panel.save_labels.click(labels, [session, *panel.wanted, *result.view], [panel.file, panel.said], **shared).success(
        None, js=CLICK_FILE
    )
    panel.save_picture.click(picture, [session, *result.view], panel.file, **shared).success(None, js=CLICK_FILE)


def _wire_import(panel: ExportsPanel, session: gr.State, result: ResultView, desk: Desk) -> None:
    def bring(file: str | None, now: Session, took: Taken | None, request: gr.Request) -> dict[Any, Any]:
        if not file:
            return {panel.brought: gr.skip()}
        made = (
            BUSY
            if desk.runs.running(str(request.session_hash))
            else attempt(lambda: _imported(Path(file), now, desk, str(request.session_hash)))
        )
        if isinstance(made, Problem):
            return {panel.brought: markup.trouble(made) + still(took, now)}
        told = {panel.taken: replace(made, session=Session()), panel.brought: taken(made)}
        return {session: made.session, **told, **asking.shown(result, made.session)}

    panel.bring.upload(
        bring,
        [panel.bring, session, panel.taken],
        [session, panel.taken, panel.brought, *result.cleared],
        concurrency_id="picture",
        concurrency_limit=4,
        **_QUIET,
    )


def offered(made: Offer | Problem) -> str:
    """What an offered file loses, or why there is none."""
    if isinstance(made, Problem):
        return markup.trouble(made)
    objects = "1 object" if made.hidden == 1 else f"{made.hidden} objects"
    note = f"The score floor hides {objects} on the page; the file has them." if made.hidden else ""
    files = f"ZIP of {made.count} files" if made.path.suffix == ".zip" else f"{made.path.suffix[1:].upper()} file"
    return lost(made.form, made.losses, about=f"{files}, {size_words(made.size_bytes)}", note=note)


def taken(made: Taken) -> str:
    """What came of an import: how much is on the page now, and what of the file is not."""
    objects = "1 object" if made.objects == 1 else f"{made.objects} objects"
    on = "1 picture" if made.pictures == 1 else f"{made.pictures} pictures"
    source = markup.safe(f"from {made.name}, {made.form.title}")
    head = f"<p><strong>{objects} on {on}</strong> <span>{source}</span></p>"
    if not made.left_out:
        return f'<div class="pp-lost" data-tone="good">{head}<p>Nothing in the file was left out.</p></div>'
    shown = "".join(f"<li>{markup.safe(each)}</li>" for each in made.left_out[:_SHOWN])
    more = len(made.left_out) - _SHOWN
    shown += f"<li>… and {more} more like these.</li>" if more > 0 else ""
    return f'<div class="pp-lost" data-tone="warn">{head}<p>Beside that:</p><ul>{shown}</ul></div>'


def still(took: Taken | None, now: Session) -> str:
    """What came of the last import, as long as labels of its file are on the page."""
    return taken(took) if took and any(sheet.imported_from == took.name for sheet in now.sheets) else ""


def _imported(path: Path, now: Session, desk: Desk, visitor: str) -> Taken:
    made = label_files.take_in(path, now)
    return replace(made, session=projects.keep_answers(now, made.session, desk.projects, visitor))


def _offer(now: Session, form: object, whole: object, pictures: object, *view: object, desk: Desk) -> Offer:
    if not isinstance(form, str) or form not in FORMATS:
        raise RequestError("There is no such format. Choose one of those listed.")
    seen = read_view(view, OVERLAYS)
    return label_files.offer(now, form, seen, desk.shelf, whole=whole is True, pictures=pictures is True)


def _no_download(why: Problem) -> gr.Error:
    return gr.Error(why.text, print_exception=False, title="No download", duration=6)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def size_words(count: int) -> str:
    """Bytes for people: "1.2 MB", "3 kB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
