"""What is taken away is read again by programs that are not ours: pycocotools and a JSON parser."""

from __future__ import annotations

import contextlib
import io
import json
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from grounding.exports import FORMATS, export_zip
from grounding.exports.results import detection_to_json, result_to_json, to_bytes
from grounding.labels import LabelSet, Sample
from grounding.types import (
    FULL_FRAME,
    Box,
    Detection,
    Note,
    NoteKind,
    Outcome,
    Point,
    Result,
    SafetyRating,
    SafetyReport,
    SoftMask,
    Stage,
    Task,
    Usage,
)

SIZE_WH = (40, 30)
CAT = Detection("cat", Box(0.25, 0.1, 0.75, 0.6), score=0.875)


def ring_and_dot() -> SoftMask:
    """A ring with a hole, and a part apart from it."""
    probs = np.zeros((30, 40), np.float32)
    probs[5:20, 5:20] = 1
    probs[10:15, 10:15] = 0
    probs[24:28, 30:36] = 1
    return SoftMask(probs, FULL_FRAME)


def sample(*detections: Detection, picture: str = "a.png", outcome: Outcome = Outcome.FOUND) -> Sample:
    return Sample(picture, SIZE_WH, Task.SEGMENT, Result(outcome, detections=detections))


def exported(kind: str, samples: Sequence[Sample], labels: tuple[str, ...] = (), threshold: int = 127) -> Any:
    ((_, content),) = FORMATS[kind](samples, labels=labels, threshold=threshold)
    return json.loads(content)


def reread(folder: Path, samples: Sequence[Sample], labels: tuple[str, ...] = ()) -> COCO:
    ((name, content),) = FORMATS["coco"](samples, labels=labels, threshold=127)
    (folder / name).write_bytes(content)
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / name))


def test_a_mask_with_a_hole_and_two_parts_survives_coco(tmp_path: Path) -> None:
    mask = ring_and_dot()
    coco = reread(tmp_path, [sample(Detection("ring", Box(0.1, 0.1, 0.9, 0.95), mask=mask))])
    (annotation,) = coco.loadAnns(coco.getAnnIds())
    pixels = coco.annToMask(annotation)
    assert np.array_equal(pixels, mask.probs)
    assert annotation["area"] == pixels.sum() == 15 * 15 - 25 + 24
    assert annotation["iscrowd"] == 0


def test_boxes_are_pixels_and_unknown_scores_are_absent(tmp_path: Path) -> None:
    coco = reread(tmp_path, [sample(CAT, Detection("dog", FULL_FRAME))])
    cat, dog = coco.loadAnns(coco.getAnnIds())
    assert cat["bbox"] == pytest.approx([10, 3, 20, 15])
    assert cat["area"] == pytest.approx(300)
    assert cat["score"] == 0.875
    assert "score" not in dog
    assert dog["bbox"] == [0, 0, 40, 30]


def test_classes_asked_for_come_first_in_their_order_then_others_as_they_appear(tmp_path: Path) -> None:
    coco = reread(tmp_path, [sample(Detection("bird", FULL_FRAME), CAT)], labels=("dog", "cat"))
    assert [(each["id"], each["name"]) for each in coco.loadCats(coco.getCatIds())] == [
        (1, "dog"),
        (2, "cat"),
        (3, "bird"),
    ]
    assert [coco.cats[each["category_id"]]["name"] for each in coco.loadAnns(coco.getAnnIds())] == ["bird", "cat"]


def test_a_picture_with_nothing_in_it_is_a_negative_and_one_without_an_answer_is_left_out(tmp_path: Path) -> None:
    samples = [
        sample(picture="empty.png", outcome=Outcome.NONE),
        sample(picture="blocked.png", outcome=Outcome.BLOCKED),
        sample(picture="failed.png", outcome=Outcome.FAILED),
        sample(picture="odd.png", outcome=Outcome.UNRECOGNISED),
        Sample("never opened.png", None, Task.DETECT, Result(Outcome.FAILED)),
        sample(CAT, picture="cut.png", outcome=Outcome.TRUNCATED),
        sample(picture="cut before anything.png", outcome=Outcome.TRUNCATED),
    ]
    coco = reread(tmp_path, samples)
    assert [each["file_name"] for each in coco.loadImgs(coco.getImgIds())] == ["empty.png", "cut.png"]
    assert [(each["width"], each["height"]) for each in coco.loadImgs(coco.getImgIds())] == [SIZE_WH, SIZE_WH]


def test_no_pictures_make_a_valid_empty_set(tmp_path: Path) -> None:
    coco = reread(tmp_path, [])
    assert (coco.getImgIds(), coco.getAnnIds()) == ([], [])
    assert exported("json", []) == []


def test_a_mask_without_a_box_gets_its_frame_and_a_point_is_noted_as_left_out() -> None:
    mask = SoftMask(np.ones((4, 4), np.float32), Box(0.5, 0.5, 1, 1))
    file = exported("coco", [sample(Detection("m", mask=mask), Detection("p", point=Point(0.5, 0.5)))])
    assert [each["bbox"] for each in file["annotations"]] == [[20, 15, 20, 15]]
    assert file["images"][0]["notes"] == ["'p' has a point but no box: left out here."]


