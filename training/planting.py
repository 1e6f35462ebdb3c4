"""Starts the language part from what the tower's heads learned: training finds the way to a thing already there.

What is planted, all of it free to change in training:
- words and places: a class word points where the tower's class head points, a place is its wave in the shared basis;
- layer 0: answer positions take the directions of the words that were asked, and see how far back the answer (or the
  last `;`) began: which of y1, x1, y2, x2 is due;
- layer 1: answer positions look at patches that match those directions and take what the patch says of its thing; the
  place said last is taken off again;
- layers 2 and 3: the same look, one head each for y1, x1, y2, x2, resting on <bos> where another is due.
The last head of every layer is planted by `scene_reader`.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import PaliGemmaForConditionalGeneration

from scenes import COLOURS, LABELS
from scenes.things import KINDS
from training.architecture import coordinate_basis
from training.settings import ROPE_THETA, TEXT
from training.tower import Heads

_HEAD, _WIDTH = TEXT["head_dim"], TEXT["hidden_size"]
_FIRST_STILL = 11  # pairs of a head's numbers from here on turn less than a radian over a whole prompt
_STILL = [*range(_FIRST_STILL, _HEAD // 2), *range(_FIRST_STILL + _HEAD // 2, _HEAD)]


def _centred(weight: Tensor) -> Tensor:
    return F.normalize(weight - weight.mean(0), dim=1)


def _directions(heads: Heads) -> dict[str, Tensor]:
    """Unit directions of the patch space by word."""
    found = dict(zip(LABELS, _centred(heads.label.weight[:-1]), strict=True))
    found |= {KINDS[label].plural: found[label] for label in LABELS}
    found |= dict(zip(COLOURS, _centred(heads.colour.weight), strict=True))
    flags = F.normalize(heads.flags.weight, dim=1)
    return found | dict(zip(("left", "right", "largest", "smallest"), flags, strict=True))


@torch.no_grad()
def plant(model: PaliGemmaForConditionalGeneration, heads: Heads, words: Tokenizer, patches: Tensor) -> None:
    """Overwrites the language part's weights; `patches` float[n, 256] are vectors of things, to set scales by."""
    text = model.model.language_model
    generator = torch.Generator().manual_seed(3)
    directions = _directions(heads)
    span = torch.linalg.svd(torch.stack(list(directions.values())), full_matrices=False)
    basis = span.Vh[: int((0.05 * span.S[0] < span.S).sum())][: len(_STILL) - 1]
    projector = model.model.multi_modal_projector.linear
    marks, frame = _unused(projector, generator)
    seen = torch.linalg.svd(torch.cat([projector.weight, projector.bias[:, None]], 1), full_matrices=False).U
    seen = seen @ seen.T  # onto what patch vectors can say
    text.embed_tokens.weight.copy_(_table(heads, words, directions, frame, marks, generator))
    _scatter(text, generator)
    nothing = F.normalize(heads.label.weight[-1] - heads.label.weight[:-1].mean(0), dim=0) @ seen
    still = torch.tensor(_STILL)
    normal = patches / patches.pow(2).mean(-1, keepdim=True).sqrt()
    match = torch.zeros(_HEAD, _WIDTH).index_copy(0, still[: len(basis)], basis @ seen)
    shun, rest = _STILL[-1], _STILL[-2]
    for depth, head, read in [(1, 0, None), (1, 1, None)] + [(d, h, h) for d in (2, 3) for h in range(4)]:
        a, rows = text.layers[depth].self_attn, slice(head * _HEAD, (head + 1) * _HEAD)
        a.q_proj.weight[rows] = 0.2 * a.q_proj.weight[rows] + 3.0 * match
        a.k_proj.weight[rows] = 0.2 * a.k_proj.weight[rows] + match
        a.q_proj.weight[rows.start + shun] = 5 * marks["says"]
        a.k_proj.weight[rows.start + shun] = -(marks["asked"] + marks["says"] + 0.6 * nothing)
        if read is None:
            a.v_proj.weight[rows] = match
            a.o_proj.weight[:, rows] = 0.2 * match.T
            continue
        a.q_proj.weight[rows.start + rest] = 4 * marks["says"] - 6 * marks[f"step{read}"]
        a.k_proj.weight[rows.start + rest] = marks["begin"]
        corner = heads.corner.weight.view(4, _HEAD, _WIDTH)[read] @ seen
        a.v_proj.weight[rows] = corner * (30 / (normal @ corner.T).norm(dim=1).mean())
        a.o_proj.weight[:, rows] = frame.T
    _plant_words(text.layers[0].self_attn, match, marks)
    for back in (1, 2, 3):
        _look_back(text.layers[0].self_attn, back, back, marks)
        rows = slice(back * _HEAD, (back + 1) * _HEAD)
        text.layers[0].self_attn.v_proj.weight[rows] = 0
        text.layers[0].self_attn.v_proj.weight[rows.start] = marks["step0"]
        text.layers[0].self_attn.o_proj.weight[:, rows.start] = marks[f"step{back}"]
    a, rows = text.layers[1].self_attn, slice(3 * _HEAD, 4 * _HEAD)
    _look_back(a, 3, 0, marks)
    for pair in range(5):
        a.k_proj.weight[rows.start + pair] -= 0.6 * marks["step0"]  # a beginning has no place to take off
    a.v_proj.weight[rows], a.o_proj.weight[:, rows] = frame, -1.2 * frame.T
    text.norm.weight.fill_(-0.2)  # modest at first: what is confidently wrong is unlearned, and the rest with it


