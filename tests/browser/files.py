"""Taking files from the page and giving them to it, as a hand does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from grounding.exports import FORMATS


def choose_format(page: Page, name: str) -> None:
    """Downloads are of this format from now on."""
    field = page.locator("#pp-format input")
    if field.input_value() != FORMATS[name].title:
        field.click()
        page.get_by_role("option", name=FORMATS[name].title, exact=True).click()


def download(page: Page, button: str, folder: Path) -> Path:
    """What the button at `button` hands out, in `folder` under its own name."""
    with page.expect_download() as got:
        page.locator(button).click()
    path = folder / got.value.suggested_filename
    got.value.save_as(path)
    return path


def give(page: Page, button: str, files: Any) -> None:
    """`files` to the chooser that the button at `button` opens."""
    with page.expect_file_chooser() as chooser:
        page.locator(button).click()
    chooser.value.set_files(files)
