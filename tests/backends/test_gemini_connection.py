"""A real loopback server, the real client: deadlines hold, tries are counted, a stop is heard, keys stay in."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.genai import types

from backends import gemini_transport
from backends.gemini_connection import Asked, Connection
from grounding.errors import BackendError, ConfigError, GroundingError, RateLimited, Stopped, Timeout
from tests.stand_in import Answer, StandIn, reply

KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"
HELLO: list[types.PartUnion] = ["hello"]
SOON_S = 15.0
"""A fraction of a second on a machine that does nothing else; a half of the shortest silence here."""


@pytest.fixture(scope="module")
def connection(service: StandIn) -> Iterator[Connection]:
    opened = Connection(KEY, service.url, deadline_s=19, backoff_s=0.02)
    yield opened
    opened.close()


def ask(connection: Connection, stop: threading.Event | None = None) -> str:
    return connection.ask(Asked("gemini-x", HELLO, types.GenerateContentConfig()), stop)


def failure(connection: Connection, stop: threading.Event | None = None) -> GroundingError:
    with pytest.raises(GroundingError) as error:
        ask(connection, stop)
    assert KEY not in repr(error.value)
    assert len(str(error.value)) < 200
    return error.value


PASSING = [
    pytest.param(Answer(500), id="500"),
    pytest.param(Answer(502, b"<html>Bad gateway"), id="502 with a web page"),
    pytest.param(Answer(503), id="503"),
    pytest.param(Answer(429), id="429"),
    pytest.param(Answer(reset=True), id="reset"),
    pytest.param(Answer(body=b'{"candidates": [1, 2, 3]}', cut_at=9), id="cut body"),
]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_what_may_pass_is_tried_again(service: StandIn, connection: Connection, fault: Answer, times: int) -> None:
    service.says(*[fault] * times, reply("ok"))
    assert "ok" in ask(connection)
    assert len(service.requests) == times + 1


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_ends_after_three_requests(service: StandIn, connection: Connection, fault: Answer) -> None:
    service.says(fault)
    assert isinstance(failure(connection), BackendError)
    assert len(service.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_what_never_passes_is_asked_once(service: StandIn, connection: Connection, status: int) -> None:
    service.says(Answer(status, {"error": {"message": f"no, {KEY}"}}))
    failure(connection)
    assert len(service.requests) == 1


def test_a_short_wait_the_service_asks_for_is_sat_out(service: StandIn, connection: Connection) -> None:
    service.says(Answer(429, headers={"Retry-After": "1"}), reply("ok"))
    started = time.monotonic()
    assert "ok" in ask(connection)
    assert 1 <= time.monotonic() - started < SOON_S


@pytest.mark.parametrize("seconds", [37, 18.9], ids=["too long for anyone", "too long for the deadline"])
def test_a_wait_that_is_too_long_is_told_instead(service: StandIn, connection: Connection, seconds: float) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"}
    service.says(Answer(429, {"error": {"message": "", "details": [info]}}, wait_s=0.2))
    error = failure(connection)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds
    assert f"Try again in {round(seconds)} s" in str(error)
    assert len(service.requests) == 1


def test_a_used_up_day_is_not_asked_again(service: StandIn, connection: Connection) -> None:
    quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerDay"}]}
    service.says(Answer(429, {"error": {"message": "", "details": [quota]}}))
    assert "for today" in str(failure(connection))
    assert len(service.requests) == 1


SLOW = [
    pytest.param(Answer(wait_s=30), id="silence"),
    pytest.param(Answer(body=b" " * 1000, drip_s=0.1), id="one byte at a time"),  # for 100 s
]


@pytest.mark.parametrize("answer", SLOW)
def test_the_deadline_holds_for_the_whole_answer(service: StandIn, answer: Answer) -> None:
    service.says(answer)
    impatient = Connection(KEY, service.url, deadline_s=0.6)
    started = time.monotonic()
    error = failure(impatient)
    assert time.monotonic() - started < SOON_S
    assert isinstance(error, Timeout)
    assert "0.6 s" in str(error)
    impatient.close()


@pytest.mark.parametrize("answer", SLOW)
def test_a_request_that_met_its_deadline_does_not_hold_up_the_next(
    service: StandIn, connection: Connection, answer: Answer
) -> None:
    async def once(client: Any) -> None:
        await client.models.generate_content(model="gemini-x", contents=HELLO)

    service.says(answer)
    with pytest.raises(Timeout):
        connection.call(once, "gemini-x", deadline_s=0.3)
    service.says(reply("ok"))
    assert "ok" in ask(connection)


@pytest.mark.parametrize("answer", SLOW)
def test_stop_is_heard_and_the_connection_let_go(service: StandIn, connection: Connection, answer: Answer) -> None:
    service.says(answer)
    stop = threading.Event()
    service.once_asked(stop.set, after_s=0.2)
    started = time.monotonic()
    assert isinstance(failure(connection, stop), Stopped)
    assert time.monotonic() - started < SOON_S
    assert service.gone.wait(SOON_S), "the service still believes someone listens"


def test_a_stop_set_beforehand_answers_at_once(service: StandIn, connection: Connection) -> None:
    service.says(Answer(wait_s=30))
    stop = threading.Event()
    stop.set()
    assert isinstance(failure(connection, stop), Stopped)


def test_an_answer_without_end_is_given_up(
    service: StandIn, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini_transport, "_MAX_ANSWER_BYTES", 1000)
    service.says(Answer(body=b" " * 1001))
    assert isinstance(failure(connection), BackendError)
    assert len(service.requests) == 1


def test_a_compressed_answer_nobody_asked_for_is_not_unpacked(service: StandIn, connection: Connection) -> None:
    service.says(Answer(body=gzip.compress(b" " * 10_000_000), headers={"Content-Encoding": "gzip"}))
    assert isinstance(failure(connection), BackendError)
    assert service.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_service_that_is_not_there_is_said_to_be_unreachable(service: StandIn) -> None:
    with socket.socket() as bound:  # and not listening: nobody else takes the port meanwhile
        bound.bind(("127.0.0.1", 0))
        nobody = Connection(KEY, f"http://127.0.0.1:{bound.getsockname()[1]}", deadline_s=60, backoff_s=0.02)
        assert "cannot be reached" in str(failure(nobody))
        nobody.close()


def test_the_key_travels_in_its_header_and_an_echo_of_it_does_not_come_back(
    service: StandIn, connection: Connection
) -> None:
    service.says(reply(f"your key is {KEY}"))
    assert KEY not in ask(connection)
    assert service.requests[0].headers["x-goog-api-key"] == KEY
    assert KEY not in service.requests[0].path


def test_what_only_looks_like_a_key_stays_in_an_answer(service: StandIn, connection: Connection) -> None:
    service.says(reply("base64 of a mask: AIzaSyAbcdefghijklmnop"))  # it does come up in a megabyte of base64
    assert "AIzaSyAbcdefghijklmnop" in ask(connection)


def test_it_says_how_often_it_tried(service: StandIn, connection: Connection) -> None:
    service.says(Answer(503))
    assert "(503, 3 times)" in str(failure(connection))
    service.says(Answer(503, headers={"Retry-After": "60"}))
    assert "(503)" in str(failure(connection))


def test_the_environment_can_neither_lend_a_key_nor_change_the_service(
    service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "the-operators-own")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somewhere")
    service.says(reply("ok"))
    own = Connection(KEY, service.url, deadline_s=60)
    ask(own)
    own.close()
    assert service.requests[0].headers["x-goog-api-key"] == KEY
    assert service.requests[0].path == "/v1/models/gemini-x:generateContent"


def test_many_threads_share_one_connection(service: StandIn, connection: Connection) -> None:
    service.says(Answer(body=reply("ok").body, wait_s=0.05))
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(connection))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(service.requests) == 12


def test_it_works_in_a_thread_that_runs_an_event_loop_of_its_own(service: StandIn, connection: Connection) -> None:
    service.says(reply("ok"))

    async def inside() -> str:
        return ask(connection)

    with ThreadPoolExecutor(1) as thread:  # playwright may have left a loop running in this one
        assert "ok" in thread.submit(lambda: asyncio.run(inside())).result()


def test_closing_lets_the_request_under_way_end_and_refuses_the_next(service: StandIn) -> None:
    turn, closed = threading.Semaphore(0), threading.Event()
    service.says(Answer(pieces=(reply("ok").payload,), turns=turn))  # it comes once the connection was closed
    closing = Connection(KEY, service.url, deadline_s=60)

    def close() -> None:
        closing.close()
        closed.set()
        turn.release()

    service.once_asked(close)
    assert "ok" in ask(closing)
    assert closed.wait(60)
    assert "closed" in str(failure(closing))
    closing.close()
    deadline = time.monotonic() + 60
    while not closing._loop.is_closed() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closing._loop.is_closed(), "its thread is left behind"


def test_a_redirect_is_not_followed_with_the_key(service: StandIn, connection: Connection) -> None:
    with StandIn() as elsewhere:
        service.says(Answer(302, headers={"Location": elsewhere.url}))
        failure(connection)
        assert not elsewhere.requests


def test_an_error_in_a_reply_of_another_kind_is_a_config_error(service: StandIn, connection: Connection) -> None:
    service.says(Answer(401, {"error": {"message": "no"}}))
    assert isinstance(failure(connection), ConfigError)
