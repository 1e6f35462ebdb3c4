"""PaliGemma's prefixes and answers: the recorded ones, every beginning of them, and what no model should say."""

from __future__ import annotations

import re
import time
import timeit

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grounding.codecs.paligemma import Spot, answer_text, decode, encode_prefix, encode_suffix, plain
from grounding.errors import RequestError
from grounding.geometry import to_px
from grounding.types import Box, Decoded, Detection, NoteKind, Outcome, Request, Task
from tests.recorded import Case, params

SEG = "".join(f"<seg{code:03d}>" for code in range(16))
CODES = tuple(range(16))


def loc(*yxyx: int) -> str:
    return "".join(f"<loc{value:04d}>" for value in yxyx)


BOX = loc(100, 200, 300, 400)
OTHER = loc(500, 600, 700, 800)


def said(decoded: Decoded) -> list[tuple[str, tuple[int, ...], tuple[int, ...] | None]]:
    """(label, y1 x1 y2 x2 in 1024ths, codes) of each detection."""
    return [
        (d.label, tuple(round(v * 1024) for v in (d.box.y1, d.box.x1, d.box.y2, d.box.x2)), d.mask_tokens)
        for d in decoded.detections
        if d.box
    ]


def kinds(decoded: Decoded) -> list[NoteKind]:
    return [note.kind for note in decoded.notes]


