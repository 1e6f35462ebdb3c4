"""A comment in a Gemini answer hides nothing but itself, and what only looks like one hides nothing."""

from __future__ import annotations

import pytest

from grounding.codecs.gemini import decode
from tests.grounding.codecs.gemini_answers import A_CAT, A_DOG, CAT, DOG, boxes


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
