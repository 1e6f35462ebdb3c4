"""Labels taken away and brought back in a real browser: what is lost is read on the page before anything is saved."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.acting import ask, see_tasks, settled
from tests.browser.files import choose_format, download, give
from tests.ui.serving import Served


@pytest.fixture
def page(browser: Any, page_server: Served, photo: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(page_server.address, wait_until="domcontentloaded")
    expect(page.locator(".pp-ed[data-drawn]")).to_be_visible()
    see_tasks(page)
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(page.locator("#pp-current")).to_contain_text("640 × 400 px")
    yield page
    context.close()
    assert not wrong


def segment(page: Page, prompt: str, count: int) -> None:
    ask(page, "Segment", prompt)
    expect(page.locator("#pp-found tbody tr")).to_have_count(count)
    settled(page)  # until then no file is taken in


def lost(page: Page) -> Any:
    page.locator("#pp-take").scroll_into_view_if_needed()
    return page.locator("#pp-lost .pp-lost")


def test_what_a_format_loses_is_said_first_and_a_correction_is_in_the_file(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#pp-lost")).to_contain_text("no labels to download yet")
    segment(page, "cat; dog", 2)
    expect(lost(page)).to_contain_text("2 soft masks cut at the threshold")
    choose_format(page, "yolo")
    expect(lost(page)).to_contain_text("2 masks left out")
    expect(lost(page)).to_contain_text("1 score left out")
    page.locator("#pp-found tbody tr").nth(1).locator("[data-review=rejected]").click()
    expect(lost(page)).to_contain_text("1 object left out: rejected by a person")
    page.get_by_label("With the picture file").check()
    expect(lost(page)).to_contain_text("ZIP of 3 files")
    with zipfile.ZipFile(download(page, "#pp-save-labels", tmp_path)) as archive:
        assert sorted(archive.namelist()) == ["data.yaml", "images/garden.png", "labels/garden.txt"]
        assert archive.read("labels/garden.txt").decode().startswith("0 0.25 0.5 ")
    assert download(page, "#pp-save-picture", tmp_path).name == "garden-pinpoint.png"


def test_labels_come_back_onto_the_picture_and_say_where_from(page: Page, tmp_path: Path) -> None:
    segment(page, "cat; dog", 2)
    choose_format(page, "labelme")
    path = download(page, "#pp-save-labels", tmp_path)
    segment(page, "bird", 1)
    give(page, "#pp-import", path)
    expect(page.locator("#pp-imported")).to_contain_text("2 objects on 1 picture")
    expect(page.locator("#pp-found tbody tr")).to_have_count(2)
    expect(page.locator("#pp-status")).to_contain_text(f"imported from {path.name}")
    rows = page.locator("#pp-found tbody tr")
    expect(rows.nth(0)).to_contain_text("0.90")
    expect(rows.nth(1)).to_contain_text("unknown")
    rows.nth(1).locator("th").click()
    page.get_by_text("Where it came from").click()
    expect(page.locator(".pp-ed-facts")).to_contain_text(path.name)
    expect(page.locator(".pp-ed-facts")).to_contain_text("none in the file")


def test_a_file_about_something_else_leaves_the_answer_alone(page: Page, tmp_path: Path) -> None:
    segment(page, "cat", 1)
    (tmp_path / "odd.json").write_text(json.dumps([{"picture": "<b>street</b>.png", "outcome": "found"}]))
    give(page, "#pp-import", tmp_path / "odd.json")
    expect(page.locator("#pp-imported [role=alert]")).to_contain_text("Nothing in this file is about a picture")
    expect(page.locator("#pp-found tbody tr")).to_have_count(1)
    expect(page.locator("#pp-imported b")).to_have_count(0)


def test_an_album_goes_out_and_comes_in_whole(page: Page, tmp_path: Path) -> None:
    paths = []
    for name in ("one.png", "two.png"):
        Image.new("RGB", (320, 200), "teal").save(tmp_path / name)
        paths.append(tmp_path / name)
    page.locator("#pp-files input[type=file]").set_input_files(paths)
    expect(page.locator("#pp-strip li")).to_have_count(2)
    box = [{"label": "cup", "box": [0.25, 0.25, 0.5, 0.5], "score": None}]
    file = [{"picture": path.name, "outcome": "found", "detections": box} for path in paths]
    (tmp_path / "labels.json").write_text(json.dumps(file))
    give(page, "#pp-import", tmp_path / "labels.json")
    expect(page.locator("#pp-imported")).to_contain_text("2 objects on 2 pictures")
    expect(page.locator("#pp-strip .pp-count")).to_have_count(2)
    expect(page.get_by_label("All 2 pictures")).to_be_checked()
    choose_format(page, "coco")
    expect(lost(page)).to_contain_text("Nothing is lost")
    whole = json.loads(download(page, "#pp-save-labels", tmp_path).read_text())
    assert [each["file_name"] for each in whole["images"]] == ["one.png", "two.png"]
    assert len(whole["annotations"]) == 2
    page.get_by_label("All 2 pictures").uncheck()
    expect(lost(page)).to_be_visible()
    alone = json.loads(download(page, "#pp-save-labels", tmp_path).read_text())
    assert len(alone["images"]) == 1
