"""Gemini's answers as recorded, every beginning of them, and properties that hold for any text."""

from __future__ import annotations

import base64
import gc
import json
import re
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding.codecs.gemini import decode
from grounding.types import Box, Decoded, Detection, NoteKind, Outcome
from tests import recorded

ANSWERS = recorded.params("gemini", lambda about: about["task"] != "api")
WITH_NUMBERS = recorded.params("gemini", lambda about: about["task"] != "api" and bool(about["derived"]))


@pytest.mark.parametrize("case", WITH_NUMBERS)
def test_every_recorded_object_is_found_and_no_other(case: recorded.Case) -> None:
    said = [entry for entry in case.about["derived"]["objects"] if entry.keys() & {"box_2d", "point", "mask"}]
    detections = decode(case.text).detections
    assert len(detections) == len(said)
    for detection, entry in zip(detections, said, strict=True):
        assert detection.label == entry.get("label", "")
        if "box_2d" in entry:
            assert detection.box is not None
            x1, y1, x2, y2 = detection.box
            assert np.allclose([y1, x1, y2, x2], np.array(entry["box_2d"]) / 1000, atol=1e-9)
        if "point" in entry:
            assert detection.point is not None
            assert np.allclose([detection.point.y, detection.point.x], np.array(entry["point"]) / 1000, atol=1e-9)
        assert_mask_as_recorded(detection, entry.get("mask"))


def assert_mask_as_recorded(detection: Detection, said: dict[str, Any] | None) -> None:
    if said is None or "text_tokens" in said:
        assert detection.mask is None
        assert len(detection.mask_tokens or ()) == (said or {}).get("text_tokens", 0)
        return
    assert detection.mask is not None
    if "png_size" in said:
        probs = detection.mask.probs
        assert probs.shape == tuple(reversed(said["png_size"]))
        assert round(float((probs * 255 > 127).mean()), 4) == said["fraction_over_127"]
        assert probs.max() == pytest.approx(said["max"] / 255)
        assert detection.mask.frame == detection.box


@pytest.mark.parametrize("case", ANSWERS)
def test_recorded_answers_in_no_documented_form_are_named(case: recorded.Case) -> None:
    decoded = decode(case.text)
    stated = case.about["expected"] or {}
    if "boxes_yxyx_0_1000" in stated:
        assert [yxyx(detection) for detection in decoded.detections] == [
            tuple(box) for box in stated["boxes_yxyx_0_1000"]
        ]
    three_d = case.about["task"] == "boxes_3d"
    assert decoded.outcome is not Outcome.NONE
    assert (decoded.outcome is Outcome.UNRECOGNISED) == three_d
    assert sum("3D" in note.detail for note in decoded.notes) == (case.about["derived"]["count"] if three_d else 0)


def yxyx(detection: Detection) -> tuple[int, ...]:
    assert detection.box is not None
    x1, y1, x2, y2 = detection.box
    return tuple(round(value * 1000) for value in (y1, x1, y2, x2))


BOX_END = re.compile(r"box_2d\"?: \[[\d\s,]+\]")
BASE64 = re.compile(r"iVBORw0KGgo[A-Za-z0-9+/]{60,}={0,2}")


def with_small_masks(text: str) -> str:
    """`text` with a PNG of 2x2 for each whole one in it, so that every beginning of it is read in no time."""
    file = BytesIO()
    Image.fromarray(np.array([[0, 90], [180, 255]], np.uint8)).save(file, "PNG")
    small = base64.b64encode(file.getvalue()).decode()

    def smaller(run: re.Match[str]) -> str:
        whole = base64.b64decode(run[0] + "===").endswith(b"IEND\xaeB`\x82")
        return small if whole else run[0]

    return BASE64.sub(smaller, text)


