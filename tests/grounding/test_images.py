"""The way in for pictures: what is taken, how it comes out, what is refused, and that refusing costs nothing.

tests/fixtures/pictures/turned.heic: the four quarters below, made with pillow-heif, stored on its side (orientation 6).
"""

from __future__ import annotations

import gzip
import json
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding import images
from grounding.errors import ImageError
from grounding.images import Picture, encode, load, thumbnail
from grounding.types import NoteKind

ROOT = Path(__file__).parents[2]
HEIC = ROOT / "tests" / "fixtures" / "pictures" / "turned.heic"
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 160, 60), (40, 60, 220), (255, 255, 255)


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green / blue, white: no two ways of turning it look alike."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def packed(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def is_upright(image: Image.Image, tolerance: int = 12) -> bool:
    points = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    seen = np.array([image.getpixel((int(x * image.width), int(y * image.height))) for x, y in points], dtype=int)
    return bool(np.abs(seen - np.array([RED, GREEN, BLUE, WHITE])).max() <= tolerance)


def png_of(width: int, height: int, colour: int = 2, before: bytes = b"") -> bytes:
    """A PNG that says how large it is and then holds next to nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(bytes(1000)))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


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


def zip_file() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", packed(quarters(), "PNG"))
    return buffer.getvalue()


def broken_checksum() -> bytes:
    data = bytearray(packed(quarters(), "PNG"))
    data[data.index(b"IDAT") + 10] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "empty", id="zero bytes"),
        pytest.param(b"\x89", "not a readable picture", id="one byte"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "damaged", id="PNG magic only"),
        pytest.param(packed(quarters(), "PNG")[:-60], "PNG picture is damaged", id="truncated PNG"),
        pytest.param(broken_checksum(), "damaged", id="PNG with a wrong checksum"),
        pytest.param(packed(quarters(400, 300), "JPEG", progressive=True)[:1500], "damaged", id="truncated JPEG"),
        pytest.param(packed(quarters(400, 300), "WEBP")[:150], "damaged", id="truncated WEBP"),
        pytest.param(packed(quarters(), "AVIF")[:300], "damaged", id="truncated AVIF"),
        pytest.param(HEIC.read_bytes()[:500], "HEIC picture is damaged", id="truncated HEIC"),
        pytest.param(packed(quarters(), "BMP")[:500], "damaged", id="truncated BMP"),
        pytest.param(packed(quarters(), "GIF")[:100], "damaged", id="truncated GIF"),
        pytest.param(b"Dear all,\n\nplease find ...", "a text", id="text"),
        pytest.param(b"BMW and others", "a text", id="text that begins like a BMP"),
        pytest.param(b"\xef\xbb\xbf <!DOCTYPE html><html>", "web page", id="HTML"),
        pytest.param(b"<?xml version='1.0'?><svg xmlns='...'>", "SVG", id="SVG"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3", "PDF", id="PDF"),
        pytest.param(zip_file(), "archive", id="ZIP"),
        pytest.param(gzip.compress(b"x"), "archive", id="gzip"),
        pytest.param(packed(quarters(), "TIFF"), "not read here", id="TIFF"),
        pytest.param(packed(quarters(), "EPS"), "not read here", id="EPS"),
        pytest.param(packed(quarters(), "JPEG2000"), "not read here", id="JPEG 2000"),
        pytest.param(b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video", id="MP4"),
        pytest.param(b"RIFF\x10\0\0\0WAVEfmt ", "video or sound", id="WAV"),
        pytest.param(bytes(range(256)) * 4, "not a readable picture", id="noise"),
    ],
)
def test_what_is_no_picture_is_named_with_a_way_out(data: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=says) as error:
        load(data, name="holiday.png")
    assert len(str(error.value)) < 200
    assert str(error.value).count(".") >= 2, "says what happened and what to do"


def test_every_other_format_pillow_can_write_is_refused() -> None:
    Image.init()
    written = 0
    for kind in sorted(Image.SAVE.keys() - {"PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "AVIF", "MPO", "HEIF"}):
        try:
            data = packed(quarters(), kind)
        except (OSError, ValueError, KeyError, SystemError):
            continue  # not a mode this one writes
        written += 1
        with pytest.raises(ImageError):
            load(data)
    assert written >= 10


@pytest.mark.parametrize("path", ["missing.png", ".", "a\0b.png"], ids=["missing", "folder", "NUL"])
def test_a_path_without_a_picture_is_a_sentence_without_the_path(tmp_path: Path, path: str) -> None:
    with pytest.raises(ImageError) as error:
        load(tmp_path / path)
    assert str(tmp_path) not in str(error.value)


def test_an_image_opened_by_other_hands_is_held_to_the_same_formats() -> None:
    with pytest.raises(ImageError, match="not read here"):
        load(Image.open(BytesIO(packed(quarters(), "TIFF"))))
    with pytest.raises(ImageError, match="floating-point"):
        load(Image.new("F", (4, 4)))


BOMBS = {
    "PNG 50 000 x 50 000": (lambda: png_of(50_000, 50_000), "too large"),
    "PNG 13 300 x 13 300": (lambda: png_of(13_300, 13_300), "13300×13300 pixels"),
    "RGBA 13 300 x 13 300": (lambda: png_of(13_300, 13_300, colour=6), "13300×13300 pixels"),
    "PNG 9 400 x 9 400": (lambda: png_of(9_400, 9_400), "9400×9400 pixels"),
    "PNG 65 535 x 2 000, cut": (lambda: png_of(65_535, 2_000)[:50], "65535×2000 pixels"),
    "GIF 60 000 x 60 000": (
        lambda: packed(quarters(), "GIF").replace(b"@\0000\0", b"\xff\xff\xff\xff", 1),
        "too large",
    ),
    "zTXt": (lambda: png_of(8, 8, before=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000), 1))), "damaged"),
    "50 MB and a byte": (lambda: bytes(images.MAX_BYTES + 1), "50 MB; the limit is 50 MB"),
}

MEASURE = """
import json, pickle, resource, sys, time, warnings
from PIL import Image
from grounding.errors import ImageError
from grounding.images import load
warnings.simplefilter("ignore")
Image.init()
found = {}
for name, data in pickle.load(sys.stdin.buffer).items():
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        load(data)
        said = "loaded"
    except ImageError as error:
        said = str(error)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    found[name] = said, time.process_time() - start, grown / 1024
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def refusals() -> dict[str, tuple[str, float, float]]:
    """What became of each bomb, CPU seconds and megabytes of memory, in a process whose peak is theirs alone."""
    data = pickle.dumps({name: make() for name, (make, _) in BOMBS.items()})
    run = subprocess.run([sys.executable, "-c", MEASURE], input=data, capture_output=True, cwd=ROOT, check=True)
    found: dict[str, tuple[str, float, float]] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_are_decoded(refusals: dict[str, tuple[str, float, float]], name: str) -> None:
    said, seconds, megabytes = refusals[name]
    assert BOMBS[name][1] in said
    assert seconds < 0.5
    assert megabytes < 30


