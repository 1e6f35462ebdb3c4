"""The whole way to the Gemini service and back, in a real browser: page, pool, client, stand-in, decoder, drawing."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from backends import Pool
from grounding.settings import Settings
from tests.browser.acting import ask as press
from tests.browser.acting import see_tasks, settled, until
from tests.pdf import pdf
from tests.stand_in import Answer, StandIn, reply, streamed
from tests.ui.serving import forgets, free_port, serve

KEY = "AIzaTyped0000000000000000"
OPERATORS_KEY = "AIzaOperator000000000000"
RETRY = {"Content-Type": "application/json", "Retry-After": "12"}
HEARD_S = 15  # in which a stop is heard, on any machine: far sooner than the service would end by itself
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
def server(service: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    projects = str(tmp_path_factory.mktemp("projects"))
    settings = Settings(gemini_api_key=OPERATORS_KEY, gemini_base_url=service.url, port=free_port(), projects=projects)
    pool = Pool(settings)
    yield serve(settings, pool)
    pool.close()


@pytest.fixture(scope="module")
def address(server: tuple[str, Any]) -> str:
    return server[0]


@pytest.fixture(scope="module")
def page(browser: Any, address: str, photo: Path) -> Iterator[Page]:
    """The page with a picture in it, Gemini chosen and a key typed."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address, wait_until="domcontentloaded")
    expect(page.locator("#pp-stage img")).to_be_visible()
    page.locator("#pp-drop input[type=file]").set_input_files(photo)
    expect(page.locator("#pp-current")).to_contain_text("640 × 400 px")
    page.locator("#pp-backend input").click()
    page.get_by_role("option", name="Gemini").click()
    expect(page.locator("#pp-key")).to_be_visible()
    see_tasks(page)
    yield page
    context.close()


def ask(page: Page, tab: str, words: str) -> None:
    settled(page)  # a key is forgotten with the call it was for
    page.locator("#pp-key input").fill(KEY)
    press(page, tab, words)


def status(page: Page) -> Any:
    return page.locator("#pp-status")


def unfold(page: Page, fold: str) -> None:
    """Opens a fold that may be open already."""
    inside = page.locator(f"#{fold} button, #{fold} input, #{fold} textarea").nth(1)
    if not inside.is_visible():
        page.locator(f"#{fold} > button").click()


def entry(label: str, *box: int, **more: Any) -> str:
    return json.dumps({"box_2d": box, "label": label, **more})


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
    settled(page)
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
        pytest.param(reply("I would rather not."), "in words, without places", id="words only"),
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


def test_boxes_appear_one_after_the_other_and_the_last_answer_stays(page: Page, service: StandIn) -> None:
    pieces = ["[" + entry("cup", 100, 100, 400, 400), "," + entry("jug", 500, 500, 800, 800), "]"]
    usage = {"promptTokenCount": 290, "candidatesTokenCount": 60}
    turns = threading.Semaphore(1)
    service.says(streamed(*pieces, turns=turns, usageMetadata=usage))
    ask(page, "Detect", "cup; jug")
    expect(page.locator("#pp-found tbody tr")).to_have_count(1)
    expect(status(page)).to_contain_text("so far")
    turns.release(len(pieces))
    expect(status(page)).to_contain_text("Found 2 objects")
    expect(page.locator("#pp-found tbody tr")).to_have_count(2)
    expect(status(page)).to_contain_text("290 tokens in")
    assert len(service.requests) == 1


def test_an_answer_in_words_grows(page: Page, service: StandIn) -> None:
    turns = threading.Semaphore(1)
    service.says(streamed("A cup ", "beside ", "a jug.", turns=turns))
    ask(page, "Caption", "")
    expect(page.locator(".pp-said")).to_have_text("A cup")
    turns.release(2)
    expect(page.locator(".pp-said")).to_have_text("A cup beside a jug.")


def test_stop_ends_the_call_and_keeps_what_had_come(page: Page, service: StandIn) -> None:
    service.says(streamed("[" + entry("cup", 100, 100, 400, 400) + ",", *[" "] * 60, drip_s=1.0))
    ask(page, "Detect", "cup; jug")
    expect(status(page)).to_contain_text("1 so far")
    page.locator("#pp-detect-stop").click(no_wait_after=True)
    assert service.gone.wait(HEARD_S), "the service still believes someone listens"
    expect(status(page)).to_contain_text("You stopped this answer")
    expect(page.locator("#pp-found tbody tr")).to_have_count(1)


def test_stop_ends_a_call_that_hangs_in_silence(page: Page, service: StandIn) -> None:
    service.says(Answer(wait_s=60))
    ask(page, "Detect", "cup; jug")
    expect(status(page)).to_contain_text("Looking for it")
    expect(page.locator("#pp-detect-stop")).to_be_visible()
    until(page, lambda: service.requests)
    page.locator("#pp-detect-stop").click(no_wait_after=True)
    assert service.gone.wait(HEARD_S), "the service still believes someone listens"
    expect(status(page)).to_contain_text("Stopped before an answer came")