CAT, DOG = ("cat", (100, 200, 300, 400), None), ("dog", (500, 600, 700, 800), None)
MASKED_CAT = ("cat", (100, 200, 300, 400), CODES)
NAMELESS = ("", (100, 200, 300, 400), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"{BOX} cat", [CAT], id="one"),
        pytest.param(f"{BOX} cat ; {OTHER} dog", [CAT, DOG], id="two"),
        pytest.param(f"{BOX} cat;{OTHER} dog", [CAT, DOG], id="no spaces round the separator"),
        pytest.param(f"{BOX} cat\n{OTHER} dog\n", [CAT, DOG], id="lines"),
        pytest.param(f"{BOX} cat\r\n{OTHER} dog", [CAT, DOG], id="lines of Windows"),
        pytest.param(f"{BOX}cat{OTHER}dog", [CAT, DOG], id="nothing between"),
        pytest.param(f"{BOX} cat {OTHER} dog", [CAT, DOG], id="no separator"),
        pytest.param(f"{BOX} cat ; {OTHER} dog ; ", [CAT, DOG], id="separator at the end"),
        pytest.param(f" ; {BOX} cat ;; {OTHER} dog", [CAT, DOG], id="separators too many"),
        pytest.param(f"{BOX.replace('><', '> <')} cat", [CAT], id="spaces between the location tokens"),
        pytest.param(f"{BOX} cat<eos>", [CAT], id="end token"),
        pytest.param(f"<bos>{BOX} cat<eos><pad><pad>", [CAT], id="control tokens all round"),
        pytest.param(f"{BOX}{OTHER} dog", [NAMELESS, DOG], id="two boxes in a row"),
        pytest.param(f"{BOX}", [NAMELESS], id="no label"),
        pytest.param(f"{BOX} {SEG} cat", [MASKED_CAT], id="mask, as big_vision writes it"),
        pytest.param(f"{BOX}{SEG}", [("", CAT[1], CODES)], id="mask, as the mix checkpoints write it"),
        pytest.param(f"{BOX}{SEG}cat", [MASKED_CAT], id="mask, label glued on"),
        pytest.param(f"{BOX} cat {SEG}", [MASKED_CAT], id="label before its mask"),
        pytest.param(f"{BOX}\n{SEG} cat", [MASKED_CAT], id="mask on its own line"),
        pytest.param(f"{BOX} {SEG} cat ; {OTHER} dog", [MASKED_CAT, DOG], id="one with, one without mask"),
        pytest.param(f"{BOX} {SEG.replace('><', '> <')} cat", [MASKED_CAT], id="spaces between the mask tokens"),
        pytest.param(f"cat {BOX} ; dog {OTHER}", [CAT, DOG], id="labels before the boxes"),
        pytest.param(f"cat{BOX}dog{OTHER}", [CAT, DOG], id="labels before the boxes, nothing between"),
        pytest.param(f"cat\n{BOX} cat", None, id="a line of words first"),
        pytest.param(f"detect cat\n{BOX} cat", [CAT], id="prompt echoed"),
        pytest.param(f"<image><image><bos>detect cat ; dog\n{BOX} cat ; {OTHER} dog<eos>", [CAT, DOG], id="all echoed"),
        pytest.param(f"segment cat {BOX} {SEG}", [MASKED_CAT], id="echo names what has no name"),
        pytest.param(f"{BOX} man's hat, red", [("man's hat, red", CAT[1], None)], id="punctuation"),
        pytest.param(f"{BOX} 猫 ; {OTHER} قطة صغيرة", [("猫", *CAT[1:]), ("قطة صغيرة", *DOG[1:])], id="any script"),
        pytest.param(f"{BOX} 🐈‍⬛ a<b>c", [("🐈‍⬛ a<b>c", CAT[1], None)], id="signs and angle brackets"),
        pytest.param(f"cat: {BOX}, dog: {OTHER}", [CAT, DOG], id="labels before the boxes, colons and commas"),
        pytest.param(f"cat: {BOX} and dog: {OTHER}", [CAT, DOG], id="labels before the boxes, joined by and"),
        pytest.param(f"{BOX} cat, {OTHER} dog", [CAT, DOG], id="commas"),
        pytest.param(f"{BOX} cat,\n{OTHER} dog,\n", [CAT, DOG], id="commas at the ends of lines"),
        pytest.param(f"{BOX} cat and {OTHER} dog", [CAT, DOG], id="and"),
        pytest.param(f"{BOX} cat, and\n{OTHER} dog", [CAT, DOG], id="comma and at the end of a line"),
        pytest.param(f"{BOX} and {OTHER} dog", [NAMELESS, DOG], id="nothing but and"),
        pytest.param(f"{BOX} cat | {OTHER} dog", [CAT, DOG], id="bars"),
        pytest.param(f"\ufeff{BOX}\u200b cat", [CAT], id="byte order mark and a space of no width"),
        pytest.param(f"{BOX} ca\0t", [CAT], id="NUL in a label"),
        pytest.param(f"{BOX} , {OTHER} dog", [NAMELESS, DOG], id="nothing but a comma"),
        pytest.param(f"{BOX} salt and", [("salt and", *CAT[1:])], id="and at the very end"),
        pytest.param(f"{BOX} sand {OTHER} band", [("sand", *CAT[1:]), ("band", *DOG[1:])], id="words that end in and"),
        pytest.param(f"{BOX} 4:30, clock", [("4:30, clock", *CAT[1:])], id="signs inside a label"),
        pytest.param(f"{BOX} 猫、{OTHER} 犬，", [("猫", *CAT[1:]), ("犬", *DOG[1:])], id="Japanese and Chinese commas"),
        pytest.param(f"{BOX} 猫；{OTHER} 犬", [("猫", *CAT[1:]), ("犬", *DOG[1:])], id="full-width separator"),
        pytest.param(f"{BOX} cat</s>", [CAT], id="end mark of another tokenizer"),
        pytest.param(f"<s>{BOX} cat<|endoftext|>", [CAT], id="end mark in bars"),
        pytest.param(f"<|assistant|>{BOX} cat<|im_end|>\n", [CAT], id="marks in bars all round"),
        pytest.param(f"{BOX}\ncat\n", [CAT], id="name on the line below"),
        pytest.param(f"{BOX}\ncat\n{OTHER}\ndog", [CAT, DOG], id="names on the lines below"),
        pytest.param(f"{BOX} ; cat ; {OTHER} ; dog", [CAT, DOG], id="a separator before each name"),
        pytest.param(f"{BOX}{SEG}\ncat", [MASKED_CAT], id="name on the line below a mask"),
        pytest.param(f"{BOX} cat<end_of_tu", [CAT], id="cut inside the end of the turn"),
        pytest.param(f"{loc(0, 0, 1023, 1023)} wall", [("wall", (0, 0, 1023, 1023), None)], id="whole picture"),
    ],
)
def test_answers_in_every_usual_form_are_read(text: str, expected: list[object] | None) -> None:
    decoded = decode(text)
    if expected is not None:
        assert said(decoded) == expected
        assert decoded.outcome is Outcome.FOUND
        assert not set(kinds(decoded)) - {NoteKind.MODEL}
    else:
        assert said(decoded) == [CAT]
        assert kinds(decoded) == [NoteKind.SKIPPED]


