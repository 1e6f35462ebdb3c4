"""Pieces of PaliGemma's answers, and what was read from them in short form, for the tests beside this."""

from __future__ import annotations

from grounding.types import Decoded, NoteKind

SEG = "".join(f"<seg{code:03d}>" for code in range(16))


CODES = tuple(range(16))


def loc(*yxyx: int) -> str:
    return "".join(f"<loc{value:04d}>" for value in yxyx)


BOX = loc(100, 200, 300, 400)


OTHER = loc(500, 600, 700, 800)


def said(decoded: Decoded) -> list[tuple[str, tuple[int, ...], tuple[int, ...] | None]]:
    """(label, y1 x1 y2 x2 in 1024ths, codes) of each detection."""
    return [
        (d.label, tuple(round(v * 1024) for v in (d.box.y1, d.box.x1, d.box.y2, d.box.x2)), d.mask_tokens)
        for d in decoded.detections
        if d.box
    ]


def kinds(decoded: Decoded) -> list[NoteKind]:
    return [note.kind for note in decoded.notes]
