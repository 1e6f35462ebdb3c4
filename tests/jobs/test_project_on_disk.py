"""A project outlives whatever becomes of its process, and is shared by threads and windows; no other file is one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from grounding.errors import RequestError
from grounding.labels import Sample
from grounding.types import Result, Task
from jobs.project import FILE, Project
from tests.jobs.projects import png, thing
from tests.jobs.test_records import plain, samples

ROOT = Path(__file__).parents[2]


def test_labels_survive_a_restart_exactly(tmp_path: Path) -> None:
    kept: dict[int, tuple[Result, Task]] = {}
    made = Project.create(tmp_path / "one")

    @settings(max_examples=25)
    @given(sample=samples)
    def put(sample: Sample) -> None:
        found = tuple(replace(each, id=place) for place, each in enumerate(sample.result.detections))
        picture = made.add_picture(png(), "a.png")
        kept[picture] = replace(sample.result, detections=found), sample.task
        made.put_sample(picture, replace(sample, result=kept[picture][0]))

    put()
    made.close()
    with closing(Project.open(tmp_path / "one")) as again:
        for picture, (result, task) in kept.items():
            read = again.sample(picture)
            assert read is not None
            assert (plain(read.result), read.task, read.size_wh) == (plain(result), task, (40, 30))
            assert read.file is not None
            assert read.file() == png()


def test_a_project_killed_in_the_middle_of_edits_keeps_every_one_that_was_done(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from jobs.project import Project\n"
        "from tests.jobs.projects import png, thing\n"
        "p = Project.create(Path(sys.argv[1])); i = p.add_picture(png(), 'a.png')\n"
        "for n in range(100000):\n"
        "    p.set_labels(i, [thing(str(n))]); print(n, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "p")]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    last = 0
    while last < 50:
        last = int(running.stdout.readline())
    running.kill()
    rest = running.stdout.read().split()
    last = int(rest[-1]) if rest else last
    with closing(Project.open(tmp_path / "p")) as again:
        assert len(again.dump(1)["steps"]) >= last + 1
        sample = again.sample(1)
        assert sample is not None
        assert int(sample.result.detections[0].label) >= last


def test_several_threads_and_a_second_window_work_on_one_project(project: Project) -> None:
    other = Project.open(project.folder)
    picture = project.add_picture(png(), "a.png")

    def edit(one: Project, label: str) -> None:
        for _ in range(10):
            one.set_labels(picture, [thing(label)])

    threads = [threading.Thread(target=edit, args=(one, str(i))) for i, one in enumerate((project, project, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(project.dump(picture)["steps"]) == 30
    assert other.sample(picture) is not None
    other.close()


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such project"):
        Project.open(tmp_path)
    (tmp_path / FILE).write_bytes(b"words" * 1000)
    with pytest.raises(RequestError, match="damaged"):
        Project.open(tmp_path)
    (tmp_path / FILE).unlink()
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(RequestError, match="not made by this program"):
        Project.open(tmp_path)
    with pytest.raises(RequestError, match="already"):
        Project.create(tmp_path)
