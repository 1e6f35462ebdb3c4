"""JPEG files by their segments: the coded picture without what was written beside it. Decodes nothing."""

from __future__ import annotations

import re

_END, _SCAN, _JFIF, _ADOBE, _COMMENT = 0xD9, 0xDA, 0xE0, 0xEE, 0xFE
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length; between segments they are out of place
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
_PLAIN_JFIF = 16  # bytes of its segment without a thumbnail inside


def bare(data: bytes) -> bytes | None:
    """The same picture bit by bit, without EXIF, XMP, profiles, comments, thumbnails and further pictures behind it.

    What decoding needs stays: tables, scans, and the two marks that tell which colours these are. None where `data` is
    not a whole JPEG, or cannot be taken apart with certainty.
    """
    kept, at = [b"\xff\xd8"], 2
    while data[at : at + 1] == b"\xff":
        while data[at + 1 : at + 2] == b"\xff":  # padding
            at += 1
        marker = data[at + 1] if at + 1 < len(data) else _END + 1
        if marker == _END:
            return b"".join([*kept, b"\xff\xd9"]) if len(kept) > 2 else None
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at : at + 2 + length]
        if marker in _ALONE or length < 2 or len(segment) < 2 + length:
            return None
        at += len(segment)
        if marker == _JFIF and segment[4:9] == b"JFIF\0" and length > _PLAIN_JFIF:
            return None
        if _is_needed(marker, segment):
            kept.append(segment)
        if marker == _SCAN:
            behind = _AFTER_SCAN.search(data, at)
            if behind is None:
                return None
            kept.append(data[at : behind.start()])
            at = behind.start()
    return None


def _is_needed(marker: int, segment: bytes) -> bool:
    if marker == _JFIF:
        return segment[4:9] == b"JFIF\0"
    if marker == _ADOBE:
        return segment[4:9] == b"Adobe"
    return marker != _COMMENT and not 0xE1 <= marker <= 0xEF
