"""A sentence for every way the Gemini service can refuse: what happened, and which thing to change.

Sorts by HTTP status first, then by what the body says. Knows no connections; words of the service are quoted only
with the caller's key and everything that looks like one taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from grounding.errors import BackendError, ConfigError, GroundingError, RateLimited, Timeout

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses that may pass on a second try. 400, 401, 403 and 404 never do."""

_KEYS = re.compile(r"AIza[\w-]{8,}|AQ\.[\w-]{8,}")  # the two forms of Google's keys

_BY_REASON = {
    "API_KEY_INVALID": "Google refused this key as not valid or expired. Check it, or make a new one in AI Studio.",
    "API_KEY_SERVICE_BLOCKED": "This key may not use the Gemini API. Allow that in its settings, or use another key.",
    "API_KEY_HTTP_REFERRER_BLOCKED": "This key only works from certain web sites. Use a key without that restriction.",
    "API_KEY_IP_ADDRESS_BLOCKED": "This key only works from certain addresses. Use a key without that restriction.",
    "SERVICE_DISABLED": "The Gemini API is off in this key's Google Cloud project. Switch it on, or use another key.",
    "BILLING_DISABLED": "Billing is off in this key's Google Cloud project. Switch it on, or use another key.",
    "CONSUMER_SUSPENDED": "Google has suspended this key's project. Use another key.",
}
"""google.rpc.ErrorInfo reasons that say more than the status."""


def redact(text: str, api_key: str) -> str:
    """`text` without the key. A key of a few letters is none, and would tear words."""
    return text.replace(api_key, "…") if len(api_key) >= 6 else text


def explain(
    status: int, body: object, headers: Mapping[str, str], *, model: str, api_key: str, tries: int = 1
) -> GroundingError:
    """What to raise for a refusal; a RateLimited knows when to come back, where the service said so."""
    error = as_dict(as_dict(body).get("error"))
    message = _KEYS.sub("…", redact(" ".join(str(error.get("message", "")).split()), api_key))
    for info in _details(error, "ErrorInfo"):
        if sentence := _BY_REASON.get(str(info.get("reason"))):
            return ConfigError(sentence)
    if status == 429:
        return _too_many(error, message, headers, model)
    if status == 504:
        return Timeout("Gemini ran out of time (504). Try again, ask for less at once, or use a smaller picture.")
    if status >= 500:
        told = f", {tries} times" if tries > 1 else ""
        what = "is overloaded" if status == 503 else "had a fault of its own"
        return BackendError(f"Gemini {what} ({status}{told}). Try again in a moment, or choose another model.")
    if not error:
        return BackendError(
            f"The service's address answered with status {status} and no answer Gemini gives. "
            "Check GOOGLE_GEMINI_BASE_URL if it is set; else try again later."
        )
    return _wrong(status, error, message, model)


def _wrong(status: int, error: Mapping[str, Any], message: str, model: str) -> GroundingError:
    """A refusal that no second try changes: the key, the model or the request is wrong."""
    if status == 400:
        return _bad_request(error, message)
    if status == 401:
        return ConfigError("Google did not accept this key (401). Check it, or make a new one in AI Studio.")
    if status == 403:
        if "leaked" in message.lower():
            return ConfigError("Google has closed this key: it was found in public. Make a new one in AI Studio.")
        return ConfigError(
            _ending(f"This key may not use {_named(model)} (403).", message, "Try another key or model.")
        )
    if status == 404:
        return ConfigError(
            f"Google has no model {_named(model)} for this key, or it has retired. Choose another model."
        )
    if status == 413:
        return BackendError("The request is too large for Google (413). Use a smaller picture.")
    return BackendError(_ending(f"Google refused the request ({status}).", message, "Try again, or another model."))


