"""What the bundled model was not taught is said before it is asked."""

from __future__ import annotations

import pytest

from grounding.labels import split_labels
from grounding.types import Task
from ui.form import Form
from ui.small_world import SCENES_ONLY, beyond


def asked(task: Task, prompt: str, model: str = "pinpoint-nano") -> Form:
    labels = () if task in (Task.CAPTION, Task.ASK) or prompt.startswith("detect") else split_labels(prompt)
    return Form(task, "" if labels else prompt, labels, "paligemma", model)


@pytest.mark.parametrize(
    "prompt", ["cat", "red car ; dogs", "Largest TREE", "detect cat ; dog", "cherries on the left"]
)
def test_of_what_it_knows_nothing_is_said(prompt: str) -> None:
    assert beyond(asked(Task.DETECT, prompt), drawn=True) == []


@pytest.mark.parametrize(
    ("prompt", "named"),
    [("unicorn", "“unicorn”."), ("cat; zebra; red kite", "“zebra” or “red kite”."), ("detect unicorn", "“unicorn”.")],
)
def test_words_it_was_not_taught_are_named_with_those_it_was(prompt: str, named: str) -> None:
    (said,) = beyond(asked(Task.SEGMENT, prompt), drawn=True)
    assert said.startswith(f"pinpoint-nano has no word for {named} It knows: cat, dog, ")


def test_of_a_long_list_three_are_named_and_none_at_length() -> None:
    (said,) = beyond(asked(Task.DETECT, ";".join(f"{place}{'x' * 80}" for place in "abcdef")), drawn=True)
    assert said.count("“") == 3
    assert len(said) < 500


@pytest.mark.parametrize("prompt", ["caption de", "answer fr where is the cat?"])
def test_another_language_is_not_promised(prompt: str) -> None:
    assert beyond(asked(Task.CAPTION, prompt), drawn=True) == ["pinpoint-nano answers in English only."]


@pytest.mark.parametrize("prompt", ["caption en", "caption", "answer en where is the cat?", ""])
def test_questions_are_in_english_where_nothing_else_is_said(prompt: str) -> None:
    assert beyond(asked(Task.ASK, prompt), drawn=True) == []


def test_of_other_pictures_than_scenes_is_warned_and_of_other_models_nothing_is_known() -> None:
    assert beyond(asked(Task.CAPTION, ""), drawn=False) == [SCENES_ONLY]
    assert beyond(asked(Task.DETECT, "unicorn", "google/paligemma2-3b-mix-224"), drawn=False) == []
