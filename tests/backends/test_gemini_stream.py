"""A growing answer over real HTTP: boxes as they complete, a stop that is heard, loops ended, waits that show."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PIL import Image

from backends import gemini_answer
from backends.gemini import Gemini
from grounding.errors import BackendError, ConfigError, GroundingError, Stopped, Timeout
from grounding.images import Picture
from grounding.types import NoteKind, Options, Outcome, Request, Result, Stage, Task
from tests.recorded import Case, params
from tests.stand_in import EVENTS, Answer, StandIn, reply, streamed

KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"
ENTRIES = [json.dumps({"box_2d": [10 * i, 10, 10 * i + 50, 90], "label": f"cat {i}"}) for i in range(6)]
SOON_S = 12.0
"""A fraction of a second on a machine that does nothing else; less than the shortest silence here."""
LIST = ("```json\n[", *[f"{entry},\n" for entry in ENTRIES[:-1]], ENTRIES[-1], "]\n```")


@pytest.fixture(scope="module")
def backend(service: StandIn) -> Iterator[Gemini]:
    opened = Gemini("gemini-3.6-flash", KEY, service.url, deadline_s=40, backoff_s=0.02)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def detect() -> Request:
    return Request(Task.DETECT, (Picture(Image.new("RGB", (40, 30), "teal")),), labels=("cat",))


@pytest.fixture(scope="module")
def caption(detect: Request) -> Request:
    return replace(detect, task=Task.CAPTION, labels=())


def results(backend: Gemini, request: Request, stop: threading.Event | None = None) -> list[Result]:
    return list(backend.stream(request, stop))


@pytest.fixture
def every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes is looked at, however soon after the piece before it."""
    monkeypatch.setattr(gemini_answer, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(gemini_answer, "_LOOK_SHARE", 0.0)


def step_by_step(backend: Gemini, request: Request, turns: threading.Semaphore) -> list[Result]:
    """The results of a service that sends a piece behind each of them, so that none goes under in the next."""
    seen = []
    for result in backend.stream(request):
        seen.append(result)
        turns.release()
    return seen


@pytest.mark.usefixtures("every_look")
def test_boxes_appear_as_their_entries_complete(service: StandIn, backend: Gemini, detect: Request) -> None:
    turns = threading.Semaphore(2)  # what opens the list, and its first entry
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 200}
    service.says(streamed(*LIST, turns=turns, usageMetadata=usage))
    *growing, last = step_by_step(backend, detect, turns)
    assert [len(each.detections) for each in growing] == [1, 2, 3, 4, 5, 6], "each shows more than the one before"
    assert not any(each.done for each in growing)
    assert (last.done, last.outcome, len(last.detections)) == (True, Outcome.FOUND, 6)
    assert [each.label for each in last.detections] == [f"cat {i}" for i in range(6)]
    assert last.raw == "".join(LIST)
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.answer_tokens, last.usage.requests) == (1000, 200, 1)
    assert service.requests[0].path.endswith(":streamGenerateContent?alt=sse")


def test_a_stream_ends_as_the_whole_answer_does(service: StandIn, backend: Gemini, detect: Request) -> None:
    service.says(streamed(*LIST))
    last = results(backend, detect)[-1]
    service.says(reply("".join(LIST)))
    whole = backend.predict(detect)
    assert [(each.label, each.box, each.id) for each in last.detections] == [
        (each.label, each.box, each.id) for each in whole.detections
    ]
    assert (last.outcome, last.notes, last.raw) == (whole.outcome, whole.notes, whole.raw)


@pytest.mark.usefixtures("every_look")
def test_words_grow(service: StandIn, backend: Gemini, caption: Request) -> None:
    turns = threading.Semaphore(1)
    service.says(streamed("A ", "cat ", "on a mat.", turns=turns))
    grown = step_by_step(backend, caption, turns)
    assert [each.text for each in grown] == ["A", "A cat", "A cat on a mat.", "A cat on a mat."]


def test_what_comes_in_many_small_pieces_is_looked_at_now_and_then(
    service: StandIn, backend: Gemini, caption: Request
) -> None:
    words = [f"word{number} " for number in range(400)]
    service.says(streamed(*words))
    *growing, last = results(backend, caption)
    assert 1 <= len(growing) < len(words)
    assert last.text == "".join(words).strip()


QUIET = [
    pytest.param(streamed(*LIST, drip_s=0.05, hangs_at=6), id="while boxes drip in"),
    pytest.param(streamed(LIST[0], *LIST, drip_s=0.35, hangs_at=6), id="while boxes drip in slowly"),
    pytest.param(Answer(wait_s=30), id="in the silence before the answer"),
    pytest.param(Answer(headers=EVENTS, pieces=(b": ping\n\n", b"data: {}\n\n"), drip_s=20), id="after the headers"),
    pytest.param(Answer(body=b" " * 1000, drip_s=0.1), id="while bytes of nothing drip in"),
]