def test_a_large_jpeg_header_is_refused_by_its_size() -> None:
    data = packed(quarters(), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    with pytest.raises(ImageError, match="2500×65500"):
        load(data[:at] + struct.pack(">HH", 65_500, 2_500) + data[at + 4 :])


def test_pictures_load_in_several_threads_at_once() -> None:
    sources: list[bytes] = [packed(quarters(), kind) for kind in ("PNG", "JPEG", "WEBP", "AVIF")] + [HEIC.read_bytes()]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load, sources * 8))
    assert all(is_upright(picture.image, 24) for picture in found)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_a_picture_or_a_sentence_and_never_another_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"]))
    raw = bytearray(HEIC.read_bytes() if kind == "HEIF" else packed(quarters(), kind))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=6)):
        raw[place] = value
    with suppress(ImageError):
        assert load(bytes(raw[: data.draw(st.integers(0, len(raw)))])).image.mode == "RGB"


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


@pytest.mark.parametrize(("side", "size"), [(32, (32, 24)), (64, (64, 48)), (1000, (64, 48)), (1, (1, 1))])
def test_a_thumbnail_keeps_the_shape_and_never_grows(side: int, size: tuple[int, int]) -> None:
    picture = load(quarters())
    small = thumbnail(picture, side)
    assert small.size == size
    assert small is not picture.image


def test_a_picture_longer_than_a_jpeg_can_be_is_made_smaller_to_be_sent() -> None:
    data, mime = encode(load(Image.new("RGB", (70_000, 60), "red")))
    assert (mime, max(Image.open(BytesIO(data)).size)) == ("image/jpeg", 65_500)
