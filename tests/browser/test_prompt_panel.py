"""PaliGemma's prompts word for word, in the page: put together, changed by hand, asked."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from grounding.types import Task
from tests.browser.acting import settled
from tests.browser.test_page import open_page
from tests.ui.serving import Served


def test_a_prompt_put_together_or_typed_reaches_the_model_word_for_word(browser: Any, page_server: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    open_page(page, page_server)
    page.locator("#pp-words button").first.click()
    words = page.locator("#pp-words-prompt textarea, #pp-words-prompt input").first
    page.get_by_role("combobox", name="Kind").click()
    page.get_by_role("option", name="Make up a question").click()
    expect(words).to_have_value("question en")
    page.locator("#pp-words-typed textarea, #pp-words-typed input").first.press_sequentially("two")
    expect(words).to_have_value("question en two")
    words.fill("detect cat ; dog")
    settled(page)
    asked = len(page_server.pool.echo.requests)
    page.locator("#pp-words-run").click()
    expect(page.locator("#pp-result")).to_contain_text("Detect")
    expect(page.locator("#pp-words-run")).to_be_enabled(timeout=60_000)
    last = page_server.pool.echo.requests[-1]
    assert len(page_server.pool.echo.requests) == asked + 1
    assert (last.task, last.text, last.labels) == (Task.DETECT, "detect cat ; dog", ())
    context.close()
