"""The Compare page in a real browser: ask, look, match anew, take. One side answers steadily, the other wavers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acting import settled
from tests.ui.echo import Echo, Wavering
from tests.ui.serving import Served

CANARY = "AIzaCANARYcompare0000000"
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def tab(browser: Any, page_server: Served, photo: Path) -> Iterator[tuple[Page, list[str]]]:
    """The Compare page with a photo given, opened once. What goes wrong in it gathers in the list."""
    page_server.pool.twins = {"echo/two": Wavering()}
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: (wrong.append("a script ran"), dialog.dismiss()))
    page.goto(page_server.address, wait_until="domcontentloaded")
    expect(page.locator("#pp-stage img")).to_be_visible()
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(page.locator("#pp-current")).to_contain_text("640 × 400 px")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#pp-cmp-picture")).to_contain_text("garden.png")
    yield page, wrong
    context.close()
    page_server.pool.twins = {}


@pytest.fixture
def page(tab: tuple[Page, list[str]]) -> Iterator[Page]:
    page, wrong = tab
    page.get_by_role("tab", name="Compare").click()
    yield page
    assert not wrong, wrong.clear()


def compare(page: Page, words: str, kind: str = "Two models") -> None:
    page.get_by_label(kind, exact=True).check()
    choose(page, "a", "echo/two" if kind != "Two models" else "pinpoint-nano")
    if kind == "Two models":
        choose(page, "b", "echo/two")
    page.locator("#pp-cmp-prompt").locator("input, textarea").fill(words)
    before = page.evaluate("document.querySelector('#pp-cmp-board .pp-cmp')?.dataset.number ?? ''")
    run(page)
    if words.strip():  # what is said of the comparison before may be the same
        expect(page.locator("#pp-cmp-board .pp-cmp")).not_to_have_attribute("data-number", before)


def run(page: Page) -> None:
    settled(page)
    page.locator("#pp-cmp-run").click()


def choose(page: Page, side: str, model: str) -> None:
    field = page.locator(f"#pp-cmp-model-{side} input")
    if field.input_value() != model:
        field.fill(model)
        field.press("Enter")


def status(page: Page) -> Any:
    return page.locator("#pp-cmp-status")


def test_two_models_side_by_side_matched_anew_without_asking_and_taken_to_be_corrected(
    page: Page, page_server: Served
) -> None:
    pool = page_server.pool
    compare(page, "cat; dog; bird")
    expect(status(page)).to_contain_text("Both answered")
    board = page.locator("#pp-cmp-board")
    expect(board.locator("figure img")).to_have_count(2)
    rows = board.locator("tbody tr")
    expect(rows.first).to_contain_text("only A")
    expect(rows.first).to_contain_text("bird")
    expect(rows.last).to_contain_text("both")
    calls = len(pool.echo.requests) + len(pool.twins["echo/two"].requests)

    slider = page.locator("#pp-cmp-iou input[type=range]")
    slider.focus()
    slider.press("End")
    expect(page.locator(".pp-cmp-words")).to_contain_text("They share no object")
    slider.press("Home")
    expect(page.locator(".pp-cmp-words")).to_contain_text("Both name 2 objects")
    assert len(pool.echo.requests) + len(pool.twins["echo/two"].requests) == calls

    use = page.locator("[data-use]")
    expect(use).to_be_disabled()
    page.get_by_role("button", name="Take A").click()
    expect(use).to_have_text("Use 3 on the Picture page")
    rows.last.locator("input").nth(1).check()  # B's of the same object: A's is let go of
    expect(rows.last.locator("input").nth(0)).not_to_be_checked()
    slider.press("ArrowRight")
    expect(page.locator(".pp-cmp-words")).to_contain_text("IoU of 0.10")
    expect(use).to_have_text("Use 3 on the Picture page")
    use.click()
    expect(page.get_by_role("tab", name="Picture")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#pp-status")).to_contain_text("Found 3 objects")
    expect(page.locator("#pp-status")).to_contain_text("pinpoint-nano and echo/two")
    expect(page.locator("#pp-found tbody tr")).to_have_count(3)
    expect(page.locator("#pp-report")).to_contain_text("2 from A")


def test_a_row_that_is_looked_at_lights_up_in_both_pictures(page: Page) -> None:
    compare(page, "cat; dog; bird")
    expect(status(page)).to_contain_text("Both answered")
    page.locator("#pp-cmp-board tbody tr").last.hover()
    expect(page.locator(".pp-cmp-spot.pp-lit")).to_have_count(2)


def test_one_model_many_times_shows_how_far_its_boxes_spread(page: Page) -> None:
    compare(page, "cat; dog", "One model, many times")
    expect(status(page)).to_contain_text("5 of 5 answers came")
    rows = page.locator("#pp-cmp-board tbody tr")
    expect(rows.first).to_contain_text("of 5")
    expect(rows.last).to_contain_text("5 of 5")
    expect(rows.last).to_contain_text("px")
    expect(page.locator("#pp-cmp-side-b")).to_be_hidden()
    page.get_by_role("button", name="Take what most answers have").click()
    page.locator("[data-use]").click()
    expect(page.locator("#pp-status")).to_contain_text("Found")
    expect(page.locator("#pp-status")).to_contain_text("echo/two")


def test_stop_gives_the_page_back_and_keeps_what_came(page: Page, page_server: Served) -> None:
    class Prompt(Wavering):
        """At once, whatever it is asked."""

        def predict(self, request: Any, stop: Any = None) -> Any:
            return self._found(request)

    page_server.pool.twins["echo/two"] = Prompt()
    compare(page, "slow; cat")
    expect(status(page)).to_contain_text("Asking A")
    expect(page.locator("figure[data-state=silent]")).to_contain_text("Being asked")
    expect(page.locator("#pp-cmp-run")).to_be_disabled()
    pressed = time.monotonic()
    page.locator("#pp-cmp-stop").click()
    expect(status(page)).to_contain_text("Only B answered, then stopped")
    assert time.monotonic() - pressed < 15, "by itself it would have answered after 20"
    expect(page.locator("#pp-cmp-run")).to_be_enabled()
    expect(page.locator("figure[data-state=silent]")).to_contain_text("Stopped")
    expect(page.locator("#pp-cmp-board tbody tr").first).to_be_visible()
    page_server.pool.twins["echo/two"] = Wavering()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(" ", "Type what to look for", id="empty prompt"),
        pytest.param("broken", "Only B answered", id="one side fails"),
    ],
)
def test_what_cannot_be_asked_is_said_and_one_failure_is_not_two(
    page: Page, page_server: Served, words: str, said: str
) -> None:
    class Sound(Echo):
        def predict(self, request: Any, stop: Any = None) -> Any:
            return self._found(request)

    page_server.pool.twins["echo/two"] = Sound()
    compare(page, words)
    expect(status(page)).to_contain_text(said)
    page_server.pool.twins["echo/two"] = Wavering()


def test_a_key_typed_here_reaches_the_model_and_stays_nowhere(page: Page, page_server: Served) -> None:
    page.get_by_label("Two models", exact=True).check()
    expect(page.locator("#pp-cmp-key")).to_be_hidden()
    page.locator("#pp-cmp-backend-b input").click()
    page.get_by_role("option", name="Gemini").click()
    expect(page.locator("#pp-cmp-key")).to_be_visible()
    expect(page.locator("#pp-cmp-before")).to_contain_text("The picture is sent to Google")
    page.locator("#pp-cmp-prompt").locator("input, textarea").fill("cat")
    run(page)
    expect(status(page)).to_contain_text("needs an API key")
    page.locator("#pp-cmp-key input").fill(CANARY)
    run(page)
    expect(status(page)).to_contain_text("Both answered")
    assert CANARY in page_server.pool.keys
    assert page_server.forgets(CANARY)
    assert CANARY not in page.content()
    page.locator("#pp-cmp-backend-b input").click()
    page.get_by_role("option", name="PaliGemma").click()


def test_another_picture_says_what_the_comparison_is_about(page: Page) -> None:
    compare(page, "cat; dog")
    expect(status(page)).to_contain_text("Both answered")
    page.get_by_role("tab", name="Picture").click()
    page.locator("#pp-gallery button.thumbnail-item").nth(1).click()
    expect(page.locator("#pp-current")).to_contain_text("Scene")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#pp-cmp-stale")).to_contain_text("an earlier picture")
    page.get_by_role("button", name="Take A").click()
    page.locator("[data-use]").click()
    expect(page.locator("#pp-cmp-stale")).to_contain_text("Ask again about that one")


@pytest.mark.parametrize("kind", ["Two models", "One model, many times"])
def test_nothing_runs_over_the_edge_of_a_phone(page: Page, kind: str) -> None:
    page.set_viewport_size(PHONE)
    compare(page, "cat; a rather long label that has to be broken somewhere; شجرة كبيرة", kind)
    expect(status(page)).to_contain_text("answer")
    expect(page.locator("#pp-cmp-board tbody tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for part in ("#pp-cmp-run", "#pp-cmp-board figure", "[data-use]"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE["width"]
    page.set_viewport_size(DESKTOP)


def test_pages_are_reached_by_the_arrow_keys(page: Page) -> None:
    page.get_by_role("tab", name="Compare").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Batch")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#pp-batch-told")).to_have_attribute("aria-live", "polite")
    page.keyboard.press("Home")
    expect(page.get_by_role("tab", name="Picture")).to_have_attribute("aria-selected", "true")
