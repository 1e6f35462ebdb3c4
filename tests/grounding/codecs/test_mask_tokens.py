"""The VQ-VAE against two others: PyTorch's own layers, and JAX's rules written out as sums.

The weights are random: the real ones are not part of this project.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from grounding.codecs.mask_tokens import MaskCodec, with_masks
from grounding.errors import ConfigError
from grounding.types import FULL_FRAME, Box, Detection
from tests.tiny_paligemma import random_mask_weights

Weights = dict[str, np.ndarray]


WEIGHTS = random_mask_weights()
TOKENS = np.random.default_rng(1).integers(0, 128, size=(3, 16))


def torch_layer(x: torch.Tensor, key: str, weights: Weights, **options: int) -> torch.Tensor:
    return F.conv2d(x, torch.from_numpy(weights[f"{key}.weight"]), torch.from_numpy(weights[f"{key}.bias"]), **options)


def torch_residual(x: torch.Tensor, key: str, weights: Weights) -> torch.Tensor:
    y = F.relu(torch_layer(x, f"{key}.net.0", weights, padding=1))
    y = F.relu(torch_layer(y, f"{key}.net.2", weights, padding=1))
    return x + torch_layer(y, f"{key}.net.4", weights)


def torch_decode(tokens: np.ndarray, weights: Weights) -> np.ndarray:
    x = (
        torch.from_numpy(weights["_vq_vae._embedding"])[torch.from_numpy(tokens)]
        .reshape(-1, 4, 4, 512)
        .permute(0, 3, 1, 2)
    )
    x = F.relu(torch_layer(x, "decoder.0", weights))
    x = torch_residual(torch_residual(x, "decoder.2", weights), "decoder.3", weights)
    for key in ("decoder.4", "decoder.6", "decoder.8", "decoder.10"):
        weight, bias = (torch.from_numpy(weights[f"{key}.{name}"]) for name in ("weight", "bias"))
        x = F.relu(F.conv_transpose2d(x, weight, bias, stride=2, padding=1))
    return torch_layer(x, "decoder.12", weights)[:, 0].numpy()


def torch_encode(masks: np.ndarray, weights: Weights) -> np.ndarray:
    x = 2 * (torch.from_numpy(masks)[:, None] - 0.5)
    for key in ("encoder.0", "encoder.2", "encoder.4", "encoder.6"):
        x = F.relu(torch_layer(x, key, weights, stride=2, padding=1))
    x = torch_layer(
        torch_residual(torch_residual(x, "encoder.8", weights), "encoder.9", weights), "encoder.10", weights
    )
    return (
        torch.cdist(x.permute(0, 2, 3, 1).reshape(-1, 512), torch.from_numpy(weights["_vq_vae._embedding"]))
        .argmin(1)
        .reshape(-1, 16)
        .numpy()
    )


def jax_conv(x: np.ndarray, kernel: np.ndarray, stride: int, padding: tuple[int, int]) -> np.ndarray:
    """lax.conv_general_dilated on one picture [h, w, in] with kernel [row, column, in, out], as a plain sum."""
    x = np.pad(x, (padding, padding, (0, 0)))
    size = (len(x) - len(kernel)) // stride + 1
    out = np.zeros((size, size, kernel.shape[3]))
    for i in range(size):
        for j in range(size):
            window = x[i * stride : i * stride + len(kernel), j * stride : j * stride + len(kernel)]
            out[i, j] = np.tensordot(window, kernel, 3)
    return out


def jax_conv_transpose(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """lax.conv_transpose(transpose_kernel=True), kernel [row, column, out, in]: the input with zeros put between,
    padded as said, convolved with the kernel flipped in both directions and its channels swapped.
    """
    spread = np.zeros((stride * (len(x) - 1) + 1,) * 2 + x.shape[2:])
    spread[::stride, ::stride] = x
    return jax_conv(spread, kernel[::-1, ::-1].swapaxes(2, 3), 1, (padding, padding))


def jax_decode(tokens: np.ndarray, weights: Weights) -> np.ndarray:
    """One mask by the rules of big_vision's Flax decoder, which reads PyTorch kernels transposed by (2, 3, 1, 0)."""

    def parts(key: str) -> tuple[np.ndarray, np.ndarray]:
        return weights[f"{key}.weight"].transpose(2, 3, 1, 0).astype(float), weights[f"{key}.bias"]

    def conv(x: np.ndarray, key: str, padding: int = 0) -> np.ndarray:
        kernel, bias = parts(key)
        return jax_conv(x, kernel, 1, (padding, padding)) + bias

    x = np.maximum(conv(weights["_vq_vae._embedding"][tokens].reshape(4, 4, 512), "decoder.0"), 0)
    for block in ("decoder.2", "decoder.3"):
        y = np.maximum(conv(x, f"{block}.net.0", 1), 0)
        y = np.maximum(conv(y, f"{block}.net.2", 1), 0)
        x = x + conv(y, f"{block}.net.4")
    for key in ("decoder.4", "decoder.6", "decoder.8", "decoder.10"):
        kernel, bias = parts(key)
        x = np.maximum(jax_conv_transpose(x, kernel, 2, 2) + bias, 0)
    return conv(x, "decoder.12")[..., 0]


