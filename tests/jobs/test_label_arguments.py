"""What the command line is told: wrong arguments end in a sentence and exit code 2, before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.label import main
from tests.jobs.command_line import BOX, picture, rows, run
from tests.stand_in import StandIn, reply

WRONG = [
    pytest.param([], "required: PICTURE", id="no pictures"),
    pytest.param(["{picture}"], "needs --labels or --text", id="detect what?"),
    pytest.param(["{picture}", "--task", "ask"], "needs --text", id="ask what?"),
    pytest.param(["{picture}", "--task", "guess"], "invalid choice", id="no such task"),
    pytest.param(["{picture}", "--labels", " ; "], "needs --labels", id="empty labels"),
    pytest.param(["{picture}", "--labels", "a", "--format", "xls"], "invalid choice", id="no such format"),
    pytest.param(["{picture}", "--labels", "a", "--threshold", "256"], "not from 0 to 255", id="threshold above"),
    pytest.param(["{picture}", "--labels", "a", "--threshold", "1.5"], "invalid", id="threshold with a fraction"),
    pytest.param(["{picture}", "--labels", "a", "--temperature", "nan"], "not from 0 to 2", id="temperature NaN"),
    pytest.param(["{picture}", "--labels", "a", "--safety", "harassment"], "CATEGORY=LEVEL", id="safety without level"),
    pytest.param(["{picture}", "--labels", "a", "--safety", "hate=few"], "CATEGORY=LEVEL", id="no such category"),
    pytest.param(["{picture}", "--labels", "a", "--deadline", "0"], "not from 1 to 3600", id="deadline 0"),
    pytest.param(["{picture}", "--labels", "a", "--model", "a b"], "model's name", id="no such model's name"),
    pytest.param(["empty"], "needs --labels", id="question before pictures"),
    pytest.param(["empty", "--labels", "a"], "no pictures", id="empty folder"),
    pytest.param(["not.zip", "--labels", "a"], "not a ZIP archive", id="no archive"),
    pytest.param(["{picture}", "--labels", "a", "--out", "{picture}/x"], "cannot be written", id="output in a file"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_arguments_exit_2_with_a_sentence_and_ask_nothing(
    here: Path, service: StandIn, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    service.says(reply(BOX))
    (here / "empty").mkdir()
    (here / "not.zip").write_text("words")
    path = picture(here / "a.png")
    given = [each.replace("{picture}", path) for each in arguments]
    end = [] if "--out" in given else ["--out", "out"]
    model = [] if "--model" in given else ["--model", "gemini-2.5-flash"]
    with pytest.raises(SystemExit) as ended:
        main([*given, "--backend", "gemini", *model, *end])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not service.requests


@pytest.mark.parametrize("key", ["", "two words", "schlüssel"])
def test_no_key_or_an_odd_one_exits_2_before_anything_is_sent(
    here: Path, service: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", key)
    service.says(reply(BOX))
    assert run(picture(here / "a.png"), "--labels", "cat") == 2
    assert "key" in capsys.readouterr().err
    assert not service.requests


def test_a_filter_the_backend_lacks_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [picture(here / "a.png"), "--labels", "cat", "--safety", "harassment=few", "--out", "out"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--backend", "replay", "--model", "tests/fixtures/replies"])
    assert ended.value.code == 2
    assert "no filter for harassment" in capsys.readouterr().err


def test_the_environment_chooses_the_backend_and_its_model(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "replies").mkdir()
    (here / "replies/caption.gemini.txt").write_text("from the folder")
    monkeypatch.setenv("PINPOINT_BACKEND", "replay")
    monkeypatch.setenv("PINPOINT_MODEL", "replies")
    assert main([picture(here / "a.png"), "--task", "caption", "--out", "out"]) == 0
    assert rows()[0]["text"] == "from the folder"
