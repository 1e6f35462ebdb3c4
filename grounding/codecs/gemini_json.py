"""Reads the JSON-like parts of any text in one pass, in linear time, and says how each part ended.

Models quote with ', forget quotes, brackets and commas, add comments and prose, and stop in the middle. So this is no
validator: every bracket that could open data opens a Node, nothing is read twice, and what was mended is named.
Knows nothing of boxes, labels or masks; what a Node means is for its reader to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from grounding.codecs.gemini_comments import MARK, Comments
from grounding.codecs.gemini_strings import COLON, Strings
from grounding.codecs.gemini_values import PYTHON_WORDS, Bare, Cut, is_number, number, plain


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

_DEEPEST = 100  # brackets; answers nest four or five, loops 100,000
_SEPARATORS = "other signs than : and ,"
_BEFORE_NUMBER = "-0123456789"
_LONGEST_BARE = 1000  # characters of words without quotes that are joined into one

# A bracket opens data only where what follows could be data: "[image 1]" and "[ymin, xmin]" in prose do not.
# A printed object does as well: BoundingBox(box_2d=[1, 2, 3, 4], label='cat').
_NUMBER = r"-?\d{1,15}+(?:\.\d{1,15}+)?"
_ROOT = re.compile(
    rf"""\[(?=\s*+(?:[\[{{(\]"'“‘\d.+-]|{MARK}|\Z|[A-Za-z_]\w*+\s*+:|NaN|null|None))
       | \{{(?=\s*+(?:[\[{{}}"'“‘]|{MARK}|\Z|[A-Za-z_]\w*+\s*+:))
       | (?P<implied>["']box_2d["']\s*+:\s*+\[(?=\s*+[\d.-]))
       | (?P<printed>(?<![\w.])[A-Z]\w*+\((?=(?:box_2d|label)=))""",
    re.VERBOSE,
)
_WORD = r"(?:(?!```)[^\s\u200b\u2060\[\]{}(),，:：\"“”])++[\"”]?"
_A_WORD = re.compile(_WORD)
_TOKEN = re.compile(
    rf"""[\s\u200b\u2060]*+(?:
      (?P<numbers>\[\s*+{_NUMBER}(?:\s*+,\s*+{_NUMBER}){{0,9}}+\s*+\])
    | (?P<open>[\[{{(])
    | (?P<close>[\]}})])
    | (?P<comma>[,，])
    | (?P<colon>{COLON})
    | (?P<quote>["'“‘”’])
    | (?P<comment>(?<![^\s,\[\]{{}}()])(?:{MARK}))
    | (?P<fence>```)
    | (?P<uri>data:image/[\w.+-]++;base64,[A-Za-z0-9+/=_-]*+["”]?)
    | (?P<named>[A-Za-z_]\w*+=(?=[\['"\d-]))
    | (?P<word>{_WORD})
    )""",
    re.VERBOSE,
)


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
        self.equals = False  # what stood behind the last key is a =
        self.comments = Comments(text)
        self.strings = Strings(text, self.comments)
        self.readers: dict[str | None, Callable[[str], None]] = {
            "numbers": self._numbers, "open": self._open, "close": self._close, "comma": self._comma,
            "colon": self._colon, "quote": self._quote, "comment": self._comment, "fence": self._fence,
            "uri": self._uri, "named": self._named, "word": self._word,
        }  # fmt: skip

    def roots(self) -> list[Node]:
        found: list[Node] = []
        while opening := _ROOT.search(self.text, self.pos):
            implied = opening["implied"] is not None
            root = Node("{" if implied or opening[0] == "{" else "[", opening.start())
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
            kind = token.lastgroup
            written = token[kind or 0]
            if kind == "colon" and self._is_among_words(written):
                kind = "word"
            elif kind == "named" and not self._names_field():
                kind = "word"
                if self.text[self.pos] in _BEFORE_NUMBER:
                    written = self._whole_word(token.start("named"))
            self.readers[kind](written)
            self.after = kind

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
            self.mends.add("missing brackets")
        self.too_deep = 0
        while self.stack:
            self._pop(closed=False)

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
            self.mends.add("round brackets")
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
            self.mends.add("stray brackets")
            return
        while self.stack[-1].kind != kind:
            self.mends.add("missing brackets")
            self._pop(closed=False)
        if self.after == "comma":
            self.mends.add("a trailing comma")
        self._pop(closed=True)

    def _comma(self, mark: str) -> None:
        if mark != ",":
            self.mends.add(_SEPARATORS)

    def _comment(self, mark: str) -> None:
        start = self.pos - len(mark)
        end = self.comments.end(start)
        if end is not None:
            self.mends.add("comments")
            self.pos = end
        else:
            self._word(self._whole_word(start))

    def _whole_word(self, start: int) -> str:
        """The word at `start`, of which a part was taken for something else; goes on behind it."""
        word = _A_WORD.match(self.text, start)
        assert word is not None
        self.pos = word.end()
        return word[0]

    def _fence(self, _: str) -> None:
        line = self.text.rfind("\n", max(0, self.pos - 40), self.pos) + 1
        if self.text[line : self.pos].strip() == "```":
            self._unwind(cut=False)

    def _uri(self, written: str) -> None:
        """A mask that lacks its quotes, or the first of them."""
        self.mends.add("missing quotes")
        self._add(Cut(written) if self.pos == len(self.text) else written.rstrip('"”'))

    def _named(self, word: str) -> None:
        """box_2d= of a printed object, in which the sign touches the key and its value."""
        self._add(Bare(word[:-1]))
        self._colon("=")

    def _names_field(self) -> bool:
        """False for the size= of "label": size=10 shoe and of "label": shoe size=10."""
        before_number = self.text[self.pos] in _BEFORE_NUMBER
        return self.stack[-1].key is None and not (before_number and self.after == "word")

    def _is_among_words(self, mark: str) -> bool:
        """True for the = of "label": cat = black, which makes no key of what stands before it."""
        key, before = self.stack[-1].entries[-1] if self.stack[-1].entries else (None, None)
        return mark[0] == "=" and self.after == "word" and key is not None and isinstance(before, Bare)

    def _colon(self, mark: str) -> None:
        """What came just before is a key."""
        top = self.stack[-1]
        if not top.entries or top.entries[-1][0] is not None or not isinstance(top.entries[-1][1], str):
            return
        if mark != ":":
            self.mends.add(_SEPARATORS)
        key = top.entries.pop()[1]
        assert isinstance(key, str)
        if isinstance(key, Bare):
            self.mends.add("unquoted keys")
        parent = self.stack[-2] if len(self.stack) > 1 else None
        if parent and top.kind == "[" and top.entries and _are_numbers(top.entries):
            self.mends.add("missing brackets")  # "box_2d": [1, 2, 3, 4, "label": …
            self._pop(closed=True)
            top = parent
        top.key = str(key)
        self.equals = mark[0] == "="

    def _word(self, word: str) -> None:
        if self.pos == len(self.text):
            return  # a number or word that touches the end may have been cut: 12 of 123
        if word[-1] in '"”':
            word = word[:-1]  # "mask": <start_of_mask>…": the opening quote is missing
            self.mends.add("missing quotes")
        value = plain(word)
        top = self.stack[-1]
        if isinstance(value, Bare):
            before = top.entries[-1] if self.after == "word" and top.entries and top.key is None else None
            if before is not None and isinstance(before[1], Bare):
                del top.entries[-1]
                top.key, value = before[0], Bare(f"{before[1]} {value}"[:_LONGEST_BARE])
            top.prose = top.prose or top.key is None
            if top.key is not None:
                self.mends.add("missing quotes")
        elif word in PYTHON_WORDS:
            self.mends.add("Python words")
        self._add(value)

    def _quote(self, mark: str) -> None:
        if mark != '"':
            self.mends.add("single or curly quotes")
        is_value = self.stack[-1].key is not None
        string = self.strings.read(mark, self.pos, is_value=is_value, equals=is_value and self.equals)
        self.mends.update(string.mends)
        self.pos = string.end
        if string.value is not None:
            self._add(string.value)


def _are_numbers(entries: list[tuple[str | None, Value]]) -> bool:
    """From the end, where a key stands that was read before: a loop of keys takes linear time."""
    return all(key is None and is_number(value) for key, value in reversed(entries))