@pytest.fixture(scope="module")
def codec() -> MaskCodec:
    return MaskCodec(WEIGHTS)


def test_masks_are_those_of_pytorchs_layers(codec: MaskCodec) -> None:
    signed = torch_decode(TOKENS, WEIGHTS)
    assert 0.5 < (np.abs(signed) < 1).mean() < 1  # most of it is not clipped, some is
    masks = codec.decode(TOKENS)
    assert masks.dtype == np.float32
    assert masks.shape == (3, 64, 64)
    assert np.abs(masks - np.clip((signed + 1) / 2, 0, 1)).max() < 1e-4


def test_masks_are_those_of_jaxs_rules_written_out(codec: MaskCodec) -> None:
    expected = np.clip((jax_decode(TOKENS[0], WEIGHTS) + 1) / 2, 0, 1)
    assert expected.std() > 0.05
    assert np.abs(codec.decode(TOKENS[:1])[0] - expected).max() < 1e-4


def test_codes_are_those_of_pytorchs_layers(codec: MaskCodec) -> None:
    masks = np.random.default_rng(2).random((5, 64, 64)).astype(np.float32)
    codes = codec.encode(masks)
    assert codes.shape == (5, 16)
    assert len(np.unique(codes)) > 10
    assert (codes == torch_encode(masks, WEIGHTS)).all()


def test_tokens_go_row_by_row_from_the_top_left() -> None:
    local = {key: value * (0 if ".net." in key else 1) for key, value in WEIGHTS.items()}  # nothing reaches across
    plain, *changed = MaskCodec(local).decode(np.concatenate([np.zeros((1, 16), int), np.eye(16, dtype=int)]))
    for mask, (row, column) in zip(changed, np.ndindex(4, 4), strict=True):
        blocks = np.abs(mask - plain).reshape(4, 16, 4, 16).sum((1, 3))
        assert np.unravel_index(blocks.argmax(), (4, 4)) == (row, column)


def test_many_masks_at_once_are_the_same_as_one_by_one(codec: MaskCodec) -> None:
    one_by_one = [codec.decode(TOKENS[i : i + 1]) for i in range(len(TOKENS))]
    assert np.allclose(codec.decode(TOKENS), np.concatenate(one_by_one), atol=1e-5)


def test_no_masks_at_all_are_no_masks(codec: MaskCodec) -> None:
    assert codec.decode(np.zeros((0, 16), int)).shape == (0, 64, 64)
    assert codec.encode(np.zeros((0, 64, 64), np.float32)).shape == (0, 16)


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param(np.zeros(16, int), id="not in rows"),
        pytest.param(np.zeros((1, 15), int), id="fifteen"),
        pytest.param(np.full((1, 16), 128), id="code 128"),
        pytest.param(np.full((1, 16), -1), id="code -1"),
        pytest.param(np.zeros((1, 16)), id="floats"),
    ],
)
def test_what_are_no_mask_tokens_is_refused(codec: MaskCodec, tokens: np.ndarray) -> None:
    with pytest.raises(ValueError, match="mask tokens"):
        codec.decode(tokens)


