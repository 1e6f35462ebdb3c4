"""Finds where a quoted string of an answer ends: labels hold quotes and apostrophes that nobody escaped.

Knows what may stand behind a string, and nothing of what the string is for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from grounding.codecs.gemini_comments import MARK, Comments
from grounding.codecs.gemini_values import Cut, cut_short, unescaped

COLON = r"[:：]|=>|=(?!=)"
"""What stands between a key and its value, as a pattern; the first is JSON's."""

_CLOSERS = {'"': '"', "'": "'", "“": '”"', "‘": "’'", "”": "”", "’": "’"}
_STOPS = {mark: re.compile(rf"[{re.escape(ends)}\\]|\n[ \t]*```") for mark, ends in _CLOSERS.items()}
_AFTER_COMMA = (
    r"""["'“‘{}\[\](\d.+-]|\Z|(?:null|true|false|None|True|False|NaN|Infinity)\b|[A-Za-z_][\w ]{0,40}+[:：]"""
)
# What follows the name of a field, by whether the string's own key has a = behind it: elsewhere x=3 is part of a label.
_FIELD_VALUE = r"""[\["']|-?[\d.]++\s*+(?:[,}\])]|\Z)|(?:true|false|null|None|True|False|NaN)\b"""
_NAMES_FIELD = {True: r"\s*+=", False: rf"=(?={_FIELD_VALUE})"}
# A quote ends a string only where the text goes on like data.
_ENDS = {
    equals: re.compile(
        rf"""\s*+(?:[}}\])]|\Z|[,，]\s*+(?:{_AFTER_COMMA}|[A-Za-z_]\w{{0,40}}+{sign})
           |(?:,\s*+|(?<=\s))(?P<comment>{MARK})|```|["'“][\w\ .-]{{1,40}}+["'”]\s*+:|\n\s*+\{{)""",
        re.VERBOSE,
    )
    for equals, sign in _NAMES_FIELD.items()
}
_COLON = re.compile(rf"\s*+(?:{COLON})")
_KEY_ENDS = re.compile(r'"\s*+:')
_STRAY_REACH = 2000  # characters; more than a label has, and so few that a thousand stray quotes take no time
_KEY = re.compile(r"[\w .-]{1,40}")
_DATA_URI = re.compile(r"data:[\w/+.;=-]*+,[A-Za-z0-9+/=_\-\s\\]*+")


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a string says, None where its quote opened nothing; where to read on, and what was mended."""

    value: str | None
    end: int
    mends: tuple[str, ...] = ()


class Strings:
    """The strings of one text."""

    def __init__(self, text: str, comments: Comments) -> None:
        self._text = text
        self._comments = comments

    def read(self, mark: str, start: int, *, is_value: bool, equals: bool) -> Quoted:
        """The string behind the quote `mark`, which ends at `start`.

        is_value: a key stands before it. equals: the sign behind the key is a =.
        """
        if is_value and (uri := _DATA_URI.match(self._text, start)):
            return self._data_uri(uri)
        refused: int | None = None
        mends: tuple[str, ...] = ()
        limit = self._stray_after(mark, start)
        at = start
        while stop := _STOPS[mark].search(self._text, at, limit):
            at = stop.end()
            if stop[0] == "\\":
                at += 1
                continue
            colon = _COLON.match(self._text, at) is not None
            if colon and refused is not None and (end := self._forgot_quote(start, refused, stop.start())):
                return Quoted(unescaped(self._text[start:end]), end, (*mends, "missing quotes"))
            if stop[0][0] == "\n" or self._goes_on(at, equals) or (colon and not is_value):
                return Quoted(
                    unescaped(self._text[start : stop.start()]), stop.start() if stop[0][0] == "\n" else at, mends
                )
            refused = stop.start()
            mends = mends if colon else ("unescaped quotes",)
        if limit < len(self._text):
            return Quoted(None, start, (*mends, "stray quotes"))
        return Quoted(Cut(unescaped(cut_short(self._text[start:]))), len(self._text), mends)

    def _goes_on(self, at: int, equals: bool) -> bool:
        """Whether the text goes on at `at` as behind a string."""
        found = _ENDS[equals].match(self._text, at)
        return found is not None and (
            found["comment"] is None or self._comments.end(found.start("comment")) is not None
        )

    def _stray_after(self, mark: str, start: int) -> int:
        """Where a string that opens with ' must have ended: at the next "key":, or else the ' opened nothing."""
        key = _KEY_ENDS.search(self._text, start, start + _STRAY_REACH) if mark != '"' else None
        return key.start() if key else len(self._text)

    def _forgot_quote(self, start: int, opening: int, closing: int) -> int | None:
        """The end of a string that ran into the next key: in "label": "cat}, {"box_2d": … the key's quote opens."""
        if not _KEY.fullmatch(self._text, opening + 1, closing):
            return None
        end = opening
        while end > start and self._text[end - 1] in " \t\r\n,{}[]":
            end -= 1
        return end if any(mark in self._text[end:opening] for mark in ",{\n") else None

    def _data_uri(self, uri: re.Match[str]) -> Quoted:
        end = uri.end()
        if end == len(self._text):
            return Quoted(Cut(uri[0]), end)
        if self._text[end] in "\"'”’":
            return Quoted(unescaped(uri[0]), end + 1)
        return Quoted(unescaped(uri[0]), end, ("missing quotes",))
