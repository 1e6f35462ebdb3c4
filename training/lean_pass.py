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


class Encoded(NamedTuple):
    """An exchange as tokens. weight: of each answer token in the loss."""

    scene: int
    prompt: list[int]
    answer: list[int]
    weight: list[float]


@dataclass(frozen=True, eq=False)
class Rows:
    """Token rows [image | bos prompt newline | answer eos], right-padded; `prefix` counts the bidirectional part."""

    scene: Tensor  # int[n], which of the batch's scenes
    tokens: Tensor  # int[n, t]
    prefix: Tensor  # int[n]
    length: Tensor  # int[n]
    weight: Tensor  # float[n, t], of each answer token in the loss


def pad(found: Sequence[Encoded]) -> Rows:
    longest = max(len(each.prompt) + len(each.answer) for each in found)
    tokens, weight = torch.zeros(len(found), longest, dtype=torch.long), torch.zeros(len(found), longest)
    for k, each in enumerate(found):
        asked, whole = len(each.prompt), len(each.prompt) + len(each.answer)
        tokens[k, :whole] = torch.tensor(each.prompt + each.answer)
        weight[k, asked:whole] = torch.tensor(each.weight)
    prefix = torch.tensor([len(each.prompt) for each in found])
    length = prefix + torch.tensor([len(each.answer) for each in found])
    return Rows(torch.tensor([each.scene for each in found]), tokens, prefix, length, weight)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def _norm(layer: nn.Module, x: Tensor) -> Tensor:
    y = x.float()
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)
    return (y * (1 + layer.weight.float())).to(x.dtype)


def answer_states(text: nn.Module, z: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    """Final states float[m, d] where answers are to be said, and the tokens int[m] due there with their weights."""
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
    return _norm(text.norm, x[says]), rows.tokens[:, start + 1 :][due], rows.weight[:, start + 1 :][due]


def token_losses(states: Tensor, said: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy float[m], and the tokens int[m] that would be said."""
    logits = F.linear(states, table).float()
    return F.cross_entropy(logits, said, reduction="none"), logits.argmax(-1)
