"""Masks in every form Gemini gives them: soft, small, and in the right place."""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from grounding.codecs.gemini import decode
from grounding.types import FULL_FRAME, Box, Detection, NoteKind, Outcome

BOX = [100, 200, 300, 600]
RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
TOKENS = "<start_of_mask>" + "".join(f"<seg_{n * 8}>" for n in range(16))
RUNS = [120, 220, 280, 580, 20, 5]  # could be an outline in BOX


def png(image: Image.Image | np.ndarray, **options: Any) -> str:
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, "PNG", **options)
    return base64.b64encode(file.getvalue()).decode()


def one(mask: Any, box: list[int] | None = BOX) -> Detection:
    """The one detection of an answer whose mask is `mask`."""
    entry = {"box_2d": box, "mask": mask, "label": "cat"}
    (detection,) = decode(json.dumps([{key: value for key, value in entry.items() if value is not None}])).detections
    return detection


def png_of_size(width: int, height: int) -> str:
    """A PNG that claims a size and holds a few zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )
    return base64.b64encode(data).decode()


RAW = png(RAMP)


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param("data:image/png;base64," + RAW, id="data URI"),
        pytest.param("data:image/png;charset=utf-8;base64," + RAW, id="data URI with a parameter"),
        pytest.param(RAW, id="bare"),
        pytest.param(RAW.rstrip("="), id="no padding"),
        pytest.param(RAW.replace("+", "-").replace("/", "_"), id="URL-safe"),
        pytest.param(
            "data:image/png;base64,\n" + "\n".join(RAW[n : n + 76] for n in range(0, len(RAW), 76)), id="lines"
        ),
        pytest.param("  " + RAW + "\r\n", id="spaces around"),
        pytest.param({"data": RAW, "encoding": "base64"}, id="object"),
        pytest.param({"format": "png", "mask": "data:image/png;base64," + RAW}, id="object with a data URI"),
    ],
)
def test_a_png_is_kept_soft_at_its_own_size_over_its_box(mask: Any) -> None:
    found = one(mask).mask
    assert found is not None
    assert np.array_equal(found.probs, RAMP.astype(np.float32) / 255)
    assert found.frame == Box(0.2, 0.1, 0.6, 0.3)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        pytest.param(f'"mask": "{RAW}\\n"', "", id="escaped line break"),
        pytest.param('"mask": "' + RAW.replace("/", "\\/") + '"', "", id="escaped slashes"),
        pytest.param('"mask": "' + RAW[:40] + "\n  " + RAW[40:] + '"', "", id="raw line break"),
        pytest.param(f'"mask": "data:image/png;base64,{RAW}', "missing quotes", id="quote forgotten"),
        pytest.param(f"'mask': '{RAW}'", "single or curly quotes", id="single quotes"),
        pytest.param(f'"segmentation_mask": "{RAW}"', "", id="another key"),
        pytest.param(f'"mask": data:image/png;base64,{RAW}', "missing quotes", id="no quotes"),
        pytest.param(f'"mask": data:image/png;base64,{RAW}"', "missing quotes", id="first quote forgotten"),
        pytest.param(f'"mask": "<start_of_mask><seg_1><seg_2>data:image/png;base64,{RAW}"', "", id="begun as tokens"),
    ],
)
def test_a_png_is_read_however_its_string_is_written(written: str, says: str) -> None:
    decoded = decode(f'[{{"box_2d": {BOX}, {written}, "label": "cat"}}]')
    (found,) = decoded.detections
    assert found.label == "cat"
    assert found.mask is not None
    assert np.array_equal(found.mask.probs, RAMP.astype(np.float32) / 255)
    assert any(says in note.detail for note in decoded.notes) == bool(says)


half = np.zeros((4, 4), np.uint8)
half[:, 2:] = 255


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(Image.fromarray(half), id="L"),
        pytest.param(Image.fromarray(half).convert("1"), id="1 bit"),
        pytest.param(Image.fromarray(half).convert("RGB"), id="RGB"),
        pytest.param(Image.fromarray(half).convert("P"), id="palette"),
        pytest.param(Image.fromarray(half.astype(np.uint16) * 257), id="16 bits"),
        pytest.param(Image.fromarray(half).convert("RGBA"), id="RGBA, opaque"),
        pytest.param(
            Image.fromarray(np.dstack([np.full((4, 4, 3), 255, np.uint8), half])), id="RGBA, white with alpha"
        ),
        pytest.param(Image.fromarray(np.dstack([half * 0, half, half * 0, half])), id="RGBA, green with alpha"),
        pytest.param(Image.fromarray(np.dstack([half, half * 0, half * 0])), id="RGB, red on black"),
        pytest.param(Image.merge("LA", [Image.fromarray(half), Image.new("L", (4, 4), 255)]), id="LA, opaque"),
    ],
)
def test_every_kind_of_png_gives_the_same_mask(image: Image.Image) -> None:
    found = one(png(image)).mask
    assert found is not None
    assert np.array_equal(found.probs, half.astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        pytest.param("data:image/png;base64,", "no PNG", id="header only"),
        pytest.param("hello", "no PNG", id="a word"),
        pytest.param("a cat, äöü", "no base64", id="words"),
        pytest.param(base64.b64encode(b"GIF89a" + bytes(40)).decode(), "no PNG", id="a GIF"),
        pytest.param(RAW[: len(RAW) // 2], "broken PNG", id="half a PNG"),
        pytest.param(RAW[:40], "broken PNG", id="a header"),
        pytest.param(png_of_size(0, 5), "broken PNG", id="no width"),
        pytest.param(png_of_size(50_000, 50_000), "50000x50000", id="bomb"),
        pytest.param(png_of_size(2049, 2048), "2049x2048", id="one column too many"),
        pytest.param("<start_of_mask>", "0 tokens", id="no tokens"),
        pytest.param("<start_of_mask>" + "<seg_3>" * 15, "15 tokens", id="too few tokens"),
        pytest.param("<start_of_mask>" + "<seg_3>" * 17, "17 tokens", id="too many tokens"),
        pytest.param("<start_of_mask>" + "<seg_128>" * 16, "token 128", id="token out of range"),
        pytest.param([[1, 2], [3, 4]], "neither", id="outline of two points"),
        pytest.param([1, 2, 3, 4, 5, 6, 7], "neither", id="odd flat outline"),
        pytest.param([[5, 5], [5, 9], [5, 20]], "without area", id="flat outline"),
        pytest.param([[2000, 2000], [3000, 2000], [3000, 3000]], "without area", id="outline outside"),
        pytest.param([[1e30, 2], [3, 4], [5, 9]], "neither", id="outline far outside"),
        pytest.param([[700, 700], [800, 700], [800, 800]], "outside its box", id="outline outside its box"),
        pytest.param([0, 1, 1, 0, 1, 1], "noughts and ones", id="noughts and ones in a row"),
        pytest.param([[0, 1], [1, 1], [1, 0]], "noughts and ones", id="noughts and ones in pairs"),
        pytest.param([[0, 1, 1], [1, 0, 1]], "noughts and ones", id="noughts and ones, two rows"),
        pytest.param(["0110", "0110", "1111"], "noughts and ones", id="noughts and ones, rows of text"),
        pytest.param("011010110", "noughts and ones", id="noughts and ones as text"),
        pytest.param("0 1 1 0\n0 1 1 0", "noughts and ones", id="noughts and ones as text, spaced"),
        pytest.param({"size": [6, 9], "counts": RUNS}, "run lengths", id="run lengths listed"),
        pytest.param({"format": "rle", "data": RUNS}, "run lengths", id="run lengths by format"),
        pytest.param([{"counts": RUNS, "size": [6, 9]}], "run lengths", id="run lengths in a list"),
        pytest.param({"coco": {"counts": RUNS}}, "run lengths", id="run lengths deeper"),
        pytest.param({"run_lengths": RUNS}, "run lengths", id="run lengths in words"),
        pytest.param("20 5 33 7 40 9", "outside its box", id="run lengths in text"),
        pytest.param([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "neither", id="points in space"),
        pytest.param("<start_of_mask><seg_1>", "1 token instead", id="one token"),
        pytest.param([], "neither", id="empty list"),
        pytest.param({}, "neither", id="empty object"),
        pytest.param({"size": [480, 640], "counts": "XYZ"}, "neither", id="run lengths"),
        pytest.param(7, "neither", id="a number"),
        pytest.param(True, "neither", id="a boolean"),
    ],
)
def test_a_mask_that_cannot_be_read_is_left_out_and_its_box_is_kept(mask: Any, says: str) -> None:
    decoded = decode(json.dumps([{"box_2d": BOX, "mask": mask, "label": "cat"}]))
    (detection,) = decoded.detections
    assert detection.box == Box(0.2, 0.1, 0.6, 0.3)
    assert (detection.mask, detection.mask_tokens) == (None, None)
    assert decoded.outcome is Outcome.REPAIRED
    assert [says in note.detail for note in decoded.notes] == [True]


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_no_bytes_under_a_png_header_raise(tail: bytes, place: int, byte: int) -> None:
    data = bytearray(base64.b64decode(RAW))
    data[place] = byte
    for bad in (bytes(data), b"\x89PNG\r\n\x1a\n" + tail, bytes(data[:40]) + tail):
        assert one(base64.b64encode(bad).decode()).box is not None


def test_a_mask_over_a_clamped_box_keeps_its_place() -> None:
    half_out = one(png(RAMP), [-200, 0, 1000, 2000]).mask
    assert half_out is not None
    assert half_out.frame == Box(0, 0, 1, 1)
    assert np.array_equal(half_out.probs, RAMP[1:, :4].astype(np.float32) / 255)
    barely_in = one(png(RAMP), [0, 900, 500, 9000])
    assert barely_in.mask is None  # not one whole cell of it lies in the picture
    assert barely_in.box == Box(0.9, 0, 1, 0.5)


def test_an_empty_mask_is_remarked_on_and_kept() -> None:
    decoded = decode(json.dumps([{"box_2d": BOX, "mask": png(np.zeros((4, 4), np.uint8)), "label": "cat"}]))
    assert decoded.detections[0].mask is not None
    assert decoded.outcome is Outcome.FOUND
    assert [note.kind for note in decoded.notes] == [NoteKind.MODEL]


@pytest.mark.parametrize(
    ("mask", "codes"),
    [
        pytest.param(TOKENS, tuple(range(0, 128, 8)), id="documented"),
        pytest.param(TOKENS.removeprefix("<start_of_mask>"), tuple(range(0, 128, 8)), id="no start token"),
        pytest.param("".join(f"<seg{n:03d}>" for n in range(16)), tuple(range(16)), id="as PaliGemma writes them"),
        pytest.param(TOKENS.replace("><", "> <"), tuple(range(0, 128, 8)), id="spaces between"),
    ],
)
def test_tokens_are_kept_and_drawn_where_there_is_a_decoder(mask: str, codes: tuple[int, ...]) -> None:
    text = json.dumps([{"box_2d": BOX, "mask": mask, "label": "cat"}, {"box_2d": BOX, "label": "dog"}])
    decoded = decode(text)
    assert [(found.mask_tokens, found.mask) for found in decoded.detections] == [(codes, None), (None, None)]
    assert [note.detail for note in decoded.notes] == ["1 mask is codebook tokens, which are kept but not drawn."]
    assert decoded.outcome is Outcome.FOUND
    asked: list[np.ndarray] = []

    def decoder(codes: np.ndarray) -> np.ndarray:
        asked.append(codes)
        return np.full((len(codes), 64, 64), 0.5, np.float32)

    cat, dog = decode(text, mask_decoder=decoder).detections
    assert [batch.tolist() for batch in asked] == [[list(codes)]]
    assert cat.mask is not None
    assert cat.mask.frame == cat.box
    assert cat.mask.probs.shape == (64, 64)
    assert dog.mask is None


def test_tokens_in_a_list_are_read_as_one_mask() -> None:
    tokens = [f"<seg_{n * 8}>" for n in range(16)]
    assert one(tokens).mask_tokens == tuple(range(0, 128, 8))
    assert one(["".join(tokens), "".join(reversed(tokens))]).mask_tokens == tuple(range(0, 128, 8))


def test_tokens_without_quotes_are_read() -> None:
    decoded = decode(f'[{{"box_2d": {BOX}, "mask": {TOKENS}", "label": "cat"}}]')
    assert [(found.label, len(found.mask_tokens or ())) for found in decoded.detections] == [("cat", 16)]


XY = [[250, 120], [550, 120], [550, 280], [250, 280]]


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(XY, id="x, y"),
        pytest.param([pair[::-1] for pair in XY], id="y, x, as the box tells"),
        pytest.param([value for pair in XY for value in pair], id="flat"),
        pytest.param([XY], id="list of one"),
        pytest.param([[value for pair in XY for value in pair]], id="list of one flat"),
        pytest.param([XY[:3], [XY[2], XY[3], XY[0]]], id="two parts"),
        pytest.param([[x / 1000, y / 1000] for x, y in XY], id="fractions"),
        pytest.param([{"x": x, "y": y} for x, y in XY], id="named"),
        pytest.param({"type": "polygon", "points": XY}, id="object"),
        pytest.param([[str(x), str(y)] for x, y in XY], id="numbers in quotes"),
        pytest.param([*XY, XY[0]], id="closed"),
        pytest.param(" ".join(f"{x},{y}" for x, y in XY), id="text"),
        pytest.param(json.dumps(XY), id="text with brackets"),
        pytest.param([XY[0] + XY[1], XY[2] + XY[3]], id="in pieces"),
    ],
)
def test_an_outline_is_filled_over_its_own_extent(mask: Any) -> None:
    found = one(mask).mask
    assert found is not None
    assert found.frame == Box(0.25, 0.12, 0.55, 0.28)
    assert max(found.probs.shape) == 256
    assert found.probs.mean() > 0.985


@pytest.mark.parametrize("key", ["polygon", "polygon_2d", "mask_points"])
def test_an_outline_is_read_under_the_names_models_give_it(key: str) -> None:
    (found,) = decode(json.dumps([{"box_2d": BOX, key: XY, "label": "cat"}])).detections
    assert found.mask is not None


@pytest.mark.parametrize("wide", [3, 4])
def test_rows_of_noughts_and_ones_are_a_mask_over_the_box(wide: int) -> None:
    rows = np.eye(5, wide, dtype=int)
    found = one(rows.tolist()).mask
    assert found is not None
    assert np.array_equal(found.probs, rows.astype(np.float32))
    assert found.frame == Box(0.2, 0.1, 0.6, 0.3)


def test_an_outline_covers_its_area_with_soft_edges() -> None:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    found = one(np.stack([500 + 300 * np.cos(angle), 400 + 200 * np.sin(angle)], 1).tolist(), [200, 200, 600, 800]).mask
    assert found is not None
    assert found.probs.mean() == pytest.approx(np.pi / 4, rel=0.01)
    assert ((found.probs > 0) & (found.probs < 1)).any()


def test_a_mask_without_a_box_says_so() -> None:
    outline = decode(json.dumps({"mask": XY}))
    assert outline.detections[0].box == Box(0.25, 0.12, 0.55, 0.28)
    alone = decode(RAW)
    assert alone.detections[0].box is None
    assert alone.detections[0].mask is not None
    assert alone.detections[0].mask.frame == FULL_FRAME
    for decoded in (outline, alone):
        assert decoded.outcome is Outcome.REPAIRED
        assert any("without a box" in note.detail for note in decoded.notes)


def test_the_end_of_a_mask_that_stands_alone_is_missed() -> None:
    assert {decode(RAW[:length]).outcome for length in range(20, len(RAW) - 4)} == {Outcome.TRUNCATED}


def test_masks_beyond_what_memory_allows_are_capped_not_boxes() -> None:
    big = png(Image.new("L", (2048, 2048)))
    said = [{"box_2d": BOX, "mask": big, "label": f"cat {n}"} for n in range(18)]
    tracemalloc.start()
    decoded = decode(json.dumps(said))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(decoded.detections) == 18
    assert sum(found.mask is not None for found in decoded.detections) == 16
    assert [note.kind for note in decoded.notes].count(NoteKind.CAPPED) == 2
    assert peak < 350 * 2**20
