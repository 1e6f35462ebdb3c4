"""PaliGemma's answers as recorded, and every beginning of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from grounding.codecs.paligemma import answer_text, decode
from grounding.geometry import to_px
from grounding.types import NoteKind, Outcome
from tests.grounding.codecs.paligemma_answers import kinds, said
from tests.recorded import Case, params


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
        assert kinds(decoded) == [NoteKind.CUT, NoteKind.MODEL]
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