def test_what_is_no_mask_is_refused(codec: MaskCodec) -> None:
    with pytest.raises(ValueError, match="masks"):
        codec.encode(np.zeros((1, 32, 64), np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_file_of_any_float_is_loaded(tmp_path: Path, codec: MaskCodec, dtype: type) -> None:
    np.savez(tmp_path / "vae.npz", **{key: value.astype(dtype) for key, value in WEIGHTS.items()})
    masks = MaskCodec.load(tmp_path / "vae.npz").decode(TOKENS)
    assert masks.dtype == np.float32
    assert np.abs(masks - codec.decode(TOKENS)).max() < (0.02 if dtype is np.float16 else 1e-6)


def test_another_size_of_the_same_network_is_loaded() -> None:
    halves = {
        "decoder.10.weight": (slice(None), slice(8)),
        "decoder.10.bias": slice(8),
        "decoder.12.weight": (slice(None), slice(8)),
    }
    smaller = {key: value[halves[key]] if key in halves else value for key, value in WEIGHTS.items()}
    assert MaskCodec(smaller).decode(TOKENS).shape == (3, 64, 64)


def without(key: str) -> Weights:
    return {name: value for name, value in WEIGHTS.items() if name != key}


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        pytest.param({}, "_vq_vae._embedding", id="empty"),
        pytest.param(without("decoder.3.net.2.bias"), "decoder.3.net.2.bias", id="one missing"),
        pytest.param(without("encoder.10.weight"), "encoder.10.weight", id="one of the encoder missing"),
        pytest.param(WEIGHTS | {"_vq_vae._embedding": np.zeros((64, 512), np.float32)}, "_vq_vae", id="64 codes"),
        pytest.param(
            WEIGHTS | {"_vq_vae._embedding": np.zeros((128, 256), np.float32)}, "decoder.0", id="narrow codebook"
        ),
        pytest.param(WEIGHTS | {"decoder.4.weight": np.zeros((128, 128, 3, 3), np.float32)}, "decoder.4", id="3x3"),
        pytest.param(WEIGHTS | {"decoder.12.bias": np.zeros(2, np.float32)}, "decoder.12", id="bias too long"),
        pytest.param(WEIGHTS | {"decoder.0.bias": np.zeros(128, int)}, "decoder.0.bias", id="whole numbers"),
        pytest.param(WEIGHTS | {"decoder.0.bias": np.full(128, np.nan, np.float32)}, "decoder.0.bias", id="NaN"),
        pytest.param(WEIGHTS | {"decoder.0.bias": np.float32(1)}, "decoder.0.bias", id="a single number"),
    ],
)
def test_weights_that_do_not_fit_are_named(weights: Weights, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        MaskCodec(weights)


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{"_vq_vae._embedding": np.array([{"a": 1}], dtype=object)})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>not found</html>", id="a web page"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", id="a pointer of git-lfs"),
        pytest.param(b"PK\x03\x04 cut", id="a cut archive"),
        pytest.param(b"\x93NUMPY\x01\x00", id="a cut array"),
        pytest.param(pickled(), id="pickled objects"),
    ],
)
def test_a_file_that_is_no_codebook_is_refused_in_plain_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vae.npz").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        MaskCodec.load(tmp_path / "vae.npz")
    assert str(tmp_path) not in str(caught.value)


def test_one_array_is_not_taken_for_the_file_of_all(tmp_path: Path) -> None:
    np.save(tmp_path / "vae.npy", np.zeros(3, np.float32))
    with pytest.raises(ConfigError, match="cannot be read"):
        MaskCodec.load(tmp_path / "vae.npy")


def test_masks_fill_their_boxes_and_the_whole_picture_where_there_is_none() -> None:
    box = Box(0.1, 0.2, 0.5, 0.6)
    codes = [tuple(range(16)), tuple(range(112, 128))]
    found = [Detection("a", box, mask_tokens=codes[0]), Detection("b", box), Detection("c", mask_tokens=codes[1])]
    calls: list[list[list[int]]] = []

    def decoder(tokens: np.ndarray) -> np.ndarray:
        calls.append(tokens.tolist())
        return np.stack([np.full((2, 2), row[0] / 127) for row in tokens])

    a, b, c = with_masks(found, decoder)
    assert calls == [[list(row) for row in codes]]
    assert a.mask
    assert c.mask
    assert (a.mask.frame, b.mask, c.mask.frame) == (box, None, FULL_FRAME)
    assert c.mask.probs[0, 0] == pytest.approx(112 / 127)
    assert with_masks(found[1:2], lambda tokens: pytest.fail("nothing to decode")) == found[1:2]
