"""The whole way to the Gemini service and back, in a real browser: page, pool, client, stand-in, decoder, drawing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from backends import Pool
from grounding.settings import Settings
from tests.stand_in import Answer, StandIn, reply
from tests.ui.serving import free_port, serve

KEY = "AIzaTyped0000000000000000"
OPERATORS_KEY = "AIzaOperator000000000000"
BAD_KEY = {
    "error": {
        "code": 400,
        "message": f"API key not valid: {KEY}",
        "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }
}


@pytest.fixture(scope="module")
def service() -> Iterator[StandIn]:
    with StandIn() as service:
        yield service


@pytest.fixture(scope="module")
def address(service: StandIn) -> Iterator[str]:
    settings = Settings(gemini_api_key=OPERATORS_KEY, gemini_base_url=service.url, port=free_port())
    pool = Pool(settings)
    yield serve(settings, pool)[0]
    pool.close()


@pytest.fixture(scope="module")
def page(browser: Any, address: str, photo: Path) -> Iterator[Page]:
    """The page with a picture in it, Gemini chosen and a key typed."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(address, wait_until="domcontentloaded")
    expect(page.locator("#pp-stage img")).to_be_visible()
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(page.locator("#pp-current")).to_contain_text("640 × 400 px")
    page.locator("#pp-backend input").click()
    page.get_by_role("option", name="Gemini").click()
    expect(page.locator("#pp-key")).to_be_visible()
    yield page
    context.close()


def ask(page: Page, tab: str, words: str) -> None:
    page.get_by_role("tab", name=tab).click()
    page.locator(f"#pp-{tab.lower()}-prompt").locator("input, textarea").fill(words)
    page.locator("#pp-key input").fill(KEY)
    page.locator(f"#pp-{tab.lower()}-run").click()


def soft_mask() -> str:
    buffer = BytesIO()
    Image.radial_gradient("L").point(lambda value: 255 - value).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_without_a_key_of_ones_own_nothing_is_asked_of_anyone(page: Page, service: StandIn) -> None:
    page.get_by_role("tab", name="Detect").click()
    page.locator("#pp-detect-prompt").locator("input, textarea").fill("cup")
    page.locator("#pp-detect-run").click()
    expect(page.locator("#pp-trouble")).to_contain_text("needs an API key")
    assert service.requests == []


def test_boxes_and_masks_appear_and_fifty_threshold_moves_ask_nothing_more(page: Page, service: StandIn) -> None:
    items = [
        {"box_2d": [250, 100, 750, 400], "mask": soft_mask(), "label": "cup"},
        {"box_2d": [200, 500, 800, 900], "mask": soft_mask(), "label": "jug"},
    ]
    usage = {"promptTokenCount": 270, "candidatesTokenCount": 900}
    service.says(reply(f"```json\n{json.dumps(items)}\n```", usageMetadata=usage))
    ask(page, "Segment", "cup; jug")
    expect(page.locator("#pp-status")).to_contain_text("Found 2 objects")
    area = page.locator("#pp-found tbody td").nth(2)
    expect(area).to_have_text(re.compile(r"\d"))
    first = area.inner_text()
    slider = page.locator("#pp-threshold input[type=range]")
    slider.focus()
    for _ in range(50):
        slider.press("ArrowRight")
    expect(area).not_to_have_text(first)
    page.wait_for_timeout(400)
    assert len(service.requests) == 1
    parts = service.requests[0].body["contents"][0]["parts"]
    assert [next(iter(part)) for part in parts] == ["inlineData", "text"]
    assert service.requests[0].headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(Answer(body={"promptFeedback": {"blockReason": "SAFETY"}}), "Blocked before", id="prompt blocked"),
        pytest.param(reply("half of", finish="RECITATION"), "withheld", id="answer withheld"),
        pytest.param(reply('[{"box_2d": [100, 100, 500, 500], "label"', finish="MAX_TOKENS"), "cut", id="answer cut"),
        pytest.param(reply("[]"), "Nothing found", id="nothing there"),
        pytest.param(reply("I would rather not."), "Could not read", id="unreadable"),
        pytest.param(Answer(400, BAD_KEY), "refused this key", id="key refused"),
    ],
)
def test_each_way_a_request_can_end_is_said_in_its_own_words(
    page: Page, service: StandIn, answer: Answer, said: str
) -> None:
    service.says(answer)
    ask(page, "Detect", "cup")
    expect(page.locator("#pp-result")).to_contain_text(re.compile(said, re.IGNORECASE))
    expect(page.locator("#pp-detect-run")).to_be_enabled()
    assert KEY not in page.locator("body").inner_text()
