"""PaliGemma's answers in every form that models give them, and what no model should say, one row each."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.codecs.paligemma import Spot, answer_text, decode
from grounding.types import Box, NoteKind, Outcome
from tests.grounding.codecs.paligemma_answers import BOX, CODES, OTHER, SEG, kinds, loc, said

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
