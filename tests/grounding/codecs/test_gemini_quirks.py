"""Ways Gemini's answers differ from the guide's, one row each. A quirk met in the field becomes a row here first."""

from __future__ import annotations

import json

import pytest

from grounding.codecs.gemini import decode
from grounding.types import NoteKind, Outcome
from tests.grounding.codecs.gemini_answers import A_CAT, A_DOG, CAT, DOG, boxes


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
        pytest.param(
            json.dumps({"steps": [{"content": [{"type": "text", "text": f"[{CAT}, {DOG}]"}]}], "status": "completed"}),
            id="a whole reply in steps",
        ),
        pytest.param(
            '[{"label": "cat", "box": {"top_left": {"x": 200, "y": 100}, "bottom_right": {"x": 400, "y": 300}}}, '
            + DOG
            + "]",
            id="named corners",
        ),
        pytest.param(
            f'[{{"box_2d": ["ymin": 100, "xmin": 200, "ymax": 300, "xmax": 400], "label": "cat"}}, {DOG}]',
            id="named sides in a list",
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
            '[{"box_2d": "(100, 200), (300, 400)", "label": "cat"}, ' + DOG + "]",
            "numbers stood in quotes",
            id="corners in quotes",
        ),
        pytest.param(
            "[Box2D(box_2d=[100, 200, 300, 400], label='cat'), Box2D(label='dog', box_2d=[500, 600, 700, 800])]",
            "unquoted keys",
            id="printed objects",
        ),
        pytest.param(
            '[{box_2d=[100, 200, 300, 400], label="cat", score=0.5}, ' + DOG + "]", "other signs", id="= in braces"
        ),
        pytest.param(
            '[{label = "cat", score = 0.5, box_2d = [100, 200, 300, 400]}, ' + DOG + "]",
            "other signs",
            id="= with spaces in braces",
        ),
        pytest.param(
            '[{"label": "cat", box_2d=[100, 200, 300, 400]}, ' + DOG + "]", "other signs", id="= behind a colon"
        ),
        pytest.param(
            "[Box(label='cat', box_2d=[100, 200, 300, 400]), Box(label='dog', score=0.5, box_2d=[500, 600, 700, 800])]",
            "other signs",
            id="printed objects with other fields",
        ),
        pytest.param(
            '[{"field_name": "cat", "value": "x", "box_2d": [100, 200, 300, 400]}, ' + DOG + "]",
            "another key than label",
            id="a key that ends in name",
        ),
        pytest.param(
            '[{"label": "cat", "bounds": [100, 200, 300, 400]}, ' + DOG + "]",
            "another key than box_2d",
            id="a box under a strange key",
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
            f'[{CAT}, {{"box_3d": {{"center": [1, 2, 3], "size": [4, 5, 6]}}, "label": "no"}}, {DOG}]',
            "only a 3D box",
            id="3D box with keys of its own",
        ),
        pytest.param(
            f'[{CAT}, {{"3d_bounding_box": [1, 2, 3, 4, 5, 6, 7, 8, 9], "label": "no"}}, {DOG}]',
            "only a 3D box",
            id="3D box under another key",
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


def test_a_key_that_comes_again_begins_another_object() -> None:
    label_first = [f'"label": "{label}", "box_2d": {list(box)}' for label, box in (A_CAT, A_DOG)]
    for objects in ((CAT[1:-1], DOG[1:-1]), label_first):
        assert sorted(boxes(decode(f"[{{{'}, '.join(objects)}}}]"))) == [A_CAT, A_DOG]


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


def test_a_box_that_reaches_outside_is_clamped() -> None:
    decoded = decode('[{"box_2d": [-20, 100, 1200, 400], "label": "cat"}]')
    assert boxes(decoded) == [("cat", (0, 100, 1000, 400))]
    assert [note.kind for note in decoded.notes] == [NoteKind.REPAIRED]


def test_each_thing_left_out_has_a_note_and_thousands_share_one() -> None:
    bad = [f'{{"box_2d": [1, 2, 3], "label": "Bad {place}"}}' for place in range(3000)]
    few, many = decode(f"[{CAT}, {', '.join(bad[:3])}]"), decode(f"[{CAT}, {', '.join(bad)}]")
    assert [note.detail for note in few.notes] == [
        f"Item {place + 2} (Bad {place}) left out: the box has 3 numbers instead of 4." for place in range(3)
    ]
    assert [note.detail.split(" left out")[0] for note in many.notes] == ["3,000 items (2, 3, 4, 5, 6, 7, 8, 9, …)"]
