"""A clip on the page: its moments, the question about each of them, and the film of what was found."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding import video
from grounding.errors import BackendError, ImageError, RequestError, Stopped
from grounding.settings import Settings
from grounding.types import Outcome, Request, Result, Review, Task, View
from tests.clip import bar_at, clip
from tests.ui.echo import Echo, EchoPool
from ui import clips, corrections, markup, picture_panel, projects, strip
from ui.desk import Desk
from ui.each import answer_each
from ui.form import Form, read_form
from ui.state import Session, Shelf


@pytest.fixture
def pool() -> EchoPool:
    return EchoPool(Settings())


@pytest.fixture
def desk(tmp_path: Path, pool: EchoPool) -> Desk:
    return Desk(Settings(projects=str(tmp_path / "projects")), pool, Shelf(tmp_path / "pictures"))


@pytest.fixture
def walk(tmp_path: Path) -> str:
    (tmp_path / "walk.mp4").write_bytes(clip(30))
    return str(tmp_path / "walk.mp4")


@pytest.fixture
def session(desk: Desk, walk: str) -> Session:
    return picture_panel.take_all([walk], Session(), desk)


def form(prompt: str = "cat; dog", task: Task = Task.DETECT) -> Form:
    return read_form(task, {"prompt": prompt, "backend": "paligemma"}, Settings())


def moments(session: Session) -> list[float | None]:
    return [each.picture.at_s for each in session.sheets]


def test_a_dropped_clip_becomes_eight_moments_evenly_spread(session: Session, desk: Desk) -> None:
    assert moments(session) == pytest.approx([0.1, 0.5, 0.9, 1.3, 1.6, 2.0, 2.4, 2.8], abs=0.051)
    assert session.place == 0
    for sheet in session.sheets:
        pixels = np.asarray(desk.shelf.open(sheet.picture).image)
        assert bar_at(pixels) == round((sheet.picture.at_s or 0) * 10)


def test_the_strip_tells_each_moment_and_what_was_found(session: Session, desk: Desk, pool: EchoPool) -> None:
    shown = strip.drawn(session)
    assert shown.count("pp-thumb") == 8
    assert "<b>0:00.1</b>" in shown
    assert "walk.mp4" in shown
    answered = answer_each(form(), session, pool, desk.shelf)
    assert "16 objects in 8 asked about" in strip.drawn(answered)


def test_a_clip_is_given_by_itself(session: Session, desk: Desk, walk: str) -> None:
    with pytest.raises(RequestError, match="by itself"):
        picture_panel.take_all([walk, walk], Session(), desk)
    with pytest.raises(RequestError, match="by itself"):
        picture_panel.take_all([walk], session, desk)


def test_a_damaged_clip_ends_in_a_sentence(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(clip(30)[:900])
    with pytest.raises(ImageError, match="damaged"):
        picture_panel.take_all([str(tmp_path / "cut.mp4")], Session(), desk)


def test_moments_that_could_not_be_read_are_told_beside_the_picture(desk: Desk, tmp_path: Path) -> None:
    whole = clip(30, options={"movflags": "+faststart"}, gop=5)
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    session = picture_panel.take_all([str(tmp_path / "cut.mp4")], Session(), desk)
    lost = 8 - len(session.sheets)
    assert lost > 0
    for place in range(len(session.sheets)):
        shown = session.showing(session.sheets, place)
        assert f"{lost} of 8 moments could not be read" in markup.current_picture(shown.picture)
    kept = moments(session)[0]
    assert "could not" not in markup.current_picture(clips.pick(session, str(kept), desk.shelf).picture)


WISHES = [
    pytest.param("1", [1.5], id="one"),
    pytest.param(" 3 ", [0.5, 1.5, 2.5], id="three"),
    pytest.param("0:01.5; 0:02", [1.5, 2.0], id="minutes and seconds"),
    pytest.param("2, 0.5s 0.5", [0.5, 2.0], id="seconds, out of order, one twice"),
    pytest.param("0:00; 3", [0.0, 2.9], id="the ends"),
]


@pytest.mark.parametrize(("wish", "expected"), WISHES)
def test_moments_are_picked_by_number_or_by_name(
    session: Session, desk: Desk, wish: str, expected: list[float]
) -> None:
    assert moments(clips.pick(session, wish, desk.shelf)) == pytest.approx(expected, abs=0.01)


ODD = ["", "0", "17", "-1", "many", "1:2:3", "0:99:1", "4.5; 1", None, True, ["2"], "; ".join(["0.1"] * 17)]


@pytest.mark.parametrize("wish", ODD, ids=str)
def test_odd_wishes_are_refused_in_a_sentence(session: Session, desk: Desk, wish: object) -> None:
    with pytest.raises(RequestError):
        clips.pick(session, wish, desk.shelf)


def test_moments_that_stay_keep_their_answers(session: Session, desk: Desk, pool: EchoPool) -> None:
    answered = answer_each(form(), session, pool, desk.shelf)
    kept = moments(answered)[2]
    picked = clips.pick(answered, f"{kept}; 2.9", desk.shelf)
    assert [bool(each.answer) for each in picked.sheets] == [True, False]
    assert picked.sheets[0].picture is answered.sheets[2].picture


def told(session: Session) -> str:
    return markup.current_picture(session.picture)


def corrected(session: Session, place: int) -> Session:
    """The moment at `place` on the stage, its first object relabelled."""
    shown = session.showing(session.sheets, place)
    scene = corrections.scene(shown)
    assert scene is not None
    objects = [{key: each[key] for key in ("id", "label", "box", "point", "review")} for each in scene["objects"]]
    objects = [{**each, "mask": None} for each in objects]
    objects[0]["label"] = "lynx"
    return corrections.correct(shown, {"key": scene["key"], "objects": objects})


def test_pictures_beside_a_clip_stay_when_other_moments_are_picked(
    session: Session, desk: Desk, pool: EchoPool, tmp_path: Path
) -> None:
    Image.new("RGB", (40, 30), "steelblue").save(tmp_path / "one.png")
    beside = picture_panel.take_all([str(tmp_path / "one.png")], session, desk)
    answered = answer_each(form(), beside, pool, desk.shelf)
    picked = clips.pick(answered, "2", desk.shelf)
    assert [each.picture.at_s is None for each in picked.sheets] == [False, False, True]
    assert picked.sheets[2].answer is answered.sheets[8].answer
    assert len(clips.pick(answered, "15", desk.shelf).sheets) == 16
    with pytest.raises(RequestError, match="1 picture is beside the moments"):
        clips.pick(answered, "16", desk.shelf)


def test_corrected_moments_that_go_are_told_once(session: Session, desk: Desk, pool: EchoPool) -> None:
    now = corrected(corrected(answer_each(form(), session, pool, desk.shelf), 2), 5)
    stays = moments(now)[2]
    assert "corrected" not in told(clips.pick(now, f"{stays}; {moments(now)[5]}", desk.shelf))
    picked = clips.pick(now, f"{stays}; 2.9", desk.shelf)
    assert "1 corrected moment is no longer here" in told(picked)
    assert "2 corrected moments are" in told(clips.pick(now, "2.9", desk.shelf))
    again = clips.pick(picked, str(stays), desk.shelf)
    assert "corrected" not in told(again)
    assert [each.label for each in again.answer.result.detections] == ["lynx", "dog"]  # type: ignore[union-attr]
    put = projects.add(now, desk.projects, "me", "Walk", new=True)
    assert "corrected" not in told(clips.pick(put, "2.9", desk.shelf)), "they are in the project"


def test_a_clip_that_was_deleted_meanwhile_says_so(session: Session, desk: Desk) -> None:
    assert session.reel is not None
    session.reel.path.unlink()
    with pytest.raises(ImageError, match="two hours"):
        clips.pick(session, "3", desk.shelf)


def test_a_model_that_sees_one_picture_is_asked_about_each(session: Session, desk: Desk, pool: EchoPool) -> None:
    heard: list[tuple[int, bool]] = []
    turned = session.showing(session.sheets, 3)
    answered = answer_each(
        form(), turned, pool, desk.shelf, None, lambda place, said: heard.append((place, bool(said)))
    )
    assert len(pool.echo.requests) == 8
    assert all(len(each.images) == 1 for each in pool.echo.requests)
    assert [each.images[0].size_wh for each in pool.echo.requests] == [(160, 96)] * 8
    assert [len(each.answer.result.detections) for each in answered.sheets if each.answer] == [2] * 8
    assert (answered.place, answered.answer) == (3, answered.sheets[3].answer)
    assert [place for place, said in heard if not said] == list(range(8))


class Failing(Echo):
    """Fails at the request numbered `at`, or is told to stop there."""

    at = 4
    stop: threading.Event | None = None

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        if len(self.requests) + 1 == self.at:
            self.requests.append(request)
            if self.stop is None:
                raise BackendError("The service is busy. Try again in a minute.")
            self.stop.set()
            raise Stopped
        return super().predict(request, stop)


def test_a_failure_half_way_keeps_what_came_and_says_where_it_ended(
    session: Session, desk: Desk, pool: EchoPool
) -> None:
    pool.echo = Failing()
    ended = answer_each(form(), session, pool, desk.shelf)
    assert len(pool.echo.requests) == 4, "nothing is asked after a failure"
    assert [bool(each.answer) for each in ended.sheets] == [True] * 4 + [False] * 4
    assert ended.place == 3
    assert ended.answer is not None
    assert (ended.answer.result.outcome, ended.answer.result.text[:20]) == (Outcome.FAILED, "The service is busy.")
    assert "3 of 8" in ended.answer.result.notes[0].detail
    assert 'title="No answer came here"' in strip.drawn(ended)


def test_a_stop_half_way_keeps_what_came_and_says_so(session: Session, desk: Desk, pool: EchoPool) -> None:
    pool.echo = Failing()
    pool.echo.stop = threading.Event()
    ended = answer_each(form(), session, pool, desk.shelf, pool.echo.stop)
    assert [bool(each.answer) for each in ended.sheets] == [True] * 3 + [False] * 5
    assert ended.place == 2
    assert ended.answer is not None
    assert "You stopped this. 3 of 8" in ended.answer.result.notes[0].detail


@pytest.mark.parametrize(
    ("echo", "gone", "place", "far"),
    [
        pytest.param(Echo, {0, 5}, 1, "6 of 8 pictures were asked about, 2 were removed meanwhile.", id="to the end"),
        pytest.param(Failing, {2, 7}, 4, "3 of 8 pictures were asked about, 1 was removed meanwhile; the", id="failed"),
    ],
)
def test_pictures_removed_meanwhile_are_not_asked_about_but_counted(
    session: Session, desk: Desk, pool: EchoPool, echo: type[Echo], gone: set[int], place: int, far: str
) -> None:
    pool.echo = echo()
    away = {session.sheets[place].picture for place in gone}
    turned = session.showing(session.sheets, 1)
    ended = answer_each(form(), turned, pool, desk.shelf, removed=lambda sheet: sheet.picture in away)
    assert ended.place == place
    assert not any(ended.sheets[place].answer for place in gone)
    assert ended.answer is not None
    assert far in ended.answer.result.notes[0].detail


def test_a_stop_behind_a_removed_picture_keeps_what_came(session: Session, desk: Desk, pool: EchoPool) -> None:
    pool.echo = Failing()
    pool.echo.stop = threading.Event()
    away = session.sheets[2].picture
    ended = answer_each(form(), session, pool, desk.shelf, pool.echo.stop, removed=lambda sheet: sheet.picture is away)
    assert [bool(each.answer) for each in ended.sheets] == [True, True, False, True, *[False] * 4]
    assert ended.place == 3
    assert ended.answer is not None
    assert "You stopped this. 3 of 8 pictures were asked about, 1 was removed" in ended.answer.result.notes[0].detail


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "failed"])
def test_where_not_even_the_first_came_nothing_changes(
    session: Session, desk: Desk, pool: EchoPool, stopped: bool
) -> None:
    pool.echo = Failing()
    pool.echo.at = 1
    pool.echo.stop = threading.Event() if stopped else None
    with pytest.raises(Stopped if stopped else BackendError):
        answer_each(form(), session, pool, desk.shelf, pool.echo.stop)


def test_one_picture_that_is_blocked_takes_no_other_with_it(session: Session, desk: Desk, pool: EchoPool) -> None:
    answered = answer_each(form("blocked"), session, pool, desk.shelf)
    assert {each.answer.result.outcome for each in answered.sheets if each.answer} == {Outcome.BLOCKED}
    assert len(pool.echo.requests) == 8


def test_no_key_stays_with_the_answers(session: Session, desk: Desk, pool: EchoPool) -> None:
    asked = replace(form(), api_key="AIzaSyCANARY0000000000")
    assert "CANARY" not in repr(answer_each(asked, session, pool, desk.shelf))


def test_the_film_shows_the_drawn_moments_in_order(session: Session, desk: Desk, pool: EchoPool) -> None:
    answered = answer_each(form("cat"), session, pool, desk.shelf)
    path = clips.save_film(answered, View(), desk.shelf)
    assert path.name == "walk-pinpoint.mp4"
    written = video.load(path)
    assert written.seconds == pytest.approx(2.9, abs=0.25), "as long as the clip from its first moment"
    plain = video.load(clips.save_film(session, View(), desk.shelf))
    drawn, bare = (next(video.pick(each, (0.2,))).picture.image for each in (written, plain))
    assert np.abs(np.asarray(drawn).astype(int) - np.asarray(bare)).max() > 100


def test_what_a_person_rejected_is_not_in_the_film(session: Session, desk: Desk, pool: EchoPool) -> None:
    answered = answer_each(form("cat"), clips.pick(session, "1", desk.shelf), pool, desk.shelf)
    assert answered.answer is not None
    thrown = [replace(each, review=Review.REJECTED) for each in answered.answer.result.detections]
    result = replace(answered.answer.result, detections=tuple(thrown))
    without = clips.save_film(replace(answered, answer=replace(answered.answer, result=result)), View(), desk.shelf)
    bare = clips.save_film(clips.pick(session, "1", desk.shelf), View(), desk.shelf)
    assert without.read_bytes() == bare.read_bytes()


@pytest.mark.parametrize("ask", [clips.save_film, lambda now, view, shelf: clips.pick(now, "3", shelf)])
def test_without_a_clip_there_is_nothing_to_pick_or_to_film(ask: Callable[..., object], desk: Desk) -> None:
    with pytest.raises(RequestError, match="no clip"):
        ask(Session(), View(), desk.shelf)
