"""What was sent, for people: as the JSON of the request, and as a program with google-genai that sends the same.

Made from the same plan as the call itself. No key is known here, so none can be shown.
"""

from __future__ import annotations

import json
import pprint
import re
from collections.abc import Mapping
from typing import Any

from backends.gemini_request import Part, Plan, picture_name
from grounding.documents import Document
from grounding.images import Picture

_TOP = {"system_instruction": "systemInstruction", "safety_settings": "safetySettings"}
_WIDTH = 100


def preview(asked: Plan) -> str:
    """The request as JSON, as the API's reference has it; media shortened to what they are."""
    body: dict[str, Any] = {
        "contents": [{"role": turn.role, "parts": [_shown(part) for part in turn.parts]} for turn in asked.turns]
    }
    generation: dict[str, Any] = {}
    for name, value in asked.config.items():
        if name == "system_instruction":
            body[_TOP[name]] = {"role": "user", "parts": [{"text": value}]}
        elif name in _TOP:
            body[_TOP[name]] = value
        else:
            generation[_camel(name)] = _camels(value) if name == "thinking_config" else value
    body["generationConfig"] = generation
    return json.dumps(body, ensure_ascii=False, indent=2)


def snippet(asked: Plan) -> str:
    """A program that sends the same request; it reads the key from the environment, the media from files beside it."""
    names: dict[str, str] = {}
    for media in asked.media:
        if media.content_id not in names:
            name = _file_name(media, len(names) + 1)
            names[media.content_id] = f"{len(names) + 1}-{name}" if name in names.values() else name
    config = pprint.pformat(dict(asked.config), width=_WIDTH, sort_dicts=False)
    turns = "\n".join(
        f"    types.Content(role={turn.role!r}, parts=[\n"
        + "".join(f"        {_coded(part, names)},\n" for part in turn.parts)
        + "    ]),"
        for turn in asked.turns
    )
    return f"""\
# pip install google-genai; the key is read from the environment variable GEMINI_API_KEY.
# Files lie beside this program. Pinpoint sends pictures upright and without their metadata.
from pathlib import Path

from google import genai
from google.genai import types

client = genai.Client()
contents = [
{turns}
]
config = types.GenerateContentConfig(
    **{_indented(config)}
)
response = client.models.generate_content(model={asked.model!r}, contents=contents, config=config)
print(response.text)
"""


def _shown(part: Part) -> dict[str, Any]:
    if part.media is None:
        return {"text": part.text}
    shown: dict[str, Any] = {"inlineData": {"mimeType": _kind(part.media), "data": f"<{_size(part.media)}>"}}
    return shown | ({"mediaResolution": {"level": part.resolution}} if part.resolution else {})


def _coded(part: Part, names: Mapping[str, str]) -> str:
    if part.media is None:
        return f"types.Part.from_text(text={part.text!r})"
    resolution = f", media_resolution={part.resolution!r}" if part.resolution else ""
    name = names[part.media.content_id]
    return f"types.Part.from_bytes(data=Path({name!r}).read_bytes(), mime_type={_kind(part.media)!r}{resolution})"


def _file_name(media: Picture | Document, number: int) -> str:
    """A file's own name without folders, so that the program runs beside it."""
    name = picture_name(media, number).replace("\\", "/").rsplit("/", 1)[-1]
    ending = ".pdf" if isinstance(media, Document) else ".jpg"
    return name if re.search(r"\.\w{2,5}$", name) else name + ending


def _kind(media: Picture | Document) -> str:
    """Of the file as it lies there; what is sent from here may have been packed anew."""
    if isinstance(media, Document):
        return "application/pdf"
    return f"image/{media.format.lower()}"


def _size(media: Picture | Document) -> str:
    if isinstance(media, Document):
        return f"{media.pages} pages, {len(media.data):,} bytes"
    return f"{media.size_wh[0]} x {media.size_wh[1]} pixels"


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def _camels(value: Mapping[str, Any]) -> dict[str, Any]:
    return {_camel(name): each for name, each in value.items()}
