"""A leaner forward pass through Gemma's own weights, for training: the last layer works at answer positions only.

It gives transformers' numbers, on rows of different length at once. Knows no scene and no tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from training.settings import IMAGE_TOKENS, ROPE_THETA, TEXT

NOT_ONE = -1


class Encoded(NamedTuple):
    """An exchange as tokens. weight: of each answer token in the loss. or_else: what is right as well."""

    scene: int
    prompt: list[int]
    answer: list[int]
    weight: list[float]
    or_else: dict[int, list[int]] = {}  # noqa: RUF012  (read only) by place in the answer


@dataclass(frozen=True, eq=False)
class Rows:
    """Token rows [image | bos prompt newline | answer eos], right-padded; `prefix` counts the bidirectional part."""

    scene: Tensor  # int[n], which of the batch's scenes
    tokens: Tensor  # int[n, t]
    prefix: Tensor  # int[n]
    length: Tensor  # int[n]
    weight: Tensor  # float[n, t], of each answer token in the loss
    right: Tensor  # int[n, t, k]: the token and those as right as it; NOT_ONE where there are fewer


def pad(found: Sequence[Encoded]) -> Rows:
    longest = max(len(each.prompt) + len(each.answer) for each in found)
    tokens, weight = torch.zeros(len(found), longest, dtype=torch.long), torch.zeros(len(found), longest)
    most = max((len(others) for each in found for others in each.or_else.values()), default=0)
    right = torch.full((len(found), longest, 1 + most), NOT_ONE)
    for k, each in enumerate(found):
        asked, whole = len(each.prompt), len(each.prompt) + len(each.answer)
        tokens[k, :whole] = torch.tensor(each.prompt + each.answer)
        weight[k, asked:whole] = torch.tensor(each.weight)
        for at, others in each.or_else.items():
            right[k, asked + at, 1 : 1 + len(others)] = torch.tensor(others)
    right[..., 0] = tokens
    prefix = torch.tensor([len(each.prompt) for each in found])
    length = prefix + torch.tensor([len(each.answer) for each in found])
    return Rows(torch.tensor([each.scene for each in found]), tokens, prefix, length, weight, right)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def _norm(layer: nn.Module, x: Tensor) -> Tensor:
    y = x.float()
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)
    return (y * (1 + layer.weight.float())).to(x.dtype)


def answer_states(text: nn.Module, z: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    """Final states float[m, d] where answers are to be said; the tokens int[m, k] right there and their weights."""
    n, t = rows.tokens.shape
    width, head = TEXT["hidden_size"], TEXT["head_dim"]
    x = F.embedding(rows.tokens, text.embed_tokens.weight) * width**0.5
    x = torch.cat([z[rows.scene].to(x.dtype), x[:, IMAGE_TOKENS:]], 1)
    at = torch.arange(t)
    seen = (at[None, None] < rows.prefix[:, None, None]) | (at[None, None] <= at[None, :, None])
    seen &= at[None, None] < rows.length[:, None, None]
    bias = torch.zeros(n, 1, t, t, dtype=x.dtype).masked_fill_(~seen[:, None], -1e4)
    angle = (at + 1.0)[:, None] / ROPE_THETA ** (torch.arange(0, head, 2) / head)
    cos, sin = (torch.cat([f, f], -1).to(x.dtype) for f in (angle.cos(), angle.sin()))
    says = (at[None] >= rows.prefix[:, None] - 1) & (at[None] < rows.length[:, None] - 1)
    last = len(text.layers) - 1
    for depth, layer in enumerate(text.layers):
        y = _norm(layer.input_layernorm, x)
        a = layer.self_attn
        k = _turned(F.linear(y, a.k_proj.weight).view(n, t, -1, head).transpose(1, 2), cos, sin)
        v = F.linear(y, a.v_proj.weight).view(n, t, -1, head).transpose(1, 2)
        q_at, q_bias, q_cos, q_sin = slice(None), bias, cos, sin
        if depth == last:  # nobody looks at other positions any more
            start = int(rows.prefix.min()) - 1
            q_at, q_bias, q_cos, q_sin = slice(start, None), bias[:, :, start:], cos[start:], sin[start:]
            x, y, says = x[:, q_at], y[:, q_at], says[:, q_at]
        q = _turned(F.linear(y, a.q_proj.weight).view(n, y.shape[1], -1, head).transpose(1, 2), q_cos, q_sin)
        p = (torch.matmul(q * head**-0.5, k.transpose(-1, -2)) + q_bias).softmax(-1)
        x = x + F.linear(torch.matmul(p, v).transpose(1, 2).reshape(n, y.shape[1], -1), a.o_proj.weight)
        y = _norm(layer.post_attention_layernorm, x)
        m = layer.mlp
        hidden = F.gelu(F.linear(y, m.gate_proj.weight), approximate="tanh") * F.linear(y, m.up_proj.weight)
        x = x + F.linear(hidden, m.down_proj.weight)
    start = t - x.shape[1]
    due = says[:, :-1]
    return _norm(text.norm, x[says]), rows.right[:, start + 1 :][due], rows.weight[:, start + 1 :][due]


def token_losses(states: Tensor, right: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy float[m], the due of a place divided among its right tokens int[m, k]; and what would be said."""
    logits = F.linear(states, table).float()
    counts = (right != NOT_ONE).float()
    of_right = (logits.gather(1, right.clamp(min=0)) * counts).sum(1) / counts.sum(1)
    return logits.logsumexp(1) - of_right, logits.argmax(-1)
