"""Labels from elsewhere go to the picture they were made for, or bring it along; none is laid on another picture."""

from __future__ import annotations

import io
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from grounding.errors import RequestError
from grounding.exports import export_zip, load
from grounding.labels import Sample
from grounding.types import Review, Task
from jobs.project import Project
from jobs.project_archive import import_archive
from jobs.project_import import bring, is_project
from tests.jobs.projects import answer, png, thing


def labels(project: Project) -> dict[str, list[str]]:
    every = {entry.name: project.sample(entry.id) for entry in project.pictures()}
    return {name: [each.label for each in sample.result.detections] if sample else [] for name, sample in every.items()}


def archive(path: Path, form: str, *pictures: tuple[str, bytes | None], size: tuple[int, int] = (40, 30)) -> Path:
    """Each picture with a cat; without its file where it has no content."""
    samples = [
        Sample(name, size, Task.DETECT, answer(thing()), None if data is None else (lambda data=data: data))  # type: ignore[misc]
        for name, data in pictures
    ]
    export_zip(samples, form, path)
    return path


def on_its_side() -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.radial_gradient("L").resize((30, 40)).convert("RGB").save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("form", ["imagefolder", "yolo", "parquet"])
@pytest.mark.parametrize(
    ("there", "comes", "after"),
    [
        pytest.param(("a.png", png()), ("a.png", png()), {"a.png": ["cat"]}, id="the same picture"),
        pytest.param(("b/c.png", png()), ("a.png", png()), {"b/c.png": ["cat"]}, id="the same under another name"),
        pytest.param(
            ("a.png", png()), ("a.png", png("blue")), {"a.png": [], "a (2).png": ["cat"]}, id="another of its name"
        ),
        pytest.param(
            ("a.png", png(size=(9, 9))), ("a.png", png()), {"a.png": [], "a (2).png": ["cat"]}, id="and of another size"
        ),
        pytest.param(("a.jpg", on_its_side()), ("a.jpg", on_its_side()), {"a.jpg": ["cat"]}, id="saved again upright"),
    ],
)
def test_labels_with_a_picture_go_to_that_picture_alone(
    project: Project, tmp_path: Path, form: str, there: tuple[str, bytes], comes: tuple[str, bytes], after: object
) -> None:
    project.add_picture(there[1], there[0])
    bring(project, archive(tmp_path / "set.zip", form, comes), "set.zip")
    assert labels(project) == after


def test_equal_pictures_keep_their_own_labels(project: Project, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        project.add_picture(png(), name)
    path = archive(tmp_path / "set.zip", "imagefolder", ("x.png", png()), ("y.png", png()), ("z.png", png()))
    brought = bring(project, path, "set.zip")
    assert (brought.pictures, brought.labelled) == (1, 3)
    assert labels(project) == {"a.png": ["cat"], "b.png": ["cat"], "z.png": ["cat"]}


@pytest.mark.parametrize("form", ["coco", "yolo"])
def test_labels_without_pictures_find_those_of_the_project_by_name(project: Project, tmp_path: Path, form: str) -> None:
    project.add_picture(png(), "0001.png")
    path = archive(tmp_path / "set.zip", form, ("0001.png", None))
    assert bring(project, path, "set.zip").labelled == 1
    assert labels(project) == {"0001.png": ["cat"]}


def test_labels_without_pictures_stay_off_one_of_another_size(project: Project, tmp_path: Path) -> None:
    project.add_picture(png(size=(9, 9)), "a.png")
    with pytest.raises(RequestError, match="40 × 30 in the file and 9 × 9"):
        bring(project, archive(tmp_path / "set.zip", "coco", ("a.png", None)), "set.zip")
    assert labels(project) == {"a.png": []}


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda project, path: bring(project, path, "many.zip"), id="into a project"),
        pytest.param(lambda project, path: import_archive(path, project.folder.with_name("new")), id="as a project"),
        pytest.param(lambda _, path: load(path), id="as labels"),
        pytest.param(lambda _, path: load(path.read_bytes()), id="as labels in memory"),
    ],
)
def test_a_zip_with_a_huge_list_of_files_is_refused_before_it_is_read(
    project: Project, tmp_path: Path, act: Callable[[Project, Path], object]
) -> None:
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    listed = entry * 1_000_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(listed), 0, 0)
    path = tmp_path / "many.zip"
    path.write_bytes(listed + end)
    began = time.thread_time()
    assert not is_project(path)
    with pytest.raises(RequestError, match="lists more files"):
        act(project, path)
    assert time.thread_time() - began < 2, "a list of a million files takes half a minute"
    assert project.count() == 0


def test_labels_of_a_file_overwrite_nothing_that_is_done_in_another_window_meanwhile(project: Project) -> None:
    picture = project.add_picture(png(), "a.png")
    project.set_labels(picture, [])
    said = Sample("a.png", (40, 30), Task.DETECT, answer(thing("dog", 0.75)))
    done = threading.Event()

    def accept(count: int) -> None:
        with closing(Project.open(project.folder)) as other:
            while count:
                version, sample = other.entry(picture).version, other.sample(picture)
                found = sample.result.detections if sample else ()
                drawn = replace(thing(f"{count}", count / 40), id=len(found), review=Review.ACCEPTED)
                with suppress(RequestError):  # changed meanwhile: once more
                    other.set_labels(picture, [*found, drawn], since=version)
                    count -= 1
        done.set()

    window = threading.Thread(target=accept, args=(8,))
    window.start()
    for _ in range(200):  # not for ever: the window may be too slow to come between two of them
        project.put_sample(picture, said)
        if done.wait(0.005):
            break
    assert done.wait(60)
    window.join()
    assert set(labels(project)["a.png"]) == {"dog", *(str(count) for count in range(1, 9))}
