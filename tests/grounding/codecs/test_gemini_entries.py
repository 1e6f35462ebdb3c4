"""What the entries of Gemini's answers hold: labels, scores, points, columns, and what one has from another."""

from __future__ import annotations

import pytest

from grounding.codecs.gemini import decode
from grounding.types import Decoded, NoteKind
from tests.grounding.codecs.gemini_answers import A_CAT, A_DOG, CAT, DOG, boxes


def points(decoded: Decoded) -> list[tuple[str, float, float]]:
    return [(d.label, round(d.point.y * 1000, 6), round(d.point.x * 1000, 6)) for d in decoded.detections if d.point]


@pytest.mark.parametrize(
    ("label", "read"),
    [
        pytest.param('"fox\' shadow"', "fox' shadow", id="apostrophe"),
        pytest.param('"3\\"\\" marking"', '3"" marking', id="escaped quotes"),
        pytest.param('"3" marking"', '3" marking', id="quote not escaped"),
        pytest.param('"the "left", blue one"', 'the "left", blue one', id="quotes and a comma not escaped"),
        pytest.param('"the "big", x=3 one"', 'the "big", x=3 one', id="quotes, a comma and = not escaped"),
        pytest.param('"the "big", x=none one"', 'the "big", x=none one', id="quotes, a comma and = before a word"),
        pytest.param("size=10 shoe", "size=10 shoe", id="bare words, = in the first"),
        pytest.param("shoe size=10", "shoe size=10", id="bare words, = in the last"),
        pytest.param("'man's hat'", "man's hat", id="apostrophe in single quotes"),
        pytest.param(
            '"a } ] {\\"box_2d\\": [1,2,3,4]}"', 'a } ] {"box_2d": [1,2,3,4]}', id="brackets and a box in a label"
        ),
        pytest.param('"caf\\u00e9 \\ud83d\\ude00"', "café 😀", id="unicode escapes"),
        pytest.param('"猫 قط"', "猫 قط", id="any script"),
        pytest.param('"bad \\ud83d half"', "bad \ufffd half", id="lone surrogate escaped"),
        pytest.param('"bad \ud83d half"', "bad \ufffd half", id="lone surrogate"),
        pytest.param('"a\x00b"', "ab", id="NUL"),
        pytest.param('"two\nlines"', "two\nlines", id="line break not escaped"),
        pytest.param('""', "", id="empty"),
        pytest.param("null", "", id="null"),
        pytest.param("7", "7", id="number"),
        pytest.param("true", "True", id="boolean"),
        pytest.param('["cat"]', "cat", id="list of one"),
        pytest.param('["cat", "pet"]', "cat, pet", id="list of two for one box"),
    ],
)
def test_labels_are_read_as_they_stand(label: str, read: str) -> None:
    decoded = decode(f'[{{"box_2d": [100, 200, 300, 400], "label": {label}}}, {DOG}]')
    assert boxes(decoded) == [(read, A_CAT[1]), A_DOG]
    decoded.detections[0].label.encode()


