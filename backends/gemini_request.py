"""What Gemini is sent: a request becomes turns of text and media and a configuration, as plain data.

From this one plan come the call, its preview, its copy as code and its cost, so that they cannot differ. Knows no
connection, and not google-genai's classes; media are not encoded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backends import SPECS
from backends.gemini_models import UNKNOWN, Model, find, resolution_config, thinking_config
from backends.gemini_reasons import CATEGORIES
from grounding.codecs import gemini as codec
from grounding.codecs.gemini_prompt import MOST_ITEMS, go_on, schema
from grounding.documents import Document
from grounding.errors import RequestError
from grounding.images import Picture
from grounding.types import Harm, Level, Note, NoteKind, Options, Request, Resolution, Task, Thinking

THRESHOLDS: Mapping[Level, str] = {
    Level.NONE: "BLOCK_NONE",
    Level.FEW: "BLOCK_ONLY_HIGH",
    Level.SOME: "BLOCK_MEDIUM_AND_ABOVE",
    Level.MOST: "BLOCK_LOW_AND_ABOVE",
}
"""AI Studio's "Block none / few / some / most" as its API calls them; Level.DEFAULT sends nothing."""

LOCATING = frozenset({Task.DETECT, Task.SEGMENT})
MAX_PICTURES = SPECS["gemini"].capabilities.max_images
"""In one prompt. Google takes thousands; this many can still be told apart on a page, and by the model."""

_OUTPUT_TOKENS = 8192
"""Room for some 150 boxes, or for an answer behind its thoughts; also what the oldest models allow at most."""


@dataclass(frozen=True)
class Part:
    """Words, or a picture or document. `resolution` is set where it is said for each part."""

    text: str = ""
    media: Picture | Document | None = None
    resolution: str = ""


@dataclass(frozen=True)
class Turn:
    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Plan:
    """All that is sent. `config` has the fields of google-genai's GenerateContentConfig, with plain values."""

    model: str
    turns: tuple[Turn, ...]
    config: Mapping[str, Any]
    prompt: str
    notes: tuple[Note, ...] = field(default=())

    @property
    def limit(self) -> int:
        return int(self.config["max_output_tokens"])

    @property
    def texts(self) -> list[str]:
        """Everything said in words."""
        said = [part.text for turn in self.turns for part in turn.parts if part.text]
        return [*said, str(self.config.get("system_instruction", ""))]

    @property
    def media(self) -> list[Picture | Document]:
        return [part.media for turn in self.turns for part in turn.parts if part.media is not None]


def plan(name: str, request: Request) -> Plan:
    """How `request` is put to the model `name`; raises RequestError where it cannot be."""
    model = find(name)
    _check(request, model)
    prompt = codec.prompt(request)
    resolution = request.options.resolution
    each = resolution_config(resolution) if resolution is Resolution.ULTRA_HIGH else None  # not one for all parts
    parts = (*_media(request, each or ""), Part(prompt))
    turns = [Turn("user", parts)]
    if so_far := _so_far(request):
        turns += [Turn("model", (Part(so_far),)), Turn("user", (Part(go_on(request)),))]
    notes: list[Note] = []
    return Plan(name, tuple(turns), _config(request, model, notes), prompt, tuple(notes))


def _so_far(request: Request) -> str:
    """An earlier answer as the model is shown it: of a list, its whole entries."""
    return codec.closed(request.so_far) if request.task in LOCATING else request.so_far


def _media(request: Request, resolution: str) -> tuple[Part, ...]:
    """One picture stands alone, as the guide has it; of several each has its number before it."""
    parts: list[Part] = []
    for number, document in enumerate(request.documents, 1):
        parts += [Part(f"Document {number}:")] if len(request.documents) > 1 else []
        parts.append(Part(media=document))  # ultra high is for pictures only
    for number, picture in enumerate(request.images, 1):
        parts += [Part(f"Picture {number}:")] if len(request.images) > 1 else []
        parts.append(Part(media=picture, resolution=resolution))
    return tuple(parts)


def _check(request: Request, model: Model) -> None:
    options = request.options
    if not request.images and not request.documents:
        raise RequestError("There is no picture. Choose one first.")
    if len(request.images) > MAX_PICTURES:
        raise RequestError(f"{len(request.images)} pictures are too many for one prompt; {MAX_PICTURES} are the limit.")
    if request.documents and not model.documents:
        raise RequestError("This model does not read PDFs. Choose another, or look at its pages as pictures.")
    if options.temperature is not None and not 0 <= options.temperature <= 2:  # also false for NaN
        raise RequestError("The temperature goes from 0 to 2.")
    most = model.most_answer_tokens or 1_048_576
    if options.max_output_tokens is not None and not 1 <= options.max_output_tokens <= most:
        raise RequestError(f"The output limit of this model goes from 1 to {most:,} tokens.")
    if options.max_items is not None and not 1 <= options.max_items <= MOST_ITEMS:
        raise RequestError(f"The number of objects to ask for goes from 1 to {MOST_ITEMS:,}.")
    if options.seed is not None and not -(2**31) <= options.seed < 2**31:
        raise RequestError(f"The seed is a whole number from {-(2**31):,} to {2**31 - 1:,}.")


def _config(request: Request, model: Model, notes: list[Note]) -> dict[str, Any]:
    options, locating = request.options, request.task in LOCATING
    room = model.answer_tokens if request.task is Task.SEGMENT else _OUTPUT_TOKENS
    temperature = options.temperature
    if temperature is None and locating:
        temperature = model.temperature
    config: dict[str, Any] = {
        "system_instruction": options.system.strip() or None,
        "temperature": temperature,
        "max_output_tokens": options.max_output_tokens or room,
        "seed": options.seed,
        "thinking_config": _thinking(options, model, locating, notes) or None,
        "safety_settings": _safety(request.safety, model, notes) or None,
    }
    if options.resolution is not Resolution.ULTRA_HIGH:
        config["media_resolution"] = resolution_config(options.resolution)
    if options.structured and locating:
        if model.answers_by_schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": schema(request)}
        else:
            notes.append(Note(NoteKind.MODEL, "This model takes no schema; it was asked in words only."))
    return {name: value for name, value in config.items() if value is not None}


def _thinking(options: Options, model: Model, locating: bool, notes: list[Note]) -> dict[str, Any]:
    """Least thinking for boxes where nobody chose: it gives better ones, says Google's guide, and sooner."""
    wish = options.thinking or (Thinking.LEAST if locating else None)
    config = thinking_config(model, wish)
    if options.thinking not in (None, Thinking.MODEL) and not config:
        why = "is not known here" if model is UNKNOWN else "cannot be set for this model"
        notes.append(Note(NoteKind.MODEL, f"How much to think {why}; the model was left its own way."))
    return config


def _safety(levels: Mapping[Harm, Level], model: Model, notes: list[Note]) -> list[dict[str, str]]:
    chosen = {harm: level for harm, level in levels.items() if level is not Level.DEFAULT}
    if Harm.CIVIC_INTEGRITY in chosen and not model.civic_integrity:
        del chosen[Harm.CIVIC_INTEGRITY]
        notes.append(Note(NoteKind.MODEL, "This model has no filter for civic integrity; that slider was not sent."))
    return [{"category": CATEGORIES[harm], "threshold": THRESHOLDS[level]} for harm, level in chosen.items()]


def picture_name(media: Picture | Document, number: int) -> str:
    """What to call a file in code and lists where it has no name."""
    kind = "document" if isinstance(media, Document) else "picture"
    return media.name or f"{kind}-{number}"
