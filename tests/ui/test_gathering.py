"""Several pictures and documents: which go along to which model, what is said of the rest, whose answer is whose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from backends import SPECS
from backends.paligemma_planner import Paces
from grounding import documents, images
from grounding.errors import ImageError, RequestError
from grounding.settings import Settings
from grounding.types import Box, Detection, Outcome, Result, Task
from tests.pdf import pdf
from tests.ui.echo import EchoPool
from ui import actions, estimates, gathering, picture_panel, projects, strip
from ui.desk import Desk
from ui.form import Form, read_form
from ui.small_world import SCENES_ONLY
from ui.state import Answer, Session, Shelf

GEMINI, LOCAL = SPECS["gemini"].capabilities, SPECS["paligemma"].capabilities
BOX = Box(0.1, 0.1, 0.5, 0.5)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    settings = Settings(projects=str(tmp_path / "projects"))
    return Desk(settings, EchoPool(settings), Shelf(tmp_path / "pictures"))


def picture(folder: Path, name: str, size: tuple[int, int] = (40, 30)) -> str:
    Image.new("RGB", size, "steelblue").save(folder / name)
    return str(folder / name)


def paper(folder: Path, pages: int = 3) -> str:
    (folder / "report.pdf").write_bytes(pdf(*(Image.new("RGB", (60, 80), "white") for _ in range(pages))))
    return str(folder / "report.pdf")


def form(task: Task, prompt: str, backend: str = "gemini") -> Form:
    return read_form(task, {"prompt": prompt, "backend": backend, "api_key": "AIzaMine0000"}, Settings())


def gather(asked: Form, now: Session, desk: Desk, able=GEMINI) -> gathering.Gathered:
    return gathering.gather(asked, now, able, desk.shelf.open, desk.shelf.open_document)


def two(desk: Desk, folder: Path) -> Session:
    files = [picture(folder, "one.png"), picture(folder, "two.png", (50, 20))]
    return picture_panel.take_all(files, Session(), desk)


def test_several_pictures_go_along_in_order_and_one_is_shown(desk: Desk, tmp_path: Path) -> None:
    now = two(desk, tmp_path)
    made = gather(form(Task.ASK, "What differs?"), now, desk)
    assert [each.size_wh for each in made.request.images] == [(40, 30), (50, 20)]
    assert made.notes == ()
    assert now.picture is not None
    assert now.picture.name == "one.png"


def test_a_model_that_looks_at_one_picture_gets_the_one_shown_and_that_is_said(desk: Desk, tmp_path: Path) -> None:
    now = strip.turn(two(desk, tmp_path), {"act": "show", "n": "1"}, desk.shelf)
    made = gather(form(Task.ASK, "What is it?", "paligemma"), now, desk, LOCAL)
    assert [each.size_wh for each in made.request.images] == [(50, 20)]
    assert "one picture at a time" in made.notes[0].detail


def test_more_pictures_than_a_model_takes_are_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="at once"):
        gather(form(Task.ASK, "?"), three(desk, tmp_path), desk, replace(GEMINI, max_images=2))


def three(desk: Desk, folder: Path) -> Session:
    return picture_panel.take_all([picture(folder, "three.png")], two(desk, folder), desk)


def test_added_pictures_stand_beside_those_there_are(desk: Desk, tmp_path: Path) -> None:
    now = three(desk, tmp_path)
    assert [each.picture.name for each in now.sheets] == ["one.png", "two.png", "three.png"]
    assert now.place == 2


def test_each_picture_gets_its_own_share_of_the_answer(desk: Desk, tmp_path: Path) -> None:
    found = (
        Detection("cat", BOX, picture=1, id=0),
        Detection("dog", BOX, picture=0, id=1),
        Detection("owl", BOX, picture=None, id=2),
    )
    now = actions.shared_out(form(Task.DETECT, "cat; dog"), two(desk, tmp_path), Result(Outcome.FOUND, "", found))
    shares = [sheet.answer for sheet in now.sheets]
    assert all(shares)
    labels = [[each.label for each in share.result.detections] for share in shares if share]
    assert labels == [["dog", "owl"], ["cat"]]
    assert [each.id for share in shares if share for each in share.result.detections] == [0, 1, 0]
    assert any("“owl”" in note.detail for share in shares[:1] if share for note in share.result.notes)


def test_turning_to_another_picture_and_back_keeps_both_answers(desk: Desk, tmp_path: Path) -> None:
    found = Result(Outcome.FOUND, "", (Detection("cat", BOX, picture=1), Detection("dog", BOX, picture=0)))
    now = actions.shared_out(form(Task.DETECT, "cat; dog"), two(desk, tmp_path), found)
    there = strip.turn(now, {"act": "show", "n": "1"}, desk.shelf)
    back = strip.turn(there, {"act": "show", "n": "0"}, desk.shelf)
    assert there.answer is not None
    assert back.answer is now.answer
    assert [each.label for each in there.answer.result.detections] == ["cat"]


def test_removing_the_last_but_one_picture_leaves_one_alone(desk: Desk, tmp_path: Path) -> None:
    now = strip.turn(two(desk, tmp_path), {"act": "remove", "n": "0"}, desk.shelf)
    assert now.picture is not None
    assert (now.picture.name, now.album, now.place) == ("two.png", (), 0)
    with pytest.raises(RequestError):
        strip.turn(now, {"act": "remove", "n": "0"}, desk.shelf)


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"act": "show"}, id="no number"),
        pytest.param({"act": "show", "n": "2"}, id="past the end"),
        pytest.param({"act": "show", "n": "-1"}, id="before the first"),
        pytest.param({"act": "show", "n": 0}, id="not a word"),
        pytest.param({"act": "page", "n": "0"}, id="a page of no document"),
        pytest.param({"act": "drop", "n": "0"}, id="no such button"),
        pytest.param([["act", "show"]], id="a list"),
    ],
)
def test_odd_presses_change_nothing(desk: Desk, tmp_path: Path, chosen: object) -> None:
    with pytest.raises(RequestError):
        strip.turn(two(desk, tmp_path), chosen, desk.shelf)


def test_a_document_goes_whole_to_a_model_that_reads_it(desk: Desk, tmp_path: Path) -> None:
    now = picture_panel.take_all([paper(tmp_path)], Session(), desk)
    made = gather(form(Task.ASK, "What does it say?"), now, desk)
    assert made.request.images == ()
    assert [each.pages for each in made.request.documents] == [3]


@pytest.mark.parametrize(
    ("task", "backend", "said"),
    [
        pytest.param(Task.ASK, "paligemma", "one page at a time", id="a model that reads none"),
        pytest.param(Task.DETECT, "gemini", "boxes and masks are of pictures", id="boxes"),
    ],
)
def test_else_the_page_shown_goes_as_a_picture_and_that_is_said(
    desk: Desk, tmp_path: Path, task: Task, backend: str, said: str
) -> None:
    now = strip.turn(picture_panel.take_all([paper(tmp_path)], Session(), desk), {"act": "page", "n": "1"}, desk.shelf)
    made = gather(form(task, "title", backend), now, desk, SPECS[backend].capabilities)
    assert made.request.documents == ()
    assert made.request.images[0].name == "report.pdf page 2"
    assert said in made.notes[0].detail
    assert "Page 2" in made.notes[0].detail


def report(desk: Desk, folder: Path) -> Session:
    return picture_panel.take_all([paper(folder)], Session(), desk)


def page(now: Session, number: int, desk: Desk) -> Session:
    """Page `number`, from 1, on the stage."""
    return strip.turn(now, {"act": "page", "n": str(number - 1)}, desk.shelf)


def told(now: Session, words: str, *found: Detection, task: Task = Task.ASK, backend: str = "gemini") -> Session:
    return actions.shared_out(form(task, "?", backend), now, Result(Outcome.FOUND, words, found))


def labels(now: Session) -> list[str]:
    return [each.label for each in now.answer.result.detections] if now.answer else []


def test_every_page_keeps_what_was_found_and_corrected_there(desk: Desk, tmp_path: Path) -> None:
    first = told(report(desk, tmp_path), "", Detection("title", BOX), task=Task.DETECT)
    second = page(first, 2, desk)
    assert second.answer is None
    second = told(second, "", Detection("table", BOX), task=Task.DETECT)
    again = page(page(second, 3, desk), 1, desk)
    assert (again.answer, again.picture) == (first.answer, first.picture)
    assert labels(page(again, 2, desk)) == ["table"]


def test_words_about_the_whole_document_go_along_without_the_objects_of_their_page(desk: Desk, tmp_path: Path) -> None:
    first = told(report(desk, tmp_path), "A report [page 2].", Detection("title", BOX))
    second = page(first, 2, desk)
    assert first.answer is not None
    assert second.answer is not None
    assert (second.answer.result.text, labels(second)) == ("A report [page 2].", [])
    assert second.answer.number != first.answer.number, "a correction of one page must not reach another"
    assert page(second, 1, desk).answer is first.answer
    assert page(told(first, "A bill."), 2, desk).answer.result.text == "A bill."  # type: ignore[union-attr]
    later = page(told(page(second, 1, desk), "A bill.", Detection("title", BOX)), 2, desk)
    assert later.answer is not None
    assert (later.answer.result.text, labels(later)) == ("A bill.", []), "the newest words"


def test_words_about_one_page_stay_with_it(desk: Desk, tmp_path: Path) -> None:
    first = told(report(desk, tmp_path), "A title page.", backend="paligemma")
    assert page(first, 2, desk).answer is None
    assert page(page(first, 2, desk), 1, desk).answer is first.answer


def test_what_is_corrected_while_a_page_is_drawn_stays_with_its_own(desk: Desk, tmp_path: Path) -> None:
    read = report(desk, tmp_path)
    corrected = told(read, "", Detection("title", BOX), task=Task.DETECT)
    second = strip.turn(read, {"act": "page", "n": "1"}, desk.shelf, lambda now: corrected)
    assert second.answer is None
    assert labels(page(second, 1, desk)) == ["title"]


def test_a_page_whose_picture_was_deleted_is_drawn_again_with_its_answer(desk: Desk, tmp_path: Path) -> None:
    first = told(report(desk, tmp_path), "", Detection("title", BOX), task=Task.DETECT)
    second = page(first, 2, desk)
    assert first.picture is not None
    first.picture.path.unlink()
    again = page(second, 1, desk)
    assert again.picture is not None
    assert again.picture.path.exists()
    assert labels(again) == ["title"]


def test_another_page_is_not_the_project_s_picture_of_the_page_before(desk: Desk, tmp_path: Path) -> None:
    now = projects.add(picture_panel.take_all([paper(tmp_path)], Session(), desk), desk.projects, "me", "P", new=True)
    assert now.member is not None
    there = strip.turn(now, {"act": "page", "n": "1"}, desk.shelf)
    assert there.member is None
    there = projects.add(there, desk.projects, "me", "P", new=False)
    assert there.member is not None
    assert (there.member.picture, there.member.total) == (2, 2)
    assert page(there, 1, desk).member is now.member


def test_pictures_do_not_take_a_documents_place_unasked(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="by itself"):
        picture_panel.take_all([picture(tmp_path, "one.png")], report(desk, tmp_path), desk)


@pytest.mark.parametrize(
    ("names", "error"),
    [
        pytest.param(("report.pdf", "one.png"), RequestError, id="a PDF beside a picture"),
        pytest.param(("page.svg",), ImageError, id="an SVG"),
        pytest.param(("one.png",) * 17, RequestError, id="seventeen pictures"),
        pytest.param(("one.png", "broken.png"), ImageError, id="one of them damaged"),
    ],
)
def test_what_cannot_be_taken_in_is_refused(desk: Desk, tmp_path: Path, names: tuple[str, ...], error: type) -> None:
    paper(tmp_path)
    picture(tmp_path, "one.png")
    (tmp_path / "page.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    with pytest.raises(error):
        picture_panel.take_all([str(tmp_path / name) for name in names], Session(), desk)


def test_a_document_that_was_deleted_is_said_to_be(desk: Desk, tmp_path: Path) -> None:
    now = picture_panel.take_all([paper(tmp_path)], Session(), desk)
    assert now.document is not None
    now.document.path.unlink()
    with pytest.raises(ImageError, match="two hours"):
        strip.turn(now, {"act": "page", "n": "1"}, desk.shelf)


def test_the_strip_shows_pages_round_the_one_on_the_stage(desk: Desk, tmp_path: Path) -> None:
    now = picture_panel.take_all([paper(tmp_path, pages=20)], Session(), desk)
    html = strip.drawn(replace(now, place=15))
    assert html.count("<img") == 12
    assert "page 16 is shown" in html
    assert strip.drawn(Session(now.picture)) == ""


def test_a_picture_in_which_nothing_was_found_is_told_from_one_that_was_not_asked_about(
    desk: Desk, tmp_path: Path
) -> None:
    first, second = two(desk, tmp_path).sheets
    looked = Answer(Task.DETECT, "cat", "m", Result(Outcome.NONE))
    html = strip.drawn(Session().showing((replace(first, answer=looked), second), 0))
    assert html.count('title="Nothing found here"') == 1
    assert html.count("pp-count") == 1


def test_an_estimate_needs_no_pixels_and_knows_what_is_left_out(desk: Desk, tmp_path: Path) -> None:
    now = two(desk, tmp_path)
    for sheet in now.sheets:
        sheet.picture.path.unlink()  # nothing is opened for it
    hosted = estimates.before(form(Task.ASK, "What differs?"), now, GEMINI, Paces())
    local = estimates.before(form(Task.ASK, "What is it?", "paligemma"), now, LOCAL, Paces())
    assert "tokens in" in hosted
    assert "$" in hosted
    assert "call" in local
    assert "one picture at a time" in local
    assert SCENES_ONLY in local
    assert SCENES_ONLY not in estimates.before(
        form(Task.ASK, "What is it?", "paligemma"), replace(now, scene=5), LOCAL, Paces()
    )


def test_a_page_is_drawn_as_the_models_will_see_it(desk: Desk, tmp_path: Path) -> None:
    now = picture_panel.take_all([paper(tmp_path)], Session(), desk)
    assert now.picture is not None
    assert max(now.picture.size_wh) == documents.PAGE_PIXELS
    assert images.load(now.picture.path).size_wh == now.picture.size_wh
