"""Makes labels.ttf and labels-cjk.otf from the Noto fonts (Debian: fonts-noto-core, fonts-noto-cjk). Needs fonttools.

    python assets/fonts/build_fonts.py /usr/share/fonts assets/fonts

One file for the alphabets and abjads most people write, one with the characters of the East Asian national standards:
Pillow draws a run of text in one font, so fewer files mean fewer seams. Hinting goes; shaping tables stay.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import merge, subset
from fontTools.ttLib import TTFont

SCRIPTS = (
    "", "Hebrew", "Arabic", "Armenian", "Georgian", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Tamil",
    "Telugu", "Kannada", "Malayalam", "Thai", "Lao", "Khmer", "Myanmar", "Ethiopic", "Sinhala",
)  # fmt: skip
"""Noto Sans itself (Latin, Greek, Cyrillic) first: what several hold, e.g. digits, comes from it."""


def national_characters() -> set[int]:
    """What GB 2312, Big5 level 1, JIS X 0208 and KS X 1001 hold, from U+2190 on, and all modern Hangul syllables."""
    found = set(range(0xAC00, 0xD7A4)) | set(range(0x3000, 0x3100)) | set(range(0xFF01, 0xFFEF))
    for codec, leads in (("gb2312", range(0xA1, 0xF8)), ("big5", range(0xA1, 0xC7)), ("euc_jp", range(0xA1, 0xF5)),
                         ("euc_kr", range(0xA1, 0xFE))):  # fmt: skip
        for lead in leads:
            for trail in range(0x40, 0xFF):
                text = bytes((lead, trail)).decode(codec, errors="ignore")
                found.update(ord(character) for character in text if ord(character) >= 0x2190)  # arrows and signs too
    return found


def narrow(font: TTFont, characters: set[int] | None) -> TTFont:
    options = subset.Options(hinting=False, layout_features=["*"], name_IDs=["*"], notdef_outline=True)
    options.drop_tables += ["vhea", "vmtx", "VORG", "MATH", "DSIG"]  # labels run across
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters or font.getBestCmap().keys())
    subsetter.subset(font)
    return font


def main(fonts: Path, out: Path) -> None:
    (cjk,) = fonts.rglob("NotoSansCJK-Regular.ttc")
    narrow(TTFont(cjk, fontNumber=2), national_characters()).save(out / "labels-cjk.otf")  # 2: Simplified Chinese forms
    parts = []
    for script in SCRIPTS:
        (path,) = fonts.rglob(f"NotoSans{script}-Regular.ttf")
        part = out / f"part-{script}.ttf"
        narrow(TTFont(path), None).save(part)
        parts.append(part)
    merge.Merger().merge([str(part) for part in parts]).save(out / "labels.ttf")
    for part in parts:
        part.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
