"""What Gemini is asked."""

from __future__ import annotations

import pytest

from grounding.codecs.gemini import prompt
from grounding.errors import RequestError
from grounding.types import Request, Task


def ask(task: Task, text: str = "", *labels: str) -> str:
    return prompt(Request(task, (), text, labels))


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        pytest.param(
            ask(Task.DETECT, "", "cat", "red car"),
            ["Detect the cat and red car.", '"box_2d"', '"label"', "25"],
            id="detect",
        ),
        pytest.param(ask(Task.DETECT), ["Detect the prominent items.", '"box_2d"'], id="detect anything"),
        pytest.param(
            ask(Task.DETECT, "find what is broken"), ["find what is broken.", '"box_2d"'], id="detect in own words"
        ),
        pytest.param(
            ask(Task.DETECT, "Only big ones!", "cat"), ["Detect the cat. Only big ones!"], id="names and own words"
        ),
        pytest.param(
            ask(Task.SEGMENT, "", "cat", "dog", "ox"),
            ["segmentation masks for the cat, dog and ox.", '"mask"', '"box_2d"'],
            id="segment",
        ),
        pytest.param(ask(Task.SEGMENT), ["prominent items", "Use descriptive labels."], id="segment anything"),
        pytest.param(ask(Task.CAPTION), ["Describe"], id="caption"),
        pytest.param(ask(Task.CAPTION, "In Welsh, please"), ["In Welsh, please"], id="caption in own words"),
        pytest.param(ask(Task.ASK, " How many? "), ["How many?"], id="ask"),
    ],
)
def test_each_task_is_asked_in_the_words_of_the_guide(asked: str, parts: list[str]) -> None:
    for part in parts:
        assert part in asked


def test_names_are_put_on_one_line_and_empty_ones_left_out() -> None:
    assert "Detect the fire engine." in ask(Task.DETECT, "", " fire\n engine ", "  ")


@pytest.mark.parametrize("task", [Task.CAPTION, Task.ASK])
def test_a_task_in_words_asks_for_no_json(task: Task) -> None:
    assert "json" not in ask(task, "What is this?").lower()


def test_a_question_without_words_is_refused() -> None:
    with pytest.raises(RequestError, match="question"):
        ask(Task.ASK, "  ")
