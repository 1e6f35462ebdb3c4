"""A batch lives in its folder: found again as it was left, gone on with, taken away, put into a project."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from PIL import Image

from grounding.errors import RequestError
from grounding.types import Box, Detection, Harm, Level, Options, Outcome, Result, Task, Thinking
from jobs.batch import FILE, Batch, Given, Reach, collect, find
from jobs.project import Project
from jobs.run import run
from jobs.work import Job
from tests.jobs.running import Echo

JOB = Job("echo", "m", Task.DETECT, labels=("cat", "dog"))


def png(path: Path, content: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        Image.new("RGB", (8, 6), "teal").save(path, "PNG")
    else:
        path.write_bytes(content)
    return path


def say(name: str) -> Result:
    if "dull" in name:
        return Result(Outcome.NONE, raw="[]")
    return Result(Outcome.FOUND, detections=(Detection("cat", Box(0, 0, 0.5, 0.5)), Detection("dog", Box(0, 0, 1, 1))))


def ran(batch: Batch, backend: Echo | None = None) -> Echo:
    backend = backend or Echo(say)
    with ExitStack() as open_files, closing(batch.journal()) as journal:
        found = batch.pictures(open_files, Reach())
        batch.note(found)
        list(run(found.sources, batch.job, backend, journal, parallel=2))
    return backend


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """Six pictures in a ZIP, one broken and one with nothing in it, beside a text and a picture by itself."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        data = png(tmp_path / "a.png").read_bytes()
        for name in ("1.png", "2.png", "dull.png", "4.png", "5.png"):
            archive.writestr(name, data)
        archive.writestr("broken.png", data[:40])
        archive.writestr("notes.txt", "words")
    return Batch.create(tmp_path / "batch", JOB, Given(), [tmp_path / "set.zip", tmp_path / "a.png"])


def test_it_is_found_again_as_it_was_left(batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "set.zip").unlink()
    (tmp_path / "a.png").unlink()
    again = Batch.open(batch.folder)
    assert (again.job, again.given, again.begun_at) == (batch.job, batch.given, batch.begun_at)
    assert again.noted() is None
    assert len(set(ran(again).asked)) == 6, "what was dropped was copied into the batch"
    noted = again.noted()
    assert noted is not None
    assert (noted.total, noted.left_out, noted.more) == (7, 1, False)
    assert [each.name for each in noted.skipped] == ["set.zip/notes.txt"]
    assert ran(Batch.open(batch.folder)).asked == [], "the broken picture is looked at again, nobody is asked"


def test_two_files_of_one_name_are_two_pictures(tmp_path: Path) -> None:
    files = [png(tmp_path / "one/a.png"), png(tmp_path / "two/a.png")]
    made = Batch.create(tmp_path / "batch", JOB, Given(), files)
    assert sorted(ran(made).asked) == ["a (2).png", "a.png"]


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(JOB, id="labels"),
        pytest.param(Job("gemini", "g", Task.ASK, "How many “cups”?", (), Options(0.25, 99, "be brief")), id="options"),
        pytest.param(
            Job("gemini", "g", Task.SEGMENT, "", ("a",), Options(thinking=Thinking.LOW, tiles=2, template="x" * 900),
                {Harm.HARASSMENT: Level.FEW}),
            id="enums, long texts, safety",
        ),
    ],
)  # fmt: skip
def test_a_question_survives_json_exactly(job: Job) -> None:
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"batch": 1}', '{"job": {}, "given": {}, "begun_at": ""}', "\xff", '{"job": [], "given": []}',
     '{"job": {"backend": "b", "model": "m", "task": "guess", "text": "", "labels": [], "options": {}, "safety": {}}, '
     '"given": {"addresses": []}, "begun_at": ""}'],
)  # fmt: skip
def test_a_damaged_one_is_told_and_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / FILE).write_text(content, encoding="latin-1")
    with pytest.raises(RequestError, match="read any more"):
        Batch.open(tmp_path / "x")
    assert find(tmp_path) == []


def test_batches_are_listed_newest_first(tmp_path: Path) -> None:
    for name, hour in (("a", "10"), ("b", "12"), ("c", "11")):
        made = Batch.create(tmp_path / name, JOB, Given())
        said = json.loads((made.folder / FILE).read_text())
        (made.folder / FILE).write_text(json.dumps({**said, "begun_at": f"2026-01-01T{hour}:00:00+00:00"}))
    assert [each.folder.name for each in find(tmp_path)] == ["b", "c", "a"]
    assert find(tmp_path / "nowhere") == []


