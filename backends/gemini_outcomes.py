"""What a Gemini reply amounts to: an answer, a cut one, a filter's block, or nothing, and what to tell people of it.

Reads the JSON the service sent rather than the client library's objects: those raise on odd types, drop fields they do
not know and print a warning for every reason newer than the library. Knows no prompts, boxes or connections.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backends.gemini_errors import as_dict
from backends.gemini_reasons import CATEGORIES, FINISHED, NO_SLIDER, PROMPT_BLOCKED, UNSPECIFIED, Ending
from grounding.errors import BackendError
from grounding.types import Note, NoteKind, SafetyRating, SafetyReport, Stage

_HARMS = {category: harm for harm, category in CATEGORIES.items()}
_THOUGHT_AWAY = "Thinking used up the {limit} tokens allowed, and none were left for an answer. Raise the output limit."
_NOTHING = "The service sent no answer. Try again in a moment."
_NOT_AN_ANSWER = "The service sent something that is not an answer. Try again; if it stays so, check its address."


@dataclass(frozen=True)
class Reply:
    """A reply as read. `text` is the answer without thoughts, "" where there is none or it was withheld.

    sentence: what to tell people where the answer is not whole or empty, else "". reason: the service's own word.
    """

    ending: Ending
    text: str = ""
    sentence: str = ""
    notes: tuple[Note, ...] = ()
    safety: SafetyReport = field(default_factory=SafetyReport)
    prompt_tokens: int | None = None
    image_tokens: int | None = None
    thought_tokens: int | None = None
    answer_tokens: int | None = None
    reason: str = ""


class ServiceError(Exception):
    """An error object that came with status 200. `body` is what the service said, as for any other status."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__()
        self.body = body


def read(body: str, *, max_output_tokens: int) -> Reply:
    """What the reply `body` amounts to; raises BackendError where it is no reply, ServiceError where it is an error."""
    feedback: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []
    ratings: tuple[SafetyRating, ...] = ()
    reason, message = "", ""
    shown = _Shown()
    for chunk in _chunks(body):
        if error := as_dict(chunk.get("error")):
            raise ServiceError({"error": error})
        feedback |= as_dict(chunk.get("promptFeedback"))
        usage |= as_dict(chunk.get("usageMetadata"))
        for candidate in shown.of(chunk):
            parts += _parts(candidate)
            reason = _str(candidate.get("finishReason")) or reason
            message = _str(candidate.get("finishMessage")) or message
            ratings = _ratings(candidate.get("safetyRatings")) or ratings
    unspecified = feedback.get("blockReason") == "BLOCKED_REASON_UNSPECIFIED" and shown.came
    if (feedback.get("blockReason") or feedback.get("blockReasonMessage")) and not unspecified:
        reply = _prompt_blocked(feedback)
    elif not shown.came:
        reply = Reply(Ending.BROKEN, sentence=_NOTHING)
    else:
        thoughts = _count(usage, "thoughtsTokenCount") or 0
        reply = _finished(reason or UNSPECIFIED, message, parts, ratings, thoughts, max_output_tokens)
    if len(shown.came) > 1:
        more = "another answer" if len(shown.came) == 2 else f"{len(shown.came) - 1} other answers"
        reply = replace(reply, notes=(*reply.notes, Note(NoteKind.SKIPPED, f"Not shown: {more} to the same question.")))
    images = [_count(each, "tokenCount") for each in _dicts(usage.get("promptTokensDetails")) if _is_seen(each)]
    return replace(
        reply,
        prompt_tokens=_count(usage, "promptTokenCount"),
        image_tokens=sum(each or 0 for each in images) if images else None,
        thought_tokens=_count(usage, "thoughtsTokenCount"),
        answer_tokens=_count(usage, "candidatesTokenCount"),
        reason=_word(reason),
    )


