"""The decoder of PaliGemma's mask tokens on the model's device: all masks of an answer in one call.

The same network as `grounding.codecs.mask_tokens`, whose weights it takes, and the same masks up to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backends.paligemma_batching import is_device_lost
from backends.paligemma_place import is_out_of_memory
from grounding.codecs.mask_tokens import MaskCodec

_TOGETHER = 64  # masks in one call: each takes some 2 MB on the way


class MaskDecoder:
    """Of one codebook on one device. Calls from several threads are safe."""

    def __init__(self, codec: MaskCodec, device: str) -> None:
        import torch

        self._codec = codec
        self._device = device
        self._weights = {
            key: torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for key, array in codec.decoder_weights.items()
        }

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """float32[n, 64, 64] in [0, 1] for int[n, 16] in 0..127; ValueError for anything else."""
        codes = self._codec.checked(tokens)
        try:
            parts = [self._decode(codes[first : first + _TOGETHER]) for first in range(0, len(codes), _TOGETHER)]
        except RuntimeError as error:
            if not (is_out_of_memory(error) or is_device_lost(error)):
                raise
            return self._codec.decode(codes)  # slower, and without the device
        return np.concatenate(parts) if parts else np.zeros((0, 64, 64), np.float32)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        import torch
        from torch.nn.functional import conv2d, conv_transpose2d, relu

        def convolve(x: Any, key: str, padding: int = 0) -> Any:
            return conv2d(x, self._weights[f"{key}.weight"], self._weights[f"{key}.bias"], padding=padding)

        with torch.inference_mode():
            grid = self._weights["_vq_vae._embedding"][torch.from_numpy(codes).to(self._device)]
            x = grid.reshape(len(codes), 4, 4, -1).permute(0, 3, 1, 2)
            x = relu(convolve(x, "decoder.0"))
            for block in ("decoder.2", "decoder.3"):
                y = relu(convolve(x, f"{block}.net.0", 1))
                y = relu(convolve(y, f"{block}.net.2", 1))
                x = x + convolve(y, f"{block}.net.4")
            for layer in (4, 6, 8, 10):
                weight, bias = self._weights[f"decoder.{layer}.weight"], self._weights[f"decoder.{layer}.bias"]
                x = relu(conv_transpose2d(x, weight, bias, stride=2, padding=1))
            x = convolve(x, "decoder.12")[:, 0]
            soft: np.ndarray = ((x + 1) / 2).clamp(0, 1).cpu().numpy()  # the decoder speaks in [-1, 1]
            return soft
