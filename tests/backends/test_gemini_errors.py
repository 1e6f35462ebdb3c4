"""Every refusal of the Gemini service becomes one sentence that names the thing to change, and never the key."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from backends.gemini_errors import explain, hopeless, redact, wait_s
from grounding.errors import BackendError, ConfigError, GroundingError, RateLimited, Timeout
from tests.recorded import Case, params

KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"


def refusal(message: str = "", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"message": message, "details": list(details)}}


def detail(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def told(status: int, body: object, **headers: str) -> GroundingError:
    return explain(status, body, headers, model="gemini-x", api_key=KEY)


INVALID = detail("ErrorInfo", reason="API_KEY_INVALID")
ROWS = [
    pytest.param(400, refusal("API key not valid.", INVALID), ConfigError, "refused this key", id="400 bad key"),
    pytest.param(
        400, refusal("API key expired. Renew it."), ConfigError, "refused this key", id="400 old key, no reason"
    ),
    pytest.param(
        400,
        refusal("Bad.", detail("DebugInfo", detail="Source image 0 too short")),
        BackendError,
        "could not read this picture",
        id="400 picture",
    ),
    pytest.param(400, refusal("User location is not supported"), ConfigError, "does not offer", id="400 region"),
    pytest.param(400, refusal("The input token count (9) exceeds"), BackendError, "longer than", id="400 too long"),
    pytest.param(400, refusal("Thinking level is odd"), BackendError, '"Thinking level is odd"', id="400 else: quoted"),
    pytest.param(400, refusal("x" * 300), BackendError, "(400)", id="400 else: too long to quote"),
    pytest.param(401, refusal("no"), ConfigError, "did not accept this key (401)", id="401"),
    pytest.param(403, refusal("no"), ConfigError, 'may not use "gemini-x"', id="403"),
    pytest.param(403, refusal("Your API key was reported as leaked."), ConfigError, "found in public", id="403 leaked"),
    pytest.param(
        403, refusal("", detail("ErrorInfo", reason="SERVICE_DISABLED")), ConfigError, "API is off", id="403 API off"
    ),
    pytest.param(404, refusal("models/gemini-x is not found"), ConfigError, 'no model "gemini-x"', id="404 model"),
    pytest.param(404, {"message": "<!DOCTYPE html>"}, BackendError, "GOOGLE_GEMINI_BASE_URL", id="404 web page"),
    pytest.param(413, refusal("big"), BackendError, "smaller picture", id="413"),
    pytest.param(418, refusal("teapot"), BackendError, "(418)", id="any other"),
    pytest.param(302, {}, BackendError, "302", id="redirect"),
    pytest.param(429, refusal("slow down"), RateLimited, '"slow down" Try again in a minute', id="429"),
    pytest.param(
        429, refusal("", detail("RetryInfo", retryDelay="37s")), RateLimited, "Try again in 37 s", id="429 in 37 s"
    ),
    pytest.param(
        429,
        refusal("", detail("QuotaFailure", violations=[{"quotaId": "RequestsPerDayPerModel-FreeTier"}])),
        RateLimited,
        "for today",
        id="429 daily",
    ),
    pytest.param(
        429,
        refusal("", detail("QuotaFailure", violations=[{"quotaId": "PerMinute", "quotaValue": "0"}])),
        RateLimited,
        "no quota",
        id="429 none at all",
    ),
    pytest.param(500, refusal("oops"), BackendError, "(500)", id="500"),
    pytest.param(502, {"message": "<html>Bad gateway</html>"}, BackendError, "(502)", id="502 web page"),
    pytest.param(503, refusal("overloaded"), BackendError, "overloaded (503)", id="503"),
    pytest.param(504, refusal("late"), Timeout, "ran out of time", id="504"),
    pytest.param(503, None, BackendError, "503", id="no body"),
    pytest.param(400, {"error": "text"}, BackendError, "400", id="error that is no object"),
    pytest.param(429, {"error": {"details": 7, "message": None}}, RateLimited, "429", id="details that are none"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), ROWS)
def test_each_refusal_has_its_sentence(status: int, body: object, kind: type[GroundingError], words: str) -> None:
    error = told(status, body)
    assert type(error) is kind
    assert words in str(error)
    assert len(str(error)) < 200
    assert "<" not in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 418, 429, 500, 503, 504])
def test_a_key_the_service_echoes_is_not_repeated(status: int) -> None:
    echo = refusal(f"Invalid key: {KEY}", detail("DebugInfo", detail=KEY))
    assert KEY not in str(told(status, echo))


def test_another_key_is_not_repeated_either() -> None:
    assert "OTHER" not in str(told(418, refusal("Use AIzaSyOTHER_0123456789")))


def test_a_key_of_three_letters_tears_no_words() -> None:
    assert redact("a concatenation", "cat") == "a concatenation"


WAITS = [
    pytest.param(refusal("", detail("RetryInfo", retryDelay="2s")), {}, 2, id="RetryInfo"),
    pytest.param(refusal("", detail("RetryInfo", retryDelay="37.5s")), {}, 37.5, id="with a fraction"),
    pytest.param(refusal("", detail("RetryInfo", retryDelay="2s")), {"retry-after": "9"}, 2, id="RetryInfo first"),
    pytest.param({}, {"retry-after": "9"}, 9, id="header"),
    pytest.param({}, {"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0, id="a date gone by"),
    pytest.param({}, {"retry-after": "soon"}, None, id="words"),
    pytest.param({}, {"retry-after": "-3"}, None, id="negative"),
    pytest.param(refusal("", detail("RetryInfo", retryDelay=3)), {}, None, id="a bare number"),
    pytest.param(None, {}, None, id="nothing"),
]


@pytest.mark.parametrize(("body", "headers", "seconds"), WAITS)
def test_the_wait_asked_for_is_read(body: object, headers: dict[str, str], seconds: float | None) -> None:
    assert wait_s(body, headers) == seconds


def test_a_date_to_come_is_seconds_from_now() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < (wait_s({}, {"retry-after": later}) or 0) <= 90


def test_a_rate_limit_carries_the_seconds_for_programs() -> None:
    error = told(429, refusal("", detail("RetryInfo", retryDelay="37s")))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 37


@pytest.mark.parametrize("case", params("gemini", lambda about: about["task"] == "api" and "code" in about["expected"]))
def test_recorded_refusals_have_sentences_of_their_own(case: Case) -> None:
    body = json.loads(case.text) if case.text.startswith("{") else {"message": case.text}
    error = told(case.about["expected"]["code"], body)
    expected = {
        "api-g-api-key-invalid": "refused this key",
        "api-v-image-rejected": "could not read this picture",
        "api-v-html-404": "GOOGLE_GEMINI_BASE_URL",
        "api-v-quota-exceeded": "no quota",
    }
    assert expected.get(case.name, "Choose another model") in str(error)
    assert hopeless(body) == (case.name == "api-v-quota-exceeded")
