"""Labels as people type them, and classes as exports count them."""

from __future__ import annotations

import pytest

from grounding.labels import LabelSet, singulars, split_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        pytest.param("cat; dog", ("cat", "dog"), id="semicolons"),
        pytest.param("cat\ndog", ("cat", "dog"), id="lines"),
        pytest.param("cat, dog", ("cat", "dog"), id="commas where nothing else splits"),
        pytest.param("red, shiny car; dog", ("red, shiny car", "dog"), id="a comma inside a label"),
        pytest.param(" cat ;; ; cat ", ("cat",), id="repeats and gaps"),
        pytest.param(" ; ", (), id="nothing"),
    ],
)
def test_labels_are_split_where_people_split_them(text: str, labels: tuple[str, ...]) -> None:
    assert split_labels(text) == labels


def test_classes_keep_the_order_asked_and_new_ones_follow() -> None:
    classes = LabelSet(("dog", "cat"))
    assert [classes.index(name) for name in ("cat", "bird", "dog")] == [1, 2, 0]
    assert classes.names == ("dog", "cat", "bird")


def test_capitals_and_spaces_make_no_new_class() -> None:
    classes = LabelSet(("cat", "dog"))
    assert classes.index(" Cat ") == classes.index("CAT") == 0
    assert classes.names == ("cat", "dog")


@pytest.mark.parametrize(("word", "why"), [("cats", "plural"), ("kitty", "synonym")])
def test_another_case_of_a_merged_word_is_merged_for_the_same_reason(word: str, why: str) -> None:
    classes = LabelSet(("cat",), synonyms={"cat": ("kitty",)}, plurals=True)
    for spelling in (word, word.capitalize()):
        assert classes.name(spelling) == "cat"
    assert [(each.spelling, each.why) for each in classes.merged] == [(word, why), (word.capitalize(), why)]


def test_what_has_no_name_is_the_one_thing_asked_for() -> None:
    classes = LabelSet(("cat",))
    assert classes.index("") == 0


def test_what_has_no_name_among_several_is_an_object() -> None:
    classes = LabelSet(("cat", "dog"))
    place = classes.index("")
    assert classes.names[place] == "object"


@pytest.mark.parametrize(
    ("asked", "met", "names", "told"),
    [
        pytest.param("cat", "Cat", ["cat"], ["“Cat” counts as “cat” (case)."], id="case"),
        pytest.param("cat", "kitty", ["cat"], ["“kitty” counts as “cat” (synonym)."], id="synonym"),
        pytest.param("cat", " KITTY ", ["cat"], ["“KITTY” counts as “cat” (synonym)."], id="synonym shouted"),
        pytest.param("dog", "kitty", ["dog", "cat"], ["“kitty” counts as “cat” (synonym)."], id="of a class not met"),
        pytest.param("cat", "cats", ["cat"], ["“cats” counts as “cat” (plural)."], id="plural"),
        pytest.param("cats", "cat", ["cats"], ["“cat” counts as “cats” (plural)."], id="asked for as a plural"),
        pytest.param("traffic light", "Traffic Lights", ["traffic light"],
                     ["“Traffic Lights” counts as “traffic light” (plural)."], id="the last of two words"),
        pytest.param("person", "people", ["person"], ["“people” counts as “person” (plural)."], id="irregular"),
        pytest.param("fireman", "firemen", ["fireman"], ["“firemen” counts as “fireman” (plural)."], id="men"),
        pytest.param("knife", "knives", ["knife"], ["“knives” counts as “knife” (plural)."], id="ves"),
        pytest.param("glass", "glasses", ["glass"], ["“glasses” counts as “glass” (plural)."], id="es"),
        pytest.param("cat", "cat", ["cat"], [], id="the same is nothing to tell"),
        pytest.param("cat", " cat ", ["cat"], [], id="nor are spaces about it"),
        pytest.param("gla", "glass", ["gla", "glass"], [], id="ss is no plural"),
        pytest.param("ga", "gas", ["ga", "gas"], [], id="a short word is no plural"),
        pytest.param("cat", "category", ["cat", "category"], [], id="only the beginning"),
        pytest.param("lights traffic", "light traffic", ["lights traffic", "light traffic"], [], id="first word"),
        pytest.param("peoples", "person", ["peoples", "person"], [], id="a plural of a plural"),
    ],
)  # fmt: skip
def test_other_words_for_a_class_count_as_it_and_are_told(
    asked: str, met: str, names: list[str], told: list[str]
) -> None:
    classes = LabelSet((asked,), synonyms={"cat": ("kitty", "tomcat")}, plurals=True)
    assert classes.index(met) == classes.index(met) == len(names) - 1
    assert list(classes.names) == names
    assert [str(each) for each in classes.merged] == told


def test_synonyms_and_plurals_are_merged_only_where_that_was_asked_for() -> None:
    classes = LabelSet(("cat",))
    assert [classes.index(name) for name in ("cats", "kitty")] == [1, 2]
    assert classes.merged == ()


@pytest.mark.parametrize("spelling", ["Cat", "cats", "kitty"])
def test_a_spelling_kept_apart_is_a_class_of_its_own_and_the_others_are_not(spelling: str) -> None:
    classes = LabelSet(("cat",), synonyms={"cat": ("kitty", "tomcat")}, plurals=True, apart=(f" {spelling} ",))
    assert [classes.name(each) for each in (spelling, "CAT", "tomcat")] == [spelling, "cat", "cat"]
    assert classes.names == ("cat", spelling)
    assert [each.spelling for each in classes.merged] == ["CAT", "tomcat"]


def test_what_is_kept_apart_takes_no_other_in() -> None:
    classes = LabelSet(("Cat",), plurals=True, apart=("Cat",))
    assert [classes.name(each) for each in ("cat", "cats", "Cats")] == ["cat", "cat", "cat"]
    assert classes.names == ("Cat", "cat")


def test_each_spelling_is_told_once_in_order() -> None:
    classes = LabelSet(("cat",), plurals=True)
    for name in ("cats", "CAT", "cats", "CAT", "cat"):
        classes.index(name)
    assert [(each.spelling, each.why) for each in classes.merged] == [("cats", "plural"), ("CAT", "case")]


@pytest.mark.parametrize(
    ("name", "one"),
    [
        pytest.param("cities", "city", id="ies"),
        pytest.param("ties", "tie", id="ies of a short word"),
        pytest.param("wolves", "wolf", id="ves of f"),
        pytest.param("red boxes", "red box", id="es after a word"),
        pytest.param("Mice", "mouse", id="irregular, capital"),
    ],
)
def test_what_a_word_may_be_the_plural_of(name: str, one: str) -> None:
    assert one in singulars(name)


@pytest.mark.parametrize("name", ["", " ", "s", "bus", "glass", "猫", "cat s"])
def test_what_looks_like_no_plural_is_none(name: str) -> None:
    assert singulars(name) == frozenset()
