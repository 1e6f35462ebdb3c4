"""One key's connection to the Gemini service: a total deadline, a budget of tries, and a stop that is heard at once.

google-genai 3.4.0 by itself waits for ever, limits each read but never the whole answer, ignores Retry-After and does
not retry a cut answer; here each is settled once. Requests run on one event loop of their own, because only there can
a request under way be called off. Knows no prompts and does not read answers.
"""

from __future__ import annotations

import asyncio
import codecs
import concurrent.futures
import contextlib
import json
import logging
import queue
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
from google import genai
from google.genai import errors, types

from backends import gemini_transport
from backends.gemini_errors import RETRIED, explain, hopeless, redact, wait_s
from grounding.errors import BackendError, GroundingError, Stopped, Timeout

TRIES = 3
LONGEST_WAIT_S = 20.0
"""A wait the service asks for is sat out up to this; a longer one is told to the person instead."""

_ONE_ANSWER = {"automatic_continuation": False}
"""Else the library would follow up on an answer cut by the service's own limit, beyond any budget."""

_UNREACHABLE = "Gemini cannot be reached. Check the internet connection{address}, then try again."
_CLOSED = "This connection to Gemini was closed meanwhile. Try again."
_T = TypeVar("_T")

# It warns of keys in the environment even when it is given one, which reads as if it would use those.
logging.getLogger("google_genai._api_client").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Asked:
    """One question, as google-genai takes it."""

    model: str
    contents: types.ContentListUnion
    config: types.GenerateContentConfig


@dataclass(frozen=True)
class Again:
    """The service is asked anew in `wait_s` seconds; what it sent before is void. `why` is for people.

    asked: the service itself named the wait.
    """

    wait_s: float
    why: str
    asked: bool


@dataclass
class Tries:
    """Counts the requests of one call as they are sent; `told` hears of each wait, on the connection's thread."""

    count: int = 0
    told: Callable[[Again], None] | None = None


