"""Files that anybody may have made: each fault is a sentence, the rest is kept, and nothing harms."""

from __future__ import annotations

import contextlib
import io
import json
import stat
import zipfile
from typing import Any

import pytest

from grounding.errors import RequestError
from grounding.exports import FORMATS, export, load
from grounding.exports import bundle as bundles
from tests.label_sets import every_aspect, with_pictures

GOOD = {"bbox": [1, 2, 3, 4], "image_id": 1, "category_id": 1}


def coco(*annotations: Any, **image: Any) -> bytes:
    images = [{"id": 1, "file_name": "a.png", "width": 40, "height": 30} | image]
    categories = [{"id": 1, "name": "cat"}]
    return json.dumps({"images": images, "annotations": list(annotations), "categories": categories}).encode()


def archive(*members: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


BAD_ANNOTATIONS = [
    pytest.param("text", "not a list of named values", id="not a record"),
    pytest.param({**GOOD, "bbox": [1, 2, 3]}, "not 4 numbers", id="three numbers"),
    pytest.param({**GOOD, "bbox": [1, 2, 0, 4]}, "empty or outside", id="no width"),
    pytest.param({**GOOD, "bbox": [100, 200, 3, 4]}, "empty or outside", id="outside"),
    pytest.param({**GOOD, "bbox": ["x", 2, 3, 4]}, "not a number", id="text coordinate"),
    pytest.param({**GOOD, "bbox": [10**400, 2, 3, 4]}, "not a number", id="huge coordinate"),
    pytest.param({**GOOD, "bbox": None}, "neither a box nor a mask", id="no place"),
    pytest.param({**GOOD, "category_id": 9}, "no category 9", id="unknown class"),
    pytest.param({**GOOD, "category_id": [1]}, "no category", id="class of another type"),
    pytest.param({**GOOD, "score": 1.5}, "between 0 and 1", id="score above one"),
    pytest.param({**GOOD, "score": "high"}, "not a number", id="score in words"),
    pytest.param({**GOOD, "segmentation": [[1, 2, 3]]}, "odd number", id="odd outline"),
    pytest.param({**GOOD, "segmentation": {"size": [30, 40], "counts": "zz"}}, "run lengths", id="cut RLE"),
    pytest.param({**GOOD, "segmentation": {"size": [30, 40], "counts": [7]}}, "do not add up", id="short RLE"),
    pytest.param({**GOOD, "segmentation": {"size": [3, 4], "counts": [12]}}, "another size", id="RLE of another size"),
    pytest.param({**GOOD, "segmentation": {"size": [10**9, 10**9], "counts": [1]}}, "not possible", id="giant RLE"),
    pytest.param({**GOOD, "image_id": 7}, "no picture of this file", id="no such picture"),
]


@pytest.mark.parametrize(("bad", "sentence"), BAD_ANNOTATIONS)
def test_a_bad_annotation_is_told_and_the_good_one_is_kept(bad: Any, sentence: str) -> None:
    read = load(coco(bad, GOOD))
    assert [len(each.result.detections) for each in read.samples] == [1]
    (problem,) = read.problems
    assert sentence in problem


def test_a_crowd_is_read_as_one_object_and_said_to_be() -> None:
    read = load(coco({**GOOD, "iscrowd": 1}))
    assert len(read.samples[0].result.detections) == 1
    assert "crowd" in read.problems[0]


def test_an_annotation_without_a_score_has_none() -> None:
    assert load(coco(GOOD)).samples[0].result.detections[0].score is None


UNREADABLE = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"{", id="half a JSON"),
    pytest.param(b"[" * 100_000, id="deep JSON"),
    pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
    pytest.param(b"<annotation>", id="half an XML"),
    pytest.param(b"PAR1 is no table PAR1", id="half a Parquet"),
    pytest.param(b"a,b\n1,2\n", id="another table"),
    pytest.param(b"PK\x03\x04 broken PK\x05\x06" + b"\0" * 18, id="half an archive"),
    pytest.param(coco(GOOD, width=0), id="a picture of no width"),
    pytest.param(b'{"images": 3, "annotations": []}', id="COCO of another shape"),
]


@pytest.mark.parametrize("content", UNREADABLE)
@pytest.mark.parametrize("name", [None, *sorted(FORMATS)])
def test_what_cannot_be_read_is_one_short_sentence(content: bytes, name: str | None) -> None:
    with pytest.raises(RequestError) as told:
        load(content, name)
    assert len(str(told.value)) < 200
    assert "Error" not in str(told.value)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../annotations.json", id="above"),
        pytest.param("a/../../annotations.json", id="above, later"),
        pytest.param("/etc/annotations.json", id="absolute"),
        pytest.param("C:\\annotations.json", id="drive"),
        pytest.param("..\\annotations.json", id="above, Windows"),
    ],
)
def test_a_name_that_leads_out_of_the_archive_is_refused(name: str) -> None:
    read = load(archive((name, coco(GOOD)), ("good.json", coco(GOOD))))
    assert len(read.samples) == 1
    assert "leads out of the archive" in read.problems[0]


