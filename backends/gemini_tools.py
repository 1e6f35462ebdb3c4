"""What else the Gemini backend offers beside answers: `grounding.backend.Tools`, function by function."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from backends import gemini_cost, gemini_models, gemini_snippet
from backends.gemini_answer import finished
from backends.gemini_outcomes import Reply, ServiceError, read
from backends.gemini_reasons import Ending
from backends.gemini_request import plan
from backends.gemini_selftest import self_test
from grounding.backend import Backend
from grounding.errors import BackendError
from grounding.types import Estimate, Origin, Request, Result, Usage

if TYPE_CHECKING:
    from backends.gemini import Gemini

__all__ = [
    "count", "delete_uploads", "describe", "estimate", "preview", "replay", "self_test", "snippet", "uploads",
]  # fmt: skip


def estimate(model: str, request: Request) -> Estimate:
    """Tokens and cost of `request` by the documented rules; raises RequestError where it cannot be asked."""
    asked = plan(model, request)
    return gemini_cost.estimate(model, request, asked.texts, asked.limit, datetime.now(UTC).date())


def preview(model: str, request: Request) -> str:
    """The request as JSON, as it would be sent, media shortened to what they are."""
    return gemini_snippet.preview(plan(model, request))


def snippet(model: str, request: Request) -> str:
    """A Python program that sends the same request. No key is in it."""
    return gemini_snippet.snippet(plan(model, request))


def describe(model: str) -> tuple[tuple[str, str], ...]:
    """What is known of the model, as (name, value) for people."""
    return gemini_models.described(model)


def replay(saved: bytes | str, request: Request) -> Result:
    """A saved reply read again as the answer to `request`: the service's own body, or only the model's words.

    Asks nobody. Raises GroundingError where the service had refused.
    """
    text = saved.decode("utf-8", "replace") if isinstance(saved, bytes) else saved
    limit = request.options.max_output_tokens or 0
    try:
        reply = read(text, max_output_tokens=limit) if _is_body(text) else _words(text)
    except ServiceError as error:
        raise BackendError("This saved reply is a refusal by the service. There is no answer in it.") from error
    except BackendError:
        reply = _words(text)
    origin = Origin("gemini", "replay", request.text or "; ".join(request.labels))
    return finished(reply, request, Usage(0.0), origin, limit=limit)


def count(backend: Backend, request: Request, stop: threading.Event | None = None) -> int:
    """The request's tokens as the service counts them."""
    return _gemini(backend).count_tokens(request, stop)


def uploads(backend: Backend) -> tuple[tuple[str, datetime], ...]:
    """(name, until when) of each picture and document the service keeps for this key from here."""
    return _gemini(backend).uploads.listed()


def delete_uploads(backend: Backend, stop: threading.Event | None = None) -> int:
    """Have the service delete them; gives back how many it deleted."""
    return _gemini(backend).uploads.delete(stop)


def _is_body(text: str) -> bool:
    """Whether this is what the service sends: an object with its names, or events."""
    start = text[:4000]
    named = r'"(candidates|prompt_?feedback|usage_?metadata|model_?version)"'  # with _, the client library recorded it
    return text.lstrip().startswith("data:") or re.search(named, start, re.IGNORECASE) is not None


def _words(text: str) -> Reply:
    return Reply(Ending.WHOLE if text.strip() else Ending.BROKEN, text, "" if text.strip() else "Nothing was saved.")


def _gemini(backend: Backend) -> Gemini:
    return cast("Gemini", backend)
