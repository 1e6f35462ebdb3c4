"""Reads what stands around data in the text: a name beside a list, "key: value" lines, quotes about the whole answer.

Knows lines, bullets and tables. Does not know what a list holds, nor which keys an object has.
"""

from __future__ import annotations

import html
import json
import re

from grounding.codecs.gemini_values import number

_REACH = 200  # characters of a line that are looked at to either side: more is no name
_LONGEST_NAME = 60
_BULLET = re.compile(r"\s*+(?:[-*•+>|]\s++|\d{1,4}[.)]\s++)?")
_MARKS = " \t\r*_`\"'“”’|"  # markdown and quotes around a name
_SEPARATORS = ":–—-|"  # between a name and its list
_NO_NAME = re.compile(r"[\[\]{}()=#:]")
_ASIDE = re.compile(r"\s\([^()\[\]{}=#:]*+\)")  # cat (the left one)
_REMARK = re.compile(r"[\s`*]*+[-–—(,;.]")  # how a line goes on behind the box of "- cat: [1, 2, 3, 4], partly hidden"
_AT = re.compile(r"\s(?:is\s)?(?:located\s)?(?:at|in)\Z")  # "cat at [1, 2, 3, 4]"
_QUOTES = r"[\"'`*]*"
_BOX_KEY = re.compile(
    rf"(?:(?<!\w){_QUOTES}(?:(?:b|bounding[_ ]?)?box_?2d|b(?:ounding[_ ]?)?box)|\A{_QUOTES}box)"
    rf"{_QUOTES}\s*+[:=]?{_QUOTES}\s*+\Z",
    re.IGNORECASE,
)
_LABEL_PART = re.compile(
    rf"{_QUOTES}(?:label|name|class|category|object){_QUOTES}\s*+[:=](?P<name>[^,;\n]*+)", re.IGNORECASE
)
_LABEL_LINE = re.compile(rf"^[ \t]*+(?:[-*•]\s++)?+{_LABEL_PART.pattern}", re.IGNORECASE | re.MULTILINE)
_BOX_LINE = re.compile(
    rf"^[ \t]*+(?:[-*•]\s++)?+{_QUOTES}(?:b?box_?2d|bounding[_ ]?box)\b", re.IGNORECASE | re.MULTILINE
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


def labels_come_first(text: str) -> bool:
    """Whether "label: cat" is the line before its "box_2d: [1, 2, 3, 4]", in an answer of such lines."""
    label, box = _LABEL_LINE.search(text), _BOX_LINE.search(text)
    return label is not None and (box is None or label.start() < box.start())


def name_beside(text: str, start: int, stop: int, *, several: bool, label_first: bool) -> str | None:
    """The name beside text[start:stop] on its line, "" for none; None where more than a name stands there.

    several: what stands there is a list of lists; label_first: see labels_come_first.
    """
    before, after = _beside(text, start, stop)
    bullet = _BULLET.match(before)
    before = before[bullet.end() :] if bullet else before
    marked = bool(bullet and bullet[0].strip())
    remark = marked and _REMARK.match(after)
    if link := _LINK.match(after.lstrip() if marked and not before.strip(_MARKS) else after):
        after = link[1] + link.string[link.end() :]
    if several and _ASSIGNED.fullmatch(before):
        return "" if not after.partition("#")[0].strip(" \t\r;`") else None
    if key := _BOX_KEY.search(before):
        before = before[: key.start()]
        if (name := _labelled(before, after)) is not None:
            return name
        if not before.strip(_MARKS + ",;") and not after.strip(_MARKS + ".,;"):
            return _label_of_line(text, start, stop, label_first)
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
    return None if _NO_NAME.search(_ASIDE.sub("", name)) or len(name) > _LONGEST_NAME else name


def _beside(text: str, start: int, stop: int) -> tuple[str, str]:
    """What stands on the line before and after text[start:stop], within reach."""
    first = max(text.rfind("\n", max(0, start - _REACH), start) + 1, start - _REACH, 0)
    last = text.find("\n", stop, stop + _REACH)
    return text[first:start], text[stop : last if last >= 0 else stop + _REACH]


def _labelled(before: str, after: str) -> str | None:
    """The cat of "label: cat, box_2d: […]" and of "box_2d: […], label: cat"."""
    for part in (before, after):
        if match := _LABEL_PART.match(part.strip(" \t,;")):
            return _name(match["name"].strip(_MARKS + ".,;"))
    return None


def _label_of_line(text: str, start: int, stop: int, label_first: bool) -> str:
    """The cat of a line "label: cat" next to this one."""
    if label_first:
        end = text.rfind("\n", max(0, start - _REACH), start)
        line = "" if end < 0 else text[text.rfind("\n", max(0, end - _REACH), end) + 1 : end]
    else:
        begin = text.find("\n", stop, stop + _REACH) + 1
        line = text[begin : begin + _REACH].partition("\n")[0] if begin else ""
    match = _LABEL_LINE.match(line)
    return (_name(match["name"].strip(_MARKS + ".,;")) or "") if match else ""
