"""Reads what stands around data in the text: a name beside a list, "key: value" lines, quotes about the whole answer.

Knows lines, bullets and tables. Does not know what a list holds, nor which keys an object has.
"""

from __future__ import annotations

import html
import json
import re
from itertools import pairwise

from grounding.codecs.gemini_values import number

_REACH = 200  # characters of a line that are looked at to either side: more is no name
_LONGEST_NAME = 60
_BULLET = re.compile(r"\s*+(?:[-*•+>|]\s++|\d{1,4}[.)]\s++)?")
_MARKS = " \t\r*_`\"'“”’|"  # markdown and quotes around a name
_SEPARATORS = ":–—-|"  # between a name and its list
_NO_NAME = re.compile(r"[\[\]{}()=#:]")
_ASIDE = re.compile(r"\s\([^()\[\]{}=#:\d]*+\)")  # cat (the left one)
_REMARK = re.compile(r"[\s`*]*+[-–—(,;.]\D*+\Z")  # what may follow the box of "- cat: [1, 2, 3, 4], partly hidden"
_DOUBT = re.compile(  # an aside or a remark that says such a thing may say that there is no such object, or no box
    r"\b(?:no|not|none|nothing|neither|never|without|absent|missing|pixels?|px|normali[sz]ed|coord\w*|[yx]_?min|rgba?"
    r"|confidence|score)\b|n['’]t\b",
    re.IGNORECASE,
)
_AT = re.compile(r"\s(?:is\s)?(?:located\s)?(?:at|in)\Z")  # "cat at [1, 2, 3, 4]"
_QUOTES = r"[\"'`*]*"
_BOX_KEY = re.compile(
    rf"(?:(?<!\w){_QUOTES}(?:(?:b|bounding[_ ]?)?box_?2d|b(?:ounding[_ ]?)?box){_QUOTES}\s*+[:=]?"
    rf"|\A{_QUOTES}box{_QUOTES}\s*+:)[\s\"'`*]*+\Z",
    re.IGNORECASE,
)
_LABEL_PART = re.compile(
    rf"{_QUOTES}(?:label|name|class|category|object){_QUOTES}\s*+[:=](?P<name>[^,;\n]*+)", re.IGNORECASE
)
_LINE = re.compile(  # that has a box, or a label and no list, or says anything else
    rf"^[ \t]*+(?P<bullet>(?:[-*•]|\d{{1,4}}[.)])[ \t]++)?+"
    rf"(?:(?P<box>{_QUOTES}(?:b|bounding[_ ]?)?box(?:_?2d)?\b[^\[\n]{{0,9}}+\[)|(?![^\[\n]*+\[){_LABEL_PART.pattern}"
    r"|(?P<other>\S))",
    re.IGNORECASE | re.MULTILINE,
)
# In code, a list of lists under such a name is the answer; one list alone, "crop_box = [1, 2, 3, 4]", may be any step.
_ASSIGNED = re.compile(r"\w*?(?:box|detection|object|result|annotation)\w*+\s*+=\s*+", re.IGNORECASE)
_LINK = re.compile(  # [1, 2, 3, 4](cat); but not (in pixels), (confidence 0.9)
    r"\((?!(?:in |as )?(?:px|pixels?|normali[sz]ed|confidence|score)\b)([^()\n\d]{1,60}+)\)", re.IGNORECASE
)
_NUMBER = r"-?\d{1,9}+(?:\.\d{1,9}+)?"
_BARE_BOX = re.compile(rf"^[ \t]*+[-*•][ \t]++({_NUMBER}(?:[ \t]*+,[ \t]*+{_NUMBER}){{3}})[ \t\r]*+$", re.MULTILINE)
_FENCE = re.compile(r"```\w*+\s*+")
_STRING = re.compile(r'"\s*+[\[{]')
_QUOTE = re.compile(r'(?<!\\)"')
_ESCAPED = re.compile(r'\\(["\\])')
_CUT_ENTITY = re.compile(r"&#?\w{0,6}\Z")
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")


def unwrapped(text: str) -> tuple[str, set[str]]:
    """The answer inside `text` where all of it is one JSON string or HTML, and what had to be mended for that."""
    if "&quot;" in text and '"' not in text:
        return html.unescape(_CUT_ENTITY.sub("", text)), {"HTML entities"}
    if '\\"' in text and not _QUOTE.search(text):
        return _ESCAPED.sub(r"\1", _CUT_ESCAPE.sub("", text).replace("\\n", "\n")), {"escaped quotes"}
    inner = text.strip()
    if fence := _FENCE.match(inner):
        inner = inner[fence.end() :].rstrip("`").rstrip()
    if _STRING.match(inner):
        for written in (inner, _CUT_ESCAPE.sub("", inner) + '"'):  # the second for a string that was cut
            try:
                return str(json.loads(written, strict=False)), {"a string around it"}
            except ValueError:
                continue
    return text, set()


