"""A batch in a real browser: dropped, watched, stopped, found again, gone on with, taken away."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO

from grounding.settings import Settings
from tests.browser.acting import settled
from tests.ui.batching import Held, pool_of, zipped
from tests.ui.echo import EchoPool
from tests.ui.serving import forgets, free_port, serve

KEY = "AIzaCANARY0000000000000"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, EchoPool]:
    """A page of its own, with projects and batches of its own, and a model that the test can hold."""
    settings = Settings(port=free_port(), projects=str(tmp_path_factory.mktemp("projects")))
    pool = pool_of(settings, Held(10**6))
    return *serve(settings, pool), pool


@pytest.fixture(scope="module")
def tab(browser: Any, served: tuple[str, Any, EchoPool]) -> Iterator[tuple[Page, list[str]]]:
    """The page, opened once: loading takes longer than any test. What goes wrong in it gathers in the list."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: dialog.accept())
    open_page(page, served[0])
    yield page, wrong
    context.close()


@pytest.fixture
def page(tab: tuple[Page, list[str]]) -> Iterator[Page]:
    page, wrong = tab
    yield page
    assert not wrong, wrong.clear()


def open_page(page: Page, address: str) -> None:
    page.goto(address, wait_until="domcontentloaded")
    expect(page.locator("#pp-stage img")).to_be_visible()
    page.get_by_role("tab", name="Batch").click()
    expect(page.locator("#pp-batch-start")).to_be_visible()


def fill(page: Page, field: str, words: str) -> None:
    page.locator(f"#pp-batch-{field}").locator("input, textarea").first.fill(words)


def drop(page: Page, archive: Path) -> None:
    """In place of what lies there."""
    clear(page)
    page.locator("#pp-batch-files input[type=file]").set_input_files(archive)


def clear(page: Page) -> None:
    away = page.locator("#pp-batch-files").get_by_label("Clear")
    if away.count():
        away.click()
        expect(away).to_have_count(0)


def give(page: Page, archive: Path, words: str, count: int) -> None:
    """Returns once all `count` pictures of `archive` have arrived."""
    drop(page, archive)
    fill(page, "prompt", words)
    expect(page.locator("#pp-batch-before")).to_contain_text(re.compile(rf"(?<!\d){count} pictures.*calls", re.DOTALL))
    settled(page)


def status(page: Page) -> Any:
    return page.locator("#pp-batch-status")


def test_a_zip_is_labelled_its_broken_picture_named_and_the_labels_taken_away(
    page: Page, served: tuple[str, Any, EchoPool], tmp_path: Path
) -> None:
    give(page, zipped(tmp_path / "six.zip", 6, broken=(3,)), "cat; dog", 6)
    expect(page.locator("#pp-batch-before")).to_contain_text("6 pictures.12 calls")
    page.locator("#pp-batch-start").click()
    expect(status(page)).to_contain_text("Done: 5 of 6 labelled")
    expect(page.locator("#pp-batch-finished li")).to_have_count(5)
    expect(page.locator("#pp-batch-finished li").first).to_contain_text("2 objects")
    expect(page.locator("#pp-batch-failures tbody tr")).to_have_count(1)
    expect(page.locator("#pp-batch-failures tbody tr")).to_contain_text("six.zip/003.png")
    expect(page.locator("#pp-batch-failures tbody tr")).to_contain_text("damaged")
    expect(page.locator("#pp-batch-summary")).to_contain_text("5 labelled · 1 without labels")
    expect(page.locator(".pp-batch-labels")).to_contain_text("cat 5")

    page.locator("#pp-batch-make").click()
    expect(page.locator("#pp-batch-lost")).to_contain_text("1 picture without an answer left out")
    with page.expect_download() as download:
        page.locator("#pp-batch-file").click()
    download.value.save_as(tmp_path / "labels.zip")
    with zipfile.ZipFile(tmp_path / "labels.zip") as archive:
        assert sorted(archive.namelist()) == ["annotations.json", "errors.csv"]
        archive.extract("annotations.json", tmp_path)
    coco = COCO(str(tmp_path / "annotations.json"))
    assert sorted(each["file_name"] for each in coco.loadImgs(coco.getImgIds())) == [
        f"six.zip/00{index}.png" for index in (0, 1, 2, 4, 5)
    ]
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["cat", "dog"]
    boxes = [each["bbox"] for each in coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(["cat"])))]
    assert boxes == [pytest.approx([0.02 * 64, 8, 0.46 * 64, 24])] * 5

    fill(page, "project", "Garden")
    page.locator("#pp-batch-put").click()
    expect(page.locator("#pp-batch-put-said")).to_contain_text("5 pictures are in the project now. 1 could not be read")


