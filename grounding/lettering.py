"""One line of text in any script, drawn with Pillow. Knows nothing of boxes, labels or models.

Two fonts are shipped: one for alphabets and abjads, one for East Asian characters and signs. A line is split into runs
by which font has its characters; inside a run raqm shapes the text and orders right-to-left scripts.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from pathlib import Path

from PIL import ImageDraw, ImageFont

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


class Lettering:
    """Measures and draws single lines at one size in pixels."""

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px

    def width(self, text: str) -> int:
        return round(sum(font.getlength(run) for font, run in self._runs(text)))

    def draw(self, draw: ImageDraw.ImageDraw, xy: tuple[int, int], text: str, fill: tuple[int, int, int]) -> None:
        """Draws `text` from the left end `xy` of its baseline."""
        x, y = float(xy[0]), xy[1]
        for font, run in self._runs(text):
            draw.text((x, y), run, font=font, fill=fill, anchor="ls")
            x += font.getlength(run)

    def shorten(self, text: str, width: int) -> str:
        """`text` if it fits into `width` pixels, else its longest beginning that does with "…" behind it."""
        if self.width(text) <= width:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.width(text[:middle] + "…") <= width else (low, middle - 1)
        while low and unicodedata.combining(text[low : low + 1] or " "):  # keep a letter and its marks together
            low -= 1
        return text[:low].rstrip() + "…"

    def _runs(self, text: str) -> list[tuple[ImageFont.FreeTypeFont, str]]:
        """Font and text of each run, as they follow each other on the page from the left."""
        runs = [
            (_font("labels-cjk.otf" if east else "labels.ttf", self.size_px), "".join(characters))
            for east, characters in itertools.groupby(text, _is_east_asian)
        ]
        return runs[::-1] if _is_right_to_left(text) else runs


def tidy(text: str) -> str:
    """`text` on one line without control characters and direction overrides, cut to a length that can be drawn."""
    kept = "".join(c if c in _JOINERS or unicodedata.category(c) not in _UNDRAWABLE else " " for c in text)
    return " ".join(kept[:_MAX_CHARACTERS].split())


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
