"""Reads an answer while it grows: what is whole of it, how to close it, and whether it has begun to go in circles.

Looks at brackets and quotes only. An answer that breaks JSON's rules is judged wrongly here at worst for a moment: the
whole answer is read by `gemini.decode`.
"""

from __future__ import annotations

import re

_LONGEST_PERIOD = 1500  # characters: an entry with a label of two lines
_AT_LEAST = 6  # times over; a row of equal windows has equal labels, but never equal boxes
_MIN_LOOP = 240  # characters in all, so that "ha ha ha ha ha ha" is no loop
_TAIL = 12_000  # _LONGEST_PERIOD * _AT_LEAST and some
_MASK = re.compile(r'data:image/[^"\'\s]*|[A-Za-z0-9+/_-]{120,}={0,2}')
"""Masks: base64 of an even area is the same letters for pages."""


_TOKEN = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|["\[\]{}]')
"""A string on one line, a bracket, or the quote of a string that does not end."""


def whole_part(text: str) -> str:
    """`text` up to its last entry that is complete: to its last "}", or "]" where it has no objects."""
    return text[: _scan(text)[0]]


def closed(text: str) -> str:
    """The whole part of a cut answer as one that ends: brackets that are open are closed, and so is a fence."""
    end, closers = _scan(text)
    whole = text[:end]
    return whole + closers + ("\n```" if whole.count("```") % 2 else "")


def _scan(text: str) -> tuple[int, str]:
    """(where the whole part ends, the brackets that close what is open there)."""
    stack: list[str] = []
    ends = {"]": (0, ""), "}": (0, "")}
    objects = False
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            objects = objects or mark == "{"
            stack.append("]" if mark == "[" else "}")
        elif mark in "]}" and stack and mark == stack[-1]:
            stack.pop()
            ends[mark] = (token.end(), "".join(reversed(stack)))
        elif mark == '"' and "\n" not in text[token.end() :]:
            break  # the answer ends inside this string
    return ends["}"] if objects else ends["]"]


def circles(text: str) -> bool:
    """Whether the end of `text` says the same thing over and over. Masks are left out of account."""
    tail = text[-_TAIL:]
    if len(text) > _TAIL:
        tail = tail[re.match(r"[A-Za-z0-9+/_=-]*", tail).end() :]  # type: ignore[union-attr]  # maybe inside a mask
    mask = tail.rfind("data:image/")
    if mask >= 0 and not re.search(r"[\"'\s]", tail[mask:]):
        return False  # in the middle of one
    tail = _MASK.sub(_kept_if_a_number, tail)
    probe = tail[-32:]
    at = tail.rfind(probe, 0, len(tail) - 1) if len(tail) >= _MIN_LOOP else -1
    while at >= 0 and (period := len(tail) - len(probe) - at) <= _LONGEST_PERIOD:
        span = max(_AT_LEAST * period, _MIN_LOOP)
        if len(tail) >= span and tail[-span:-period] == tail[-span + period :]:
            return True
        at = tail.rfind(probe, 0, at + len(probe) - 1)
    return False


def _kept_if_a_number(found: re.Match[str]) -> str:
    """A number of hundreds of digits is a loop itself, not a mask."""
    return found[0] if found[0].isdigit() else ""