S, R, C, M = NoteKind.SKIPPED, NoteKind.REPAIRED, NoteKind.CUT, NoteKind.MODEL


@pytest.mark.parametrize(
    ("text", "outcome", "expected", "notes"),
    [
        pytest.param("", Outcome.NONE, [], [], id="nothing"),
        pytest.param(" \n", Outcome.NONE, [], [], id="blank"),
        pytest.param("<eos>", Outcome.NONE, [], [], id="only the end token"),
        pytest.param("<pad><bos>\n<eos><pad>", Outcome.NONE, [], [], id="only control tokens"),
        pytest.param("detect cat\n", Outcome.NONE, [], [], id="only the echo"),
        pytest.param(" ; ;\n", Outcome.NONE, [], [], id="only separators"),
        pytest.param("no", Outcome.UNRECOGNISED, [], [S], id="a word"),
        pytest.param("Segment of an orange on a plate", Outcome.UNRECOGNISED, [], [S], id="a sentence like a prompt"),
        pytest.param(f"cat\n{BOX}\ndog\n{OTHER}", Outcome.REPAIRED, None, [S, S], id="names on the lines above"),
        pytest.param(f"{BOX} cat</s> and so on</s>", Outcome.REPAIRED, [CAT], [S], id="words behind another end"),
        pytest.param("I can't\nsee; a cat", Outcome.UNRECOGNISED, [], [S], id="prose"),
        pytest.param(loc(1, 2, 3) + " cat", Outcome.UNRECOGNISED, [], [S], id="three locations"),
        pytest.param(loc(1, 2) + " cat ; " + BOX + " cat", Outcome.REPAIRED, [CAT], [S], id="two locations, then four"),
        pytest.param(BOX + "<loc0500> cat", Outcome.REPAIRED, [CAT], [R], id="five locations"),
        pytest.param(BOX + loc(5, 6, 7) + " cat", Outcome.REPAIRED, [CAT], [R], id="seven locations"),
        pytest.param(f"{loc(100, 200, 100, 400)} cat", Outcome.UNRECOGNISED, [], [S], id="no height"),
        pytest.param(f"{loc(100, 200, 300, 200)} cat ; {OTHER} dog", Outcome.REPAIRED, [DOG], [S], id="no width"),
        pytest.param(f"{loc(0, 0, 0, 0)} cat", Outcome.UNRECOGNISED, [], [S], id="a point of nothing"),
        pytest.param("<loc0500>" * 1000, Outcome.UNRECOGNISED, [], [S], id="a point of nothing over and over"),
        pytest.param("<loc0500>" * 1001, Outcome.TRUNCATED, [], [C, S], id="a point of nothing until it was cut"),
        pytest.param(f"{loc(300, 200, 100, 400)} cat", Outcome.REPAIRED, [CAT], [R], id="upside down"),
        pytest.param(f"{loc(300, 400, 100, 200)} cat", Outcome.REPAIRED, [CAT], [R], id="inverted both ways"),
        pytest.param(f"{loc(100, 200, 300, 1024)} cat", Outcome.UNRECOGNISED, [], [S], id="location 1024"),
        pytest.param(f"{loc(9999, 1, 2, 3)} cat ; {OTHER} dog", Outcome.REPAIRED, [DOG], [S], id="location 9999"),
        pytest.param(
            f"<loc{'9' * 5000}>{loc(1, 2, 3)} cat", Outcome.UNRECOGNISED, [], [S], id="a location of 5000 digits"
        ),
        pytest.param(f"{BOX}{SEG[:-8]} cat", Outcome.REPAIRED, [CAT], [R], id="fifteen mask tokens"),
        pytest.param(f"{BOX}{SEG}<seg001> cat", Outcome.REPAIRED, [MASKED_CAT], [R], id="seventeen mask tokens"),
        pytest.param(f"{BOX}{SEG[:-8]}<seg128> cat", Outcome.REPAIRED, [CAT], [R], id="mask token 128"),
        pytest.param(f"{BOX}<seg087><seg041>…<seg055> cat", Outcome.REPAIRED, [CAT], [R, R], id="mask elided"),
        pytest.param(f"{SEG} cat", Outcome.UNRECOGNISED, [], [S], id="mask without a box"),
        pytest.param(f"{loc(1, 2, 3)}{SEG} cat", Outcome.UNRECOGNISED, [], [S], id="mask with three locations"),
        pytest.param(f"{BOX} cat ; dog ; {OTHER} dog", Outcome.REPAIRED, [CAT, DOG], [S], id="a name without a box"),
        pytest.param(f"Here they are: {BOX} cat", Outcome.REPAIRED, [CAT], [S], id="words first"),
        pytest.param(f"{BOX} cat<eos> and so on", Outcome.REPAIRED, [CAT], [S], id="words behind the end"),
        pytest.param(
            f"{BOX} {'x' * 9999}", Outcome.REPAIRED, [("x" * 200, CAT[1], None)], [R], id="a label without end"
        ),
        pytest.param(f"{BOX} cat ; {BOX} cat ; {BOX} cat", Outcome.FOUND, [CAT] * 3, [M], id="repeats"),
        pytest.param(
            f"{BOX} cat ; {loc(500, 600, 700)}", Outcome.TRUNCATED, [CAT], [C], id="cut after three locations"
        ),
        pytest.param(f"{BOX} cat ; {loc(500, 600)}<loc07", Outcome.TRUNCATED, [CAT], [C], id="cut inside a location"),
        pytest.param(
            f"{BOX}<loc0500>", Outcome.TRUNCATED, [NAMELESS], [C], id="cut in the second of two nameless boxes"
        ),
        pytest.param(loc(1), Outcome.TRUNCATED, [], [C], id="cut after the first location"),
        pytest.param("<loc", Outcome.TRUNCATED, [], [C], id="cut inside the first location"),
        pytest.param(f"{BOX}{SEG[:-8]}", Outcome.TRUNCATED, [NAMELESS], [C], id="cut in the mask"),
        pytest.param(f"{BOX}{SEG[:-1]}", Outcome.TRUNCATED, [NAMELESS], [C], id="cut inside the last mask token"),
        pytest.param(f"{BOX}{SEG[:-8]}<eos>", Outcome.REPAIRED, [NAMELESS], [R], id="a short mask, ended by the model"),
        pytest.param(f"{loc(1, 2, 3)}<eos>", Outcome.UNRECOGNISED, [], [S], id="a short box, ended by the model"),
        pytest.param(
            f"{BOX} cat ; {OTHER} cat house ; {BOX} ca<eo", Outcome.FOUND, None, [], id="cut inside the end token"
        ),
        pytest.param(
            f"{BOX} 5 of clubs ; {OTHER} 5",
            Outcome.TRUNCATED,
            [("5 of clubs", *CAT[1:]), ("5", *DOG[1:])],
            [C],
            id="cut in a label said before",
        ),
    ],
)
def test_what_is_wrong_is_noted_once_and_the_rest_is_kept(
    text: str, outcome: Outcome, expected: list[object] | None, notes: list[NoteKind]
) -> None:
    decoded = decode(text)
    assert decoded.outcome is outcome
    assert expected is None or said(decoded) == expected
    assert kinds(decoded) == notes
    assert all(0 < len(note.detail) < 200 for note in decoded.notes)


