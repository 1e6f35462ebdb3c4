"""Finds what an answer lists: one Item per object the model named, however it wrapped, nested or keyed them.

Knows which keys mean what. Does not know whether numbers make a box in the picture, nor what a mask holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from grounding.codecs import gemini_lists as lists
from grounding.codecs.gemini_json import Cut, Node, Value, read

_BOX, _POINT, _MASK, _BOX_3D, _SCORE = "box", "point", "mask", "box_3d", "score"
_GEOMETRY = frozenset({_BOX, _POINT, _MASK, _BOX_3D})

# Keys are compared squeezed (no case, no "_"). Google's guide has box_2d, point, mask, label and box_3d.
_DOCUMENTED_BOX = "box2d"
_MEANING = (
    dict.fromkeys((_DOCUMENTED_BOX, "box", "bbox", "bbox2d", "boundingbox", "boundingbox2d", "rect", "rectangle"), _BOX)
    | dict.fromkeys(("point", "point2d", "points", "keypoint", "center", "centre"), _POINT)
    | dict.fromkeys(("mask", "segmentationmask", "segmentation", "maskpng", "maskdata", "maskbase64"), _MASK)
    | dict.fromkeys(("polygon", "polygons", "contour", "contours", "outline", "maskpolygon"), _MASK)
    | dict.fromkeys(("box3d", "bbox3d", "boundingbox3d"), _BOX_3D)
    | dict.fromkeys(("score", "scores", "confidence", "conf", "confidencescore", "probability", "certainty"), _SCORE)
)
_BY_SHAPE = frozenset({"boxes", "bboxes", "boundingboxes", "boxes2d", "coordinates", "coords", "position", "location"})
_LABELS = (  # the first that is there wins
    "label", "textlabel", "name", "labels", "objectname", "class", "classname", "category", "object", "caption",
    "title", "text", "description", "tag", "type",
)  # fmt: skip
# Keys that only hold lists of objects name nothing; any other key over a box, {"cat": [1, 2, 3, 4]}, is its label.
_WRAPPER = re.compile(
    r"(?:\w*_)?(?:mask|box|boxe|bbox|object|detection|item|result|annotation|segment|segmentation|prediction|point"
    r"|instance|region|entity|entitie|element|output|response|answer|data|image|list|json|coordinate|label|finding"
    r"|position|location|size|color|colour)s?(?:_[23]d)?",
    re.IGNORECASE,
)
_FROM_KEY = "the label was taken from the key it stood under"
_OTHER_KEY = "the box stood under another key than box_2d and was read as [ymin, xmin, ymax, xmax]"
_QUOTED = "numbers stood in quotes"


@dataclass(slots=True, eq=False)
class Item:
    """One entry of an answer. `label`, `mask` and `score` are as they stood; None where they did not.

    place: where in the answer, from 1. box, point: numbers as given, y first, any count.
    flaw: why a box or point that was there could not be read. cut: the text ended inside this item.
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


@dataclass(slots=True, eq=False)
class Listing:
    """All that an answer lists. empty: a list in it is empty; cut: it ended inside its data; mends: see Node."""

    items: list[Item]
    empty: bool
    cut: bool
    mends: set[str]


def listing(text: str, *, inside_string: bool = False) -> Listing:
    """Everything `text` lists. Bare lists of four numbers count only where no entry with keys is there."""
    finder = _Finder()
    roots = read(text)
    owners = [root for root in roots if finder.walk(root)]
    if not owners:
        owners = [root for root in roots if finder.plain(root, text)]
    if not owners and not inside_string and '\\"' in text:
        for hidden in finder.texts or [text.replace("\\n", "\n").replace('\\"', '"')]:
            inner = listing(hidden, inside_string=True)
            if inner.items:
                return inner
    return Listing(
        items=finder.items,
        empty=finder.empty,
        cut=any(root.cut and (root in owners or not root.prose) for root in roots),
        mends=set().union(*(root.mends for root in owners)),
    )


