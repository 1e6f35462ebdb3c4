"""The lean forward pass that trains the language part says what transformers says; boxes are said on a grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from training.architecture import build, config, coordinate_basis
from training.language_part import left_to_name, on_grid, silence_between
from training.lean_pass import NOT_ONE, Encoded, Rows, answer_states, pad, token_losses
from training.mask_decoder import said_codes, soft_iou
from training.settings import GRID, IMAGE_TOKENS
from training.tokenizer import build as build_tokenizer

TOKENIZER = build_tokenizer()
IMAGE, BOS, EOS, LOC = (TOKENIZER.token_to_id(t) for t in ("<image>", "<bos>", "<eos>", "<loc0000>"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)  # other weights may have two codes all but equally likely
    made = build(config(TOKENIZER.get_vocab_size(), IMAGE, pad=0, bos=BOS, eos=EOS)).eval()
    for p in made.model.language_model.layers.parameters():
        if p.ndim == 2:
            torch.nn.init.normal_(p, std=0.08)
    return made


def ids(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


@torch.no_grad()
def test_it_agrees_with_transformers_on_rows_of_different_length(model):
    pixels = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    z = model.model.get_image_features(pixels).pooler_output
    texts = [("detect red cat\n", "<loc0100><loc0200><loc0300><loc0400> red cat"), ("caption en\n", "a cat")]
    rows = [([IMAGE] * IMAGE_TOKENS + [BOS] + ids(p), [*ids(a), EOS]) for p, a in texts]
    longest = max(len(p) + len(a) for p, a in rows)
    tokens = torch.tensor([p + a + [0] * (longest - len(p) - len(a)) for p, a in rows])
    prefix, length = torch.tensor([len(p) for p, _ in rows]), torch.tensor([len(p) + len(a) for p, a in rows])
    weight = torch.arange(tokens.numel()).view(tokens.shape).float()
    padded = Rows(torch.arange(2), tokens, prefix, length, weight, tokens[..., None])
    states, right, due = answer_states(model.model.language_model, z, padded)
    ours = F.linear(states, model.model.language_model.embed_tokens.weight)
    wanted = []
    for k, (p, a) in enumerate(rows):
        whole = torch.tensor([p + a])
        kinds = torch.tensor([[0] * len(p) + [1] * len(a)])
        out = model(
            input_ids=whole, token_type_ids=kinds, attention_mask=torch.ones_like(whole), pixel_values=pixels[k : k + 1]
        )
        wanted.append(out.logits[0, len(p) - 1 : -1])
    assert right[:, 0].tolist() == [token for _, a in rows for token in a]
    assert due.tolist() == [
        w for row, (p, a) in zip(weight.tolist(), rows, strict=True) for w in row[len(p) :][: len(a)]
    ]
    assert (ours - torch.cat(wanted)).abs().max() < 1e-4


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param((0.1, 0.2, 0.5, 0.7), id="ordinary"),
        pytest.param((0.4, 0.4, 0.4001, 0.4001), id="thinner than the grid"),
        pytest.param((0.999, 0.999, 1.0, 1.0), id="in the last corner"),
        pytest.param((-0.2, -0.1, 1.3, 1.0001), id="reaching out"),
    ],
)
def test_boxes_are_said_on_the_grid_and_never_empty(corners):
    box = on_grid(corners)
    assert all((v * GRID).is_integer() for v in box)
    assert all(abs(v - min(1, max(0, c))) < 1.1 / GRID for v, c in zip(box, corners, strict=True))


def test_places_between_the_grids_are_never_the_likeliest():
    table = torch.cat([torch.zeros(3, 64), coordinate_basis(torch.arange(1024) / 1024)])
    silence_between(table, 3)
    on = [k for k in range(1024) if k % (1024 // GRID) == 0] + [1023]
    assert set((table[3:][on] @ table[3:].T).argmax(1).tolist()) <= set(on)


def test_what_has_one_right_token_is_scored_by_plain_cross_entropy():
    drawn = torch.Generator().manual_seed(2)
    states, table = torch.randn(3, 8, generator=drawn), torch.randn(40, 8, generator=drawn)
    said = torch.tensor([1, 7, 39])
    loss, guess = token_losses(states, said[:, None], table)
    assert torch.allclose(loss, F.cross_entropy(states @ table.T, said, reduction="none"), atol=1e-5)
    assert torch.equal(guess, (states @ table.T).argmax(-1))


def test_several_right_tokens_share_what_is_due():
    table, states, right = torch.eye(8), torch.zeros(3, 8), torch.tensor([[2, 5], [2, 5], [2, NOT_ONE]])
    states[:, 2], states[1, 5] = 20, 20
    loss, _ = token_losses(states, right, table)
    assert loss[1] == pytest.approx(np.log(2), abs=1e-3), "even between them: as good as it gets"
    assert loss[0] > 9, "one of them is never said"
    assert loss[2] < 1e-3


def test_rows_keep_what_is_right_as_well_beside_its_token():
    plain, either = Encoded(0, [1, 2], [3, 4], [1.0, 1.0]), Encoded(1, [1], [3, 4], [1.0, 1.0], {1: [5, 6]})
    rows = pad([plain, either])
    assert rows.right[0].tolist() == [[1, -1, -1], [2, -1, -1], [3, -1, -1], [4, -1, -1]]
    assert rows.right[1, :3].tolist() == [[1, -1, -1], [3, -1, -1], [4, 5, 6]]


def test_a_caption_may_go_on_with_whatever_is_left_to_name():
    said = "two cats and one car and one dog in a room"
    assert left_to_name(TOKENIZER, said) == {0: ids("one one"), 3: ids("one"), 4: ids("dog")}
    assert left_to_name(TOKENIZER, "nothing in a room") == {}


@torch.no_grad()
def test_the_codes_a_mask_is_said_by_are_those_said_one_after_the_other(model):
    pixels = torch.randn(1, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    z = model.model.get_image_features(pixels).pooler_output
    asked, place = [IMAGE] * IMAGE_TOKENS + [BOS, *ids("segment cat\n")], ids("<loc0100><loc0200><loc0300><loc0400>")
    seg0 = TOKENIZER.token_to_id("<seg000>")
    answer = [*place, *range(seg0, seg0 + 16), *ids(" cat"), EOS]
    rows = pad([Encoded(0, asked, answer, [1.0] * len(answer))])
    table, told = model.model.language_model.embed_tokens.weight, rows.tokens.clone()
    first = len(asked) + len(place)
    for k in range(first, first + 16):
        states, _, _ = answer_states(model.model.language_model, z, replace(rows, tokens=told))
        told[0, k] = seg0 + (states[k - len(asked)] @ table[seg0 : seg0 + 128].T).argmax()
    said = said_codes(model.model.language_model, z, rows, seg0, rounds=16)
    assert said.tolist() == [(told[0, first : first + 16] - seg0).tolist()]
    early = said_codes(model.model.language_model, z, rows, seg0)
    assert early[0, :3].tolist() == said[0, :3].tolist(), "round k has the first k right"


def test_soft_iou_is_one_for_the_same_and_nothing_for_what_is_apart():
    mask = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1)).round()
    assert soft_iou(mask, mask).tolist() == [1, 1]
    assert soft_iou(mask, 1 - mask).tolist() == [0, 0]
