"""One headless Chromium for all browser tests; where there is none they are skipped, visibly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.acting import PATIENCE_MS, watch
from tests.ui.serving import Served, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="no chromium on this machine: apt-get install chromium"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    flags += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started: Any = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=flags, timeout=PATIENCE_MS
        )
        plain = started.new_context

        def patient(**look: Any) -> Any:
            context = plain(**look)
            context.set_default_timeout(PATIENCE_MS)
            watch(context)
            return context

        started.new_context = patient
        yield started
        started.close()


@pytest.fixture(scope="session")
def page_server() -> Served:
    return served()


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "garden.png"
    Image.radial_gradient("L").resize((640, 400)).convert("RGB").save(path)
    return path