def wait_s(body: object, headers: Mapping[str, str]) -> float | None:
    """Seconds the service asks to wait: RetryInfo in the body, else the Retry-After header; None where neither says."""
    for info in _details(as_dict(as_dict(body).get("error")), "RetryInfo"):
        if found := re.fullmatch(r"(\d{1,9}(?:\.\d+)?)s", str(info.get("retryDelay", ""))):
            return float(found[1])
    after = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", after):
        return float(after)
    try:
        return max(0.0, (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds()) if after else None
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


def hopeless(body: object) -> bool:
    """Whether waiting a little cannot help: the day's quota is used up, or there is none."""
    error = as_dict(as_dict(body).get("error"))
    return bool(_daily(error) or _none_at_all(error))


def _too_many(error: Mapping[str, Any], message: str, headers: Mapping[str, str], model: str) -> RateLimited:
    seconds = wait_s({"error": error}, headers)
    if _none_at_all(error):
        return RateLimited(f"This key has no quota for {_named(model)} (429). Use another key or model.", seconds)
    if _daily(error):
        return RateLimited(
            f"This key's quota for {_named(model)} is used up for today (429). Try tomorrow, or another key or model.",
            seconds,
        )
    if seconds is not None:
        return RateLimited(
            f"Too many requests for this key (429). Try again in {_spoken(seconds)}, or use another model.", seconds
        )
    return RateLimited(_ending("Too many requests for this key (429).", message, "Try again in a minute."), None)


def _bad_request(error: Mapping[str, Any], message: str) -> GroundingError:
    said = f"{message} {[info.get('detail') for info in _details(error, 'DebugInfo')]}".lower()
    if "api key" in said:
        return ConfigError(_BY_REASON["API_KEY_INVALID"])
    if "location" in said and "support" in said:
        return ConfigError("Google does not offer the Gemini API where this request came from.")
    if "token count" in said and "exceed" in said:
        return BackendError("The request is longer than the model takes. Use fewer words or a smaller picture.")
    if "image" in said:
        return BackendError("Google could not read this picture (400). Save it anew as PNG or JPEG and try again.")
    return BackendError(_ending("Google refused the request (400).", message, "Try another model or other settings."))


def _ending(start: str, message: str, advice: str) -> str:
    """`start`, the service's own words where they fit, and the advice."""
    quoted = f'{start} It says: "{message.replace(chr(34), chr(39))}" {advice}'
    return quoted if message and len(quoted) < 200 and "/" not in message else f"{start} {advice}"


def _named(model: str) -> str:
    return '"' + re.sub(r"[^\w.-]+", " ", model.removeprefix("models/"))[:60] + '"'


def _spoken(seconds: float) -> str:
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes" if seconds < 7200 else f"{round(seconds / 3600)} hours"


def _daily(error: Mapping[str, Any]) -> bool:
    return any("perday" in str(value).lower().replace("_", "") for value in _quotas(error))


def _none_at_all(error: Mapping[str, Any]) -> bool:
    limits = [as_dict(info.get("metadata")).get("quota_limit_value") for info in _details(error, "ErrorInfo")]
    limits += [each.get("quotaValue") for info in _details(error, "QuotaFailure") for each in _violations(info)]
    return any(str(limit) == "0" for limit in limits)


def _quotas(error: Mapping[str, Any]) -> Iterator[object]:
    for info in _details(error, "QuotaFailure"):
        for each in _violations(info):
            yield each.get("quotaId")
    for info in _details(error, "ErrorInfo"):
        yield as_dict(info.get("metadata")).get("quota_limit")


def _violations(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = info.get("violations")
    return [as_dict(each) for each in found] if isinstance(found, list) else []


def _details(error: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """The error's details of one google.rpc type."""
    details = error.get("details")
    for each in details if isinstance(details, list) else []:
        if isinstance(each, dict) and str(each.get("@type", "")).endswith(f"google.rpc.{kind}"):
            yield each


def as_dict(value: object) -> dict[str, Any]:
    """`value` where it is a JSON object, else an empty one: services send odd types."""
    return value if isinstance(value, dict) else {}
