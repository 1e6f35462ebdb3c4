"""What is shown of a request before and after it: tokens, cost, the request, code that repeats it, a self-test."""

from __future__ import annotations

import base64
import json
import runpy
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import backends
from backends import SPECS, gemini_cost, gemini_models
from backends.gemini import Gemini
from backends.gemini_models import MODELS, UNKNOWN, find, price, retirement, thinking_config
from backends.gemini_selftest import CIRCLE, SQUARE, picture
from grounding import documents, images
from grounding.backend import Tools
from grounding.codecs.gemini import PRESETS
from grounding.errors import ConfigError, GroundingError, RequestError
from grounding.images import Picture
from grounding.types import Box, Harm, Level, Options, Outcome, Request, Resolution, Task, Thinking, Usage
from tests.pdf import pdf
from tests.recorded import Case, params
from tests.stand_in import Answer, Sent, StandIn, reply

KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"
MODEL = "gemini-3.6-flash"


@pytest.fixture(scope="module")
def backend(service: StandIn) -> Iterator[Gemini]:
    opened = Gemini(MODEL, KEY, service.url, deadline_s=60, backoff_s=0.01)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def tools() -> Tools:
    found = backends.tools("gemini")
    assert found is not None
    return found


def blank(width: int, height: int) -> Picture:
    return Picture(Image.new("RGB", (width, height), "teal"))


def full() -> Request:
    """A request with everything set."""
    options = Options(
        temperature=0.3, max_output_tokens=900, system="Be brief.", thinking=Thinking.HIGH, seed=7,
        resolution=Resolution.LOW, max_items=9, structured=True, language="Turkish",
    )  # fmt: skip
    safety = {Harm.HARASSMENT: Level.NONE, Harm.HATE_SPEECH: Level.DEFAULT}
    return Request(Task.DETECT, (blank(8, 6), blank(6, 8)), "only the green ones", ("cat", "it's"), options, safety)


def test_only_backends_with_tools_have_some(tools: Tools) -> None:
    assert backends.tools("paligemma") is None
    assert all(callable(getattr(tools, name)) for name in vars(Tools) if not name.startswith("_"))


TOKENS = [
    pytest.param("gemini-2.5-flash", (384, 384), None, 258, id="2.5, small"),
    pytest.param("gemini-2.5-flash", (385, 10), None, 258, id="2.5, one tile"),
    pytest.param("gemini-2.5-flash", (768, 769), None, 516, id="2.5, two tiles"),
    pytest.param("gemini-2.5-flash", (4000, 3000), None, 258 * 24, id="2.5, twelve megapixels"),
    pytest.param("gemini-2.5-flash", (4000, 3000), Resolution.LOW, 64, id="2.5, low"),
    pytest.param("gemini-3.6-flash", (10, 10), None, 1120, id="3, any size"),
    pytest.param("gemini-3.6-flash", (4000, 3000), Resolution.LOW, 280, id="3, low"),
    pytest.param("gemini-3.6-flash", (4000, 3000), Resolution.MEDIUM, 560, id="3, medium"),
    pytest.param("gemini-3.6-flash", (4000, 3000), Resolution.ULTRA_HIGH, 2240, id="3, ultra high"),
]


@pytest.mark.parametrize(("model", "size_wh", "resolution", "expected"), TOKENS)
def test_a_pictures_tokens_follow_the_published_rules(
    model: str, size_wh: tuple[int, int], resolution: Resolution | None, expected: int
) -> None:
    assert gemini_cost.picture_tokens(find(model), size_wh, resolution) == expected


def test_an_estimate_counts_pictures_pages_and_words(tools: Tools) -> None:
    document = documents.load(pdf(*[Image.new("RGB", (9, 9))] * 3))
    request = Request(Task.ASK, (blank(9, 9),), "x" * 400, documents=(document,), options=Options(system="y" * 400))
    found = tools.estimate(MODEL, request)
    assert found.image_tokens == 1120 + 3 * 560
    assert 200 <= found.prompt_tokens - found.image_tokens < 260
    assert found.cost_usd is not None
    assert found.most_usd is not None
    assert 0 < found.cost_usd < found.most_usd
    assert found.prices_of == gemini_models.AS_OF.isoformat()
    assert tools.estimate("somebodys-own", request).cost_usd is None


