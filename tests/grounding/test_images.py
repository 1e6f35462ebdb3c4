"""The way in for pictures: what is taken, and how it comes out: upright, RGB, and nothing but pixels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.images import Picture, encode, load, thumbnail
from grounding.types import NoteKind
from tests.grounding.quarters import HEIC, WHITE, is_upright, packed, quarters


def notes(picture: Picture) -> str:
    assert all(note.kind is NoteKind.PICTURE for note in picture.notes)
    return " ".join(note.detail for note in picture.notes)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP"])
def test_every_allowed_format_comes_out_as_upright_rgb(kind: str) -> None:
    picture = load(packed(quarters(), kind), name="a.xyz")
    assert (picture.format, picture.size_wh, picture.image.mode, picture.name) == (kind, (64, 48), "RGB", "a.xyz")
    assert is_upright(picture.image, 24)


def test_heic_is_read_and_turned_once() -> None:
    picture = load(HEIC)
    assert (picture.format, picture.size_wh, picture.name, picture.notes) == ("HEIF", (64, 48), "turned.heic", ())
    assert is_upright(picture.image)


def test_bytes_paths_buffers_and_images_give_the_same_picture(tmp_path: Path) -> None:
    data = packed(quarters(), "PNG")
    path = tmp_path / "named.jpg"  # a wrong name changes nothing
    path.write_bytes(data)
    buffer = BytesIO(data)
    buffer.seek(7)
    found = [load(data), load(path), load(buffer), load(Image.open(path)), load(quarters())]
    assert {picture.content_id for picture in found} == {found[0].content_id}
    assert {picture.format for picture in found} == {"PNG"}
    assert found[1].name == "named.jpg"


def test_content_id_tells_pictures_apart_by_pixels_and_shape() -> None:
    flat = [Image.new("RGB", size) for size in ((6, 4), (4, 6), (24, 1))]
    assert len({load(image).content_id for image in [*flat, quarters(6, 4)]}) == 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_exif_orientations_come_out_upright(orientation: int, kind: str) -> None:
    stored = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the opposite turn of each
    image = quarters()
    if orientation in stored:
        image = image.transpose(Image.Transpose(stored[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = load(packed(image, kind, exif=exif))
    assert picture.size_wh == (64, 48)
    assert is_upright(picture.image, 24)
    assert ("turned upright" in notes(picture)) == (orientation > 1)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert is_upright(load(packed(quarters(), "PNG", exif=exif)).image)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0garbage",
        b"\xff" * 50,
    ],
    ids=["empty", "offset nowhere", "cut directory", "no header", "noise"],
)
def test_damaged_exif_costs_the_exif_and_not_the_picture(exif: bytes) -> None:
    assert is_upright(load(packed(quarters(), "JPEG", exif=exif, quality=95)).image, 24)


def test_nothing_but_pixels_is_left_of_a_file() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET place"
    source = packed(quarters(), "JPEG", exif=exif, comment=b"SECRET", xmp=b"<x>SECRET</x>", icc_profile=b"SECRET" * 9)
    picture = load(source)
    assert b"SECRET" in source
    assert not picture.image.info
    assert not picture.image.getexif()
    assert b"SECRET" not in encode(picture)[0]


def test_transparency_is_laid_on_white_and_noted() -> None:
    image = Image.new("RGBA", (4, 1))
    for x, alpha in enumerate((0, 128, 255, 255)):
        image.putpixel((x, 0), (200, 0, 0, alpha))
    picture = load(packed(image, "PNG"))
    assert [picture.image.getpixel((x, 0)) for x in (0, 1, 2)] == [WHITE, (227, 127, 127), (200, 0, 0)]
    assert "transparent" in notes(picture)


@pytest.mark.parametrize(
    ("image", "said", "first"),
    [
        pytest.param(Image.new("RGBA", (3, 3), (9, 8, 7, 255)), "", (9, 8, 7), id="opaque alpha"),
        pytest.param(Image.new("LA", (3, 3), (50, 0)), "transparent", WHITE, id="grey and alpha"),
        pytest.param(Image.new("L", (3, 3), 77), "", (77, 77, 77), id="grey"),
        pytest.param(Image.new("1", (3, 3), 1), "", WHITE, id="1 bit"),
        pytest.param(Image.new("P", (3, 3), 0), "palette", (0, 0, 0), id="palette"),
    ],
)
def test_other_png_modes_become_rgb(image: Image.Image, said: str, first: tuple[int, int, int]) -> None:
    picture = load(packed(image, "PNG"))
    assert picture.image.getpixel((0, 0)) == first
    assert (said in notes(picture)) if said else not picture.notes


def test_a_transparent_palette_colour_becomes_white() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    picture = load(packed(image, "PNG", transparency=0))
    assert [picture.image.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (200, 100, 50)]


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None]
    picture = load(packed(Image.fromarray(ramp), "PNG"))
    assert np.abs(np.asarray(picture.image)[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert "16 bits" in notes(picture)


def test_print_colours_are_converted_and_noted() -> None:
    picture = load(packed(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = picture.image.getpixel((3, 3))  # type: ignore[misc]
    assert red > 240
    assert max(green, blue) < 15
    assert "CMYK" in notes(picture)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_is_used_and_noted(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), "lime")] * 2
    picture = load(packed(quarters(), kind, save_all=True, append_images=[frame.resize((64, 48)) for frame in frames]))
    assert is_upright(picture.image, 40)
    assert "animated" in notes(picture)


def test_a_phones_two_part_jpeg_is_a_jpeg() -> None:
    picture = load(packed(quarters(), "MPO", save_all=True, append_images=[quarters()]))
    assert (picture.format, picture.notes) == ("JPEG", ())


@pytest.mark.parametrize("size", [(1, 1), (1, 30_000), (30_000, 1)], ids=str)
def test_odd_shapes_are_pictures_too(size: tuple[int, int]) -> None:
    picture = load(packed(Image.new("RGB", size), "PNG"))
    assert picture.size_wh == size
    assert max(thumbnail(picture, 100).size) <= 100
    assert len(encode(picture)[0]) < 200_000


@pytest.mark.parametrize("tail", [b"\0" * 10_000_000, b"PK\x03\x04 a ZIP behind a picture"], ids=["10 MB", "polyglot"])
def test_what_lies_behind_a_picture_is_ignored(tail: bytes) -> None:
    assert is_upright(load(packed(quarters(), "PNG") + tail).image)


def test_pictures_load_in_several_threads_at_once() -> None:
    sources: list[bytes] = [packed(quarters(), kind) for kind in ("PNG", "JPEG", "WEBP", "AVIF")] + [HEIC.read_bytes()]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load, sources * 8))
    assert all(is_upright(picture.image, 24) for picture in found)
