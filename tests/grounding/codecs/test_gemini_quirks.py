"""Ways Gemini's answers differ from the guide's, one row each. A quirk met in the field becomes a row here first."""

from __future__ import annotations

import json

import pytest

from grounding.codecs.gemini import decode
from grounding.types import Decoded, NoteKind, Outcome

CAT = '{"box_2d": [100, 200, 300, 400], "label": "cat"}'
DOG = '{"box_2d": [500, 600, 700, 800], "label": "dog"}'
A_CAT = ("cat", (100, 200, 300, 400))
A_DOG = ("dog", (500, 600, 700, 800))


def boxes(decoded: Decoded) -> list[tuple[str, tuple[float, ...]]]:
    """(label, [ymin, xmin, ymax, xmax] in thousandths) of each detection with a box, to six digits."""
    found = []
    for detection in decoded.detections:
        assert detection.box is not None
        x1, y1, x2, y2 = detection.box
        found.append((detection.label, tuple(round(value * 1000, 6) for value in (y1, x1, y2, x2))))
    return found


def points(decoded: Decoded) -> list[tuple[str, float, float]]:
    return [(d.label, round(d.point.y * 1000, 6), round(d.point.x * 1000, 6)) for d in decoded.detections if d.point]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"[{CAT}, {DOG}]", id="bare"),
        pytest.param(f"```json\n[{CAT}, {DOG}]\n```", id="fenced"),
        pytest.param(f"```\n[{CAT},\n{DOG}]\n```\n", id="fence without a language"),
        pytest.param(f"```json\n[{CAT}, {DOG}]", id="fence never closed"),
        pytest.param(
            f"Here they are [in order]:\n[{CAT}, {DOG}]\nI'm sure {{of}} it.", id="prose with brackets around"
        ),
        pytest.param(f"A box is [ymin, xmin, ymax, xmax].\n[{CAT}, {DOG}]", id="placeholder before"),
        pytest.param(
            f'Entries look like {{"box_2d": [ymin, xmin, ymax, xmax], "label": <label>}}.\n[{CAT}, {DOG}]',
            id="template before",
        ),
        pytest.param(f"The range is [0, 1000).\n[{CAT}, {DOG}]", id="half-open interval before"),
        pytest.param(f"It's 5\" wide [1].\n[{CAT}, {DOG}]", id="quotes in the prose"),
        pytest.param(f"```json\n[{CAT}]\n```\nand\n```json\n[{DOG}]\n```", id="two fences"),
        pytest.param(f"{CAT}\n{DOG}\n", id="one object a line"),
        pytest.param(f'{{"masks": [{CAT}, {DOG}]}}', id="wrapped"),
        pytest.param(f'{{"image": {{"width": 640}}, "result": {{"any thing": [{CAT}, {DOG}]}}}}', id="wrapped twice"),
        pytest.param(f"[[{CAT}], [{DOG}]]", id="list of lists"),
        pytest.param(f'{{"first": {CAT}, "second": {DOG}}}', id="objects by name"),
        pytest.param(f'[{CAT[:-1]}, "color": [255, 0, 0, 255]}}, {DOG}]', id="another list of four numbers"),
        pytest.param(f'[{CAT[:-1]}, "parts": [{DOG}]}}]', id="object inside an object"),
        pytest.param(
            '[{"label":"cat","box_2d":[100.0,200,300,4e2]},{"box_2d":[5.0E2,600,7e+2,800],"label":"dog"}]', id="floats"
        ),
        pytest.param(f"\ufeff[{CAT},\u00a0{DOG}]\x00", id="byte order mark, hard space and NUL"),
        pytest.param(f"[{CAT}, {DOG}]".replace("\n", "\r\n"), id="CRLF"),
        pytest.param(
            '[{"ymin": 100, "xmin": 200, "ymax": 300, "xmax": 400, "label": "cat"}, ' + DOG + "]", id="named sides"
        ),
        pytest.param(
            '[{"box": {"x": 200, "y": 100, "width": 200, "height": 200}, "label": "cat"}, ' + DOG + "]",
            id="named sizes",
        ),
        pytest.param(
            f'[{{"name": "cat", "location": {{"box_2d": [100, 200, 300, 400]}}}}, {DOG}]', id="box one level deeper"
        ),
        pytest.param(
            f'[{{"label": "cat", "coordinates": {{"x1": 200, "y1": 100, "x2": 400, "y2": 300}}}}, {DOG}]',
            id="named sides one level deeper",
        ),
        pytest.param(
            f'{{"title": "Pets", "caption": "a cat and a dog", "found": [{CAT}, {DOG}]}}', id="title over them all"
        ),
        pytest.param(f'[{{"box_2d": [[[100, 200, 300, 400]]], "label": "cat"}}, {DOG}]', id="box in brackets too many"),
        pytest.param(
            f'[{{"box_2d": {{"coordinates": [100, 200, 300, 400], "format": "yxyx"}}, "label": "cat"}}, {DOG}]',
            id="box and its format",
        ),
        pytest.param(
            f'[{{"label": "cat", "box": {{"cx": 300, "cy": 200, "w": 200, "h": 200}}}}, {DOG}]', id="named middle"
        ),
        pytest.param(f'[{{"box_2d": [100,\u200b200, 300, 400], "label": "cat"}}, {DOG}]', id="space of no width"),
        pytest.param(
            json.dumps({"candidates": [{"content": {"parts": [{"text": f"[{CAT}, {DOG}]"}], "role": "model"}}]}),
            id="the whole reply of the service",
        ),
    ],
)
def test_an_answer_in_the_documented_form_is_found_whole_whatever_stands_around_it(text: str) -> None:
    decoded = decode(text)
    assert boxes(decoded) == [A_CAT, A_DOG]
    assert decoded.outcome is Outcome.FOUND
    assert decoded.notes == ()
    assert [detection.id for detection in decoded.detections] == [0, 1]
    assert all(detection.score is None for detection in decoded.detections)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "[{'box_2d': [100, 200, 300, 400], 'label': 'cat'}, " + DOG + "]",
            "single or curly quotes",
            id="single quotes",
        ),
        pytest.param(
            "[{“box_2d”: [100, 200, 300, 400], “label”: “cat”}, " + DOG + "]",
            "single or curly quotes",
            id="curly quotes",
        ),
        pytest.param(
            '[{box_2d: [100, 200, 300, 400], label: "cat"}, ' + DOG + "]", "unquoted keys", id="unquoted keys"
        ),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "label": cat}, ' + DOG + "]", "missing quotes", id="unquoted label"
        ),
        pytest.param(f"[{CAT}, {DOG},]", "a trailing comma", id="trailing comma"),
        pytest.param(f'[{CAT[:-1]}, "seen": True}}, {DOG}]', "Python words", id="Python words"),
        pytest.param(f"[{CAT}, // the left one\n{DOG}]", "comments", id="line comment"),
        pytest.param(f"[{CAT}, /* [1, 2, 3, 4] */ {DOG}]", "comments", id="block comment"),
        pytest.param(f"[{CAT}, # it's the left one\n{DOG}]", "comments", id="hash comment"),
        pytest.param(f"[{CAT}, // [the left] one\n{DOG}]", "comments", id="brackets in one"),
        pytest.param(f'[\n  # {CAT[:-5]}lion"}},\n{CAT},\n{DOG}]', "comments", id="an object in one"),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], // y first\n "label": "cat" # it has a hat\n}, ' + DOG + "]",
            "comments",
            id="comments inside an object",
        ),
        pytest.param(f"[{CAT[:-1]}, {DOG}]", "missing brackets", id="object not closed"),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400, "label": "cat"}, ' + DOG + "]", "missing brackets", id="box not closed"
        ),
        pytest.param(f"```json\n[{CAT}, {DOG}\n```\nDone.", "missing brackets", id="list not closed before the fence"),
        pytest.param(f"[{CAT}}}, {DOG}]]", "stray brackets", id="one bracket too many"),
        pytest.param(f"[{CAT[1:]}, {DOG}]", "stray brackets", id="object not opened"),
        pytest.param(f"[{CAT}, '{DOG}]", "stray quotes", id="stray quote"),
        pytest.param(f"{CAT[1:]}, {DOG}]", "missing brackets", id="list and object not opened"),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "label": "cat}, ' + DOG + "]", "missing quotes", id="label not closed"
        ),
        pytest.param('[{"box_2d": (100, 200, 300, 400), "label": "cat"}, ' + DOG + "]", "round brackets", id="tuple"),
        pytest.param(
            '[{"box_2d": ["100", "200", "300", "400"], "label": "cat"}, ' + DOG + "]",
            "numbers stood in quotes",
            id="numbers in quotes",
        ),
        pytest.param(
            '[{"box_2d": "100, 200, 300, 400", "label": "cat"}, ' + DOG + "]",
            "numbers stood in quotes",
            id="box in quotes",
        ),
        pytest.param(
            '[{"box_2d": ["10%", "20%", "30%", "40%"], "label": "cat"}, ' + DOG + "]", "in percent", id="percent"
        ),
        pytest.param(
            '[{"box_2d": [10%, 20.0%, 30%, 40%], "label": "cat"}, ' + DOG + "]", "in percent", id="percent, unquoted"
        ),
        pytest.param(
            '[{"box_2d": [[100, 400], [100, 200], [300, 200], [300, 400]], "label": "cat"}, ' + DOG + "]",
            "four corners",
            id="four corners",
        ),
        pytest.param(
            '[{"box_2d" = [100, 200, 300, 400], "label" = "cat"}, ' + DOG + "]", "other signs", id="= for a colon"
        ),
        pytest.param(
            '[{"box_2d" => [100, 200, 300, 400], "label" => "cat"}, ' + DOG + "]", "other signs", id="=> for a colon"
        ),
        pytest.param(
            '[{"box_2d"：[100，200，300，400]，"label"："cat"}，' + DOG + "]", "other signs", id="full-width signs"
        ),
        pytest.param(
            '[{"label": "cat", "boundingPoly": {"normalizedVertices": [{"x": 0.2, "y": 0.1}, {"x": 0.4, "y": 0.1}, '
            '{"x": 0.4, "y": 0.3}, {"x": 0.2, "y": 0.3}]}}, ' + DOG + "]",
            "gave the item its box",
            id="vertices",
        ),
        pytest.param(
            "[{`box_2d`: [100, 200, 300, 400], `label`: `cat`}, " + DOG + "]",
            "unquoted keys",
            id="backticks for quotes",
        ),
        pytest.param(
            "[{«box_2d»: [100, 200, 300, 400], «label»: «cat»}, " + DOG + "]", "unquoted keys", id="French quotes"
        ),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "label": **cat**}, ' + DOG + "]", "missing quotes", id="bold for quotes"
        ),
        pytest.param('[{"bbox": [100, 200, 300, 400], "label": "cat"}, ' + DOG + "]", "another key", id="bbox"),
        pytest.param(
            '[{"boundingBox": [100, 200, 300, 400], "name": "cat"}, ' + DOG + "]", "another key", id="boundingBox"
        ),
        pytest.param(
            '{"cat": [100, 200, 300, 400], "dog": [[500, 600, 700, 800]]}', "taken from the key", id="labels as keys"
        ),
        pytest.param(
            '{"cat": {"box_2d": [100, 200, 300, 400]}, "dog": [{"box_2d": [500, 600, 700, 800]}]}',
            "taken from the key",
            id="labels as keys of objects",
        ),
        pytest.param(
            '{"boxes": [[100, 200, 300, 400], [500, 600, 700, 800]], "labels": ["cat", "dog"]}',
            "another key",
            id="parallel lists",
        ),
        pytest.param(
            '[{"box_2d": [300, 400, 100, 200], "label": "cat"}, ' + DOG + "]", "corners", id="corners inverted"
        ),
        pytest.param(
            '[{"box_2d": [100, 400, 300, 200], "label": "cat"}, ' + DOG + "]", "corners", id="left and right swapped"
        ),
        pytest.param(
            '[{"box_2d": [0.1, 0.2, 0.3, 0.4], "label": "cat"}, ' + DOG + "]",
            "fractions",
            id="fractions of the picture",
        ),
        pytest.param(f"[{CAT}, {CAT}, {DOG}, {CAT}]", "repeats", id="exact repeats"),
        pytest.param(
            f"```\n[{CAT}, {DOG}]\n```\nOnce more:\n```\n[{CAT}, {DOG}]\n```", "repeats", id="the whole list twice"
        ),
        pytest.param(f'[{CAT[:-1]}, "confidence": 1.7}}, {DOG}]', "score", id="impossible score"),
        pytest.param(f'[{CAT[:-1]}, "score": "high"}}, {DOG}]', "score", id="score in words"),
        pytest.param(f'[{CAT[:-1]}, "mask": ""}}, {DOG}]', "mask", id="empty mask"),
        pytest.param(f'[{CAT[:-1]}, "point": [5000, 5000]}}, {DOG}]', "point lies outside", id="point outside"),
        pytest.param(f'[{CAT}, {{"box_2d": [1, 2, 3], "label": "no"}}, {DOG}]', "3 numbers", id="three numbers"),
        pytest.param(f'[{CAT}, {{"box_2d": [1, 2, 3, 4, 5], "label": "no"}}, {DOG}]', "5 numbers", id="five numbers"),
        pytest.param(f'[{CAT}, {{"box_2d": [], "label": "no"}}, {DOG}]', "no list of numbers", id="no numbers"),
        pytest.param(f'[{CAT}, {{"box_2d": null, "label": "no"}}, {DOG}]', "no box, point or mask", id="null box"),
        pytest.param(
            f'[{CAT}, {{"box_2d": [1, 2, null, 4], "label": "no"}}, {DOG}]', "no list of numbers", id="null in a box"
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": [1, 2, true, 4], "label": "no"}}, {DOG}]', "no list of numbers", id="true in a box"
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": [1, 2, "left", 4], "label": "no"}}, {DOG}]', "no list of numbers", id="word in a box"
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": "on the left", "label": "no"}}, {DOG}]', "no list of numbers", id="words for a box"
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": ["10%", "20%", "30%", 400], "label": "no"}}, {DOG}]',
            "no list of numbers",
            id="percent and other numbers",
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": ["10%", "20%", "30%"], "label": "no"}}, {DOG}]', "3 numbers", id="three percentages"
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": [[1, 2], [3, 4], [5, 6], [7, 8]], "label": "no"}}, {DOG}]',
            "2 numbers",
            id="four corners of no rectangle",
        ),
        pytest.param(f'[{CAT}, {{"box_2d": [[[]]], "label": "no"}}, {DOG}]', "left out", id="brackets about nothing"),
        pytest.param(
            f'[{CAT}, {{"box_2d": 7, "label": "no"}}, {DOG}]', "no list of numbers", id="one number for a box"
        ),
        pytest.param(f'[{CAT}, {{"box_2d": [NaN, 2, 3, 4], "label": "no"}}, {DOG}]', "finite", id="NaN"),
        pytest.param(f'[{CAT}, {{"box_2d": [0, 0, Infinity, 4], "label": "no"}}, {DOG}]', "finite", id="Infinity"),
        pytest.param(f'[{CAT}, {{"box_2d": [0, 0, 1e999, 4], "label": "no"}}, {DOG}]', "finite", id="1e999"),
        pytest.param(
            f'[{CAT}, {{"box_2d": [0, 0, {"9" * 5000}, 4], "label": "no"}}, {DOG}]', "finite", id="endless digits"
        ),
        pytest.param(f'[{CAT}, {{"box_2d": [100, 200, 100, 400], "label": "no"}}, {DOG}]', "no area", id="no height"),
        pytest.param(f'[{CAT}, {{"box_2d": [1, 7, 3, 7], "label": "no"}}, {DOG}]', "no area", id="no width"),
        pytest.param(
            f'[{CAT}, {{"box_2d": [1100, 1, 1200, 9], "label": "no"}}, {DOG}]', "outside", id="below the picture"
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": [1, -90, 9, -10], "label": "no"}}, {DOG}]', "outside", id="left of the picture"
        ),
        pytest.param(
            f'[{CAT}, {{"box_2d": [1000, 1, 1200, 9], "label": "no"}}, {DOG}]', "outside", id="on the lower edge only"
        ),
        pytest.param(f'[{CAT}, {{"label": "no"}}, {DOG}]', "no box, point or mask", id="label alone"),
        pytest.param(
            f'[{CAT}, {{"box_3d": [1, 2, 3, 4, 5, 6, 7, 8, 9], "label": "no"}}, {DOG}]',
            "3D box",
            id="3D box among others",
        ),
        pytest.param(
            f'[{CAT}, {{"point": [1, 2, 3], "label": "no"}}, {DOG}]', "3 numbers", id="point of three numbers"
        ),
    ],
)
def test_what_is_mended_or_left_out_is_said_and_the_rest_is_found(text: str, says: str) -> None:
    decoded = decode(text)
    assert boxes(decoded) == [A_CAT, A_DOG]
    assert decoded.outcome is Outcome.REPAIRED
    assert any(says in note.detail for note in decoded.notes), decoded.notes


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "label: "#"}, ' + DOG + "]", ["", "dog"], id="a key not closed"
        ),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "label": # 1"}, ' + DOG + "]", ["#", "dog"], id="a label not opened"
        ),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400]#, "label": "{["}, ' + DOG + "]", ["{[", "dog"], id="# for a comma"
        ),
        pytest.param(f'[{CAT},#"label": "[["}}, {DOG}]', ["cat", "dog"], id="# for a bracket"),
        pytest.param(f"[{CAT} // {DOG}]", ["cat", "dog"], id="before an object on its line"),
        pytest.param(f"[{CAT}, /* {DOG}]", ["cat", "dog"], id="never closed"),
        pytest.param(
            f'[{CAT[:-5]}a "big" #1 cat"}}, {DOG}]', ['a "big" #1 cat', "dog"], id="behind a quote in a label"
        ),
        pytest.param(
            '[{"box_2d": [100, 200, 300, 400], "label": http://a.b/#c}, ' + DOG + "]",
            ["http", "dog"],
            id="in an address",
        ),
    ],
)
def test_no_comment_takes_the_objects_behind_it(text: str, labels: list[str]) -> None:
    assert boxes(decode(text)) == [(labels[0], A_CAT[1]), (labels[1], A_DOG[1])]