PRICES = [
    pytest.param("gemini-3.8-flash", date(2026, 12, 31), 0.75, id="half price to the year's end"),
    pytest.param("gemini-3.8-flash", date(2027, 1, 1), 1.50, id="whole price after"),
    pytest.param("gemini-4-argon", date(2026, 12, 1), 4.0, id="introduction over"),
]


@pytest.mark.parametrize(("model", "on", "expected"), PRICES)
def test_a_price_holds_for_its_days(model: str, on: date, expected: float) -> None:
    found = price(find(model), on)
    assert found is not None
    assert found.prompt == expected


def test_thoughts_cost_what_answers_do_and_long_prompts_more() -> None:
    on = date(2026, 11, 22)
    thinking = gemini_cost.spent("gemini-2.5-pro", Usage(1, 1000, None, 500, 500), on)
    assert thinking == pytest.approx((1000 * 1.25 + 1000 * 10) / 1e6)
    assert gemini_cost.dollars("gemini-2.5-pro", 300_000, 1000, on) == pytest.approx((300_000 * 2.5 + 1000 * 15) / 1e6)
    assert gemini_cost.spent("gemini-2.5-pro", Usage(1), on) is None


@pytest.mark.parametrize("model", SPECS["gemini"].models)
def test_every_model_the_page_offers_is_known_and_priced(model: str) -> None:
    assert find(model) is not UNKNOWN
    assert price(find(model), gemini_models.AS_OF) is not None
    assert {"Boxes", "Masks", "Thinking", "Retires", "Source"} <= dict(gemini_models.described(model)).keys()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.ids)
def test_each_wish_is_met_with_a_level_the_model_has(model: gemini_models.Model) -> None:
    for wish in Thinking:
        levels = list(thinking_config(model, wish).values())
        assert set(levels) <= set(model.levels)
        assert bool(levels) == (bool(model.levels) and wish is not Thinking.MODEL)
    if model.levels:
        assert list(thinking_config(model, Thinking.LEAST).values()) == [model.levels[0]]


RETIRING = [
    pytest.param("gemini-2.5-flash", date(2026, 11, 22), "retires on 2026-12-01", id="soon"),
    pytest.param("gemini-2.5-flash", date(2026, 12, 2), "has retired", id="gone"),
    pytest.param("gemini-2.5-flash", date(2026, 8, 1), "", id="not for long yet"),
    pytest.param("gemini-3.6-flash", date(2030, 1, 1), "", id="no date"),
    pytest.param("unknown", date(2030, 1, 1), "", id="unknown"),
]


@pytest.mark.parametrize(("model", "today", "words"), RETIRING)
def test_a_model_that_goes_says_when(model: str, today: date, words: str) -> None:
    assert words in retirement(model, today)
    assert bool(words) == bool(retirement(model, today))


def normal(value: object) -> object:
    """A request without what only differs in spelling: case of names, base64, a level's case, roles."""
    if isinstance(value, Mapping):
        pairs = {str(name).replace("_", "").lower(): normal(each) for name, each in value.items()}
        return {name: each for name, each in pairs.items() if name != "data"}
    if isinstance(value, list):
        return [normal(each) for each in value]
    return value.lower() if isinstance(value, str) else value


def test_the_preview_is_what_is_sent(service: StandIn, backend: Gemini, tools: Tools) -> None:
    service.says(reply("[]"))
    backend.predict(full())
    sent = normal(service.requests[0].body)
    shown = normal(json.loads(tools.preview(MODEL, full())))
    assert shown == sent