CONTROL_TOKENS = [
    "<eos>",
    "<bos>",
    "<pad>",
    "<unk>",
    "<image>",
    "<mask>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<unused99>",
]


@pytest.mark.parametrize("token", [*CONTROL_TOKENS, "</s>", "<|endoftext|>"])
def test_no_beginning_of_a_control_token_is_left_in_a_label_or_a_sentence(token: str) -> None:
    for length in range(len(token) + 1):
        assert said(decode(f"{BOX} cat{token[:length]}")) == [CAT], token[:length]
    assert answer_text(f"a cat{token}") == answer_text(f"a cat{token[:-1]}") == "a cat"


def test_names_are_not_given_to_the_boxes_above_where_they_may_be_meant_for_those_below() -> None:
    assert [d.label for d in decode(f"cat\n{BOX}\ndog\n{OTHER}").detections] == ["", ""]


@pytest.mark.parametrize(
    ("text", "prompt", "outcome", "labels"),
    [
        pytest.param(f"{BOX}{SEG}", "segment cat\n", Outcome.FOUND, ["cat"], id="one asked names the nameless"),
        pytest.param(f"{BOX}{SEG}", "segment cat ; dog", Outcome.FOUND, [""], id="two asked do not"),
        pytest.param(f"{BOX} tom", "detect cat", Outcome.FOUND, ["tom"], id="the model's own name stays"),
        pytest.param(f"{BOX} ca", "detect cat ; dog", Outcome.TRUNCATED, ["ca"], id="label cut"),
        pytest.param(f"{BOX} ca<eos>", "detect cat ; dog", Outcome.FOUND, ["ca"], id="label ended by the model"),
        pytest.param(f"{BOX} cat", "detect cathedral ; cat", Outcome.FOUND, ["cat"], id="asked for both"),
        pytest.param(f"find cat{BOX} cat", "find cat", Outcome.FOUND, ["cat"], id="echo glued on"),
        pytest.param(
            f"<bos>find cat\n{BOX} cat", "<image>find cat\n", Outcome.FOUND, ["cat"], id="echo between tokens"
        ),
        pytest.param("detect cat", "detect cat", Outcome.NONE, [], id="echo alone"),
        pytest.param("Segment of an orange", "segment orange", Outcome.UNRECOGNISED, [], id="like a prompt, but none"),
        pytest.param(f"{BOX} ; {OTHER}", "detect 猫；犬", Outcome.FOUND, ["", ""], id="two asked in Japanese"),
        pytest.param(f"{BOX} cat", "", Outcome.FOUND, ["cat"], id="empty prompt"),
    ],
)
def test_knowing_the_prompt_helps(text: str, prompt: str, outcome: Outcome, labels: list[str]) -> None:
    decoded = decode(text, prompt=prompt)
    assert (decoded.outcome, [d.label for d in decoded.detections]) == (outcome, labels)


