"""The command line as a program of its own: started, told, killed and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.command_line import BOX, KEY, ROOT, assert_clean, picture, rows
from tests.stand_in import Answer, StandIn, reply


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
    assert lines[-2] == "1 of 2 pictures labelled"
    assert_clean(ended.stderr)
    assert [row["outcome"] for row in rows()] == ["found", "failed"]
    assert rows()[0]["detections"][0]["label"] == "кот"


def test_as_a_program_wrong_arguments_exit_2_without_a_traceback(here: Path) -> None:
    ended = subprocess_run(here, "missing-folder.zip", "--labels", "cat")
    assert ended.returncode == 2
    assert "not a ZIP archive" in ended.stderr
    assert_clean(ended.stderr)


def test_killed_in_the_middle_it_goes_on_and_labels_each_once(here: Path) -> None:
    (here / "replies").mkdir()
    (here / "replies/detect.gemini.txt").write_text(BOX)
    names = [f"{index:03d}{'x' * 200}.png" for index in range(150)]
    for name in names:
        picture(here / "set" / name)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "jobs.label", "set", "--labels", "cat", "--out", "out", "--backend", "replay"]
    command += ["--model", "replies"]
    journal = here / "out/journal.jsonl"
    # What it says of 150 pictures does not fit in its pipe: unread, it cannot come to its end before it is killed.
    running = subprocess.Popen(command, cwd=here, env=environment, stderr=subprocess.PIPE, bufsize=0, pipesize=4096)
    assert running.stderr is not None
    while not running.stderr.readline().startswith(b"[50/150]"):
        assert running.poll() is None, "it ended before it could be killed"
    running.kill()
    running.wait()
    kept = journal.read_bytes().count(b"\n") - 1
    assert 50 <= kept < 150
    assert not (here / "out/results.json").exists()

    ended = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0
    first = next(line for line in ended.stderr.splitlines() if line.startswith("["))
    assert int(first[1:].split("/")[0]) >= kept, "what was kept is counted, not asked again"
    assert [row["picture"] for row in rows()] == names
    assert {row["outcome"] for row in rows()} == {"found"}
    written = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert len(written) == len({row["picture"] for row in written}) == 150
