"""Gemini through Google's API: one picture, then the text, one answer.

Knows what to ask which model family; `gemini_connection` gets the reply and `gemini_outcomes` says what it amounts to.
The models' own limits and price are not known here: what the service refuses, it says.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from google.genai import types

from backends import SPECS
from backends.gemini_connection import Connection
from backends.gemini_errors import explain
from backends.gemini_outcomes import CATEGORIES, Ending, Reply, ServiceError, read
from grounding import images
from grounding.backend import Capabilities
from grounding.codecs import gemini as codec
from grounding.errors import ConfigError, RequestError
from grounding.settings import Settings, clean_key
from grounding.types import Decoded, Level, Note, NoteKind, Origin, Outcome, Request, Result, Task, Usage

THRESHOLDS: Mapping[Level, types.HarmBlockThreshold] = {
    Level.NONE: types.HarmBlockThreshold.BLOCK_NONE,
    Level.FEW: types.HarmBlockThreshold.BLOCK_ONLY_HIGH,
    Level.SOME: types.HarmBlockThreshold.BLOCK_MEDIUM_AND_ABOVE,
    Level.MOST: types.HarmBlockThreshold.BLOCK_LOW_AND_ABOVE,
}
"""AI Studio's "Block none / few / some / most" as its API calls them; Level.DEFAULT sends nothing."""

_LOCATING = frozenset({Task.DETECT, Task.SEGMENT})