@pytest.mark.parametrize(
    ("score", "read"),
    [
        pytest.param("0.25", 0.25, id="number"),
        pytest.param('"0.25"', 0.25, id="in quotes"),
        pytest.param('"25%"', 0.25, id="percent"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("null", None, id="null"),
        pytest.param("true", None, id="boolean"),
        pytest.param("-0.1", None, id="negative"),
        pytest.param("NaN", None, id="NaN"),
        pytest.param("95", None, id="percent without a sign"),
        pytest.param("[0.5]", 0.5, id="list of one"),
        pytest.param("[0.5, 0.6]", None, id="list of two for one box"),
    ],
)
def test_a_score_is_kept_where_it_is_one_and_never_made_up(score: str, read: float | None) -> None:
    (detection,) = decode(f'{CAT[:-1]}, "confidence": {score}}}').detections
    assert detection.score == read


@pytest.mark.parametrize(
    ("fields", "score"),
    [
        pytest.param('"label": "cat", score=0.5', 0.5, id="a number"),
        pytest.param("'label': 'cat', score=1", 1.0, id="single quotes"),
        pytest.param('"label": "cat", score=None', None, id="None"),
        pytest.param('"label": "cat", mask=None, hidden=True', None, id="None and True"),
    ],
)
def test_a_field_with_an_equals_sign_is_no_part_of_the_label_before_it(fields: str, score: float | None) -> None:
    decoded = decode(f'[{{"box_2d": [100, 200, 300, 400], {fields}}}, {DOG}]')
    assert boxes(decoded) == [A_CAT, A_DOG]
    assert decoded.detections[0].score == score


def test_sides_with_equals_signs_behind_a_label_are_its_box() -> None:
    assert boxes(decode('{"label": "cat", ymin=100, xmin=200, ymax=300, xmax=400}')) == [A_CAT]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            '{"cat": [[100, 200, 300, 400], "score": 0.5], "dog": [[500, 600, 700, 800], "score": 0.6]}', id="scores"
        ),
        pytest.param(
            '{"objects": [[100, 200, 300, 400], "label": "cat"], "more": [[500, 600, 700, 800], "label": "dog"]}',
            id="labels",
        ),
        pytest.param(f'[{CAT[:-1]}, "keypoints": [[1, 2], [3, 4], "score": 0.9]}}]', id="the score of something else"),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "keypoints": [{"name": "eye", "point": [1, 2]}, "label": "cat"}]',
            id="the label behind an inner list",
        ),
    ],
)
def test_no_object_takes_the_label_or_score_of_another(text: str) -> None:
    for found in decode(text).detections:
        assert found.score is None
        assert found.point is None or found.label == "eye"
        assert found.label != "cat" or found.box == (0.2, 0.1, 0.4, 0.3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('[{"point": [550, 260], "label": "bin"}]', [("bin", 550, 260)], id="documented"),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "center_point": [300, 200], "label": "bin"}]', [], id="of unknown order"
        ),
        pytest.param('[{"point": [0.55, 0.26], "label": "bin"}]', [("bin", 550, 260)], id="fractions"),
        pytest.param('[{"point": {"x": 260, "y": 550}, "label": "bin"}]', [("bin", 550, 260)], id="named"),
        pytest.param(
            '[{"points": [[550, 260], [10, 20]], "label": "bin"}]',
            [("bin", 550, 260), ("bin", 10, 20)],
            id="two of one label",
        ),
        pytest.param('{"points": [{"point": [550, 260], "label": "bin"}]}', [("bin", 550, 260)], id="wrapped"),
        pytest.param('[{"coordinates": [550, 260], "label": "bin"}]', [("bin", 550, 260)], id="coordinates"),
        pytest.param('[{"label": "bin", "x": 260, "y": 550}]', [("bin", 550, 260)], id="beside the label"),
        pytest.param(
            '{"points": [{"x": 260, "y": 550, "label": "bin"}]}', [("bin", 550, 260)], id="named, with labels"
        ),
        pytest.param('[{"label": "bin", "x": 260, "y": 550, "z": 1}]', [], id="in space"),
        pytest.param('[{"label": "bin", "x": 260, "y": 550', [], id="a width may follow"),
        pytest.param(
            '{"label": "room", "x": 1, "y": 2, "objects": [{"point": [3, 4], "label": "d"}]}',
            [("d", 3, 4)],
            id="of a list",
        ),
        pytest.param(
            '[{"in_frame": false, "label": "c"}, {"point": [1, 2], "label": "d"}]', [("d", 1, 2)], id="one without"
        ),
        pytest.param('[{"point": [550, 1001], "label": "bin"}]', [], id="outside"),
        pytest.param('[{"point": [550], "label": "bin"}]', [], id="one number"),
        pytest.param('[{"point": [NaN, 3], "label": "bin"}]', [], id="NaN"),
        pytest.param('[{"point": null, "label": "bin"}]', [], id="null"),
        pytest.param('[{"point": <point>, "label": <label1>}]', [], id="template"),
    ],
)
def test_points_are_y_first(text: str, expected: list[tuple[str, float, float]]) -> None:
    assert points(decode(text)) == expected


