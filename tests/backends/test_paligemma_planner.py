"""Plans: which prompts a request becomes and what they take, with no model loaded."""

from __future__ import annotations

import subprocess
import sys
import time
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backends.paligemma_family import FAMILY, Tuning
from backends.paligemma_planner import Paces, Plan, count_tokens, merged, page_notes, plan, prefixes, with_page
from grounding.documents import Document
from grounding.documents import load as load_document
from grounding.errors import RequestError
from grounding.types import FULL_FRAME, Box, Detection, NoteKind, Request, Task
from tests.backends.asking import PICTURE, ask

MIX, PT = "google/paligemma2-3b-mix-448", "google/paligemma2-3b-pt-448"
LABELS_80 = tuple(f"kind {number}" for number in range(80))


@pytest.mark.parametrize(
    ("request_", "per_call", "expected"),
    [
        pytest.param(ask(Task.DETECT, "a", "b", "c"), 2, ["detect a ; b", "detect c"], id="in twos"),
        pytest.param(ask(Task.DETECT, *"abcde"), 4, ["detect a ; b ; c", "detect d ; e"], id="of even length"),
        pytest.param(ask(Task.DETECT, "a", "A ", "b", " "), 1, ["detect a", "detect b"], id="no label twice"),
        pytest.param(ask(Task.SEGMENT, "a", "b"), 8, ["segment a", "segment b"], id="masks one at a time"),
        pytest.param(ask(Task.DETECT, text="a ; b"), 1, ["detect a ; b"], id="a text is one prompt"),
        pytest.param(ask(Task.ASK, "a", "b", text="why?"), 1, ["answer en why?"], id="labels of another task"),
    ],
)
def test_labels_become_prompts(request_: Request, per_call: int, expected: list[str]) -> None:
    assert [" ".join(prompt.split()).casefold() for prompt in prefixes(request_, per_call)] == expected


@given(st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=90), st.integers(1, 12))
def test_every_label_is_asked_once_in_as_few_even_calls_as_can_be(labels: list[str], per_call: int) -> None:
    asked = [p.removeprefix("detect ").split(" ; ") for p in prefixes(ask(Task.DETECT, *labels), per_call)]
    once = list(dict.fromkeys(labels))
    assert [label for call in asked for label in call] == once
    assert len(asked) == -(-len(once) // per_call)
    assert all(len(a) - len(b) in (0, 1) or b is asked[-1] for a, b in pairwise(asked))


def test_eighty_classes_take_ten_calls_for_mix_and_eighty_for_pt() -> None:
    request = ask(Task.DETECT, *LABELS_80)
    assert plan(request, MIX).calls == 10
    assert plan(request, PT).calls == 80
    assert all(plan(request, row.id).calls <= 10 for row in FAMILY if row.tuning is Tuning.MIX)


def test_a_plan_counts_calls_tokens_and_looks() -> None:
    one, tiled = plan(ask(Task.DETECT, *"abcdefghi"), MIX), plan(ask(Task.DETECT, *"abcdefghi", tiles=2), MIX)
    assert (one.calls, one.looks, one.image_tokens) == (2, 1, 2 * 1024)
    assert one.prompt_tokens > one.image_tokens
    assert one.answer_tokens > 0
    assert (tiled.calls, tiled.looks, tiled.tokens) == (10, 5, 5 * one.tokens)
    assert one.seconds
    assert tiled.seconds == pytest.approx(5 * one.seconds)
    assert str(tiled).startswith("10 calls (5 looks at the picture), about ")


@pytest.mark.parametrize("task", [Task.CAPTION, Task.ASK])
def test_words_are_asked_of_the_whole_picture_only(task: Task) -> None:
    assert plan(ask(task, text="why?", tiles=3), MIX).looks == 1


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(ask(Task.DETECT), id="nothing to look for"),
        pytest.param(ask(Task.ASK), id="no question"),
        pytest.param(ask(Task.DETECT, "a", tiles=9), id="too many parts"),
    ],
)
def test_what_cannot_be_asked_cannot_be_planned(request_: Request) -> None:
    with pytest.raises(RequestError):
        plan(request_, MIX)


def test_an_unknown_model_is_planned_without_a_time() -> None:
    unknown = plan(ask(Task.DETECT, "a", "b"), "someone/else")
    assert (unknown.calls, unknown.seconds, unknown.image_tokens) == (2, None, 0)
    assert "time not known" in str(unknown)


def test_larger_models_and_slower_devices_are_thought_slower() -> None:
    request = ask(Task.DETECT, "a")
    times = [
        plan(request, f"google/paligemma2-{size}-mix-448", device=device).seconds or 0
        for device in ("cuda", "cpu")
        for size in ("3b", "10b", "28b")
    ]
    assert times == sorted(times)
    assert (plan(request, f"{MIX}@nf4", device="cuda").seconds or 0) < times[0]


