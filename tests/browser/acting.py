"""Asking on the page as a hand does: once what is written to is there, and the call before is over.

A call is over a moment after its answer is shown, a long one on a busy machine; until then Gradio drops a press.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext, Page, Request, expect

PATIENCE_MS = 60_000
"""For anything on a busy machine; nothing waits that long when it works."""
_LONGEST_CALL_S = 6
TASKS = ("Segment", "Ask", "Caption", "Detect")

_UNDER_WAY: dict[BrowserContext, set[Request]] = {}


def watch(context: BrowserContext) -> None:
    """From now on it is known of the pages of `context` which calls are under way."""
    calls: set[Request] = set()
    _UNDER_WAY[context] = calls

    def began(request: Request) -> None:
        if request.is_navigation_request():  # those of the page before end unheard
            calls.clear()
        elif "/queue/" in request.url or request.method == "POST":
            calls.add(request)

    def ended(request: Request) -> None:
        calls.discard(request)

    context.on("request", began)
    context.on("requestfinished", ended)
    context.on("requestfailed", ended)
    context.on("close", lambda _: _UNDER_WAY.pop(context, None))


def settled(page: Page) -> None:
    """Returns once no call is under way, as far as one sees.

    Now and then Gradio leaves a stream open that tells nothing more: it is waited for no longer than a call here takes.
    """
    calls, ends = _UNDER_WAY[page.context], time.monotonic() + _LONGEST_CALL_S
    while calls and time.monotonic() < ends:
        page.wait_for_timeout(20)
    calls.clear()


def until(page: Page, is_so: Callable[[], object]) -> None:
    """Waits for what only the server knows."""
    ends = time.monotonic() + PATIENCE_MS / 1000
    while not is_so():
        assert time.monotonic() < ends
        page.wait_for_timeout(20)


def see_tasks(page: Page) -> None:
    """Each task's tab is built when it is first seen, too late for words put in at once."""
    for name in TASKS:
        page.get_by_role("tab", name=name).click()
        expect(page.locator(f"#pp-{name.lower()}-run")).to_be_visible()


def words_of(page: Page, tab: str) -> Any:
    """The field of a task's prompt."""
    return page.locator(f"#pp-{tab.lower()}-prompt").locator("input, textarea")


def ask(page: Page, tab: str, words: str) -> None:
    page.get_by_role("tab", name=tab).click()
    words_of(page, tab).fill(words)
    settled(page)
    page.locator(f"#pp-{tab.lower()}-run").click()