@pytest.mark.parametrize(
    ("label", "read"),
    [
        pytest.param('"fox\' shadow"', "fox' shadow", id="apostrophe"),
        pytest.param('"3\\"\\" marking"', '3"" marking', id="escaped quotes"),
        pytest.param('"3" marking"', '3" marking', id="quote not escaped"),
        pytest.param('"the "left", blue one"', 'the "left", blue one', id="quotes and a comma not escaped"),
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
    ("text", "expected"),
    [
        pytest.param('[{"point": [550, 260], "label": "bin"}]', [("bin", 550, 260)], id="documented"),
        pytest.param('[{"point": [0.55, 0.26], "label": "bin"}]', [("bin", 550, 260)], id="fractions"),
        pytest.param('[{"point": {"x": 260, "y": 550}, "label": "bin"}]', [("bin", 550, 260)], id="named"),
        pytest.param(
            '[{"points": [[550, 260], [10, 20]], "label": "bin"}]',
            [("bin", 550, 260), ("bin", 10, 20)],
            id="two of one label",
        ),
        pytest.param('{"points": [{"point": [550, 260], "label": "bin"}]}', [("bin", 550, 260)], id="wrapped"),
        pytest.param('[{"coordinates": [550, 260], "label": "bin"}]', [("bin", 550, 260)], id="coordinates"),
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


def test_an_object_may_have_a_box_and_a_point() -> None:
    (detection,) = decode(f'{CAT[:-1]}, "point": [150, 250]}}').detections
    assert detection.box is not None
    assert detection.point == (0.25, 0.15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("- [100, 200, 300, 400]\n- [500, 600, 700, 800]", ["", ""], id="bullets"),
        pytest.param(
            "- cat: [100, 200, 300, 400]\n- dog: [500, 600, 700, 800]", ["cat", "dog"], id="bullets with names"
        ),
        pytest.param(
            "1. **cat** - [100, 200, 300, 400]\n2. **dog** - [500, 600, 700, 800]", ["cat", "dog"], id="numbered, bold"
        ),
        pytest.param("* [100, 200, 300, 400]: cat\n* [500, 600, 700, 800]: dog.", ["cat", "dog"], id="names after"),
        pytest.param("1. cat [100, 200, 300, 400]\n2. dog - [500, 600, 700, 800]", ["cat", "dog"], id="no separator"),
        pytest.param("- cat at [100, 200, 300, 400]\n- dog: [500, 600, 700, 800]", ["cat", "dog"], id="at"),
        pytest.param(
            "```python\nboxes = [(100, 200, 300, 400, 'cat'), (500, 600, 700, 800, 'dog')]\n```",
            ["cat", "dog"],
            id="in code",
        ),
        pytest.param(
            "cat: box_2d=[100, 200, 300, 400]\ndog: box_2d=[500, 600, 700, 800]", ["cat", "dog"], id="key and ="
        ),
        pytest.param(
            "box_2d: [100, 200, 300, 400], label: cat\nbox_2d: [500, 600, 700, 800], label: dog",
            ["cat", "dog"],
            id="key and label after",
        ),
        pytest.param(
            "label: cat, box_2d: [100, 200, 300, 400]\nlabel: dog, box_2d: [500, 600, 700, 800]",
            ["cat", "dog"],
            id="key and label before",
        ),
        pytest.param(
            "* cat — box_2d: [100, 200, 300, 400]\n* **dog** — box_2d: [500, 600, 700, 800]",
            ["cat", "dog"],
            id="bullets with names and keys",
        ),
        pytest.param(
            "- label: cat\n  box_2d: [100, 200, 300, 400]\n- label: dog\n  box_2d: [500, 600, 700, 800]",
            ["cat", "dog"],
            id="YAML",
        ),
        pytest.param(
            "- box_2d: [100, 200, 300, 400]\n  label: cat\n- box_2d: [500, 600, 700, 800]\n  label: dog",
            ["cat", "dog"],
            id="YAML, label last",
        ),
        pytest.param(
            "- box_2d: [100, 200, 300, 400]\n- box_2d: [500, 600, 700, 800]\n  label: dog",
            ["", "dog"],
            id="YAML, one label missing",
        ),
        pytest.param(
            "| # | name | box_2d |\n|---|---|---|\n"
            "| 1 | cat | [100, 200, 300, 400] |\n| 2 | dog | [500, 600, 700, 800] |",
            ["cat", "dog"],
            id="table with numbers",
        ),
        pytest.param("[" + CAT + ", [500, 600, 700, 800]]", ["cat", ""], id="beside an object"),
        pytest.param("[" + CAT + ', ["dog", [500, 600, 700, 800]]]', ["cat", "dog"], id="pair beside an object"),
        pytest.param("| cat | [100, 200, 300, 400] |\n| dog | [500, 600, 700, 800] |", ["cat", "dog"], id="table"),
        pytest.param("[[100, 200, 300, 400], [500, 600, 700, 800]]", ["", ""], id="list of lists"),
        pytest.param(
            "```json\n[[100, 200, 300, 400], [500, 600, 700, 800]]\n```", ["", ""], id="list of lists, fenced"
        ),
        pytest.param('[[100, 200, 300, 400, "cat"], [500, 600, 700, 800, "dog"]]', ["cat", "dog"], id="names inside"),
        pytest.param('[["cat", [100, 200, 300, 400]], ["dog", [500, 600, 700, 800]]]', ["cat", "dog"], id="pairs"),
        pytest.param('{"boxes": [[100, 200, 300, 400], [500, 600, 700, 800]]}', ["", ""], id="under a key"),
    ],
)
def test_lists_of_four_numbers_alone_are_boxes(text: str, expected: list[str]) -> None:
    assert boxes(decode(text)) == [(expected[0], A_CAT[1]), (expected[1], A_DOG[1])]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The picture spans [0, 0, 1000, 1000] in all.", id="in a sentence"),
        pytest.param("box = [460, 460, 610, 615]  # [ymin, xmin, ymax, xmax]", id="in code"),
        pytest.param("# Pedals: [460, 460, 600, 615]", id="in a comment"),
        pytest.param("img.crop([1, 2, 3, 4])", id="in a call"),
        pytest.param("img.crop(box_2d=[1, 2, 3, 4])", id="in a call by key"),
        pytest.param("colors = [(255, 0, 0, 255), (0, 255, 0, 255)]", id="colours in code"),
        pytest.param('{"palette_colors": [255, 0, 0, 255]}', id="colours under a key"),
        pytest.param("- [ ] cat not visible, picture too blurred to tell", id="box to tick"),
        pytest.param("- [ ]", id="box to tick alone"),
        pytest.param("The image is too dark to analyse {}.", id="empty brackets in a sentence"),
        pytest.param("See {}", id="empty brackets at the end of a sentence"),
        pytest.param("An empty list [] would be wrong.", id="empty list in a sentence"),
        pytest.param('{"objects": [], "error": "image could not be loaded"}', id="empty list and an error"),
        pytest.param('{"objects": [], "error": {"code": 3}}', id="empty list and an error with a code"),
        pytest.param('{"answer": "There are four cats.", "evidence": []}', id="empty list beside an answer"),
        pytest.param("The size is [640, 480].", id="two numbers"),
        pytest.param("- [1, 2, 3]", id="three numbers"),
        pytest.param("- [ymin, xmin, ymax, xmax]", id="placeholder"),
        pytest.param('{"box_2d": [ymin, xmin, ymax, xmax], "label": <label>}', id="template"),
        pytest.param('{"answer": "There are 4 [four] cats.", "count": 4}', id="other JSON"),
        pytest.param("def f(a): return [a[0], a[1], a[2], a[3]]", id="indexing"),
        pytest.param("I cannot help with that.", id="refusal"),
        pytest.param("", id="empty"),
        pytest.param(" \n\t", id="blank"),
        pytest.param("\x00\ud800", id="no text at all"),
        pytest.param('"', id="one quote"),
        pytest.param("]}]}", id="closing brackets"),
        pytest.param('[{"box_3d": [1, 2, 3, 4, 5, 6, 7, 8, 9], "label": "sink"}]', id="3D boxes only"),
        pytest.param('[{"box_2d": [1, 2, 3], "label": "cat"}]', id="nothing sound"),
    ],
)
def test_what_names_no_object_invents_none_and_says_so(text: str) -> None:
    decoded = decode(text)
    assert decoded.detections == ()
    assert decoded.outcome is Outcome.UNRECOGNISED
    assert [note.kind for note in decoded.notes] == [NoteKind.SKIPPED]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "```json\n[]\n```",
        "{}",
        "[{}]",
        '{"masks": []}',
        "null",
        "None.",
        "There are no cats: []",
        '{"objects": [], "n": 0}',
        '{"objects": [], "error": null}',
        "Here is the list:\n[]\nThere is nothing else.",
        '"[]"',
    ],
)
def test_an_empty_list_means_nothing_found(text: str) -> None:
    decoded = decode(text)
    assert (decoded.outcome, decoded.detections) == (Outcome.NONE, ())


