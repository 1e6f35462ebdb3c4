"""Two ways to the same answer through transformers' model with less work, taken while a `with` block lasts.

Only what goes into and out of two of its layers changes; its code and its weights stay as they are. Sums are the same
up to rounding: the tests and `python -m benchmarks.paligemma` hold the tokens against `generate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_FEW = range(4, 65)
"""Rows for which weights x rows is quicker than rows x weights, in float32 on a CPU. Measured with MKL on one thread,
with a head of 257,216 x 384: 60 ms for 8 rows, not 175, and 42 to read the weights. Up to 3 rows it gains nothing."""


@contextmanager
def last_token_only(model: Any) -> Iterator[None]:
    """Reading prompts, the last layer works out their last token only: of the others nothing but keys and values.

    Saves one layer of reading: a quarter with the bundled checkpoint's 4 layers, a twentieth with the 18 of a 3B.
    """
    text = model.model.language_model
    layer = text.layers[-1]
    plain = layer.forward

    def forward(hidden: Any, attention_mask: Any = None, position_embeddings: Any = None, **more: Any) -> Any:
        if attention_mask is not None and attention_mask.dim() != 4:
            return plain(hidden, attention_mask=attention_mask, position_embeddings=position_embeddings, **more)
        cos, sin = position_embeddings
        _remember(layer, hidden[:, :-1], cos[:, :-1], sin[:, :-1], more["past_key_values"])
        return plain(
            hidden[:, -1:],
            attention_mask=None if attention_mask is None else attention_mask[:, :, -1:],
            position_embeddings=(cos[:, -1:], sin[:, -1:]),
            **more,
        )

    slides = (getattr(text.config, "layer_types", None) or [""])[-1] == "sliding_attention"  # in no PaliGemma of Google
    with _instead(layer, plain if slides else forward):
        yield


def _remember(layer: Any, hidden: Any, cos: Any, sin: Any, cache: Any) -> None:
    """Put the keys and values of `hidden` into the cache, as the layer's attention would."""
    attention = layer.self_attn
    normed = layer.input_layernorm(hidden)
    heads = (*normed.shape[:-1], -1, attention.head_dim)
    keys, values = (project(normed).view(heads).transpose(1, 2) for project in (attention.k_proj, attention.v_proj))
    one, other = keys.chunk(2, -1)
    rotated = keys * cos[:, None] + _joined(-other, one) * sin[:, None]
    cache.update(rotated, values, attention.layer_idx)


def _joined(one: Any, other: Any) -> Any:
    import torch

    return torch.cat((one, other), -1)


@contextmanager
def head_read_once(model: Any) -> Iterator[None]:
    """The last layer, a quarter of a million words wide, reads its weights once for a batch, not in copied blocks."""
    import torch

    head = model.get_output_embeddings()
    plain, weight = head.forward, head.weight
    suits = weight.dtype is torch.float32 and weight.device.type == "cpu" and head.bias is None

    def forward(hidden: Any) -> Any:
        rows = hidden.shape[:-1].numel()
        if not suits or rows not in _FEW:
            return plain(hidden)
        return (weight @ hidden.reshape(rows, -1).T).T.contiguous().view(*hidden.shape[:-1], -1)

    with _instead(head, forward):
        yield


@contextmanager
def _instead(layer: Any, forward: Callable[..., Any]) -> Iterator[None]:
    before = vars(layer).get("forward")  # what others put there; else the class's own
    layer.forward = forward
    try:
        yield
    finally:
        if before is None:
            del layer.forward
        else:
            layer.forward = before
