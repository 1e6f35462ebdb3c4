"""Gemini through Google's API: pictures and documents, then the text; the answer whole, or as it comes.

`gemini_request` says what is sent, `gemini_connection` and `gemini_files` carry it, `gemini_outcomes` and
`gemini_answer` say what the reply amounts to. What the service refuses beyond `gemini_models`, it says itself.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from google.genai import types

from backends import SPECS
from backends.gemini_answer import Watch, finished
from backends.gemini_connection import Again, Asked, Connection, Tries
from backends.gemini_cost import spent
from backends.gemini_errors import explain, redact
from backends.gemini_files import Uploads
from backends.gemini_models import retirement
from backends.gemini_outcomes import Growth, ServiceError, read
from backends.gemini_request import Plan, picture_name, plan
from grounding import documents, images
from grounding.backend import Capabilities
from grounding.documents import Document
from grounding.errors import ConfigError
from grounding.images import Picture
from grounding.settings import Settings, clean_key
from grounding.types import Note, NoteKind, Origin, Outcome, Request, Result, Usage

INLINE_BYTES = 20_000_000
"""Of words, pictures and PDFs that a request carries in itself; more goes through the Files API.

In base64 that is 26.7 MB, and Google takes 100 MB (https://ai.google.dev/gemini-api/docs/file-input-methods; until
January 2026 it took 20). Larger ones are sent apart all the same: a request that is tried again repeats no upload.
"""

FILE_BYTES = 100_000_000
"""What a picture may weigh as a file: nothing of 40 megapixels comes near it, so none is made worse to fit."""

_AGAIN_SHOWN_S = 0.5  # shorter waits are over before anyone has read of them


def open_backend(model: str, settings: Settings, api_key: str) -> Gemini:
    """Gemini's `model` with the caller's own key; raises ConfigError where that cannot be a key. Sends nothing yet."""
    base_url = settings.gemini_base_url
    if base_url is not None and not re.match(r"https?://[^/]", base_url):
        raise ConfigError("GOOGLE_GEMINI_BASE_URL should begin with https://, or be left unset for Google's own.")
    _check_name(model)
    key = clean_key(api_key)
    if not key:  # an empty one must never reach google-genai, which would quietly take the server's own
        raise ConfigError("Gemini needs an API key, and none was given. Get one in Google AI Studio.")
    return Gemini(model, key, base_url, deadline_s=settings.deadline_s)


class Gemini:
    """One model behind one key; safe to call from several threads.

    beside: another model behind the same key, whose connection and uploads this one shares.
    """

    def __init__(
        self,
        model: str,
        api_key: str,
        base_url: str | None = None,
        *,
        deadline_s: float = 60.0,
        backoff_s: float = 1.0,
        beside: Gemini | None = None,
    ) -> None:
        host = urlsplit(base_url).hostname if base_url else None
        self._model = model
        self._api_key = api_key
        self._base_url = base_url
        self._capabilities = replace(SPECS["gemini"].capabilities, sends_to=host or "Google")
        if beside is None:
            self.connection = Connection(api_key, base_url, deadline_s=deadline_s, backoff_s=backoff_s)
            self.uploads = Uploads(self.connection, deadline_s)
        else:
            self.connection, self.uploads = beside.connection.share(), beside.uploads

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def with_model(self, model: str) -> Gemini:
        """Another model behind the same key, over the same connection and with the same uploads."""
        _check_name(model)
        return Gemini(model, self._api_key, self._base_url, beside=self)

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        """Answer `request`; a block and an empty answer are Results, a refusal by the service raises GroundingError."""
        started, tries, asked = time.monotonic(), Tries(), plan(self._model, request)
        contents = self._contents(asked, request.options.reuse, stop, tries)
        with self._forgetting(contents):
            body = self.connection.ask(Asked(self._model, contents, _config(asked)), stop, tries)
        return self._read(body, request, asked, started, tries)

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        """As `predict`, but as the answer grows: boxes once their entry is whole, words as they come."""
        started, tries, asked = time.monotonic(), Tries(), plan(self._model, request)
        contents = self._contents(asked, request.options.reuse, stop, tries)
        growth, watch = Growth(), Watch(request, self._origin(asked))
        pieces = self.connection.stream(Asked(self._model, contents, _config(asked)), stop, tries)
        with self._forgetting(contents), contextlib.closing(pieces):
            for piece in pieces:
                if isinstance(piece, Again):
                    growth = Growth()
                    watch.again()
                    if piece.wait_s >= _AGAIN_SHOWN_S:
                        told = f"{piece.why.split('. ')[0]}. Asking again in {max(1, round(piece.wait_s))} s."
                        yield Result(Outcome.FAILED, told, done=False, wait_s=piece.wait_s)
                elif growth.add(piece):
                    growth.text = redact(growth.text, self._api_key)
                    if (shown := watch.look(growth)) is not None:
                        yield shown
                    if watch.stopped:
                        break
        body = redact(growth.body, self._api_key)
        yield self._read(body, request, asked, started, tries, stopped=watch.stopped)

    def count_tokens(self, request: Request, stop: threading.Event | None = None) -> int:
        """The request's tokens as the service counts them; what the call would upload is uploaded for it."""
        asked = plan(self._model, request)
        contents = self._contents(asked, request.options.reuse, stop, Tries())
        if system := asked.config.get("system_instruction"):  # the service counts no system instruction for a key
            contents.insert(0, types.Content(role="user", parts=[types.Part.from_text(text=system)]))

        async def once(client: Any) -> int:
            return (await client.models.count_tokens(model=self._model, contents=contents)).total_tokens or 0

        return self.connection.call(once, self._model, stop)

    def close(self) -> None:
        self.connection.close()

    def _contents(
        self, asked: Plan, reuse: bool, stop: threading.Event | None, tries: Tries
    ) -> list[types.ContentUnion]:
        """The plan's turns; media as bytes, or as files where they are too large together or will be used again."""
        parts: dict[str, types.Part] = {}
        inline: dict[str, tuple[Picture | Document, bytes, str]] = {}
        for media in asked.media:
            if stored := self.uploads.get(media.content_id):
                parts[media.content_id] = types.Part.from_uri(file_uri=stored.uri, mime_type=stored.mime_type)
            elif media.content_id not in inline:
                inline[media.content_id] = (media, *_encoded(media))
        room = INLINE_BYTES - sum(len(text.encode("utf-8", "replace")) for text in asked.texts)
        room -= sum(len(data) for _, data, _ in inline.values())
        for content_id, (media, data, mime_type) in sorted(inline.items(), key=lambda each: -len(each[1][1])):
            if reuse or room < 0:
                title = picture_name(media, len(parts) + 1)
                stored = self.uploads.put(content_id, data, mime_type, title, stop, tries)
                parts[content_id] = types.Part.from_uri(file_uri=stored.uri, mime_type=stored.mime_type)
                room += len(data)
            else:
                parts[content_id] = types.Part.from_bytes(data=data, mime_type=mime_type)
        contents: list[types.ContentUnion] = []
        for turn in asked.turns:
            said = [
                types.Part.from_text(text=part.text)
                if part.media is None
                else _seen(parts, part.media, part.resolution)
                for part in turn.parts
            ]
            contents.append(types.Content(role=turn.role, parts=said))
        return contents

    @contextlib.contextmanager
    def _forgetting(self, contents: list[types.ContentUnion]) -> Iterator[None]:
        """Uploads are made anew next time where a request with some was refused: Google may have deleted them."""
        try:
            yield
        except ConfigError:
            if any(part.file_data for each in contents if isinstance(each, types.Content) for part in each.parts or ()):
                self.uploads.forget()
            raise

    def _read(
        self, body: str, request: Request, asked: Plan, started: float, tries: Tries, *, stopped: str = ""
    ) -> Result:
        try:
            reply = read(body, max_output_tokens=asked.limit)
        except ServiceError as error:
            status = error.body["error"].get("code")
            code = status if isinstance(status, int) else 500
            raise explain(code, error.body, {}, model=self._model, api_key=self._api_key) from None
        today = datetime.now(UTC).date()
        usage = Usage(
            time.monotonic() - started,
            reply.prompt_tokens,
            reply.image_tokens,
            reply.thought_tokens,
            reply.answer_tokens,
            requests=tries.count,
        )
        usage = replace(usage, cost_usd=spent(self._model, usage, today))
        result = finished(reply, request, usage, self._origin(asked), limit=asked.limit, stopped=stopped)
        soon = retirement(self._model, today)
        said = (*asked.notes, *((Note(NoteKind.MODEL, soon),) if soon else ()))
        return replace(result, notes=(*result.notes, *said))

    def _origin(self, asked: Plan) -> Origin:
        return Origin("gemini", self._model, asked.prompt, dict(asked.config))


def _check_name(model: str) -> None:
    if not re.fullmatch(r"((models|tunedModels)/)?[\w-][\w.-]{0,200}", model, flags=re.ASCII):
        raise ConfigError("A Gemini model's name has letters, digits, dots and dashes, like gemini-3.6-flash.")


def _config(asked: Plan) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(**asked.config)


def _encoded(media: Picture | Document) -> tuple[bytes, str]:
    if isinstance(media, Document):
        return media.data, documents.MIME_TYPE
    return images.encode(media, max_bytes=FILE_BYTES)


def _seen(parts: dict[str, types.Part], media: Picture | Document, resolution: str) -> types.Part:
    part = parts[media.content_id]
    if not resolution:
        return part
    return part.model_copy(update={"media_resolution": types.PartMediaResolution(level=resolution)})  # type: ignore[arg-type]