def test_a_wait_the_service_asks_for_is_counted_down(page: Page, service: StandIn) -> None:
    busy = Answer(429, {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}, RETRY)
    service.says(busy, streamed("[" + entry("cup", 100, 100, 400, 400) + "]"))
    page.evaluate(
        """() => { const said = document.querySelector("#pp-status"); window.waits = [];
          new MutationObserver(() => { const wait = /Asked to wait, (\\d+) s/.exec(said.textContent);
            if (wait) window.waits.push(Number(wait[1])) }).observe(said, {
            subtree: true, childList: true, characterData: true }) }"""
    )
    ask(page, "Detect", "cup")
    expect(status(page)).to_contain_text("Found 1 object")
    waits = page.evaluate("window.waits")
    assert waits == sorted(waits, reverse=True)
    assert len(set(waits)) > 1, "each second, unless the machine had no time for one"


def test_a_cut_answer_goes_on_with_one_click(page: Page, service: StandIn) -> None:
    first = "[" + entry("cup", 100, 100, 400, 400) + ', {"box_2d": [500, 5'
    service.says(streamed(first, finish="MAX_TOKENS"), streamed("[" + entry("jug", 500, 500, 800, 800) + "]"))
    ask(page, "Detect", "cup; jug")
    expect(status(page)).to_contain_text("1 whole, 1 partial")
    settled(page)
    page.locator("#pp-key input").fill(KEY)
    page.locator("#pp-go-on").click()
    expect(status(page)).to_contain_text("Found 2 objects")
    expect(page.locator("#pp-go-on")).to_be_hidden()
    assert [turn["role"] for turn in service.requests[1].body["contents"]] == ["user", "model", "user"]


def test_a_cut_answer_is_asked_again_with_a_higher_limit(page: Page, service: StandIn) -> None:
    service.says(streamed("[" + entry("cup", 1, 1, 9, 9) + ",", finish="MAX_TOKENS"), streamed("[]"))
    ask(page, "Detect", "cup; jug")
    expect(page.locator("#pp-higher")).to_be_visible()
    settled(page)
    page.locator("#pp-higher").click()
    expect(status(page)).to_contain_text("Nothing found")
    before, after = (each.body["generationConfig"]["maxOutputTokens"] for each in service.requests)
    assert after == 4 * before


