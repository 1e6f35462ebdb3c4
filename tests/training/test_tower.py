"""What patches of nothing are to say of the whole picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenes import LABELS
from scenes.language import PLACES
from training.settings import TEXT
from training.tower import SEVERAL, Heads, Known, of_the_scene

COUNTS = torch.zeros(2, len(LABELS), dtype=torch.long)
COUNTS[0, 0], COUNTS[0, 1], COUNTS[1, 2] = 2, 1, 3
NONE = torch.zeros(0)
KNOWN = Known([], np.zeros((2, 1)), NONE, NONE, NONE, NONE, NONE, NONE, NONE, COUNTS, torch.tensor([1, 4]))


def speaking(counts: torch.Tensor, places: list[int]) -> Heads:
    """Heads that say just this of the first scene and the second, each told by a number of its own."""
    heads = Heads()
    for part, said in (
        (heads.scene, (counts[:, :, None] > torch.arange(SEVERAL)).flatten(1).float()),
        (heads.place, torch.nn.functional.one_hot(torch.tensor(places), len(PLACES)).float()),
    ):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.constant_(part.bias, -10.0)
        part.weight.data[:, :2] = 20 * said.T
    return heads


@torch.no_grad()
def test_who_says_what_is_there_loses_nothing_and_who_says_another_scene_loses_much() -> None:
    z = torch.eye(2, TEXT["hidden_size"])[[0, 1, 1]]
    right = of_the_scene(speaking(COUNTS, [1, 4]), z, torch.tensor([0, 1, 1]), KNOWN)
    assert max(float(right["scene"]), float(right["place"])) < 1e-3
    assert float(right["f1"]) == 1
    wrong = of_the_scene(speaking(COUNTS.flip(0), [4, 1]), z, torch.tensor([0, 1, 1]), KNOWN)
    assert min(float(wrong["scene"]), float(wrong["place"])) > 0.3
    assert float(wrong["f1"]) == 0


@torch.no_grad()
def test_what_is_said_twice_where_there_is_one_counts_against_it_but_not_against_the_f1() -> None:
    more = COUNTS.clone()
    more[0, 1] = 2
    told = of_the_scene(speaking(more, [1, 4]), torch.eye(2, TEXT["hidden_size"]), torch.tensor([0, 1]), KNOWN)
    assert float(told["scene"]) == pytest.approx(10 / (2 * len(LABELS) * SEVERAL), rel=0.01)
    assert float(told["f1"]) == 1
