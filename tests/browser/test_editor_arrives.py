"""The editor's code comes over the network like everything else: a request that fails is not the end of the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.ui.serving import Served
from ui.editor import NOT_LOADED, _place

MAIN = f"**{_place()}/main.js"


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_code_that_failed_to_come_twice_is_asked_for_again(page: Page, page_server: Served) -> None:
    page.route(MAIN, lambda route: route.abort(), times=2)
    page.goto(page_server.address, wait_until="domcontentloaded")
    expect(page.locator(".pp-ed[data-drawn]")).to_be_visible()


def test_code_that_never_comes_is_said_where_the_picture_would_be(page: Page, page_server: Served) -> None:
    page.route(MAIN, lambda route: route.abort())
    page.goto(page_server.address, wait_until="domcontentloaded")
    expect(page.locator("#pp-stage")).to_contain_text(NOT_LOADED)
