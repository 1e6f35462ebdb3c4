"""Gemini's answers in words: boxes among them are found, nothing is made up, and nothing found is no fault."""

from __future__ import annotations

import pytest

from grounding.codecs.gemini import decode
from grounding.types import NoteKind, Outcome
from tests.grounding.codecs.gemini_answers import A_CAT, A_DOG, CAT, DOG, boxes


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
        pytest.param("[100, 200, 300, 400](cat)\n- [500, 600, 700, 800](dog)", ["cat", "dog"], id="links"),
        pytest.param(
            "1. **cat:** `[100, 200, 300, 400]` - on the left\n2. **dog:** `[500, 600, 700, 800]`, partly hidden",
            ["cat", "dog"],
            id="a remark behind",
        ),
        pytest.param(
            "- **cat** (red): [100, 200, 300, 400]\n- dog (the left one): [500, 600, 700, 800]",
            ["cat (red)", "dog (the left one)"],
            id="a remark in the name",
        ),
        pytest.param(
            "* **Object:** cat\n  * **Bounding Box:** [100, 200, 300, 400]\n"
            "* **Object:** dog\n  * **Box:** [500, 600, 700, 800]",
            ["cat", "dog"],
            id="bullets of bold keys",
        ),
        pytest.param(
            "* **Bounding Box:** [100, 200, 300, 400]\n* **Label:** cat\n\n"
            "* **Bounding Box:** [500, 600, 700, 800]\n* **Label:** dog",
            ["cat", "dog"],
            id="bullets of bold keys, label last",
        ),
        pytest.param(
            "1. Box: [100, 200, 300, 400]\n   Label: cat\n2. Box: [500, 600, 700, 800]\n   Label: dog",
            ["cat", "dog"],
            id="numbered, label last",
        ),
        pytest.param(
            "1. **Label:** cat\n   * **Box:** [100, 200, 300, 400]\n"
            "2. **Label:** dog\n   * **Box:** `[500, 600, 700, 800]`",
            ["cat", "dog"],
            id="numbered, label first",
        ),
        pytest.param(
            "- box: [100, 200, 300, 400]\n  label: cat\n- box: [500, 600, 700, 800]\n  label: dog",
            ["cat", "dog"],
            id="plain box, label last",
        ),
        pytest.param(
            "Box: [100, 200, 300, 400]\nLabel: cat\nBox: [500, 600, 700, 800]\nLabel: dog",
            ["cat", "dog"],
            id="plain box, no bullets",
        ),
        pytest.param(
            "Category: animals\n\n* **Bounding Box:** [100, 200, 300, 400]\n* **Label:** cat\n"
            "* **Bounding Box:** [500, 600, 700, 800]\n* **Label:** dog",
            ["cat", "dog"],
            id="a heading like a label",
        ),
        pytest.param(
            "* Bounding box: [100, 200, 300, 400]\n* Object: dog, Bounding box: [500, 600, 700, 800]",
            ["", "dog"],
            id="one label missing, the other on its line",
        ),
        pytest.param(
            "- box_2d: [100, 200, 300, 400]\n- label: dog\n  box_2d: [500, 600, 700, 800]",
            ["", "dog"],
            id="YAML, first label missing",
        ),
        pytest.param(
            "* Box: [100, 200, 300, 400]\n* Label: dog\n* Box: [500, 600, 700, 800]",
            ["", ""],
            id="a label that may be that of either",
        ),
        pytest.param(
            "label: cat\nscore: 0.9\nbox_2d: [100, 200, 300, 400]\nlabel: dog\nbox_2d: [500, 600, 700, 800]",
            ["", "dog"],
            id="another line between",
        ),
        pytest.param(
            "Bounding box: [100, 200, 300, 400]\nLabel: cat\n\nBounding box: [500, 600, 700, 800]\nLabel: dog",
            ["cat", "dog"],
            id="lines in plain words",
        ),
        pytest.param("Two:\n- 100, 200, 300, 400\n* 500,600,700,800", ["", ""], id="bullets without brackets"),
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
        pytest.param("img.crop((1, 2, 3, 4))", id="round brackets in a call"),
        pytest.param("crop(1, 2, 3, 4)", id="numbers in a call"),
        pytest.param("The picture spans (0, 0, 1000, 1000) in all.", id="round brackets in a sentence"),
        pytest.param("- color: (255, 0, 0, 255)\n- rgba(255, 0, 0, 255)", id="colours in bullets"),
        pytest.param("cat: (1, 2, 3, 4)\nImage shape: (1, 3, 640, 480)", id="round brackets on a line"),
        pytest.param("fig.add(dict(label=dict(text='x'), x0=1, y0=2, x1=3, y1=4))", id="dict in code"),
        pytest.param("```python\nbox = [100, 200, 300, 400]\n```", id="one step of code"),
        pytest.param("cat: [1, 2, 3, 4], which is not certain", id="a remark behind, no bullet"),
        pytest.param("- cat: [0, 0, 1000, 1000], but it is not visible", id="a remark that says it is not there"),
        pytest.param("- Zebra - not visible: [0, 0, 1000, 1000], whole picture", id="a name that says so"),
        pytest.param("- I looked in the region: [0, 0, 1000, 1000], but found none.", id="a sentence in a bullet"),
        pytest.param("* **Zebra** (not visible): [0, 0, 1000, 1000]", id="an aside that says it is not there"),
        pytest.param("- cat (in pixels): [1, 2, 3, 4]", id="an aside about coordinates"),
        pytest.param("- fur colour (RGBA): [255, 120, 30, 255]", id="an aside about colours"),
        pytest.param("- [0, 0, 1000, 1000] (no cat found)", id="brackets behind that say it is not there"),
        pytest.param("- [1, 2, 3, 4] (ymin, xmin, ymax, xmax)", id="brackets behind about coordinates"),
        pytest.param("- [1, 2, 3, 4] (a cat), (a dog)", id="two in brackets behind"),
        pytest.param("- cat: [1, 2, 3, 4], score: 0.9", id="a score behind"),
        pytest.param("- cat: [1, 2, 3, 4] (confidence: 0.9)", id="a score behind in brackets"),
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
        pytest.param("- 1, 2, 3\n- 1, 2, 3, 4 and so on\n1, 2, 3, 4", id="numbers without brackets"),
        pytest.param("- [ymin, xmin, ymax, xmax]", id="placeholder"),
        pytest.param('{"box_2d": [ymin, xmin, ymax, xmax], "label": <label>}', id="template"),
        pytest.param('{"answer": "There are 4 [four] cats.", "count": 4}', id="other JSON"),
        pytest.param("def f(a): return [a[0], a[1], a[2], a[3]]", id="indexing"),
        pytest.param("I cannot help with that.", id="refusal"),
        pytest.param('[{"box_2d": <1, 2, 3, 4>, "label": "cat"}]', id="angle brackets"),
        pytest.param('[{"point": <point>, "label": <label>}]', id="template of a list"),
        pytest.param('[{"x": 100, "y": 200}]', id="numbers under keys"),
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
        '{"points": []}',
        '[{"picture": 1, "objects": []}, {"picture": 2, "objects": []}]',
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
        pytest.param(
            f'[{CAT}, Box(box_2d=[500, 600, 700, 800], label="dog")]\n["the "big", x = 3 one", [1, 2, 3, 4]]',
            1,
            id="one named behind a printed object",
        ),
        pytest.param(f"The picture is (0, 0, 1000, 1000).\n[{CAT}, {DOG}]", 0, id="four numbers in round brackets"),
        pytest.param(f"The cat, [100, 200, 300, 400], sits.\n[{CAT}, {DOG}]", 0, id="one that is known"),
    ],
)
def test_boxes_in_the_prose_around_a_list_are_counted(text: str, count: int) -> None:
    decoded = decode(text)
    assert boxes(decoded) == [A_CAT, A_DOG]
    skipped = [note.detail.split()[0] for note in decoded.notes if note.kind is NoteKind.SKIPPED]
    assert skipped == ([str(count)] if count else [])
