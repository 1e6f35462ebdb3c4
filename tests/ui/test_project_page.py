"""The page of a project: what it lists, what its fields narrow, its labels merged and put in order."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import gradio as gr
import pytest

from grounding.errors import RequestError
from jobs.project import Order
from tests.ui.garden import ME, asked, edited, fill, on_disk, shown
from ui import project_bar, project_page, project_view
from ui.desk import Desk
from ui.project_view import Viewed


def test_the_page_shows_what_there_is_and_the_fields_narrow_it(desk: Desk) -> None:
    view = fill(desk)
    asked(desk, shown(desk, 2))
    project_bar.acted(shown(desk, 2), {"act": "approve"}, desk, ME)
    page = project_view.drawn(view, desk.projects, ME)
    assert page.grid.count("<li") == 3
    assert page.grid.count("<rect") == 2
    assert page.names == ("cat", "dog")
    assert "3 pictures · 2 open · 1 approved" in page.head
    only = project_view.filtered(view, "accepted", "dog", Order.UNSURE.value)
    assert project_view.drawn(only, desk.projects, ME).grid.count("<li") == 1
    assert project_view.drawn(replace(only, label="cow"), desk.projects, ME).grid.count("<li") == 0


@pytest.mark.parametrize(
    ("state", "order"),
    [pytest.param("gone", "as added", id="no state"), pytest.param("", "at random", id="no order"),
     pytest.param(None, None, id="nothing"), pytest.param([], {}, id="odd things")],
)  # fmt: skip
def test_fields_that_say_nothing_known_are_refused(state: object, order: object) -> None:
    with pytest.raises(RequestError, match="cannot be done"):
        project_view.filtered(Viewed("Garden"), state, "", order)


@pytest.mark.parametrize(
    "told",
    [pytest.param({"act": "remove", "n": "x"}, id="no number"), pytest.param({"act": "remove"}, id="none"),
     pytest.param({"act": "remove", "n": "9" * 40}, id="a huge number"), pytest.param({"act": "merge"}, id="no words"),
     pytest.param({}, id="nothing"), pytest.param({"act": ["undo"]}, id="a list")],
)  # fmt: skip
def test_presses_on_the_page_that_mean_nothing_are_refused(desk: Desk, told: dict[str, object]) -> None:
    view = fill(desk)
    with pytest.raises(RequestError):
        project_view.act(view, told, desk.projects, ME)


def test_merging_is_undone_from_the_page_and_no_label_is_markup(desk: Desk) -> None:
    view = fill(desk, 1)
    asked(desk, shown(desk), "cats; <img src=x onerror=alert(1)>")
    merge = {"act": "merge", "word": "cats", "into": "cat"}
    assert project_view.act(view, merge, desk.projects, ME)[1] == "1 object renamed to “cat”."
    page = project_view.drawn(view, desk.projects, ME)
    assert "<img src=x" not in page.labels + page.grid + page.head
    assert "Undo: merged cats into cat" in page.head
    assert "merged cats" in project_view.act(view, {"act": "undo"}, desk.projects, ME)[1]
    assert on_disk(desk)[0] == ("cats", "open")


def test_classes_are_put_in_order_on_the_page_and_numbered_so_in_the_files(desk: Desk) -> None:
    view = fill(desk, 1)
    asked(desk, shown(desk), "cat; dog")
    with desk.projects.lend("Garden", ME) as project:
        assert project_view.arranged(project, " dog;; traffic  light ;cat; dog") == (
            "3 classes in order; others follow, the most usual first."
        )
    page = project_view.drawn(view, desk.projects, ME)
    assert (page.first, page.names) == ("dog; traffic light; cat", ("dog", "traffic light", "cat"))
    made = project_view.prepare(view, "coco", False, 127, desk.projects, ME, desk.shelf)
    with zipfile.ZipFile(made.path) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".json"))
        categories = json.loads(archive.read(name))["categories"]
    assert [(each["id"], each["name"]) for each in categories] == [(1, "dog"), (2, "traffic light"), (3, "cat")]
    project_view.act(view, {"act": "undo"}, desk.projects, ME)
    assert project_view.drawn(view, desk.projects, ME).first == ""


@pytest.mark.parametrize(
    ("text", "said"), [pytest.param("x" * 10_000, "A label needs a name", id="too long"),
                       pytest.param("dog; cats", "“cats” counts as “cat”", id="a synonym")],
)  # fmt: skip
def test_classes_that_cannot_be_in_order_are_told_and_change_nothing(desk: Desk, text: str, said: str) -> None:
    view = fill(desk, 1)
    asked(desk, shown(desk), "cats; cat")
    project_view.act(view, {"act": "merge", "word": "cats", "into": "cat"}, desk.projects, ME)
    with desk.projects.lend("Garden", ME) as project, pytest.raises(RequestError, match=said):
        project_view.arranged(project, text)
    assert project_view.drawn(view, desk.projects, ME).first == ""


def test_rejected_objects_are_not_counted_under_a_picture(desk: Desk) -> None:
    view = fill(desk, 1)
    edited(desk, asked(desk, shown(desk)), review="rejected")
    assert "1 object ·" in project_view.drawn(view, desk.projects, ME).grid


def test_a_label_that_was_merged_away_is_no_filter_any_more(desk: Desk) -> None:
    view = replace(fill(desk), label="cat")
    asked(desk, shown(desk), "cat; dog")
    with gr.Blocks():
        page = project_page.build(desk.settings)
    assert project_page._show(page, view, desk, ME)[page.label]["value"] == "cat"
    project_view.act(view, {"act": "merge", "word": "cat", "into": "dog"}, desk.projects, ME)
    updates = project_page._show(page, view, desk, ME)
    assert updates[page.viewed].label is None
    assert updates[page.label]["value"] in [value for _, value in updates[page.label]["choices"]]
    assert project_view.filtered(view, "", project_view.UNNAMED, Order.ADDED.value).label == ""


def test_a_page_whose_last_picture_is_gone_gives_way_to_the_one_before(desk: Desk) -> None:
    view = replace(fill(desk, 2), start=project_view.PAGE)
    assert project_view.drawn(view, desk.projects, ME).grid.count("<li") == 2
