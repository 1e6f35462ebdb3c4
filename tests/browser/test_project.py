"""A data set in a real browser: made, filled, asked, corrected, approved, taken away, and there again afterwards."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pycocotools.coco import COCO

from grounding.settings import Settings
from tests.browser.acting import settled
from tests.ui.echo import EchoPool
from tests.ui.serving import free_port, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="module")
def address(folder: Path) -> str:
    return serve_from(folder)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    paths = [tmp_path_factory.mktemp("pictures") / f"garden {place}.png" for place in range(3)]
    for place, path in enumerate(paths):
        Image.radial_gradient("L").resize((640, 400 + place)).convert("RGB").save(path)
    return paths


def serve_from(folder: Path) -> str:
    settings = Settings(port=free_port(), projects=str(folder))
    return serve(settings, EchoPool(settings))[0]


@contextmanager
def opened(browser: Any, address: str, **look: Any) -> Iterator[Page]:
    """The page, whose script says nothing is wrong all the while."""
    context = browser.new_context(**({"viewport": {"width": 1400, "height": 1000}} | look))
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(address, wait_until="domcontentloaded")
    expect(page.locator(".pp-ed[data-drawn]")).to_be_visible()
    yield page
    assert not wrong
    context.close()


def go(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def says(page: Page, where: str, words: str) -> None:
    expect(page.locator(where)).to_contain_text(words)


def choose(page: Page, button: str, files: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(button).click()
    chooser.value.set_files(files)


def ask(page: Page, prompt: str, count: int) -> None:
    box = page.locator("#pp-detect-prompt").locator("input, textarea")
    box.fill(prompt)
    settled(page)
    page.locator("#pp-detect-run").click()
    expect(page.locator("#pp-found tbody tr")).to_have_count(count)
    settled(page)  # until then nothing is decided about the picture


def test_a_project_is_made_filled_reviewed_exported_and_there_again(
    browser: Any, address: str, folder: Path, pictures: list[Path], tmp_path: Path
) -> None:
    with opened(browser, address) as page:
        go(page, "Project")
        says(page, "#pp-shelf", "kept on this machine")
        page.locator("#pp-new-name").locator("input, textarea").fill("Garden")
        page.locator("#pp-new-project").click()
        says(page, "#pp-project-head", "0 pictures")
        choose(page, "#pp-project-add", pictures)
        expect(page.locator(".pp-grid li")).to_have_count(3)

        page.locator("[data-act=review]").click()
        says(page, "#pp-member", "In project Garden · 1 of 3 · open")
        ask(page, "cats; dog", 2)
        page.locator("#pp-found tbody tr").nth(0).click()
        stage = page.locator(".pp-ed-stage")
        for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
            stage.press(key)
        stage.press("u")  # one object in doubt, and on at once: the page waits until that is kept
        page.keyboard.press("Control+Enter")
        says(page, "#pp-member", "2 of 3")
        expect(page.locator("#pp-detect-prompt").locator("input, textarea")).to_have_value("cats; dog")
        expect(page.locator("#pp-found tbody tr")).to_have_count(0)
        ask(page, "cat; dog", 2)
        page.locator("#pp-member [data-act=unsure]").click()
        says(page, "#pp-member", "3 of 3")

        go(page, "Project")
        says(page, "#pp-project-head", "1 open · 1 approved · 1 unsure")
        expect(page.locator(".pp-grid rect")).to_have_count(4)
        page.locator(".pp-alike [data-act=merge]").click()
        says(page, "#pp-project-said", "1 object renamed")
        says(page, "#pp-project-labels", "2 in 2 pictures")
        page.locator("#pp-classes").locator("input, textarea").fill("dog; cat")
        page.locator("#pp-classes-set").click()
        says(page, "#pp-project-said", "2 classes in order")

        expect(page.locator("#pp-project-download")).to_have_count(0)  # losses first
        page.locator("#pp-project-prepare").click()
        says(page, "#pp-project-lost", "2 pictures")
        with page.expect_download() as got:
            page.locator("#pp-project-download").click()
        got.value.save_as(tmp_path / "coco.zip")
    coco = read_coco(tmp_path)
    (name,) = {coco.cats[each["category_id"]]["name"] for each in coco.anns.values()} - {"dog"}
    assert name == "cat", "the merged label"
    assert [coco.cats[number]["name"] for number in (1, 2)] == ["dog", "cat"]
    boxes = [coco.imgToAnns[image][0]["bbox"] for image in coco.getImgIds()]
    assert boxes[0] == pytest.approx([12.8 + 2, 80 + 1, 294.4, 240], abs=0.02)  # moved by 2 and 1 pixel
    assert boxes[1] == pytest.approx([12.8, 80.2, 294.4, 240.6], abs=0.02)

    for again in (address, serve_from(folder)):  # reloaded, and another server on the same folder
        with opened(browser, again) as page:
            go(page, "Project")
            page.locator("[data-act=open]").click()
            says(page, "#pp-project-head", "3 pictures · 1 open · 1 approved · 1 unsure")
            page.locator(".pp-pic").first.click()
            says(page, "#pp-member", "1 of 3 · approved")
            row = page.locator("#pp-found tbody tr").nth(0)
            expect(row).to_have_attribute("data-review", "unsure")
            expect(row).to_contain_text("15, 81 – 309, 321")
            expect(row).to_contain_text("edited")


def read_coco(folder: Path) -> COCO:
    with zipfile.ZipFile(folder / "coco.zip") as archive:
        (labels,) = (name for name in archive.namelist() if name.endswith(".json"))
        (folder / "labels.json").write_bytes(archive.read(labels))
    return COCO(folder / "labels.json")


def test_what_another_window_changed_is_not_overwritten_and_undo_shows_on_the_stage(
    browser: Any, address: str, pictures: list[Path]
) -> None:
    with opened(browser, address) as one, opened(browser, address) as other:
        says(one, "#pp-member", "Keep this picture")
        ask(one, "cat; dog", 2)
        one.locator("#pp-member select").select_option("")
        one.locator("#pp-member input").fill("Two")
        one.locator("#pp-member [data-act=add]").click()
        says(one, "#pp-member", "In project Two · 1 of 1")
        go(other, "Project")
        other.locator("[data-act=open][data-name=Two]").click()
        other.locator(".pp-pic").click()
        says(other, "#pp-member", "In project Two")
        expect(other.locator("#pp-found tbody tr")).to_have_count(2)
        other.locator("#pp-found tbody tr").nth(0).press("r")
        expect(other.locator("#pp-found tbody tr").nth(0)).to_have_attribute("data-review", "rejected")
        other.locator("#pp-member [data-act=again]").click()  # waits until it is kept
        expect(other.locator("#pp-found tbody tr").nth(0)).to_have_attribute("data-review", "rejected")

        one.locator("#pp-found tbody tr").nth(1).press("a")
        says(one, ".pp-ed", "changed in another window")
        one.locator("#pp-member [data-act=again]").click()
        expect(one.locator("#pp-found tbody tr").nth(0)).to_have_attribute("data-review", "rejected")
        expect(one.locator("#pp-found tbody tr").nth(1)).to_have_attribute("data-review", "open")
        go(one, "Project")
        one.locator("[data-act=open][data-name=Two]").click()
        says(one, "#pp-project-head", "Two")
        go(one, "Project")
        one.locator("#pp-project-head [data-act=undo]").click()
        says(one, "#pp-project-said", "Undone")
        go(one, "Picture")
        expect(one.locator("#pp-found tbody tr").nth(0)).to_have_attribute("data-review", "open")

        go(one, "Project")
        one.locator(".pp-project-head summary").click()
        one.locator("[data-act=delete]").click()
        says(one, "#pp-project-said", "is deleted")
        expect(one.locator("#pp-shelf")).not_to_contain_text("Two")
        go(one, "Picture")
        says(one, "#pp-member", "Keep this picture")
