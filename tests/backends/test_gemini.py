"""What Gemini is sent, and what its replies become, through the real client against a loopback server."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from google.genai import types
from PIL import Image

from backends.gemini import Gemini, open_backend
from backends.gemini_models import MODELS as TABLE
from backends.gemini_models import thinking_config
from backends.gemini_request import THRESHOLDS
from grounding import images
from grounding.errors import BackendError, ConfigError, GroundingError, RequestError
from grounding.images import Picture
from grounding.settings import Settings
from grounding.types import Harm, Level, NoteKind, Options, Outcome, Request, Result, Stage, Task, Thinking
from tests.recorded import Case, params
from tests.stand_in import Answer, StandIn, reply

KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"
BOXES = json.dumps([{"box_2d": [100, 200, 500, 600], "label": "cat"}, {"box_2d": [0, 0, 1000, 1000], "label": "dog"}])


@pytest.fixture(scope="module")
def backend(service: StandIn) -> Iterator[Gemini]:
    opened = Gemini("gemini-2.5-flash", KEY, service.url, deadline_s=5, backoff_s=0.01)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def picture() -> Picture:
    return Picture(Image.new("RGB", (40, 30), "teal"))


def ask(backend: Gemini, picture: Picture, task: Task = Task.DETECT, **more: Any) -> Result:
    return backend.predict(Request(task, (picture,), "what is it?" if task is Task.ASK else "", ("cat",), **more))


def sent(service: StandIn) -> dict[str, Any]:
    return service.requests[-1].body


def test_the_picture_goes_first_and_the_words_after_it(service: StandIn, backend: Gemini, picture: Picture) -> None:
    service.says(reply(BOXES))
    ask(backend, picture)
    (content,) = sent(service)["contents"]
    first, second = content["parts"]
    assert "inlineData" in first
    assert "cat" in second["text"]
    assert service.requests[-1].path.endswith("/models/gemini-2.5-flash:generateContent")


def test_a_photo_taken_sideways_is_sent_upright_and_without_its_metadata(service: StandIn, backend: Gemini) -> None:
    stored = Image.new("RGB", (40, 20), "white")
    stored.paste("red", (0, 0, 10, 20))  # left as stored: the top, once turned by orientation 6
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "CANARY maker"
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=exif, quality=95)
    service.says(reply(BOXES))
    ask(backend, images.load(file.getvalue()))
    inline = sent(service)["contents"][0]["parts"][0]["inlineData"]
    data = base64.urlsafe_b64decode(inline["data"])
    arrived = Image.open(io.BytesIO(data))
    assert arrived.size == (20, 40)
    assert arrived.getexif().get(0x0112, 1) == 1
    assert np.asarray(arrived.convert("RGB"))[4, 10].tolist() == pytest.approx([255, 0, 0], abs=20)
    assert b"CANARY" not in data


LEVELS = [pytest.param(level, id=level.value) for level in THRESHOLDS]


@pytest.mark.parametrize("level", LEVELS)
def test_safety_levels_are_sent_as_asked(service: StandIn, backend: Gemini, picture: Picture, level: Level) -> None:
    service.says(reply(BOXES))
    ask(backend, picture, safety=dict.fromkeys(Harm, level))
    settings = {each["category"]: each["threshold"] for each in sent(service)["safetySettings"]}
    strength = {"none": "BLOCK_NONE", "few": "BLOCK_ONLY_HIGH", "some": "BLOCK_MEDIUM_AND_ABOVE"}
    assert settings == {f"HARM_CATEGORY_{harm.name}": strength.get(level.value, "BLOCK_LOW_AND_ABOVE") for harm in Harm}


def test_default_levels_send_no_setting(service: StandIn, backend: Gemini, picture: Picture) -> None:
    service.says(reply(BOXES))
    ask(backend, picture, safety={Harm.HARASSMENT: Level.DEFAULT})
    assert not sent(service).get("safetySettings")


def test_every_level_but_the_default_has_a_threshold() -> None:
    assert set(THRESHOLDS) == set(Level) - {Level.DEFAULT}
    assert len(set(THRESHOLDS.values())) == len(THRESHOLDS)


MODELS = [
    pytest.param("gemini-2.5-flash", {"thinking_budget": 0}, 0.5, id="2.5 flash: off"),
    pytest.param("gemini-2.5-flash-lite", {"thinking_budget": 0}, 0.5, id="2.5 flash-lite: off"),
    pytest.param("models/gemini-2.5-flash-preview-05-20", {"thinking_budget": 0}, 0.5, id="with prefix and date"),
    pytest.param("gemini-2.5-flash-image", None, None, id="makes pictures: left alone"),
    pytest.param("gemini-2.5-pro", {"thinking_budget": 128}, 0.5, id="2.5 pro: the least it takes"),
    pytest.param("gemini-3-flash-preview", {"thinking_level": "MINIMAL"}, None, id="3 flash"),
    pytest.param("gemini-3.6-flash", {"thinking_level": "MINIMAL"}, None, id="3.6 flash"),
    pytest.param("gemini-3.8-flash", {"thinking_level": "LOW"}, None, id="3.8 flash"),
    pytest.param("gemini-3.1-pro-preview", {"thinking_level": "LOW"}, None, id="3.1 pro"),
    pytest.param("gemma-9-vision", None, None, id="unknown: asked with nothing special"),
]


@pytest.mark.parametrize(("model", "thinking", "temperature"), MODELS)
def test_each_family_thinks_as_little_as_it_can_about_boxes(
    service: StandIn, picture: Picture, model: str, thinking: dict[str, Any] | None, temperature: float | None
) -> None:
    service.says(reply(BOXES))
    opened = Gemini(model, KEY, service.url)
    ask(opened, picture)
    opened.close()
    config = sent(service)["generationConfig"]
    assert config.get("thinkingConfig") == thinking
    assert config.get("temperature") == temperature
    assert config["maxOutputTokens"] == 8192


def test_questions_in_words_may_think_as_the_model_likes(service: StandIn, backend: Gemini, picture: Picture) -> None:
    service.says(reply("A cat."))
    ask(backend, picture, Task.ASK)
    assert not {"thinkingConfig", "temperature"} & set(sent(service)["generationConfig"])


def test_options_beat_the_familys_defaults(service: StandIn, backend: Gemini, picture: Picture) -> None:
    service.says(reply(BOXES))
    ask(backend, picture, options=Options(temperature=0.0, max_output_tokens=77))
    config = sent(service)["generationConfig"]
    assert (config["temperature"], config["maxOutputTokens"]) == (0, 77)


def test_every_thinking_setting_is_one_the_library_takes() -> None:
    wanted = [thinking_config(model, wish) for model in TABLE for wish in Thinking]
    assert any(wanted)
    assert all(types.ThinkingConfig(**each) is not None for each in wanted)


def test_boxes_come_back_numbered_and_say_where_they_are_from(
    service: StandIn, backend: Gemini, picture: Picture
) -> None:
    details = [{"modality": "IMAGE", "tokenCount": 258}]
    service.says(reply(BOXES, usageMetadata={"promptTokenCount": 300, "promptTokensDetails": details}))
    result = ask(backend, picture)
    assert result.outcome is Outcome.FOUND
    assert [(each.id, each.label) for each in result.detections] == [(0, "cat"), (1, "dog")]
    assert result.detections[0].box == pytest.approx((0.2, 0.1, 0.6, 0.5))
    origin = result.detections[0].origin
    assert origin is not None
    assert (origin.backend, origin.model) == ("gemini", "gemini-2.5-flash")
    assert origin.parameters["temperature"] == 0.5
    assert result.usage is not None
    assert (result.usage.prompt_tokens, result.usage.image_tokens) == (300, 258)
    assert result.raw == BOXES


ENDINGS = [
    pytest.param(Task.CAPTION, reply(" A cat. "), Outcome.FOUND, "A cat.", id="caption"),
    pytest.param(Task.CAPTION, reply(""), Outcome.NONE, "", id="caption: empty"),
    pytest.param(Task.DETECT, reply("[]"), Outcome.NONE, "", id="detect: none there"),
    pytest.param(Task.DETECT, reply(""), Outcome.UNRECOGNISED, "", id="detect: empty is not none"),
    pytest.param(Task.DETECT, reply("I see a cat."), Outcome.UNRECOGNISED, "I see a cat.", id="detect: prose"),
    pytest.param(Task.CAPTION, reply("A ca", finish="MAX_TOKENS"), Outcome.TRUNCATED, "A ca", id="caption: cut"),
    pytest.param(Task.DETECT, reply(BOXES[:60], finish="MAX_TOKENS"), Outcome.TRUNCATED, "", id="detect: cut"),
    pytest.param(Task.DETECT, reply(BOXES, finish="OTHER"), Outcome.TRUNCATED, "", id="detect: stopped"),
    pytest.param(Task.CAPTION, reply("", finish="OTHER"), Outcome.FAILED, "does not name", id="caption: stopped"),
    pytest.param(Task.CAPTION, reply("so", finish="SPII"), Outcome.BLOCKED, "about a person", id="blocked"),
    pytest.param(Task.CAPTION, Answer(body=b""), Outcome.FAILED, "sent no answer", id="empty body"),
]


@pytest.mark.parametrize(("task", "answer", "outcome", "text"), ENDINGS)
def test_each_ending_has_its_outcome(
    service: StandIn, backend: Gemini, picture: Picture, task: Task, answer: Answer, outcome: Outcome, text: str
) -> None:
    service.says(answer)
    result = ask(backend, picture, task)
    assert result.outcome is outcome
    assert text in result.text
    assert bool(text) == bool(result.text)
    if outcome in (Outcome.TRUNCATED, Outcome.NONE, Outcome.UNRECOGNISED) and answer != reply("[]"):
        assert result.notes
    if outcome is Outcome.TRUNCATED:
        assert result.notes[0].kind is NoteKind.CUT


def test_a_cut_answer_keeps_what_was_whole(service: StandIn, backend: Gemini, picture: Picture) -> None:
    service.says(reply(BOXES[: BOXES.index("dog")], finish="MAX_TOKENS"))
    result = ask(backend, picture, options=Options(max_output_tokens=50))
    assert [each.label for each in result.detections][:1] == ["cat"]
    assert "50 tokens" in result.notes[0].detail


def test_nothing_of_a_blocked_answer_is_kept(service: StandIn, backend: Gemini, picture: Picture) -> None:
    service.says(reply("the withheld words", finish="SAFETY"))
    result = ask(backend, picture, Task.CAPTION)
    assert (result.outcome, result.safety.stage) == (Outcome.BLOCKED, Stage.ANSWER)
    assert "withheld words" not in repr(dataclasses.asdict(dataclasses.replace(result, origin=None)))


RECORDED = {
    "api-g-finish-safety": Outcome.BLOCKED,
    "api-g-message-no-content": Outcome.FAILED,
    "api-g-only-prompt-feedback": Outcome.BLOCKED,
    "api-g-stream-empty-parts": Outcome.FOUND,
    "api-g-stream-prompt-blocked-safety": Outcome.BLOCKED,
    "api-g-stream-recitation-no-content": Outcome.BLOCKED,
    "api-g-thought-summary": Outcome.FOUND,
    "api-real-finish-safety-empty-content": Outcome.BLOCKED,
    "api-real-image-reply": Outcome.FOUND,
    "api-real-max-tokens-thinking-no-parts": Outcome.TRUNCATED,
    "api-real-prompt-blocked-model-armor": Outcome.BLOCKED,
    "api-real-rest-prompt-blocked-safety": Outcome.BLOCKED,
    "api-real-stream-web-search": Outcome.FOUND,
    "api-real-vercel-stream-prohibited": Outcome.BLOCKED,
    "api-v-constraint-decoding-json": Outcome.FOUND,
    "api-v-empty-content": Outcome.FAILED,
    "api-v-empty-part": Outcome.FOUND,
    "api-v-empty-text-part": Outcome.NONE,
    "api-v-missing-safety-ratings": Outcome.FOUND,
    "api-v-unknown-finish-reason": Outcome.TRUNCATED,
}
REFUSED = {
    "api-g-api-key-invalid": "refused this key",
    "api-g-unknown-model": 'no model "gemini-2.5-flash"',
    "api-real-unknown-model-404": 'no model "gemini-2.5-flash"',
    "api-v-html-404": "GOOGLE_GEMINI_BASE_URL",
    "api-v-image-rejected": "could not read this picture",
    "api-v-quota-exceeded": "no quota",
    "api-v-stream-error-mid-stream": "(499)",
}


@pytest.mark.parametrize("case", params("gemini", lambda about: about["task"] == "api"))
def test_recorded_bodies_become_their_outcome_or_their_sentence(
    service: StandIn, backend: Gemini, picture: Picture, case: Case
) -> None:
    service.says(Answer(case.about["expected"].get("code", 200), case.text.encode()))
    if case.name in REFUSED:
        with pytest.raises(GroundingError, match=REFUSED[case.name].replace("(", r"\(").replace(")", r"\)")):
            ask(backend, picture, Task.CAPTION)
        assert len(service.requests) == 1
        return
    result = ask(backend, picture, Task.CAPTION)
    if case.name in RECORDED:
        assert result.outcome is RECORDED[case.name]
    if result.outcome is Outcome.FOUND:
        assert result.text == case.about["expected"].get("text", result.text) != ""
    else:
        assert result.text or result.notes
    if result.outcome is Outcome.BLOCKED:
        assert result.safety.stage is not None


def test_the_recorded_picture_reply_counts_the_pictures_tokens(
    service: StandIn, backend: Gemini, picture: Picture
) -> None:
    case = next(case.values[0] for case in params("gemini", lambda about: about["case"] == "api-real-image-reply"))
    if case is None:
        pytest.skip("no recorded gemini answers")
    service.says(Answer(body=case.text.encode()))
    usage = ask(backend, picture, Task.CAPTION).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.image_tokens, usage.answer_tokens) == (3367, 3354, 9)


KEYS = [
    pytest.param(f" {KEY}\n", KEY, id="copied with white space"),
    pytest.param(f'"{KEY}"', KEY, id="quoted"),
    pytest.param(f"GEMINI_API_KEY={KEY}", KEY, id="as a variable"),
    pytest.param(f"export GOOGLE_API_KEY='{KEY}'", KEY, id="as a shell line"),
]


@pytest.mark.parametrize(("given", "used"), KEYS)
def test_what_is_copied_along_with_a_key_is_taken_off(
    service: StandIn, picture: Picture, given: str, used: str
) -> None:
    service.says(reply(BOXES))
    opened = open_backend("gemini-2.5-flash", Settings(gemini_base_url=service.url), given)
    opened.predict(Request(Task.DETECT, (picture,), "", ("cat",)))
    opened.close()
    assert service.requests[-1].headers["x-goog-api-key"] == used


NO_KEYS = ["", "   ", '""', "GEMINI_API_KEY=", "two\nlines", "two words", "schlüssel", "k" * 600, "a\0b", "a'b"]


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_is_no_key_is_refused_before_anything_is_sent(
    service: StandIn, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    service.says(reply(BOXES))
    with pytest.raises(ConfigError) as error:
        open_backend("gemini-2.5-flash", Settings(gemini_api_key=KEY, gemini_base_url=service.url), key)
    assert not service.requests
    assert key.strip() == "" or key not in str(error.value)


@pytest.mark.parametrize("model", ["", "a b", "x?key=1", "../x y", "m" * 300, "modèle"])
def test_what_is_no_models_name_is_refused(model: str) -> None:
    with pytest.raises(ConfigError):
        open_backend(model, Settings(), KEY)


@pytest.mark.parametrize("url", ["localhost:80", "ftp://x", "//x"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="GOOGLE_GEMINI_BASE_URL"):
        open_backend("gemini-2.5-flash", Settings(gemini_base_url=url), KEY)


@pytest.mark.parametrize("count", [0, 17])
def test_no_picture_and_too_many_are_refused(backend: Gemini, picture: Picture, count: int) -> None:
    with pytest.raises(RequestError):
        backend.predict(Request(Task.CAPTION, (picture,) * count))


def test_a_page_instead_of_an_answer_is_a_failure(service: StandIn, backend: Gemini, picture: Picture) -> None:
    service.says(Answer(body=b"<!DOCTYPE html><html>"))
    with pytest.raises(BackendError, match="not an answer"):
        ask(backend, picture)


def test_the_notice_names_who_gets_the_picture(backend: Gemini) -> None:
    assert backend.capabilities.sends_to == "127.0.0.1"
