"""Turns what stands under "mask" into a SoftMask: a PNG in base64, an outline, or 16 tokens for a decoder to draw.

A PNG, or a grid of noughts and ones, covers its box and keeps its own size; an outline covers the picture in
thousandths and is drawn here, small. Knows nothing of labels, nor of the decoder that draws tokens.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from grounding.codecs.gemini_json import Node, Value
from grounding.codecs.gemini_lists import named_point, numbers, numbers_in_text, squeeze
from grounding.codecs.gemini_values import Cut
from grounding.codecs.mask_tokens import SEG_CODES, SEG_LENGTH
from grounding.types import FULL_FRAME, Box, SoftMask

MAX_PNG_PIXELS = 4 * 2**20  # Gemini's own are 256x256; a header that claims more is broken or hostile
LONGEST_SIDE = 256  # of an outline once drawn, the size of Gemini's own masks
_CELLS_PER_UNIT = 2  # an outline has whole thousandths: more than two cells for each shows nothing new
_FAR = 1e6  # thousandths of the picture; no outline means that
_LEAST_POINTS = 3  # of an outline
_LEAST_ROWS = 3  # of a grid of noughts and ones
_OVERSAMPLING = 4  # edges get 16 levels of grey

_DATA_URI = re.compile(r"data:[\w/+.;=-]*+,")
_PNG_START = "iVBORw0KGgo"  # the eight bytes every PNG starts with, in base64
_PNG_END = b"IEND\xaeB`\x82"
_SEG = re.compile(r"<seg_?(\d{1,6})>")
_SEG_RUN = re.compile(r"(?:<start_of_mask>\s*+)?+(?:<seg_?\d{1,6}>\s*+)++")
_LOOSE = re.compile(rf"(?:data:image/[\w+.-]++;base64,|{_PNG_START})[A-Za-z0-9+/=_\-]*+|{_SEG_RUN.pattern}")
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
_BINARY = re.compile(r"[\s,;()\[\]]*+(?:[01][\s,;()\[\]]*+){4,}+")  # 0110: fewer may be a number of something
_RUN_LENGTHS = frozenset(("counts", "rle", "cocorle", "uncompressedrle", "runlength", "runlengths"))  # squeezed
_TO_STANDARD = str.maketrans("-_", "+/", " \t\r\n\f\v\\")

YxyxBox = tuple[float, float, float, float]


class MaskError(ValueError):
    """Why a mask could not be read, as the end of a sentence that begins with "its mask"."""


def loose_masks(text: str) -> list[str]:
    """Masks that stand in `text` on their own, with no JSON about them: PNGs and runs of tokens, as they are."""
    found: list[str] = []
    end = len(text.rstrip())
    for match in _LOOSE.finditer(text):
        found.append(match[0] if match.end() < end or _is_whole(match[0]) else Cut(match[0]))
    return found


def _is_whole(mask: str) -> bool:
    if _SEG_RUN.fullmatch(mask):
        return len(_SEG.findall(mask)) == SEG_LENGTH
    try:
        return _bytes(mask).endswith(_PNG_END)
    except MaskError:
        return False


def mask_tokens(value: Value) -> tuple[int, ...] | None:
    """The 16 codes of "<start_of_mask><seg_N>…"; None where `value` is no such text. Raises MaskError."""
    texts = [value] if isinstance(value, str) else _texts(value)
    whole = next((text for text in texts if len(_SEG.findall(text)) == SEG_LENGTH), None)
    listed = isinstance(value, Node) and value.kind == "["
    text = whole or ("".join(texts) if listed else next(iter(texts), ""))
    if "<seg" not in text and "<start_of_mask>" not in text:
        return None
    codes = [int(code) for code in _SEG.findall(text)]
    if len(codes) != SEG_LENGTH and _DATA_URI.search(text):
        return None  # the model changed its mind: a PNG follows
    if len(codes) != SEG_LENGTH:
        raise MaskError(f"has {len(codes)} token{'s' * (len(codes) != 1)} instead of {SEG_LENGTH}")
    if max(codes) >= SEG_CODES:
        raise MaskError(f"has a token {max(codes)}; the last there is is {SEG_CODES - 1}")
    return tuple(codes)


def soft_mask(value: Value, yxyx_1000: YxyxBox | None, max_pixels: int = MAX_PNG_PIXELS) -> SoftMask:
    """The mask that `value` holds, inside the picture. `yxyx_1000`: its box as said, sorted but not clamped.

    Raises MaskError. A PNG or a grid without a box is laid over the whole picture; an outline needs no box.
    """
    if (grid := _grid(value)) is not None:
        return _inside(grid, yxyx_1000)
    _refuse_other_forms(value)
    written = numbers_in_text(value) if isinstance(value, str) else None
    for text in [value] if isinstance(value, str) and not written else _texts(value):
        return _inside(_png(text, max_pixels), yxyx_1000)
    outlines = _sound([written]) if written else _outlines(value)
    if not outlines:
        raise MaskError("is neither a PNG, nor tokens, nor an outline")
    return _draw(outlines, yxyx_1000)


def _refuse_other_forms(value: Value) -> None:
    """Raises MaskError for a mask that could be taken for an outline: run lengths, noughts and ones in one row."""
    digits: list[str] = []
    others = False
    todo: list[tuple[str | None, Value]] = [(None, value)]
    while todo:
        key, each = todo.pop()
        named = (key or "") if isinstance(each, Node) else each if isinstance(each, str) else ""
        if squeeze(named) in _RUN_LENGTHS:  # {"counts": [1, 2, …]}, {"format": "rle", …}
            raise MaskError("is a list of run lengths, which are not read")
        if isinstance(each, Node):
            todo.extend(each.entries)
        elif isinstance(each, str):
            digits.append(each)
        elif each in (0, 1) and not isinstance(each, bool):
            digits.append(str(int(each)))
        else:
            others = True
    if not others and _BINARY.fullmatch(" ".join(digits)):
        raise MaskError("lists noughts and ones in a form that is not read")


def _texts(value: Value) -> list[str]:
    """Strings of {"data": "…", "encoding": "base64"} that could be a mask, the likeliest first."""
    if not isinstance(value, Node):
        return []
    texts = [child for _, child in value.entries if isinstance(child, str)]
    return [text for text in texts if _DATA_URI.match(text) or text.startswith(_PNG_START) or "<seg" in text]


def _png(text: str, max_pixels: int) -> np.ndarray:
    """float32[h, w] in [0, 1] of a base64 PNG: white is 1. Transparency, where it varies, is the mask itself."""
    data = _bytes(text)
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or len(data) < 24:
        raise MaskError("is no PNG")
    width, height = struct.unpack(">II", data[16:24])
    if width * height > max_pixels:
        raise MaskError(f"claims {width}x{height} pixels, more than is kept")
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            image.load()
            return _probabilities(image)
    except _BROKEN as error:
        raise MaskError("is a broken PNG") from error


def _bytes(text: str) -> bytes:
    """What base64 says, standard or URL-safe, with or without header, padding and line breaks."""
    header = _DATA_URI.search(text)
    digits = text[header.end() if header else 0 :].translate(_TO_STANDARD).rstrip("=")
    if not digits.isascii():
        raise MaskError("is no base64")
    if len(digits) % 4 == 1:
        digits = digits[:-1]  # no byte ends there
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MaskError("is no base64") from error


def _probabilities(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16 bits
        return np.clip(np.asarray(image).astype(np.float32) / 65535, 0, 1)
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("LA", "RGBA"):
        alpha = np.asarray(image.getchannel("A"))
        if alpha.min() != alpha.max():
            return alpha.astype(np.float32) / 255
        image = image.convert("RGB")
    if image.mode == "1":
        image = image.convert("L")
    values = np.asarray(image)
    values = values.max(axis=2) if values.ndim == 3 else values  # whatever its colour, it is the mask
    return values.astype(np.float32) / 255


def _inside(probs: np.ndarray, box: YxyxBox | None) -> SoftMask:
    """`probs` over `box`; where that reaches outside the picture, the whole cells inside it."""
    if box is None:
        return SoftMask(probs, FULL_FRAME)
    rows, top, bottom = _span(probs.shape[0], box[0], box[2])
    columns, left, right = _span(probs.shape[1], box[1], box[3])
    return SoftMask(np.ascontiguousarray(probs[rows, columns]), Box(left, top, right, bottom))


def _span(cells: int, start: float, stop: float) -> tuple[slice, float, float]:
    """Which cells of an axis from `start` to `stop` thousandths lie in the picture, and from where to where."""
    if start >= 0 and stop <= 1000:
        return slice(0, cells), start / 1000, stop / 1000
    edges = np.linspace(start, stop, cells + 1)
    kept = np.flatnonzero((edges >= 0) & (edges <= 1000))
    if len(kept) < 2:
        raise MaskError("lies outside the picture")
    first, last = int(kept[0]), int(kept[-1])
    return slice(first, last), float(edges[first] / 1000), float(edges[last] / 1000)


def _grid(value: Value) -> np.ndarray | None:
    """float32[h, w] of the rows of noughts and ones that `value` is; rows of two would be points."""
    if not isinstance(value, Node) or value.kind != "[" or len(value.entries) < _LEAST_ROWS:
        return None
    rows = [numbers(row) if isinstance(row, Node) and len(row.entries) > 2 else None for _, row in value.entries]
    if rows[0] is None or any(row is None or len(row) != len(rows[0]) or not {0, 1}.issuperset(row) for row in rows):
        return None
    return np.array(rows, np.float32)


def _outlines(value: Value) -> list[np.ndarray]:
    """float64[n, 2] for each outline in `value`: pairs, a flat list, several of either, or any of them under a key.

    Flat lists of which one is too short for an outline are the pieces of one.
    """
    found: list[list[float]] = []
    todo: list[Value] = [value]
    while todo:
        node = todo.pop()
        if not isinstance(node, Node):
            continue
        children = [child for _, child in node.entries]
        if all(isinstance(child, Node) for child in children):
            pairs = [pair for child in children if isinstance(child, Node) and (pair := _pair(child)) is not None]
            if pairs and len(pairs) == len(children):
                found.append([value for pair in pairs for value in pair])
                continue
            pieces = [flat for child in children if isinstance(child, Node) and (flat := numbers(child))]
            flat_only = node.kind == "[" and len(pieces) == len(children)
            even = not any(len(flat) % 2 for flat in pieces)
            if flat_only and even and any(len(flat) < 2 * _LEAST_POINTS for flat in pieces):
                found.append([value for piece in pieces for value in piece])
                continue
        elif flat := numbers(node):
            found.append(flat)
            continue
        todo.extend(reversed(children))
    return _sound(found)


def _sound(flats: list[list[float]]) -> list[np.ndarray]:
    """float64[n, 2] for each flat list that is an outline."""
    pairs = [np.array(flat, dtype=float).reshape(-1, 2) for flat in flats if len(flat) % 2 == 0]
    return [outline for outline in pairs if len(outline) >= _LEAST_POINTS and (np.abs(outline) < _FAR).all()]  # no NaN


def _pair(node: Node) -> list[float] | None:
    if len(node.entries) != 2:
        return None
    if node.kind == "{":
        yx = named_point(node)
        return yx[::-1] if yx else None
    return numbers(node)


def _draw(outlines: list[np.ndarray], box: YxyxBox | None) -> SoftMask:
    """Fill the outlines, all of them together, on a small canvas over their own extent."""
    points = np.concatenate(outlines)
    scale = 1000.0 if points.max() <= 1 and (points % 1 != 0).any() else 1.0
    flipped = box is not None and _misfit(points[:, ::-1] * scale, box) < _misfit(points * scale, box)
    outlines = [(outline[:, ::-1] if flipped else outline) * scale for outline in outlines]
    points = np.concatenate(outlines)
    (left, top), (right, bottom) = np.clip(points.min(axis=0), 0, 1000), np.clip(points.max(axis=0), 0, 1000)
    if not (left < right and top < bottom):
        raise MaskError("is an outline without area in the picture")
    if box and (bottom <= box[0] or right <= box[1] or top >= box[2] or left >= box[3]):
        raise MaskError("is an outline outside its box")
    cells = _CELLS_PER_UNIT * np.array([right - left, bottom - top])
    width, height = np.maximum(1, np.ceil(cells * min(1.0, LONGEST_SIDE / cells.max()))).astype(int) * _OVERSAMPLING
    canvas = Image.new("L", (int(width), int(height)))
    drawing = ImageDraw.Draw(canvas)
    per_unit = np.array([width / (right - left), height / (bottom - top)])
    for outline in outlines:
        pixels = np.clip((outline - (left, top)) * per_unit - 0.5, -(2.0**20), 2.0**20)  # a pixel's middle is its place
        drawing.polygon([tuple(pixel) for pixel in pixels.tolist()], fill=255)
    probs = np.asarray(canvas.reduce(_OVERSAMPLING)).astype(np.float32) / 255
    return SoftMask(probs, Box(left / 1000, top / 1000, right / 1000, bottom / 1000))


def _misfit(xy_1000: np.ndarray, box: YxyxBox) -> float:
    """How far the points' extent is from `box`: guides and models disagree whether outlines are [x, y] or [y, x]."""
    extent = np.concatenate([xy_1000.min(axis=0), xy_1000.max(axis=0)])
    return float(np.abs(extent - np.array([box[1], box[0], box[3], box[2]])).sum())