def test_a_link_in_an_archive_is_not_followed() -> None:
    link = zipfile.ZipInfo("annotations.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    read = load(archive((link, b"/etc/passwd"), ("good.json", coco(GOOD))))
    assert "a link" in read.problems[0]


def test_an_archive_that_unpacks_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_FILE_BYTES", 10_000)
    bomb = archive(("bomb.json", b" " * 1_000_000), ("good.json", coco(GOOD)))
    read = load(bomb, "coco")
    assert len(read.samples) == 1
    assert "unpacks to more" in read.problems[0]


ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<annotations><image id="0" name="&c;" width="4" height="4"/></annotations>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<annotation><filename>&x;</filename></annotation>"""


@pytest.mark.parametrize("content", [pytest.param(ENTITIES, id="bomb"), pytest.param(OUTSIDE, id="outside file")])
@pytest.mark.parametrize("name", ["voc", "cvat"])
def test_entities_in_xml_are_refused(content: bytes, name: str) -> None:
    with pytest.raises(RequestError, match="entities"):
        load({"a.xml": content}, name)


YOLO_LINES = [
    pytest.param("0 0.5 0.5", "too few", id="three numbers"),
    pytest.param("7 0.5 0.5 0.2 0.2", "no class 7", id="unknown class"),
    pytest.param("x 0.5 0.5 0.2 0.2", "not a number", id="class in words"),
    pytest.param("0 0.5 nan 0.2 0.2", "not a number", id="NaN"),
    pytest.param("0 0.1 0.1 0.2 0.2 0.3 9", "not within 0 and 1", id="outline outside"),
    pytest.param("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "odd number", id="odd outline"),
    pytest.param("0 0.5 0.5 0 0", "empty", id="no area"),
]


@pytest.mark.parametrize(("line", "sentence"), YOLO_LINES)
def test_a_bad_yolo_line_is_told_and_the_others_are_kept(line: str, sentence: str) -> None:
    (sample,) = with_pictures(every_aspect()[:1])
    assert sample.file is not None
    files = {
        "data.yaml": b"names: [cat]",
        "labels/every.txt": f"{line}\n0 0.5 0.5 0.2 0.2 0.75\n".encode(),
        "images/every.png": sample.file(),
    }
    read = load(files)
    assert [each.score for each in read.samples[0].result.detections] == [0.75]
    assert sentence in read.problems[0]


@pytest.mark.parametrize(
    ("text", "yolo"),
    [
        pytest.param("0 0.5 0.5 0.2 0.2\n", True, id="a box"),
        pytest.param("\n0 0.1 0.1 0.2 0.2 0.3 0.3\n", True, id="an outline"),
        pytest.param("every\n", False, id="a list of pictures"),
        pytest.param("'cat'\n'dog'\n", False, id="a list of classes"),
        pytest.param("1 2 3\n", False, id="too few numbers"),
        pytest.param("0 0.5 nan 0.2 0.2\n", False, id="NaN"),
        pytest.param("five words that are none\n", False, id="words"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_texts_beside_pictures_are_yolo_only_where_they_hold_boxes(text: str, yolo: bool) -> None:
    files = {"set/every.txt": text.encode(), "set/more.txt": b"\xff\xfe", "ANNOUNCED.TXT": b"hello"}
    if yolo:
        read = load(files)
        assert read.format.name.startswith("yolo")
        assert "set/every" in [each.picture for each in read.samples]
    else:
        with pytest.raises(RequestError, match="No labels are found"):
            load(files)


def test_labels_made_for_another_size_are_told() -> None:
    (sample,) = with_pictures(every_aspect()[:1])
    assert sample.file is not None
    read = load({"annotations.json": coco(GOOD, width=30, height=40), "a.png": sample.file()})
    assert read.problems == ("a.png: The picture is 40 x 30, its labels were made for 30 x 40.",)


def test_thousands_of_faults_are_counted_not_listed() -> None:
    read = load(coco(*[{**GOOD, "bbox": [0, 0, 0, 0]}] * 1000, GOOD))
    assert len(read.problems) == bundles.MAX_PROBLEMS + 1
    assert "800 more" in read.problems[-1]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_cut_file_raises_anything_but_a_sentence(name: str) -> None:
    """Each file of an export, cut short at some places and with a byte changed."""
    files = dict(export(every_aspect(), name).files)
    for victim, content in files.items():
        for cut in (1, len(content) // 3, len(content) - 2):
            for damaged in (content[:cut], content[:cut] + b"\x00" + content[cut + 1 :]):
                with contextlib.suppress(RequestError):
                    load({**files, victim: damaged}, name)
