"""Labels as people type them, and classes as exports count them."""

from __future__ import annotations

import pytest

from grounding.labels import LabelSet, split_labels


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


def test_what_has_no_name_is_the_one_thing_asked_for() -> None:
    classes = LabelSet(("cat",))
    assert classes.index("") == 0


def test_what_has_no_name_among_several_is_an_object() -> None:
    classes = LabelSet(("cat", "dog"))
    place = classes.index("")
    assert classes.names[place] == "object"
