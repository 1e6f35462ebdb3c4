"""Every way a Gemini reply can end has its own sentence, and nothing a filter withheld is shown."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from backends.gemini_outcomes import Growth, Reply, ServiceError, read
from backends.gemini_reasons import CATEGORIES, FINISHED, PROMPT_BLOCKED, Ending
from grounding.errors import BackendError
from grounding.types import Harm, Stage
from tests.recorded import Case, params


def said(body: object, limit: int = 100) -> Reply:
    return read(json.dumps(body), max_output_tokens=limit)


def finished(reason: str | None, text: str = "", **more: Any) -> Reply:
    candidate = {"content": {"parts": [{"text": text}] if text else []}, "finishReason": reason, **more}
    return said({"candidates": [candidate]})


def test_every_finish_reason_of_the_library_has_a_sentence_of_its_own() -> None:
    assert {reason.value for reason in types.FinishReason} == set(FINISHED)
    assert len({sentence for _, sentence in FINISHED.values()}) == len(FINISHED)


def test_every_block_reason_of_the_library_has_a_sentence_of_its_own() -> None:
    assert {reason.value for reason in types.BlockedReason} == set(PROMPT_BLOCKED)
    assert len(set(PROMPT_BLOCKED.values())) == len(PROMPT_BLOCKED)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"candidates": [{"content": {"parts": [{"text": t}]}} for t in "ab"]}, id="at once"),
        pytest.param(
            [{"candidates": [{"index": k, "content": {"parts": [{"text": t}]}}]} for k, t in enumerate("ab")],
            id="streamed by turns",
        ),
        pytest.param(
            {"candidates": [{"index": k, "content": {"parts": [{"text": t}]}} for k, t in ((1, "a"), (0, "b"))]},
            id="numbered backwards",
        ),
    ],
)
def test_of_several_answers_the_first_is_shown_and_the_others_are_counted(body: object) -> None:
    reply = said(body)
    assert reply.text == "a"
    assert [note.detail for note in reply.notes] == ["Not shown: another answer to the same question."]


def test_the_answer_that_grows_is_the_one_that_is_read() -> None:
    chunks = [
        {"candidates": [{"index": k, "content": {"parts": [{"text": f"{k}{turn}"}]}} for k in order]}
        for turn, order in enumerate(([1, 0], [0, 1]))
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    growth = Growth()
    assert growth.add(body)
    assert growth.text == read(body, max_output_tokens=100).text == "1011"


def test_an_answer_with_a_number_of_its_own_alone_is_the_answer() -> None:
    assert said({"candidates": [{"index": 1, "content": {"parts": [{"text": "a"}]}}]}).text == "a"


def test_what_is_in_an_error_keeps_its_names() -> None:
    error = {"code": 429, "details": [{"metadata": {"quota_limit_value": "0"}}]}
    with pytest.raises(ServiceError) as raised:
        said([{"error": error}])
    assert raised.value.body == {"error": error}


def test_a_reply_recorded_by_the_client_library_is_read_alike() -> None:
    block = types.GenerateContentResponse.model_validate(
        {
            "promptFeedback": {
                "blockReason": "SAFETY",
                "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}],
            }
        }
    )
    recorded, sent = (read(block.model_dump_json(by_alias=by), max_output_tokens=9) for by in (False, True))
    assert "prompt_feedback" in block.model_dump_json(by_alias=False)
    assert recorded == sent
    assert recorded.safety.stage is Stage.PROMPT
    assert recorded.safety.sliders == (Harm.HARASSMENT,)


def test_every_harm_is_a_category_of_the_library() -> None:
    assert set(CATEGORIES) == set(Harm)
    assert set(CATEGORIES.values()) <= {category.value for category in types.HarmCategory}


@pytest.mark.parametrize("reason", [reason.value for reason in types.FinishReason])
def test_an_answer_without_text_is_told_in_one_short_sentence_whatever_ended_it(reason: str) -> None:
    reply = finished(reason)
    assert reply.text == ""
    assert 20 < len(reply.sentence) < 200
    assert "{" not in reply.sentence


BLOCKING = [reason for reason, (ending, _) in FINISHED.items() if ending is Ending.BLOCKED]


@pytest.mark.parametrize("reason", BLOCKING)
def test_the_start_of_an_answer_that_was_then_blocked_is_not_shown(reason: str) -> None:
    reply = finished(reason, "the withheld words")
    assert reply.ending is Ending.BLOCKED
    assert "withheld words" not in repr(reply)
    assert (reply.safety.stage, reply.safety.reason, reply.safety.explanation) == (Stage.ANSWER, reason, reply.sentence)


@pytest.mark.parametrize("reason", [reason for reason in BLOCKING if reason != "SAFETY"])
def test_blocks_that_no_slider_moves_say_so(reason: str) -> None:
    assert "No safety slider changes this" in finished(reason).sentence


@pytest.mark.parametrize("reason", [reason.value for reason in types.BlockedReason])
def test_a_blocked_prompt_names_stage_and_reason(reason: str) -> None:
    reply = said({"promptFeedback": {"blockReason": reason}})
    assert reply.ending is Ending.BLOCKED
    assert (reply.safety.stage, reply.safety.reason) == (Stage.PROMPT, reason)
    assert len(reply.sentence) < 200


RATED = [
    pytest.param([("HARASSMENT", "MEDIUM", None)], "harassment. The Harassment slider decides this.", id="rated"),
    pytest.param(
        [("HATE_SPEECH", "LOW", True), ("HARASSMENT", "HIGH", None)],
        "hate speech. The Hate speech slider decides this.",
        id="said to have blocked beats rated higher",
    ),
    pytest.param(
        [("HARASSMENT", "HIGH", None), ("DANGEROUS_CONTENT", "HIGH", None)],
        "harassment and dangerous content. Their sliders decide this.",
        id="two",
    ),
    pytest.param([("IMAGE_HATE", "HIGH", None)], "image hate. No safety slider changes this.", id="no slider"),
    pytest.param([("HARASSMENT", "NEGLIGIBLE", None)], "It names no category", id="nothing stands out"),
    pytest.param([], "It names no category", id="no ratings"),
]


@pytest.mark.parametrize(("ratings", "expected"), RATED)
@pytest.mark.parametrize("stage", [Stage.PROMPT, Stage.ANSWER])
def test_a_safety_block_names_the_category_and_its_slider(
    ratings: list[tuple[str, str, bool | None]], expected: str, stage: Stage
) -> None:
    rated = [{"category": f"HARM_CATEGORY_{c}", "probability": p, "blocked": b} for c, p, b in ratings]
    if stage is Stage.PROMPT:
        reply = said({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": rated}})
    else:
        reply = finished("SAFETY", safetyRatings=rated)
    assert expected in reply.sentence
    assert len(reply.safety.ratings) == len(ratings)


NO_ANSWER = [
    pytest.param("", id="empty body"),
    pytest.param("{}", id="empty object"),
    pytest.param("[]", id="empty list"),
    pytest.param("null", id="null"),
    pytest.param('{"candidates": []}', id="no candidates"),
    pytest.param('{"candidates": "many"}', id="candidates that are none"),
    pytest.param('{"candidates": [7]}', id="a candidate that is none"),
    pytest.param('{"candidates": [{}]}', id="empty candidate"),
    pytest.param('{"candidates": [{"content": {}}]}', id="empty content"),
    pytest.param('{"candidates": [{"content": {"parts": [{}]}}]}', id="empty part"),
    pytest.param('{"candidates": [{"content": {"parts": [{"text": 7}]}}]}', id="a number for text"),
    pytest.param('{"candidates": [{"content": {"parts": [{"text": " \\n"}]}}]}', id="blank text, no reason"),
    pytest.param('{"promptFeedback": {}}', id="empty feedback is no block"),
]


@pytest.mark.parametrize("body", NO_ANSWER)
def test_a_reply_without_an_answer_is_said_to_be_one(body: str) -> None:
    reply = read(body, max_output_tokens=10)
    assert reply.ending is Ending.BROKEN
    assert "no answer" in reply.sentence


@pytest.mark.parametrize("body", ["<html>", '{"candidates"', "7", '"text"', "true", "data: {oops}", "[" * 100_000])
def test_what_is_no_reply_at_all_raises(body: str) -> None:
    with pytest.raises(BackendError, match="not an answer"):
        read(body, max_output_tokens=10)


def test_a_block_reason_that_says_nothing_beside_an_answer_is_no_block() -> None:
    candidate = {"content": {"parts": [{"text": "a cat"}]}, "finishReason": "STOP"}
    feedback = {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}
    assert said({"candidates": [candidate], "promptFeedback": feedback}).text == "a cat"
    assert said({"promptFeedback": feedback}).ending is Ending.BLOCKED


def test_thoughts_are_left_out_and_parts_joined() -> None:
    parts = [{"text": "hm", "thought": True}, {"text": "a "}, {}, {"text": "cat"}]
    assert said({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}).text == "a cat"


def test_parts_that_are_not_text_are_each_noted() -> None:
    parts = [{"text": "here"}, {"inlineData": {}}, {"inlineData": {}}, {"executableCode": {}}]
    notes = said({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}).notes
    assert [note.detail for note in notes] == [
        "Not shown: 2 pictures or other files in the answer.",
        "Not shown: 1 piece of code in the answer.",
    ]


def test_an_answer_cut_at_the_limit_keeps_its_text_and_names_the_limit() -> None:
    reply = finished("MAX_TOKENS", "a cat and")
    assert (reply.ending, reply.text) == (Ending.CUT, "a cat and")
    assert "100 tokens" in reply.sentence


def test_thinking_that_left_no_room_is_told_apart_from_a_cut_answer() -> None:
    body = {"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": {"thoughtsTokenCount": 100}}
    assert said(body).sentence.startswith("Thinking used up the 100 tokens")


def test_a_reason_nobody_knows_is_named_and_the_text_kept_as_incomplete() -> None:
    reply = finished("NEW<b>REASON</b>", "some text")
    assert (reply.ending, reply.text) == (Ending.BROKEN, "some text")
    assert '"NEW b REASON b"' in reply.sentence


def test_an_error_with_status_200_raises_like_any_other() -> None:
    with pytest.raises(ServiceError) as error:
        said({"error": {"code": 499}})
    assert error.value.body == {"error": {"code": 499}}


def test_tokens_are_counted_apart_and_absent_ones_are_none() -> None:
    details = [{"modality": "IMAGE", "tokenCount": 258}, {"modality": "TEXT", "tokenCount": 9}]
    usage = {"promptTokenCount": 267, "candidatesTokenCount": 5, "promptTokensDetails": details}
    reply = said({"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage})
    assert (reply.prompt_tokens, reply.image_tokens, reply.thought_tokens, reply.answer_tokens) == (267, 258, None, 5)


def test_the_services_own_words_are_quoted_where_they_fit() -> None:
    blocked = {"promptFeedback": {"blockReason": "MODEL_ARMOR", "blockReasonMessage": 'found a "jailbreak"'}}
    assert said(blocked).sentence.endswith("Google says: \"found a 'jailbreak'\"")
    blocked["promptFeedback"]["blockReasonMessage"] = "long " * 50
    assert "Google says" not in said(blocked).sentence


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                re.findall(
                    r"\w+",
                    "candidates content parts text thought finishReason promptFeedback blockReason safetyRatings"
                    " category usageMetadata promptTokensDetails tokenCount",
                )
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_no_json_makes_it_raise_anything_but_a_sentence(value: object) -> None:
    try:
        reply = said(value)
    except BackendError:
        return
    assert len(reply.sentence) < 200


EXPECTED = {"ok": {Ending.WHOLE}, "blocked": {Ending.BLOCKED}, "stopped": {Ending.CUT, Ending.BROKEN, Ending.BLOCKED}}


@pytest.mark.parametrize(
    "case", params("gemini", lambda about: about["task"] == "api" and about["expected"]["outcome"] != "error")
)
def test_recorded_replies_end_as_recorded(case: Case) -> None:
    expected = case.about["expected"]
    reply = read(case.text, max_output_tokens=100)
    assert reply.ending in EXPECTED[expected["outcome"]]
    if expected.get("text"):
        assert reply.text == expected["text"]
    if expected["outcome"] == "ok" and expected.get("text") != "":
        assert reply.text
    if reason := expected.get("blockReason") or (reply.ending is Ending.BLOCKED and expected.get("finishReason")):
        assert reply.safety.reason == reason
