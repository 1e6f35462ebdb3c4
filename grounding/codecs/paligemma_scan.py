"""A PaliGemma answer taken apart: where it begins and ends, its tokens and words, and which of them belong together.

It knows the alphabet only (`<locNNNN>`, `<segNNN>`, control tokens, separators), not what a box or a mask is.
Every step is linear in the answer's length: a model that runs away is read as quickly as one that does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_NAMES = ("bos", "eos", "pad", "unk", "image", "mask", "start_of_turn", "end_of_turn")
CONTROL = rf"<(?:{'|'.join(_NAMES)}|unused\d+)>"
_END = r"<eos>|</s>|<\|\w+\|>"  # PaliGemma's own, and those of the tokenizers that copies of it come with
_NOT_SAID = re.compile(f"{_END}|{CONTROL}")
_PIECE = re.compile(
    r"<(?P<kind>loc|seg)(?P<value>[0-9]+)>"
    rf"|(?P<end>{_END})|{CONTROL}"
    r"|(?P<separator>[;；\r\n]\s*+)"  # possessive: white space is never walked twice
)
_BLANK = re.compile(rf"(?:\s|<s>|<\|\w+\|>|(?!<eos>){CONTROL})*+")


def _begun(word: str) -> str:
    """A pattern of every beginning of `word`."""
    return "(?:".join(map(re.escape, word)) + ")?" * (len(word) - 1)


_CUT_TOKEN = re.compile(r"<(?:l|lo|loc[0-9]*|s|se|seg[0-9]*)?\Z")
_CUT_CONTROL = re.compile(rf"<(?:{'|'.join(map(_begun, _NAMES))}|{_begun('unused')}\d*|/s?|\|\w*\|?)\Z")
_IN = "(?:[a-z]{2}|fil)"  # a language
GRAMMAR = re.compile(
    rf"ocr|(?:describe|cap|caption) {_IN}(?: <loc.+)?|(?:answer|question) {_IN} .+|(?:detect|segment) .+", re.IGNORECASE
)
"""The prompts PaliGemma was trained on."""

_ECHO = re.compile(r"(?:detect|segment)[ \t][^\n<]*(?:\n|(?=<loc))", re.IGNORECASE)
_EDGES = ",:|，：、،\t \u00a0\u3000\u200b\ufeff"  # what stands between a box and a name without being part of it
_FAR = 1_000_000  # for numbers beyond every token there is


def answer_start(text: str, prompt: str | None, *, places: bool = True) -> int:
    """Where the answer begins: behind control tokens, white space and an echo of `prompt`.

    places: whether places were asked for; then what reads like such a prompt is an echo even where none was given.
    """
    start = _past_blank(text, 0)
    asked = spoken(prompt or "")
    if asked and text.startswith(asked, start):
        end = start + len(asked)
        # A caption may begin with the words that asked for it; as an echo they have a line of their own.
        if text[end : end + 1] == "\n" or (" " in asked and (places or GRAMMAR.fullmatch(asked))):
            return _past_blank(text, end)
    echo = _ECHO.match(text, start) if places else None
    return _past_blank(text, echo.end()) if echo else start


def _past_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def spoken(text: str) -> str:
    """`text` without control tokens, ends and surrounding white space."""
    return _NOT_SAID.sub("", text).strip()


def words_until_end(text: str) -> str:
    """What `text` says before its first end mark, without control tokens, also not one cut short."""
    return _CUT_CONTROL.sub("", spoken(re.split(_END, text, maxsplit=1)[0])).strip()


class Piece(NamedTuple):
    """A token ("loc", "seg") or a stretch of words ("text") and where it stands."""

    kind: str
    start: int
    end: int
    value: int = 0
    text: str = ""


@dataclass(frozen=True)
class Scan:
    """An answer in pieces, split where one object ends and the next begins.

    last: the piece the answer stops at without having ended; None where an end mark or a separator closes it.
    """

    segments: list[list[Piece]]
    last: Piece | None
    cut_token: bool
    after_end: str


def scan(text: str, start: int) -> Scan:
    cut_token = _CUT_TOKEN.search(text, start)
    cut_control = _CUT_CONTROL.search(text, start)
    stop = next((match.start() for match in (cut_token, cut_control) if match), len(text))
    segments: list[list[Piece]] = [[]]
    at, end = start, None

    def words(begin: int, finish: int, *, box_follows: bool) -> None:
        piece = _words(text[begin:finish], begin, segments[-1], box_follows=box_follows)
        if piece:
            segments[-1].append(piece)

    for match in _PIECE.finditer(text, start, stop):
        if at < match.start():
            line = match["separator"] and match["separator"].isspace()
            words(at, match.start(), box_follows=text.startswith("<loc", match.end() if line else match.start()))
        at = match.end()
        if match["end"]:
            end = at
            break
        if match["separator"]:
            if not text.startswith("<seg", at):  # a mask on its own line still belongs to the box above it
                segments.append([])
        elif match["kind"]:
            digits = match["value"]
            value = int(digits) if len(digits) < 7 else _FAR
            segments[-1].append(Piece(match["kind"], match.start(), match.end(), value))
    else:
        words(at, stop, box_follows=False)
    last = segments[-1][-1] if segments[-1] and end is None and not cut_control else None
    after_end = "" if end is None else spoken(text[end:])
    return Scan(_joined(segments), last, cut_token is not None and end is None, after_end)


def _words(text: str, begin: int, before: list[Piece], *, box_follows: bool) -> Piece | None:
    """The words in `text`, which stands at `begin`, without what only joins them to a box; None for none."""
    said = text.strip().strip(_EDGES)
    if before and box_follows:
        if said[-3:].casefold() == "and" and (len(said) == 3 or said[-4] in _EDGES):
            said = said[:-3].rstrip(_EDGES)
        elif before[0].kind == "text" and said[:4].casefold() == "and ":  # names stand before their boxes here
            said = said[4:].lstrip(_EDGES)
    if not said:
        return None
    begin += text.index(said)
    return Piece("text", begin, begin + len(said), text=said)


def _joined(segments: list[list[Piece]]) -> list[list[Piece]]:
    """The segments that say something; words alone join the segment before them if its last box has no name.

    Not so where the answer begins with words: there they may be meant for the boxes below them, and nothing tells.
    """
    joined: list[list[Piece]] = []
    for segment in filter(None, segments):
        nameless = (
            bool(joined) and joined[0][0].kind == "loc" and "text" not in (joined[-1][0].kind, joined[-1][-1].kind)
        )
        if nameless and all(piece.kind == "text" for piece in segment):
            joined[-1] += segment
        else:
            joined.append(segment)
    return joined


@dataclass
class Group:
    """What belongs together: a run of <loc>, the <seg> after it, and words."""

    locs: list[Piece] = field(default_factory=list)
    segs: list[Piece] = field(default_factory=list)
    words: list[Piece] = field(default_factory=list)


def groups(segment: list[Piece]) -> list[Group]:
    """A segment's groups. Words name the box before them, or the one behind where a segment begins with words only."""
    found = [Group()]
    for piece in segment:
        if piece.kind == "loc" and (found[-1].segs or found[-1].words or not found[-1].locs):
            found.append(Group())
        {"loc": found[-1].locs, "seg": found[-1].segs, "text": found[-1].words}[piece.kind].append(piece)
    if found[0].words and not found[-1].words:
        for index in range(len(found) - 1, 0, -1):
            found[index].words = found[index - 1].words
        found[0].words = []
    return [group for group in found if group.locs or group.segs or group.words]
