"""One object that an answer lists: what stood under its keys, and the boxes and points that can be read from that.

Does not know how entries are nested, nor whether numbers make a box in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from grounding.codecs import gemini_lists as lists
from grounding.codecs.gemini_json import Node, Value
from grounding.codecs.gemini_values import Cut

_AS_OUTLINE = "several points beside one box were read as an outline"
_FIRST_POINT = "only the first of several points beside one box is shown"
_QUOTED = "numbers stood in quotes"
_PERCENT = "coordinates in percent of the picture, not thousandths"
_CORNERS = "four corners, read as [y, x], gave the box"


@dataclass(slots=True, eq=False)
class Item:
    """One entry of an answer. `label`, `mask` and `score` are as they stood; None where they did not.

    place: where in the answer, from 1. box, point: numbers as given, y first, any count.
    flaw: why a box or point that was there could not be read. cut: the text ended inside this item.
    picture: the number of its picture, from 1, where the answer says one.
    mends: what had to be assumed to read it.
    """

    place: int = 0
    label: Value = None
    box: list[float] | None = None
    point: list[float] | None = None
    mask: Value = None
    score: Value = None
    box_3d: bool = False
    flaw: str = ""
    cut: bool = False
    mends: set[str] = field(default_factory=set)
    picture: int | None = None


def shared_out(item: Item, count: int) -> list[Item]:
    """`item` as `count` of them, with a label, a score and a mask each where there are as many."""
    labels = lists.strings(item.label)
    if labels:
        item.label = ", ".join(labels)
    scores, masks = _each(item.score, count), _each(item.mask, count)
    if scores:
        item.score = scores[0]
    if count == 1:
        return [item]
    shared: list[Item] = []
    for place in range(count):
        each = replace(item, mends=set(item.mends))
        if len(labels) == count:
            each.label = labels[place]
        each.score, each.mask = scores[place] if scores else None, masks[place] if masks else None
        for what, value, kept in (("score", item.score, scores), ("mask", item.mask, masks)):
            if value is not None and not kept:  # {"label": "cats", "box_2d": [[…], […]], "score": 0.5}
                each.mends.add(f"the {what} was left out, as it does not say whose it is")
        shared.append(each)
    return shared


def _each(value: Value, count: int) -> list[Value]:
    """The `count` entries of a list, each a number, a text or something larger than a pair; or nothing."""
    if not isinstance(value, Node) or value.kind != "[" or not value.closed or len(value.entries) != count:
        return []
    values = [child for key, child in value.entries if key is None]
    large = all(not isinstance(child, Node) or len(child.entries) > 2 or child.kind == "{" for child in values)
    return values if large and len(values) == count else []


def points_of_one(item: Item, points: list[list[float]], value: Value) -> list[list[float]]:
    """The point of an object that has one box; three points or more are its outline, as may be what was cut."""
    cut = isinstance(value, Node) and value.cut
    if item.mask is None and (cut or len(points) > 2):
        item.mask = value
        item.mends |= set() if cut else {_AS_OUTLINE}
        return []
    item.mends |= {_FIRST_POINT} if len(points) > 1 else set()
    return points[:1]


def number_lists(item: Item, value: Value, size: int) -> list[list[float]]:
    """The number lists in `value`, one or several; where there are none though it is whole, `item.flaw` says so."""
    if value is None:
        return []
    if not isinstance(value, Node):
        in_text = lists.numbers_in_text(value) if isinstance(value, str) and not isinstance(value, Cut) else None
        item.mends |= {_QUOTED} if in_text else set()
        item.flaw = item.flaw or ("" if in_text or isinstance(value, Cut) else _flaw(size))
        return [in_text] if in_text else []
    value = _innermost(value)
    inner = [child for _, child in value.entries if isinstance(child, Node) and (child.kind == "[" or size == 2)]
    inner = inner or lists.corners(value)
    if inner and len(inner) == len(value.entries):
        found = [numbers for child in inner if not child.cut and (numbers := _numbers_or_point(child))]
        if size == 4 and [len(numbers) for numbers in found] == [2, 2] and value.closed:
            return [found[0] + found[1]]
        if size == 4 and value.closed and (box := _box_of_corners(found)):
            item.mends.add(_CORNERS)
            return [box]
        return [numbers for numbers in found if not value.cut or len(numbers) == size]
    if percent := lists.percents(value):
        item.mends.add(_PERCENT)
        return [percent]
    item.mends |= {_QUOTED} if lists.quoted(value) and lists.numbers(value) else set()
    if value.kind == "{" or any(key is not None for key, _ in value.entries):
        one = (lists.named_box(value.entries) or _only_box(value)) if size == 4 else lists.named_point(value)
    else:
        one = lists.numbers(value)
    if one is None and size == 4 and (named := lists.quad(value)):
        one = named[0]
        item.label = named[1] if item.label is None else item.label
    item.flaw = item.flaw or ("" if one or value.cut else _flaw(size))
    return [one] if one else []


def _innermost(value: Node) -> Node:
    """[[1, 2, 3, 4]] of [[[1, 2, 3, 4]]]: brackets too many say nothing."""
    while value.closed and value.kind == "[" and len(value.entries) == 1:
        child = value.entries[0][1]
        if not (isinstance(child, Node) and child.kind == "[" and child.closed and child.entries):
            break
        if not isinstance(child.entries[0][1], Node):
            break
        value = child
    return value


def _box_of_corners(points: list[list[float]]) -> list[float] | None:
    """[y1, x1, y2, x2] of the four corners [y, x] of an upright rectangle, in any order; None of anything else."""
    corners = {tuple(point) for point in points if len(point) == 2}
    ys, xs = sorted({corner[0] for corner in corners}), sorted({corner[-1] for corner in corners})
    whole = len(points) == len(corners) == 4 and len(ys) == len(xs) == 2
    return [ys[0], xs[0], ys[1], xs[1]] if whole else None


def _only_box(node: Node) -> list[float] | None:
    """The one list of four numbers among what {"coordinates": [1, 2, 3, 4], "format": …} holds."""
    nodes = [child for _, child in node.entries if isinstance(child, Node)]
    found = lists.quad(nodes[0]) if len(nodes) == 1 and nodes[0].kind == "[" and node.closed else None
    return found[0] if found else None


def _numbers_or_point(node: Node) -> list[float] | None:
    if node.kind == "[":
        return lists.numbers(node)
    return lists.named_point(node) if len(node.entries) == 2 else None


def _flaw(size: int) -> str:
    return f"the {'box' if size == 4 else 'point'} is no list of numbers"