def test_what_an_answer_took_corrects_the_next_plan() -> None:
    paces, request = Paces(), ask(Task.DETECT, *LABELS_80)
    thought = plan(request, MIX, device="cpu", paces=paces)
    assert thought.seconds
    assert not thought.measured
    for _ in range(6):
        paces.learn(MIX, plan(request, MIX, device="cpu", paces=paces), 4 * thought.seconds)
    now = plan(request, MIX, device="cpu", paces=paces)
    assert now.measured
    assert now.seconds == pytest.approx(4 * thought.seconds, rel=0.05)
    assert plan(request, PT, device="cpu", paces=paces).measured is False


def test_pt_checkpoints_are_warned_about_before_they_are_asked() -> None:
    (note,) = plan(ask(Task.DETECT, "a"), PT).notes
    assert note.kind is NoteKind.MODEL
    assert "pt checkpoint" in note.detail
    assert plan(ask(Task.DETECT, "a"), MIX).notes == ()


def test_a_plan_is_made_in_milliseconds_and_without_torch() -> None:
    request = ask(Task.DETECT, *LABELS_80)
    plan(request, "pinpoint-nano")
    started = time.thread_time()
    for _ in range(10):
        plan(request, "pinpoint-nano")
    assert (time.thread_time() - started) / 10 < 0.05
    code = "import sys, backends.paligemma_planner; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("", 0, 0), ("detect cat ; dog", 4, 4), ("counterrevolutionary", 2, 4), ("猫はどこですか", 2, 7)],
)
def test_tokens_are_counted_about_right(text: str, least: int, most: int) -> None:
    assert least <= count_tokens(text) <= most


def test_plans_read_as_people_say_it() -> None:
    assert str(Plan(("a",), 1, 1030, 1024, 20, 0.4)) == "1 call, about 1,000 tokens, about a second"
    assert str(Plan(("a", "b"), 1, 2, 0, 3, 61.0)) == "2 calls, about 5 tokens, about 61 s"
    assert str(Plan(("a",), 1, 2, 0, 3, 600.0)).endswith("about 10 min")


A, B = Box(0.1, 0.1, 0.5, 0.5), Box(0.1, 0.1, 0.5, 0.51)


def test_repeats_merge_by_class_and_the_better_score_stays() -> None:
    kept, notes = merged([Detection("cat", A, score=0.4), Detection("Cat", B, score=0.9), Detection("dog", A)])
    assert [(d.label, d.box) for d in kept] == [("Cat", B), ("dog", A)]
    assert notes[0].detail.startswith("1 said again")


def test_two_labels_on_one_box_are_told_and_kept() -> None:
    kept, (note,) = merged([Detection("cat", A), Detection("pet", B), Detection("dog", Box(0.6, 0.6, 0.9, 0.9))])
    assert len(kept) == 3
    assert note.detail == "Two labels on the same box, both kept: “cat” and “pet”."


def test_boxes_of_the_whole_picture_are_flagged() -> None:
    kept, (note,) = merged(
        [Detection("sky", FULL_FRAME), Detection("cat", Box(0, 0, 0.995, 0.99)), Detection("dog", A)]
    )
    assert len(kept) == 3
    assert "“sky”" in note.detail
    assert "dog" not in note.detail


def test_nothing_to_flag_gives_no_note() -> None:
    assert merged([Detection("cat", A), Detection("dog", Box(0.6, 0.6, 0.9, 0.9))])[1] == []
    assert merged([]) == ((), [])


def pdf(pages: int) -> Document:
    out = BytesIO()
    first, *more = [Image.new("RGB", (300, 400), (number, 0, 0)) for number in range(pages)]
    first.save(out, "PDF", save_all=True, append_images=more)
    return load_document(out.getvalue(), name="form.pdf")


@pytest.mark.parametrize(("pages", "notes"), [(1, 0), (3, 1)])
def test_of_a_document_the_first_page_is_asked_and_the_rest_is_noted(pages: int, notes: int) -> None:
    request = Request(Task.ASK, (), "what is the total?", documents=(pdf(pages),))
    seen = with_page(request, 448)
    (picture,) = seen.images
    assert picture.size_wh == pytest.approx((672, 896), abs=1)  # whole pixels of a page in points
    assert len(page_notes(seen)) == notes


def test_a_picture_is_asked_instead_of_the_document_beside_it() -> None:
    request = Request(Task.ASK, (PICTURE,), "why?", documents=(pdf(1),))
    assert with_page(request, 448).images == (PICTURE,)