@pytest.mark.parametrize("answer", QUIET)
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
def test_a_stop_is_heard_and_the_connection_closed_at_once(
    service: StandIn, backend: Gemini, detect: Request, answer: Answer, streaming: bool
) -> None:
    service.says(answer)
    stop, pressed = threading.Event(), [0.0]

    def press() -> None:
        pressed[0] = time.monotonic()
        stop.set()

    service.once_asked(press, after_s=0.25)
    with pytest.raises(Stopped):
        results(backend, detect, stop) if streaming else backend.predict(detect, stop)
    assert time.monotonic() - pressed[0] < SOON_S
    assert service.gone.wait(SOON_S), "the service still believes someone listens"
    assert len(service.requests) == 1


@pytest.mark.usefixtures("every_look")
def test_closing_the_iterator_closes_the_connection(service: StandIn, backend: Gemini, detect: Request) -> None:
    service.says(streamed(*LIST, hangs_at=4))
    answers = backend.stream(detect)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert service.gone.wait(SOON_S)


def test_a_stop_is_heard_while_the_service_is_given_time(service: StandIn, backend: Gemini, detect: Request) -> None:
    service.says(Answer(429, headers={"Retry-After": "15"}))
    stop = threading.Event()
    service.once_asked(stop.set, after_s=0.25)
    started = time.monotonic()
    with pytest.raises(Stopped):
        results(backend, detect, stop)
    assert time.monotonic() - started < SOON_S
    assert len(service.requests) == 1


def test_a_hung_service_ends_at_the_deadline(service: StandIn, detect: Request) -> None:
    service.says(streamed(*LIST, hangs_at=2))
    impatient = Gemini("gemini-3.6-flash", KEY, service.url, deadline_s=0.6)
    started = time.monotonic()
    with pytest.raises(Timeout):
        results(impatient, detect)
    assert time.monotonic() - started < SOON_S
    impatient.close()


def test_a_cut_connection_is_retried_and_what_came_before_is_void(
    service: StandIn, backend: Gemini, detect: Request
) -> None:
    service.says(streamed(*LIST, cut_at=3), streamed("[", ENTRIES[5], "]"))
    last = results(backend, detect)[-1]
    assert (last.outcome, [each.label for each in last.detections]) == (Outcome.FOUND, ["cat 5"])
    assert len(service.requests) == 2
    assert last.usage is not None
    assert last.usage.requests == 2