class _Shown:
    """Which of several answers is shown, over all chunks of a reply: the first to come, by its number or else place."""

    def __init__(self) -> None:
        self.came: dict[int, None] = {}

    def of(self, chunk: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What `chunk` brings of the answer that is shown."""
        for place, candidate in enumerate(_dicts(chunk.get("candidates"))):
            number = _count(candidate, "index")
            index = place if number is None else number
            self.came.setdefault(index)
            if index == next(iter(self.came)):
                yield candidate


def _parts(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _dicts(as_dict(candidate.get("content")).get("parts"))


def _said(parts: list[dict[str, Any]]) -> str:
    """What `parts` say, without thoughts."""
    return "".join(_str(part.get("text")) for part in parts if part.get("thought") is not True)


def _prompt_blocked(feedback: Mapping[str, Any]) -> Reply:
    reason = _str(feedback.get("blockReason"))
    ratings = _ratings(feedback.get("safetyRatings"))
    if not reason:
        sentence = f"Google blocked this request. {NO_SLIDER}"
    elif reason not in PROMPT_BLOCKED:
        sentence = f'Google blocked this request for a reason not known here: "{_word(reason)}".'
    else:
        sentence = PROMPT_BLOCKED[reason]
    if reason == "SAFETY":
        sentence += _which(ratings)
    sentence = _quote(sentence, _str(feedback.get("blockReasonMessage")))
    known = reason in PROMPT_BLOCKED or not reason
    return Reply(Ending.BLOCKED, sentence=sentence, safety=_report(Stage.PROMPT, reason, sentence, ratings, known))


def _finished(
    reason: str, message: str, parts: list[dict[str, Any]], ratings: tuple[SafetyRating, ...], thoughts: int, limit: int
) -> Reply:
    text = _said(parts)
    unknown = f'The model stopped for a reason not known here: "{_word(reason)}". The answer may be incomplete.'
    ending, sentence = FINISHED.get(reason, (Ending.BROKEN, unknown))
    if ending is Ending.BLOCKED:
        sentence = _quote(sentence + (_which(ratings) if reason == "SAFETY" else ""), message)
        return Reply(ending, sentence=sentence, safety=_report(Stage.ANSWER, reason, sentence, ratings))
    if ending is Ending.CUT and not text.strip() and thoughts:
        sentence = _THOUGHT_AWAY
    if ending is Ending.WHOLE and text.strip():
        sentence = ""
    if ending is Ending.WHOLE and not text.strip() and reason == UNSPECIFIED:
        ending = Ending.BROKEN
    sentence = _quote(sentence.replace("{limit}", str(limit)), message)
    return Reply(ending, text, sentence, tuple(_left_out(parts)), SafetyReport(ratings=ratings))


def _report(
    stage: Stage, reason: str, sentence: str, ratings: tuple[SafetyRating, ...], known: bool = True
) -> SafetyReport:
    """What the filter did, and which sliders would have mattered: only the safety filter heeds them."""
    if reason != "SAFETY":
        return SafetyReport(stage, _word(reason) or None, sentence, ratings, changeable=False if known else None)
    rated = _responsible(ratings)
    sliders = tuple(_HARMS[each.category] for each in rated if each.category in _HARMS)
    return SafetyReport(stage, reason, sentence, ratings, sliders, bool(sliders) if rated else None)


def _responsible(ratings: tuple[SafetyRating, ...]) -> list[SafetyRating]:
    """The ratings that blocked; where none says so, the highest."""
    rated = [rating for rating in ratings if rating.blocked]
    for probability in ("HIGH", "MEDIUM", "LOW"):
        rated = rated or [rating for rating in ratings if rating.probability == probability]
    return rated


def _which(ratings: tuple[SafetyRating, ...]) -> str:
    """The rest of a sentence about the safety filter: which categories it was, and whether a slider decides them."""
    rated = _responsible(ratings)
    if not rated:
        return ". It names no category; one of the safety sliders may decide this."
    names = [rating.category.removeprefix("HARM_CATEGORY_").replace("_", " ").lower() for rating in rated[:2]]
    sliders = [name.capitalize() for rating, name in zip(rated, names, strict=False) if rating.category in _HARMS]
    decides = f"The {' and '.join(sliders)} slider decides this." if len(sliders) == 1 else "Their sliders decide this."
    return f": {' and '.join(names)}. {decides if sliders else NO_SLIDER}"


def _left_out(parts: list[dict[str, Any]]) -> Iterator[Note]:
    kinds = Counter(kind for part in parts for kind in part if kind in _PART_KINDS)
    for kind, count in kinds.items():
        yield Note(NoteKind.SKIPPED, f"Not shown: {count} {_PART_KINDS[kind][count > 1]} in the answer.")


_PART_KINDS = {
    "inlineData": ("picture or other file", "pictures or other files"),
    "fileData": ("link to a file", "links to files"),
    "executableCode": ("piece of code", "pieces of code"),
    "codeExecutionResult": ("output of code", "outputs of code"),
    "functionCall": ("call of a function", "calls of functions"),
}


class Growth:
    """A streamed reply as it comes: `text` is the answer so far, `body` all that came."""

    def __init__(self) -> None:
        self._came: list[str] = []
        self._rest = ""
        self._shown = _Shown()
        self.text = ""

    @property
    def body(self) -> str:
        return "".join(self._came)

    def add(self, piece: str) -> bool:
        """Take what came; True where the answer grew by it. What cannot be read yet is left to `read`."""
        self._came.append(piece)
        *events, self._rest = re.split(r"\r?\n\r?\n", self._rest + piece)
        before = len(self.text)
        for event in events:
            try:
                chunk = as_dict(json.loads(_data(event) or "null"))
            except (ValueError, RecursionError):
                continue
            self.text += "".join(_said(_parts(candidate)) for candidate in self._shown.of(chunk))
        return len(self.text) > before


def _chunks(body: str) -> list[dict[str, Any]]:
    """The JSON objects of a reply: one, a list of them, or the `data:` events of a stream."""
    if not body.strip():
        return []
    try:
        if re.match(r"\s*(data:|:)", body):
            events = re.split(r"\r?\n\r?\n", body)
            return [as_dict(_camel(json.loads(data))) for event in events if (data := _data(event))]
        reply = _camel(json.loads(body))
    except (ValueError, RecursionError):
        raise BackendError(_NOT_AN_ANSWER) from None
    if reply is not None and not isinstance(reply, dict | list):
        raise BackendError(_NOT_AN_ANSWER)
    return [reply] if isinstance(reply, dict) else _dicts(reply)


def _camel(value: Any) -> Any:
    """Keys as the service writes them: recorded by way of the client library they have underscores."""
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if isinstance(value, dict):
        # what is in an error has underscores of the service's own
        return {
            re.sub("_([a-z])", lambda found: found[1].upper(), key): each if key == "error" else _camel(each)
            for key, each in value.items()
        }
    return value


def _data(event: str) -> str:
    """What a server-sent event carries, "" for a comment that only keeps the line open."""
    lines = event.replace("\r\n", "\n").split("\n")
    # a line that begins like no field is more of the data before: some services break JSON over lines
    return "\n".join(
        line.removeprefix("data:") for line in lines if not line.startswith((":", "event:", "id:"))
    ).strip()


def _ratings(value: object) -> tuple[SafetyRating, ...]:
    return tuple(
        SafetyRating(
            _word(_str(each.get("category"))), _word(_str(each.get("probability"))), each.get("blocked") is True
        )
        for each in _dicts(value)
    )


def _quote(sentence: str, message: str) -> str:
    """`sentence` with the service's own words behind it where they fit."""
    words = " ".join(message.split()).replace('"', "'")
    quoted = f'{sentence} Google says: "{words}"'
    return quoted if words and len(quoted) < 200 else sentence


def _word(reason: str) -> str:
    """A reason as the service spells it, safe to print."""
    return re.sub(r"\W+", " ", reason, flags=re.ASCII).strip()[:60]


def _is_seen(detail: Mapping[str, Any]) -> bool:
    return detail.get("modality") in ("IMAGE", "DOCUMENT")


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