class _Finder:
    def __init__(self) -> None:
        self.items: list[Item] = []
        self.empty = False
        self.texts: list[str] = []  # strings that may hold a list themselves

    def walk(self, root: Node) -> bool:
        """Collect what `root` holds in the order of the text; with a stack of its own, as nesting has no limit."""
        before = len(self.items)
        todo: list[tuple[Node, str]] = [(root, "")]
        while todo:
            node, hint = todo.pop()
            self.empty = self.empty or (node.closed and not node.entries)
            below = [child for group in _groups(node) for child in self._group(group, hint, node)]
            below += ((value, hint) for key, value in node.entries if key is None and isinstance(value, Node))
            todo.extend(reversed(below))
        return len(self.items) > before

    def _group(self, group: dict[str, Value], hint: str, node: Node) -> Iterator[tuple[Node, str]]:
        """Make items of one set of keys; gives back the values that belong to none, each with the name over it."""
        found, rest = _meanings(group)
        label = _take_label(rest)
        template = bool(found) and all(lists.is_template(value) for value in found.values())
        if _GEOMETRY & found.keys() and not template:
            self._add(found, label, hint, node, mended=not any(lists.squeeze(key) == _DOCUMENTED_BOX for key in group))
        elif label is not None and not template and not any(isinstance(value, Node) for value in rest.values()):
            self._append(Item(label=label, cut=node.cut))
        for value in found.values():
            yield from ((child, "") for child in _swallowed(value))
        for name, value in rest.items():
            if isinstance(value, str) and "[" in value and ("box_2d" in value or "point" in value):
                self.texts.append(value)
            if not isinstance(value, Node):
                continue
            key = "" if found or _WRAPPER.fullmatch(name) else name.replace("_", " ").strip()
            boxes = [] if found else lists.quads(value)
            for numbers, own in boxes:
                self._append(Item(label=own or key or hint or None, box=numbers, mends={_FROM_KEY} if key else set()))
            if not boxes:
                yield value, key

    def _add(self, found: dict[str, Value], label: Value, hint: str, node: Node, mended: bool) -> None:
        item = Item(label=label, mask=found.get(_MASK), score=found.get(_SCORE), box_3d=_BOX_3D in found, cut=node.cut)
        if mended and _BOX in found:
            item.mends.add(_OTHER_KEY)
        if hint and label is None:
            item.label = hint
            item.mends.add(_FROM_KEY)
        boxes = _number_lists(item, found.get(_BOX), 4)
        points = _number_lists(item, found.get(_POINT), 2)
        labels = lists.strings(item.label)
        count = max(len(boxes), len(points), 1)
        for place in range(count):
            each = replace(item, mends=set(item.mends)) if count > 1 else item
            each.box = boxes[place] if place < len(boxes) else None
            each.point = points[place] if place < len(points) else None
            if labels:
                each.label = labels[place] if len(labels) == count else ", ".join(labels)
            if count > 1:  # {"label": "cats", "box_2d": [[…], […]]} does not say whose the mask and the score are
                each.mask = each.score = None
            self._append(each)

    def _append(self, item: Item) -> None:
        item.place = len(self.items) + 1
        self.items.append(item)

    def plain(self, root: Node, text: str) -> bool:
        """Collect boxes from a bare list, [y, x, y, x] or a list of such, with at most a name beside it on its line."""
        found = lists.quads(root)
        beside = lists.name_beside(text, root.start, root.end) if found else None
        if beside is None:
            return False
        name = "" if _WRAPPER.fullmatch(beside.replace(" ", "_")) else beside
        for numbers, own in found:
            self._append(Item(label=own or name or None, box=numbers))
        return bool(found)


def _groups(node: Node) -> Iterator[dict[str, Value]]:
    """The keyed entries of `node`; a key that comes again begins another object, as where "}, {" was forgotten."""
    group: dict[str, Value] = {}
    for key, value in node.entries:
        if key is None:
            continue
        if key in group:
            yield group
            group = {}
        group[key] = value
    if group:
        yield group