def test_three_cut_connections_are_enough(service: StandIn, backend: Gemini, detect: Request) -> None:
    service.says(streamed(*LIST, cut_at=3))
    with pytest.raises(BackendError, match="broke off"):
        results(backend, detect)
    assert len(service.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_costs_one_request(service: StandIn, backend: Gemini, detect: Request, status: int) -> None:
    service.says(Answer(status, {"error": {"code": status, "message": f"no, {KEY}"}}))
    with pytest.raises(GroundingError) as error:
        results(backend, detect)
    assert len(service.requests) == 1
    assert KEY not in str(error.value)


def test_a_wait_the_service_asks_for_is_announced_and_sat_out(
    service: StandIn, backend: Gemini, detect: Request
) -> None:
    service.says(Answer(429, headers={"Retry-After": "1"}), streamed("[]"))
    started = time.monotonic()
    first, *_, last = results(backend, detect)
    assert time.monotonic() - started >= 1
    assert first.wait_s is not None
    assert 1 <= first.wait_s < 2
    assert not first.done
    assert "Asking again in 1 s" in first.text
    assert (last.outcome, last.wait_s) == (Outcome.NONE, None)


LOOPS = [
    pytest.param("[", ENTRIES[0] + ",", "repeat itself", 1, id="the same entry again and again"),
    pytest.param('[{"box_2d": [0.1', "0" * 40, "repeat itself", 0, id="a number without end"),
]


@pytest.mark.parametrize(("start", "again", "words", "kept"), LOOPS)
def test_a_loop_is_ended_and_said(
    service: StandIn, backend: Gemini, detect: Request, start: str, again: str, words: str, kept: int
) -> None:
    service.says(streamed(start, *[again] * 500, drip_s=0.04))  # for 20 s
    last = results(backend, detect)[-1]
    assert (last.outcome, last.done, len(last.detections)) == (Outcome.TRUNCATED, True, kept)
    assert last.notes[0].kind is NoteKind.CUT
    assert words in last.notes[0].detail
    assert service.gone.wait(SOON_S)


def test_a_flood_of_objects_is_ended_with_all_that_came(service: StandIn, backend: Gemini, detect: Request) -> None:
    boats = [json.dumps({"box_2d": [i, i % 90, i + 9, 99], "label": f"boat {i}"}) + "," for i in range(400)]
    service.says(streamed("[", *boats, drip_s=0.05))  # for 20 s
    last = results(backend, replace(detect, options=Options(max_items=4)))[-1]
    assert "4 were asked for" in last.notes[0].detail
    assert 8 < len(last.detections) < 200
    assert service.gone.wait(SOON_S)


def test_a_cut_list_says_what_is_whole_and_can_be_gone_on_with(
    service: StandIn, backend: Gemini, detect: Request
) -> None:
    request = replace(detect, options=Options(max_output_tokens=77))
    service.says(streamed("".join(LIST)[: "".join(LIST).index("cat 3")], finish="MAX_TOKENS"))
    cut = results(backend, request)[-1]
    assert (cut.outcome, cut.cut_at_tokens) == (Outcome.TRUNCATED, 77)
    assert "cut at 77 tokens: 3 whole, 1 partial" in cut.notes[0].detail
    service.says(streamed(f"[{ENTRIES[2]}, {ENTRIES[3]}]"))
    whole = results(backend, replace(request, so_far=cut.raw))[-1]
    assert [each.label for each in whole.detections] == [f"cat {i}" for i in range(4)], "what comes again is one thing"
    assert whole.cut_at_tokens is None
    asked, said, more = service.requests[0].body["contents"]
    assert (asked["role"], said["role"], more["role"]) == ("user", "model", "user")
    assert len(json.loads(said["parts"][0]["text"].strip("`json\n"))) == 3


def test_cut_words_are_gone_on_with_where_they_stopped(service: StandIn, backend: Gemini, caption: Request) -> None:
    service.says(streamed("A cat sit", finish="MAX_TOKENS"))
    cut = results(backend, caption)[-1]
    assert "Go on from there" in cut.notes[0].detail
    service.says(reply("s on a mat."))
    assert backend.predict(replace(caption, so_far=cut.raw)).text == "A cat sits on a mat."


def test_nothing_of_a_blocked_stream_is_kept(service: StandIn, backend: Gemini, caption: Request) -> None:
    service.says(streamed("the withheld ", "words", finish="SAFETY"))
    last = results(backend, caption)[-1]
    assert (last.outcome, last.safety.stage, last.raw) == (Outcome.BLOCKED, Stage.ANSWER, "")


def test_an_echoed_key_does_not_come_back(service: StandIn, backend: Gemini, caption: Request) -> None:
    service.says(streamed("your key is ", KEY, " indeed", drip_s=0.1))
    assert not any(KEY in each.text + each.raw for each in results(backend, caption))


ODD = [
    pytest.param((b'data: {"candidates": 7}\n\n', b'data: [1, "x"]\n\n'), id="odd types"),
    pytest.param((b": ping\n\n", b'data: {"candidates":[{"finishReason":"NEW_ONE"}]}\n\n'), id="an unknown reason"),
    pytest.param((b'data: {"usageMetadata": "x"}\n\n',), id="odd usage"),
]


@pytest.mark.parametrize("pieces", ODD)
def test_odd_events_end_in_a_sentence(
    service: StandIn, backend: Gemini, caption: Request, pieces: tuple[bytes, ...]
) -> None:
    service.says(Answer(headers=EVENTS, pieces=pieces))
    last = results(backend, caption)[-1]
    assert last.outcome is Outcome.FAILED
    assert last.text


def test_a_bad_model_is_a_config_error(service: StandIn, backend: Gemini, caption: Request) -> None:
    service.says(Answer(404, {"error": {"code": 404, "message": "models/x is not found", "status": "NOT_FOUND"}}))
    with pytest.raises(ConfigError, match="no model"):
        results(backend, caption)


@pytest.mark.parametrize("case", params("gemini", lambda about: about["task"] == "api"))
def test_recorded_bodies_end_the_same_streamed_or_whole(
    service: StandIn, backend: Gemini, caption: Request, case: Case
) -> None:
    service.says(Answer(case.about["expected"].get("code", 200), case.text.encode()))
    outcomes = []
    for ask in (lambda: backend.predict(caption), lambda: results(backend, caption)[-1]):
        try:
            result = ask()
            outcomes.append((result.outcome, result.text, result.safety))
        except GroundingError as error:
            outcomes.append((type(error), str(error), None))
    assert outcomes[0] == outcomes[1]
