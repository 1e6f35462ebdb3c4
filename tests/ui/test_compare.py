"""Two models or many answers compared, without a page: who is asked, what is said of them, what is taken from them."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import scenes
from grounding import images
from grounding.agreement import Verdict
from grounding.errors import BackendError, ConfigError, RequestError
from grounding.settings import Settings
from grounding.types import FULL_FRAME, Box, Detection, Origin, Outcome, Point, Request, Result, Review, Task
from tests.ui.echo import Echo, EchoPool, Wavering
from ui import actions, compare_markup, compare_page, corrections, estimates, stability_markup, trial
from ui.desk import Desk
from ui.form import Form
from ui.messages import STOPPED, Problem
from ui.sidebar import capabilities
from ui.state import Answer, Session, Shelf
from ui.trial import SHOWN, Side, Trial
from ui.trial_asking import Inquiry, show

KEY = "AIzaSECRETsecret0000000"
EVIL = "<img src=x onerror=alert(1)>"


class Down(Echo):
    """A service that is never there."""

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        raise BackendError("The service is busy. Try again in a minute.")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    pool = EchoPool(Settings())
    pool.twins = {"echo/two": Wavering(), "echo/down": Down()}
    return Desk(Settings(), pool, Shelf(tmp_path / "pictures"))


@pytest.fixture
def session(desk: Desk) -> Session:
    return actions.give(images.load(Image.new("RGB", (400, 300), "steelblue"), name="<blue>.png"), desk.shelf)


def form(model: str = "", prompt: str = "cat; dog", task: Task = Task.DETECT, **values: object) -> Form:
    read = trial.read_side(task, {"prompt": prompt, "model": model, **values}, Settings())
    assert read is not None
    return read


def asked(session: Session, desk: Desk, *forms: Form | None, repeats: bool = False) -> Trial:
    """A trial that was asked to its end."""
    one = next(each for each in forms if each)
    inquiry = Inquiry(trial.begin(one.task, one.prompt, forms, session, repeats=repeats), forms)
    for places in inquiry.shares():
        inquiry.work(places, desk, threading.Event())
    inquiry.take()
    return inquiry.made


def told(first: list[Detection], second: list[Detection], session: Session, prompt: str = "cat") -> Trial:
    """A trial with these answers."""
    sides = [
        Side(name, form(), Result(Outcome.FOUND, "", tuple(found))) for name, found in (("m", first), ("n", second))
    ]
    assert session.picture
    return Trial(session.picture, session.scene, Task.DETECT, prompt, tuple(sides), repeats=False)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize(
    ("read", "value"),
    [
        pytest.param(trial.read_task, "caption", id="words have no places"),
        pytest.param(trial.read_task, None, id="no task"),
        pytest.param(trial.read_task, ["detect"], id="a list"),
        pytest.param(trial.read_iou, 0, id="IoU of nothing"),
        pytest.param(trial.read_iou, 1, id="IoU of everything"),
        pytest.param(trial.read_iou, "0.5", id="IoU as text"),
        pytest.param(trial.read_iou, True, id="IoU as truth"),
        pytest.param(trial.read_iou, float("nan"), id="IoU that is no number"),
        pytest.param(trial.read_times, 1, id="once"),
        pytest.param(trial.read_times, 11, id="too often"),
        pytest.param(trial.read_times, 2.5, id="half a time"),
        pytest.param(trial.read_times, None, id="no times"),
        pytest.param(trial.read_times, float("inf"), id="for ever"),
    ],
)
def test_odd_choices_are_refused_in_a_sentence(read: Any, value: object) -> None:
    with pytest.raises(RequestError, match=r"\.$"):
        read(value)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param({"backend": "nowhere"}, ConfigError, id="no such backend"),
        pytest.param({"backend": "gemini"}, ConfigError, id="no key"),
        pytest.param({"prompt": " "}, RequestError, id="nothing to find"),
        pytest.param({"temperature": "hot"}, RequestError, id="a temperature in words"),
        pytest.param({"temperature": "3"}, RequestError, id="too hot"),
        pytest.param({"model": "../../etc/passwd"}, RequestError, id="a path"),
        pytest.param({"backend": "gemini", "thinking": "hard", "api_key": KEY}, RequestError, id="odd thinking"),
    ],
)
def test_a_side_that_cannot_be_asked_is_refused(values: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        trial.read_side(Task.DETECT, {"prompt": "cat", **values}, Settings())


def test_sides_are_told_apart_by_what_was_set_and_heeded() -> None:
    gemini = {"backend": "gemini", "api_key": KEY}
    assert trial.name_of(form("gemini-2.5-flash", **gemini)) == "gemini-2.5-flash"
    warm = form("gemini-2.5-flash", temperature="0,7", thinking="low", **gemini)
    assert trial.name_of(warm) == "gemini-2.5-flash, temperature 0.7, thinking low"
    assert trial.name_of(form("pinpoint-nano", thinking="low")) == "pinpoint-nano"


def test_there_must_be_a_picture_and_somebody_to_ask(session: Session) -> None:
    with pytest.raises(RequestError, match="picture first"):
        trial.begin(Task.DETECT, "cat", [form(), form()], Session(), repeats=False)
    with pytest.raises(RequestError, match="Both sides"):
        trial.begin(Task.DETECT, "cat", [None, None], session, repeats=False)
    with pytest.raises(RequestError, match="no objects on the Picture page"):
        trial.begin(Task.DETECT, "cat", [None, form()], session, repeats=False)


def test_both_sides_are_asked_the_same_about_the_same_picture_and_the_key_is_not_kept(
    session: Session, desk: Desk
) -> None:
    one = form("gemini-2.5-flash", backend="gemini", api_key=KEY)
    made = asked(session, desk, one, form("echo/two"))
    pool: Any = desk.pool
    first, second = pool.echo.requests[-1], pool.twins["echo/two"].requests[-1]
    assert first.labels == second.labels == ("cat", "dog")
    assert first.images[0].content_id == second.images[0].content_id
    assert KEY in pool.keys
    assert KEY not in repr(made) + show(made, 0.5)
    assert all(side.form is None or side.form.api_key == "" for side in made.sides)


def test_each_side_has_a_thread_and_only_a_service_is_asked_several_times_at_once(session: Session) -> None:
    def shares(*forms: Form | None, repeats: bool = False) -> list[list[int]]:
        return Inquiry(trial.begin(Task.DETECT, "cat", forms, session, repeats=repeats), forms).shares()

    hosted = form("gemini-2.5-flash", backend="gemini", api_key=KEY)
    assert shares(form(), form()) == [[0], [1]]
    assert shares(*[form()] * 4, repeats=True) == [[0, 1, 2, 3]]
    assert shares(*[hosted] * 5, repeats=True) == [[0, 3], [1, 4], [2]]
    answered = Session(session.picture, Answer(Task.DETECT, "cat", "m", Result(Outcome.NONE)))
    assert Inquiry(
        trial.begin(Task.DETECT, "cat", [None, form()], answered, repeats=False), [None, form()]
    ).shares() == [[1]]


def test_one_side_failing_leaves_the_others_answer(session: Session, desk: Desk) -> None:
    made = asked(session, desk, form("echo/down"), form("echo/two"))
    assert isinstance(made.sides[0].got, Problem)
    assert [each.label for each in made.sides[1].found] == ["cat"]
    html = compare_markup.board(made, 0.5)
    assert "The service is busy" in html
    assert "only B" not in words(html)
    assert html.count("data-pick") == 1
    taken = trial.take(made, made.number, [[1, 0]], session)
    assert taken.answer
    assert taken.answer.result.detections[0].origin


def test_who_was_stopped_is_told_so_and_what_came_stays(session: Session, desk: Desk) -> None:
    forms = [form("echo/two")] * 3
    inquiry = Inquiry(trial.begin(Task.DETECT, "cat; dog", forms, session, repeats=True), forms)
    inquiry.work([0], desk, threading.Event())
    stop = threading.Event()
    stop.set()
    inquiry.work([1], desk, stop)
    assert inquiry.take()
    inquiry.give_up()
    assert [side.got == STOPPED for side in inquiry.made.sides] == [False, True, True]
    html = show(inquiry.made, 0.5)
    assert "2 of 3 gave no answer: Stopped" in words(html)
    assert "it takes two to see a spread" in html


def test_disagreement_stands_first_in_the_table_numbered_as_in_the_pictures(session: Session) -> None:
    there, far = Box(0.1, 0.1, 0.4, 0.4), Box(0.6, 0.6, 0.9, 0.9)
    made = told(
        [Detection("cat", there, score=0.87), Detection("mug", far)],
        [Detection("Cat", there), Detection("cup", far), Detection("dog", Box(0.5, 0, 0.6, 0.1), score=0.5)],
        session,
    )
    html = compare_markup.board(made, 0.5)
    rows = re.findall(r"<tr data-row.*?</tr>", html)
    assert [words(row).split()[1:3] for row in rows] == [["another", "label"], ["only", "B"], ["both", "cat"]]
    assert words(rows[2]) == "3 both cat 0.87 Cat 1.00"  # the second score is unknown: empty
    assert html.count('data-row="3"') == 3  # its row, and its place in either picture
    assert "data-ghost" in html
    said = words(html)
    assert "1 both 1 another label 0 only A 1 only B 1.00 mean IoU" in said
    assert "Both name 1 object in the same place (IoU of 0.50 or more). 1 place has two names. Only B has 1." in said


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        pytest.param([], [], "Both say that there is nothing.", id="nothing twice"),
        pytest.param(
            [Box(0, 0, 1, 1)], [Box(0, 0, 1, 1)], "Full agreement: both name the same 1 object", id="the same"
        ),
        pytest.param([Box(0, 0, 1, 1)], [], "They share no object", id="nothing shared"),
    ],
)
def test_the_whole_is_said_in_plain_words(first: list[Box], second: list[Box], said: str, session: Session) -> None:
    made = told([Detection("cat", each) for each in first], [Detection("cat", each) for each in second], session)
    assert said in words(compare_markup.board(made, 0.5))


def test_a_point_is_listed_though_it_cannot_be_matched(session: Session) -> None:
    made = told([Detection("pen", point=Point(0.5, 0.5))], [], session)
    html = words(compare_markup.board(made, 0.5))
    assert "1 object has no box to be matched by" in html
    assert "no box pen" in html


def test_moving_the_least_iou_matches_anew(session: Session) -> None:
    made = told([Detection("cat", Box(0, 0, 0.4, 0.4))], [Detection("cat", Box(0.1, 0, 0.5, 0.4))], session)  # 0.6
    tight, loose = trial.agreement(made, 0.75), trial.agreement(made, 0.5)
    assert tight
    assert loose
    assert (tight.count(Verdict.AGREED), loose.count(Verdict.AGREED)) == (0, 1)


def test_the_same_model_twice_is_a_question_about_chance(session: Session, desk: Desk) -> None:
    assert "what differs is chance" in show(asked(session, desk, form("echo/two"), form("echo/two")), 0.5)
    assert "what differs is chance" not in show(asked(session, desk, form(), form("echo/two")), 0.5)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        pytest.param("nothing", "Nothing found", id="nothing there"),
        pytest.param("blocked", "Blocked before an answer", id="blocked"),
        pytest.param("bug", "Something went wrong on our side", id="a bug"),
    ],
)
def test_each_ending_of_a_side_reads_differently(label: str, said: str, session: Session, desk: Desk) -> None:
    for repeats in (False, True):
        one = form(prompt=f"{label}; cat")
        html = words(show(asked(session, desk, one, one, repeats=repeats), 0.5))
        assert said in html or (repeats and label == "nothing" and "All 2 answers are the same" in html)


def test_what_models_and_people_write_is_only_text(session: Session, desk: Desk) -> None:
    for repeats in (False, True):
        html = show(asked(session, desk, form(prompt=EVIL), form(prompt=EVIL), repeats=repeats), 0.5)
        assert EVIL not in html
        assert "&lt;img src=x" in html


def test_a_scenes_truth_stands_beside_either_side(desk: Desk) -> None:
    seed = next(k for k in range(200) if len(scenes.compose(k, size_px=64).objects) > 2)
    scene = scenes.compose(seed, size_px=448)
    given = actions.give(images.load(Image.fromarray(scene.image)), desk.shelf)
    session = Session(given.picture, scene=seed)
    true = [Detection(each.label, each.box) for each in scene.objects]
    asked_for = "; ".join(dict.fromkeys(each.label for each in true))
    made = told(true, true[:1], session, asked_for)
    perfect, poor = (trial.against_truth(made, side) for side in made.sides)
    assert perfect
    assert poor
    assert (len(perfect.ious), perfect.true, perfect.invented) == (len(true), len(true), 0)
    assert len(poor.ious) == 1
    html = words(compare_markup.board(made, 0.5))
    assert f"{len(true)} of {len(true)} true ones found, mean IoU" in html
    assert f"1 of {len(true)} true ones found" in html
    one = told(true, [Detection("dog", FULL_FRAME)], session, true[0].label)
    found = [trial.against_truth(one, side) for side in one.sides]
    assert [each and each.invented for each in found] == [0, 1], "what is there is not invented, asked for or not"
    assert trial.against_truth(told(true, true, Session(given.picture)), made.sides[0]) is None


def test_what_is_taken_becomes_the_answer_with_each_objects_own_origin(session: Session, desk: Desk) -> None:
    made = asked(session, desk, form(temperature="0.5"), form("echo/two"))
    taken = trial.take(made, made.number, [[1, 0], [0, 1]], session)
    assert taken.answer
    assert taken.picture is session.picture
    found = taken.answer.result.detections
    assert [each.label for each in found] == ["cat", "dog"]
    assert [each.id for each in found] == [0, 1]
    origins = [each.origin for each in found if each.origin]
    assert [each.model for each in origins] == ["echo/two", "pinpoint-nano"]
    assert origins[1].parameters == {"temperature": 0.5}
    assert all(each.answered_at and each.raw == "[...]" for each in origins)
    assert "1 from A (pinpoint-nano, temperature 0.5); 1 from B (echo/two)" in taken.answer.result.notes[0].detail
    objects = (corrections.scene(taken) or {})["objects"]
    assert [each["origin"]["model"] for each in objects] == ["echo/two", "pinpoint-nano"]
    post = {"key": taken.answer.number, "objects": objects[:1]}
    post["objects"][0]["label"] = "tiger"
    edited = corrections.correct(taken, post)
    assert edited.answer
    assert edited.answer.result.detections[0].origin
    assert edited.answer.result.detections[0].origin.edited
    assert edited.answer.result.detections[0].origin.model == "echo/two"


def test_what_a_person_corrected_stays_beside_what_is_taken(session: Session, desk: Desk) -> None:
    mine = Detection("owl", Box(0, 0, 0.5, 0.5), origin=Origin("person", "", "", edited=True))
    now = replace(session, answer=Answer(Task.DETECT, "owl", "m", Result(Outcome.FOUND, "", (mine,))))
    made = asked(now, desk, form(), form("echo/two"))
    after = compare_page.taken(now, made, {"number": made.number, "picks": [[1, 0]]}, desk, "me")
    assert after.answer
    assert [each.label for each in after.answer.result.detections] == ["owl", "cat"]
    for post in (None, {}, {"number": made.number}):
        with pytest.raises(RequestError):
            compare_page.taken(now, made, post, desk, "me")


def test_what_a_person_rejected_is_no_answer_to_hold_against_another(session: Session) -> None:
    cat = Detection("cat", Box(0, 0, 0.5, 0.5))
    found = (replace(cat, review=Review.REJECTED), cat)
    now = replace(session, answer=Answer(Task.DETECT, "cat", "m", Result(Outcome.FOUND, "", found)))
    made = trial.begin(Task.DETECT, "cat", (None, form()), now, repeats=False)
    assert len(made.sides[0].found) == 1


@pytest.mark.parametrize(
    "picks",
    [
        pytest.param([], id="nothing ticked"),
        pytest.param(None, id="no list"),
        pytest.param([[0, 9]], id="no such object"),
        pytest.param([[2, 0]], id="no such side"),
        pytest.param([[0, -1]], id="from the end"),
        pytest.param([[True, 0]], id="truth for a number"),
        pytest.param([[0, 0], [0, 0]], id="twice the same"),
        pytest.param([[0, 0, 0]], id="three numbers"),
        pytest.param(["0:0"], id="text"),
        pytest.param([[0, k] for k in range(3000)], id="thousands"),
    ],
)
def test_odd_picks_are_refused_and_change_nothing(picks: object, session: Session, desk: Desk) -> None:
    made = asked(session, desk, form(), form("echo/two"))
    with pytest.raises(RequestError):
        trial.take(made, made.number, picks, session)


def test_nothing_is_taken_from_another_comparison_or_onto_another_picture(session: Session, desk: Desk) -> None:
    made = asked(session, desk, form(), form("echo/two"))
    other = actions.give(images.load(Image.new("RGB", (40, 30))), desk.shelf)
    for comparison, number, onto, why in (
        (None, made.number, session, "replaced by a newer one"),
        (made, "guessed", session, "replaced by a newer one"),
        (made, None, session, "replaced by a newer one"),
        (made, made.number, other, "another picture"),
        (made, made.number, Session(), "another picture"),
    ):
        with pytest.raises(RequestError, match=why):
            trial.take(comparison, number, [[0, 0]], onto)


def test_the_picture_pages_answer_is_a_side_that_nobody_is_asked_for(session: Session, desk: Desk) -> None:
    assert trial.read_side(Task.DETECT, {"backend": SHOWN}, Settings()) is None
    drawn = Detection("cat", Box(0, 0, 0.5, 0.5), origin=Origin("person", "", "", edited=True))
    answer = Answer(
        Task.DETECT, "cat", "gemini-x", Result(Outcome.FOUND, "", (drawn, Detection("dog", Box(0, 0, 1, 1))))
    )
    now = Session(session.picture, answer)
    made = asked(now, desk, None, form("echo/two"))
    assert made.sides[0].name == "Picture page: gemini-x"
    taken = trial.take(made, made.number, [[0, 0], [0, 1]], now)
    assert taken.answer
    assert [each.origin and (each.origin.backend, each.origin.model) for each in taken.answer.result.detections] == [
        ("person", ""),
        ("", "gemini-x"),
    ]


def test_a_model_that_never_differs_is_told_so_after_it_was_asked(session: Session, desk: Desk) -> None:
    made = asked(session, desk, *[form()] * 3, repeats=True)
    assert len(desk.pool.echo.requests) == 3  # type: ignore[attr-defined]
    html = words(show(made, 0.5))
    assert "All 3 answers are the same, to the last pixel of every box" in html
    assert "it always takes the likeliest word" in html
    warm = words(show(asked(session, desk, *[form(temperature="1")] * 2, repeats=True), 0.5))
    assert "All 2 answers are the same" in warm
    assert "likeliest" not in warm


def test_one_answer_is_counted_as_one(session: Session, desk: Desk) -> None:
    html = words(show(asked(session, desk, form(), repeats=True), 0.5))
    assert "1 of 1 answer " in html
    assert "1 things" not in html
    assert "1 answers" not in html


def test_spread_is_told_in_pixels_and_in_shares_of_the_picture(session: Session, desk: Desk) -> None:
    made = asked(session, desk, *[form("echo/two")] * 3, repeats=True)
    found = trial.spread(made, 0.5)
    assert [(each.label, len(each.members)) for each in found.clusters] == [("dogish", 1), ("cat", 3)]
    html = stability_markup.board(made, 0.5)
    rows = re.findall(r"<tr data-row.*?</tr>", html)
    assert "1 of 3" in words(rows[0])
    assert rows[0].count("seen once") == 4
    cat = words(rows[1])
    assert "3 of 3 ± 4.0 px 1.00 % range 8.0 px ± 0.0 px" in cat  # the left edge moved by 0, 4 and 8 of 400 px
    assert "± 3.0 px 1.00 % range 6.0 px" in cat  # the bottom one by 0, 3 and 6 of 300
    assert "3 answers name 2 things: 1 in every answer, 1 in some only." in words(html)
    assert "data-most" in rows[1]
    assert "data-most" not in rows[0]


def test_runs_that_failed_are_counted_and_what_is_taken_still_comes_from_its_own_answer(
    session: Session, desk: Desk
) -> None:
    class Once(Wavering):
        def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
            if not self.requests:
                self.requests.append(request)
                raise BackendError("Not now. Try again.")
            return super().predict(request, stop)

    desk.pool.twins["echo/once"] = Once()  # type: ignore[attr-defined]
    made = asked(session, desk, *[form("echo/once")] * 3, repeats=True)
    html = stability_markup.board(made, 0.5)
    assert "1 of 3 gave no answer: Not now." in words(html)
    assert "2 of 3 answers" in words(html)
    (cat, *_) = [each for each in trial.spread(made, 0.5).clusters if each.label == "cat"]
    place = made.answering[cat.medoid[0]]
    assert f'data-pick="{place}:{cat.medoid[1]}"' in html
    taken = trial.take(made, made.number, [[place, cat.medoid[1]]], session)
    assert taken.answer
    assert taken.answer.result.detections[0].box == made.sides[place].found[cat.medoid[1]].box
    assert f"1 from answer {place + 1}" in taken.answer.result.notes[0].detail


@pytest.mark.parametrize("task", [Task.DETECT, Task.SEGMENT])
@pytest.mark.parametrize("repeats", [False, True])
def test_the_pictures_are_drawn_and_the_one_on_the_shelf_is_left_as_it_is(
    task: Task, repeats: bool, session: Session, desk: Desk
) -> None:
    assert session.picture
    before = session.picture.shown.read_bytes()
    made = asked(session, desk, *[form("echo/two", "cat; dog; bird", task)] * 2, repeats=repeats)
    html = show(made, 0.5)
    assert html.count("data:image/jpeg;base64,") >= 2 - repeats
    assert session.picture.shown.read_bytes() == before


def test_a_cost_is_said_for_all_the_calls_together(session: Session, desk: Desk) -> None:
    one = form("gemini-2.5-flash", backend="gemini", api_key=KEY)
    able = capabilities("gemini", Settings())
    once, often = (estimates.took(one, session, able, desk.paces, times=n) for n in (1, 4))
    assert often.startswith("4 calls. About ")
    tokens = [int(re.search(r"About ([\d,]+) tokens", said)[1].replace(",", "")) for said in (once, often)]  # type: ignore[index]
    assert tokens[1] == 4 * tokens[0]
    nano = form("pinpoint-nano")
    assert "2 calls" in estimates.took(nano, session, capabilities("paligemma", Settings()), desk.paces)
    assert "10 calls" in estimates.took(nano, session, capabilities("paligemma", Settings()), desk.paces, times=5)
