"""What a file lost is found by holding what was read against what was written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grounding.exports import FORMATS, export
from grounding.exports.compare import compare
from grounding.exports.losses import Aspect
from grounding.labels import LabelSet, Sample
from grounding.types import FULL_FRAME, Box, Detection, Outcome, Point, Result, Review, SoftMask, Task

SIZE_WH = (40, 30)


def pixels(*rects: tuple[int, int, int, int], holes: tuple[tuple[int, int, int, int], ...] = ()) -> SoftMask:
    probs = np.zeros((30, 40), np.float32)
    for x1, y1, x2, y2 in rects:
        probs[y1:y2, x1:x2] = 1
    for x1, y1, x2, y2 in holes:
        probs[y1:y2, x1:x2] = 0
    return SoftMask(probs, FULL_FRAME)


LEFT, RIGHT, HOLE = (2, 2, 12, 12), (20, 2, 30, 12), (5, 5, 8, 8)
BOX = Box(0.1, 0.1, 0.5, 0.5)
CAT = Detection("cat", BOX, score=0.5)
TWO_PARTS = Detection("cat", mask=pixels(LEFT, RIGHT))
HOLED = Detection("cat", mask=pixels(LEFT, holes=(HOLE,)))


def sample(*detections: Detection, name: str = "a.png") -> Sample:
    return Sample(name, SIZE_WH, Task.SEGMENT, Result(Outcome.FOUND, detections=detections))


def said(before: Detection, *after: Detection) -> list[str]:
    return [each.sentence for each in compare([sample(before)], [sample(*after)], threshold=127)]


CASES = [
    pytest.param(CAT, [CAT], [], id="nothing"),
    pytest.param(CAT, [replace(CAT, score=None)], ["1 score left out"], id="score gone"),
    pytest.param(replace(CAT, score=None), [replace(CAT, score=1)], ["1 score added"], id="score made up"),
    pytest.param(CAT, [], ["1 object left out"], id="object gone"),
    pytest.param(Detection("p", point=Point(0.5, 0.5)), [], ["1 point left out"], id="point gone"),
    pytest.param(CAT, [replace(CAT, box=Box(0.1, 0.1, 0.5, 0.6))], ["1 box moved, by 3 px at most"], id="box moved"),
    pytest.param(CAT, [replace(CAT, label="dog")],
                 ["1 label spelled otherwise (“cat” is now “dog”)"], id="renamed"),
    pytest.param(TWO_PARTS, [replace(CAT, box=None, score=None, mask=pixels(each)) for each in (LEFT, RIGHT)],
                 ["1 multi-part mask split into objects of their own"], id="parts split"),
    pytest.param(TWO_PARTS, [Detection("cat", mask=pixels(LEFT, RIGHT, (12, 6, 20, 7)))],
                 ["1 mask changed, IoU 0.962 at worst", "1 multi-part mask joined to one part"], id="parts joined"),
    pytest.param(HOLED, [Detection("cat", mask=pixels(LEFT))],
                 ["1 mask changed, IoU 0.910 at worst", "holes filled in 1 mask with holes"], id="hole filled"),
    pytest.param(HOLED, [Detection("cat", Box(0.05, 0.06, 0.3, 0.4))],
                 ["1 box drawn where there was none", "1 mask left out"], id="box for a mask"),
    pytest.param(Detection("cat", mask=SoftMask(np.full((4, 4), 0.7, np.float32), FULL_FRAME)),
                 [Detection("cat", mask=SoftMask(np.ones((4, 4), np.float32), FULL_FRAME))],
                 ["1 soft mask cut at the threshold, fixed in the file: for another, set it and export again"],
                 id="soft mask cut"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "sentences"), CASES)
def test_each_loss_is_one_sentence(before: Detection, after: list[Detection], sentences: list[str]) -> None:
    assert said(before, *after) == sentences


WORDLESS = ("coco", "labelme", "label-studio", "yolo", "voc", "cvat")


@pytest.mark.parametrize("name", WORDLESS)
def test_words_beside_objects_are_said_to_be_lost(name: str) -> None:
    spoken = replace(sample(CAT), result=Result(Outcome.FOUND, "One cat, asleep.", (CAT,)))
    assert "1 text left out" in [each.sentence for each in export([spoken], name).losses]


def test_words_beside_objects_that_are_kept_are_no_loss() -> None:
    spoken = replace(sample(CAT), result=Result(Outcome.FOUND, "One cat, asleep.", (CAT,)))
    assert [each.sentence for each in export([spoken], "json").losses if each.aspect is Aspect.TEXT] == []


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        pytest.param("a\ncat", "a cat", "line breaks or spaces only", id="line break"),
        pytest.param("a cat " * 20 + "one", "a cat " * 20 + "two", "after the first words", id="end"),
        pytest.param("a cat", "a dog", "“a cat” is now “a dog”", id="seen"),
    ],
)
def test_an_example_never_shows_the_same_twice(was: str, now: str, why: str) -> None:
    before, after = (replace(sample(), task=Task.CAPTION, result=Result(Outcome.FOUND, each)) for each in (was, now))
    assert [each.sentence for each in compare([before], [after], threshold=127)] == [f"1 text changed ({why})"]


def test_rejected_objects_are_in_no_export_and_said_to_be() -> None:
    rejected = replace(CAT, label="zebra", review=Review.REJECTED)
    for name in FORMATS:
        exported = export([sample(rejected, replace(CAT, label="dog", box=FULL_FRAME, score=None))], name)
        assert "1 object left out: rejected by a person" in [each.sentence for each in exported.losses], name
        assert b"zebra" not in b"".join(exported.files.values())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("before", [{"box_before": FULL_FRAME}, {"label_before": "dog"}], ids=["moved", "renamed"])
def test_no_file_gives_a_score_to_what_a_person_made_without_what_was_there_before(
    name: str, before: dict[str, object]
) -> None:
    changed = replace(CAT, **before)  # type: ignore[arg-type]
    lost = {each.aspect for each in export([sample(changed)], name).losses}
    assert Aspect.REVIEW not in lost or Aspect.SCORE in lost


def test_pictures_without_an_answer_are_counted_apart() -> None:
    blocked = Sample("b.png", SIZE_WH, Task.DETECT, Result(Outcome.BLOCKED))
    exported = export([sample(CAT), blocked], "coco")
    assert [each.sentence for each in exported.losses] == ["1 picture without an answer left out"]


@pytest.mark.parametrize("first", [pytest.param(True, id="answered first"), pytest.param(False, id="answered last")])
@pytest.mark.parametrize(
    ("name", "what"),
    [pytest.param("b.png", ["unanswered"], id="the same name"),
     pytest.param("b?.png", ["renamed", "unanswered"], id="the name it gets in the file")],
)  # fmt: skip
def test_a_picture_without_an_answer_takes_no_other_ones_place(name: str, what: list[str], first: bool) -> None:
    blocked = Sample(name.replace("?", "_"), SIZE_WH, Task.DETECT, Result(Outcome.BLOCKED))
    pair = [sample(CAT, name=name), blocked]
    losses = export(pair if first else pair[::-1], "cvat").losses
    assert [each.what for each in losses if each.aspect is Aspect.PICTURE] == what
    assert not [each for each in losses if each.aspect is Aspect.OBJECT]


def test_many_of_a_kind_are_one_sentence_with_their_count() -> None:
    many = [sample(CAT, HOLED, name=f"{place}.png") for place in range(5)]
    assert "5 scores left out" in [each.sentence for each in export(many, "yolo").losses]


def test_pictures_that_differ_by_their_ending_keep_labels_of_their_own() -> None:
    pair = [sample(CAT, name="a.png"), sample(replace(CAT, label="dog"), name="a.jpg")]
    exported = export(pair, "labelme")
    assert sorted(exported.files) == ["a (2).json", "a.json"]
    assert [each.what for each in exported.losses] == ["renamed"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param("a", "labels/a.txt", id="no ending"),
        pytest.param("Mr. Cat", "labels/Mr.txt", id="a dot that is no ending"),
        pytest.param("sub/a.b.png", "labels/sub/a.b.txt", id="two dots, in a folder"),
    ],
)
def test_a_picture_of_any_name_keeps_its_yolo_labels(name: str, file: str) -> None:
    exported = export([sample(replace(CAT, score=None), name=name)], "yolo")
    assert file in exported.files
    assert exported.losses == ()


@pytest.mark.parametrize("name", [pytest.param("a.", id="dot"), pytest.param("a. .", id="dots and spaces")])
def test_a_name_that_windows_would_cut_is_cut_and_said_to_be(name: str) -> None:
    exported = export([sample(replace(CAT, score=None), name=name)], "labelme")
    assert list(exported.files) == ["a.json"]
    assert [each.what for each in exported.losses] == ["renamed"]


def test_merged_labels_are_told_and_undone_by_another_set() -> None:
    both = [sample(CAT, replace(CAT, label="Cats", box=FULL_FRAME))]
    merged = LabelSet(("cat",), plurals=True)
    assert [each.sentence for each in export(both, "cvat", labels=merged).losses] == [
        "1 label spelled otherwise (“Cats” is now “cat”)"
    ]
    assert [str(each) for each in merged.merged] == ["“Cats” counts as “cat” (plural)."]
    assert export(both, "cvat", labels=LabelSet(("cat",), plurals=True, apart=("Cats",))).losses == ()


def test_one_file_is_handed_out_as_it_is_and_several_as_a_zip() -> None:
    assert export([sample(CAT)], "coco").download()[0] == "annotations.json"
    name, content = export([sample(CAT)], "yolo").download()
    assert (name, content[:2]) == ("pinpoint-yolo.zip", b"PK")
    assert content == export([sample(CAT)], "yolo").download()[1]