def test_stopped_and_reloaded_it_is_found_again_and_goes_on(
    page: Page, served: tuple[str, Any, EchoPool], tmp_path: Path
) -> None:
    address, _, pool = served
    echo: Any = pool.echo
    echo.only(3)
    echo.names.clear()
    try:
        give(page, zipped(tmp_path / "many.zip", 60), "cat", 60)
        page.locator("#pp-batch-start").click()
        expect(page.locator("#pp-batch-finished li").first).to_be_visible()
        expect(page.locator("#pp-batch-start")).to_be_disabled()
        expect(status(page).locator("progress")).to_have_attribute("max", "60")
        expect(status(page)).to_contain_text("left")
        open_page(page, address)
        expect(status(page)).to_contain_text("of 60 done")
        page.locator("#pp-batch-stop").click()
        expect(status(page)).to_contain_text("Stopped at 3 of 60")
        assert len(echo.names) == 3
        open_page(page, address)
        expect(status(page)).to_contain_text("Stopped at 3 of 60")
        echo.let()
        page.locator("#pp-batch-go-on").click()
        expect(status(page)).to_contain_text("Done: 60 of 60 labelled")
        assert sorted(echo.names) == [f"many.zip/{index:03d}.png" for index in range(60)]
    finally:
        echo.let()


def test_batches_of_before_are_there_to_come_back_to(page: Page) -> None:
    for pictures, ending in (("6 pictures", "Done: 5 of 6 labelled"), ("60 pictures", "Done: 60 of 60 labelled")):
        page.locator("#pp-batch-earlier input").click()
        page.get_by_role("option", name=f", {pictures}").click()
        expect(status(page)).to_contain_text(ending)


def test_what_cannot_be_done_is_said_beside_the_button_and_nothing_begins(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#pp-batch-start")).to_be_enabled()
    before = status(page).inner_text()
    fill(page, "prompt", "cat")
    page.locator("#pp-batch-start").click()
    expect(page.locator("#pp-batch-trouble")).to_contain_text("Give the pictures first")
    (tmp_path / "no.zip").write_bytes(b"words")
    drop(page, tmp_path / "no.zip")
    expect(page.locator("#pp-batch-before")).to_contain_text("not a ZIP archive")
    assert status(page).inner_text() == before


def test_a_key_is_used_and_stays_nowhere(page: Page, served: tuple[str, Any, EchoPool], tmp_path: Path) -> None:
    _, served_page, pool = served
    page.locator("#pp-batch-backend input").click()
    page.get_by_role("option", name="Gemini").click()
    page.locator("#pp-batch-key input").fill(KEY)
    give(page, zipped(tmp_path / "two.zip", 2), "cat", 2)
    expect(page.locator("#pp-batch-before")).to_contain_text("prices of")
    page.locator("#pp-batch-start").click()
    expect(status(page)).to_contain_text("Done: 2 of 2 labelled")
    assert pool.keys[-1] == KEY
    assert forgets(served_page, KEY)
    page.locator("#pp-batch-delete").click()
    expect(page.locator("#pp-batch-delete")).to_be_hidden()


def test_on_a_phone_nothing_scrolls_sideways(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    give(page, zipped(tmp_path / ("a-name-without-any-blank-in-it" * 4 + ".zip"), 5, broken=(1,)), "cat; dog", 5)
    page.locator("#pp-batch-start").click()
    expect(status(page)).to_contain_text("Done: 4 of 5 labelled")
    page.locator("#pp-batch-make").click()
    expect(page.locator("#pp-batch-file")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    rights = page.locator(".pp-batch-layout > *").evaluate_all(
        "(all) => all.map((each) => each.getBoundingClientRect().right)"
    )
    assert len(rights) == 2
    assert all(right <= 390 for right in rights), rights


def test_more_than_the_page_takes_at_once_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(30_000_000)
    clear(page)
    page.locator("#pp-batch-files input[type=file]").set_input_files([tmp_path / "a.png", tmp_path / "b.png"])
    expect(page.locator(".pp-problem", has_text="60 MB")).to_contain_text("50 MB at once is the limit")
    drop(page, zipped(tmp_path / "one.zip", 1))
    expect(page.locator(".pp-problem", has_text="60 MB")).to_have_count(0)
    expect(page.locator("#pp-batch-before")).to_contain_text("1 picture.")
