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
TASKS = ("Segment", "Ask", "Caption", "Detect")

_QUIET_S = 0.2
"""One call may begin the next."""
_LEFT_OPEN_S = 10
"""Now and then Gradio leaves a stream open that tells nothing more: longer than this, and no call here is silent."""

_SEEN: dict[BrowserContext, _Calls] = {}


class _Calls:
    """Which calls of the pages of `context` are under way, and when one last began or ended."""

    def __init__(self, context: BrowserContext) -> None:
        self.under_way: set[Request] = set()
        self.changed_at = time.monotonic()
        context.on("request", self._began)
        context.on("requestfinished", self._ended)
        context.on("requestfailed", self._ended)

    def _began(self, request: Request) -> None:
        if request.is_navigation_request():  # those of the page before end unheard
            self.under_way = {each for each in self.under_way if each.frame != request.frame}
        elif "/queue/" in request.url or request.method == "POST":
            self.under_way.add(request)
            self.changed_at = time.monotonic()

    def _ended(self, request: Request) -> None:
        if request in self.under_way:
            self.under_way.discard(request)
            self.changed_at = time.monotonic()

    @property
    def settled(self) -> bool:
        quiet_s = time.monotonic() - self.changed_at
        if quiet_s > _LEFT_OPEN_S and all(each.method == "GET" for each in self.under_way):
            self.under_way.clear()
        return not self.under_way and quiet_s > _QUIET_S


def watch(context: BrowserContext) -> None:
    """From now on it is known of the pages of `context` which calls are under way."""
    _SEEN[context] = _Calls(context)
    context.on("close", lambda _: _SEEN.pop(context, None))


def settled(page: Page) -> None:
    """Returns once no call is under way, and none has been for a moment."""
    until(page, lambda: _SEEN[page.context].settled)


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
