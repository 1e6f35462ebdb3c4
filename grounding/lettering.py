"""One line of text in any script, drawn with Pillow. Knows nothing of boxes, labels or models.

Two fonts are shipped: one for alphabets and abjads, one for East Asian characters and signs. A line is split into runs
by which font has its characters; inside a run raqm shapes the text and orders right-to-left scripts.
"""

from __future__ import annotations

import functools
import itertools
import math
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_FONTS = Path(__file__).parents[1] / "assets" / "fonts"

_EAST_ASIAN = (  # blocks that labels-cjk.otf draws; all else is labels.ttf's
    (0x1100, 0x11FF),  # Hangul letters
    (0x2190, 0x2BFF),  # arrows, mathematical and other signs
    (0x2E80, 0xA4CF),
    (0xAC00, 0xD7FF),  # Hangul syllables
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFFEF),  # full-width forms
    (0x20000, 0x3FFFF),
)
_JOINERS = "\u200c\u200d"  # Persian and Indian scripts are spelled with them
_MAX_CHARACTERS = 120  # far more than fits over a box; shaping 100 KB of text would take seconds


@functools.lru_cache(maxsize=512)
def line(text: str, size_px: int) -> Image.Image:
    """The ink of `text` as an L picture as wide as the text; its baseline is at `baseline(size_px)`.

    Kept: shaping a line takes milliseconds, and a redraw draws the lines it drew before.
    """
    placed = runs(text, size_px)
    ink = Image.new("L", (max(1, math.ceil(_width(text, size_px))), 2 * size_px))
    draw = ImageDraw.Draw(ink)
    x = 0.0
    for font, run in placed:
        draw.text((x, baseline(size_px)), run, font=font, fill=255, anchor="ls")
        x += font.getlength(run)
    return ink


def baseline(size_px: int) -> int:
    """Pixels from the top of a `line` to its baseline: room for stacked marks above, and below for tails."""
    return round(1.35 * size_px)


@functools.lru_cache(maxsize=512)
def shorten(text: str, size_px: int, width_px: int) -> str:
    """`text` if it fits into `width_px`, else its longest beginning that does with "…" behind it."""
    if _width(text, size_px) <= width_px:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _width(text[:middle] + "…", size_px) <= width_px else (low, middle - 1)
    while low and unicodedata.combining(text[low : low + 1] or " "):  # keep a letter and its marks together
        low -= 1
    return text[:low].rstrip() + "…"


def runs(text: str, size_px: int) -> list[tuple[ImageFont.FreeTypeFont, str]]:
    """Font and text of each run, as they follow each other on the page from the left."""
    found = [
        (_font("labels-cjk.otf" if east else "labels.ttf", size_px), "".join(characters))
        for east, characters in itertools.groupby(text, _is_east_asian)
    ]
    return found[::-1] if _is_right_to_left(text) else found


def _width(text: str, size_px: int) -> float:
    return sum(font.getlength(run) for font, run in runs(text, size_px))


def tidy(text: str) -> str:
    """`text` on one line without control characters and direction overrides, cut to a length that can be drawn."""
    text = text[: 10 * _MAX_CHARACTERS]
    kept = "".join(c if c in _JOINERS or unicodedata.category(c) not in _UNDRAWABLE else " " for c in text)
    words = " ".join(kept.split())
    return words if len(words) <= _MAX_CHARACTERS else words[: _MAX_CHARACTERS - 1] + "…"


_UNDRAWABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def _is_east_asian(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _EAST_ASIAN)


def _is_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction says so, as the Unicode bidirectional algorithm decides it."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


@functools.lru_cache(maxsize=16)
def _font(file: str, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONTS / file, size_px)
