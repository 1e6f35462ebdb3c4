"""What widgets may send: every odd value is refused with a sentence, and no key is used that should not be."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from backends import first_choice
from grounding.errors import ConfigError, GroundingError, RequestError
from grounding.settings import Settings
from grounding.types import Harm, Level, Task, View
from ui.form import local_path, offered, read_form, read_labels, read_view

LAPTOP = Settings()
KNOWN = ("mask", "box", "label")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        pytest.param("cat; dog", ("cat", "dog"), id="semicolons"),
        pytest.param("cat, dog", ("cat", "dog"), id="commas alone"),
        pytest.param("man's hat, red; dog", ("man's hat, red", "dog"), id="commas inside semicolons"),
        pytest.param("cat\n\n dog ;", ("cat", "dog"), id="lines and empties"),
        pytest.param("cat; cat;  cat", ("cat",), id="repeats"),
        pytest.param(" ; , ", (",",), id="a comma is a label where semicolons split"),
        pytest.param("", (), id="nothing"),
        pytest.param("شجرة; 狗", ("شجرة", "狗"), id="any script"),
    ],
)
def test_labels_are_split_as_people_write_them(text: str, labels: tuple[str, ...]) -> None:
    assert read_labels(text) == labels


@pytest.mark.parametrize(
    "text", [pytest.param("; ".join(map(str, range(101))), id="many"), pytest.param("x" * 201, id="long")]
)
def test_too_much_to_look_for_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        read_labels(text)


@pytest.mark.parametrize(
    ("settings", "way_out"),
    [
        pytest.param(LAPTOP, "choose a model on this machine", id="one's own machine"),
        pytest.param(Settings(host="0.0.0.0"), "runs on this page's server", id="shared"),
        pytest.param(Settings(on_space=True), "runs on this page's server", id="a Space"),
    ],
)
def test_who_has_no_key_is_told_what_can_be_asked_without_one(settings: Settings, way_out: str) -> None:
    with pytest.raises(ConfigError, match=way_out) as refused:
        read_form(Task.DETECT, {"prompt": "cat", "backend": "gemini"}, settings)
    assert len(str(refused.value)) < 200


def test_detect_asks_for_labels_and_a_question_for_text() -> None:
    detect = read_form(Task.DETECT, {"prompt": "cat; dog"}, LAPTOP)
    ask = read_form(Task.ASK, {"prompt": "How many; really?"}, LAPTOP)
    assert (detect.labels, detect.text) == (("cat", "dog"), "")
    assert (ask.labels, ask.text) == ((), "How many; really?")


def test_a_caption_needs_no_words() -> None:
    assert read_form(Task.CAPTION, {"prompt": ""}, LAPTOP).prompt == ""


@pytest.mark.parametrize(
    ("task", "values"),
    [
        pytest.param(Task.DETECT, {"prompt": "  "}, id="nothing to find"),
        pytest.param(Task.ASK, {"prompt": None}, id="no question"),
        pytest.param(Task.ASK, {"prompt": ["cat"]}, id="a list for a prompt"),
        pytest.param(Task.ASK, {"prompt": "x" * 4001}, id="a book for a prompt"),
        pytest.param(Task.ASK, {"prompt": "?", "backend": "nope"}, id="unknown backend"),
        pytest.param(Task.ASK, {"prompt": "?", "backend": ["paligemma"]}, id="a list of backends"),
        pytest.param(Task.ASK, {"prompt": "?", "backend": "replay"}, id="a backend that is not offered"),
        pytest.param(Task.ASK, {"prompt": "?", "model": "../../etc"}, id="a path upwards"),
        pytest.param(Task.ASK, {"prompt": "?", "model": "/etc"}, id="an absolute path"),
        pytest.param(Task.ASK, {"prompt": "?", "model": "a/b/c"}, id="a deep path"),
        pytest.param(Task.ASK, {"prompt": "?", "model": {"a": 1}}, id="a dict for a model"),
        pytest.param(Task.ASK, {"prompt": "?", "model": "m" * 200}, id="a long model"),
        pytest.param(Task.ASK, {"prompt": "?", "backend": "gemini"}, id="no key"),
        pytest.param(Task.ASK, {"prompt": "?", "backend": "gemini", "api_key": "   "}, id="a key of spaces"),
        pytest.param(
            Task.ASK, {"prompt": "?", "backend": "gemini", "api_key": "AIza\nx-evil: 1"}, id="a key of two lines"
        ),
        pytest.param(Task.ASK, {"prompt": "?", "backend": "gemini", "api_key": "ключключключ"}, id="a key not ASCII"),
        pytest.param(Task.ASK, {"prompt": "?", "backend": "gemini", "api_key": ["AIzaSy"]}, id="a list for a key"),
        pytest.param(Task.ASK, {"prompt": "?", "backend": "gemini", "api_key": "k" * 10_000}, id="a key of 10 kB"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(task: Task, values: dict[str, object]) -> None:
    with pytest.raises(GroundingError) as refused:
        read_form(task, values, LAPTOP)
    assert 10 < len(str(refused.value)) < 200
    assert "AIza" not in str(refused.value)


@pytest.mark.parametrize("value", [math.nan, None, 2.5, "x", [], ["most"], -1, 99, True, {}, "NONE"], ids=repr)
@pytest.mark.parametrize("harm", Harm)
def test_a_safety_filter_is_never_opened_by_an_odd_value(harm: Harm, value: object) -> None:
    with pytest.raises(RequestError):
        read_form(Task.CAPTION, {"prompt": "", harm.value: value}, LAPTOP)


def test_a_default_filter_sends_no_setting() -> None:
    values = {"prompt": "", **{harm.value: "default" for harm in Harm}, Harm.HARASSMENT.value: "most"}
    assert read_form(Task.CAPTION, values, LAPTOP).safety == {Harm.HARASSMENT: Level.MOST}


OWNED = "AIzaOwner0000000000"


def test_the_operators_key_is_not_spent_by_visitors() -> None:
    with pytest.raises(ConfigError):
        read_form(Task.CAPTION, {"backend": "gemini"}, Settings(gemini_api_key=OWNED))


def test_the_operators_key_is_spent_where_it_is_shared() -> None:
    settings = Settings(gemini_api_key=OWNED, share_key=True)
    assert read_form(Task.CAPTION, {"backend": "gemini"}, settings).api_key == OWNED


def test_a_visitors_key_comes_before_the_operators() -> None:
    settings = Settings(gemini_api_key=OWNED, share_key=True)
    assert read_form(Task.CAPTION, {"backend": "gemini", "api_key": "AIzaMine0000"}, settings).api_key == "AIzaMine0000"


@pytest.mark.parametrize(
    "typed", [" AIzaMine0000 ", '"AIzaMine0000"', "GEMINI_API_KEY=AIzaMine0000", "export GOOGLE_API_KEY='AIzaMine0000'"]
)
def test_a_key_is_cleaned_of_what_is_pasted_around_it(typed: str) -> None:
    assert read_form(Task.CAPTION, {"backend": "gemini", "api_key": typed}, LAPTOP).api_key == "AIzaMine0000"


def test_a_key_stays_out_of_repr_and_out_of_local_backends() -> None:
    gemini = read_form(Task.CAPTION, {"backend": "gemini", "api_key": "AIzaMine0000"}, LAPTOP)
    local = read_form(Task.CAPTION, {"backend": "paligemma", "api_key": "AIzaMine0000"}, LAPTOP)
    assert "AIzaMine0000" not in repr(gemini)
    assert local.api_key == ""


def test_any_hub_model_may_be_typed_on_a_laptop_but_not_on_a_shared_page() -> None:
    values = {"prompt": "", "backend": "paligemma", "model": "someone/other-checkpoint"}
    assert read_form(Task.CAPTION, values, LAPTOP).model == "someone/other-checkpoint"
    with pytest.raises(RequestError):
        read_form(Task.CAPTION, values, Settings(host="0.0.0.0"))


def test_the_operators_model_may_be_a_folder() -> None:
    settings = Settings(backend="paligemma", model="/srv/checkpoints/mine")
    assert read_form(Task.CAPTION, {"model": "/srv/checkpoints/mine"}, settings).model == "/srv/checkpoints/mine"


def test_the_bundled_checkpoint_answers_first() -> None:
    assert first_choice(LAPTOP) == ("paligemma", "pinpoint-nano")
    assert "replay" not in offered(LAPTOP)
    assert "replay" in offered(Settings(backend="replay"))


def test_a_view_is_read_from_its_widgets() -> None:
    assert read_view([["box", "box"], 12.0, 0.5], KNOWN) == View(("box",), 12, 0.5)


@pytest.mark.parametrize(
    ("overlays", "threshold", "floor"),
    [
        pytest.param("box", 127, 0, id="a word for a list"),
        pytest.param(["nope"], 127, 0, id="unknown overlay"),
        pytest.param([["box"]], 127, 0, id="nested overlay"),
        pytest.param(None, 127, 0, id="no overlays value"),
        pytest.param([], math.nan, 0, id="NaN threshold"),
        pytest.param([], None, 0, id="null threshold"),
        pytest.param([], 256, 0, id="threshold too high"),
        pytest.param([], "127", 0, id="threshold as text"),
        pytest.param([], True, 0, id="threshold as a flag"),
        pytest.param([], 127, math.inf, id="endless floor"),
        pytest.param([], 127, -0.1, id="negative floor"),
    ],
)
def test_an_odd_view_is_refused(overlays: object, threshold: object, floor: object) -> None:
    with pytest.raises(RequestError):
        read_view([overlays, threshold, floor], KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("~nobodyxx/p", id="the home of nobody"),
        pytest.param("/" + "x" * 5000, id="too long a name"),
        pytest.param("/tmp\0", id="a NUL"),
        pytest.param("photos", id="not whole"),
        pytest.param("/there/is/none", id="not there"),
    ],
)
def test_a_path_of_nothing_on_this_machine_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="path"):
        local_path(text)


def test_a_path_may_stand_in_quotes(tmp_path: Path) -> None:
    assert local_path(f' "{tmp_path}" ') == tmp_path
