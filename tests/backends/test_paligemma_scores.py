"""Scores by hand: answers whose token probabilities are known, so every part has a right value."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backends.paligemma_scores import (
    FILE,
    QUANTILES,
    Calibration,
    Place,
    fit,
    parts_of,
    place_columns,
    places_of,
    raw_score,
    read,
    score_of,
    write,
)
from grounding.codecs.paligemma import LOC_BINS, Spot

BOX = (100, 200, 300, 400)  # y1 x1 y2 x2


@dataclass(frozen=True)
class Said:
    text: str
    ends: tuple[int, ...]
    log_probs: tuple[float, ...]
    places: tuple[Place, ...]


def sure(value: int, mass: float = 1.0) -> Place:
    return Place(mass, (value,) * QUANTILES)


def say(*tokens: tuple[str, float], places: dict[int, Place] | None = None) -> Said:
    """An answer of these (text, probability) tokens; a <loc> token is sure of its place unless `places` says other."""
    ends = np.cumsum([len(text) for text, _ in tokens]).tolist()
    known = [
        (places or {}).get(n) or (sure(int(text[4:8])) if text.startswith("<loc") else sure(0, 0.0))
        for n, (text, _) in enumerate(tokens)
    ]
    return Said("".join(text for text, _ in tokens), tuple(ends), tuple(math.log(p) for _, p in tokens), tuple(known))


LOCS = tuple((f"<loc{value:04d}>", 0.5) for value in BOX)
SPOT = Spot((0, 36), (37, 40))


def test_a_sure_box_with_a_sure_label_scores_one() -> None:
    assert parts_of(say(*LOCS, (" cat", 1.0)), SPOT) == pytest.approx((1, 1, 1))


def test_the_label_counts_by_the_geometric_mean_of_its_tokens() -> None:
    said = say(*LOCS, (" red", 0.9), (" car", 0.4))
    assert parts_of(said, Spot((0, 36), (37, 44))) == pytest.approx((1, 0.6, 1))


def test_a_box_without_a_label_is_scored_by_its_place() -> None:
    assert parts_of(say(*LOCS), Spot((0, 36), None)) == pytest.approx((1, 1, 1))


def test_that_a_box_begins_is_as_likely_as_all_places_together_and_what_led_to_it() -> None:
    first = say(*LOCS, (" cat", 1.0), places={0: sure(100, 0.7)})
    assert parts_of(first, SPOT) == pytest.approx((0.7, 1, 1))
    second = say(*LOCS, (" cat", 0.9), (" ;", 0.3), (" ", 0.8), *LOCS, (" cat", 1.0))
    start = len("".join(text for text, _ in LOCS)) + len(" cat ; ")
    assert parts_of(second, Spot((start, start + 36), (start + 37, start + 40))) == pytest.approx((0.24, 1, 1))


def test_a_box_whose_edge_might_lie_elsewhere_is_expected_to_overlap_less() -> None:
    half_elsewhere = Place(1.0, (200,) * (QUANTILES // 2) + (400,) * (QUANTILES // 2))
    said = say(*LOCS, (" cat", 1.0), places={3: half_elsewhere})  # x2 of 400 may as well be 200: nothing is left
    assert parts_of(said, SPOT) == pytest.approx((1, 1, 0.5), abs=0.01)


def test_wider_spreads_score_lower() -> None:
    scores = []
    for spread in (0, 20, 80, 200):
        place = Place(1.0, tuple(int(v) for v in np.linspace(400 - spread, 400 + spread, QUANTILES)))
        scores.append(raw_score(say(*LOCS, (" cat", 1.0), places={3: place}), SPOT))
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


@pytest.mark.parametrize(
    ("said", "spot"),
    [
        pytest.param(replace(say(*LOCS, (" cat", 1.0)), places=()), SPOT, id="the model has no places"),
        pytest.param(say(*LOCS[:3], (" cat", 1.0)), Spot((0, 27), (28, 31)), id="three places"),
        pytest.param(say(), Spot((0, 0), None), id="nothing said"),
    ],
)
def test_what_cannot_be_scored_is_none_and_no_number(said: Said, spot: Spot) -> None:
    assert raw_score(said, spot) is None
    assert score_of(said, Calibration(1, 0))(spot) is None


def test_a_calibration_maps_the_raw_score_and_keeps_its_order() -> None:
    said = say(*LOCS, (" cat", 0.5))
    assert score_of(said)(SPOT) == pytest.approx(0.5)
    assert score_of(said, Calibration(2.0, 1.0))(SPOT) == pytest.approx(1 / (1 + math.exp(-1)))
    curve = Calibration(0.7, 0.3)
    values = [curve(raw) for raw in (0.0, 1e-9, 0.01, 0.5, 0.99, 1.0)]
    assert values == sorted(values)
    assert all(0 <= value <= 1 for value in values)


def test_columns_hold_the_mass_of_all_places_and_where_it_lies() -> None:
    first, logits = 7, torch.full((2, LOC_BINS + 20), -100.0)
    logits[0, first + 300] = logits[0, 3] = 0.0  # half on one place, half on a word
    logits[1, first + 100 : first + 900] = 0.0  # all over the middle
    certain, spread = places_of(place_columns(logits, first).tolist())
    assert certain.mass == pytest.approx(0.5)
    assert certain.quantiles == (300,) * QUANTILES
    assert spread.mass == pytest.approx(1)
    assert np.allclose(np.diff(spread.quantiles), 100, atol=1)
    assert spread.quantiles[0] == pytest.approx(150, abs=1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_columns_of_16_bit_logits_stay_in_order(dtype: torch.dtype) -> None:
    logits = torch.randn(3, LOC_BINS + 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    for place in places_of(place_columns(logits, 5).tolist()):
        assert 0.9 < place.mass <= 1.00001
        assert list(place.quantiles) == sorted(place.quantiles)
        assert 400 < place.quantiles[QUANTILES // 2] < 650


def test_a_fit_finds_the_curve_that_made_the_boxes_right() -> None:
    random = np.random.default_rng(0)
    raw = random.uniform(0.05, 0.99, 3000)
    true = Calibration(1.4, 0.8)
    right = random.random(len(raw)) < [true(value) for value in raw]
    found = fit(raw, right)
    assert (found.slope, found.offset) == pytest.approx((1.4, 0.8), abs=0.25)


@pytest.mark.parametrize("right", [np.ones(5, bool), np.zeros(5, bool)], ids=["all right", "all wrong"])
def test_a_fit_of_one_kind_stays_finite(right: np.ndarray) -> None:
    curve = fit(np.linspace(0.1, 0.9, 5), right)
    assert math.isfinite(curve.slope)
    assert math.isfinite(curve.offset)


def test_a_calibration_is_read_back_only_beside_the_weights_it_was_measured_on(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    write(tmp_path, Calibration(1.5, -0.25), {"boxes": 3})
    assert read(tmp_path) == Calibration(1.5, -0.25)
    weights.write_bytes(b"wEights")
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"slope": "steep"}, id="no number"),
        pytest.param({"slope": float("nan")}, id="not finite"),
        pytest.param({"slope": -1.0}, id="upside down"),
        pytest.param({"weights": None}, id="no mark"),
    ],
)
def test_a_damaged_calibration_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write(tmp_path, Calibration(1.0, 0.0), {})
    kept = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(kept | change))
    assert read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{", "null", "{}"])
def test_rubbish_is_no_calibration(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert read(tmp_path) is None
