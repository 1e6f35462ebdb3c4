"""What is asked and known becomes PaliGemma's prefixes and suffixes, and comes back as it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grounding.codecs.paligemma import decode, encode_prefix, encode_suffix, plain
from grounding.errors import RequestError
from grounding.types import Box, Detection, Request, Task
from tests.grounding.codecs.paligemma_answers import CODES, SEG, loc


def request(task: Task, text: str = "", *labels: str) -> Request:
    return Request(task, (), text, labels)


@pytest.mark.parametrize(
    ("asked", "prefix"),
    [
        pytest.param(request(Task.CAPTION), "caption en", id="caption"),
        pytest.param(request(Task.CAPTION, "describe en"), "describe en", id="free prompt"),
        pytest.param(request(Task.CAPTION, "caption de"), "caption de", id="another language"),
        pytest.param(request(Task.ASK, "What is this?"), "answer en What is this?", id="ask"),
        pytest.param(request(Task.ASK, "answer es ¿Qué es?"), "answer es ¿Qué es?", id="ask in another language"),
        pytest.param(request(Task.ASK, "ocr"), "ocr", id="read the text"),
        pytest.param(request(Task.DETECT, "", "cat", "red car"), "detect cat ; red car", id="detect"),
        pytest.param(request(Task.DETECT, "dog on the left"), "detect dog on the left", id="detect what the text says"),
        pytest.param(request(Task.DETECT, "cat;dog ;"), "detect cat ; dog", id="detect what the text lists"),
        pytest.param(request(Task.DETECT, "猫；犬"), "detect 猫 ; 犬", id="detect what a Japanese text lists"),
        pytest.param(request(Task.DETECT, "detect cat ; dog"), "detect cat ; dog", id="detect by a whole prompt"),
        pytest.param(request(Task.SEGMENT, "", "cat"), "segment cat", id="segment"),
        pytest.param(
            request(Task.SEGMENT, "", " a;b ", "", " \n"), "segment a b", id="labels with separators, empty ones"
        ),
        pytest.param(request(Task.ASK, "a\nb\0 \ud800c"), "answer en a b ?c", id="newline, NUL, lone surrogate"),
        pytest.param(
            request(Task.ASK, "is <loc0001><seg001><image><eos>it?"), "answer en is it?", id="tokens in the text"
        ),
        pytest.param(request(Task.DETECT, "", "<lo<eos>c0001>"), "detect <lo c0001>", id="a token hidden in a token"),
    ],
)
def test_what_is_asked_becomes_the_prefix_paligemma_was_trained_on(asked: Request, prefix: str) -> None:
    assert encode_prefix(asked) == prefix


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request(Task.DETECT), id="nothing to detect"),
        pytest.param(request(Task.SEGMENT, "", " ", "<loc0001>"), id="nothing left to segment"),
        pytest.param(request(Task.ASK, "  "), id="no question"),
        pytest.param(request(Task.ASK, "why " * 600), id="too long"),
        pytest.param(request(Task.CAPTION, "x" * 100_000), id="far too long"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_do(asked: Request) -> None:
    with pytest.raises(RequestError, match=r"Name|Type|keep"):
        encode_prefix(asked)


@given(st.text() | st.text(alphabet="<>locsegimaeb0123 ;\n"))
def test_no_text_of_a_person_becomes_a_token(text: str) -> None:
    cleaned = plain(text)
    assert not re.search(r"<(loc|seg)\d+>|<(image|eos|bos|pad)>|[\n\0\ud800-\udfff]", cleaned)


LABELS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="<;；"), min_size=1, max_size=12
).filter(lambda label: label == label.strip(",:|，：、،"))


@st.composite
def detections(draw: st.DrawFn) -> Detection:
    sides = [sorted(draw(st.tuples(*[st.floats(0, 1)] * 2).filter(lambda p: p[0] != p[1]))) for _ in "xy"]
    codes = draw(st.none() | st.tuples(*[st.integers(0, 127)] * 16))
    (x1, x2), (y1, y2) = sides
    return Detection(draw(LABELS), Box(x1, y1, x2, y2), mask_tokens=codes)


@given(st.lists(detections(), max_size=5))
@example([Detection("cat", Box(0, 0, 1e-9, 1e-9))])
@example([Detection("cat", Box(1 - 1e-9, 1 - 1e-9, 1, 1))])
def test_what_is_encoded_is_read_back_within_half_a_bin(said_things: list[Detection]) -> None:
    decoded = decode(encode_suffix(said_things))
    assert [(d.label, d.mask_tokens) for d in decoded.detections] == [(d.label, d.mask_tokens) for d in said_things]
    for got, want in zip(decoded.detections, said_things, strict=True):
        assert got.box
        assert want.box
        for (low, high), (first, last) in (
            ((got.box.x1, got.box.x2), (want.box.x1, want.box.x2)),
            ((got.box.y1, got.box.y2), (want.box.y1, want.box.y2)),
        ):
            # Half a bin; but 1.0 has no bin of its own, and no box is made thinner than one bin.
            assert abs(low - min(first, 1022 / 1024)) <= 0.5 / 1024 + 1e-9
            assert abs(high - min(last, 1023 / 1024)) <= (0.5 if last - first >= 1 / 1024 else 1) / 1024 + 1e-9


def test_an_answer_is_written_as_big_vision_writes_it() -> None:
    things = [Detection("cat", Box(0.1, 0.2, 0.5, 1), mask_tokens=CODES), Detection("a;b\n<eos>", Box(0, 0, 1, 1))]
    assert encode_suffix(things) == f"{loc(205, 102, 1023, 512)} {SEG} cat ; {loc(0, 0, 1023, 1023)} a b"
    assert encode_suffix([]) == ""


def test_a_thing_without_a_box_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="box"):
        encode_suffix([Detection("cat")])