@dataclass(frozen=True)
class Family:
    """What suits a family of models: the least thinking it takes, and limits.

    thinking, temperature: for detect and segment only; empty or None leave the model's own default.
    """

    ids: str
    thinking: Mapping[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    mask_tokens: int = 8192


FAMILIES = (
    # Google's guide on image understanding: thinking off gives better boxes and masks; 0.5 keeps 2.x from repeating.
    Family(r"gemini-2\.5-flash(?!.*(image|tts|audio))", {"thinking_budget": 0}, 0.5, 32_768),
    Family(r"gemini-robotics-er-1", {"thinking_budget": 0}, 0.5, 32_768),
    Family(r"gemini-2\.5-pro", {}, 0.5, 32_768),  # its thinking cannot be turned off
    Family(r"gemini-2\.0-flash", {}, 0.5),
    # From 3 on: levels instead of budgets, and Google advises against any temperature but the default.
    Family(r"gemini-3(\.[0-7])?-flash", {"thinking_level": "minimal"}, None, 32_768),
    Family(r"gemini-[3-9]", {"thinking_level": "low"}, None, 32_768),  # "minimal" is refused by Pro and by 3.8 Flash
)
"""Looked up by the start of the model's id, first match wins; an unknown model is asked with nothing special."""

_OUTPUT_TOKENS = 8192
"""Room for some 150 boxes, or for an answer behind its thoughts; also what the oldest models allow at most."""


def open_backend(model: str, settings: Settings, api_key: str) -> Gemini:
    """Gemini's `model` with the caller's own key; raises ConfigError where that cannot be a key. Sends nothing yet."""
    base_url = settings.gemini_base_url
    if base_url is not None and not re.match(r"https?://[^/]", base_url):
        raise ConfigError("GOOGLE_GEMINI_BASE_URL should begin with https://, or be left unset for Google's own.")
    if not re.fullmatch(r"((models|tunedModels)/)?[\w-][\w.-]{0,200}", model, flags=re.ASCII):
        raise ConfigError("A Gemini model's name has letters, digits, dots and dashes, like gemini-2.5-flash.")
    key = clean_key(api_key)
    if not key:  # an empty one must never reach google-genai, which would quietly take the server's own
        raise ConfigError("Gemini needs an API key, and none was given. Get one in Google AI Studio.")
    return Gemini(model, key, base_url, deadline_s=settings.deadline_s)


class Gemini:
    """One model behind one key; safe to call from several threads."""

    def __init__(
        self, model: str, api_key: str, base_url: str | None = None, *, deadline_s: float = 60.0, backoff_s: float = 1.0
    ) -> None:
        host = urlsplit(base_url).hostname if base_url else None
        self._model = model
        self._family = next(
            (each for each in FAMILIES if re.match(each.ids, model.removeprefix("models/"))), Family("")
        )
        self._api_key = api_key
        self._capabilities = replace(SPECS["gemini"].capabilities, sends_to=host or "Google")
        self._connection = Connection(api_key, base_url, deadline_s=deadline_s, backoff_s=backoff_s)

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        """Answer `request`; a block and an empty answer are Results, a refusal by the service raises GroundingError."""
        if len(request.images) != 1:
            raise RequestError("Gemini is asked about one picture at a time here.")
        prompt = codec.prompt(request)
        data, mime_type = images.encode(request.images[0])
        parts: list[types.PartUnion] = [
            types.Part.from_bytes(data=data, mime_type=mime_type),
            types.Part.from_text(text=prompt),
        ]
        config = self._config(request)
        started = time.monotonic()
        body = self._connection.ask(self._model, parts, config, stop)
        seconds = time.monotonic() - started
        try:
            reply = read(body, max_output_tokens=config.max_output_tokens or _OUTPUT_TOKENS)
        except ServiceError as error:
            status = error.body["error"].get("code")
            code = status if isinstance(status, int) else 500
            raise explain(code, error.body, {}, model=self._model, api_key=self._api_key) from None
        return _result(reply, request.task, seconds, self._origin(prompt, config))

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        yield self.predict(request, stop)

    def close(self) -> None:
        self._connection.close()

    def _config(self, request: Request) -> types.GenerateContentConfig:
        locating = request.task in _LOCATING
        options, family = request.options, self._family
        default_tokens = family.mask_tokens if request.task is Task.SEGMENT else _OUTPUT_TOKENS
        default_temperature = family.temperature if locating else None
        return types.GenerateContentConfig(
            should_return_http_response=True,  # the reply as it was sent: see gemini_outcomes
            temperature=default_temperature if options.temperature is None else options.temperature,
            max_output_tokens=options.max_output_tokens or default_tokens,
            thinking_config=types.ThinkingConfig(**family.thinking) if locating and family.thinking else None,
            safety_settings=[
                types.SafetySetting(category=types.HarmCategory(CATEGORIES[harm]), threshold=THRESHOLDS[level])
                for harm, level in request.safety.items()
                if level is not Level.DEFAULT
            ]
            or None,
        )

    def _origin(self, prompt: str, config: types.GenerateContentConfig) -> Origin:
        sent = config.model_dump(mode="json", exclude_none=True, exclude={"should_return_http_response"})
        return Origin("gemini", self._model, prompt, sent)


def _result(reply: Reply, task: Task, seconds: float, origin: Origin) -> Result:
    usage = Usage(seconds, reply.prompt_tokens, reply.image_tokens, reply.thought_tokens, reply.answer_tokens)
    result = Result(Outcome.FAILED, notes=reply.notes, safety=reply.safety, usage=usage, raw=reply.text, origin=origin)
    if reply.ending is Ending.BLOCKED:
        return replace(result, outcome=Outcome.BLOCKED, text=reply.sentence)
    if not reply.text.strip():
        return _empty(result, reply, task)
    stopped = () if reply.ending is Ending.WHOLE else (Note(NoteKind.CUT, reply.sentence),)
    decoded = codec.decode(reply.text) if task in _LOCATING else Decoded(Outcome.FOUND)
    unread = decoded.outcome is Outcome.UNRECOGNISED or task not in _LOCATING
    return replace(
        result,
        outcome=Outcome.TRUNCATED if stopped else decoded.outcome,
        text=reply.text.strip() if unread else "",
        detections=tuple(replace(each, id=i, origin=origin) for i, each in enumerate(decoded.detections)),
        notes=(*stopped, *reply.notes, *decoded.notes),
    )


def _empty(result: Result, reply: Reply, task: Task) -> Result:
    if reply.ending is Ending.CUT:
        return replace(result, outcome=Outcome.TRUNCATED, text=reply.sentence)
    if reply.ending is Ending.BROKEN:
        return replace(result, text=reply.sentence)
    said = Note(
        NoteKind.MODEL, reply.sentence
    )  # finished, but empty: for boxes that is not the same as "there are none"
    outcome = Outcome.UNRECOGNISED if task in _LOCATING else Outcome.NONE
    return replace(result, outcome=outcome, notes=(said, *reply.notes))
