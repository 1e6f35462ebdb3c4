"""What a person corrected is not lost when another picture comes: the visit is kept, and brought back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from grounding import images
from grounding.types import Box, Detection, Outcome, Result, Review, Task
from ui import actions
from ui.left_behind import leaving, work
from ui.state import Answer, Session, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def picture(shelf: Shelf, name: str = "a.png") -> Session:
    return actions.give(images.load(Image.new("RGB", (40, 30)), name=name), shelf)


def corrected(now: Session, review: Review = Review.ACCEPTED) -> Session:
    found = (Detection("cat", Box(0, 0, 1, 1), review=review),)
    return replace(now, answer=Answer(Task.DETECT, "cat", "m", Result(Outcome.FOUND, "", found)))


def test_another_picture_keeps_the_visit_before_where_a_person_worked(shelf: Shelf) -> None:
    before, after = corrected(picture(shelf)), picture(shelf)
    assert work(before) == 1
    assert leaving(before, after).left is not None
    assert leaving(before, after).picture is after.picture
    assert leaving(corrected(picture(shelf), Review.OPEN), after).left is None, "nothing was corrected"


def test_it_is_remembered_over_further_pictures_until_it_is_brought_back(shelf: Shelf) -> None:
    worked = corrected(picture(shelf))
    now = leaving(leaving(worked, picture(shelf)), picture(shelf))
    assert now.left is not None
    assert now.left.answer is worked.answer
    back = leaving(now, now.left)
    assert back.answer is worked.answer
    assert back.left is None


def test_brought_back_from_one_that_was_worked_on_too_that_one_is_kept(shelf: Shelf) -> None:
    first = corrected(picture(shelf))
    second = corrected(leaving(first, picture(shelf, "b.png")))
    assert second.left is not None
    back = leaving(second, second.left)
    assert back.left is not None
    assert back.left.answer is second.answer
    assert back.left.left is None, "one visit is remembered, not all of them"


def test_pictures_beside_it_leave_nothing_behind(shelf: Shelf) -> None:
    before = corrected(picture(shelf))
    assert leaving(before, Session().showing((*before.sheets, *picture(shelf).sheets), 1)).left is None
