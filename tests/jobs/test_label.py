"""The command line against a loopback service: outcomes, files, exit codes, and nothing gets out that should not."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jobs.answers import to_csv
from jobs.label import main
from tests.recorded import Case, params
from tests.stand_in import Answer, StandIn, reply

ROOT = Path(__file__).parents[2]
KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"
BOX = json.dumps([{"box_2d": [100, 200, 500, 600], "label": "cat"}])


@pytest.fixture(scope="module")
def service() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def here(tmp_path: Path, service: StandIn, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [each for each in os.environ if each.startswith(("PINPOINT_", "GOOGLE_", "GEMINI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", service.url)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path: Path, orientation: int = 1) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 20), "teal").save(path, exif=exif)
    return str(path)


def run(*arguments: str) -> int:
    """The exit code of the command line, in this process, against the stand-in."""
    try:
        return main([*arguments, "--backend", "gemini", "--model", "gemini-2.5-flash", "--out", "out"])
    except SystemExit as ended:
        return int(ended.code or 0)


def rows() -> list[dict[str, Any]]:
    return json.loads(Path("out/results.json").read_text(encoding="utf-8"))


def errors() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path("out/errors.csv").read_text(encoding="utf-8"))))


def assert_clean(*texts: str) -> None:
    for text in texts:
        assert "Traceback" not in text
        assert KEY not in text
        assert KEY[-12:] not in text
        assert not re.search(r"<\w+|\w+Error\b", text)


def test_every_picture_labelled_exits_0_and_writes_what_the_contract_says(here: Path, service: StandIn) -> None:
    service.says(reply(BOX))
    picture(here / "set/a.jpg")
    picture(here / "set/deep/b.png")
    assert run("set", "--task", "detect", "--labels", "cat; dog") == 0
    assert [row["picture"] for row in rows()] == ["a.jpg", "deep/b.png"]
    row = rows()[0]
    assert set(row) == {"picture", "outcome", "text", "detections", "notes", "safety", "usage"}
    assert row["outcome"] == "found"
    (detection,) = row["detections"]
    assert detection["label"] == "cat"
    assert detection["box"] == pytest.approx([0.2, 0.1, 0.6, 0.5])
    assert (detection["score"], detection["mask"], detection["point"]) == (None, None, None)
    assert errors() == []
    assert sorted(os.listdir("out")) == ["errors.csv", "journal.jsonl", "results.json"], "no half-written file is left"
    assert not service.requests[0].headers.get("Authorization")


def test_bad_pictures_are_named_and_never_stop_the_rest(here: Path, service: StandIn) -> None:
    refused = Answer(400, {"error": {"message": "Unable to process input image"}})
    service.says(reply(BOX), refused, reply("x", finish="SPII"), reply("no boxes here"), reply("[]"))
    good = [picture(here / f"{name}.png") for name in ("1", "2-refused", "3-blocked", "4-odd", "5-none")]
    (here / "words.png").write_text("words")
    assert run(*good[:1], "words.png", "missing.png", *good[1:], "--labels", "cat") == 3
    assert [(row["picture"], row["outcome"]) for row in rows()] == [
        ("1.png", "found"),
        ("words.png", "failed"),
        ("missing.png", "failed"),
        ("2-refused.png", "failed"),
        ("3-blocked.png", "blocked"),
        ("4-odd.png", "unrecognised"),
        ("5-none.png", "none"),
    ]
    assert [row["picture"] for row in errors()] == [
        "words.png",
        "missing.png",
        "2-refused.png",
        "3-blocked.png",
        "4-odd.png",
    ]
    assert len({row["reason"] for row in errors()}) == 5
    assert all(row["outcome"] and 20 < len(row["reason"]) < 200 for row in errors())
    assert all(str(here) not in row["reason"] for row in errors())


def test_the_request_holds_the_upright_picture_then_the_words_and_the_safety_asked_for(
    here: Path, service: StandIn
) -> None:
    service.says(reply(BOX))
    sideways = picture(here / "sideways.jpg", orientation=6)
    options = ["--safety", "harassment=few", "hate_speech=none", "--temperature", "0.25", "--max-output-tokens", "99"]
    assert run(sideways, "--labels", "cat", *options) == 0
    body = service.requests[0].body
    first, second = body["contents"][0]["parts"]
    sent = Image.open(io.BytesIO(base64.urlsafe_b64decode(first["inlineData"]["data"])))
    assert sent.size == (20, 40)
    assert "cat" in second["text"]
    assert {(each["category"], each["threshold"]) for each in body["safetySettings"]} == {
        ("HARM_CATEGORY_HARASSMENT", "BLOCK_ONLY_HIGH"),
        ("HARM_CATEGORY_HATE_SPEECH", "BLOCK_NONE"),
    }
    assert (body["generationConfig"]["temperature"], body["generationConfig"]["maxOutputTokens"]) == (0.25, 99)
    assert service.requests[0].headers["x-goog-api-key"] == KEY


CODES = {"ok": {0}, "blocked": {3}, "error": {3}, "stopped": {0, 3}}


@pytest.mark.parametrize("case", params("gemini", lambda about: about["task"] == "api"))
def test_each_recorded_body_has_its_own_outcome_and_sentence(
    here: Path, service: StandIn, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    expected = case.about["expected"]
    service.says(Answer(expected.get("code", 200), case.text.replace("key1234", KEY).encode()))
    code = run(picture(here / "a.png"), "--task", "caption")
    (row,) = rows()
    told = [note["detail"] for note in row["notes"] if row["outcome"] in ("unrecognised", "truncated", "none")]
    said = told[0] if told else row["text"]
    assert len(said) > 10
    assert code in CODES[expected["outcome"]]
    assert (code == 3) == bool(errors())
    if code == 3:
        assert (row["outcome"], said) == (errors()[0]["outcome"], errors()[0]["reason"])
        assert len(said) < 200
    if expected["outcome"] == "blocked":
        assert (row["outcome"], row["safety"]["explanation"]) == ("blocked", said)
    output = capsys.readouterr()
    assert output.out == ""
    assert_clean(output.err, *(path.read_text() for path in Path("out").iterdir()))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503])
def test_a_key_the_service_echoes_gets_nowhere(
    here: Path, service: StandIn, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    day = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "PerDay"}]}
    details = [day] if status == 429 else []
    headers = {"Retry-After": "0"}
    service.says(Answer(status, {"error": {"message": f"Invalid key: {KEY}", "details": details}}, headers))
    assert run(picture(here / "a.png"), "--labels", "cat") == 3
    assert len(service.requests) == (3 if status >= 500 else 1)
    assert_clean(capsys.readouterr().err, *(path.read_text() for path in Path("out").iterdir()))


def test_a_service_that_hangs_costs_one_picture_its_deadline(here: Path, service: StandIn) -> None:
    service.says(Answer(wait_s=30), reply(BOX))
    assert run(picture(here / "a.png"), picture(here / "b.png"), "--labels", "cat", "--deadline", "1") == 3
    assert [row["outcome"] for row in rows()] == ["failed", "found"]
    assert "within 1 s" in errors()[0]["reason"]


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


def test_coco_leaves_out_what_is_not_labelled(here: Path, service: StandIn) -> None:
    service.says(reply(BOX), Answer(404, {"error": {"message": ""}}))
    pictures = [picture(here / "a.png"), picture(here / "b.png")]
    assert run(*pictures, "--labels", "dog; cat", "--format", "coco") == 3
    file = json.loads(Path("out/annotations.json").read_text())
    assert [each["file_name"] for each in file["images"]] == ["a.png"]
    assert [each["name"] for each in file["categories"]] == ["dog", "cat"]
    assert file["annotations"][0]["bbox"] == pytest.approx([8, 2, 16, 8])
    assert [row["picture"] for row in errors()] == ["b.png"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        pytest.param("labelme", [], id="nothing of the objects"),
        pytest.param("cvat", ["1 label spelled otherwise (“Cat” is now “cat”)", "2 origins left out"],
                     id="a spelling, and where they came from"),
        pytest.param("yolo", ["1 label spelled otherwise (“Cat” is now “cat”)", "2 origins left out"], id="the same"),
    ],
)  # fmt: skip
def test_what_a_format_loses_is_said(
    here: Path, service: StandIn, capsys: pytest.CaptureFixture[str], form: str, said: list[str]
) -> None:
    two = json.dumps([{"box_2d": [100, 200, 500, 600], "label": "cat"}, {"box_2d": [1, 2, 5, 6], "label": "Cat"}])
    service.says(reply(two), Answer(404, {"error": {"message": ""}}))
    pictures = [picture(here / "a.png"), picture(here / "b.png")]
    assert run(*pictures, "--labels", "cat", "--format", form) == 3
    lines = capsys.readouterr().err.splitlines()
    lost = [line.removeprefix(f"in {form}: ") for line in lines if line.startswith("in ")]
    assert lost == ["1 picture without an answer left out", *said, "notes on 1 answer left out"]
    assert lines[-1] == "1 of 2 pictures labelled"


def test_pressing_ctrl_c_keeps_what_was_done_and_names_the_rest(
    here: Path, service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.says(reply(BOX))
    pictures = [picture(here / f"{index}.png") for index in range(3)]
    monkeypatch.setattr("jobs.label._say", lambda line: interrupt() if line.startswith("[2/3]") else None)
    assert run(*pictures, "--labels", "cat") == 3
    assert rows()[0]["outcome"] == "found"
    assert [row["picture"] for row in errors()][-1] == "2.png"


def interrupt() -> None:
    raise KeyboardInterrupt


def test_what_was_converted_on_the_way_in_is_noted(here: Path, service: StandIn) -> None:
    service.says(reply("A teal square."))
    Image.new("LA", (8, 8), (100, 128)).save(here / "grey.png")
    assert run("grey.png", "--task", "caption") == 0
    assert "picture" in {note["kind"] for note in rows()[0]["notes"]}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_no_cell_begins_like_a_formula(start: str) -> None:
    text = to_csv([(f"{start}cmd|' /C calc'!A0", 'a "b", c', "plain")]).decode()
    ((first, *others),) = csv.reader(io.StringIO(text, newline=""))
    assert first.startswith("'" + start)
    assert others == ['a "b", c', "plain"]


def subprocess_run(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C", "LC_ALL": "C"}
    command = [sys.executable, "-m", "jobs.label", *arguments, "--backend", "gemini", "--out", "out"]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120)


def test_as_a_program_it_labels_reports_and_exits(
    here: Path, service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)  # both at once, of which the library likes to warn
    service.says(reply(BOX.replace("cat", "кот")), Answer(403, {"error": {"message": f"Bad key {KEY}"}}))
    paths = [picture(here / "á.png"), picture(here / "b.png")]
    ended = subprocess_run(here, *paths, "--labels", "кот")
    assert ended.returncode == 3
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert lines[0].endswith("found, 1 object")
    assert lines[-1] == "1 of 2 pictures labelled"
    assert_clean(ended.stderr)
    assert [row["outcome"] for row in rows()] == ["found", "failed"]
    assert rows()[0]["detections"][0]["label"] == "кот"


def test_as_a_program_wrong_arguments_exit_2_without_a_traceback(here: Path) -> None:
    ended = subprocess_run(here, "missing-folder.zip", "--labels", "cat")
    assert ended.returncode == 2
    assert "not a ZIP archive" in ended.stderr
    assert_clean(ended.stderr)


def test_killed_in_the_middle_of_five_hundred_it_goes_on_and_labels_each_once(here: Path) -> None:
    (here / "replies").mkdir()
    (here / "replies/detect.gemini.txt").write_text(BOX)
    for index in range(500):
        picture(here / f"set/{index:03d}.png")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "jobs.label", "set", "--labels", "cat", "--out", "out", "--backend", "replay"]
    command += ["--model", "replies"]
    journal = here / "out/journal.jsonl"
    running = subprocess.Popen(command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    while not running.stderr.readline().startswith("[150/500]"):
        assert running.poll() is None, "it ended before it could be killed"
    running.kill()
    running.wait()
    kept = journal.read_bytes().count(b"\n") - 1
    assert 150 <= kept < 500
    assert not (here / "out/results.json").exists()

    ended = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0
    first = next(line for line in ended.stderr.splitlines() if line.startswith("["))
    assert int(first[1:].split("/")[0]) >= kept, "what was kept is counted, not asked again"
    assert [row["picture"] for row in rows()] == [f"{index:03d}.png" for index in range(500)]
    assert {row["outcome"] for row in rows()} == {"found"}
    written = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert len(written) == len({row["picture"] for row in written}) == 500


def test_another_question_into_the_same_folder_is_refused_and_another_format_is_not(
    here: Path, service: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    service.says(reply(BOX))
    path = picture(here / "a.png")
    assert run(path, "--labels", "cat") == 0
    assert run(path, "--labels", "cat", "--format", "coco") == 0
    assert len(service.requests) == 1, "another format of the same labels asks nothing anew"
    before = Path("out/results.json").read_bytes()
    assert run(path, "--labels", "dog") == 2
    assert "another question: labels differ" in capsys.readouterr().err
    assert len(service.requests) == 1
    assert Path("out/results.json").read_bytes() == before
    assert json.loads(Path("out/annotations.json").read_text())["images"][0]["file_name"] == "a.png"


def test_results_written_into_the_folder_of_pictures_are_no_pictures(here: Path, service: StandIn) -> None:
    service.says(reply(BOX))
    picture(here / "set/a.png")
    picture(here / "set/out/masks/b.png")
    arguments = ["set", "--labels", "cat", "--backend", "gemini", "--model", "gemini-2.5-flash", "--out", "set/out"]
    assert main(arguments) == 0
    assert [row["picture"] for row in json.loads(Path("set/out/results.json").read_text())] == ["a.png"]


def test_a_data_set_format_holds_the_pictures_and_is_a_source_again(here: Path, service: StandIn) -> None:
    service.says(reply(BOX))
    picture(here / "set/a.png")
    assert run("set", "--labels", "cat", "--format", "parquet") == 0
    (file,) = Path("out").rglob("*.parquet")
    service.says(reply(BOX))
    arguments = ["--labels", "cat", "--backend", "gemini", "--model", "gemini-2.5-flash", "--out", "again"]
    assert main([str(file), *arguments]) == 0
    (row,) = json.loads(Path("again/results.json").read_text())
    assert row["picture"].endswith("a.png")
    assert len(service.requests) == 1