def test_a_message_in_place_of_objects_is_passed_on() -> None:
    for text in (
        '{"objects": [], "error": "image could not be loaded"}',
        '{"error": {"message": "image could not be loaded"}}',
    ):
        (note,) = decode(text).notes
        assert "“image could not be loaded”" in note.detail


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param(f"[{CAT}, {DOG}]\n- bird: [1, 2, 3, 4]", 1, id="one after"),
        pytest.param(f"boxes = [[1, 2, 3, 4], [5, 6, 7, 8]]\n[{CAT}, {DOG}]", 2, id="two in code before"),
        pytest.param(f"The cat, [100, 200, 300, 400], sits.\n[{CAT}, {DOG}]", 0, id="one that is known"),
    ],
)
def test_boxes_in_the_prose_around_a_list_are_counted(text: str, count: int) -> None:
    decoded = decode(text)
    assert boxes(decoded) == [A_CAT, A_DOG]
    assert [note.detail.split()[0] for note in decoded.notes] == ([str(count)] if count else [])


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


def test_a_score_is_handed_down_with_the_label() -> None:
    (cat,) = decode('{"label": "cat", "score": 0.5, "location": {"box_2d": [100, 200, 300, 400]}}').detections
    assert (cat.label, cat.score) == ("cat", 0.5)


