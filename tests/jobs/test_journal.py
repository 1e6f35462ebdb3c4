"""A run's journal: one question and one process each; a line cut short costs its picture alone, damage is refused."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from grounding.errors import RequestError
from grounding.types import Task
from jobs.journal import NAME, Journal
from jobs.pictures import Source
from jobs.work import Job
from tests.jobs.running import JOB, Echo, outcomes, sources, steps

OTHER = [
    pytest.param(Job("gemini", "m", Task.DETECT, labels=("cat",)), "backend", id="backend"),
    pytest.param(Job("echo", "n", Task.DETECT, labels=("cat",)), "model", id="model"),
    pytest.param(Job("echo", "m", Task.SEGMENT, labels=("cat",)), "task", id="task"),
    pytest.param(Job("echo", "m", Task.DETECT, labels=("dog",)), "labels", id="labels"),
    pytest.param(Job("echo", "m", Task.DETECT, "it", ("cat",)), "text", id="text"),
]


@pytest.mark.parametrize(("job", "word"), OTHER)
def test_another_question_is_refused_and_what_is_there_stays(tmp_path: Path, job: Job, word: str) -> None:
    steps(tmp_path, sources(2), Echo())
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(RequestError, match=f"another question: {word} differ") as refused:
        Journal(tmp_path, job)
    assert len(str(refused.value)) < 200
    assert "--out" not in str(refused.value), "the page shows it too"
    assert NAME not in str(refused.value)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_journal_of_before_facts_were_kept_is_counted_all_the_same(tmp_path: Path) -> None:
    given = sources(3)
    given[1] = Source("words.png", lambda: b"words", "1")
    steps(tmp_path, given, Echo())
    with closing(Journal(tmp_path, JOB)) as journal:
        before = journal.tally()
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    for line in lines:
        line.pop("facts", None)
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with closing(Journal(tmp_path, JOB)) as journal:
        assert journal.tally() == before


@pytest.mark.parametrize("facts", [[], {}, {"outcome": "guessed", "labelled": True, "objects": {}, "reason": ""}])
def test_facts_that_are_none_are_damage(tmp_path: Path, facts: object) -> None:
    steps(tmp_path, sources(1), Echo())
    lines = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    lines[1]["facts"] = facts
    (tmp_path / NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(RequestError, match="damaged"):
        Journal(tmp_path, JOB)


def test_a_second_process_at_once_is_refused(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, JOB)), pytest.raises(RequestError, match="Another run"):
        Journal(tmp_path, JOB)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_was_being_written_is_cut_off_and_that_picture_asked_again(tmp_path: Path, cut: int) -> None:
    steps(tmp_path, sources(3), Echo(), parallel=1)
    data = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(data[:-cut])
    again = Echo()
    steps(tmp_path, sources(3), again)
    assert again.asked == ["0002.png"]
    assert outcomes(tmp_path, sources(3)) == {"found": 3}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"words\n", id="words"),
        pytest.param(b"[]\n", id="a list"),
        pytest.param(b'{"picture": "a"}\n', id="no question"),
        pytest.param(None, id="a broken line in the middle"),
    ],
)
def test_a_damaged_journal_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        steps(tmp_path, sources(3), Echo())
        lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
        content = lines[0] + lines[1][:50] + b"\n" + lines[2]
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(RequestError, match="damaged"):
        Journal(tmp_path, JOB)
    assert (tmp_path / NAME).read_bytes() == content
