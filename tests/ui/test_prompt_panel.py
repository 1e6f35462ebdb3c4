"""Prompts typed word for word: they reach PaliGemma as they are, and are read as what their first word asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backends import SPECS
from backends.paligemma_planner import Paces
from grounding.codecs.paligemma import encode_prefix
from grounding.errors import RequestError
from grounding.images import load
from grounding.settings import Settings
from grounding.types import Task
from ui import estimates, gathering
from ui.prompt_panel import read_words
from ui.state import Session, Shelf

PICTURE = load(Image.new("RGB", (40, 30)))
LOCAL: dict[str, Any] = {"backend": "paligemma", "model": ""}


@pytest.mark.parametrize(
    ("words", "task", "sent"),
    [
        pytest.param("caption fa", Task.CAPTION, "caption fa", id="a caption in Persian"),
        pytest.param("cap en", Task.CAPTION, "cap en", id="as on web pages"),
        pytest.param("ocr", Task.CAPTION, "ocr", id="reading"),
        pytest.param("answer de wie viele ?", Task.ASK, "answer de wie viele ?", id="a question in German"),
        pytest.param("question en two", Task.ASK, "question en two", id="making up a question"),
        pytest.param("detect a ; b", Task.DETECT, "detect a ; b", id="two things, one prompt"),
        pytest.param("Segment  cat", Task.SEGMENT, "Segment cat", id="capitals, spaces"),
        pytest.param("describe", Task.CAPTION, "describe en", id="a kind alone gets its language"),
        pytest.param("what is\nthis", Task.CAPTION, "what is this", id="no kind at all"),
        pytest.param("detect", Task.CAPTION, "detect", id="nothing to look for is nothing to refuse"),
        pytest.param("detection of cats", Task.CAPTION, "detection of cats", id="a word that only begins like one"),
    ],
)
def test_a_prompt_is_sent_as_it_is_and_answered_as_its_first_word_says(words: str, task: Task, sent: str) -> None:
    form = read_words(words, LOCAL, Settings())
    assert form.task is task
    assert encode_prefix(gathering.request(form, SPECS["paligemma"].capabilities, (PICTURE,))) == sent


@pytest.mark.parametrize("words", ["", "  \n", None], ids=["nothing", "blanks", "no text"])
def test_an_empty_prompt_is_refused_with_an_example(words: object) -> None:
    with pytest.raises(RequestError, match="for example"):
        read_words(words, LOCAL, Settings())


@pytest.mark.parametrize("model", ["google/paligemma2-10b-mix-448@nf4", "google/paligemma-3b-pt-224@bfloat16", "a@b@c"])
def test_a_model_may_name_its_precision_and_revision(model: str) -> None:
    assert read_words("ocr", {**LOCAL, "model": model}, Settings()).model == model


@pytest.mark.parametrize("model", ["@nf4", "a/b/c@nf4", "google/x@", "google/x@../y", "/etc@nf4", "a@b@c@d"])
def test_what_only_looks_like_a_precision_is_refused(model: str) -> None:
    with pytest.raises(RequestError, match="model id"):
        read_words("ocr", {**LOCAL, "model": model}, Settings())


def test_a_pt_checkpoint_is_warned_of_and_the_cost_of_parts_told_before_anything_is_asked(tmp_path: Path) -> None:
    now = Session(Shelf(tmp_path).keep(PICTURE))
    mix, pt = ({**LOCAL, "model": f"google/paligemma2-3b-{kind}-448"} for kind in ("mix", "pt"))

    def line(values: dict[str, Any]) -> str:
        form = read_words("detect cat ; dog", values, Settings())
        return estimates.before(form, now, SPECS["paligemma"].capabilities, Paces())

    assert "pt checkpoint" in line(pt)
    assert "pt checkpoint" not in line(mix)
    assert "One call, " in line(mix)
    assert "5 looks at the picture" in line({**mix, "tiles": 2})
