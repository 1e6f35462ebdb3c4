"""The last head of every layer starts out reading what the tower says, at patches of nothing, of the whole picture.

Answer positions look at patches of nothing and take which classes are there once, and twice. What the head writes is
nothing at first: the model answers as without it until training finds use for it. So weights that were trained with one
head fewer can be gone on from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from scenes import LABELS
from training.settings import TEXT
from training.tower import Known, pixels

if TYPE_CHECKING:
    from training.language_part import Corpus

_HEAD, _WIDTH = TEXT["head_dim"], TEXT["hidden_size"]
_SCENES = 128
_RIDGE = 0.02  # of the inputs' mean square
_STILL = _HEAD // 2 - 1  # the number of a head that turns least with distance
_SHARP = 4.0  # 2 nats for patches of nothing, as many against all else


def is_narrow(state: dict[str, Tensor]) -> bool:
    """Whether these weights have one head fewer than is wanted."""
    wanted = TEXT["num_attention_heads"] * _HEAD
    return any(weight.shape[1] < wanted for name, weight in state.items() if name.endswith("o_proj.weight"))


def widened(narrow: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights with room for one more head, all zero."""
    found = dict(narrow)
    for name, weight in narrow.items():
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            found[name] = torch.cat([weight, weight.new_zeros(_HEAD, _WIDTH)])
        elif name.endswith("o_proj.weight"):
            found[name] = torch.cat([weight, weight.new_zeros(_WIDTH, _HEAD)], 1)
    return found


def fitted(inputs: Tensor, wanted: Tensor) -> Tensor:
    """Rows float[k, d] that say `wanted` float[n, k] of `inputs` float[n, d] best (ridge regression, no constant)."""
    square = inputs.T @ inputs
    square += _RIDGE * square.diagonal().mean() * torch.eye(len(square))
    return torch.linalg.solve(square, inputs.T @ wanted).T


def seen_by_layers(net: nn.ModuleDict, known: Known, corpus: Corpus) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """What goes into each layer's heads float[n, d], over some exchanges, and of each of these n positions: whether
    it is a patch of nothing, whether it is to answer, and its scene's row."""
    kept: list[list[Tensor]] = [[] for _ in net["text"].layers]
    hooks = [
        layer.input_layernorm.register_forward_hook(lambda _, __, out, into=into: into.append(out[0].float()))
        for layer, into in zip(net["text"].layers, kept, strict=True)
    ]
    empty, says, of = [], [], []
    rng = np.random.default_rng(17)
    for row in rng.permutation(len(known.owner))[:_SCENES]:
        z = net["projector"](net["vision_tower"](pixels(known, np.array([row])).float()).last_hidden_state)[0]
        for exchange in corpus.exchanges(int(row), 2, rng):
            each = corpus.encoded(0, exchange)
            words = torch.tensor(each.prompt + each.answer)
            x = net["text"].embed_tokens(words)
            x[: len(z)] = z
            at = torch.arange(len(x))
            sees = (at[None] < len(each.prompt)) | (at[None] <= at[:, None])
            mask = torch.zeros(sees.shape).masked_fill(~sees, -1e9)
            net["text"](inputs_embeds=x[None], attention_mask=mask[None, None], position_ids=at[None] + 1)
            nothing = torch.zeros(len(x), dtype=torch.bool)
            nothing[: len(z)] = torch.from_numpy(known.owner[row]) < 0
            empty.append(nothing)
            says.append(at >= len(each.prompt) - 1)
            of.append(torch.full((len(x),), int(row)))
    for hook in hooks:
        hook.remove()
    return [torch.cat(each) for each in kept], torch.cat(empty), torch.cat(says), torch.cat(of)


@torch.no_grad()
def plant_reader(net: nn.ModuleDict, known: Known, corpus: Corpus) -> None:
    """Makes the last head of every layer read, at answer positions, what patches of nothing say of the scene."""
    inputs, empty, says, of = seen_by_layers(net, known, corpus)
    there = torch.cat([known.counts >= number for number in (1, 2)], 1).float()
    usual = there.mean(0).clamp(1e-4, 1 - 1e-4)
    wanted = ((there - usual) / (usual * (1 - usual)).sqrt())[of[empty]]
    generator = torch.Generator().manual_seed(5)  # all workers start alike
    for layer, x in zip(net["text"].layers, inputs, strict=True):
        a = layer.self_attn
        q, k, v = (each.weight[-_HEAD:] for each in (a.q_proj, a.k_proj, a.v_proj))
        for rows in (q, k):
            rows.normal_(0, 0.2 * _WIDTH**-0.5, generator=generator)
            rows[_STILL + _HEAD // 2] = 0
        q[_STILL] = _SHARP * fitted(x, says[:, None].float())[0]
        k[_STILL] = _SHARP * fitted(x, empty[:, None] * 2.0 - 1)[0]
        v.zero_()
        v[: 2 * len(LABELS)] = fitted(x[empty], wanted)
        a.o_proj.weight[:, -_HEAD:] = 0
