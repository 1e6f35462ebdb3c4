"""What is said before a batch begins: how many pictures, calls, tokens, dollars, and how long."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backends.paligemma_planner import Paces
from grounding.settings import Settings
from grounding.types import Harm, Level, Options, Task
from jobs.batch import Given
from tests.ui.batching import Patient, pool_of, zipped
from ui.batch_estimate import Counted, before, count
from ui.batches import Batches
from ui.form import Form


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    return Batches(tmp_path / "batches", Settings(), pool_of(Settings(), Patient()))


def form(backend: str = "gemini", model: str = "gemini-2.5-flash", **more: object) -> Form:
    return Form(Task.DETECT, "", ("cat", "dog"), backend, model, **more)  # type: ignore[arg-type]


def told(asked: Form | None, counted: Counted, batches: Batches, rate: float | None = None) -> str:
    return re.sub("<[^>]+>", "|", before(asked, counted, Paces(), batches, rate))


def test_pictures_are_counted_sized_and_what_is_passed_over_is_named(tmp_path: Path, batches: Batches) -> None:
    archive = zipped(tmp_path / "set.zip", 30)
    (tmp_path / "notes.zip").write_bytes(b"")
    counted = count(Given(addresses=("https://a.org/b.png", "https://a.org/b.png")), (archive,), batches, Counted())
    assert (counted.pictures, counted.exact, counted.more) == (31, True, False)
    assert set(counted.sizes_wh) == {(64, 40)}
    some = count(Given(most=10), (archive,), batches, Counted())
    assert (some.pictures, some.more) == (10, True)
    assert "Only the first 10 are taken" in told(None, some, batches)
    unread = count(Given(), (tmp_path / "notes.zip",), batches, Counted())
    assert "not a ZIP archive" in told(None, unread, batches)
    assert count(Given(most=10), (archive,), batches, some) is some, "what was counted is not counted again"


def test_a_folder_that_is_counted_in_part_only_is_taken_whole(
    tmp_path: Path, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ui.batches", "ui.batch_estimate"):
        monkeypatch.setattr(f"{module}.MOST_COUNTED", 20)
    archive = zipped(tmp_path / "set.zip", 30)
    counted = count(Given(), (archive,), batches, Counted())
    said = told(form(), counted, batches)
    assert "At least 20 pictures." in said
    assert "up to 1,000,000 are taken" in said
    assert "Only the first" not in said
    assert "For 20 of them: 20 calls" in said
    assert "Only the first 20 are taken" in told(None, count(Given(most=20), (archive,), batches, Counted()), batches)


@pytest.mark.parametrize(("most", "why"), [(20, "Only the first 20 are taken."), (300, "others use this page too.")])
def test_on_a_shared_page_others_are_the_reason_only_where_its_limit_is_met(
    tmp_path: Path, most: int, why: str
) -> None:
    shared = Settings(host="0.0.0.0")
    batches = Batches(tmp_path / "batches", shared, pool_of(shared, Patient()))
    counted = count(Given(most=most), (zipped(tmp_path / "set.zip", 301),), batches, Counted())
    assert why in told(None, counted, batches)


def test_of_a_data_set_the_number_asked_for_is_the_most(batches: Batches) -> None:
    counted = count(Given(dataset="hf://datasets/a/b", most=100), (), batches, Counted())
    assert (counted.pictures, counted.exact) == (100, False)
    assert "Up to 100 pictures" in told(None, counted, batches)


def test_gemini_is_told_in_calls_tokens_and_dollars_of_a_day(batches: Batches) -> None:
    one = told(form(), Counted(1, sizes_wh=((64, 40),)), batches)
    many = told(form(), Counted(1000, sizes_wh=((64, 40),)), batches)
    assert "1,000 calls" in many
    assert re.search(r"prices of \d{4}-\d\d-\d\d", many)
    dollars = [float(re.search(r"\$([\d.]+) to ask", each)[1]) for each in (one, many)]  # type: ignore[index]
    assert dollars[1] == pytest.approx(1000 * dollars[0], rel=0.1)
    assert "time known after the first answers" in many
    assert "about 17 min at the pace of the last batch" in told(form(), Counted(1000), batches, 1.0)


def test_pictures_elsewhere_count_as_of_a_usual_size_and_it_is_said(batches: Batches) -> None:
    assert "pictures taken as 1024 × 768" in told(form(), Counted(5), batches)


def test_a_model_without_a_price_is_told_so(batches: Batches) -> None:
    assert "no price is known" in told(form(model="some-model-9"), Counted(5), batches)


def test_a_model_here_is_told_in_calls_tokens_and_time_and_what_it_knows(batches: Batches) -> None:
    said = told(form("paligemma", "pinpoint-nano"), Counted(50), batches)
    assert re.search(r"\d+ calls, about [\d,]+ tokens · about .+ or less", said)
    assert "drawn scenes" in said
    assert "time not known" in told(form("paligemma", "someone/else"), Counted(50), batches)


def test_options_of_the_other_page_that_count_here_are_said(batches: Batches) -> None:
    asked = form(options=Options(temperature=0.5, tiles=3), safety={Harm.HARASSMENT: Level.FEW})
    said = told(asked, Counted(5), batches)
    assert "As set on the Picture page: temperature 0.5, harassment: block few." in said
    assert "As set" not in told(form(options=Options(tiles=3)), Counted(5), batches), "Gemini does not heed tiles"


def test_nothing_given_says_nothing(batches: Batches) -> None:
    assert told(form(), Counted(), batches) == ""