def test_batches_begun_in_one_second_are_listed_newest_first_too(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        Batch.create(tmp_path / name, JOB, Given())
    assert [each.folder.name for each in find(tmp_path)] == ["a", "c", "b"]


def test_no_more_pictures_are_taken_than_wanted_and_that_there_are_more_is_told(tmp_path: Path) -> None:
    for index in range(5):
        png(tmp_path / f"set/{index}.png")
    with ExitStack() as open_files:
        some = collect([], Given(place=str(tmp_path / "set"), most=3), open_files, Reach())
        every = collect([], Given(place=str(tmp_path / "set"), most=5), open_files, Reach())
    assert ([each.name for each in some.sources], some.more) == (["0.png", "1.png", "2.png"], True)
    assert (len(every.sources), every.more) == (5, False)


@pytest.mark.parametrize(
    "line", ["/etc/passwd", "file:///etc/passwd", "a.png", "~", "hf://datasets/a/b", "ftp://a/b.png"]
)
def test_an_address_that_is_none_never_becomes_a_file_of_this_machine(tmp_path: Path, line: str) -> None:
    with ExitStack() as open_files:
        found = collect([], Given(addresses=(line,)), open_files, Reach())
    assert (found.sources, [each.reason for each in found.skipped]) == ((), ["not a web address"])


def test_labels_are_taken_away_with_a_table_of_what_got_none(batch: Batch, tmp_path: Path) -> None:
    ran(batch)
    taken = batch.take_away("coco", 127, Reach(), tmp_path / "labels")
    assert (taken.path.name, taken.unlabelled) == ("labels.zip", 1)
    assert any("without an answer" in loss.sentence for loss in taken.losses)
    with zipfile.ZipFile(taken.path) as archive:
        assert sorted(archive.namelist()) == ["annotations.json", "errors.csv"]
        coco = json.loads(archive.read("annotations.json"))
        (row,) = csv.DictReader(io.StringIO(archive.read("errors.csv").decode()))
    assert [each["file_name"] for each in coco["images"]] == [
        *(f"set.zip/{n}.png" for n in ("1", "2", "4", "5")), "set.zip/dull.png", "a.png",
    ]  # fmt: skip
    assert (len(coco["annotations"]), [each["name"] for each in coco["categories"]]) == (10, ["cat", "dog"])
    assert (row["picture"], row["outcome"]) == ("set.zip/broken.png", "failed")


def test_where_all_are_labelled_the_one_file_comes_by_itself(tmp_path: Path) -> None:
    made = Batch.create(tmp_path / "batch", JOB, Given(), [png(tmp_path / "a.png")])
    with pytest.raises(RequestError, match="No picture has been labelled"):
        made.take_away("coco", 127, Reach(), tmp_path / "labels")
    ran(made)
    taken = made.take_away("coco", 127, Reach(), tmp_path / "labels")
    assert (taken.path.name, taken.unlabelled) == ("labels.json", 0)
    assert len(json.loads(taken.path.read_text())["annotations"]) == 2
    assert not (tmp_path / "labels.zip").exists()
    many = made.take_away("voc", 127, Reach(), tmp_path / "voc")
    assert many.path.suffix in (".zip", ".xml")


def test_its_pictures_and_labels_go_into_a_project(batch: Batch, tmp_path: Path) -> None:
    ran(batch)
    project = Project.create(tmp_path / "project")
    assert batch.put_into(project, Reach()) == (6, 1, 0, 0), "the broken picture cannot be in it"
    labelled = [project.sample(each.id) for each in project.pictures()]
    assert [len(each.result.detections) if each else None for each in labelled].count(2) == 5
    project.close()


def test_put_in_twice_they_are_there_once_and_that_is_counted(tmp_path: Path) -> None:
    files = [png(tmp_path / f"{folder}/a.png") for folder in ("one", "two")]
    made = Batch.create(tmp_path / "batch", JOB, Given(), files)
    ran(made)
    with closing(Project.create(tmp_path / "project")) as project:
        project.add_picture(other(), "a.png")
        assert made.put_into(project, Reach()) == (2, 0, 0, 0), "two equal pictures are two, beside another of the name"
        before = [(each.name, each.version) for each in project.pictures()]
        assert made.put_into(project, Reach()) == (0, 0, 0, 2)
        assert [(each.name, each.version) for each in project.pictures()] == before


def other() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(file, "PNG")
    return file.getvalue()


def test_a_file_replaced_since_gets_no_labels_of_the_one_before(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        png(tmp_path / "set" / name)
    made = Batch.create(tmp_path / "batch", JOB, Given(place=str(tmp_path / "set")))
    ran(made)
    png(tmp_path / "set/a.png", other())
    taken = made.take_away("coco", 127, Reach(), tmp_path / "labels")
    with zipfile.ZipFile(taken.path) as archive:
        coco = json.loads(archive.read("annotations.json"))
        (row,) = csv.DictReader(io.StringIO(archive.read("errors.csv").decode()))
    assert [each["file_name"] for each in coco["images"]] == ["b.png"]
    assert (taken.unlabelled, row["picture"], row["outcome"]) == (1, "a.png", "changed")
    with closing(Project.create(tmp_path / "project")) as project:
        assert made.put_into(project, Reach()) == (1, 0, 1, 0)
        assert [each.name for each in project.pictures()] == ["b.png"]
    ran(made)
    with closing(Project.create(tmp_path / "second")) as project:
        assert made.put_into(project, Reach()) == (2, 0, 0, 0), "asked about anew"


def test_a_disk_that_is_full_leaves_no_half_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, text: str) -> int:
        with self.open("w") as file:
            file.write(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RequestError, match="No space left"):
        Batch.create(tmp_path / "batch", JOB, Given())
    assert find(tmp_path) == []
    assert not (tmp_path / "batch").exists()
