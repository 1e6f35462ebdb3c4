"""A batch looked at while its thread works: whatever comes in between, no look tells of what never was."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from grounding.images import load
from grounding.types import Outcome, Result
from jobs.batch import Batch
from jobs.run import Progress
from jobs.tally import Facts, Tally
from jobs.work import answered
from tests.ui.batching import wanted
from ui.batch_state import Going, Standing


@pytest.fixture
def going(tmp_path: Path) -> Going:
    begun = wanted()
    return Going("1", Batch.create(tmp_path / "1", begun.job, begun.given))


def test_finished_pictures_are_shown_newest_first_by_when_they_were_begun(going: Going) -> None:
    for at in (1, 0, 4, 2, 3):
        picture = load(Image.new("RGB", (8, 6)), name=f"{at}.png")
        going.draw(picture, answered(picture.name, picture, Result(Outcome.NONE), going.batch.job), float(at))
    assert [each.name for each in going.look(0).finished] == ["4.png", "3.png", "2.png", "1.png", "0.png"]


def test_what_ended_meanwhile_is_not_told_with_less_than_came_of_it(going: Going) -> None:
    class Ending:
        """A journal that gets its last picture, after which the batch ends, while somebody reads it."""

        kept = Tally()

        def tally(self) -> Tally:
            before = self.kept.copy()
            if not before.labelled:
                self.kept.put("a.png", Facts(Outcome.NONE, True))
                going.ends(Standing.DONE)
            return before

        def cost_usd(self) -> None:
            pass

    journal: Any = Ending()
    going.begins(journal)
    look = going.look(0)
    assert (look.standing, look.tally.labelled) != (Standing.DONE, 0)
    look = going.look(0)
    assert (look.standing, look.tally.labelled) == (Standing.DONE, 1)


def test_whoever_sees_that_it_ended_may_go_on_with_it(going: Going) -> None:
    seen: list[bool] = []

    class Ended(threading.Event):
        """Somebody looks just before it is set."""

        def set(self) -> None:
            look = threading.Thread(target=lambda: seen.append(going.look(0).standing.busy or self.is_set()))
            look.start()
            look.join(0.2)
            super().set()
            looks.append(look)

    looks: list[threading.Thread] = []
    going.standing, going.ended = Standing.RUNNING, Ended()
    going.ends(Standing.STOPPED)
    looks[0].join(60)
    assert seen == [True]


def test_an_answer_that_was_under_way_does_not_end_a_wait(going: Going) -> None:
    picture = load(Image.new("RGB", (8, 6)), name="a.png")
    sample = answered(picture.name, picture, Result(Outcome.NONE), going.batch.job)
    going.tell(Progress(0, 8))
    going.tell(Progress(0, 8, waiting_s=1000))
    going.tell(Progress(1, 8, sample))
    assert going.look(0).waiting_s > 0