def test_an_answer_stopped_by_its_budget_is_truncated_however_it_ends() -> None:
    assert decode(f"{BOX} cat", cut=True).outcome is Outcome.TRUNCATED
    assert kinds(decode(f"{BOX} cat ; {loc(1)}", cut=True)) == [C]


def test_all_masks_are_decoded_in_one_call() -> None:
    calls = []

    def decoder(codes: np.ndarray) -> np.ndarray:
        calls.append(codes.tolist())
        return np.stack([np.full((2, 2), code[-1] / 127, np.float32) for code in codes])

    last = SEG[:-8] + "<seg127>"
    masks = [
        d.mask for d in decode(f"{BOX}{SEG} cat ; {OTHER} dog ; {OTHER}{last} dog", mask_decoder=decoder).detections
    ]
    assert calls == [[list(CODES), [*CODES[:-1], 127]]]
    assert masks[1] is None
    assert masks[0]
    assert masks[2]
    assert (masks[0].probs[0, 0], masks[2].probs[0, 0]) == pytest.approx((15 / 127, 1))
    assert masks[2].frame == Box(600 / 1024, 500 / 1024, 800 / 1024, 700 / 1024)


def test_no_mask_means_no_call_to_the_decoder() -> None:
    def decoder(codes: np.ndarray) -> np.ndarray:
        raise AssertionError(codes)

    assert decode(f"{BOX} cat ; {OTHER}{SEG[:-8]}", mask_decoder=decoder).detections[1].mask is None


def test_scores_are_asked_for_by_place_in_the_text() -> None:
    text = f"detect cat\n{BOX} red cat ; {OTHER}"
    spots: list[Spot] = []
    decoded = decode(text, score_of=lambda spot: spots.append(spot) or 0.25 * len(spots))
    assert [(text[slice(*s.box)], s.label and text[slice(*s.label)]) for s in spots] == [
        (BOX, "red cat"),
        (OTHER, None),
    ]
    assert [d.score for d in decoded.detections] == [0.25, 0.5]
    assert [d.score for d in decode(text).detections] == [None, None]


def is_grounding(about: dict[str, object]) -> bool:
    return about["task"] in ("detect", "segment")


def whole_objects(text: str) -> list[tuple[tuple[int, ...], tuple[int, ...] | None]]:
    """Boxes and masks of a well-formed answer, by the plainest pattern there is."""
    groups = re.findall(r"((?:<loc\d{4}>){4})\s*((?:<seg\d{3}>){16})?", text)
    return [
        (tuple(map(int, re.findall(r"\d+", locs))), tuple(map(int, re.findall(r"\d+", segs))) or None)
        for locs, segs in groups
    ]


