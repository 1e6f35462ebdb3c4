"""Properties that hold for any text a PaliGemma could say, and how long reading it may take."""

from __future__ import annotations

import re
import time
import timeit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.codecs.paligemma import answer_text, decode
from grounding.types import Outcome
from tests.grounding.codecs.paligemma_answers import BOX, OTHER, SEG, said

TOKENS = ["<loc0001>", "<loc1023>", "<loc0500>", "<loc4096>", "<seg000>", "<seg127>", "<seg999>", SEG, BOX, OTHER]


OTHER_PARTS = [
    "<eos>",
    "<bos>",
    "<pad>",
    "<image>",
    "<loc",
    "<seg0",
    "<",
    ">",
    "detect cat\n",
    "cat",
    "é",
    "…",
    "\0",
    "\ud800",
]


PARTS = st.sampled_from([*TOKENS, *OTHER_PARTS, " ", ";", " ; ", "\n"])


@given(
    st.lists(PARTS, max_size=40).map("".join) | st.text(),
    st.none() | st.sampled_from(["", "detect cat", "segment a ; b"]),
)
def test_no_text_raises_and_no_box_is_invented(text: str, prompt: str | None) -> None:
    decoded = decode(text, prompt=prompt, mask_decoder=lambda codes: np.zeros((len(codes), 2, 2), np.float32))
    numbers = [int(number) for number in re.findall(r"<loc(\d+)>", text)]
    fours = {tuple(numbers[i : i + 4]) for i in range(len(numbers) - 3)}
    for _, (y1, x1, y2, x2), codes in said(decoded):
        assert {(y1, x1, y2, x2), (y2, x1, y1, x2), (y1, x2, y2, x1), (y2, x2, y1, x1)} & fours
        assert codes is None or (len(codes) == 16 and max(codes) < 128)
    assert [d.id for d in decoded.detections] == list(range(len(decoded.detections)))
    assert bool(decoded.detections) or decoded.outcome in (Outcome.NONE, Outcome.UNRECOGNISED, Outcome.TRUNCATED)
    assert decoded.outcome is not Outcome.UNRECOGNISED or decoded.notes


def test_a_very_long_answer_is_read_in_time() -> None:
    assert len(decode(f"{BOX} cat ; " * 10_000).detections) == 10_000
    assert not decode("<loc0001" * 5_000).detections


@pytest.mark.parametrize(
    "pattern",
    [
        "\n",
        " \n",
        ";",
        "; ",
        "cat\n",
        "<",
        "<loc",
        "<seg000>",
        "<pad>",
        "<|a",
        "and ",
        ", ",
        f"{BOX}\n",
        f"{BOX} a, ",
        "<unused1",
    ],
)
def test_the_time_an_answer_takes_grows_with_its_length_only(pattern: str) -> None:
    """Four times the text in at most nine times the time: sixteen would be quadratic."""

    def seconds(times: int) -> float:
        text = "x" + pattern * times
        return min(timeit.repeat(lambda: (decode(text), answer_text(text)), timer=time.thread_time, number=1, repeat=3))

    size = 20_000 // len(pattern)
    assert seconds(4 * size) < 9 * seconds(size) + 0.02