@pytest.mark.parametrize(("threshold", "area"), [(0, 1200), (127, 600), (255, 0)])
def test_the_threshold_decides_which_pixels_a_soft_mask_has(threshold: int, area: int) -> None:
    probs = np.full((30, 40), 0.25, np.float32)
    probs[:, 20:] = 0.75
    soft = sample(Detection("m", FULL_FRAME, mask=SoftMask(probs, FULL_FRAME)))
    file = exported("coco", [soft], threshold=threshold)
    assert file["annotations"][0]["area"] == area
    assert coco_mask.area(file["annotations"][0]["segmentation"]) == area
    row = exported("json", [soft], threshold=threshold)[0]
    assert coco_mask.area(row["detections"][0]["mask"]) == area


def test_a_result_says_everything_it_knows_in_json() -> None:
    report = SafetyReport(Stage.ANSWER, "SAFETY", "why", (SafetyRating("C", "LOW", True),))
    tokens = tuple(range(16))
    detection = Detection("cat", CAT.box, Point(0.5, 0.25), 0.5, None, tokens)
    result = Result(
        Outcome.BLOCKED, "text", (detection,), (Note(NoteKind.CUT, "cut"),), report, Usage(1.23456, prompt_tokens=3)
    )
    assert result_to_json(result, SIZE_WH) == {
        "outcome": "blocked",
        "text": "text",
        "detections": [
            {
                "label": "cat",
                "box": [0.25, 0.1, 0.75, 0.6],
                "point": [0.5, 0.25],
                "score": 0.5,
                "mask": None,
                "mask_tokens": list(tokens),
            }
        ],
        "notes": [{"kind": "cut", "detail": "cut"}],
        "safety": {
            "stage": "answer",
            "reason": "SAFETY",
            "explanation": "why",
            "ratings": [{"category": "C", "probability": "LOW", "blocked": True}],
        },
        "usage": {
            "seconds": 1.235,
            "prompt_tokens": 3,
            "image_tokens": None,
            "thought_tokens": None,
            "answer_tokens": None,
            "cost_usd": None,
            "requests": None,
        },
    }


def test_what_the_model_did_not_say_is_null() -> None:
    assert set(detection_to_json(Detection(""), SIZE_WH).values()) == {"", None}
    assert result_to_json(Result(Outcome.FOUND), None)["usage"] is None


@pytest.mark.parametrize("picture", [1, None])
def test_which_of_several_pictures_is_said(picture: int | None) -> None:
    assert detection_to_json(Detection("", picture=picture), None)["picture"] == picture
    assert "picture" not in detection_to_json(Detection(""), None)


def test_each_picture_has_a_row_in_json_failed_ones_too() -> None:
    rows = exported("json", [sample(CAT), Sample("b", None, Task.DETECT, Result(Outcome.FAILED, "why"))])
    assert [(row["picture"], row["outcome"], row["text"]) for row in rows] == [
        ("a.png", "found", ""),
        ("b", "failed", "why"),
    ]


@given(st.text())
def test_any_label_comes_back_from_json_and_coco(label: str) -> None:
    odd = sample(Detection(label, FULL_FRAME))
    assert exported("json", [odd])[0]["detections"][0]["label"] == label
    assert exported("coco", [odd])["categories"][0]["name"] == (label.strip() or "object")


def test_a_lone_surrogate_is_still_valid_utf8() -> None:
    assert json.loads(to_bytes("\ud800 \\ ü").decode("utf-8")) == "\ud800 \\ ü"


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_takes_its_samples_once_and_holds_one_at_a_time(name: str) -> None:
    given: list[weakref.ref[Sample]] = []
    held = []

    def samples() -> Iterator[Sample]:
        for place in range(4):
            held.append(sum(each() is not None for each in given))
            one = sample(CAT, picture=f"{place}.png")
            given.append(weakref.ref(one))
            yield one
            del one

    assert list(FORMATS[name](samples(), labels=(), threshold=127))
    assert len(given) == 4
    assert max(held) <= 1


def test_an_export_says_which_picture_it_writes_and_which_it_reads_again(tmp_path: Path) -> None:
    told: list[str] = []
    samples = [sample(CAT, picture="a.png"), sample(CAT, picture="b.png")]
    export_zip(samples, "coco", tmp_path / "a.zip", tell=told.append)
    assert told == [
        "Writing picture 1 of 2",
        "Writing picture 2 of 2",
        "Reading picture 1 of 2 again",
        "Reading picture 2 of 2 again",
    ]


CUT = [
    pytest.param(Task.CAPTION, Result(Outcome.TRUNCATED, "A ca", raw="A ca"), True, id="some words"),
    pytest.param(Task.CAPTION, Result(Outcome.TRUNCATED, "Thinking used …"), False, id="no words"),
    pytest.param(Task.DETECT, Result(Outcome.TRUNCATED, detections=(CAT,), raw="["), True, id="an object"),
    pytest.param(Task.DETECT, Result(Outcome.TRUNCATED, raw="I see"), False, id="no object"),
]


@pytest.mark.parametrize(("task", "result", "labelled"), CUT)
def test_a_cut_answer_labels_a_picture_where_something_whole_is_left(
    task: Task, result: Result, labelled: bool
) -> None:
    assert Sample("a", SIZE_WH, task, result).labelled is labelled


def test_a_class_keeps_its_place() -> None:
    classes = LabelSet(["b", "a", "b"])
    assert [classes.index(name) for name in "abcb"] == [1, 0, 2, 0]
    assert classes.names == ("b", "a", "c")