def bare_boxes(text: str) -> list[list[float]]:
    """The boxes of an answer in bullets without brackets: "- 100, 200, 300, 400", and nothing else on the line."""
    return [[float(number) for number in line[1].split(",")] for line in _BARE_BOX.finditer(text)]


def stands_alone(text: str, start: int, stop: int) -> bool:
    """True where text[start:stop] is all its line says, but for a code fence, a full stop, or words up to a colon."""
    before, after = _beside(text, start, stop)
    before = re.sub(r"```\w*", "", before).strip()
    return (not before or before.endswith(":")) and not after.strip(" \t\r`.\"'")


def labels_of_lines(text: str) -> dict[int, str]:
    """By where the line begins, the label of each "box_2d: [1, 2, 3, 4]" that has a "label: cat" right above or below.

    Lines without an empty one between them tell which: where they begin with a label, it is the one above; where they
    end with one, the one below. Beside lines without a bullet, a bullet begins another object.
    """
    found: dict[int, str] = {}
    together: list[re.Match[str]] = []
    end = -1
    for line in _LINE.finditer(text):
        if line.start() != end + 1:
            found |= _labels_among(together)
            together = []
        together.append(line)
        end = text.find("\n", line.end())
    return found | _labels_among(together)


def _labels_among(together: list[re.Match[str]]) -> dict[int, str]:
    """labels_of_lines for lines without an empty one between them."""
    found: dict[int, str] = {}
    mixed = len({line["bullet"] is None for line in together if line["other"] is None}) > 1
    starts = [place for place, line in enumerate(together) if not place or (mixed and line["bullet"])]
    for start, stop in pairwise([*starts, len(together)]):
        of_one = together[start:stop]
        has_box = [line["box"] is not None for line in of_one if line["other"] is None]
        if not has_box or (has_box[0] == has_box[-1] and (has_box[0] or sum(has_box) != 1)):
            continue  # a label in the middle may be that of either box
        for label, box in pairwise(of_one[::-1] if has_box[0] else of_one):
            if label["name"] is not None and box["box"]:
                found[box.start()] = _name(label["name"].strip(_MARKS + ".,;")) or ""
    return found


def name_beside(text: str, start: int, stop: int, *, several: bool, labels: dict[int, str]) -> str | None:
    """The name beside text[start:stop] on its line, "" for none; None where more than a name stands there.

    several: what stands there is a list of lists; labels: see labels_of_lines.
    """
    before, after = _beside(text, start, stop)
    bullet = _BULLET.match(before)
    before = before[bullet.end() :] if bullet else before
    marked = bool(bullet and bullet[0].strip())
    remark = marked and _REMARK.match(after) and not _DOUBT.search(before + after)
    if link := _LINK.match(after):
        after = link[1] + after[link.end() :]
    if several and _ASSIGNED.fullmatch(before):
        return "" if not after.partition("#")[0].strip(" \t\r;`") else None
    if key := _BOX_KEY.search(before):
        before = before[: key.start()]
        if (name := _labelled(before, after)) is not None:
            return name
        if not before.strip(_MARKS + ",;") and not after.strip(_MARKS + ".,;"):
            return labels.get(_line_start(text, start), "")
        after = "" if after.lstrip(_MARKS).startswith(",") else after  # ", score: 0.5" is no name
    elif marked and "|" in (bullet[0] if bullet else ""):
        cells = [cell.strip(_MARKS) for cell in f"{before}|{after}".split("|")]
        return _name(", ".join(cell for cell in cells if cell and number(cell) is None))
    separated = bool(key) or before.rstrip(_MARKS)[-1:] in _SEPARATORS or "|" in before
    before = before.strip(_MARKS + _SEPARATORS)
    after = after.strip(_MARKS + _SEPARATORS + ".,;")
    if before and ((after and not (remark and separated)) or not (separated or marked)):
        return None
    return _name((before if separated else _AT.sub("", before)) or after)


def _name(text: str) -> str | None:
    name = text.replace("**", "")
    alone = _ASIDE.sub("", name)
    doubted = alone != name and _DOUBT.search(name)
    return None if doubted or _NO_NAME.search(alone) or len(name) > _LONGEST_NAME else name


def _beside(text: str, start: int, stop: int) -> tuple[str, str]:
    """What stands on the line before and after text[start:stop], within reach."""
    first = _line_start(text, start)
    last = text.find("\n", stop, stop + _REACH)
    return text[first:start], text[stop : last if last >= 0 else stop + _REACH]


def _line_start(text: str, place: int) -> int:
    """Where the line of text[place] begins, within reach."""
    return max(text.rfind("\n", max(0, place - _REACH), place) + 1, place - _REACH, 0)


def _labelled(before: str, after: str) -> str | None:
    """The cat of "label: cat, box_2d: […]" and of "box_2d: […], label: cat"."""
    for part in (before, after):
        if match := _LABEL_PART.match(part.strip(" \t,;")):
            return _name(match["name"].strip(_MARKS + ".,;"))
    return None
