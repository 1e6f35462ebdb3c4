"""Reads lists of coordinates in the shapes models give them: numbers, quoted or not, named sides, a name among them.

Knows nothing of what the numbers measure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from grounding.codecs.gemini_json import Node, Value
from grounding.codecs.gemini_values import Bare, number

# The order is y first, as in box_2d.
_SIDES = (
    ("ymin", "xmin", "ymax", "xmax"),
    ("y1", "x1", "y2", "x2"),
    ("y0", "x0", "y1", "x1"),
    ("top", "left", "bottom", "right"),
)
_SIZED = (("y", "x", "height", "width"), ("y", "x", "h", "w"), ("top", "left", "height", "width"))
_CENTRED = (("cy", "cx", "height", "width"), ("cy", "cx", "h", "w"))
_BETWEEN = r"[\s,;()\[\]]+"
_IN_TEXT = re.compile(rf"[\s\[(]*+([-+\d.eE]++(?:{_BETWEEN}+[-+\d.eE]++)++)[\s\])]*+")
_LONGEST_IN_TEXT = 20_000  # an outline of thousands of points
_LONGEST_KEY = 60


def squeeze(key: str) -> str:
    """`key` without case, "_", "-" and spaces: "Box_2D" is "box2d"."""
    return _squeeze(key[:_LONGEST_KEY])


@lru_cache(maxsize=1024)
def _squeeze(key: str) -> str:
    return re.sub(r"[\W_]+", "", key).lower()


def numbers(node: Node) -> list[float] | None:
    """The numbers of a closed list that holds nothing else; numbers in quotes count."""
    if not node.closed or not node.entries:
        return None
    values = [_numeric(value) for key, value in node.entries if key is None]
    kept = [value for value in values if value is not None]
    return kept if len(kept) == len(node.entries) else None


def _numeric(value: Value) -> float | None:
    if isinstance(value, str):
        return None if isinstance(value, Bare) else number(value.strip())
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def percents(node: Node) -> list[float] | None:
    """In thousandths, the percentages of a closed list of nothing else: ["10%", "20%", …], with quotes or without."""
    if not node.closed or node.kind != "[":
        return None
    texts = [value.strip() for key, value in node.entries if key is None and isinstance(value, str)]
    shares = [share for text in texts if text.endswith("%") and (share := number(text[:-1].rstrip())) is not None]
    return [share * 10 for share in shares] if shares and len(shares) == len(node.entries) else None


def quoted(node: Node) -> bool:
    """True where a number of the list stands in quotes."""
    return any(isinstance(value, str) for _, value in node.entries)


def numbers_in_text(text: str) -> list[float] | None:
    """The numbers of a string that is a list: "384, 65, 562, 203", "(384, 65), (562, 203)"."""
    match = _IN_TEXT.fullmatch(text) if len(text) <= _LONGEST_IN_TEXT else None
    words = [number(word) for word in re.split(_BETWEEN, match[1])] if match else []
    kept = [value for value in words if value is not None]
    return kept if kept and len(kept) == len(words) else None


def named_box(entries: Iterable[tuple[str | None, Value]]) -> list[float] | None:
    """[y1, x1, y2, x2] of {"ymin": …, "xmin": …, "ymax": …, "xmax": …}, {"x": …, "y": …, "width": …, "height": …} …"""
    sides = {squeeze(key): found for key, value in entries if key and (found := _numeric(value)) is not None}
    for names in _SIDES:
        if all(name in sides for name in names):
            return [sides[name] for name in names]
    for names in _SIZED:
        if all(name in sides for name in names):
            y, x, height, width = (sides[name] for name in names)
            return [y, x, y + height, x + width]
    for names in _CENTRED:
        if all(name in sides for name in names):
            y, x, height, width = (sides[name] for name in names)
            return [y - height / 2, x - width / 2, y + height / 2, x + width / 2]
    return None


def named_point(node: Node) -> list[float] | None:
    """[y, x] of {"x": …, "y": …}, once closed: a width could still follow. With a z it is no place in a picture."""
    sides = {squeeze(key): found for key, value in node.entries if key and (found := _numeric(value)) is not None}
    return [sides["y"], sides["x"]] if node.closed and sides.keys() & {"x", "y", "z"} == {"x", "y"} else None


def corners(node: Node) -> list[Node]:
    """The two points of {"top_left": {"x": …, "y": …}, "bottom_right": {"x": …, "y": …}}; none of anything else."""
    found = [child for _, child in node.entries if isinstance(child, Node) and len(child.entries) == 2]
    return found if len(found) == len(node.entries) == 2 and all(map(named_point, found)) else []


def quad(node: Node) -> tuple[list[float], str] | None:
    """The numbers of [1, 2, 3, 4], and the name in [1, 2, 3, 4, "cat"] at either end."""
    if not node.closed or len(node.entries) not in (4, 5):
        return None
    for place in (-1, 0):
        name = node.entries[place][1]
        if len(node.entries) == 5 and isinstance(name, str) and not isinstance(name, Bare) and _numeric(name) is None:
            rest = node.entries[:-1] if place else node.entries[1:]
            found = numbers(replace(node, entries=rest))
            return (found, name) if found else None
    found = numbers(node)
    return (found, "") if found and len(found) == 4 else None


def quads(node: Node) -> list[tuple[list[float], str]]:
    """Each list of four numbers that `node` is or directly holds, with its name or ""; none where it holds more."""
    if node.kind != "[":
        return []
    if (own := named_quad(node)) is not None:
        return [own]
    lists = [child for key, child in node.entries if key is None and isinstance(child, Node) and child.kind == "["]
    if len(lists) != len(node.entries):
        return []
    return [found for child in lists if (found := named_quad(child)) is not None]


def named_quad(node: Node) -> tuple[list[float], str] | None:
    """The one list of four numbers that `node` is, with its name or ""."""
    return quad(node) or _pair(node)


def _pair(node: Node) -> tuple[list[float], str] | None:
    """["cat", [1, 2, 3, 4]], either way round."""
    if not node.closed or len(node.entries) != 2 or any(key is not None for key, _ in node.entries):
        return None
    values = [value for _, value in node.entries]
    for name, inner in (values, reversed(values)):
        if isinstance(name, str) and isinstance(inner, Node) and (found := quad(inner)):
            return found[0], name
    return None


def strings(value: Value) -> list[str]:
    """The strings of a list of nothing else; empty for anything else."""
    if not isinstance(value, Node) or value.kind != "[":
        return []
    texts = [child for key, child in value.entries if key is None and isinstance(child, str)]
    return texts if len(texts) == len(value.entries) else []


def is_template(value: Value) -> bool:
    """True for what stands for a value in an explanation: [ymin, xmin, ymax, xmax], <point>, {name}, …"""
    if isinstance(value, Node):
        return bool(value.entries) and all(isinstance(child, Bare) and _is_word(child) for _, child in value.entries)
    return isinstance(value, Bare) and _is_word(value)


def _is_word(word: str) -> bool:
    return not word[:1].isdigit() and "<seg" not in word
