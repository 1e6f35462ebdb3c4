"""What option widgets may send: blank leaves it to the model, odd values are refused, what is not heeded stays here."""

from __future__ import annotations

import math

import pytest

from grounding.backend import Capabilities
from grounding.errors import RequestError
from grounding.settings import Settings
from grounding.tiling import MOST
from grounding.types import Options, Resolution, Task, Thinking
from ui.form import read_form
from ui.options import MAX_ANSWER_TOKENS, MAX_TEXT, heeded, read_options


@pytest.mark.parametrize("blank", [None, ""])
def test_blank_widgets_set_nothing(blank: object) -> None:
    names = ("temperature", "max_output_tokens", "system", "thinking", "resolution", "max_items", "tiles", "seed")
    assert read_options(dict.fromkeys(names, blank)) == Options() == read_options({})


def test_each_widget_sets_its_own() -> None:
    values = {
        "temperature": 0,
        "max_output_tokens": 512.0,
        "system": " You label.\n",
        "thinking": "least",
        "resolution": "high",
        "max_items": 3,
        "structured": True,
        "language": " Turkish ",
        "template": "Detect {labels}",
        "seed": -1,
        "reuse": True,
        "tiles": 2,
    }
    assert read_options(values) == Options(
        0.0, 512, "You label.", Thinking.LEAST, Resolution.HIGH, 3, True, "Turkish", "Detect {labels}", -1, True, 2
    )


@pytest.mark.parametrize(("typed", "read"), [(" 0.5 ", 0.5), ("0,5", 0.5), ("2", 2.0), (1, 1.0), (" ", None)])
def test_numbers_are_read_as_people_type_them(typed: object, read: float | None) -> None:
    assert read_options({"temperature": typed}).temperature == read


def test_thousands_are_no_decimals() -> None:
    assert read_options({"max_output_tokens": "8,192", "max_items": "1,000"}) == Options(
        max_output_tokens=8192, max_items=1000
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("temperature", 2.1, id="too hot"),
        pytest.param("temperature", -0.1, id="below zero"),
        pytest.param("temperature", math.nan, id="no number"),
        pytest.param("temperature", math.inf, id="endless"),
        pytest.param("temperature", "warm", id="a word for a number"),
        pytest.param("temperature", True, id="a flag for a number"),
        pytest.param("max_output_tokens", 0, id="no tokens"),
        pytest.param("max_output_tokens", 1.5, id="half a token"),
        pytest.param("max_output_tokens", MAX_ANSWER_TOKENS + 1, id="a book"),
        pytest.param("max_items", 1001, id="too many things"),
        pytest.param("max_items", [3], id="a list for a number"),
        pytest.param("tiles", MOST + 1, id="too many parts"),
        pytest.param("tiles", -2, id="negative parts"),
        pytest.param("seed", 2**31, id="a seed of 33 bits"),
        pytest.param("seed", -math.inf, id="an endless seed"),
        pytest.param("thinking", "hard", id="unknown thinking"),
        pytest.param("thinking", ["least"], id="a list for a choice"),
        pytest.param("resolution", 3, id="a number for a choice"),
        pytest.param("structured", "yes", id="a word for a flag"),
        pytest.param("reuse", 1, id="a number for a flag"),
        pytest.param("system", "x" * (MAX_TEXT + 1), id="a book for a system instruction"),
        pytest.param("template", {"labels": "cat"}, id="a dict for a template"),
        pytest.param("language", "x" * 61, id="a long language"),
    ],
)
def test_odd_values_are_refused_with_a_sentence(name: str, value: object) -> None:
    with pytest.raises(RequestError) as refused:
        read_options({name: value})
    assert 10 < len(str(refused.value)) < 200


def test_what_a_backend_does_not_heed_does_not_reach_it() -> None:
    chosen = Options(temperature=1.0, system="You label.", tiles=3, reuse=True)
    assert heeded(chosen, Capabilities(options=frozenset({"temperature", "tiles"}))) == Options(1.0, tiles=3)
    assert heeded(chosen, Capabilities(options=frozenset())) == Options()


def test_a_template_of_ones_own_needs_no_labels_where_it_names_none() -> None:
    own = {"backend": "gemini", "api_key": "AIzaMine0000", "prompt": "", "template": "Detect the prominent items."}
    assert read_form(Task.DETECT, own, Settings()).labels == ()
    with pytest.raises(RequestError):
        read_form(Task.DETECT, {**own, "template": "Detect the {labels}."}, Settings())
    with pytest.raises(RequestError):
        read_form(Task.DETECT, {**own, "backend": "paligemma"}, Settings())


def test_what_else_is_said_of_the_labels_goes_beside_them() -> None:
    form = read_form(Task.DETECT, {"prompt": "cup", "instruction": "only the green ones"}, Settings())
    assert (form.labels, form.text) == (("cup",), "only the green ones")
