"""The figures of the evaluation mean what their names say."""

from __future__ import annotations

from collections import Counter

import pytest

from training.evaluate import BARS, table
from training.metrics import f1, named


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        pytest.param("two red cats and a car in a room", {"cat": 2, "car": 1}, id="numbers and colours"),
        pytest.param("an orange apple, three fish and a red fish", {"apple": 1, "fish": 4}, id="one word, two forms"),
        pytest.param("nothing on a plain background", {}, id="nothing"),
        pytest.param("", {}, id="empty"),
        pytest.param("two zebras and a CAT", {"cat": 1}, id="unknown words do not lend their number"),
    ],
)
def test_a_caption_is_read_as_counts(text, counts):
    assert named(text) == Counter(counts)


@pytest.mark.parametrize(
    ("said", "true", "score"),
    [
        pytest.param({"cat": 2}, {"cat": 2}, 1.0, id="all right"),
        pytest.param({"cat": 1}, {"cat": 2}, 2 / 3, id="one short"),
        pytest.param({"dog": 1}, {"cat": 1}, 0.0, id="wrong"),
        pytest.param({}, {"cat": 1}, 0.0, id="silent"),
        pytest.param({}, {}, 1.0, id="rightly silent"),
    ],
)
def test_f1_weighs_what_is_missing_and_what_is_invented(said, true, score):
    assert f1(Counter(said), Counter(true)) == pytest.approx(score)


def test_the_table_names_what_falls_short():
    rows = dict.fromkeys([*BARS, "presence", "count", "colour", "beside"], 0.9)
    rows |= {"ap50": 0.79, "seconds": 1.2}
    lines = table(rows).splitlines()
    assert [line.split(":")[0] for line in lines if line.endswith("below the bar")] == [
        "detect",
        "seconds per detect, median                                    1.200   1.00   0.30  below the bar",
    ]


def test_what_was_not_measured_is_neither_good_nor_bad():
    rows = {"ap50": 0.9, "mask_iou": 0.7}
    lines = table(rows).splitlines()
    assert "seconds per detect, median                                     none   1.00   0.30" in lines
    assert not any(line.endswith("below the bar") for line in lines)
