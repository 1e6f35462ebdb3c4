"""What the Batch page's widgets send becomes an order, or a sentence that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grounding.errors import ConfigError, GroundingError, RequestError
from grounding.settings import Settings
from grounding.types import Harm, Level, Options, Task
from jobs.work import Job
from ui.batch_form import MOST, MOST_SHARED, read_format, read_given, read_wanted

LOCAL = Settings()
SHARED = Settings(host="0.0.0.0", on_space=True)


def values(**more: object) -> dict[str, object]:
    return {
        "task": "detect",
        "prompt": "cat; dog",
        "backend": "paligemma",
        "model": "",
        "addresses": "https://a.org/b.png",
        **more,
    }


def test_an_order_holds_the_question_and_the_pictures(tmp_path: Path) -> None:
    files = [str(tmp_path / "a.png"), str(tmp_path / "b.zip")]
    got = read_wanted(values(files=files, addresses=" https://a.org/b.png \n\n# mine\nwords", most=" 12 "), LOCAL)
    assert got.job == Job("paligemma", "pinpoint-nano", Task.DETECT, "", ("cat", "dog"))
    assert got.files == tuple(map(Path, files))
    assert got.given.addresses == ("https://a.org/b.png", "words")
    assert got.given.most == 12


def test_what_the_backend_does_not_heed_is_not_in_the_question() -> None:
    sent = values(harassment="few", temperature="0.5", thinking="low", tiles=2)
    job = read_wanted(sent, LOCAL).job
    assert job.safety == {}
    assert job.options == Options(temperature=0.5, tiles=2)
    job = read_wanted({**sent, "backend": "gemini", "model": "", "api_key": "k"}, LOCAL).job
    assert job.safety == {Harm.HARASSMENT: Level.FEW}
    assert (job.options.tiles, job.options.thinking) == (None, "low")


def test_a_key_is_read_and_not_shown() -> None:
    got = read_wanted(values(backend="gemini", api_key="AIzaCANARY"), LOCAL)
    assert got.key == "AIzaCANARY"
    assert "CANARY" not in repr(got)
    assert "CANARY" not in str(got.job.to_json())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("me/cats", "hf://datasets/me/cats", id="plain"),
        pytest.param(" hf://datasets/me/cats/train ", "hf://datasets/me/cats/train", id="with a folder"),
        pytest.param("https://huggingface.co/datasets/me/cats", "hf://datasets/me/cats", id="its page"),
        pytest.param(
            "https://huggingface.co/datasets/me/cats/tree/main", "hf://datasets/me/cats@main", id="a revision"
        ),
    ],
)
def test_a_data_set_is_named_in_any_usual_way(text: str, name: str) -> None:
    given, _ = read_given({"dataset": text, "split": "train", "most": "5"}, SHARED)
    assert (given.dataset, given.split, given.most) == (name, "train", 5)


def test_a_folder_is_for_this_machines_own_page(tmp_path: Path) -> None:
    given, _ = read_given({"place": f" {tmp_path} "}, LOCAL)
    assert (given.place, given.most) == (str(tmp_path), MOST)
    with pytest.raises(RequestError, match="shared page"):
        read_given({"place": str(tmp_path)}, SHARED)


@pytest.mark.parametrize("most", ["", None, "5000", "1000000"])
def test_a_shared_page_takes_so_many_at_most(most: object) -> None:
    given, _ = read_given({"addresses": "https://a.org/b.png", "most": most}, SHARED)
    assert given.most == MOST_SHARED


WRONG: list[Any] = [
    pytest.param({"addresses": ""}, "Give the pictures first", id="no pictures"),
    pytest.param({"addresses": " \n# only a note"}, "Give the pictures first", id="an empty list"),
    pytest.param({"addresses": "x" * 200_001}, "too long a list", id="a list without end"),
    pytest.param({"addresses": ["https://a.org"]}, "too long a list", id="a list of another kind"),
    pytest.param({"files": "a.png"}, "did not arrive", id="one file by itself"),
    pytest.param({"files": [1]}, "did not arrive", id="files that are none"),
    pytest.param({"files": ["a"] * 2001}, "2000 at once", id="too many files"),
    pytest.param({"task": "guess"}, "Choose what to do", id="no such task"),
    pytest.param({"task": None}, "Choose what to do", id="no task"),
    pytest.param({"prompt": " ; "}, "what to look for", id="no labels"),
    pytest.param({"task": "ask", "prompt": ""}, "Type a question", id="no question"),
    pytest.param({"backend": "magic"}, "no such backend", id="no such backend"),
    pytest.param({"backend": "gemini"}, "needs an API key", id="no key"),
    pytest.param({"model": "a b"}, "model id", id="no model's name"),
    pytest.param({"place": "photos"}, "whole path", id="a path from nowhere"),
    pytest.param({"place": "/no/such/folder"}, "no such folder", id="no such folder"),
    pytest.param({"place": "/a\n/b"}, "one line", id="two paths"),
    pytest.param({"place": "/" + "a" * 900}, "no such folder", id="a path too long for the system"),
    pytest.param({"place": 7}, "one line", id="a number for a path"),
    pytest.param({"dataset": "cats", "most": "5"}, "owner/name", id="a data set without its owner"),
    pytest.param({"dataset": "me/cats?x=1", "most": "5"}, "owner/name", id="a query"),
    pytest.param({"dataset": "../../etc", "most": "5"}, "owner/name", id="a path for a data set"),
    pytest.param({"dataset": "me/cats"}, "how many", id="a data set without an end"),
    pytest.param({"split": "a/b"}, "one word", id="a split of two words"),
    pytest.param({"most": "0"}, "from 1 to", id="none"),
    pytest.param({"most": "-3"}, "from 1 to", id="fewer than none"),
    pytest.param({"most": "1e9"}, "from 1 to", id="a number in other words"),
    pytest.param({"most": "9" * 400}, "from 1 to", id="a number without end"),
    pytest.param({"most": "²"}, "from 1 to", id="a digit that is no number"),
    pytest.param({"most": 5.5}, "from 1 to", id="a fraction"),
]


@pytest.mark.parametrize(("sent", "said"), WRONG)
def test_what_is_wrong_is_told_in_a_sentence(sent: dict[str, object], said: str) -> None:
    with pytest.raises((RequestError, ConfigError)) as refused:
        read_wanted(values(**sent), LOCAL)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("name", "task", "said"),
    [
        pytest.param("xls", Task.DETECT, "no such format", id="no format"),
        pytest.param(None, Task.DETECT, "no such format", id="none"),
        pytest.param(["coco"], Task.DETECT, "no such format", id="a list"),
        pytest.param("yolo", Task.CAPTION, "json, paligemma, imagefolder, .* or masks", id="no room for words"),
    ],
)
def test_a_format_that_cannot_be_is_told(name: object, task: Task, said: str) -> None:
    with pytest.raises(GroundingError, match=said):
        read_format(name, task)


def test_a_format_that_can_is_taken() -> None:
    assert read_format("coco", Task.DETECT) == "coco"
    assert read_format("json", Task.ASK) == "json"
