"""What people touch, in a real browser: one story per test, told with a fast backend behind the page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from grounding.types import Task
from tests.browser.acting import ask, see_tasks, settled, until
from tests.browser.files import choose_format, download
from tests.ui.serving import Served
from ui import examples

CANARY = "AIzaCANARY0000000000000"
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def tab(browser: Any, page_server: Served) -> Iterator[tuple[Page, list[str]]]:
    """The page, opened once: loading takes longer than any test. What goes wrong in it gathers in the list."""
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url) if not _ours(asked.url, page_server) else None)
    page.on("dialog", lambda dialog: (wrong.append("a script ran"), dialog.dismiss()))
    open_page(page, page_server)
    yield page, wrong
    context.close()


@pytest.fixture
def page(tab: tuple[Page, list[str]]) -> Iterator[Page]:
    """The page as the last test left it; fails if the browser reports an error or asks for anything elsewhere."""
    page, wrong = tab
    yield page
    assert not wrong, wrong.clear()


def _ours(url: str, server: Served) -> bool:
    return url.startswith((server.address, "data:", "blob:"))


def open_page(page: Page, server: Served, query: str = "") -> None:
    page.goto(f"{server.address}/{query}", wait_until="domcontentloaded")
    expect(page.locator("#pp-stage img")).to_be_visible()
    see_tasks(page)


def status(page: Page) -> Any:
    return page.locator("#pp-status")


def test_upload_detect_and_read_the_result(page: Page, page_server: Served, photo: Path, tmp_path: Path) -> None:
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(page.locator("#pp-current")).to_contain_text("640 × 400 px")
    expect(page.locator("#pp-current")).to_contain_text("garden.png")
    ask(page, "Detect", "cat; dog")
    expect(status(page)).to_contain_text("Found 2 objects")
    rows = page.locator("#pp-found tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("13, 80 – 307, 320")
    expect(rows.nth(1)).to_contain_text("unknown")
    expect(page.locator("#pp-report")).to_contain_text("three numbers instead of four")
    assert page_server.pool.echo.requests[-1].images[0].size_wh == (640, 400)

    choose_format(page, "json")
    path = download(page, "#pp-save-labels", tmp_path)
    assert path.name == "garden-pinpoint.json"
    (answer,) = json.loads(path.read_text())
    assert [each["label"] for each in answer["detections"]] == ["cat", "dog"]


def test_fifty_threshold_moves_redraw_and_never_call_the_model(page: Page, page_server: Served) -> None:
    ask(page, "Segment", "cat")
    expect(status(page)).to_contain_text("Found 1 object")
    calls = len(page_server.pool.echo.requests)
    area = page.locator("#pp-found tbody td").nth(2)
    expect(area).to_have_text(re.compile(r"\d"))  # the canvas decodes masks after the status line is written
    first = area.inner_text()
    slider = page.locator("#pp-threshold input[type=range]")
    slider.focus()
    for _ in range(50):
        slider.press("ArrowRight")
    expect(page.locator("#pp-threshold input[type=number]")).to_have_value("177")
    expect(area).not_to_have_text(first)
    page.locator("#pp-overlays").get_by_text("Polygon").click()
    page.wait_for_timeout(400)
    settled(page)
    assert len(page_server.pool.echo.requests) == calls
    assert int(area.inner_text().replace(" ", "")) < int(first.replace(" ", ""))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param("nothing", "Nothing found", id="nothing"),
        pytest.param("blocked", "Blocked before an answer", id="blocked"),
        pytest.param("broken", "The service is busy", id="busy"),
        pytest.param("bug", "Something went wrong", id="bug"),
        pytest.param(" ", "Type what to look for", id="empty prompt"),
    ],
)
def test_each_ending_reads_differently_and_keeps_the_inputs(page: Page, words: str, said: str) -> None:
    ask(page, "Detect", words)
    expect(status(page)).to_contain_text(said)
    expect(page.locator("#pp-detect-prompt").locator("input, textarea")).to_have_value(words)
    expect(page.locator("#pp-detect-run")).to_be_enabled()
    expect(page.locator("#pp-stage img")).to_be_visible()


def test_the_last_result_stays_until_stop_gives_the_page_back(page: Page, page_server: Served) -> None:
    ask(page, "Detect", "cat")
    expect(status(page)).to_contain_text("Found 1 object")
    shown = page.locator("#pp-stage img").get_attribute("src")
    before = page_server.pool.echo.stopped
    ask(page, "Detect", "slow")
    expect(status(page)).to_contain_text("Looking for it")
    expect(page.locator("#pp-detect-run")).to_be_disabled()
    expect(page.locator("#pp-found tbody tr")).to_have_count(1)
    pressed = time.monotonic()
    page.locator("#pp-detect-stop").click()
    expect(status(page)).to_contain_text("Stopped")
    assert time.monotonic() - pressed < 15, "by itself it would have answered after 20"
    expect(page.locator("#pp-detect-run")).to_be_enabled()
    assert page.locator("#pp-stage img").get_attribute("src") == shown
    until(page, lambda: page_server.pool.echo.stopped > before)


def test_what_a_model_or_a_person_writes_is_only_text(page: Page) -> None:
    evil = "<img src=x onerror=alert(1)>"
    ask(page, "Detect", f"{evil}; <b>bold</b>")
    expect(page.locator("#pp-found tbody th").first).to_have_text(evil)
    expect(page.locator("#pp-found b")).to_have_count(0)
    ask(page, "Ask", f"{evil} ![](http://evil.example/x.png)")
    expect(page.locator(".pp-said")).to_contain_text(evil)
    expect(page.locator("#pp-result img[src='x'], #pp-result img[src*='evil']")).to_have_count(0)


def test_a_key_reaches_the_model_and_stays_nowhere(page: Page, page_server: Served) -> None:
    page.locator("#pp-backend input").click()
    page.get_by_role("option", name="Gemini").click()
    expect(page.locator("#pp-who")).to_contain_text("sent to Google")
    ask(page, "Caption", "")
    expect(page.locator("#pp-trouble")).to_contain_text("needs an API key")
    page.locator("#pp-key input").fill(CANARY)
    ask(page, "Caption", "briefly")
    expect(status(page)).to_contain_text("Caption")
    settled(page)
    assert page_server.pool.keys[-1] == CANARY
    kept = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert CANARY not in kept
    assert page.evaluate("async () => (await indexedDB.databases()).length") == 0
    assert CANARY not in page.content()
    assert page_server.forgets(CANARY)
    open_page(page, page_server)
    assert CANARY not in page.content()
    for path in ("config", "gradio_api/info"):
        assert CANARY not in page.request.get(f"{page_server.address}/{path}").text()


def test_filters_rest_with_a_reason_where_the_model_has_none(page: Page, page_server: Served) -> None:
    open_page(page, page_server)
    page.get_by_text("Safety filters").click()
    expect(page.get_by_text("no safety filter")).to_be_visible()
    expect(page.locator(".pp-segmented input:not([disabled])")).to_have_count(0)
    page.locator("#pp-backend input").click()
    page.get_by_role("option", name="Gemini").click()
    expect(page.locator(".pp-segmented input:not([disabled])")).to_have_count(25)


def test_an_example_and_a_new_scene_bring_picture_and_prompt(page: Page) -> None:
    prompt = page.locator("#pp-detect-prompt").locator("input, textarea")
    page.locator("#pp-gallery button.thumbnail-item").nth(1).click()
    expect(prompt).to_have_value(examples.shown()[1].prompts[Task.DETECT])
    expect(page.locator("#pp-current")).to_contain_text(f"Scene {examples.shown()[1].seed}")
    chip = page.locator("#pp-current strong")
    name = chip.inner_text()
    page.get_by_role("button", name="New scene").click()
    expect(chip).not_to_have_text(name)


def test_asking_at_once_after_choosing_an_example_asks_about_that_example(page: Page, page_server: Served) -> None:
    open_page(page, page_server)
    settled(page)
    page.locator("#pp-gallery button.thumbnail-item").nth(3).click()
    page.locator("#pp-detect-run:visible, #pp-segment-run:visible, #pp-ask-run:visible").first.click()
    expect(page.locator("#pp-current")).to_contain_text(f"Scene {examples.shown()[3].seed}")
    expect(status(page)).to_contain_text("Found")
    assert page_server.pool.echo.requests[-1].images[0].name == f"Scene {examples.shown()[3].seed}"


def test_the_small_model_says_what_it_does_not_know(page: Page, page_server: Served, photo: Path) -> None:
    open_page(page, page_server)
    page.get_by_role("tab", name="Detect").click()
    line = page.locator(".pp-before:visible").first
    expect(line).to_contain_text("call")
    expect(line).not_to_contain_text("drawn scenes")
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(line).to_contain_text("knows only drawn scenes")
    beside = page.locator("#pp-caution")
    expect(beside).to_be_hidden()
    ask(page, "Detect", "cat")
    expect(beside).to_contain_text("knows only drawn scenes")
    page.locator("#pp-gallery button.thumbnail-item").first.click()
    expect(beside).to_be_hidden()


def test_tabs_are_gone_through_by_arrow_keys(page: Page) -> None:
    page.get_by_role("tab", name="Detect").click()
    page.get_by_role("tab", name="Detect").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Segment")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Caption")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Detect")).to_have_attribute("aria-selected", "true")


def test_a_checkpoint_is_chosen_from_the_family(page: Page, page_server: Served) -> None:
    open_page(page, page_server)
    page.locator("#pp-family > button").click()
    page.get_by_role("button", name="Choose google/paligemma2-10b-mix-448").click()
    expect(page.locator("#pp-who")).to_contain_text("paligemma2-10b-mix-448")
    ask(page, "Detect", "cat")
    expect(status(page)).to_contain_text("paligemma2-10b-mix-448")
    open_page(page, page_server)


def test_a_damaged_picture_is_refused_and_the_old_one_kept(page: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    page.locator("#pp-drop input[type=file]").set_input_files(tmp_path / "broken.png")
    expect(page.locator("#pp-current")).to_contain_text("damaged")
    expect(page.locator("#pp-current img")).to_be_visible()


def test_a_heic_picture_is_shown(page: Page) -> None:
    heic = Path(__file__).parents[1] / "fixtures" / "pictures" / "turned.heic"
    page.locator("#pp-drop input[type=file]").set_input_files(heic)
    expect(page.locator("#pp-current")).to_contain_text("64 × 48 px")
    page.wait_for_function("document.querySelector('#pp-stage img')?.naturalWidth === 64")


def test_a_photo_is_taken_with_the_camera(browser: Any, page_server: Served) -> None:
    context = browser.new_context(viewport=DESKTOP, permissions=["camera"])
    page = context.new_page()
    open_page(page, page_server)
    page.get_by_label("Capture from camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("document.querySelector('#pp-drop video')?.videoWidth > 0")
    page.get_by_label("capture photo").click()
    expect(page.locator("#pp-current")).not_to_contain_text("Scene")
    expect(page.locator(".pp-problem:visible")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [pytest.param(DESKTOP, id="desktop"), pytest.param(PHONE, id="phone")])
def test_nothing_runs_over_the_edge(page: Page, page_server: Served, size: Any, theme: str) -> None:
    page.set_viewport_size(size)
    open_page(page, page_server, f"?__theme={theme}")
    ask(page, "Segment", "cat; a rather long label that has to be broken somewhere; شجرة كبيرة")
    expect(status(page)).to_contain_text("Found 3 objects")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    expect(page.locator("body.dark")).to_have_count(int(theme == "dark"))
    for control in ("#pp-segment-run", "#pp-save-labels", "#pp-drop"):
        expect(page.locator(control)).to_be_visible()
        box = page.locator(control).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]


def test_the_whole_way_works_by_keyboard_and_is_announced(page: Page) -> None:
    page.get_by_role("tab", name="Detect").click()
    prompt = page.locator("#pp-detect-prompt").locator("input, textarea")
    prompt.focus()
    prompt.fill("cat")
    settled(page)
    prompt.press("Enter")
    expect(status(page)).to_contain_text("Found 1 object")
    expect(status(page)).to_have_attribute("aria-live", "polite")
    expect(page.locator("#pp-stage img")).to_have_attribute("alt", re.compile("drawn on it"))
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.closest('#pp-save-labels') !== null"):
            break
    else:
        pytest.fail("the Tab key never reaches Download labels")


def test_a_scenes_truth_is_shown_beside_the_answer_and_only_for_scenes(page: Page, photo: Path) -> None:
    page.locator("#pp-gallery button").nth(2).click()
    example = examples.shown()[2]
    expect(page.locator("#pp-current")).to_contain_text(f"Scene {example.seed}")
    ask(page, "Detect", example.prompts[Task.DETECT])
    expect(status(page)).to_contain_text("Found")
    page.get_by_label("Compare with the ground truth").check()
    truth = page.locator("#pp-truth-said")
    expect(truth).to_contain_text("found")
    expect(truth.locator("tbody tr").first).to_be_visible()
    expect(page.locator("#pp-truth-image img")).to_be_visible()
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(page.locator("#pp-current")).to_contain_text("garden.png")
    expect(page.locator("#pp-truth")).to_be_hidden()