@pytest.mark.parametrize("case", ANSWERS)
def test_every_beginning_of_an_answer_yields_what_is_whole_in_it_and_nothing_else(case: recorded.Case) -> None:
    small = with_small_masks(case.text)
    inside = {length for run in BASE64.finditer(small) for length in range(run.start() + 12, run.end() - 12)}
    third = [box.end() for box in BOX_END.finditer(small)][2:3] or [len(small)]
    # What comes behind three objects is more of the same, each time with all before it to be read once more.
    tried = [at for at in range(len(small)) if (at < third[0] or at % 3 == 0) and (at not in inside or at % 11 == 0)]
    assert_beginnings(small, tried)
    if small != case.text:
        assert_beginnings(case.text, range(0, len(case.text), max(1, len(case.text) // 20)))


def assert_beginnings(text: str, lengths: Iterable[int]) -> None:
    whole = decode(text).detections
    box_ends = [box.end() for box in BOX_END.finditer(text)]
    before = 0
    for length in lengths:
        found = decode(text[:length]).detections
        assert before <= len(found) <= len(whole), text[:length][-60:]
        assert all(map(is_beginning, found, whole)), text[:length][-60:]
        before = len(found)
        assert before >= min(sum(end <= length for end in box_ends), len(whole))


def is_beginning(found: Detection, of: Detection) -> bool:
    """True where `found` is `of`, but for a label that is cut and a mask that is missing."""
    same_mask = found.mask is None or (of.mask is not None and np.array_equal(found.mask.probs, of.mask.probs))
    return (
        found.box == of.box
        and found.point == of.point
        and of.label.startswith(found.label)
        and same_mask
        and found.mask_tokens in (None, of.mask_tokens)
    )


coordinates = st.tuples(st.integers(0, 998), st.integers(0, 998), st.integers(1, 1000), st.integers(1, 1000))
entries = st.builds(
    lambda yxhw, label: {
        "box_2d": [yxhw[0], yxhw[1], min(1000, yxhw[0] + yxhw[2]), min(1000, yxhw[1] + yxhw[3])],
        "label": label,
    },
    coordinates,
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip),
)
answers = st.lists(entries, max_size=8, unique_by=lambda entry: (entry["label"], *entry["box_2d"]))


@given(
    answers,
    st.booleans(),
    st.sampled_from([None, 1, "\t"]),
    st.sampled_from(["{}", "```json\n{}\n```", "So:\n{}\nDone."]),
)
def test_what_is_written_as_json_is_read_back(
    said: list[dict[str, Any]], ascii_only: bool, indent: Any, around: str
) -> None:
    decoded = decode(around.replace("{}", json.dumps(said, ensure_ascii=ascii_only, indent=indent)))
    assert [(detection.label, list(yxyx(detection))) for detection in decoded.detections] == [
        (entry["label"], entry["box_2d"]) for entry in said
    ]
    assert decoded.outcome is (Outcome.FOUND if said else Outcome.NONE)


@given(answers.filter(bool), st.data())
def test_a_beginning_of_json_holds_the_objects_that_are_whole_in_it(
    said: list[dict[str, Any]], data: st.DataObject
) -> None:
    text = json.dumps(said)
    text = text[: data.draw(st.integers(0, len(text)))]
    found = [list(yxyx(detection)) for detection in decode(text).detections]
    assert found == [entry["box_2d"] for entry in said][: len(found)]
    assert len(found) >= text.count("}, {") + text.endswith(("}", "}]"))


PIECES = st.sampled_from(
    [
        *"'\"\\{}[](),:\n#“\x00\ud800",
        "//",
        "/*",
        "```",
        "0.5",
        "NaN",
        "-1e999",
        "null",
        "cat",
        "<seg_5>" * 16,
        '"box_2d"',
        '"mask"',
        '"point"',
        '"label"',
        "[1, 2, 30, 40]",
        "- [1, 2, 30, 40]",
        "[[1,2],[30,4],[5,60]]",
        "data:image/png;base64,iVBORw0KGgo",
        "AAAANSUhEUg",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join), st.lists(PIECES, max_size=40).map(" ".join)))
def test_no_text_raises_and_every_result_holds_together(text: str) -> None:
    decoded = decode(text, mask_decoder=lambda codes: np.full((len(codes), 64, 64), 0.5, np.float32))
    assert_holds_together(decoded)


def assert_holds_together(decoded: Decoded) -> None:
    for place, detection in enumerate(decoded.detections):
        assert detection.id == place
        assert detection.box or detection.point or detection.mask or detection.mask_tokens
        assert detection.box is None or Box(*detection.box) == detection.box
        detection.label.encode()
    kinds = {note.kind for note in decoded.notes}
    if decoded.outcome in (Outcome.FOUND, Outcome.NONE):
        assert kinds <= {NoteKind.MODEL}
    else:
        assert kinds - {NoteKind.MODEL}
    assert bool(decoded.detections) or decoded.outcome not in (Outcome.FOUND, Outcome.REPAIRED)


@settings(max_examples=200)
@given(answers.filter(bool), st.data())
def test_one_wrong_character_harms_no_other_object(said: list[dict[str, Any]], data: st.DataObject) -> None:
    harmed = data.draw(st.integers(0, len(said) - 1))
    texts = [json.dumps(entry) for entry in said]
    place = data.draw(st.integers(0, len(texts[harmed]) - 1))
    texts[harmed] = (
        texts[harmed][:place] + data.draw(st.sampled_from(["", *"'\"[]{},:x1\n`#/\\"])) + texts[harmed][place + 1 :]
    )
    found = [
        (detection.label, list(yxyx(detection)))
        for detection in decode(f"[{', '.join(texts)}]").detections
        if detection.box
    ]
    expected = [(entry["label"], entry["box_2d"]) for entry in said[:harmed] + said[harmed + 1 :]]
    assert all(entry in found for entry in expected)
    assert len(found) <= len(said)


ITEM = '{"box_2d": [10, 20, 300, 400], "label": "boat"}'


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param(("[" + ITEM, ", " + ITEM), id="one object"),
        pytest.param((ITEM[:-2], " boat"), id="a label"),
        pytest.param(
            ('[{"box_2d": [10, 20, 300, 400], "mask": "data:image/png;base64,iVBORw0KGgo', "Pj4+"), id="base64"
        ),
        pytest.param(('[{"box_2d": [10, 20, 300, 400], "mask": [', "[1, 2], "), id="an outline"),
        pytest.param(('[{"box_2d": [10, 20, 300, 400], "mask": "<start_of_mask>', "<seg_115>"), id="tokens"),
        pytest.param(("", "["), id="opening brackets"),
        pytest.param(("", '{"a": '), id="opening objects"),
        pytest.param(("", '[{"box_2d": '), id="opening boxes"),
        pytest.param(("[{", "}]"), id="closing brackets"),
        pytest.param(("", '["'), id="quotes"),
        pytest.param(('{"a": "', '"b'), id="quotes inside a string"),
        pytest.param(('[{"label": "', "\\"), id="backslashes"),
        pytest.param(("[", " "), id="spaces"),
        pytest.param(("<start_of_mask>", " "), id="spaces after a token"),
        pytest.param(("[", "/*"), id="comments"),
        pytest.param(("[", "# ] "), id="what looks like comments"),
        pytest.param(("[", "# /* [ "), id="comments of both forms"),
        pytest.param(("[", '" # ] '), id="comments behind quotes"),
        pytest.param(('[{"box_2d": [', "1"), id="digits"),
        pytest.param(("[a ", "word "), id="words"),
        pytest.param(("", "[1, 2, 3, 4] "), id="bare boxes on one line"),
        pytest.param(("", "- ** ** [1, 2, 3, 4] -- --\n"), id="bare boxes"),
        pytest.param(("", "data:image/png;base64,"), id="headers"),
        pytest.param(("", "Label: cat\n* Box: [1, 2, 3, 4]\n"), id="lines of labels and boxes"),
    ],
)
def test_a_runaway_answer_is_read_in_linear_time(loop: tuple[str, str]) -> None:
    def seconds(size: int) -> float:
        text = loop[0] + loop[1] * (size // len(loop[1]))
        start = time.thread_time()
        assert_holds_together(decode(text))
        return time.thread_time() - start

    assert_linear(seconds)


@pytest.mark.parametrize("entry", ["1,", "[1],"])
def test_keys_behind_a_list_that_is_not_closed_are_read_in_linear_time(entry: str) -> None:
    def seconds(size: int) -> float:
        text = '{"a": [' + entry * (size // 4) + "null," + '"k": 3,' * (size // 8)
        start = time.thread_time()
        assert_holds_together(decode(text))
        return time.thread_time() - start

    assert_linear(seconds)


def assert_linear(seconds: Callable[[int], float]) -> None:
    gc.collect()
    gc.freeze()  # what other tests left behind would be counted here
    small, large = min(seconds(10_000), seconds(10_000)), min(seconds(80_000), seconds(80_000))
    gc.unfreeze()
    assert large < 32 * small + 0.05  # eight times the text; 64 times the work if it were quadratic


def test_a_hundred_thousand_brackets_are_a_cut_answer() -> None:
    assert decode("[" * 100_000).outcome is Outcome.TRUNCATED


def test_ten_thousand_objects_are_all_kept() -> None:
    said = [{"box_2d": [n % 900, n % 700, n % 900 + 50, n % 700 + 90], "label": f"boat {n}"} for n in range(10_000)]
    detections = decode(json.dumps(said)).detections
    assert [list(yxyx(detection)) for detection in detections] == [entry["box_2d"] for entry in said]
