"""Why the Gemini service ends or blocks an answer: a sentence of its own for each reason google-genai 3.4.0 knows.

Reasons newer than that are told by `gemini_outcomes`, in their own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from grounding.types import Harm

CATEGORIES: Mapping[Harm, str] = {harm: f"HARM_CATEGORY_{harm.name}" for harm in Harm}
"""Each slider's category in the service's words."""

UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"  # protobuf's zero: the same as saying nothing


class Ending(StrEnum):
    WHOLE = "whole"  # the model finished
    CUT = "cut"  # it was stopped at a limit; what came before is good
    BLOCKED = "blocked"  # a filter withheld it; nothing of it is shown
    BROKEN = "broken"  # something else went wrong


NO_SLIDER = "No safety slider changes this."

PROMPT_BLOCKED: Mapping[str, str] = {
    "BLOCKED_REASON_UNSPECIFIED": f"Google blocked this request without giving a reason. {NO_SLIDER}",
    "SAFETY": "Google's safety filter blocked this request before the model answered",  # _which completes it
    "OTHER": f"Google blocked this request for a reason it does not name, perhaps its language. {NO_SLIDER}",
    "BLOCKLIST": f"Google blocked this request: it contains a term on a blocklist. Word it differently. {NO_SLIDER}",
    "PROHIBITED_CONTENT": f"Google blocked this request as prohibited content. {NO_SLIDER}",
    "IMAGE_SAFETY": f"Google blocked this request as unsafe for making pictures. {NO_SLIDER}",
    "MODEL_ARMOR": f"Google Cloud's Model Armor blocked this request; its owner sets its rules. {NO_SLIDER}",
    "JAILBREAK": f"Google blocked this request as an attempt to get round its rules. Word it differently. {NO_SLIDER}",
}
"""A sentence for each reason a prompt can be blocked for (BlockedReason of google-genai 3.4.0)."""

FINISHED: Mapping[str, tuple[Ending, str]] = {
    UNSPECIFIED: (Ending.WHOLE, "The service sent no answer and gave no reason. Try again in a moment."),
    "STOP": (Ending.WHOLE, "The model finished without saying anything. Try other words, or another model."),
    "MAX_TOKENS": (
        Ending.CUT,
        "The answer was cut at the limit of {limit} tokens. Raise the output limit to see more.",
    ),
    "CONTINUATION": (
        Ending.CUT,
        "The answer was cut at the service's own limit for one request. Ask for less at once.",
    ),
    "SAFETY": (Ending.BLOCKED, "Google's safety filter withheld the answer"),  # _which completes it
    "RECITATION": (
        Ending.BLOCKED,
        f"Google withheld the answer: it repeats a source too closely. Ask for it in other words. {NO_SLIDER}",
    ),
    "LANGUAGE": (
        Ending.BLOCKED,
        f"Google withheld the answer: its language is not supported. Ask in another. {NO_SLIDER}",
    ),
    "BLOCKLIST": (Ending.BLOCKED, f"Google withheld the answer: it contains a term on a blocklist. {NO_SLIDER}"),
    "PROHIBITED_CONTENT": (Ending.BLOCKED, f"Google withheld the answer as prohibited content. {NO_SLIDER}"),
    "SPII": (
        Ending.BLOCKED,
        f"Google withheld the answer: it may hold sensitive details about a person. {NO_SLIDER}",
    ),
    "IMAGE_SAFETY": (Ending.BLOCKED, f"Google withheld a picture the model made as unsafe. {NO_SLIDER}"),
    "IMAGE_PROHIBITED_CONTENT": (
        Ending.BLOCKED,
        f"Google withheld a picture the model made as prohibited content. {NO_SLIDER}",
    ),
    "IMAGE_RECITATION": (
        Ending.BLOCKED,
        f"Google withheld a picture the model made: it is too close to an existing one. {NO_SLIDER}",
    ),
    "ESCALATION": (Ending.BLOCKED, f"Google filtered this request by an escalation rule. {NO_SLIDER}"),
    "PUP_LIMITED_DISABLED": (
        Ending.BLOCKED,
        f"Google has limited this account for breaking its use policy; its owner must ask Google. {NO_SLIDER}",
    ),
    "MODEL_ARMOR": (
        Ending.BLOCKED,
        f"Google Cloud's Model Armor withheld the answer; its owner sets its rules. {NO_SLIDER}",
    ),
    "OTHER": (Ending.BROKEN, "The model stopped for a reason Google does not name. Try again, or another model."),
    "IMAGE_OTHER": (Ending.BROKEN, "The model stopped while making a picture. Choose a model that answers in text."),
    "NO_IMAGE": (Ending.BROKEN, "The model was meant to make a picture and did not. Choose one that answers in text."),
    "MALFORMED_FUNCTION_CALL": (
        Ending.BROKEN,
        "The model tried to call a function and garbled it. Try again, or another model.",
    ),
    "UNEXPECTED_TOOL_CALL": (
        Ending.BROKEN,
        "The model tried to use a tool it was not given. Try again, or another model.",
    ),
    "TOO_MANY_TOOL_CALLS": (
        Ending.BROKEN,
        "The model kept calling tools and never came to an answer. Try another model.",
    ),
    "MISSING_THOUGHT_SIGNATURE": (
        Ending.BROKEN,
        "The service missed a signature of earlier thoughts. Try again, or another model.",
    ),
    "MALFORMED_RESPONSE": (Ending.BROKEN, "The model's answer came out garbled. Try again, or another model."),
}
"""Ending and sentence for each reason an answer can end for (FinishReason of google-genai 3.4.0)."""