@pytest.mark.parametrize("case", params("paligemma", is_grounding))
@pytest.mark.parametrize("told", [pytest.param(False, id="answer alone"), pytest.param(True, id="with its prompt")])
def test_a_recorded_answer_gives_exactly_the_objects_it_names(case: Case, told: bool) -> None:
    decoded = decode(case.text, prompt=case.about["prompt"] if told else None)
    elided = case.name == "mimi-segment-cat-elided"  # 3 of 16 tokens left: no mask, and "…" is no label
    expected = [
        (tuple(o["yxyx_1024"]), None if elided or not o["seg"] else tuple(o["seg"]), "cat" if elided else o["label"])
        for o in case.about["derived"]["objects"]
    ]
    assert [(box, codes) for _, box, codes in said(decoded)] == [(box, codes) for box, codes, _ in expected]
    assert all(label == want for (label, *_), (*_, want) in zip(said(decoded), expected, strict=True) if want)
    if case.name == "rf-cards-runaway-256":
        assert decoded.outcome is Outcome.TRUNCATED
        assert kinds(decoded) == [C, M]
    elif not elided:
        assert decoded.outcome is Outcome.FOUND


@pytest.mark.parametrize("case", params("paligemma", is_grounding))
def test_every_beginning_of_a_recorded_answer_gives_only_its_whole_objects(case: Case) -> None:
    text = case.text
    for length in range(len(text) + 1):
        decoded = decode(text[:length])
        assert [(box, codes) for _, box, codes in said(decoded)] == whole_objects(text[:length])
        assert decoded.outcome is not Outcome.NONE or not re.search("<loc", text[:length])


# What the source states, the picture its numbers are of (None: the case's own), and how it rounded or how far it erred.
STATED = {
    "gcb-js-detect-person": ("source_normalised_box_xyxy_px", None, np.rint, 0),
    "hfcb-detect-girl-pt448": ("xyxy_px", None, np.array, 0),
    "jj-detect-cow-3b": ("pixels_of_400", (400, 400), np.floor, 0),
    "jj-segment-cow-3b": ("xyxy_px_of_448", (448, 448), np.floor, 0),
    "mlx-detect-cats": ("source_bboxes_xyxy_1024", (1024, 1024), np.array, 0),
    "ss-gate-two-red-squares": ("ground_truth_xyxy_normalised", (1, 1), np.array, 0.02),  # the model's own error
    "ss-red-left": ("ground_truth_xyxy_px", None, np.array, 4),
}


@pytest.mark.parametrize("case", params("paligemma", lambda about: about["case"] in STATED))
def test_boxes_land_on_the_pixels_the_source_states(case: Case) -> None:
    key, size_wh, rounded, tolerance = STATED[case.name]
    got = [to_px(d.box, size_wh or case.about["image_size"]) for d in decode(case.text).detections if d.box]
    assert np.allclose(rounded(got), np.reshape(case.about["expected"][key], (-1, 4)), atol=tolerance)


@pytest.mark.parametrize("case", params("paligemma", lambda a: a["task"] in ("caption", "vqa", "ocr")))
def test_a_recorded_answer_in_words_comes_without_echo_and_control_tokens(case: Case) -> None:
    prompt = case.about["prompt"]
    words = answer_text(case.text, prompt=prompt)
    assert words
    assert words in case.text
    assert "<eos>" not in words
    assert not (prompt and words.startswith(prompt))
    assert decode(case.text, prompt=prompt).detections == ()


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        pytest.param("yes<eos>", None, "yes", id="end token"),
        pytest.param("answer en Where?\nbeach", "answer en Where?", "beach", id="echo on its own line"),
        pytest.param("cap enTwo men.", "cap en", "Two men.", id="echo glued on"),
        pytest.param("\ncow on the beach", "", "cow on the beach", id="leading newline"),
        pytest.param("Experts\nMachine Learning", None, "Experts\nMachine Learning", id="two lines"),
        pytest.param("yes<eos>no<eos>", None, "yes", id="what follows the end"),
        pytest.param("<eos>", None, "", id="nothing said"),
        pytest.param("yes</s>no", None, "yes", id="another tokenizer's end"),
        pytest.param("segment of an orange on a plate", None, "segment of an orange on a plate", id="like a prompt"),
        pytest.param("Detect and avoid\nSlow down", "ocr", "Detect and avoid\nSlow down", id="a sign like a prompt"),
        pytest.param("Segment of an orange", "caption en", "Segment of an orange", id="a caption like a prompt"),
        pytest.param("ocr engine", "ocr", "ocr engine", id="begins with the one word asked"),
        pytest.param("A cat on a mat", "A cat", "A cat on a mat", id="begins with the free words that asked"),
        pytest.param("ocr\nSTOP", "ocr\n", "STOP", id="one word echoed on its own line"),
        pytest.param("answer en Where?\n", "answer en Where?", "", id="echo alone"),
    ],
)
def test_words_are_taken_out_of_an_answer(text: str, prompt: str | None, expected: str) -> None:
    assert answer_text(text, prompt=prompt) == expected


