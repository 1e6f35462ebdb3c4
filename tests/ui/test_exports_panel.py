"""Labels from the page into every format and back onto it: what is said to be lost, matched, and left out."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from grounding import images
from grounding.editing import MAX_CELLS
from grounding.errors import RequestError
from grounding.exports import FORMATS, IMPORTED
from grounding.settings import Settings
from grounding.types import Box, Detection, Origin, Outcome, Result, Review, SoftMask, Task, View
from tests.ui.echo import EchoPool, round_mask
from ui import actions, exports_panel, label_files, result_view
from ui.desk import Desk
from ui.exports_panel import lost, offered, taken
from ui.messages import Problem, explanation
from ui.state import Answer, Session, Sheet, Shelf

BOX = Box(0.125, 0.25, 0.5, 0.75)
CAT = Detection("cat", BOX, score=0.5)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "pictures")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    settings = Settings(projects=str(tmp_path / "projects"))
    return Desk(settings, EchoPool(settings), Shelf(tmp_path / "kept"))


def sheet(shelf: Shelf, name: str, *found: Detection, size: tuple[int, int] = (64, 48)) -> Sheet:
    kept = actions.give(images.load(Image.new("RGB", size, "teal"), name=name), shelf).picture
    assert kept is not None
    numbered = tuple(replace(each, id=place) for place, each in enumerate(found))
    return Sheet(kept, Answer(Task.SEGMENT, "cat; dog", "m", Result(Outcome.FOUND, "", numbered)) if found else None)


def album(*sheets: Sheet, place: int = 0) -> Session:
    return Session().showing(sheets, place)


def written(session: Session, form: str, shelf: Shelf, **more: bool) -> Path:
    return label_files.offer(session, form, View(), shelf, **more).path


def found(session: Session) -> tuple[Detection, ...]:
    assert session.answer is not None
    return session.answer.result.detections


def coco(path: Path, name: str, size: tuple[int, int] = (64, 48), score: float | None = None, boxes: int = 1) -> Path:
    annotations = [
        {"id": place, "image_id": 1, "category_id": 1, "bbox": [8, 12, 24, 24], "area": 576, "iscrowd": 0}
        | ({} if score is None else {"score": score})
        for place in range(1, boxes + 1)
    ]
    pictures = [{"id": 1, "file_name": name, "width": size[0], "height": size[1]}]
    file = {"images": pictures, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    path.write_text(json.dumps(file))
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("pictures", [pytest.param(False, id="labels alone"), pytest.param(True, id="with pictures")])
def test_every_format_comes_back_onto_the_page_it_was_made_from(form: str, pictures: bool, shelf: Shelf) -> None:
    mask = SoftMask(np.ones((24, 24), np.float32), BOX)
    here = album(sheet(shelf, "yard.png", replace(CAT, mask=mask)))
    path = written(here, form, shelf, pictures=pictures)
    back = label_files.take_in(path, replace(here, answer=None))
    (cat,) = found(back.session)
    assert (back.pictures, back.objects) == (1, 1)
    assert cat.label == "cat"
    assert cat.box == pytest.approx(BOX, abs=1 / 48)
    assert cat.score in (None, 0.5)  # never made up
    if form not in ("yolo", "paligemma"):
        assert cat.mask is not None


def test_what_is_lost_is_said_of_these_very_labels(shelf: Shelf) -> None:
    mask = np.zeros((24, 24), np.float32)
    mask[:8] = mask[16:] = 1
    parted = album(sheet(shelf, "a.png", replace(CAT, mask=SoftMask(mask, BOX))))
    whole = album(sheet(shelf, "a.png", replace(CAT, score=None)))
    assert "multi-part mask" in offered(label_files.offer(parted, "yolo-segment", View(), shelf))
    assert "Nothing is lost" in offered(label_files.offer(parted, "coco", View(), shelf))
    assert "Nothing is lost" in offered(label_files.offer(whole, "yolo", View(), shelf))


def test_what_is_rejected_or_hidden_by_the_score_floor_is_told(shelf: Shelf) -> None:
    rejected = replace(CAT, review=Review.REJECTED)
    made = label_files.offer(album(sheet(shelf, "a.png", CAT, rejected)), "coco", View(score_floor=0.6), shelf)
    said = offered(made)
    assert "1 object left out: rejected by a person" in said
    assert "hides 1 object " in said, "what is rejected is in no file"
    assert len(json.loads(made.path.read_bytes())["annotations"]) == 1


def test_the_view_s_threshold_cuts_the_masks(shelf: Shelf) -> None:
    here = album(sheet(shelf, "a.png", replace(CAT, mask=round_mask(BOX))))
    low, high = (
        json.loads(label_files.offer(here, "coco", View(threshold=t), shelf).path.read_bytes())["annotations"][0][
            "area"
        ]
        for t in (10, 200)
    )
    assert low > high > 0


@pytest.mark.parametrize(
    ("whole", "names"),
    [
        pytest.param(False, ["b.png"], id="the one on the stage"),
        pytest.param(True, ["a.png", "b.png", "a (2).png"], id="all of them"),
    ],
)
def test_an_album_is_one_file_and_twins_keep_apart(whole: bool, names: list[str], shelf: Shelf) -> None:
    here = album(sheet(shelf, "a.png", CAT), sheet(shelf, "b.png", CAT), sheet(shelf, "a.png", CAT), place=1)
    path = written(here, "coco", shelf, whole=whole)
    assert [each["file_name"] for each in json.loads(path.read_bytes())["images"]] == names
    assert path.name == ("3-pictures-pinpoint-coco.json" if whole else "b-pinpoint-coco.json")


def test_pictures_go_along_as_they_came(shelf: Shelf) -> None:
    here = album(sheet(shelf, "a.png", CAT), sheet(shelf, "b.png"))
    made = label_files.offer(here, "yolo", View(), shelf, whole=True, pictures=True)
    with zipfile.ZipFile(made.path) as archive:
        assert archive.read("images/a.png") == here.sheets[0].picture.path.read_bytes()
        assert made.count == len(archive.namelist())
    assert "1 picture without an answer left out" in offered(made)


def test_a_data_set_has_its_pictures_whether_asked_for_or_not(shelf: Shelf) -> None:
    with zipfile.ZipFile(written(album(sheet(shelf, "a.png", CAT)), "imagefolder", shelf)) as archive:
        assert "train/a.png" in archive.namelist()


@pytest.mark.parametrize("form", ["coco", "parquet"])
def test_without_labels_there_is_no_file(form: str, shelf: Shelf) -> None:
    with pytest.raises(RequestError, match="no labels to download"):
        label_files.offer(album(sheet(shelf, "a.png")), form, View(), shelf)
    with pytest.raises(RequestError):
        label_files.offer(Session(), form, View(), shelf)


def test_an_import_says_where_it_came_from_and_keeps_what_the_file_says(shelf: Shelf, tmp_path: Path) -> None:
    here = album(sheet(shelf, "yard.png"))
    (cat,) = found(label_files.take_in(coco(tmp_path / "old.json", "set/YARD.jpg"), here).session)
    assert cat.score is None
    assert cat.origin is not None
    assert (cat.origin.backend, cat.origin.parameters["file"]) == (IMPORTED, "old.json")
    (sure,) = found(label_files.take_in(coco(tmp_path / "old.json", "yard.png", score=0.25), here).session)
    assert sure.score == 0.25
    mine = replace(CAT, origin=Origin("gemini", "g", "find"))
    path = written(album(sheet(shelf, "yard.png", mine)), "coco", shelf)
    (kept,) = found(label_files.take_in(path, here).session)
    assert kept.origin == mine.origin


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        pytest.param("yard.png", (64, 47), "is 64 × 47 in the file and 64 × 48 here", id="another size"),
        pytest.param("street.png", (90, 90), "not on the page: street.png", id="another picture"),
        pytest.param("", (90, 90), "not on the page", id="no name"),
    ],
)
def test_labels_of_something_else_change_nothing(
    name: str, size: tuple[int, int], said: str, shelf: Shelf, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="Nothing in this file is about a picture on the page") as refused:
        label_files.take_in(coco(tmp_path / "a.json", name, size), album(sheet(shelf, "yard.png")))
    assert said in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_picture_without_its_name_is_known_by_its_size_and_that_is_said(shelf: Shelf, tmp_path: Path) -> None:
    made = label_files.take_in(coco(tmp_path / "a.json", "IMG_1.JPG"), album(sheet(shelf, "")))
    assert made.objects == 1
    assert "taken for" in taken(made)
    twins = album(sheet(shelf, "one.png"), sheet(shelf, "two.png"))
    with pytest.raises(RequestError, match="not on the page"):
        label_files.take_in(coco(tmp_path / "a.json", "IMG_1.JPG"), twins)


def test_a_file_of_a_set_labels_the_pictures_that_are_here_and_counts_the_rest(shelf: Shelf) -> None:
    names = [f"{place}.png" for place in range(9)]
    path = written(album(*(sheet(shelf, name, CAT) for name in names)), "voc", shelf, whole=True)
    here = album(sheet(shelf, "other.png", size=(9, 9)), sheet(shelf, "3.png"), sheet(shelf, "4.png"))
    made = label_files.take_in(path, here)
    assert [each.answer is not None for each in made.session.sheets] == [False, True, True]
    assert made.session.place == 1  # something is to be seen of it
    said = taken(made)
    assert "2 objects on 2 pictures" in said
    assert "7 pictures of the file are not on the page: 0.png, 1.png, 2.png, 5.png, 6.png and 2 more" in said


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="broken JSON"),
        pytest.param(b'{"images": [], "annotations": [], "categories": []}', id="an empty set"),
        pytest.param(b"PK\x03\x04 not really", id="broken ZIP"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="a picture"),
        pytest.param(b"<annotation><!DOCTYPE a [<!ENTITY b 'c'>]>", id="XML with entities"),
    ],
)
def test_what_is_no_label_file_is_refused_in_a_sentence(content: bytes, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_bytes(content)
    with pytest.raises(RequestError) as refused:
        label_files.take_in(tmp_path / "odd.json", album(sheet(shelf, "a.png")))
    assert len(str(refused.value)) < 200
    with pytest.raises(RequestError, match="Give the picture first"):
        label_files.take_in(tmp_path / "odd.json", Session())


def test_corrected_objects_that_a_file_takes_the_place_of_are_counted(shelf: Shelf, tmp_path: Path) -> None:
    drawn = replace(CAT, origin=Origin("person", "", "", edited=True))
    here = album(sheet(shelf, "yard.png", CAT, replace(CAT, review=Review.ACCEPTED), drawn))
    first = label_files.take_in(coco(tmp_path / "a.json", "yard.png"), here)
    assert "2 objects you corrected were replaced by the file" in taken(first)
    assert "you corrected" not in taken(label_files.take_in(coco(tmp_path / "a.json", "yard.png"), first.session))


def test_single_faults_are_listed_and_the_rest_is_kept(shelf: Shelf, tmp_path: Path) -> None:
    path = coco(tmp_path / "a.json", "yard.png", boxes=3)
    said = json.loads(path.read_text())
    said["annotations"][1]["bbox"] = [8, 12, "wide", 24]
    path.write_text(json.dumps(said))
    made = label_files.take_in(path, album(sheet(shelf, "yard.png")))
    assert made.objects == 2
    assert "<li>" in taken(made)


def test_masks_too_large_for_a_page_are_made_smaller_and_that_is_said(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_CELLS > 1_000_000
    monkeypatch.setattr(label_files, "MAX_CELLS", 2_000)
    monkeypatch.setattr(label_files, "_LARGE_SIDE", 32)
    mask = SoftMask(np.ones((48, 64), np.float32), Box(0, 0, 1, 1))
    path = written(album(sheet(shelf, "a.png", Detection("sea", Box(0, 0, 1, 1), mask=mask))), "coco", shelf)
    made = label_files.take_in(path, album(sheet(shelf, "a.png")))
    (sea,) = found(made.session)
    assert sea.mask is not None
    assert sea.mask.probs.shape == (24, 32)
    assert "1 large mask is kept with 32 pixels" in taken(made)


def test_a_small_file_of_huge_masks_is_read_as_far_as_there_is_room(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_files, "_MOST_MASK_PX", 2 * 64 * 48)
    path = coco(tmp_path / "a.json", "yard.png", boxes=5)
    said = json.loads(path.read_text())
    for each in said["annotations"]:
        each["segmentation"] = {"size": [48, 64], "counts": [0, 64 * 48]}
    path.write_text(json.dumps(said))
    made = label_files.take_in(path, album(sheet(shelf, "yard.png")))
    assert sum(each.mask is not None for each in found(made.session)) == 2
    assert sum("more than is read at once" in each for each in made.left_out) == 3


def test_a_file_that_says_there_is_nothing_is_an_answer(shelf: Shelf, tmp_path: Path) -> None:
    made = label_files.take_in(coco(tmp_path / "a.json", "yard.png", boxes=0), album(sheet(shelf, "yard.png")))
    assert made.session.answer is not None
    assert made.session.answer.result.outcome is Outcome.NONE
    assert "file" in explanation(made.session.answer.result, Task.DETECT)


def test_what_came_of_an_import_is_told_while_its_labels_are_here(desk: Desk, tmp_path: Path) -> None:
    with gr.Blocks() as page:
        session = gr.State()
        result = result_view.build(Session())
        panel = exports_panel.build()
        follower = exports_panel.wire(panel, session, result, desk)
    (bring,) = (each.fn for each in page.fns.values() if each.name == "bring")
    yard = album(sheet(desk.shelf, "yard.png"), sheet(desk.shelf, "shed.png"))
    made = bring(str(coco(tmp_path / "a.json", "yard.png")), yard, None, SimpleNamespace(session_hash="me"))
    brought, took, line = (made[each] for each in (session, panel.taken, panel.brought))
    assert "1 object on 1 picture" in line
    failed = bring(str(coco(tmp_path / "b.json", "x.png", (1, 1))), brought, took, SimpleNamespace(session_hash="me"))
    assert failed.keys() == {panel.brought}, "the labels are left alone"
    assert failed[panel.brought].startswith('<p class="pp-problem"')
    assert failed[panel.brought].endswith(line), "what the page has is still told"
    other = label_files.take_in(coco(tmp_path / "c.json", "yard.png"), yard).session
    told = [
        follower.show({session: now, panel.form: "coco", panel.whole: False, panel.taken: took}, "me")[panel.brought]
        for now in (brought, brought.showing(brought.sheets, 1), album(sheet(desk.shelf, "o.png", CAT)), other)
    ]
    assert told == [line, line, "", ""]


def test_words_from_files_are_only_text(shelf: Shelf, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    here = album(sheet(shelf, "yard.png"), sheet(shelf, "b.png"))
    for name in (f"{evil}.png", "yard.png"):
        path = coco(tmp_path / f"{evil}.json", "yard.png")
        said: dict[str, Any] = json.loads(path.read_text())
        said["images"].append({"id": 2, "file_name": name + "x", "width": 1, "height": 1})
        path.write_text(json.dumps(said))
        assert "<img" not in taken(label_files.take_in(path, here))


def test_every_format_can_be_chosen_and_says_its_name() -> None:
    assert [name for _, name in exports_panel.choices()] == list(FORMATS)
    assert exports_panel.FIRST in FORMATS
    for form in FORMATS.values():
        assert "Nothing is lost" in lost(form, ())
    assert "pp-problem" in offered(Problem("No."))
