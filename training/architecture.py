"""The checkpoint's architecture: plain transformers PaliGemma at a small size, and the bases its numbers live in."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import GemmaConfig, PaliGemmaConfig, PaliGemmaForConditionalGeneration, SiglipVisionConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from training.settings import IMAGE_PX, PATCH_PX, ROPE_THETA, TEXT, VISION

WAVES = 32  # of the Fourier basis for coordinates: 64 numbers, as wide as one attention head


def coordinate_basis(at: Tensor) -> Tensor:
    """float[n, 64] of places in [0, 1], each row of length 1: places near each other look alike, far ones do not."""
    phase = math.pi * at[:, None] * torch.arange(1, WAVES + 1)
    return torch.cat([phase.cos(), phase.sin()], 1) / math.sqrt(WAVES)


def in_a_byte(weight: Tensor) -> Tensor:
    """A matrix as it ships: float8 with three bits of mantissa; what is no matrix stays as it is."""
    return weight.to(torch.float8_e4m3fn) if weight.ndim > 1 else weight


def _matmul_attention(module, query, key, value, attention_mask=None, scaling=None, dropout=0.0, **kwargs):  # type: ignore[no-untyped-def]
    """Attention as two plain products: in bfloat16 on CPU twice as fast to train as the fused kernel's backward."""
    scores = torch.matmul(query * scaling, key.transpose(-1, -2))
    if attention_mask is not None:
        scores = scores + attention_mask
    return torch.matmul(scores.softmax(-1), value).transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register("matmul", _matmul_attention)


class PatchLinear(nn.Module):
    """The patch convolution as one matrix product (the same numbers, several times faster to train on CPU)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias, self.p = conv.weight, conv.bias, conv.kernel_size[0]

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        p = self.p
        x = x.view(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * p * p)
        return F.linear(x, self.weight.flatten(1), self.bias).transpose(1, 2).reshape(b, -1, h // p, w // p)


def config(vocabulary: int, image_token: int, *, pad: int, bos: int, eos: int) -> PaliGemmaConfig:
    vision = SiglipVisionConfig(image_size=IMAGE_PX, patch_size=PATCH_PX, vision_use_head=False, **VISION)
    vision.projection_dim = TEXT["hidden_size"]
    text = GemmaConfig(
        vocab_size=vocabulary,
        pad_token_id=pad,
        bos_token_id=bos,
        eos_token_id=eos,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        **TEXT,
    )
    return PaliGemmaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=image_token,
        vocab_size=vocabulary,
        projection_dim=TEXT["hidden_size"],
        hidden_size=TEXT["hidden_size"],
        pad_token_id=pad,
        bos_token_id=bos,
        eos_token_id=eos,
    )


def build(settings: PaliGemmaConfig) -> PaliGemmaForConditionalGeneration:
    torch.manual_seed(0)
    return PaliGemmaForConditionalGeneration(settings)
