"""Pictures and documents kept by Google's Files API for a while: each is uploaded once for one key, then reused.

A file is forgotten when Google would delete it (48 hours after the upload), or deleted when asked. Knows nothing of
prompts; what is uploaded by other programs with the same key is not listed here.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.genai import errors, types

from backends.gemini_connection import Connection, Tries
from grounding.errors import BackendError, ConfigError

KEPT_H = 48
"""How long Google keeps a file."""

_MARGIN = timedelta(minutes=10)  # a file that is about to go is not used again
_SLOWEST_BYTES_PER_S = 250_000  # an upload over a line of 2 Mbit/s still ends in time
_POLL_S = (0.2, 0.5, 1.0, 2.0)
_MOST = 200  # files remembered for one key


@dataclass(frozen=True)
class Stored:
    """One file at Google's. `name` is Google's for it, `title` what a person calls it."""

    name: str
    uri: str
    mime_type: str
    until: datetime
    title: str


class Uploads:
    """What was uploaded for one key. Safe to use from several threads; the same content is uploaded once."""

    def __init__(self, connection: Connection, deadline_s: float) -> None:
        self._connection = connection
        self._deadline_s = deadline_s
        self._table = threading.Lock()
        self._kept: OrderedDict[str, Stored] = OrderedDict()
        self._under_way: dict[str, threading.Lock] = {}

    def get(self, content_id: str) -> Stored | None:
        """The file with this content, if it is there for a while yet."""
        with self._table:
            stored = self._kept.get(content_id)
            if stored is not None and stored.until - _MARGIN <= datetime.now(UTC):
                del self._kept[content_id]
                stored = None
            return stored

    def put(
        self,
        content_id: str,
        data: bytes,
        mime_type: str,
        title: str,
        stop: threading.Event | None = None,
        tries: Tries | None = None,
    ) -> Stored:
        """The file with this content, uploaded if it is not there yet, ready to be used; raises GroundingError."""
        with self._table:
            turn = self._under_way.setdefault(content_id, threading.Lock())
        with turn:
            try:
                return self.get(content_id) or self._upload(content_id, data, mime_type, title, stop, tries)
            finally:
                with self._table:
                    self._under_way.pop(content_id, None)

    def _upload(
        self,
        content_id: str,
        data: bytes,
        mime_type: str,
        title: str,
        stop: threading.Event | None,
        tries: Tries | None,
    ) -> Stored:
        deadline_s = self._deadline_s + len(data) / _SLOWEST_BYTES_PER_S

        async def once(client: Any) -> Stored:
            return await _uploaded(client, data, mime_type, title)

        stored = self._connection.call(once, "", stop, tries, deadline_s=deadline_s)
        with self._table:
            self._kept[content_id] = stored
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return stored

    def listed(self) -> tuple[tuple[str, datetime], ...]:
        """(title, until when it is kept) of each."""
        with self._table:
            return tuple((each.title, each.until) for each in self._kept.values())

    def forget(self) -> None:
        """Use none of them again: Google may have deleted some."""
        with self._table:
            self._kept.clear()

    def delete(self, stop: threading.Event | None = None) -> int:
        """Have Google delete them all; gives back how many. What could not be deleted stays listed, and raises."""
        count = 0
        with self._table:
            todo = list(self._kept.items())
        for content_id, stored in todo:

            async def once(client: Any, name: str = stored.name) -> None:
                try:
                    await client.files.delete(name=name)
                except errors.ClientError as error:
                    if error.code not in (403, 404):  # gone already: Google says either
                        raise

            self._connection.call(once, "", stop)
            with self._table:
                self._kept.pop(content_id, None)
            count += 1
        return count


async def _uploaded(client: Any, data: bytes, mime_type: str, title: str) -> Stored:
    """Upload and wait until the file may be used."""
    ascii_title = title.encode("ascii", "replace").decode()[:200]
    config = types.UploadFileConfig(mime_type=mime_type, display_name=ascii_title)
    try:
        file = await client.files.upload(file=io.BytesIO(data), config=config)
        for turn in range(1_000_000):  # the connection's deadline ends it
            if _state(file) != "PROCESSING":
                break
            await asyncio.sleep(_POLL_S[min(turn, len(_POLL_S) - 1)])
            file = await client.files.get(name=file.name)
    except (KeyError, TypeError, ValueError):  # no address to upload to, or an answer of another kind
        raise BackendError("Google took the file but gave no sensible answer. Try again.") from None
    if _state(file) == "FAILED":
        raise BackendError("Google could not process the file. Save it anew as PNG, JPEG or PDF and try again.")
    if not file.uri or not file.name:
        raise ConfigError("This address has no place for files. Use smaller pictures, or Google's own address.")
    until = file.expiration_time or datetime.now(UTC) + timedelta(hours=KEPT_H)
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return Stored(file.name, file.uri, file.mime_type or mime_type, until, title)


def _state(file: Any) -> str:
    """ "ACTIVE" where nothing is said: pictures are ready at once."""
    state = getattr(file, "state", None)
    return str(getattr(state, "value", state) or "ACTIVE").removeprefix("STATE_")
