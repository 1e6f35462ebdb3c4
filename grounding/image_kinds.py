"""Which picture format a file is, by its first bytes alone, and what to do about a file that is none.

Decodes nothing. Formats not named here stay closed, whatever the libraries beneath could read.
"""

from __future__ import annotations

import codecs
import struct

from grounding.errors import ImageError

READABLE = "PNG, JPEG, WEBP, HEIC, AVIF, GIF or BMP"

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_BMP_HEADERS = tuple(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))  # "BM" alone also begins texts


def recognise(data: bytes) -> str:
    """The Pillow name of the allowed format that `data` begins like; ImageError names what else it looks like."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"  # phones' MPO files too: a JPEG with more behind it
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM") and len(data) > 26 and data[14:18] in _BMP_HEADERS:
        return "BMP"
    if data[4:8] == b"ftyp":
        brands = _brands(data)
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    raise ImageError(_advice(data))


def _brands(data: bytes) -> set[bytes]:
    """Major and compatible brands of an ISO base media file's first box."""
    end = min(int.from_bytes(data[:4], "big"), 4096, len(data))
    return {data[8:12]} | {data[at : at + 4] for at in range(16, end - 3, 4)}


def _advice(data: bytes) -> str:
    """What a file that is no allowed picture looks like, and what to do about it."""
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"%pdf"):
        return "This is a PDF document, not a picture. Export its page as PNG or JPEG and load that."
    if b"<svg" in head:
        return "This is an SVG drawing, which is not read here. Export it as PNG and load that."
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")):
        return "This is a web page, not a picture. Open it, save the picture itself and load that."
    if head.startswith((b"pk\x03\x04", b"pk\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf", b"rar!")):
        return "This is an archive, not a picture. Unpack it and load a picture from inside."
    if data[:4] in (b"II*\0", b"MM\0*", b"8BPS", b"%!PS") or data.startswith(b"\0\0\0\x0cjP  "):
        return f"This picture format is not read here. Save the picture as {READABLE} and load that."
    if data[4:8] == b"ftyp" or data.startswith((b"\x1aE\xdf\xa3", b"RIFF")):
        return "This is a video or sound, not a picture. Save one frame as PNG or JPEG and load that."
    if _is_text(data[:1024]):
        return f"This is a text, not a picture. Load a picture saved as {READABLE}."
    return f"This is not a readable picture. Load one saved as {READABLE}."


def _is_text(data: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data)  # incremental: the last letter may be cut
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character >= " " or character.isspace() for character in text)
