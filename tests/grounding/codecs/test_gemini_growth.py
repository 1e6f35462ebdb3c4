"""What of a growing answer is whole, how it is closed, and when it goes in circles."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.codecs.gemini import decode
from grounding.codecs.gemini_growth import circles, closed, whole_part
from grounding.types import Outcome

ITEMS = [{"box_2d": [10 * i, 20, 10 * i + 60, 90], "label": f"cat {i}"} for i in range(8)]
ANSWER = "```json\n" + json.dumps(ITEMS) + "\n```"


def test_every_beginning_once_closed_holds_its_whole_entries_and_is_not_cut() -> None:
    for end in range(len(ANSWER) + 1):
        decoded = decode(closed(ANSWER[:end]))
        assert len(decoded.detections) == ANSWER[:end].count("}")
        assert decoded.outcome in (Outcome.FOUND, Outcome.UNRECOGNISED)


def test_a_bracket_inside_a_label_costs_no_entry_of_a_closed_answer() -> None:
    text = '[{"box_2d": [1, 2, 30, 40], "label": "a } b [ c"}, {"box_2d": [5, 2, 30, 40], "label": "d"}, {"box'
    assert [each.label for each in decode(closed(text)).detections] == ["a } b [ c", "d"]


@given(st.text(alphabet='[]{}"\\,:1a \n`', max_size=60))
def test_closing_takes_any_text_and_only_takes_away_and_closes(text: str) -> None:
    whole = whole_part(text)
    assert text.startswith(whole)
    assert closed(text).startswith(whole)
    assert set(closed(text)[len(whole) :]) <= set("]}\n`")


ENTRY = '{"box_2d": [100, 200, 300, 400], "label": "boat"},\n'
CIRCLES = [
    pytest.param("[" + ENTRY * 7, True, id="the same entry"),
    pytest.param("[" + ENTRY * 3, False, id="the same entry three times"),
    pytest.param("[" + "".join(ENTRY.replace("100", str(i)) for i in range(60)), False, id="a row of boats"),
    pytest.param("It is a cat. " * 30, True, id="the same sentence"),
    pytest.param("ha ha ha ha ha", False, id="laughter"),
    pytest.param('[{"box_2d": [0.1' + "0" * 400, True, id="a number without end"),
    pytest.param('[{"mask": "data:image/png;base64,' + "A" * 5000, False, id="inside a mask"),
    pytest.param('[{"mask": "data:image/png;base64,' + "A" * 20_000, False, id="inside a long mask"),
    pytest.param('[{"mask": "data:image/png;base64,' + "A" * 20_000 + '"}, {"box_2d": [1', False, id="after a mask"),
    pytest.param('[{"mask": "' + "iVBORw0KGgo" + "A" * 900 + '", "label": "x"}', False, id="a mask without a header"),
    pytest.param("", False, id="nothing"),
]


@pytest.mark.parametrize(("text", "expected"), CIRCLES)
def test_circles_are_told_from_lists(text: str, expected: bool) -> None:
    assert circles(text) is expected


WHOLE = [
    pytest.param('[{"a": 1}, {"b', '[{"a": 1}', id="objects"),
    pytest.param("[[1, 2, 3, 4], [5,", "[[1, 2, 3, 4]", id="lists"),
    pytest.param("no brackets", "", id="prose"),
]


@pytest.mark.parametrize(("text", "expected"), WHOLE)
def test_the_whole_part_ends_with_an_entry(text: str, expected: str) -> None:
    assert whole_part(text) == expected


BOX = '"box_2d": [1, 2, 30, 40], "label": "cat"'
GROUPS = json.dumps([{"picture": n, "objects": [{"box_2d": [1, 2, 30, 40], "label": "cat"}]} for n in (1, 2)])
PICTURES = [
    pytest.param(f'[{{"picture": 2, {BOX}}}]', [1], id="by number"),
    pytest.param(f'[{{"picture": "2", {BOX}}}]', [1], id="by number in quotes"),
    pytest.param(f'[{{{BOX}, "image": "Picture 1"}}]', [0], id="by name"),
    pytest.param(GROUPS, [0, 1], id="in groups"),
    pytest.param(f'{{"picture_1": [{{{BOX}}}], "Picture 2": [{{{BOX}}}]}}', [0, 1], id="under keys"),
    pytest.param(f"[{{{BOX}}}]", [None], id="not said"),
    pytest.param(f'[{{"picture": 0, {BOX}}}]', [None], id="none of them: 0"),
    pytest.param(f'[{{"picture": 3, {BOX}}}]', [None], id="none of them: 3"),
    pytest.param(f'[{{"picture": true, {BOX}}}]', [None], id="no number"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PICTURES)
def test_each_detection_is_in_the_picture_it_names(text: str, expected: list[int | None]) -> None:
    decoded = decode(text, pictures=2)
    assert [each.picture for each in decoded.detections] == expected
    assert any("2 pictures" in note.detail for note in decoded.notes) == (None in expected)
    assert all(each.picture == 0 for each in decode(text).detections), "with one picture there is no question"


def test_the_same_box_in_two_pictures_is_two_things() -> None:
    decoded = decode(f'[{{"picture": 1, {BOX}}}, {{"picture": 2, {BOX}}}, {{"picture": 2, {BOX}}}]', pictures=2)
    assert [each.picture for each in decoded.detections] == [0, 1]