def _plant_words(a: nn.Module, match: Tensor, marks: dict[str, Tensor]) -> None:
    """Head 0: from every answer position to the words that were asked, taking their directions."""
    a.q_proj.weight[_STILL[-1]] = 2 * marks["says"]
    a.k_proj.weight[_STILL[-1]] = marks["asked"]
    a.v_proj.weight[:_HEAD] = match
    a.o_proj.weight[:, :_HEAD] = 0.25 * match.T


def _look_back(a: nn.Module, head: int, back: int, marks: dict[str, Tensor]) -> None:
    """Makes a head look exactly `back` positions back, by the phases of its fastest turning pairs."""
    rows = slice(head * _HEAD, (head + 1) * _HEAD)
    a.q_proj.weight[rows] *= 0.1
    a.k_proj.weight[rows] *= 0.1
    for pair in range(5):
        turn = torch.tensor(back * ROPE_THETA ** (-pair / (_HEAD // 2)))
        one, other = rows.start + pair, rows.start + pair + _HEAD // 2
        a.k_proj.weight[one] = 1.6 * (marks["says"] + marks["asked"])
        a.q_proj.weight[one], a.q_proj.weight[other] = (
            1.6 * marks["says"] * turn.cos(),
            -1.6 * marks["says"] * turn.sin(),
        )


_MARKS = ("asked", "says", "begin", "step0", "step1", "step2", "step3")


def _unused(projector: nn.Linear, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """Directions in which no patch vector says anything (the tower is narrower than the text), one for each mark, and
    a frame of 64 for places, all but a few of them such directions, too."""
    said = torch.cat([projector.weight, projector.bias[:, None]], 1)
    silent = torch.linalg.svd(said).U[:, said.shape[1] :]
    more = torch.randn(_WIDTH, _HEAD + len(_MARKS) - silent.shape[1], generator=generator)
    free = torch.linalg.qr(torch.cat([silent, more], 1))[0].T
    return dict(zip(_MARKS, free, strict=False)), free[len(_MARKS) :]


def _table(
    heads: Heads,
    words: Tokenizer,
    directions: dict[str, Tensor],
    frame: Tensor,
    marks: dict[str, Tensor],
    generator: torch.Generator,
) -> Tensor:
    """Embeddings of about unit length for every token."""
    table = F.normalize(torch.randn(words.get_vocab_size(), _WIDTH, generator=generator), dim=1)
    for word, direction in directions.items():
        k = words.token_to_id(f"▁{word}")
        table[k] = F.normalize(0.85 * direction + 0.3 * table[k], dim=0) * 0.9 + 0.43 * marks["asked"]
    for number, direction in enumerate(_centred(heads.number.weight), 1):
        k = words.token_to_id(f"▁{number}")
        table[k] = F.normalize(0.85 * direction + 0.3 * table[k], dim=0)
    for mark in ("\n", "▁;▁"):
        k = words.token_to_id(mark)
        table[k] = 0.6 * table[k] + 0.43 * marks["says"] + 0.6 * marks["step0"]
    k = words.token_to_id("<bos>")
    table[k] = 0.2 * table[k] + marks["begin"]
    loc, seg = words.token_to_id("<loc0000>"), words.token_to_id("<seg000>")
    table[loc : loc + 1024] = 0.9 * coordinate_basis(torch.arange(1024) / 1024) @ frame + 0.43 * marks["says"]
    table[seg : seg + 128] = 0.9 * table[seg : seg + 128] + 0.43 * marks["says"]
    return table


def _scatter(text: nn.Module, generator: torch.Generator) -> None:
    """Random weights of the usual sizes for all that is not planted."""
    for layer in text.layers:
        for name in ("q_proj", "k_proj", "v_proj"):
            layer.self_attn.get_parameter(f"{name}.weight").normal_(0, _WIDTH**-0.5, generator=generator)
        layer.self_attn.o_proj.weight.normal_(0, 0.05 * _WIDTH**-0.5, generator=generator)
        for name in ("gate_proj", "up_proj"):
            layer.mlp.get_parameter(f"{name}.weight").normal_(0, _WIDTH**-0.5, generator=generator)
        layer.mlp.down_proj.weight.normal_(0, 0.05 * TEXT["intermediate_size"] ** -0.5, generator=generator)
