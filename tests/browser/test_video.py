"""A clip in a real browser: dropped, asked about moment by moment, scrubbed through by keys, taken away as a film."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from grounding import video
from grounding.types import Request, Result
from tests.browser.acting import settled
from tests.clip import clip
from tests.ui.echo import Echo
from tests.ui.serving import Served


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "walk.mp4"
    path.write_bytes(clip(40, size_wh=(320, 192)))
    return path


@pytest.fixture(scope="module")
def page(browser: Any, page_server: Served, walk: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(page_server.address, wait_until="domcontentloaded")
    expect(page.locator("#pp-stage img, .pp-ed[data-drawn]").first).to_be_visible()
    page.locator("#pp-drop input[type=file]").set_input_files(walk)
    expect(thumbs(page)).to_have_count(8)
    yield page
    context.close()


def thumbs(page: Page) -> Any:
    return page.locator("#pp-strip .pp-thumb")


def prompt(page: Page, words: str) -> None:
    page.locator("#pp-tabs").get_by_role("tab", name="Detect").click()
    page.locator("#pp-detect-prompt").locator("input, textarea").fill(words)


def test_a_clip_is_asked_about_moment_by_moment_and_scrubbed_through_by_keys(page: Page, page_server: Served) -> None:
    expect(thumbs(page).first).to_contain_text("0:00.2")
    before = len(page_server.pool.echo.requests)
    prompt(page, "cat; dog")
    expect(page.locator("#pp-album-takes")).to_contain_text("Each by itself: 16 calls")
    settled(page)
    page.get_by_role("button", name="Ask about each of the 8 moments").click()
    expect(page.locator("#pp-strip .pp-count")).to_have_count(8)
    assert [each.images[0].size_wh for each in page_server.pool.echo.requests[before:]] == [(320, 192)] * 8
    expect(page.locator("#pp-strip")).to_contain_text("16 objects in 8 asked about")
    thumbs(page).first.focus()
    for place in (1, 2):
        page.keyboard.press("ArrowRight")
        expect(thumbs(page).nth(place)).to_have_attribute("aria-pressed", "true")
        expect(thumbs(page).nth(place)).to_be_focused()
    expect(page.locator("#pp-found tbody tr")).to_have_count(2)
    for _ in range(4):  # faster than pictures come
        page.keyboard.press("ArrowRight")
    expect(thumbs(page).nth(6)).to_have_attribute("aria-pressed", "true")
    expect(thumbs(page).nth(6)).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator("#pp-current")).to_contain_text("walk at 0m03.7")


def test_a_correction_made_just_before_another_moment_is_shown_is_kept_and_counted(page: Page) -> None:
    thumbs(page).nth(2).click()
    expect(thumbs(page).nth(2)).to_have_attribute("aria-pressed", "true")
    rows = page.locator("#pp-found tbody tr")
    expect(rows).to_have_count(2)
    page.evaluate(
        """() => { const {editor} = document.querySelector(".pp-ed");
          editor.remove(editor.objects[0].id);
          document.querySelectorAll("#pp-strip .pp-thumb")[3].click() }"""
    )
    expect(thumbs(page).nth(3)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pp-strip")).to_contain_text("15 objects in 8 asked about")
    thumbs(page).nth(2).click()
    expect(rows).to_have_count(1)
    expect(page.locator(".pp-ed .pp-problem")).to_be_hidden()
    page.evaluate("() => { const {editor} = document.querySelector('.pp-ed'); editor.remove(editor.objects[0].id) }")
    expect(page.locator("#pp-strip")).to_contain_text("14 objects in 8 asked about")  # nobody turned to another


class Lasting(Echo):
    """Its second answer grows until it is stopped."""

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        self.moment_s = 60.0 if self.requests else 0.1
        yield from super().stream(request, stop)


def test_stop_ends_it_between_two_moments(page: Page, page_server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server.pool, "echo", Lasting())
    page.locator("#pp-pick").scroll_into_view_if_needed()
    page.locator("#pp-moments").locator("input, textarea").fill("3")
    page.locator("#pp-pick").click()
    expect(thumbs(page)).to_have_count(3)
    prompt(page, "grow; cat; dog")
    settled(page)
    page.locator("#pp-each").click()
    expect(page.locator("#pp-status")).to_contain_text("2 of 3")
    expect(page.locator("#pp-status")).to_contain_text("1 so far")
    expect(page.locator("#pp-found tbody tr").first).to_be_visible()
    page.locator("#pp-detect-stop").click()
    expect(page.locator("#pp-report")).to_contain_text("You stopped this. 2 of 3 pictures were asked about")
    expect(thumbs(page).nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pp-each")).to_be_enabled()


def test_the_annotated_film_is_downloaded_and_plays(page: Page, tmp_path: Path) -> None:
    page.locator("#pp-moments").locator("input, textarea").fill("0:00.5; 0:02")
    page.locator("#pp-moments").locator("input, textarea").press("Enter")
    expect(thumbs(page)).to_have_count(2)
    with page.expect_download() as download:
        page.locator("#pp-film").click()
    assert download.value.suggested_filename == "walk-pinpoint.mp4"
    download.value.save_as(tmp_path / "film.mp4")
    assert video.load(tmp_path / "film.mp4").seconds == pytest.approx(3.5, abs=0.05)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        pytest.param("99", "how many moments", id="too many"),
        pytest.param("9:59", "The clip ends at 0:04.0", id="too late"),
    ],
)
def test_odd_wishes_are_answered_in_the_page(page: Page, wish: str, said: str) -> None:
    page.locator("#pp-moments").locator("input, textarea").fill(wish)
    page.locator("#pp-pick").click()
    expect(page.locator("#pp-album-said")).to_contain_text(said)


def test_a_damaged_clip_is_refused_in_the_page(page: Page, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(clip(20)[:900])
    page.locator("#pp-drop input[type=file]").set_input_files(tmp_path / "cut.mp4")
    expect(page.locator("#pp-current .pp-problem")).to_contain_text("damaged")
    expect(page.locator(".toast-body")).to_have_count(0)