def _meanings(group: dict[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """What is known of a set of keys, by meaning, and the rest under its own names."""
    found: dict[str, Value] = {}
    rest: dict[str, Value] = {}
    for name, value in group.items():
        key = lists.squeeze(name)
        meaning = _by_shape(value) if key in _BY_SHAPE else _MEANING.get(key)
        if meaning is None or meaning in found or (meaning in _GEOMETRY and _holds_items(value, meaning)):
            rest[name] = value
        else:
            found[meaning] = value
    if _BOX not in found and lists.named_box(rest.items()):
        found[_BOX] = Node("{", -1, closed=True, entries=list(rest.items()))
    return found, rest


def _take_label(rest: dict[str, Value]) -> Value:
    names = {
        lists.squeeze(name): name for name, value in rest.items() if not isinstance(value, Node) or lists.strings(value)
    }
    return next((rest.pop(names[key]) for key in _LABELS if key in names), None)


def _by_shape(value: Value) -> str | None:
    """Whether "boxes", "coordinates" and the like hold boxes or points, by how many numbers stand together."""
    first = value
    while isinstance(first, Node) and first.entries and isinstance(first.entries[0][1], Node):
        if first.kind != "[":
            return None
        first = first.entries[0][1]
    numbers = lists.numbers(first) if isinstance(first, Node) and first.kind == "[" else None
    return {4: _BOX, 2: _POINT}.get(len(numbers or ()))


def _holds_items(value: Value, meaning: str) -> bool:
    """True for {"points": [{"point": …}]}: the key wraps whole objects. A mask may have keys of its own."""
    if not isinstance(value, Node):
        return False
    nodes: list[Value] = [value, *(child for _, child in value.entries[:3])]
    keys = [lists.squeeze(key) for node in nodes if isinstance(node, Node) for key, _ in node.entries[:20] if key]
    if meaning == _MASK:
        return any(key == "label" or _MEANING.get(key) == _BOX for key in keys)
    return any(_MEANING.get(key) in _GEOMETRY for key in keys)


def _swallowed(value: Value) -> Iterator[Node]:
    """Whole objects inside a list of numbers: its closing bracket was forgotten, and they are its neighbours."""
    for _, child in value.entries if isinstance(value, Node) and value.kind == "[" else ():
        if isinstance(child, Node) and child.kind == "{":
            meanings = (_MEANING.get(lists.squeeze(key)) for key, _ in child.entries if key)
            if not _GEOMETRY.isdisjoint(meanings):
                yield child


def _number_lists(item: Item, value: Value, size: int) -> list[list[float]]:
    """The number lists in `value`, one or several; where there are none though it is whole, `item.flaw` says so."""
    if value is None:
        return []
    if not isinstance(value, Node):
        in_text = lists.numbers_in_text(value) if isinstance(value, str) and not isinstance(value, Cut) else None
        item.mends |= {_QUOTED} if in_text else set()
        item.flaw = item.flaw or ("" if in_text or isinstance(value, Cut) else _flaw(size))
        return [in_text] if in_text else []
    inner = [child for _, child in value.entries if isinstance(child, Node) and child.kind == "["]
    if inner and len(inner) == len(value.entries):
        found = [numbers for child in inner if not child.cut and (numbers := lists.numbers(child) or [])]
        if size == 4 and [len(numbers) for numbers in found] == [2, 2] and value.closed:
            return [found[0] + found[1]]
        return [numbers for numbers in found if not value.cut or len(numbers) == size]
    item.mends |= {_QUOTED} if lists.quoted(value) and lists.numbers(value) else set()
    if value.kind == "{":
        one = lists.named_box(value.entries) if size == 4 else lists.named_point(value)
    else:
        one = lists.numbers(value)
    if one is None and size == 4 and (named := lists.quad(value)):
        one = named[0]
        item.label = named[1] if item.label is None else item.label
    item.flaw = item.flaw or ("" if one or value.cut else _flaw(size))
    return [one] if one else []


def _flaw(size: int) -> str:
    return f"the {'box' if size == 4 else 'point'} is no list of numbers"