INNER = f"[{CAT}, {DOG}]"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(INNER), id="string"),
        pytest.param(f"```json\n{json.dumps(INNER)}\n```", id="string, fenced"),
        pytest.param(json.dumps(json.dumps({"objects": json.loads(INNER)}, indent=1)), id="string of an object"),
        pytest.param(INNER.replace('"', "&quot;"), id="HTML"),
        pytest.param(json.dumps(INNER)[1:-1], id="escaped quotes"),
    ],
)
def test_an_answer_inside_a_string_is_unpacked(text: str) -> None:
    decoded = decode(text)
    assert boxes(decoded) == [A_CAT, A_DOG]
    assert decoded.outcome is Outcome.REPAIRED
    for length in range(len(text)):
        for found in boxes(decode(text[:length])):
            assert any(found[1] == box and label.startswith(found[0]) for label, box in (A_CAT, A_DOG)), text[:length]


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


def test_a_box_that_reaches_outside_is_clamped() -> None:
    decoded = decode('[{"box_2d": [-20, 100, 1200, 400], "label": "cat"}]')
    assert boxes(decoded) == [("cat", (0, 100, 1000, 400))]
    assert [note.kind for note in decoded.notes] == [NoteKind.REPAIRED]


@pytest.mark.parametrize(
    ("ending", "labels", "says"),
    [
        pytest.param("", ["cat"], "before its list does", id="after an object"),
        pytest.param(', {"box_2d": [500, 600, 700, 80', ["cat"], "inside item 2", id="inside a box"),
        pytest.param(
            ', {"label": "dog", "box_2d": [500, 600, 700, 800', ["cat"], "inside item 2 (dog)", id="before a box closes"
        ),
        pytest.param(', {"box_2d": [500, 600, 700, 800]', ["cat", ""], "inside item 2", id="after a box"),
        pytest.param(', {"box_2d": [500, 600, 700, 800], "lab', ["cat", ""], "inside item 2", id="inside a key"),
        pytest.param(
            ', {"box_2d": [500, 600, 700, 800], "label": "do', ["cat", "do"], "inside item 2", id="inside a label"
        ),
        pytest.param(
            ', {"box_2d": [500, 600, 700, 800], "label": "3\\', ["cat", "3"], "inside item 2", id="inside an escape"
        ),
        pytest.param(
            ', {"box_2d": [500, 600, 700, 800], "label": "dog"',
            ["cat", "dog"],
            "inside item 2",
            id="before the object closes",
        ),
        pytest.param(
            ', {"box_2d": [500, 600, 700, 800], "mask": "data:image/png;base64,iVBORw0',
            ["cat", ""],
            "its mask is missing",
            id="inside a mask",
        ),
        pytest.param(
            ', {"box_2d": [500, 600, 700, 800], "mask": [[1, 2], [3, 4',
            ["cat", ""],
            "its mask is missing",
            id="inside an outline",
        ),
        pytest.param(
            ', {"mask": [[1, 2], [3, 40], [50, 6]], "box_2d": [500, 600',
            ["cat"],
            "inside item 2, which is left out",
            id="inside a box after its outline",
        ),
        pytest.param(
            ', {"box_2d": [500, 600, 700, 800], "label": "dog", "confidence": 0.9',
            ["cat", "dog"],
            "inside item 2",
            id="inside a score",
        ),
    ],
)
def test_a_cut_answer_keeps_every_whole_box(ending: str, labels: list[str], says: str) -> None:
    decoded = decode(f"```json\n[{CAT}{ending}")
    assert boxes(decoded) == [(label, box) for label, box in zip(labels, (A_CAT[1], A_DOG[1]), strict=False)]
    assert decoded.outcome is Outcome.TRUNCATED
    assert [note.detail for note in decoded.notes if note.kind is NoteKind.CUT and says in note.detail], decoded.notes
    assert all(detection.score is None for detection in decoded.detections)


def test_an_answer_cut_while_it_repeats_itself_is_one_object() -> None:
    assert boxes(decode(f"[{CAT}, {CAT}, {CAT}, {CAT[:40]}")) == [A_CAT]


def test_each_thing_left_out_has_a_note_and_thousands_share_one() -> None:
    bad = [f'{{"box_2d": [1, 2, 3], "label": "Bad {place}"}}' for place in range(3000)]
    few, many = decode(f"[{CAT}, {', '.join(bad[:3])}]"), decode(f"[{CAT}, {', '.join(bad)}]")
    assert [note.detail for note in few.notes] == [
        f"Item {place + 2} (Bad {place}) left out: the box has 3 numbers instead of 4." for place in range(3)
    ]
    assert [note.detail.split(" left out")[0] for note in many.notes] == ["3,000 items (2, 3, 4, 5, 6, 7, 8, 9, …)"]
