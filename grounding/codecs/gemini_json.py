"""Reads the JSON-like parts of any text in one pass, in linear time, and says how each part ended.

Models quote with ', forget quotes, brackets and commas, add comments and prose, and stop in the middle. So this is no
validator: every bracket that could open data opens a Node, nothing is read twice, and what was mended is named.
Knows nothing of boxes, labels or masks; what a Node means is for its reader to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field


class Bare(str):
    """A word that stood without quotes: an unquoted key, a placeholder such as ymin, or prose."""


class Cut(str):
    """A string that the text ended inside of."""


@dataclass(slots=True, eq=False)
class Node:
    """A list or an object: its entries in order, each with its key, or None where it had none.

    closed: its own bracket came. Where `cut` is set as well as where not, `closed` False means something is missing.
    cut: the text ended while this was open.
    mends: on a root, what was not JSON in it; `prose`: it holds words that belong to no key.
    """

    kind: str
    start: int
    end: int = -1
    closed: bool = False
    cut: bool = False
    prose: bool = False
    entries: list[tuple[str | None, Value]] = field(default_factory=list)
    mends: Collection[str] = ()
    key: str | None = None


Value = Node | str | int | float | bool | None

_WORDS: dict[str, Value] = {
    "null": None, "None": None, "undefined": None, "true": True, "True": True, "false": False, "False": False,
    "NaN": math.nan, "nan": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "inf": math.inf, "-inf": -math.inf,
}  # fmt: skip
_PYTHON_WORDS = frozenset({"None", "True", "False"})
_NUMBER = re.compile(r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?")
_DEEPEST = 100  # brackets; answers nest four or five, loops 100,000
_INDENT = 100  # spaces and tabs before a comment that still stands on a line of its own
_LONGEST_BARE = 1000  # characters of words without quotes that are joined into one
_LONGEST_NUMBER = 40  # digits; more is a loop, not a coordinate, and int() refuses 4300

# A bracket opens data only where what follows could be data: "[image 1]" and "[ymin, xmin]" in prose do not.
_COMMENT = r"//|/\*|\#"
_ROOT = re.compile(
    rf"""\[(?=\s*+(?:[\[{{(\]"'“‘\d.+-]|{_COMMENT}|\Z|[A-Za-z_]\w*+\s*+:|NaN|null|None))
       | \{{(?=\s*+(?:[\[{{}}"'“‘]|{_COMMENT}|\Z|[A-Za-z_]\w*+\s*+:))
       | (?P<implied>["']box_2d["']\s*+:\s*+\[(?=\s*+[\d.-]))""",
    re.VERBOSE,
)
_TOKEN = re.compile(
    r"""\s*+(?:
      (?P<numbers>\[\s*+-?\d{1,15}+(?:\.\d{1,15}+)?(?:\s*+,\s*+-?\d{1,15}+(?:\.\d{1,15}+)?){0,9}+\s*+\])
    | (?P<open>[\[{(])
    | (?P<close>[\]})])
    | (?P<comma>,)
    | (?P<colon>:)
    | (?P<quote>["'“‘”’])
    | (?P<comment>(?<![^\s,\[\]{}()])(?://|/\*|\#))
    | (?P<fence>```)
    | (?P<word>(?:(?!```)[^\s\[\]{}(),:"“”])++["”]?)
    )""",
    re.VERBOSE,
)
_WORD = re.compile(r"(?:(?!```)[^\s\[\]{}(),:\"“”])++[\"”]?")
_IN_COMMENT = {True: re.compile(r"[\[{}\]]|\*/"), False: re.compile(r"[\[{}\]\n]")}  # in /* */, in one of a line
_CLOSERS = {'"': '"', "'": "'", "“": '”"', "‘": "’'", "”": "”", "’": "’"}
_STOPS = {mark: re.compile(rf"[{re.escape(ends)}\\]|\n[ \t]*```") for mark, ends in _CLOSERS.items()}
_AFTER_COMMA = (
    r"""(?:["'“‘{}\[\](\d.+-]|\Z|(?:null|true|false|None|True|False|NaN|Infinity)\b"""
    r"""|[A-Za-z_][\w ]{0,40}+:)"""
)
# A quote ends a string only where the text goes on like data: labels hold quotes and apostrophes nobody escaped.
_ENDS = re.compile(
    rf"""\s*+(?:[}}\])]|\Z|,\s*+{_AFTER_COMMA}|(?:,\s*+|(?<=\s))(?P<comment>{_COMMENT})|```
       |["'“][\w\ .-]{{1,40}}+["'”]\s*+:|\n\s*+\{{)""",
    re.VERBOSE,
)
_KEY_ENDS = re.compile(r'"\s*+:')
_STRAY_REACH = 2000  # characters; more than a label has, and so few that a thousand stray quotes take no time
_COLON = re.compile(r"\s*+:")
_KEY = re.compile(r"[\w .-]{1,40}")
_DATA_URI = re.compile(r"data:[\w/+.;=-]*+,[A-Za-z0-9+/=_\-\s\\]*+")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def read(text: str) -> list[Node]:
    """Every outermost list or object in `text`, in order; prose around them is passed over."""
    return _Reader(text).roots()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.stack: list[Node] = []
        self.mends: set[str] = set()  # of the root being read
        self.too_deep = 0  # brackets passed over that are still open
        self.open_objects = 0
        self.after: str | None = None  # kind of the token before
        self.no_comment = {True: 0, False: 0}  # up to where what looks like a comment of that form is none
        self.readers: dict[str | None, Callable[[str], None]] = {
            "numbers": self._numbers, "open": self._open, "close": self._close, "comma": self._comma,
            "colon": self._colon, "quote": self._quote, "comment": self._comment, "fence": self._fence,
            "word": self._word,
        }  # fmt: skip

    def roots(self) -> list[Node]:
        found: list[Node] = []
        while opening := _ROOT.search(self.text, self.pos):
            implied = opening["implied"] is not None
            root = Node("{" if implied else opening[0], opening.start())
            self.mends = {"missing brackets"} if implied else set()
            self.pos = opening.start() if implied else opening.end()
            self._push(root)
            self._fill()
            root.mends = self.mends
            found.append(root)
        return found

    def _fill(self) -> None:
        """Read until the outermost open container is closed, by its bracket, a code fence or the end of the text."""
        while self.stack:
            token = _TOKEN.match(self.text, self.pos)
            if token is None:
                self._unwind(cut=True)
                self.pos = len(self.text)
                return
            self.pos = token.end()
            self.readers[token.lastgroup](token[token.lastgroup or 0])
            self.after = token.lastgroup

    def _push(self, node: Node) -> None:
        self.stack.append(node)
        self.open_objects += node.kind == "{"

    def _pop(self, *, closed: bool) -> None:
        node = self.stack.pop()
        self.open_objects -= node.kind == "{"
        node.closed, node.end = closed, self.pos

    def _unwind(self, *, cut: bool) -> None:
        for node in self.stack:
            node.cut = cut
        if not cut:
            self._mend("missing brackets")
        self.too_deep = 0
        while self.stack:
            self._pop(closed=False)

    def _mend(self, what: str) -> None:
        self.mends.add(what)

    def _add(self, value: Value) -> None:
        top = self.stack[-1]
        top.entries.append((top.key, value))
        top.key = None

    def _open(self, bracket: str) -> None:
        if len(self.stack) >= _DEEPEST:
            self.too_deep += 1
            return
        node = Node("{" if bracket == "{" else "[", self.pos - 1)
        if bracket == "(":
            self._mend("round brackets")
        self._add(node)
        self._push(node)

    def _numbers(self, written: str) -> None:
        """A whole list of a few numbers in one step: most of what answers hold."""
        values = written[1:-1].split(",")
        node = Node("[", self.pos - len(written), self.pos, closed=True)
        node.entries = [(None, number(value.strip())) for value in values]
        self._add(node)

    def _close(self, bracket: str) -> None:
        if self.too_deep:
            self.too_deep -= 1
            return
        kind = "{" if bracket == "}" else "["
        open_here = self.open_objects if kind == "{" else len(self.stack) - self.open_objects
        if not open_here:
            self._mend("stray brackets")
            return
        while self.stack[-1].kind != kind:
            self._mend("missing brackets")
            self._pop(closed=False)
        if self.after == "comma":
            self._mend("a trailing comma")
        self._pop(closed=True)

    def _comma(self, _: str) -> None:
        pass

    def _comment(self, mark: str) -> None:
        start = self.pos - len(mark)
        end = self._comment_end(start)
        if end is not None:
            self._mend("comments")
            self.pos = end
        elif word := _WORD.match(self.text, start):
            self.pos = word.end()
            self._word(word[0])

    def _comment_end(self, start: int) -> int | None:
        """Where the comment at `start` ends; None where it would take brackets that are the data's.

        Those are brackets it closes but did not open, and an object, unless it stands on a line or in /* */ of its own.
        """
        block = self.text.startswith("/*", start)
        if start < self.no_comment[block]:
            return None
        own = block or self.text[max(0, start - _INDENT) : start].rstrip(" \t")[-1:] in ("\n", "")
        depth = 0
        for mark in _IN_COMMENT[block].finditer(self.text, start + 1 + block):
            if mark[0] in "\n*/":
                return mark.end() if block else mark.start()
            depth += 1 if mark[0] in "[{" else -1
            if depth < 0 or (mark[0] == "{" and not own):
                self.no_comment[block] = mark.end()  # so does whatever comment begins before that bracket
                return None
        return len(self.text)

    def _fence(self, _: str) -> None:
        line = self.text.rfind("\n", max(0, self.pos - 40), self.pos) + 1
        if self.text[line : self.pos].strip() == "```":
            self._unwind(cut=False)

    def _colon(self, _: str) -> None:
        """What came just before is a key."""
        top = self.stack[-1]
        if not top.entries or top.entries[-1][0] is not None or not isinstance(top.entries[-1][1], str):
            return
        key = top.entries.pop()[1]
        assert isinstance(key, str)
        if isinstance(key, Bare):
            self._mend("unquoted keys")
        parent = self.stack[-2] if len(self.stack) > 1 else None
        if parent and top.kind == "[" and top.entries and all(_is_number(value) for _, value in top.entries):
            self._mend("missing brackets")  # "box_2d": [1, 2, 3, 4, "label": …
            self._pop(closed=True)
            top = parent
        top.key = str(key)

    def _word(self, word: str) -> None:
        if self.pos == len(self.text):
            return  # a number or word that touches the end may have been cut: 12 of 123
        if word[-1] in '"”':
            word = word[:-1]  # "mask": <start_of_mask>…": the opening quote is missing
            self._mend("missing quotes")
        value = _plain(word)
        top = self.stack[-1]
        if isinstance(value, Bare):
            before = top.entries[-1] if self.after == "word" and top.entries and top.key is None else None
            if before is not None and isinstance(before[1], Bare):
                del top.entries[-1]
                top.key, value = before[0], Bare(f"{before[1]} {value}"[:_LONGEST_BARE])
            top.prose = top.prose or top.key is None
            if top.key is not None:
                self._mend("missing quotes")
        elif word in _PYTHON_WORDS:
            self._mend("Python words")
        self._add(value)

    def _quote(self, mark: str) -> None:
        if mark != '"':
            self._mend("single or curly quotes")
        start, in_value = self.pos, self.stack[-1].key is not None
        if in_value and (uri := _DATA_URI.match(self.text, start)):
            self._data_uri(uri)
            return
        refused: int | None = None
        limit = self._stray_after(mark, start)
        at = start
        while stop := _STOPS[mark].search(self.text, at, limit):
            at = stop.end()
            if stop[0] == "\\":
                at += 1
                continue
            colon = _COLON.match(self.text, at) is not None
            if colon and refused is not None and self._forgot_quote(start, refused, stop.start()):
                return
            if stop[0][0] == "\n" or self._ends(at) or (colon and not in_value):
                self.pos = stop.start() if stop[0][0] == "\n" else at
                self._add(_unescape(self.text[start : stop.start()]))
                return
            refused = stop.start()
            if not colon:
                self._mend("unescaped quotes")
        if limit < len(self.text):
            self._mend("stray quotes")
            return
        self.pos = len(self.text)
        self._add(Cut(_unescape(_CUT_ESCAPE.sub("", self.text[start:]))))

    def _ends(self, at: int) -> bool:
        """Whether the text goes on at `at` as behind a string."""
        found = _ENDS.match(self.text, at)
        return found is not None and (found["comment"] is None or self._comment_end(found.start("comment")) is not None)

    def _stray_after(self, mark: str, start: int) -> int:
        """Where a string that opens with ' must have ended: at the next "key":, or else the ' opened nothing."""
        key = _KEY_ENDS.search(self.text, start, start + _STRAY_REACH) if mark != '"' else None
        return key.start() if key else len(self.text)

    def _forgot_quote(self, start: int, opening: int, closing: int) -> bool:
        """End a string that ran into the next key, as in "label": "cat}, {"box_2d": …, where the key's quote opens."""
        if not _KEY.fullmatch(self.text, opening + 1, closing):
            return False
        end = opening
        while end > start and self.text[end - 1] in " \t\r\n,{}[]":
            end -= 1
        if not any(mark in self.text[end:opening] for mark in ",{\n"):
            return False
        self._mend("missing quotes")
        self._add(_unescape(self.text[start:end]))
        self.pos = end
        return True

    def _data_uri(self, uri: re.Match[str]) -> None:
        self.pos = uri.end()
        if self.pos == len(self.text):
            self._add(Cut(uri[0]))
            return
        if self.text[self.pos] in "\"'”’":
            self.pos += 1
        else:
            self._mend("missing quotes")
        self._add(_unescape(uri[0]))


def number(word: str) -> int | float | None:
    """The number that `word` is, all of it, or None; "1e999" is infinite, and so is one of endless digits."""
    if not _NUMBER.fullmatch(word):
        return None
    if len(word) > _LONGEST_NUMBER:
        return math.inf
    return int(word) if word.lstrip("+-").isdigit() else float(word)


def _plain(word: str) -> Value:
    if word in _WORDS:
        return _WORDS[word]
    value = number(word)
    return Bare(word) if value is None else value


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unescape(raw: str) -> str:
    """`raw` with JSON's escapes read and no lone surrogate, so that it can be written again."""
    if "\\" in raw:
        raw = _ESCAPE.sub(_escaped, raw)
    return whole(raw)


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)


def whole(text: str) -> str:
    """`text` that any encoder accepts: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