def request(task: Task, text: str = "", *labels: str) -> Request:
    return Request(task, (), text, labels)


@pytest.mark.parametrize(
    ("asked", "prefix"),
    [
        pytest.param(request(Task.CAPTION), "caption en", id="caption"),
        pytest.param(request(Task.CAPTION, "describe en"), "describe en", id="free prompt"),
        pytest.param(request(Task.CAPTION, "caption de"), "caption de", id="another language"),
        pytest.param(request(Task.ASK, "What is this?"), "answer en What is this?", id="ask"),
        pytest.param(request(Task.ASK, "answer es ¿Qué es?"), "answer es ¿Qué es?", id="ask in another language"),
        pytest.param(request(Task.ASK, "ocr"), "ocr", id="read the text"),
        pytest.param(request(Task.DETECT, "", "cat", "red car"), "detect cat ; red car", id="detect"),
        pytest.param(request(Task.DETECT, "dog on the left"), "detect dog on the left", id="detect what the text says"),
        pytest.param(request(Task.DETECT, "cat;dog ;"), "detect cat ; dog", id="detect what the text lists"),
        pytest.param(request(Task.DETECT, "猫；犬"), "detect 猫 ; 犬", id="detect what a Japanese text lists"),
        pytest.param(request(Task.DETECT, "detect cat ; dog"), "detect cat ; dog", id="detect by a whole prompt"),
        pytest.param(request(Task.SEGMENT, "", "cat"), "segment cat", id="segment"),
        pytest.param(
            request(Task.SEGMENT, "", " a;b ", "", " \n"), "segment a b", id="labels with separators, empty ones"
        ),
        pytest.param(request(Task.ASK, "a\nb\0 \ud800c"), "answer en a b ?c", id="newline, NUL, lone surrogate"),
        pytest.param(
            request(Task.ASK, "is <loc0001><seg001><image><eos>it?"), "answer en is it?", id="tokens in the text"
        ),
        pytest.param(request(Task.DETECT, "", "<lo<eos>c0001>"), "detect <lo c0001>", id="a token hidden in a token"),
    ],
)
def test_what_is_asked_becomes_the_prefix_paligemma_was_trained_on(asked: Request, prefix: str) -> None:
    assert encode_prefix(asked) == prefix


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request(Task.DETECT), id="nothing to detect"),
        pytest.param(request(Task.SEGMENT, "", " ", "<loc0001>"), id="nothing left to segment"),
        pytest.param(request(Task.ASK, "  "), id="no question"),
        pytest.param(request(Task.ASK, "why " * 600), id="too long"),
        pytest.param(request(Task.CAPTION, "x" * 100_000), id="far too long"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_do(asked: Request) -> None:
    with pytest.raises(RequestError, match=r"Name|Type|keep"):
        encode_prefix(asked)


@given(st.text() | st.text(alphabet="<>locsegimaeb0123 ;\n"))
def test_no_text_of_a_person_becomes_a_token(text: str) -> None:
    cleaned = plain(text)
    assert not re.search(r"<(loc|seg)\d+>|<(image|eos|bos|pad)>|[\n\0\ud800-\udfff]", cleaned)


LABELS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="<;；"), min_size=1, max_size=12
).filter(lambda label: label == label.strip(",:|，：、،"))


@st.composite
def detections(draw: st.DrawFn) -> Detection:
    sides = [sorted(draw(st.tuples(*[st.floats(0, 1)] * 2).filter(lambda p: p[0] != p[1]))) for _ in "xy"]
    codes = draw(st.none() | st.tuples(*[st.integers(0, 127)] * 16))
    (x1, x2), (y1, y2) = sides
    return Detection(draw(LABELS), Box(x1, y1, x2, y2), mask_tokens=codes)


