"""The page put together: `create` builds it, `serve` opens it to visitors with Gradio's own doors shut."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from backends import SPECS, Pool, first_choice
from grounding.settings import Settings
from grounding.types import Task
from ui import (
    actions,
    album_panel,
    api,
    batch_page,
    batch_panel,
    caution,
    compare_page,
    cut_panel,
    editor,
    estimate_lines,
    examples,
    exports_panel,
    family_panel,
    left_behind,
    markup,
    options_panel,
    picture_panel,
    project_bar,
    project_page,
    prompt_panel,
    request_panel,
    result_view,
    sidebar,
    strip,
    truth_panel,
)
from ui.batches import Batches, home
from ui.desk import Desk
from ui.follow import follow
from ui.guard import Guard
from ui.messages import Problem, attempt
from ui.state import KEPT_S, Session, Shelf
from ui.tabs import TABS
from ui.tabs.prompt import Around
from ui.theme import theme

ASSETS = Path(__file__).parents[1] / "assets"
STYLES = ("pinpoint", "editor", "asking", "exports", "compare", "batch", "project")


def create(settings: Settings, pool: Pool) -> gr.Blocks:
    """The whole page, not yet served."""
    private = private_folder()
    desk = Desk(settings, pool, Shelf(private / "pictures", lasting=settings.local))
    with gr.Blocks(title="Pinpoint", analytics_enabled=False, delete_cache=(600, KEPT_S), fill_width=True) as page:
        api.build(desk)  # first: gradio numbers later functions of the same name
        welcome = examples.shown()[0]
        first = Session(desk.shelf.keep(welcome.picture(), for_all=True), scene=welcome.seed)
        session = gr.State(first)  # no time to live: after it the page would show one picture and mean the first
        gr.HTML(markup.header(), elem_id="pp-head")
        with gr.Tabs(elem_id="pp-pages") as pages:
            with gr.Tab("Picture", id="picture"), gr.Row(elem_id="pp-layout"):
                with gr.Column(elem_id="pp-left"):
                    with gr.Column(elem_classes="pp-card"):
                        pictures = picture_panel.build(first, settings)
                    with gr.Column(elem_classes="pp-card"):
                        with gr.Tabs(elem_id="pp-tabs"):
                            tabs = [tab.build(welcome.prompts) for tab in TABS]
                        trouble = gr.HTML("", elem_id="pp-trouble")
                        who = gr.HTML(sidebar.who(*first_choice(settings), settings), elem_id="pp-who")
                    with gr.Column(elem_classes="pp-card"):
                        side = sidebar.build(settings, who)
                        family = family_panel.build(settings)
                        words = prompt_panel.build(settings)
                        options = options_panel.build(settings)
                        asked = request_panel.build(settings)
                with gr.Column(elem_id="pp-result"):
                    sheets = strip.build()
                    album = album_panel.build()
                    careful = caution.build()
                    cut = cut_panel.build()
                    left = left_behind.build()
                    bar = project_bar.build()
                    result = result_view.build(first)
                    take = exports_panel.build()
                    true = truth_panel.build(first)
            with gr.Tab("Project", id="project") as project_tab:
                project = project_page.build(settings)
            compared = compare_page.build(first, welcome.prompts[Task.DETECT], settings)
            batch = batch_panel.build(settings)
        prompts = {tab.task: tab.prompt for tab in tabs}
        picture_panel.wire(pictures, prompts, session, result, trouble, side.backend, desk)
        around = Around(page, tuple(tabs), session, pictures, side, options, result, trouble)
        for module, tab in zip(TABS, tabs, strict=True):
            module.wire(tab, around, desk)
        sidebar.wire(side, settings)
        family_panel.wire(family, side, desk)
        corrected = [cut_panel.wire(cut, around, desk), strip.wire(sheets, around, desk)]
        corrected.append(truth_panel.wire(true, session, result))
        shown = [*corrected, prompt_panel.wire(words, around, desk)]
        options_panel.wire(options, side, settings)
        request_panel.wire(asked, around, desk)
        shown += [album_panel.wire(album, asked.task, around, take, desk), estimate_lines.wire(around, desk)]
        result_view.wire(result, session, desk)
        shown += [caution.wire(careful, session)]
        shown += [left_behind.wire(left, session, pictures.current, result, desk)]
        shown += [exports_panel.wire(take, session, result, desk)]  # hears of corrections itself
        in_project = project_bar.wire(bar, session, pictures, result, desk)
        project_page.wire(project, project_tab, pages, session, pictures, result, desk)
        shown += compare_page.wire(compared, page, pages, session, result, side, tabs, desk)
        follow(page.load, [in_project])
        follow(session.change, [*shown, in_project])
        follow(sheets.corrected, corrected)
        batch_page.wire(batch, around, Batches(home(settings, private), settings, pool), desk)

        def leave(request: gr.Request) -> None:
            desk.runs.stop(str(request.session_hash), replaced=True)  # nobody is there to take the answer
            desk.projects.leave(str(request.session_hash))

        page.unload(leave)
    page.queue(api_open=False, max_size=40, default_concurrency_limit=4)
    return page


def serve(page: gr.Blocks, settings: Settings) -> str:
    """Serve `page` from threads of its own; returns its address."""
    address: str = page.launch(
        server_name=settings.host,
        server_port=settings.port,
        share=False,
        show_error=False,
        quiet=True,
        prevent_thread_lock=True,
        run_history=False,
        enable_monitoring=False,
        max_file_size="50mb",
        state_session_capacity=500,
        footer_links=[],
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=theme(),
        css_paths=[ASSETS / "css" / f"{name}.css" for name in STYLES],
        js=(ASSETS / "js" / "page.js").read_text(),
        favicon_path=ASSETS / "favicon.svg",
        app_kwargs={
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
            "middleware": [Middleware(Guard, local=settings.local)],
            "routes": editor.routes(),
        },
    )[1]
    return address


def warm_up(settings: Settings, pool: Pool, say: Callable[[str], None]) -> None:
    """In the background: load what draws, and the first choice where it needs no key, for a quick first answer."""
    backend, model = first_choice(settings)

    def open_first() -> None:
        with pool.lend(backend, model):
            pass

    def load() -> None:
        attempt(actions.rehearse)
        if SPECS[backend].needs_key:
            return
        opened = attempt(open_first)
        say(opened.text if isinstance(opened, Problem) else f"{model} is loaded.")

    threading.Thread(target=load, name="warm-up", daemon=True).start()


@functools.cache
def private_folder() -> Path:
    """A new folder only we can read, deleted at the end; Gradio's own files go there too."""
    folder = Path(tempfile.mkdtemp(prefix="pinpoint-"))  # 0700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    cache = folder / "gradio"
    cache.mkdir(mode=0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(cache)
    return folder
