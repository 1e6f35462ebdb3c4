"""What the bundled model was not taught is said before it is asked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from grounding.labels import split_labels
from grounding.types import Box, Task
from scenes import KINDS, language
from scenes.palette import COLOURS
from ui.form import Form
from ui.small_world import QUESTIONS_ONLY, SCENES_ONLY, beyond


@dataclass(frozen=True)
class Thing:
    label: str
    colour: str
    box: Box


def asked(task: Task, prompt: str, model: str = "pinpoint-nano") -> Form:
    labels = () if task in (Task.CAPTION, Task.ASK) or prompt.startswith("detect") else split_labels(prompt)
    return Form(task, "" if labels else prompt, labels, "paligemma", model)


@pytest.mark.parametrize(
    "prompt", ["cat", "red car ; dog", "Largest TREE", "detect cat ; dog", "cherry on the left", "fish"]
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


@pytest.mark.parametrize(
    ("prompt", "instead"),
    [
        ("sofas", "“sofa” rather than “sofas”."),
        ("cat; red buses; Cherries on the left", "“bus” rather than “buses”, “cherry” rather than “cherries”."),
        ("detect cacti", "“cactus” rather than “cacti”."),
    ],
)
def test_of_a_plural_the_singular_is_asked_for(prompt: str, instead: str) -> None:
    said = f"pinpoint-nano was taught to look for things by the singular: name {instead}"
    assert beyond(asked(Task.DETECT, prompt), drawn=True) == [said]


def test_of_a_long_list_three_are_named_and_none_at_length() -> None:
    (said,) = beyond(asked(Task.DETECT, ";".join(f"{place}{'x' * 80}" for place in "abcdef")), drawn=True)
    assert said.count("“") == 3
    assert len(said) < 500


@pytest.mark.parametrize("prompt", ["caption de", "answer fr is there a cat?"])
def test_another_language_is_not_promised(prompt: str) -> None:
    assert beyond(asked(Task.ASK, prompt), drawn=True) == ["pinpoint-nano answers in English only."]


@pytest.mark.parametrize("prompt", ["caption en", "caption", "answer en is there a cat?", ""])
def test_questions_are_in_english_where_nothing_else_is_said(prompt: str) -> None:
    assert beyond(asked(Task.ASK, prompt), drawn=True) == []


def test_of_every_question_it_was_taught_nothing_is_said() -> None:
    things = [Thing("fish", "red", Box(0.1, 0.1, 0.3, 0.3)), Thing("airplane", "blue", Box(0.6, 0.6, 0.8, 0.8))]
    taught = [language.count(things, label) for label in KINDS]
    taught += [language.presence(things, label, colour) for label in KINDS for colour in (None, *COLOURS)]
    taught += filter(None, (language.colour(things, each.label) for each in things))
    taught += filter(None, (language.beside(things, each.label, side) for each in things for side in language.SIDES))
    assert {each.kind for each in taught} == {"count", "presence", "colour", "beside"}
    for each in taught:
        assert beyond(asked(Task.ASK, each.prefix), drawn=True) == []
        typed = each.prefix.removeprefix("answer en ").capitalize()
        assert beyond(asked(Task.ASK, typed), drawn=True) == []


@pytest.mark.parametrize(
    "question",
    [
        "Who is the president of France?",
        "What is in the picture?",
        "Where is the cat?",
        "How many red cats are there?",
        "answer en where is the cat?",
        "what colour is the cat",
    ],
)
def test_to_another_question_those_it_was_taught_are_shown(question: str) -> None:
    assert beyond(asked(Task.ASK, question), drawn=True) == [QUESTIONS_ONLY]
    for kind in ("How many", "Is there", "What colour", "What is left of"):
        assert f"“{kind} " in QUESTIONS_ONLY


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("What colour is the zebra?", "“zebra”."),
        ("Is there a red kite?", "“kite”."),
        ("How many unicorns are there?", "“unicorns”."),
    ],
)
def test_a_taught_question_about_a_strange_word_names_the_word(question: str, named: str) -> None:
    (said,) = beyond(asked(Task.ASK, question), drawn=True)
    assert said.startswith(f"pinpoint-nano has no word for {named} It knows: cat, dog, ")


def test_of_other_pictures_than_scenes_is_warned_and_of_other_models_nothing_is_known() -> None:
    assert beyond(asked(Task.CAPTION, ""), drawn=False) == [SCENES_ONLY]
    assert beyond(asked(Task.DETECT, "unicorn", "google/paligemma2-3b-mix-224"), drawn=False) == []