@pytest.mark.parametrize(
    ("points", "point", "masked"),
    [
        pytest.param("[[150, 250]]", True, False, id="one"),
        pytest.param("[[150, 250], [160, 260]]", True, False, id="two"),
        pytest.param("[[100, 200], [300, 400], [300, 200]]", False, True, id="an outline"),
        pytest.param('[{"x": 200, "y": 100}, {"x": 400, "y": 300}, {"x": 200, "y": 300}]', False, True, id="named"),
    ],
)
def test_points_beside_one_box_are_one_object(points: str, point: bool, masked: bool) -> None:
    text = f'{CAT[:-1]}, "points": {points}}}'
    (detection,) = decode(text).detections
    assert (detection.point is not None, detection.mask is not None) == (point, masked)
    for length in range(len(CAT), len(text)):
        assert len(decode(text[:length]).detections) == 1
        assert not masked or decode(text[:length]).detections[0].point is None or length >= len(text) - 1


def test_points_under_the_key_of_3d_boxes_are_found() -> None:
    decoded = decode('[{"box_3d": [{"point": [550, 260], "name": "bin"}]}]')
    assert (points(decoded), decoded.notes) == ([("bin", 550, 260)], ())


def test_an_object_may_have_a_box_and_a_point() -> None:
    (detection,) = decode(f'{CAT[:-1]}, "point": [150, 250]}}').detections
    assert detection.box is not None
    assert detection.point == (0.25, 0.15)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        pytest.param('{"label": "cat", "geometry": {"bbox": [100, 200, 300, 400]}}', ["cat"], id="bbox"),
        pytest.param('{"geometry": {"bbox": [100, 200, 300, 400]}}', [""], id="none"),
        pytest.param('{"label": "cat", "where": [100, 200, 300, 400]}', ["cat"], id="list under any key"),
        pytest.param(
            '{"label": "cat", "part": {"label": "paw", "box_2d": [100, 200, 300, 400]}}', ["paw"], id="its own"
        ),
        pytest.param('{"cat": {"boxes": [{"box_2d": [100, 200, 300, 400]}]}}', ["cat"], id="key two levels up"),
        pytest.param(
            '{"class": "cat", "instances": [{"box_2d": [100, 200, 300, 400]}, {"box_2d": [1, 2, 3, 4]}]}',
            ["cat", "cat"],
            id="class of several",
        ),
        pytest.param(
            '{"description": "a street", "objects": [{"box_2d": [100, 200, 300, 400]}]}', [""], id="description of all"
        ),
        pytest.param(
            '{"name": "photo.jpg", "result": {"objects": [{"box_2d": [100, 200, 300, 400]}]}}', [""], id="file name"
        ),
        pytest.param(
            f'[{CAT[:-1]}, "inside": {{"box_2d": [1, 2, 3, 4]}}}}]', ["cat", ""], id="object inside an object"
        ),
        pytest.param(
            '{"label": "a [sharp] point", "where": {"box_2d": [100, 200, 300, 400]}}',
            ["a [sharp] point"],
            id="brackets",
        ),
    ],
)
def test_an_entry_hands_its_label_down_to_its_box(text: str, labels: list[str]) -> None:
    assert [detection.label for detection in decode(text).detections] == labels


@pytest.mark.parametrize(
    ("beside", "label"),
    [
        pytest.param('"tooth_id": "18", "impacted": false', "18", id="the only text"),
        pytest.param('"player_name": "Ana", "club": "Rovers"', "Ana", id="a key that ends in name"),
        pytest.param('"damage_type": "dent", "part_name": "hood"', "hood", id="a name before a type"),
        pytest.param('"injury": "cut", "advice": "press"', "", id="two that say nothing of themselves"),
        pytest.param('"reason": "it is red"', "", id="a reason"),
        pytest.param('"image": "a.jpg", "timestamp": "00:01", "score": "high"', "", id="nothing of itself"),
        pytest.param(f'"notes_on_it": "{"long " * 99}"', "", id="a text too long for a label"),
        pytest.param('"label": "", "made_of": "wood"', "", id="an empty label"),
    ],
)
def test_an_entry_without_a_label_is_called_by_what_names_it_and_says_so(beside: str, label: str) -> None:
    decoded = decode(f'[{{"box_2d": [100, 200, 300, 400], {beside}}}]')
    assert boxes(decoded) == [(label, A_CAT[1])]
    assert any("another key than label" in note.detail for note in decoded.notes) == bool(label)


def test_a_score_is_handed_down_with_the_label() -> None:
    (cat,) = decode('{"label": "cat", "score": 0.5, "location": {"box_2d": [100, 200, 300, 400]}}').detections
    assert (cat.label, cat.score) == ("cat", 0.5)


