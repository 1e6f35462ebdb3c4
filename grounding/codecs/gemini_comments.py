"""Tells the comments in an answer, // and # to a line's end and /* */, from the signs of a label that lost its quote.

Does not know what the brackets around a comment hold.
"""

from __future__ import annotations

import re

MARK = r"//|/\*|\#"
"""What a comment begins with, as a pattern."""

_INDENT = 100  # spaces and tabs before a comment that still stands on a line of its own
_IN_BLOCK = re.compile(r"[\[{}\]]|\*/")
_IN_LINE = re.compile(r"[\[{}\]\n]")


class Comments:
    """The comments of one text, each asked for by where it begins; all questions together take linear time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._none_before = {True: 0, False: 0}  # by form: up to there what looks like a comment is none

    def end(self, start: int) -> int | None:
        """Where the comment at `start` ends; None where it would take brackets that are the data's.

        Those are brackets it closes but did not open, and an object, unless it stands on a line or in /* */ of its own.
        """
        block = self._text.startswith("/*", start)
        if start < self._none_before[block]:
            return None
        own = block or self._text[max(0, start - _INDENT) : start].rstrip(" \t")[-1:] in ("\n", "")
        depth = 0
        for mark in (_IN_BLOCK if block else _IN_LINE).finditer(self._text, start + 1 + block):
            if mark[0] in "\n*/":
                return mark.end() if block else mark.start()
            depth += 1 if mark[0] in "[{" else -1
            if depth < 0 or (mark[0] == "{" and not own):
                self._none_before[block] = mark.end()  # so does whatever comment begins before that bracket
                return None
        return len(self._text)
