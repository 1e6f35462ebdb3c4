"""How a picture goes out again: as it came where that will do, else smaller, and never too heavy."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from grounding.images import encode, load, thumbnail
from tests.grounding.quarters import is_upright, packed, quarters


def test_a_lossless_picture_is_sent_as_png_bit_by_bit() -> None:
    picture = load(packed(quarters(), "PNG"))
    data, mime = encode(picture)
    assert mime == "image/png"
    assert load(data).content_id == picture.content_id


def test_an_upright_jpeg_is_sent_as_it_came() -> None:
    picture = load(packed(quarters(), "JPEG", quality=70))
    data, mime = encode(picture)
    assert (mime, load(data).content_id) == ("image/jpeg", picture.content_id)
    assert encode(picture, max_bytes=len(data) - 1)[0] != data, "where it fits"


@pytest.mark.parametrize("file", [packed(quarters(), "WEBP"), packed(quarters().convert("CMYK"), "JPEG", quality=95)])
def test_a_lossy_picture_is_sent_as_a_jpeg_with_full_colour_resolution(file: bytes) -> None:
    data, mime = encode(load(file))
    assert mime == "image/jpeg"
    with Image.open(BytesIO(data)) as sent:
        assert [component[1:3] for component in sent.layer] == [(1, 1)] * 3
        assert is_upright(sent.convert("RGB"), 24)


def test_what_is_too_heavy_to_send_is_sent_smaller_and_never_too_heavy() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    picture = load(Image.fromarray(noise))
    data, mime = encode(picture, max_bytes=20_000)
    assert mime == "image/jpeg"
    assert len(data) <= 20_000
    width, height = load(data).size_wh
    assert abs(width / height - 4 / 3) < 0.02


def test_a_picture_longer_than_a_jpeg_can_be_is_made_smaller_to_be_sent() -> None:
    data, mime = encode(load(Image.new("RGB", (70_000, 60), "red")))
    assert (mime, max(Image.open(BytesIO(data)).size)) == ("image/jpeg", 65_500)


@pytest.mark.parametrize(("side", "size"), [(32, (32, 24)), (64, (64, 48)), (1000, (64, 48)), (1, (1, 1))])
def test_a_thumbnail_keeps_the_shape_and_never_grows(side: int, size: tuple[int, int]) -> None:
    picture = load(quarters())
    small = thumbnail(picture, side)
    assert small.size == size
    assert small is not picture.image
