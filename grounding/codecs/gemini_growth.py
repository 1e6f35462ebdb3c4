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


def whole_part(text: str) -> str:
    """`text` up to its last entry that is complete: to its last "}", or "]" where it has no objects."""
    end = text.rfind("}")
    return text[: (end if end >= 0 else text.rfind("]")) + 1]


def closed(text: str) -> str:
    """The whole part of a cut answer as one that ends: brackets that are open are closed, and so is a fence."""
    whole = whole_part(text)
    stack: list[str] = []
    quoted = escaped = False
    for letter in whole:
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = letter == "\\", letter != '"'
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            stack.append("]" if letter == "[" else "}")
        elif stack and letter == stack[-1]:
            stack.pop()
    fence = "\n```" if whole.count("```") % 2 else ""
    return whole + "".join(reversed(stack)) + fence


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