def test_a_blocked_answer_has_a_panel_and_looks_like_nothing_else(page: Page, service: StandIn) -> None:
    rating = {"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}
    service.says(Answer(body={"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [rating]}}))
    ask(page, "Detect", "cup")
    panel = page.locator(".pp-blocked")
    expect(panel).to_contain_text("before the model answered")
    expect(panel).to_contain_text("The filter for Harassment stopped it")
    expect(panel.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#pp-found")).to_be_hidden()
    panel.get_by_role("button", name="Open the safety filters").click()
    expect(page.locator(".pp-segmented").first).to_be_visible()


def test_no_slider_is_offered_where_none_would_matter(page: Page, service: StandIn) -> None:
    service.says(Answer(body={"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}))
    ask(page, "Detect", "cup")
    expect(page.locator(".pp-blocked")).to_contain_text("No slider changes this")
    expect(page.locator(".pp-blocked button")).to_have_count(0)


def test_options_reach_the_service_and_the_request_is_shown_without_the_key(page: Page, service: StandIn) -> None:
    unfold(page, "pp-options")
    page.locator("#pp-option-instruction").locator("input, textarea").fill("only the green ones")
    page.locator("#pp-option-max-items input").fill("7")
    page.locator("#pp-option-max-items input").blur()
    expect(page.locator("p.pp-hint:visible", has_text="tokens").first).to_contain_text("tokens in")
    unfold(page, "pp-request")
    page.get_by_role("tab", name="Detect").click()
    page.locator("#pp-preview").click()
    expect(page.locator("#pp-request-shown")).to_contain_text("only the green ones")
    service.says(streamed("[]"))
    ask(page, "Detect", "cup")
    expect(status(page)).to_contain_text("Nothing found")
    words = service.requests[0].body["contents"][0]["parts"][-1]["text"]
    assert "only the green ones" in words
    assert "at most 7" in words
    page.locator("#pp-code").click()
    expect(page.locator("#pp-request-shown")).to_contain_text("genai.Client()")
    assert KEY not in page.locator("body").inner_text()
    page.locator("#pp-option-max-items input").fill("9000")
    ask(page, "Detect", "cup")
    expect(page.locator("#pp-trouble")).to_contain_text("goes from 1 to 1,000")
    page.locator("#pp-option-max-items input").fill("")
    page.locator("#pp-option-instruction").locator("input, textarea").fill("")


def test_a_saved_answer_is_replayed_and_nobody_is_asked(page: Page, service: StandIn) -> None:
    service.says(Answer(500))
    unfold(page, "pp-request")
    page.locator("#pp-saved textarea").fill("[" + entry("cup", 100, 100, 400, 400) + "]")
    page.locator("#pp-replay").click()
    expect(status(page)).to_contain_text("Found 1 object")
    expect(status(page)).to_contain_text("replayed")
    assert service.requests == []


def test_the_self_test_and_uploads_use_the_key_and_forget_it(
    page: Page, service: StandIn, server: tuple[str, Any]
) -> None:
    service.says(reply("[]"))
    unfold(page, "pp-request")
    page.locator("#pp-key input").fill(KEY)
    page.locator("#pp-test").click()
    expect(page.locator("#pp-request-said")).to_contain_text("not right")
    assert {sent.headers["x-goog-api-key"] for sent in service.requests} == {KEY}
    service.counts = Answer(body={"totalTokens": 1234})
    page.locator("#pp-key input").fill(KEY)
    page.locator("#pp-count").click()
    expect(page.locator("#pp-request-said")).to_contain_text("counts 1,234 tokens in; the estimate was ")
    page.locator("#pp-uploads").click()
    expect(page.locator("#pp-request-said")).to_contain_text("Nothing from here is kept")
    page.locator("#pp-delete").click()
    expect(page.locator("#pp-request-said")).to_contain_text("Nothing was kept")
    assert forgets(server[1], KEY)
    kept = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert KEY not in kept
    for path in ("config", "gradio_api/info"):
        assert KEY not in page.request.get(f"{server[0]}/{path}").text()


def test_two_pictures_are_asked_about_together_and_each_shows_its_own(
    page: Page, service: StandIn, tmp_path: Path
) -> None:
    for name, colour in (("left.png", "steelblue"), ("right.png", "tomato")):
        Image.new("RGB", (320, 200), colour).save(tmp_path / name)
    page.locator("#pp-drop input[type=file]").set_input_files([tmp_path / "left.png", tmp_path / "right.png"])
    expect(page.locator("#pp-strip .pp-thumb")).to_have_count(2)
    found = [entry("cup", 100, 100, 400, 400, picture=1), entry("jug", 500, 500, 800, 800, picture=2)]
    service.says(streamed(f"[{','.join(found)}]"))
    ask(page, "Detect", "cup; jug")
    rows = page.locator("#pp-found tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("cup")
    parts = service.requests[0].body["contents"][0]["parts"]
    assert [next(iter(part)) for part in parts] == ["text", "inlineData", "text", "inlineData", "text"]
    page.get_by_role("button", name="Show picture 2").click()
    expect(page.locator("#pp-current")).to_contain_text("right.png")
    expect(rows.first).to_contain_text("jug")
    page.get_by_role("button", name="Remove picture 1").click()
    expect(page.locator("#pp-strip .pp-thumb")).to_have_count(0)
    expect(rows.first).to_contain_text("jug")


def test_a_pdf_is_read_whole_and_its_pages_stand_beside_the_answer(
    page: Page, service: StandIn, tmp_path: Path
) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf(*(Image.new("RGB", (300, 400), shade) for shade in ("white", "ivory", "snow"))))
    page.locator("#pp-drop input[type=file]").set_input_files(path)
    expect(page.locator("#pp-strip .pp-leaf")).to_have_count(3)
    service.says(streamed("It is about cups [page 2]."))
    ask(page, "Ask", "What is it about?")
    expect(page.locator(".pp-said")).to_contain_text("about cups")
    sent = service.requests[0].body["contents"][0]["parts"][0]["inlineData"]
    assert base64.urlsafe_b64decode(sent["data"]) == path.read_bytes()
    assert "application/pdf" in sent.values()
    page.locator(".pp-cite").click()
    expect(page.locator("#pp-strip")).to_contain_text("page 2 is shown")
    expect(page.locator(".pp-said")).to_contain_text("about cups")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        pytest.param("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", id="an SVG"),
        pytest.param("notes.txt", b"not a picture", "picture", id="text"),
        pytest.param("locked.pdf", b"%PDF-1.4 and nothing more", "damaged", id="a damaged PDF"),
    ],
)
def test_odd_files_are_refused_in_the_page_in_a_sentence(
    page: Page, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    page.locator("#pp-drop input[type=file]").set_input_files(tmp_path / name)
    expect(page.locator("#pp-current .pp-problem")).to_contain_text(said)
    expect(page.locator(".toast-body")).to_have_count(0)