BESIDE = [
    pytest.param('"score": 0.9, "bounds": [100, 200, 300, 400]', [("cat", 0.9)], id="a box under a strange key"),
    pytest.param(
        '"score": [0.9, 0.8], "bounds": [[1, 2, 30, 40], [1, 2, 50, 60]]', [("cat", 0.9), ("cat", 0.8)], id="two"
    ),
    pytest.param('"score": 0.9, "bounds": [[1, 2, 30, 40], [1, 2, 50, 60]]', [("cat", None)] * 2, id="one for two"),
    pytest.param('"mask": [[1, 2], [30, 2], [30, 40]], "bounds": [1, 2, 30, 40]', [("cat", None)], id="a mask"),
]


@pytest.mark.parametrize(("beside", "expected"), BESIDE)
def test_a_score_or_mask_beside_a_box_under_a_strange_key_loses_nothing(
    beside: str, expected: list[tuple[str, float | None]]
) -> None:
    decoded = decode(f'[{{"box_2d": [0, 0, 5, 5], "label": "dog"}}, {{"label": "cat", {beside}}}]')
    found = decoded.detections[1:]
    assert [(each.label, each.score) for each in found] == expected
    assert all(each.box for each in found)
    assert all(each.mask for each in found if "mask" in beside)
    assert any("score was left out" in note.detail for note in decoded.notes) == (expected == [("cat", None)] * 2)


@pytest.mark.parametrize("beside", ['"bounds": {"a": 1, "b": 2}', '"score": 0.9, "size": [3, 4]', '"tags": ["a"]'])
def test_an_object_with_no_place_among_what_it_has_is_told(beside: str) -> None:
    decoded = decode(f'[{DOG}, {{"label": "cat", {beside}}}]')
    assert [each.label for each in decoded.detections] == ["dog"]
    (note,) = decoded.notes
    assert (note.kind, note.detail) == (NoteKind.SKIPPED, "Item 2 (cat) left out: it has no box, point or mask.")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"label": "cat", "objects": []}', id="none of them"),
        pytest.param('{"error": {"@type": "x", "metadata": {"service": "y"}}}', id="an error"),
        pytest.param('{"label": "x", "error": {"message": "Too many"}}', id="a message"),
        pytest.param('{"label": "cat", "where": {"bo', id="cut"),
    ],
)
def test_what_is_no_object_is_not_told_as_one(text: str) -> None:
    assert not any("left out" in note.detail for note in decode(text).notes)


@pytest.mark.parametrize("label", ["cat = black", "a => b", "one = two = three"])
def test_an_equals_sign_among_words_without_quotes_stays(label: str) -> None:
    decoded = decode(f'[{{"box_2d": [100, 200, 300, 400], "label": {label}, "score": 0.5}}, {DOG}]')
    assert [(each.label, each.score) for each in decoded.detections] == [(label, 0.5), ("dog", None)]


LISTS = '"boxes": [[100, 200, 300, 400], [500, 600, 700, 800]], "labels": ["cat", "dog"]'


@pytest.mark.parametrize(
    ("more", "scores", "says"),
    [
        pytest.param('"scores": [0.5, 0.25]', [0.5, 0.25], "", id="one each"),
        pytest.param('"scores": [0.5, null]', [0.5, None], "", id="one missing"),
        pytest.param('"scores": [0.5, 0.25, 0.1]', [None, None], "score was left out", id="too many"),
        pytest.param('"score": 0.5', [None, None], "score was left out", id="one for both"),
        pytest.param('"masks": ["a", "b", "c"]', [None, None], "mask was left out", id="three masks"),
        pytest.param('"mask": [[1, 2], [30, 40]]', [None, None], "mask was left out", id="two pairs"),
    ],
)
def test_columns_are_shared_out_where_their_lengths_agree(more: str, scores: list[float | None], says: str) -> None:
    decoded = decode(f"{{{LISTS}, {more}}}")
    assert boxes(decoded) == [A_CAT, A_DOG]
    assert [detection.score for detection in decoded.detections] == scores
    assert sum("left out" in note.detail and says in note.detail for note in decoded.notes) == (2 if says else 0)
