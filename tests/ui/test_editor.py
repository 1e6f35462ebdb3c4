"""The picture as the page's editor gets it, and corrections on their way into the session and the downloads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from grounding import images
from grounding.errors import RequestError
from grounding.overlays import OVERLAYS
from grounding.settings import Settings
from grounding.types import Box, Detection, Outcome, Result, Review, Task, View
from tests.ui.echo import EchoPool, round_mask
from ui import actions, corrections, editor, label_files
from ui.form import read_form
from ui.state import Answer, Session, Shelf

SCRIPTS = Path(__file__).parents[2] / "assets" / "js" / "editor"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "pictures")


@pytest.fixture
def session(shelf: Shelf) -> Session:
    given = actions.give(images.load(Image.new("RGB", (400, 300), "steelblue"), name="blue.png"), shelf)
    form = read_form(Task.SEGMENT, {"prompt": "cat; dog"}, Settings())
    return actions.answer(form, given, EchoPool(Settings()), shelf)


def post(session: Session, **over: object) -> dict[str, Any]:
    """What the page posts: everything as it is, but for the first object."""
    scene = corrections.scene(session)
    assert scene is not None
    objects = [
        {key: each[key] for key in ("id", "label", "box", "point", "review")}
        | {"mask": {"from": "model", "frame": each["mask"]["frame"], "threshold": None}}
        for each in scene["objects"]
    ]
    objects[0] |= over
    return {"key": scene["key"], "sequence": 1, "objects": objects}


def found(session: Session) -> tuple[Detection, ...]:
    assert session.answer is not None
    return session.answer.result.detections


def written(session: Session, form: str, shelf: Shelf) -> Any:
    return json.loads(label_files.offer(session, form, View(), shelf).path.read_bytes())


def test_the_page_gets_the_picture_once_and_every_soft_mask(session: Session) -> None:
    scene = corrections.scene(session)
    assert scene is not None
    assert (scene["picture"]["w"], scene["picture"]["h"]) == (400, 300)
    assert scene["labels"] == ["cat", "dog"]
    assert [each["mask"]["size"] for each in scene["objects"]] == [[64, 64], [64, 64]]
    assert scene["objects"][0]["origin"]["prompt"] == "cat; dog"
    assert [each["score"] for each in scene["objects"]] == [0.9, None]
    assert "/" not in json.dumps({**scene, "picture": {**scene["picture"], "file": None}, "objects": []})


def test_a_correction_reaches_every_download(session: Session, shelf: Shelf) -> None:
    box = [0.25, 0.5, 0.75, 1.0]
    after = corrections.correct(session, post(session, label="lynx", box=box, review="accepted"))
    coco = written(after, "coco", shelf)
    names = {each["id"]: each["name"] for each in coco["categories"]}
    assert [names[each["category_id"]] for each in coco["annotations"]] == ["lynx", "dog"]
    assert coco["annotations"][0]["bbox"] == pytest.approx([100, 150, 200, 150])
    said = written(after, "json", shelf)[0]["detections"][0]
    assert (said["label"], said["box"]) == ("lynx", box)
    before, now = (
        np.asarray(Image.open(BytesIO(actions.full_picture(each, View(("box",)), shelf)))) for each in (session, after)
    )
    assert np.any(before[299, 150:250] != now[299, 150:250])


def test_what_is_rejected_is_in_no_data_set_and_no_picture(session: Session, shelf: Shelf) -> None:
    posted = post(session, review="rejected")
    posted["objects"][1]["review"] = "rejected"
    after = corrections.correct(session, posted)
    assert written(after, "coco", shelf)["annotations"] == []
    drawn = np.asarray(Image.open(BytesIO(actions.full_picture(after, View(), shelf))))
    assert np.unique(drawn.reshape(-1, 3), axis=0).shape[0] == 1
    assert [each.review for each in found(after)] == [Review.REJECTED] * 2


def test_corrections_go_on_from_corrections_and_back_to_the_model(session: Session) -> None:
    once = corrections.correct(session, post(session, label="lynx"))
    twice = corrections.correct(once, post(session, label="tiger"))
    assert found(twice)[0].label_before == "cat"
    back = corrections.correct(twice, post(session))
    assert found(back)[0].label == "cat"
    assert found(back)[0].label_before is None


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(None, id="nothing"),
        pytest.param("edit", id="a word"),
        pytest.param([], id="a list"),
        pytest.param({}, id="no key"),
        pytest.param({"key": "of another answer", "objects": []}, id="another answer's key"),
        pytest.param({"key": None, "objects": []}, id="no key at all"),
    ],
)
def test_a_correction_of_something_else_changes_nothing(session: Session, odd: Any) -> None:
    before = found(session)
    with pytest.raises(RequestError, match="not kept"):
        corrections.correct(session, odd)
    assert found(session) is before


def test_a_key_alone_does_not_let_odd_objects_in(session: Session) -> None:
    posted = post(session, box=[0, 0, 5, 5])
    with pytest.raises(RequestError, match="outside"):
        corrections.correct(session, posted)


def test_a_cut_answer_stays_one_whatever_is_corrected(session: Session) -> None:
    assert session.answer is not None
    result = replace(session.answer.result, outcome=Outcome.TRUNCATED)
    cut = replace(session, answer=replace(session.answer, result=result))
    after = corrections.correct(cut, post(cut, label="lynx"))
    assert after.answer is not None
    assert after.answer.result.outcome is Outcome.TRUNCATED


def test_a_person_may_draw_where_nobody_was_asked(shelf: Shelf) -> None:
    bare = actions.give(images.load(Image.new("RGB", (40, 30)), name="a.png"), shelf)
    scene = corrections.scene(bare)
    assert scene is not None
    drawn = {"id": 0, "label": "cup", "box": [0, 0, 0.5, 0.5], "point": None, "review": "open", "mask": None}
    after = corrections.correct(bare, {"key": scene["key"], "objects": [drawn]})
    assert after.answer is not None
    assert after.answer.result.outcome is Outcome.FOUND
    again = corrections.scene(after)
    assert again is not None
    assert again["key"] == scene["key"]  # the page goes on correcting the same thing
    assert written(after, "coco", shelf)["annotations"][0]["bbox"] == [0, 0, 20, 15]


def test_the_same_number_twice_in_an_answer_is_told_apart() -> None:
    twins = tuple(Detection("cat", Box(0, 0, 0.5, 0.5), mask=round_mask(Box(0, 0, 0.5, 0.5)), id=3) for _ in range(2))
    answer = Answer(Task.DETECT, "cat", "m", Result(Outcome.FOUND, detections=twins))
    assert [each.id for each in corrections._said(answer)] == [0, 1]


def test_without_a_picture_there_is_nothing_to_show() -> None:
    assert corrections.scene(Session()) is None
    with pytest.raises(RequestError, match="no picture"):
        corrections.correct(Session(), {})


def test_the_page_can_draw_every_overlay_that_can_be_chosen() -> None:
    said = (SCRIPTS / "marks.js").read_text()
    known = set(re.findall(r"^  (\w+): ", said, re.MULTILINE)) | set(re.findall(r'"(\w+)"', said))
    assert set(OVERLAYS) <= known


def test_the_scripts_are_plain_modules_from_nowhere_else_and_of_readable_size() -> None:
    for path in SCRIPTS.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path.name
        assert all(name.startswith("./") for name in re.findall(r'from "([^"]+)"', text)), path.name
        assert len(text.splitlines()) <= 400, path.name
        assert "innerHTML" not in text, path.name


def test_every_version_of_the_scripts_has_its_own_address() -> None:
    (mount,) = editor.routes()
    assert re.fullmatch(r"/pinpoint/\w{12}", mount.path)  # type: ignore[attr-defined]
