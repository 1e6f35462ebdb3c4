"""A JPEG without metadata: nothing of what was beside the picture is left, and no pixel has changed."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from grounding import images
from grounding.jpegs import bare

CANARY = b"CANARY"


def jpeg(mode: str = "RGB", size: tuple[int, int] = (90, 70), **options: Any) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x8825] = "CANARY maker", {2: (59.0, 20.0, 3.0)}
    return jpeg(exif=exif, comment=CANARY, xmp=b"<x:xmpmeta>CANARY</x:xmpmeta>")


def segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


PLAIN = jpeg()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FILES = [
    pytest.param(PLAIN, id="plain"),
    pytest.param(jpeg(progressive=True), id="progressive"),
    pytest.param(jpeg(quality=100, subsampling=0), id="full colour"),
    pytest.param(jpeg("L"), id="grey"),
    pytest.param(jpeg(restart_marker_blocks=2), id="restart marks"),
    pytest.param(jpeg(optimize=True, dpi=(300, 300)), id="own tables"),
    pytest.param(jpeg(keep_rgb=True), id="RGB inside, as the Adobe mark says"),
    pytest.param(with_exif(), id="EXIF, XMP, a comment"),
    pytest.param(jpeg(icc_profile=PROFILE), id="a colour profile"),
    pytest.param(PLAIN + CANARY * 9, id="something behind it"),
    pytest.param(PLAIN + jpeg(comment=CANARY), id="a second picture behind it, as phones have"),
    pytest.param(PLAIN[:2] + segment(0xED, CANARY) + PLAIN[2:], id="Photoshop's"),
    pytest.param(PLAIN[:2] + segment(0xE1, b"Exif\0\0" + PLAIN + CANARY) + PLAIN[2:], id="a picture in its EXIF"),
    pytest.param(PLAIN[:2] + b"\xff\xff\xff" + PLAIN[2:], id="padding"),
]


@pytest.mark.parametrize("data", FILES)
def test_no_pixel_changes_and_nothing_beside_them_is_left(data: bytes) -> None:
    left = bare(data)
    assert left is not None
    assert CANARY not in left
    assert b"Exif" not in left
    with Image.open(BytesIO(data)) as before, Image.open(BytesIO(left)) as after:
        assert after.mode == before.mode
        assert np.array_equal(np.asarray(before), np.asarray(after))
    assert bare(left) == left


ODD = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\xff\xd8", id="a beginning"),
    pytest.param(b"\xff\xd8\xff\xd9", id="no picture in it"),
    pytest.param(PLAIN[:200], id="cut in a table"),
    pytest.param(PLAIN[:-2], id="cut before its end"),
    pytest.param(PLAIN[:2] + b"\xff\xd3" + PLAIN[2:], id="a mark out of place"),
    pytest.param(PLAIN[:2] + b"\xff\xe1\0\0" + PLAIN[2:], id="a segment without a length"),
    pytest.param(PLAIN[:2] + b"oops" + PLAIN[2:], id="something between"),
    pytest.param(
        PLAIN[:4] + b"\0\x13JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01abc" + PLAIN[20:], id="a thumbnail in its head"
    ),
]


@pytest.mark.parametrize("data", ODD)
def test_what_cannot_be_taken_apart_is_left_alone(data: bytes) -> None:
    assert bare(data) is None


@given(st.data())
def test_no_bytes_make_it_raise(data: st.DataObject) -> None:
    broken = bytearray(PLAIN)
    for at in data.draw(st.lists(st.integers(2, len(PLAIN) - 1), max_size=8)):
        broken[at] = data.draw(st.integers(0, 255))
    left = bare(bytes(broken[: data.draw(st.integers(0, len(PLAIN)))]))
    assert left is None or left.startswith(b"\xff\xd8")


def test_a_picture_that_was_turned_or_converted_is_not_sent_as_it_came() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert images.load(jpeg(exif=exif)).coded is None
    assert images.load(jpeg("CMYK")).coded is None
    assert images.load(Image.open(BytesIO(PLAIN))).coded is None
    assert images.load(PLAIN).coded == PLAIN