class Connection:
    """Asks the service; safe to call from several threads. `deadline_s` holds for a whole call, all tries included.

    `share` it for another user of the same key: it ends when each has closed it.
    """

    def __init__(self, api_key: str, base_url: str | None, *, deadline_s: float, backoff_s: float = 1.0) -> None:
        self._api_key = api_key
        self._deadline_s = deadline_s
        self._backoff_s = backoff_s
        self._unreachable = _UNREACHABLE.format(address=" and GOOGLE_GEMINI_BASE_URL" if base_url else "")
        self._http = gemini_transport.client()
        self._client = genai.Client(
            api_key=api_key,
            vertexai=False,  # whatever the environment says
            http_options=types.HttpOptions(
                base_url=base_url,
                timeout=round(deadline_s * 1000),
                headers={"Accept-Encoding": "identity"},  # so that the limit counts what is kept
                httpx_async_client=self._http,
                client_args={"verify": gemini_transport.trusted()},
            ),
        )
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._running, self._users = 0, 1
        self._ended = False
        threading.Thread(target=self._serve, daemon=True, name="gemini").start()

    def ask(self, asked: Asked, stop: threading.Event | None = None, tries: Tries | None = None) -> str:
        """The reply's body with the key taken out; raises GroundingError where none came, Stopped soon after `stop`."""
        config = asked.config.model_copy(update={**_ONE_ANSWER, "should_return_http_response": True})

        async def once(client: Any) -> str:
            reply = await client.models.generate_content(model=asked.model, contents=asked.contents, config=config)
            return redact((reply.sdk_http_response and reply.sdk_http_response.body) or "", self._api_key)

        return self.call(once, asked.model, stop, tries)

    def stream(
        self, asked: Asked, stop: threading.Event | None = None, tries: Tries | None = None
    ) -> Generator[str | Again, None, None]:
        """The reply's body as it comes, in pieces, the key not taken out; closing the iterator ends the request.

        Raises as `ask` does, also after some pieces; an Again says that the pieces so far are void.
        """
        tries = tries or Tries()
        pieces: queue.SimpleQueue[str | Again | None] = queue.SimpleQueue()
        tries.told = pieces.put
        future = self._start(self._feed(asked, pieces, tries))
        try:
            while True:
                if stop is not None and stop.is_set():
                    raise Stopped
                with contextlib.suppress(queue.Empty):
                    piece = pieces.get(timeout=0.1)
                    if piece is None:
                        future.result()
                        return
                    yield piece
        finally:
            future.cancel()

    def call(
        self,
        once: Callable[[Any], Awaitable[_T]],
        model: str,
        stop: threading.Event | None = None,
        tries: Tries | None = None,
        *,
        deadline_s: float | None = None,
    ) -> _T:
        """What `once` makes of google-genai's asynchronous client, tried again as `ask` is, by the same rules."""
        return self._wait(self._start(self._retried(once, model, tries or Tries(), deadline_s)), stop)

    def share(self) -> Connection:
        """The same connection for one more user."""
        with self._lock:
            if self._users <= 0:
                raise BackendError(_CLOSED)
            self._users += 1
        return self

    def close(self) -> None:
        """Free the connection once its last user has closed it and the requests under way have ended."""
        with self._lock:
            self._users -= 1
        self._end_if_idle()

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _end_if_idle(self) -> None:
        with self._lock:
            if self._running or self._users > 0 or self._ended:
                return
            self._ended = True

        async def end() -> None:
            await self._http.aclose()
            self._loop.call_later(0.05, self._loop.stop)  # sockets close in the loop's next rounds

        asyncio.run_coroutine_threadsafe(end(), self._loop)

    def _start(self, coroutine: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        with self._lock:
            if self._users <= 0:
                coroutine.close()
                raise BackendError(_CLOSED)
            self._running += 1
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        future.add_done_callback(self._ran)
        return future

    def _ran(self, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            self._running -= 1
        self._end_if_idle()

    def _wait(self, future: concurrent.futures.Future[_T], stop: threading.Event | None) -> _T:
        try:
            while stop is not None and not stop.is_set():
                try:
                    return future.result(timeout=0.1)
                except concurrent.futures.TimeoutError:  # not the coroutine's own: that one never raises it
                    continue
            if stop is not None:
                raise Stopped
            return future.result()
        finally:
            future.cancel()

    async def _feed(self, asked: Asked, pieces: queue.SimpleQueue[str | Again | None], tries: Tries) -> None:
        """Put the body of a streamed reply into `pieces`, then None."""
        config = asked.config.model_copy(update=_ONE_ANSWER)

        async def once(client: Any) -> None:
            text = codecs.getincrementaldecoder("utf-8")("replace")
            with gemini_transport.tapped(lambda chunk: pieces.put(text.decode(chunk))):
                async for _ in await client.models.generate_content_stream(
                    model=asked.model, contents=asked.contents, config=config
                ):
                    pass  # empty: what was sent went through the tap

        try:
            await self._retried(once, asked.model, tries, None)
        finally:
            pieces.put(None)

    async def _retried(
        self, once: Callable[[Any], Awaitable[_T]], model: str, tries: Tries, deadline_s: float | None
    ) -> _T:
        deadline_s = deadline_s or self._deadline_s
        end = self._loop.time() + deadline_s
        try:
            async with asyncio.timeout_at(end):
                for number in range(1, TRIES + 1):
                    try:
                        tries.count += 1
                        return await self._once(once, model, number)
                    except _PassingError as error:
                        pause = self._pause(error.wait_s, number)
                        if number == TRIES or pause is None or self._loop.time() + pause >= end:
                            raise error.explained from None
                        if tries.told is not None:
                            tries.told(Again(pause, str(error.explained), error.wait_s is not None))
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        raise Timeout(f"Gemini did not answer within {deadline_s:g} s. Try again, or ask for less at once.")

    def _pause(self, asked_s: float | None, tries: int) -> float | None:
        """Seconds until the next try; None where the service wants a longer wait than is worth it."""
        if asked_s is None:
            return self._backoff_s * (1, 2, 4)[tries - 1] * random.uniform(0.5, 1.5)
        return asked_s + random.uniform(0, 0.5) if asked_s <= LONGEST_WAIT_S else None

    async def _once(self, once: Callable[[Any], Awaitable[_T]], model: str, number: int) -> _T:
        """One request; raises _PassingError where another may help."""
        try:
            return await once(self._client.aio)
        except errors.APIError as error:
            raise self._refused(error, model, number) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise _PassingError(BackendError(self._unreachable)) from None
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except httpx2.TransportError:
            raise _PassingError(BackendError("The connection to Gemini broke off. Try again.")) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, json.JSONDecodeError):
            raise BackendError("Gemini's service sent something that could not be read. Try again.") from None

    def _refused(self, error: errors.APIError, model: str, tries: int) -> Exception:
        headers = getattr(error.response, "headers", {})
        explained = explain(error.code, error.details, headers, model=model, api_key=self._api_key, tries=tries)
        if error.code not in RETRIED or hopeless(error.details):
            return explained
        return _PassingError(explained, wait_s(error.details, headers))


class _PassingError(Exception):
    """A failure that may pass: what to say if it does not, and how long the service asks to wait."""

    def __init__(self, explained: GroundingError, wait_s: float | None = None) -> None:
        super().__init__()
        self.explained = explained
        self.wait_s = wait_s