@given(st.lists(detections(), max_size=5))
@example([Detection("cat", Box(0, 0, 1e-9, 1e-9))])
@example([Detection("cat", Box(1 - 1e-9, 1 - 1e-9, 1, 1))])
def test_what_is_encoded_is_read_back_within_half_a_bin(said_things: list[Detection]) -> None:
    decoded = decode(encode_suffix(said_things))
    assert [(d.label, d.mask_tokens) for d in decoded.detections] == [(d.label, d.mask_tokens) for d in said_things]
    for got, want in zip(decoded.detections, said_things, strict=True):
        assert got.box
        assert want.box
        for (low, high), (first, last) in (
            ((got.box.x1, got.box.x2), (want.box.x1, want.box.x2)),
            ((got.box.y1, got.box.y2), (want.box.y1, want.box.y2)),
        ):
            # Half a bin; but 1.0 has no bin of its own, and no box is made thinner than one bin.
            assert abs(low - min(first, 1022 / 1024)) <= 0.5 / 1024 + 1e-9
            assert abs(high - min(last, 1023 / 1024)) <= (0.5 if last - first >= 1 / 1024 else 1) / 1024 + 1e-9


def test_an_answer_is_written_as_big_vision_writes_it() -> None:
    things = [Detection("cat", Box(0.1, 0.2, 0.5, 1), mask_tokens=CODES), Detection("a;b\n<eos>", Box(0, 0, 1, 1))]
    assert encode_suffix(things) == f"{loc(205, 102, 1023, 512)} {SEG} cat ; {loc(0, 0, 1023, 1023)} a b"
    assert encode_suffix([]) == ""


def test_a_thing_without_a_box_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="box"):
        encode_suffix([Detection("cat")])


TOKENS = ["<loc0001>", "<loc1023>", "<loc0500>", "<loc4096>", "<seg000>", "<seg127>", "<seg999>", SEG, BOX, OTHER]
OTHER_PARTS = [
    "<eos>",
    "<bos>",
    "<pad>",
    "<image>",
    "<loc",
    "<seg0",
    "<",
    ">",
    "detect cat\n",
    "cat",
    "é",
    "…",
    "\0",
    "\ud800",
]
PARTS = st.sampled_from([*TOKENS, *OTHER_PARTS, " ", ";", " ; ", "\n"])


@given(
    st.lists(PARTS, max_size=40).map("".join) | st.text(),
    st.none() | st.sampled_from(["", "detect cat", "segment a ; b"]),
)
def test_no_text_raises_and_no_box_is_invented(text: str, prompt: str | None) -> None:
    decoded = decode(text, prompt=prompt, mask_decoder=lambda codes: np.zeros((len(codes), 2, 2), np.float32))
    numbers = [int(number) for number in re.findall(r"<loc(\d+)>", text)]
    fours = {tuple(numbers[i : i + 4]) for i in range(len(numbers) - 3)}
    for _, (y1, x1, y2, x2), codes in said(decoded):
        assert {(y1, x1, y2, x2), (y2, x1, y1, x2), (y1, x2, y2, x1), (y2, x2, y1, x1)} & fours
        assert codes is None or (len(codes) == 16 and max(codes) < 128)
    assert [d.id for d in decoded.detections] == list(range(len(decoded.detections)))
    assert bool(decoded.detections) or decoded.outcome in (Outcome.NONE, Outcome.UNRECOGNISED, Outcome.TRUNCATED)
    assert decoded.outcome is not Outcome.UNRECOGNISED or decoded.notes


def test_a_very_long_answer_is_read_in_time() -> None:
    assert len(decode(f"{BOX} cat ; " * 10_000).detections) == 10_000
    assert not decode("<loc0001" * 5_000).detections


@pytest.mark.parametrize(
    "pattern",
    [
        "\n",
        " \n",
        ";",
        "; ",
        "cat\n",
        "<",
        "<loc",
        "<seg000>",
        "<pad>",
        "<|a",
        "and ",
        ", ",
        f"{BOX}\n",
        f"{BOX} a, ",
        "<unused1",
    ],
)
def test_the_time_an_answer_takes_grows_with_its_length_only(pattern: str) -> None:
    """Four times the text in at most nine times the time: sixteen would be quadratic."""

    def seconds(times: int) -> float:
        text = "x" + pattern * times
        return min(
            timeit.repeat(lambda: (decode(text), answer_text(text)), timer=time.process_time, number=1, repeat=3)
        )

    size = 20_000 // len(pattern)
    assert seconds(4 * size) < 9 * seconds(size) + 0.02