def test_the_snippet_sends_the_same_request(
    service: StandIn,
    backend: Gemini,
    tools: Tools,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.says(reply("[]"))
    backend.predict(full())
    original = service.requests[0]
    for number, each in enumerate(full().images, 1):
        (tmp_path / f"picture-{number}.jpg").write_bytes(images.encode(each)[0])
    code = tools.snippet(MODEL, full())
    assert KEY not in code
    (tmp_path / "again.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", "another-key")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", service.url)
    runpy.run_path("again.py")
    assert capsys.readouterr().out == "[]\n"
    again = service.requests[1]
    assert (again.path, again.body) == (original.path, original.body)
    assert again.headers["x-goog-api-key"] == "another-key"


HOSTILE = ['"); import os; os.abort() #', "'''", "\\", "{x}", "\n\n", "a\u2028b"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_words_break_out_of_the_snippet(tools: Tools, text: str) -> None:
    picture = Picture(Image.new("RGB", (4, 4)), f"../../{text}.png")
    request = Request(Task.ASK, (picture,), f"why {text}?", options=Options(system=text))
    code = compile(tools.snippet(MODEL, request), "snippet", "exec")
    assert "os" not in code.co_names
    assert "abort" not in code.co_names


def test_the_service_counts_what_would_be_sent(service: StandIn, backend: Gemini, tools: Tools) -> None:
    service.counts = Answer(body={"totalTokens": 1234})
    assert tools.count(backend, full()) == 1234


def test_an_unknown_model_is_asked_with_all_that_was_wished(service: StandIn) -> None:
    service.says(reply("[]"))
    own = Gemini("somebodys-own", KEY, service.url)
    own.predict(
        Request(
            Task.DETECT,
            (blank(4, 4),),
            options=Options(thinking=Thinking.HIGH),
            safety={Harm.CIVIC_INTEGRITY: Level.MOST},
        )
    )
    own.close()
    body = service.requests[0].body
    assert body["safetySettings"][0]["category"] == "HARM_CATEGORY_CIVIC_INTEGRITY"
    assert body["generationConfig"]["thinkingConfig"] == {"thinking_level": "HIGH"}


def test_civic_integrity_is_not_sent_where_there_is_no_such_filter(service: StandIn, backend: Gemini) -> None:
    service.says(reply("[]"))
    result = backend.predict(Request(Task.DETECT, (blank(4, 4),), safety=dict.fromkeys(Harm, Level.SOME)))
    assert len(service.requests[0].body["safetySettings"]) == len(Harm) - 1
    assert any("civic integrity" in note.detail for note in result.notes)


def test_a_schema_is_sent_only_when_wished(service: StandIn, backend: Gemini) -> None:
    service.says(reply("[]"))
    backend.predict(Request(Task.DETECT, (blank(4, 4),)))
    assert "responseJsonSchema" not in service.requests[0].body["generationConfig"]
    backend.predict(full())
    schema = service.requests[1].body["generationConfig"]["responseJsonSchema"]
    assert set(schema["items"]["required"]) == {"box_2d", "label", "picture"}
    assert schema["maxItems"] == 9


WRONG = [
    pytest.param(Options(temperature=float("nan")), id="temperature NaN"),
    pytest.param(Options(temperature=2.1), id="temperature too high"),
    pytest.param(Options(max_output_tokens=0), id="no tokens"),
    pytest.param(Options(max_output_tokens=10**9), id="too many tokens"),
    pytest.param(Options(max_items=0), id="no items"),
    pytest.param(Options(seed=2**40), id="seed too large"),
]


@pytest.mark.parametrize("options", WRONG)
def test_settings_no_model_takes_are_refused_before_anything_is_sent(
    service: StandIn, backend: Gemini, options: Options
) -> None:
    service.says(reply("[]"))
    with pytest.raises(RequestError):
        backend.predict(Request(Task.DETECT, (blank(4, 4),), options=options))
    assert not service.requests


@pytest.mark.parametrize("seed", [2**31, -(2**31) - 1])
def test_the_range_of_seeds_is_told_as_it_is(backend: Gemini, seed: int) -> None:
    with pytest.raises(RequestError, match="from -2,147,483,648 to 2,147,483,647"):
        backend.predict(Request(Task.DETECT, (blank(4, 4),), options=Options(seed=seed)))


class Knows(StandIn):
    """Answers the self-test by what is asked; `wrong` mistakes the boxes."""

    wrong = False

    def take(self, sent: Sent) -> Answer:
        super().take(sent)
        text = sent.body["contents"][0]["parts"][1]["text"]
        if "How many" in text:
            return reply("2")
        rows = []
        for label, box in (("Red circle", CIRCLE), ("Blue square", Box(0, 0, 0.1, 0.1) if self.wrong else SQUARE)):
            yxyx = [round(1000 * each) for each in (box.y1, box.x1, box.y2, box.x2)]
            if "segmentation" in text:
                x, y = (yxyx[1] + yxyx[3]) // 2, (yxyx[0] + yxyx[2]) // 2
                corners = [[yxyx[1], yxyx[0]], [yxyx[3], yxyx[0]], [yxyx[3], yxyx[2]], [yxyx[1], yxyx[2]]]
                disc = [[x, yxyx[0]], [yxyx[3], y], [x, yxyx[2]], [yxyx[1], y]]
                rows.append({"box_2d": yxyx, "label": label, "mask": disc if "circle" in label else corners})
            elif '"point"' in text:
                rows.append({"point": [(yxyx[0] + yxyx[2]) // 2, (yxyx[1] + yxyx[3]) // 2], "label": label})
            else:
                rows.append({"box_2d": yxyx, "label": label})
        return reply(json.dumps(rows))


@pytest.mark.parametrize("wrong", [False, True], ids=["a good model", "one that misplaces things"])
def test_the_self_test_tells_what_a_model_can_do(tools: Tools, wrong: bool) -> None:
    with Knows() as service:
        service.wrong = wrong
        opened = Gemini(MODEL, KEY, service.url)
        found = tools.self_test(opened)
        opened.close()
        assert len(service.requests) == 4
    assert found.can["words"]
    assert found.can["boxes"] is found.can["points"] is not wrong
    assert bool("boxes:" in found.detail) == wrong


def test_the_self_test_ends_at_once_with_a_bad_key(service: StandIn, backend: Gemini, tools: Tools) -> None:
    service.says(Answer(401, {"error": {"message": "no"}}))
    with pytest.raises(ConfigError):
        tools.self_test(backend)
    assert len(service.requests) == 1


def test_the_self_tests_picture_shows_what_it_asks_for() -> None:
    image = picture().image
    for box, colour in ((CIRCLE, (214, 40, 40)), (SQUARE, (40, 80, 214))):
        middle = ((box.x1 + box.x2) / 2 * image.width, (box.y1 + box.y2) / 2 * image.height)
        assert image.getpixel((int(middle[0]), int(middle[1]))) == colour


def test_a_saved_answer_is_read_again_without_asking_anyone(service: StandIn, backend: Gemini, tools: Tools) -> None:
    request = Request(Task.DETECT, (blank(4, 4),))
    answer = reply('[{"box_2d": [1, 2, 30, 40], "label": "cat"}]')
    service.says(answer)
    first = backend.predict(request)
    for saved in (answer.payload, first.raw, first.raw.encode()):
        again = tools.replay(saved, request)
        assert (again.outcome, [each.label for each in again.detections]) == (Outcome.FOUND, ["cat"])
    assert len(service.requests) == 1
    assert tools.replay("", request).outcome is Outcome.FAILED


@pytest.mark.parametrize("case", params("gemini", lambda about: about["task"] == "api"))
def test_recorded_bodies_are_replayed_as_they_were_answered(
    service: StandIn, backend: Gemini, tools: Tools, case: Case
) -> None:
    request = Request(Task.CAPTION, (blank(4, 4),))
    service.says(Answer(200, case.text.encode()))
    try:
        live = backend.predict(request)
    except GroundingError:
        return  # its refusal is tested elsewhere
    again = tools.replay(case.text, request)
    assert (again.outcome, again.safety, again.raw) == (live.outcome, live.safety, live.raw)


TEMPLATES: list[Any] = [
    pytest.param(name, template, id=name) for name, template in PRESETS
]  # fmt: skip


@pytest.mark.parametrize(("name", "template"), TEMPLATES)
def test_a_preset_is_filled_in_and_sent(service: StandIn, backend: Gemini, name: str, template: str) -> None:
    service.says(reply("[]"))
    options = Options(template=template, max_items=7)
    backend.predict(Request(Task.DETECT, (blank(4, 4),), "only the green ones", ("cat",), options))
    said = service.requests[0].body["contents"][0]["parts"][1]["text"]
    assert not any(each in said for each in ("{labels}", "{text}", "{max_items}", "{language}"))
    assert "7" in said
    assert ("cat" in said) == ("{labels}" in template)
    assert ("green" in said) == ("{text}" in template)


def test_labels_come_in_the_language_asked_for(service: StandIn, backend: Gemini) -> None:
    service.says(reply("[]"))
    backend.predict(Request(Task.DETECT, (blank(4, 4),), options=Options(language="Turkish")))
    assert "labels in Turkish" in service.requests[0].body["contents"][0]["parts"][1]["text"]


def test_an_inline_picture_is_what_images_encode_gives(service: StandIn, backend: Gemini) -> None:
    service.says(reply("so"))
    shown = blank(30, 20)
    backend.predict(Request(Task.CAPTION, (shown,)))
    inline = service.requests[0].body["contents"][0]["parts"][0]["inlineData"]
    assert base64.urlsafe_b64decode(inline["data"]) == images.encode(shown)[0]
