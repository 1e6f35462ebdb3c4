"""What is no picture, or too large a one, is refused in a sentence, and refusing costs nothing."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding import images
from grounding.errors import ImageError
from grounding.images import load
from tests.grounding.quarters import HEIC, ROOT, packed, quarters


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


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_a_picture_or_a_sentence_and_never_another_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"]))
    raw = bytearray(HEIC.read_bytes() if kind == "HEIF" else packed(quarters(), kind))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=6)):
        raw[place] = value
    with suppress(ImageError):
        assert load(bytes(raw[: data.draw(st.integers(0, len(raw)))])).image.mode == "RGB"


def png_of(width: int, height: int, colour: int = 2, before: bytes = b"") -> bytes:
    """A PNG that says how large it is and then holds next to nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(bytes(1000)))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


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
