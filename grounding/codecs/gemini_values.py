"""Single values of an answer: words without quotes, numbers, and the text of a string with its escapes read.

Does not know where in an answer they stand, nor where a string ends.
"""

from __future__ import annotations

import math
import re


class Bare(str):
    """A word that stood without quotes: an unquoted key, a placeholder such as ymin, or prose."""


class Cut(str):
    """A string that the text ended inside of."""


Plain = str | int | float | bool | None

_WORDS: dict[str, Plain] = {
    "null": None, "None": None, "undefined": None, "true": True, "True": True, "false": False, "False": False,
    "NaN": math.nan, "nan": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "inf": math.inf, "-inf": -math.inf,
}  # fmt: skip
PYTHON_WORDS = frozenset({"None", "True", "False"})
_NUMBER = re.compile(r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?")
_LONGEST_NUMBER = 40  # digits; more is a loop, not a coordinate, and int() refuses 4300
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def number(word: str) -> int | float | None:
    """The number that `word` is, all of it, or None; "1e999" is infinite, and so is one of endless digits."""
    if not _NUMBER.fullmatch(word):
        return None
    if len(word) > _LONGEST_NUMBER:
        return math.inf
    return int(word) if word.lstrip("+-").isdigit() else float(word)


def plain(word: str) -> Plain:
    if word in _WORDS:
        return _WORDS[word]
    value = number(word)
    return Bare(word) if value is None else value


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def unescaped(raw: str) -> str:
    """`raw` with JSON's escapes read and no lone surrogate, so that it can be written again."""
    if "\\" in raw:
        raw = _ESCAPE.sub(_escaped, raw)
    return whole(raw)


def cut_short(raw: str) -> str:
    """`raw`, at whose end the text was cut, without the escape that was cut with it."""
    return _CUT_ESCAPE.sub("", raw)


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)


def whole(text: str) -> str:
    """`text` that any encoder accepts: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
