"""One key's connection to the Gemini service: a total deadline, a budget of tries, and a stop that is heard at once.

google-genai 3.4.0 by itself waits for ever, limits each read but never the whole answer, ignores Retry-After and does
not retry a cut answer; here each is settled once. Requests run on one event loop of their own, because only there can
a request under way be called off. Knows no prompts and does not read answers.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import json
import logging
import os
import random
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import httpx2
from google import genai
from google.genai import errors, types

from backends.gemini_errors import RETRIED, explain, hopeless, redact, wait_s
from grounding.errors import BackendError, GroundingError, Stopped, Timeout

TRIES = 3
LONGEST_WAIT_S = 20.0
"""A wait the service asks for is sat out up to this; a longer one is told to the person instead."""

_CONNECT_S = 10.0
_MAX_ANSWER_BYTES = 32_000_000
"""Far above the largest answer (65,536 tokens); what is more is no answer."""

_UNREACHABLE = "Gemini cannot be reached. Check the internet connection{address}, then try again."
_T = TypeVar("_T")

# It warns of keys in the environment even when it is given one, which reads as if it would use those.
logging.getLogger("google_genai._api_client").setLevel(logging.ERROR)


class Connection:
    """Asks the service; safe to call from several threads. `deadline_s` holds for a whole call, all tries included."""

    def __init__(self, api_key: str, base_url: str | None, *, deadline_s: float, backoff_s: float = 1.0) -> None:
        self._api_key = api_key
        self._deadline_s = deadline_s
        self._backoff_s = backoff_s
        self._unreachable = _UNREACHABLE.format(address=" and GOOGLE_GEMINI_BASE_URL" if base_url else "")
        hooks: dict[str, list[Callable[..., Any]]] = {"request": [_limit_connecting], "response": [_limit_size]}
        self._http = httpx2.AsyncClient(event_hooks=hooks, verify=_trusted())
        self._client = genai.Client(
            api_key=api_key,
            vertexai=False,  # whatever the environment says
            http_options=types.HttpOptions(
                base_url=base_url,
                timeout=round(deadline_s * 1000),
                headers={"Accept-Encoding": "identity"},  # so that _limit_size counts what is kept
                httpx_async_client=self._http,
                client_args={"verify": _trusted()},
            ),
        )
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._running = 0
        self._closed = self._ended = False
        threading.Thread(target=self._serve, daemon=True, name="gemini").start()

    def ask(
        self,
        model: str,
        contents: list[types.PartUnion],
        config: types.GenerateContentConfig,
        stop: threading.Event | None = None,
    ) -> str:
        """The reply's body with the key taken out; raises GroundingError where none came, Stopped soon after `stop`."""
        with self._lock:
            if self._closed:
                raise BackendError("This connection to Gemini was closed meanwhile. Try again.")
            self._running += 1
        try:
            return self._run(self._ask(model, contents, config), stop)
        finally:
            with self._lock:
                self._running -= 1
            self._end_if_idle()

    def close(self) -> None:
        """Free the connection once the requests under way have ended."""
        with self._lock:
            self._closed = True
        self._end_if_idle()

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _end_if_idle(self) -> None:
        with self._lock:
            if self._running or not self._closed or self._ended:
                return
            self._ended = True

        async def end() -> None:
            await self._http.aclose()
            self._loop.call_later(0.05, self._loop.stop)  # sockets close in the loop's next rounds

        asyncio.run_coroutine_threadsafe(end(), self._loop)

    def _run(self, coroutine: Coroutine[None, None, _T], stop: threading.Event | None) -> _T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
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

    async def _ask(self, model: str, contents: list[types.PartUnion], config: types.GenerateContentConfig) -> str:
        end = self._loop.time() + self._deadline_s
        try:
            async with asyncio.timeout_at(end):
                for tries in range(1, TRIES + 1):
                    try:
                        return await self._once(model, contents, config, tries)
                    except _PassingError as error:
                        pause = self._pause(error.wait_s, tries)
                        if tries == TRIES or pause is None or self._loop.time() + pause >= end:
                            raise error.explained from None
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        raise Timeout(f"Gemini did not answer within {self._deadline_s:g} s. Try again, or ask for less at once.")

    def _pause(self, asked_s: float | None, tries: int) -> float | None:
        """Seconds until the next try; None where the service wants a longer wait than is worth it."""
        if asked_s is None:
            return self._backoff_s * (1, 2, 4)[tries - 1] * random.uniform(0.5, 1.5)
        return asked_s + random.uniform(0, 0.5) if asked_s <= LONGEST_WAIT_S else None

    async def _once(
        self, model: str, contents: list[types.PartUnion], config: types.GenerateContentConfig, tries: int
    ) -> str:
        """One request; raises _PassingError where another may help."""
        try:
            reply = await self._client.aio.models.generate_content(model=model, contents=contents, config=config)
        except errors.APIError as error:
            raise self._refused(error, model, tries) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise _PassingError(BackendError(self._unreachable)) from None
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except httpx2.TransportError:
            raise _PassingError(BackendError("The connection to Gemini broke off. Try again.")) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, json.JSONDecodeError):
            raise BackendError("Gemini's service sent something that could not be read. Try again.") from None
        body = reply.sdk_http_response.body if reply.sdk_http_response else None
        return redact(body or "", self._api_key)

    def _refused(self, error: errors.APIError, model: str, tries: int) -> Exception:
        headers = getattr(error.response, "headers", {})
        explained = explain(error.code, error.details, headers, model=model, api_key=self._api_key, tries=tries)
        if error.code not in RETRIED or hopeless(error.details):
            return explained
        return _PassingError(explained, wait_s(error.details, headers))


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are believed, read once; httpx2 alone ignores SSL_CERT_FILE and SSL_CERT_DIR."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder) if file or folder else httpx2.create_ssl_context()


class _PassingError(Exception):
    """A failure that may pass: what to say if it does not, and how long the service asks to wait."""

    def __init__(self, explained: GroundingError, wait_s: float | None = None) -> None:
        super().__init__()
        self.explained = explained
        self.wait_s = wait_s


class _TooLargeError(httpx2.HTTPError):
    pass


async def _limit_connecting(request: httpx2.Request) -> None:
    request.extensions["timeout"]["connect"] = min(_CONNECT_S, request.extensions["timeout"]["connect"])


async def _limit_size(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":  # not asked for: it may unpack to anything
        raise _TooLargeError("compressed")
    response.stream = _Counted(response.stream)  # type: ignore[arg-type]


class _Counted(httpx2.AsyncByteStream):
    """The same bytes, until there are more than any answer has."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        async for chunk in self._stream:
            count += len(chunk)
            if count > _MAX_ANSWER_BYTES:
                raise _TooLargeError("too large")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
