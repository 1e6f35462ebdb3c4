"""PaliGemma's mask tokens: 16 codes of a VQ-VAE <-> a soft mask of 64x64, in plain NumPy.

The network is the one of "All in Tokens" (arXiv 2301.02229) as big_vision publishes it in `vae-oid.npz`: a PyTorch
checkpoint under its own key names. Any file with those keys works, whatever its channel counts.
It knows no hub and no torch, and nothing of where the file comes from.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from grounding.errors import ConfigError
from grounding.types import FULL_FRAME, Detection, SoftMask

SEG_CODES = 128  # what <seg000> … <seg127> can name
_GRID = 4  # rows and columns
SEG_LENGTH = _GRID * _GRID  # one mask, row by row
SIDE = 64  # four doublings of the grid

MaskDecoder = Callable[[np.ndarray], np.ndarray]
"""int[n, 16] codes in 0..127 -> float32[n, h, w] in [0, 1]."""

_CODEBOOK = "_vq_vae._embedding"
# The layers by key, in order, with their kernel's side; every other number in between is a ReLU without weights.
_DOUBLINGS = ("decoder.4", "decoder.6", "decoder.8", "decoder.10")
_HALVINGS = ("encoder.0", "encoder.2", "encoder.4", "encoder.6")
_RESIDUAL = ((".net.0", 3), (".net.2", 3), (".net.4", 1))


def with_masks(found: Sequence[Detection], mask_decoder: MaskDecoder) -> list[Detection]:
    """`found` with a soft mask for each set of mask tokens, all decoded in one call (none: no call).

    A mask fills its detection's box, the whole picture where there is none.
    """
    tokens = [detection.mask_tokens for detection in found if detection.mask_tokens]
    probs = iter(mask_decoder(np.array(tokens)) if tokens else ())
    return [
        replace(d, mask=SoftMask(np.asarray(next(probs), np.float32), d.box or FULL_FRAME)) if d.mask_tokens else d
        for d in found
    ]


@dataclass(frozen=True, eq=False)
class _Layer:
    """weight: float32[kernel * kernel * channels in, channels out] for a convolution,
    float32[channels in, 16 * channels out] for a doubling; bias: float32[channels out].
    """

    weight: np.ndarray
    bias: np.ndarray


class MaskCodec:
    """Turns codes into soft masks and back. Reads of one instance from several threads are safe."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        """`weights` under the official names; ConfigError where one is missing or does not fit the others."""
        self._weights = weights
        self._codebook = _array(weights, _CODEBOOK, (SEG_CODES, None))
        depth = self._codebook.shape[1]
        self._layers: dict[str, _Layer] = {}
        channels = self._convolution(weights, "decoder.0", 1, depth)
        channels = self._residual_blocks(weights, ("decoder.2", "decoder.3"), channels)
        for key in _DOUBLINGS:
            channels = self._doubling(weights, key, channels)
        self._convolution(weights, "decoder.12", 1, channels, 1)

        channels = 1
        for key in _HALVINGS:
            channels = self._convolution(weights, key, 4, channels)
        channels = self._residual_blocks(weights, ("encoder.8", "encoder.9"), channels)
        self._convolution(weights, "encoder.10", 1, channels, depth)

    @classmethod
    def load(cls, path: Path) -> MaskCodec:
        """The codec in the .npz file at `path`; ConfigError where it cannot be read as one."""
        try:
            with path.open("rb") as file:
                archive = np.load(file, allow_pickle=False)
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise ValueError("one array, not an archive of them")
                weights = {key: archive[key] for key in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ConfigError(
                "The mask codebook cannot be read. Delete the file so that it is fetched again."
            ) from error
        return cls(weights)

    @property
    def decoder_weights(self) -> dict[str, np.ndarray]:
        """float32 arrays under the official names, in PyTorch's order: what decoding needs, known to fit together."""
        keys = (key for key in self._weights if key == _CODEBOOK or key.startswith("decoder."))
        return {key: np.asarray(self._weights[key], np.float32) for key in keys}

    def checked(self, tokens: np.ndarray) -> np.ndarray:
        """`tokens` if they are int[n, 16] in 0..127; ValueError for anything else."""
        tokens = np.asarray(tokens)
        if tokens.ndim != 2 or tokens.shape[1] != SEG_LENGTH or tokens.dtype.kind not in "iu":
            raise ValueError(f"mask tokens are int[n, {SEG_LENGTH}], not {tokens.dtype}{list(tokens.shape)}")
        if tokens.size and (tokens.min() < 0 or tokens.max() >= SEG_CODES):
            raise ValueError(f"mask tokens lie in 0..{SEG_CODES - 1}")
        return tokens

    def decode(self, tokens: np.ndarray) -> np.ndarray:
        """float32[n, 64, 64] in [0, 1] for int[n, 16] in 0..127; ValueError for anything else."""
        tokens = self.checked(tokens)
        quantised = self._codebook[tokens].reshape(len(tokens), _GRID, _GRID, self._codebook.shape[1])
        x = _relu(self._conv(quantised, "decoder.0", 1))
        x = self._residual(x, ("decoder.2", "decoder.3"))
        for key in _DOUBLINGS:
            x = _relu(self._double(x, key))
        x = self._conv(x, "decoder.12", 1)[..., 0]
        soft: np.ndarray = np.clip((x + 1) / 2, 0, 1)  # the decoder speaks in [-1, 1]
        return soft

    def encode(self, masks: np.ndarray) -> np.ndarray:
        """int64[n, 16] in 0..127, the nearest codes, for float32[n, 64, 64] in [0, 1]; ValueError for another shape."""
        masks = np.asarray(masks, dtype=np.float32)
        if masks.ndim != 3 or masks.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"masks are float32[n, {SIDE}, {SIDE}], not {list(masks.shape)}")
        x = 2 * masks[..., None] - 1
        for key in _HALVINGS:
            x = _relu(self._conv(x, key, 4, stride=2))
        x = self._residual(x, ("encoder.8", "encoder.9"))
        x = self._conv(x, "encoder.10", 1).reshape(len(masks), SEG_LENGTH, self._codebook.shape[1])
        # |x - c|² without |x|², which is the same for every code.
        distance = (self._codebook**2).sum(1) - 2 * x @ self._codebook.T
        codes: np.ndarray = distance.argmin(-1)
        return codes

    def _convolution(
        self, weights: Mapping[str, np.ndarray], key: str, kernel: int, channels: int, out: int | None = None
    ) -> int:
        weight = _array(weights, f"{key}.weight", (out, channels, kernel, kernel))
        bias = _array(weights, f"{key}.bias", (weight.shape[0],))
        # PyTorch stores [out, in, row, column]; a patch is read as [row, column, in].
        self._layers[key] = _Layer(weight.transpose(2, 3, 1, 0).reshape(-1, len(bias)), bias)
        return len(bias)

    def _doubling(self, weights: Mapping[str, np.ndarray], key: str, channels: int) -> int:
        weight = _array(weights, f"{key}.weight", (channels, None, 4, 4))
        bias = _array(weights, f"{key}.bias", (weight.shape[1],))
        # PyTorch stores [in, out, row, column]; a pixel is spread over [row, column, out].
        self._layers[key] = _Layer(weight.transpose(0, 2, 3, 1).reshape(channels, -1), bias)
        return len(bias)

    def _residual_blocks(self, weights: Mapping[str, np.ndarray], keys: tuple[str, ...], channels: int) -> int:
        for key in keys:
            inner = channels
            for suffix, kernel in _RESIDUAL:
                inner = self._convolution(weights, key + suffix, kernel, inner, channels if kernel == 1 else None)
        return channels

    def _residual(self, x: np.ndarray, keys: tuple[str, ...]) -> np.ndarray:
        for key in keys:
            y = x
            for suffix, kernel in _RESIDUAL:
                y = self._conv(y, key + suffix, kernel)
                y = y if kernel == 1 else _relu(y)
            x = x + y
        return x

    def _conv(self, x: np.ndarray, key: str, kernel: int, stride: int = 1) -> np.ndarray:
        """A convolution with a border of zeros that keeps the size, or halves it with stride 2: [n, h, w, channels]."""
        layer = self._layers[key]
        if kernel > 1:
            x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (1, 2))[:, ::stride, ::stride]
            x = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], len(layer.weight))
        result: np.ndarray = _project(x, layer.weight) + layer.bias
        return result

    def _double(self, x: np.ndarray, key: str) -> np.ndarray:
        """A transposed 4x4 convolution of stride 2 with its outermost ring cut off, as PyTorch's padding=1 does."""
        layer = self._layers[key]
        n, height, width, _ = x.shape
        spread = _project(x, layer.weight).reshape(n, height, width, 4, 4, len(layer.bias))
        out = np.zeros((n, height + 1, 2, width + 1, 2, len(layer.bias)), dtype=np.float32)
        for down in (0, 1):  # each pixel covers 4x4 of the output, which is 2x2 of its 2x2 cells
            for right in (0, 1):
                cells = spread[:, :, :, 2 * down : 2 * down + 2, 2 * right : 2 * right + 2]
                out[:, down : down + height, :, right : right + width] += cells.transpose(0, 1, 3, 2, 4, 5)
        doubled = out.reshape(n, 2 * height + 2, 2 * width + 2, len(layer.bias))[:, 1:-1, 1:-1]
        result: np.ndarray = doubled + layer.bias
        return result


def _project(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """x @ weight as one product: over stacked rows NumPy would do many small ones, at half the speed."""
    result: np.ndarray = (x.reshape(-1, len(weight)) @ weight).reshape(*x.shape[:-1], weight.shape[1])
    return result


def _relu(x: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.maximum(x, 0)
    return result


def _array(weights: Mapping[str, np.ndarray], key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """The float32 array `key` of this shape (None: any length)."""
    if key not in weights:
        raise ConfigError(f"The mask codebook lacks {key}; it is not one of PaliGemma's.")
    array = np.asarray(weights[key])
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind != "f" or 0 in array.shape:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise ConfigError(f"{key} of the mask codebook is {array.dtype}{list(array.shape)}, not float[{wanted}].")
    if not np.isfinite(array).all():
        raise ConfigError(f"{key} of the mask codebook holds numbers that are not finite.")
    return array.astype(np.float32)
