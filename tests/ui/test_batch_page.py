"""The Batch page as it is built and as it follows a batch: nothing is sent twice, strangers are offered no folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from grounding.settings import Settings
from tests.ui.batching import Patient, ended, pool_of, wanted, zipped
from ui import batch_panel
from ui.batch_page import View
from ui.batches import Batches, home

LOCAL, SHARED = Settings(), Settings(host="0.0.0.0", on_space=True)


def built(settings: Settings) -> tuple[gr.Blocks, batch_panel.BatchPanel]:
    with gr.Blocks() as page, gr.Tabs():
        return page, batch_panel.build(settings)


def hidden(page: gr.Blocks, component: Any) -> bool:
    """Whether it, or anything it lies in, is not shown."""
    while component is not None and component is not page:
        if getattr(component, "visible", True) is False:
            return True
        component = component.parent
    return False


@pytest.mark.parametrize(
    ("settings", "offered"), [pytest.param(LOCAL, True, id="own"), pytest.param(SHARED, False, id="shared")]
)
def test_folders_and_projects_are_offered_on_this_machines_own_page_only(settings: Settings, offered: bool) -> None:
    page, panel = built(settings)
    assert hidden(page, panel.fields["place"]) is not offered
    assert panel.put.parent.visible is offered
    assert not hidden(page, panel.fields["files"])
    said = [str(each.value) for each in page.blocks.values() if each.elem_id == "pp-batch-one-each"]
    assert ["takes the place of the one before" in each for each in said] == [True] * (not offered)


def test_batches_lie_beside_the_projects_or_in_the_pages_own_folder(tmp_path: Path) -> None:
    own = Settings(projects=str(tmp_path / "mine"))
    assert home(own, tmp_path / "private") == tmp_path / "mine" / ".batches"
    assert home(SHARED, tmp_path / "private") == tmp_path / "private" / "batches"


def test_a_look_sends_only_what_changed_and_the_clock_stops_at_the_end(tmp_path: Path) -> None:
    _, panel = built(LOCAL)
    batches = Batches(tmp_path / "batches", LOCAL, pool_of(LOCAL, Patient()))
    view = View(panel, batches)
    number = batches.begin(wanted(zipped(tmp_path / "two.zip", 2, broken=(1,))))
    ended(batches, number)
    seen, timer, *first = view.updates(number, ())
    assert len(first) == len(panel.shown)
    assert timer.active is False
    status, finished, failures, summary, told = first[:5]
    assert "Done: 1 of 2 labelled" in status
    assert "<img" in finished
    assert "two.zip/001.png" in failures
    assert "1</b> labelled" in summary
    assert told == "Done: 1 of 2 labelled"
    again = view.updates(number, seen)
    assert again[2:] == [gr.skip()] * len(panel.shown)


@pytest.mark.parametrize("number", ["", "0" * 32, None, {"a": 1}, ["x"]])
def test_without_a_batch_there_is_only_how_to_begin(tmp_path: Path, number: object) -> None:
    _, panel = built(LOCAL)
    view = View(panel, Batches(tmp_path / "batches", LOCAL, pool_of(LOCAL, Patient())))
    _, timer, status, *rest = view.updates(number, ())
    assert timer.active is False
    assert "Nothing is running" in status
    assert rest[:4] == [""] * 4
    assert rest[4]["interactive"] is True
    assert all(each["visible"] is False for each in rest[5:10])
