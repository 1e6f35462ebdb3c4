"""The command line against a loopback service: outcomes, files, exit codes, and nothing gets out that should not."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from jobs.answers import to_csv
from jobs.label import main
from tests.jobs.command_line import BOX, KEY, assert_clean, errors, picture, rows, run
from tests.recorded import Case, params
from tests.stand_in import Answer, StandIn, reply


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
    service.says(Answer(wait_s=60), reply(BOX))  # the second has the deadline, too: enough of it on a busy machine
    assert run(picture(here / "a.png"), picture(here / "b.png"), "--labels", "cat", "--deadline", "5") == 3
    assert [row["outcome"] for row in rows()] == ["failed", "found"]
    assert "within 5 s" in errors()[0]["reason"]


def test_coco_leaves_out_what_is_not_labelled(here: Path, service: StandIn) -> None:
    service.says(reply(BOX), Answer(404, {"error": {"message": ""}}))
    pictures = [picture(here / "a.png"), picture(here / "b.png")]
    assert run(*pictures, "--labels", "dog; cat", "--format", "coco") == 3
    file = json.loads(Path("out/annotations.json").read_text())
    assert [each["file_name"] for each in file["images"]] == ["a.png"]
    assert [each["name"] for each in file["categories"]] == ["dog", "cat"]
    assert file["annotations"][0]["bbox"] == pytest.approx([8, 2, 16, 8])
    assert [row["picture"] for row in errors()] == ["b.png"]


SPELLED = "1 label spelled otherwise (“Cat” is now “cat”)"
UNMADE = "2 notes on who or what made a label left out"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        pytest.param("labelme", [], id="nothing of the objects"),
        pytest.param("cvat", [SPELLED, UNMADE], id="a spelling, and where they came from"),
        pytest.param("yolo", [SPELLED, UNMADE], id="the same"),
    ],
)
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
    assert "1 of 2 pictures labelled" in lines


@pytest.mark.parametrize(("form", "said"), [("json", "Wrote out/results.json"), ("yolo", "Wrote 2 files in out")])
def test_it_ends_with_where_the_files_are_as_the_folder_was_given(
    here: Path, service: StandIn, capsys: pytest.CaptureFixture[str], form: str, said: str
) -> None:
    service.says(reply(BOX))
    assert run(picture(here / "a.png"), "--labels", "cat", "--format", form) == 0
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert Path("out/results.json").is_file() == (form == "json")


def test_pressing_ctrl_c_keeps_what_was_done_and_names_the_rest(
    here: Path, service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.says(reply(BOX), reply(BOX), Answer(wait_s=60))  # the third is being asked about when the keys are pressed
    pictures = [picture(here / f"{index}.png") for index in range(3)]
    monkeypatch.setattr("jobs.label._say", lambda line: interrupt() if line.startswith("[2/3]") else None)
    assert run(*pictures, "--labels", "cat") == 3
    assert rows()[0]["outcome"] == "found"
    assert [row["picture"] for row in errors()][-1] == "2.png"


def test_ctrl_c_once_all_is_labelled_says_that_the_answers_are_kept(
    here: Path, service: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.says(reply(BOX))
    path = picture(here / "a.png")
    monkeypatch.setattr("jobs.label._write", lambda *_: interrupt())
    assert run(path, "--labels", "cat") == 130
    assert "every answer is kept" in capsys.readouterr().err


def interrupt() -> None:
    raise KeyboardInterrupt


def test_what_was_converted_on_the_way_in_is_noted(here: Path, service: StandIn) -> None:
    service.says(reply("A teal square."))
    Image.new("LA", (8, 8), (100, 128)).save(here / "grey.png")
    assert run("grey.png", "--task", "caption") == 0
    assert "picture" in {note["kind"] for note in rows()[0]["notes"]}


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
    said = capsys.readouterr().err
    assert "another question: labels differ" in said
    assert "Choose another --out" in said
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


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_no_cell_begins_like_a_formula(start: str) -> None:
    text = to_csv([(f"{start}cmd|' /C calc'!A0", 'a "b", c', "plain")]).decode()
    ((first, *others),) = csv.reader(io.StringIO(text, newline=""))
    assert first.startswith("'" + start)
    assert others == ['a "b", c', "plain"]
