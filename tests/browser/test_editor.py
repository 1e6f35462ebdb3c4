"""Correcting on the picture in a real browser: what the hands do is what the file says, read by pycocotools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO

from grounding.geometry import binary_mask
from grounding.types import Box
from tests.browser.acting import ask, see_tasks, settled
from tests.browser.files import choose_format, download
from tests.ui.echo import round_mask
from tests.ui.serving import Served

SIZE = (640, 400)
CAT = (13, 80, 307, 320)  # where the echo finds the first of two labels

_MASK = """async (id) => {
  const {editor} = document.querySelector(".pp-ed"), {w, h} = editor.scene.picture;
  const url = performance.getEntriesByType("resource").find(({name}) => name.endsWith("/masks.js")).name;
  const {raster} = await import(url);
  const object = editor.object(id), cut = object.mask.threshold ?? editor.looks.threshold;
  const made = raster(object.mask, w, h);
  return {...made, levels: null, bits: Array.from(made.levels, (level) => +(level > cut))};
}"""


@pytest.fixture(scope="module")
def tab(browser: Any, page_server: Served) -> Iterator[tuple[Page, list[str]]]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(page_server.address, wait_until="domcontentloaded")
    expect(page.locator(".pp-ed[data-drawn]")).to_be_visible()
    see_tasks(page)
    yield page, wrong
    context.close()


@pytest.fixture
def page(tab: tuple[Page, list[str]], photo: Path) -> Iterator[Page]:
    """A fresh answer: a cat and a dog with soft masks, nothing selected. About the picture given anew: what was
    corrected in one test would stay beside the answer of the next."""
    page, wrong = tab
    page.mouse.move(5, 5)
    settled(page)
    before = page.locator(".pp-ed").get_attribute("data-drawn")
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(page.locator(".pp-ed")).not_to_have_attribute("data-drawn", before or "")
    expect(page.locator("#pp-found tbody tr")).to_have_count(0)
    before = page.locator(".pp-ed").get_attribute("data-drawn")
    ask(page, "Segment", "cat; dog")
    expect(page.locator(".pp-ed")).not_to_have_attribute("data-drawn", before or "")
    expect(page.locator("#pp-found tbody tr")).to_have_count(2)
    settled(page)
    page.evaluate(
        "() => { const {editor} = document.querySelector('.pp-ed'); editor.setTool('select'); editor.select(null);"
        " editor.setLooks({...editor.looks, threshold: 127}) }"
    )
    page.locator(".pp-ed-stage").scroll_into_view_if_needed()
    yield page
    assert not wrong, wrong.clear()


def at(page: Page, x_px: float, y_px: float) -> tuple[float, float]:
    """Where a pixel of the picture lies on the screen."""
    x, y = page.evaluate(
        """([x, y]) => { const {editor} = document.querySelector(".pp-ed"), box = editor.stage.getBoundingClientRect();
          const [sx, sy] = editor.view.toScreen(x, y);
          return [sx + box.left + editor.stage.clientLeft, sy + box.top + editor.stage.clientTop]; }""",
        [x_px, y_px],
    )
    return x, y


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    page.mouse.move(*at(page, *end))
    page.mouse.up()


def boxes(page: Page) -> list[tuple[int, ...]]:
    texts = page.locator("#pp-found tbody tr td:nth-child(3)").all_inner_texts()
    return [tuple(int(number) for number in text.replace("–", ",").split(",")) for text in texts]


def stage(page: Page) -> Any:
    return page.locator(".pp-ed-stage")


def labels(page: Page, form: str, folder: Path) -> Path:
    choose_format(page, form)
    return download(page, "#pp-save-labels", folder)


def test_moved_by_mouse_and_keyboard_brushed_undone_relabelled_the_coco_file_holds_exactly_that(
    page: Page, tmp_path: Path
) -> None:
    drag(page, (100, 120), (140, 140))
    expect(page.locator("#pp-found tbody tr").nth(0)).to_contain_text("53, 100 – 347, 340")
    expect(page.locator("#pp-found tbody td").first).to_have_text("0.90 before")
    stage(page).press("ArrowRight")
    stage(page).press("ArrowRight")
    stage(page).press("ArrowUp")
    stage(page).press("Shift+ArrowDown")
    assert boxes(page)[0] == (55, 99, 349, 340)

    before = page.evaluate(_MASK, 0)
    stage(page).press("m")
    drag(page, (80, 130), (120, 130))
    brushed = page.evaluate(_MASK, 0)
    assert sum(brushed["bits"]) > sum(before["bits"])
    stage(page).press("Control+z")
    assert page.evaluate(_MASK, 0) == before
    drag(page, (330, 200), (380, 200))  # over the edge: frame and box grow with it
    assert boxes(page)[0][2] > 380

    stage(page).press("Escape")
    stage(page).press("Enter")
    page.keyboard.type("lynx")
    page.keyboard.press("Enter")
    expect(page.locator("#pp-found tbody th").first).to_contain_text("lynx")

    coco = COCO(str(labels(page, "coco", tmp_path)))
    lynx, dog = coco.loadAnns(sorted(coco.getAnnIds()))
    assert [coco.cats[each["category_id"]]["name"] for each in (lynx, dog)] == ["lynx", "dog"]
    seen = boxes(page)
    for annotation, (x1, y1, x2, y2) in zip((lynx, dog), seen, strict=True):
        exact = page.evaluate("(id) => document.querySelector('.pp-ed').editor.object(id).box", annotation["id"] - 1)
        x, y, w, h = annotation["bbox"]
        assert [x / 640, y / 400, (x + w) / 640, (y + h) / 400] == pytest.approx(exact, abs=1e-12)
        assert np.abs(np.array([x, y, x + w, y + h]) - [x1, y1, x2, y2]).max() <= 0.5
    for place, annotation in enumerate((lynx, dog)):
        mask = page.evaluate(_MASK, place)
        whole = np.zeros(SIZE[::-1], dtype=np.uint8)
        whole[mask["y"] : mask["y"] + mask["h"], mask["x"] : mask["x"] + mask["w"]] = np.reshape(
            mask["bits"], (mask["h"], mask["w"])
        )
        kept = coco.annToMask(annotation)
        # What a hand painted is exact. The dog's mask is the model's floats on one side and their 8-bit map on the
        # other: along its soft edge, 0.6 % of the pixels differ.
        assert np.count_nonzero(whole != kept) <= (0 if place == 0 else 0.01 * kept.sum())


def test_the_pages_mask_is_the_cores_at_every_threshold(page: Page) -> None:
    frame = Box(*page.evaluate("() => document.querySelector('.pp-ed').editor.object(1).mask.frame"))
    for threshold in (0, 40, 127, 200, 250):
        page.evaluate(
            "(threshold) => { const {editor} = document.querySelector('.pp-ed');"
            " editor.setLooks({...editor.looks, threshold}) }",
            threshold,
        )
        mask = page.evaluate(_MASK, 1)
        # The page has the floats as 8-bit levels: it may take a pixel for one level more or less, and no further.
        most, corner = binary_mask(round_mask(frame), SIZE, threshold - 1)
        least, _ = binary_mask(round_mask(frame), SIZE, threshold + 1)
        theirs = np.reshape(mask["bits"], (mask["h"], mask["w"])).astype(bool)
        assert corner == (mask["x"], mask["y"])
        assert theirs.shape == most.shape
        assert not (theirs & ~most).any()
        assert not (least & ~theirs).any()


def test_what_the_server_refuses_is_said_and_changes_nothing(page: Page, tmp_path: Path) -> None:
    page.evaluate(
        """() => { const {editor} = document.querySelector(".pp-ed"), cat = editor.object(0);
          editor.replace({...cat, box: [0, 0, 5, 5]}, "broken") }"""
    )
    expect(page.locator(".pp-ed .pp-problem")).to_contain_text("outside the picture")
    stage(page).focus()
    stage(page).press("Control+z")
    expect(page.locator(".pp-ed .pp-problem")).to_be_hidden()
    found = json.loads(labels(page, "json", tmp_path).read_text())[0]["detections"]
    assert [each["label"] for each in found] == ["cat", "dog"]


def test_asked_again_right_after_a_correction_it_is_kept(page: Page) -> None:
    before = page.locator(".pp-ed").get_attribute("data-drawn")
    settled(page)
    page.evaluate(
        """() => { document.querySelector(".pp-ed").editor.relabel(0, "lynx");
          document.querySelector("#pp-segment-run").click() }"""
    )
    expect(page.locator(".pp-ed")).not_to_have_attribute("data-drawn", before or "")
    expect(page.locator("#pp-found")).to_contain_text("lynx")
    expect(page.locator(".pp-ed .pp-problem")).to_be_hidden()


def test_what_is_dragged_when_another_answer_comes_is_let_go_and_said_to_be_lost(page: Page) -> None:
    page.mouse.move(*at(page, 100, 120))
    page.mouse.down()
    page.mouse.move(*at(page, 140, 140))
    page.evaluate(
        """() => { const {editor} = document.querySelector(".pp-ed");
          return editor.load({...editor.scene, key: "other"}) }"""
    )
    page.mouse.move(*at(page, 160, 160))
    page.mouse.up()
    assert boxes(page)[0] == CAT
    page.wait_for_function("document.querySelector('.pp-ed').editor.selected === null")
    expect(page.locator(".pp-ed .pp-problem")).to_contain_text("Your last change was not kept")


def test_a_verdict_is_one_key_or_one_click_and_the_rejected_are_no_labels(page: Page, tmp_path: Path) -> None:
    page.locator("#pp-found tbody tr").nth(1).locator("[data-review=rejected]").click()
    stage(page).focus()
    stage(page).press("Tab")
    stage(page).press("a")
    expect(page.locator("#pp-found tbody tr").nth(0)).to_have_attribute("data-review", "accepted")
    expect(page.locator(".pp-ed-live").last).to_contain_text("accepted")
    names = [each["category_id"] for each in json.loads(labels(page, "coco", tmp_path).read_text())["annotations"]]
    assert names == [1]
    stage(page).press("a")
    expect(page.locator("#pp-found tbody tr").nth(0)).to_have_attribute("data-review", "open")


def test_the_status_follows_what_is_deleted_and_brought_back(page: Page) -> None:
    status = page.locator("#pp-status strong")
    expect(status).to_have_text("Found 2 objects")
    page.locator("#pp-found tbody tr").nth(1).click()
    stage(page).focus()
    stage(page).press("Delete")
    expect(status).to_have_text("Found 2 objects · 1 after corrections")
    stage(page).press("Control+z")
    expect(status).to_have_text("Found 2 objects")


def test_what_is_drawn_is_asked_for_its_name_at_its_corner(page: Page) -> None:
    name = page.get_by_label("Label of this object")
    stage(page).press("b")
    drag(page, (520, 300), (600, 380))
    expect(name).to_be_focused()
    name.dblclick()  # selects its word, and no object under it
    expect(name).to_be_focused()
    page.keyboard.type("Urne")  # u, r and e mean something to the stage
    page.keyboard.press("Enter")
    row = page.locator("#pp-found tbody tr").nth(2)
    expect(row.locator("th")).to_contain_text("Urne")
    expect(row).to_have_attribute("data-review", "open")
    expect(name).to_be_hidden()
    stage(page).press("b")
    drag(page, (420, 300), (500, 380))
    expect(name).to_have_value("Urne")  # as the one before, until something else is typed
    page.keyboard.type("x")
    page.keyboard.press("Escape")
    expect(page.locator("#pp-found tbody th").nth(3)).to_contain_text("Urne")


def test_where_only_one_label_is_known_nothing_is_asked(page: Page) -> None:
    page.evaluate(
        "() => { const {editor} = document.querySelector('.pp-ed'); editor.scene.labels = []; editor.remove(1) }"
    )
    stage(page).press("b")
    drag(page, (520, 300), (600, 380))
    expect(page.locator("#pp-found tbody th").nth(1)).to_contain_text("cat")
    expect(stage(page)).to_be_focused()


def test_row_and_picture_point_at_each_other(page: Page) -> None:
    rows = page.locator("#pp-found tbody tr")
    page.mouse.move(*at(page, 500, 200))
    expect(rows.nth(1)).to_have_attribute("data-hovered", "true")
    rows.nth(0).hover()
    page.wait_for_function("document.querySelector('.pp-ed').editor.hovered === 0")
    rows.nth(1).locator("th").click()
    page.wait_for_function("document.querySelector('.pp-ed').editor.selected === 1")
    expect(page.locator(".pp-ed-label")).to_have_value("dog")


def test_the_panel_says_where_it_came_from_and_what_was_there_before(page: Page) -> None:
    drag(page, (100, 120), (110, 120))
    page.get_by_text("Where it came from").click()
    facts = page.locator(".pp-ed-facts")
    expect(facts).to_contain_text("cat; dog")
    expect(facts).to_contain_text("13, 80, 307, 320 px")
    expect(facts).to_contain_text("yes, by a person")
    expect(facts).to_contain_text("0.900, before it was changed")
    page.get_by_role("button", name="Back to the model’s").click()
    expect(facts).to_contain_text("no, as the model gave it")
    page.get_by_text("Where it came from").click()


def test_everything_can_be_done_without_a_pointer(page: Page) -> None:
    stage(page).focus()
    stage(page).press("b")
    stage(page).press("Enter")  # a box in the middle
    expect(page.locator("#pp-found tbody tr")).to_have_count(3)
    stage(page).press("Control+Shift+ArrowRight")
    x1, _, x2, _ = boxes(page)[2]
    assert (x1, x2) == (240, 410)
    stage(page).press("m")
    stage(page).press("Space")
    stage(page).press("Shift+ArrowRight")
    expect(page.locator("#pp-found tbody tr").nth(2).locator("td").nth(2)).not_to_have_text("none")
    stage(page).press("Escape")
    stage(page).press("f")
    assert boxes(page)[2] != (x1, 150, x2, 250)
    stage(page).press(".")
    expect(page.locator(".pp-ed-threshold output")).to_have_text("132")
    stage(page).press("Delete")
    expect(page.locator("#pp-found tbody tr")).to_have_count(2)
    stage(page).press("Escape")
    stage(page).press("Tab")  # Esc, then Tab leaves
    assert page.evaluate("document.activeElement.classList.contains('pp-ed-stage')") is False


def test_zoom_keeps_what_is_under_the_pointer_there(page: Page) -> None:
    stage(page).focus()
    x, y = at(page, 500, 300)
    page.mouse.move(x, y)
    for _ in range(5):
        page.mouse.wheel(0, -200)
    page.wait_for_function("!document.querySelector('.pp-ed').editor.view.fitted")
    assert at(page, 500, 300) == pytest.approx((x, y), abs=2.5)  # the mouse stands on whole pixels
    stage(page).press("0")
    page.wait_for_function("document.querySelector('.pp-ed').editor.view.fitted")


def test_threshold_overlays_and_floor_ask_the_server_nothing(page: Page) -> None:
    page.wait_for_timeout(500)  # until what follows the answer has begun
    settled(page)
    asked: list[str] = []
    note = lambda request: asked.append(request.url)  # noqa: E731
    page.on("request", note)
    area = page.locator("#pp-found tbody td").nth(2)
    first = area.inner_text()
    slider = page.locator("#pp-threshold input[type=range]")
    slider.focus()
    for _ in range(10):
        slider.press("ArrowRight")
    expect(area).not_to_have_text(first)
    for title in ("Polygon", "Spotlight", "Halo", "Blur", "Pixelate"):
        page.locator("#pp-overlays").get_by_text(title, exact=True).click()
    page.locator("#pp-floor input[type=number]").fill("0.95")
    page.locator("#pp-floor input[type=number]").press("Enter")
    expect(page.locator("#pp-found tbody tr")).to_have_count(1)  # an unknown score always shows
    expect(page.locator("#pp-found")).to_contain_text("1 more below the score floor")
    page.remove_listener("request", note)
    page.locator("#pp-floor input[type=number]").fill("0")
    page.locator("#pp-floor input[type=number]").press("Enter")
    for title in ("Polygon", "Spotlight", "Halo", "Blur", "Pixelate"):
        page.locator("#pp-overlays").get_by_text(title, exact=True).click()
    assert not [url for url in asked if "heartbeat" not in url and not url.startswith("data:")]


def test_a_finger_selects_and_moves_on_a_phone(browser: Any, page_server: Served) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, device_scale_factor=2)
    page = context.new_page()
    page.goto(page_server.address, wait_until="domcontentloaded")
    expect(page.locator(".pp-ed[data-drawn]")).to_be_visible()
    see_tasks(page)
    ask(page, "Segment", "cat; dog")
    expect(page.locator("#pp-found tbody tr")).to_have_count(2)
    stage(page).scroll_into_view_if_needed()
    page.wait_for_function(  # the page scrolls to the result by itself
        "() => { const y = scrollY; return new Promise((is) => setTimeout(() => is(scrollY === y), 400)) }"
    )
    side = page.evaluate("document.querySelector('.pp-ed').editor.scene.picture.w")
    page.touchscreen.tap(*at(page, side * 0.25, side * 0.5))
    expect(page.locator("#pp-found tbody tr").nth(0)).to_have_attribute("aria-selected", "true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = page.locator(".pp-ed-tool").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().height)")
    assert min(sizes) >= 40
    context.close()


def test_another_picture_leaves_corrections_behind_to_be_brought_back(page: Page, photo: Path) -> None:
    drag(page, (160, 200), (190, 230))
    expect(page.locator("#pp-found tbody tr").first).to_contain_text("edited")
    moved = boxes(page)
    page.locator("#pp-gallery button").nth(1).click()
    left = page.locator("#pp-left-behind")
    expect(left).to_contain_text("with 1 object you corrected, is kept.")
    expect(page.locator("#pp-found tbody tr")).to_have_count(0)
    left.get_by_role("button", name="Bring it back").click()
    expect(page.locator("#pp-found tbody tr")).to_have_count(2)
    assert boxes(page) == moved
    expect(left).not_to_contain_text("is kept")
