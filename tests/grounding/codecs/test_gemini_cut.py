"""Answers of Gemini that stop in the middle."""

from __future__ import annotations

import pytest

from grounding.codecs.gemini import decode
from grounding.types import NoteKind, Outcome
from tests.grounding.codecs.gemini_answers import A_CAT, A_DOG, CAT, boxes


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
