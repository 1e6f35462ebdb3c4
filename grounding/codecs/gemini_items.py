"""Finds what an answer lists: one Item per object the model named, however it wrapped, nested or keyed them.

Knows how entries are nested. Does not know whether numbers make a box in the picture, nor what a mask holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

from grounding.codecs import gemini_keys as keys
from grounding.codecs import gemini_lines as lines
from grounding.codecs import gemini_lists as lists
from grounding.codecs.gemini_item import Item, number_lists, points_of_one, shared_out
from grounding.codecs.gemini_json import Node, Value, read

_FROM_KEY = "the label was taken from the key it stood under"
_SPARE = "the label was taken from another key than label"
_ANSWER = re.compile(r"""(?:box_2d|points?)[\\"' ]*+:\s*+\[""")  # of a text that lists objects itself
_OTHER_KEY = "the box stood under another key than box_2d and was read as [ymin, xmin, ymax, xmax]"


@dataclass(slots=True, eq=False)
class Listing:
    """All that an answer lists.

    empty: it is an empty list. says: what stood under "error", "message" and the like. unread: lists of four numbers
    in the prose around its entries. cut: it ended inside its data. mends: see Node.
    """

    items: list[Item]
    empty: bool
    cut: bool
    mends: set[str]
    says: str = ""
    unread: int = 0


@dataclass(frozen=True, slots=True)
class _Above:
    """What an entry without a label, a score or a picture of its own has from the one around it.

    mend: what was assumed about the label. bare: lists of four numbers here stand among entries.
    """

    label: Value = None
    score: Value = None
    mend: str = ""
    bare: bool = False
    picture: int | None = None


def listing(text: str, *, inside_string: bool = False) -> Listing:
    """Everything `text` lists. Bare lists of four numbers count only where no entry with keys is there."""
    text, mends = lines.unwrapped(text)
    finder = _Finder()
    roots = read(text)
    owners = [root for root in roots if finder.walk(root)]
    if not owners:
        labels = lines.labels_of_lines(text)
        owners = [root for root in roots if finder.plain(root, text, labels)]
    if not owners and not inside_string and '\\"' in text:
        for hidden in finder.texts or [text.replace("\\n", "\n").replace('\\"', '"')]:
            inner = listing(hidden, inside_string=True)
            if inner.items:
                return inner
    for numbers in [] if finder.items else lines.bare_boxes(text):
        finder.append(Item(box=numbers))
        mends = mends | {"missing brackets"}
    kept = set(owners)
    return Listing(
        items=finder.items,
        empty=any(_is_empty(root, text) for root in roots),
        cut=any(root.cut and (root in kept or not root.prose) for root in roots),
        mends=mends.union(*(root.mends for root in owners)),
        says=finder.says,
        unread=_unread([root for root in roots if root not in kept], finder.items) if kept else 0,
    )


def _unread(roots: list[Node], items: list[Item]) -> int:
    """How many boxes `roots` seem to hold that are not among `items`."""
    known = {tuple(item.box) for item in items if item.box}
    return sum(tuple(numbers) not in known for root in roots for numbers, _ in lists.quads(root))


def _is_empty(root: Node, text: str) -> bool:
    """True for [], [{}] and {"objects": []} that stand alone, and for {} where that is all there is."""
    todo, lists_in_it, texts = [root], 0, 0
    while todo:
        node = todo.pop()
        if not node.closed:
            return False
        lists_in_it += node.kind == "["
        texts += sum(keys.says(key, value) for key, value in node.entries)
        if node.kind == "[" and not all(isinstance(value, Node) and _lists_more(value) for _, value in node.entries):
            return False
        todo.extend(value for _, value in node.entries if isinstance(value, Node))
    if not root.entries and root.kind == "{":
        return text.strip(" \t\r\n`").removeprefix("json").strip() == text[root.start : root.end]
    return bool(lists_in_it) and not texts and lines.stands_alone(text, root.start, root.end)


def _lists_more(node: Node) -> bool:
    """False for an object of words and numbers, whatever they mean: it is no list that is empty."""
    return not node.entries or any(isinstance(value, Node) for _, value in node.entries)


class _Finder:
    def __init__(self) -> None:
        self.items: list[Item] = []
        self.texts: list[str] = []  # strings that may hold a list themselves
        self.says = ""

    def walk(self, root: Node) -> bool:
        """Collect what `root` holds in the order of the text; with a stack of its own, as nesting has no limit."""
        before = len(self.items)
        todo: list[tuple[Node, _Above]] = [(root, _Above())]
        while todo:
            node, above = todo.pop()
            if above.bare and (quad := lists.named_quad(node)):
                self.append(Item(label=quad[1] or above.label, box=quad[0], picture=above.picture))
                continue
            below = [child for group in keys.groups(node) for child in self._group(group, above, node)]
            loose = [value for key, value in node.entries if key is None and isinstance(value, Node)]
            if loose:
                bare = node.kind == "[" and any(v.kind == "{" and keys.holds_items(v, keys.BOX) for v in loose)
                below += zip(loose, repeat(replace(above, bare=bare)), strict=False)
            todo.extend(reversed(below))
        return len(self.items) > before

    def _group(self, group: dict[str, Value], above: _Above, node: Node) -> Iterator[tuple[Node, _Above]]:
        """Make items of one set of keys; gives back the values that belong to none, each with what is over it."""
        found, rest = keys.meanings(group)
        self.says = self.says or keys.saying(rest)
        hidden: dict[str, str] = {}
        if not keys.GEOMETRY & found.keys():
            hidden = {name: value for name, value in rest.items() if isinstance(value, str) and _ANSWER.search(value)}
            self.texts += hidden.values()
            rest = {name: value for name, value in rest.items() if name not in hidden}
        label = keys.take_label(rest)
        said = keys.picture_number(found.pop(keys.PICTURE, None))
        above = above if said is None else replace(above, picture=said)
        template = bool(found) and all(lists.is_template(value) for value in found.values())
        if label is not None and not keys.GEOMETRY & found.keys() and (point := keys.own_point(rest, node.closed)):
            found[keys.POINT] = point
        placed = bool(keys.GEOMETRY & found.keys())
        firm = any(lists.squeeze(key) in keys.FIRM_LABELS for key in group)
        if placed and not template:
            mends = set() if any(lists.squeeze(key) == keys.DOCUMENTED_BOX for key in group) else {_OTHER_KEY}
            if label is None and above.label is None and node.closed and (spare := keys.spare_label(rest)):
                label, mends = rest.pop(spare), mends | {_SPARE}
            self._add(found, label, above, node, mends)
        elif label is not None and not (template or hidden or any(_is_used(*each, firm) for each in rest.items())):
            self.append(Item(label=label, cut=node.cut))
        outside = _Above(picture=above.picture)
        for value in found.values():
            yield from ((child, outside) for child in _swallowed(value))
        entry = _Above(label, found.get(keys.SCORE), picture=above.picture)
        for name, value in rest.items():
            if not isinstance(value, Node):
                continue
            inner = outside if placed or template else _inherited(name, value, entry, firm, above)
            boxes = [] if placed or template else keys.unnamed_boxes(name, value)
            items = shared_out(Item(score=found.get(keys.SCORE), picture=inner.picture), len(boxes))
            for item, (numbers, own) in zip(items, boxes, strict=True):
                item.mends |= {inner.mend} if inner.mend and not own else {_OTHER_KEY}
                item.label, item.box = own or inner.label, numbers
                self.append(item)
            if not boxes:
                yield value, inner

    def _add(self, found: dict[str, Value], label: Value, above: _Above, node: Node, mends: set[str]) -> None:
        item = Item(
            label=label,
            mask=found.get(keys.MASK),
            score=found.get(keys.SCORE),
            box_3d=keys.BOX_3D in found,
            cut=node.cut,
            picture=above.picture,
        )
        box = found.get(keys.BOX)
        if box is None or (isinstance(box, Node) and box.kind == "{"):
            mends = mends - {_OTHER_KEY}
        item.mends |= mends
        if label is None and above.label is not None:
            item.label = above.label
            item.mends |= {above.mend} if above.mend else set()
        item.score = above.score if item.score is None else item.score
        boxes = number_lists(item, box, 4)
        points = number_lists(item, found.get(keys.POINT), 2)
        if len(boxes) == 1 and points:  # it is one object, however many points it has
            points = points_of_one(item, points, found[keys.POINT])
        count = max(len(boxes), len(points), 1)
        for place, each in enumerate(shared_out(item, count)):
            each.box = boxes[place] if place < len(boxes) else None
            each.point = points[place] if place < len(points) else None
            self.append(each)

    def append(self, item: Item) -> None:
        item.place = len(self.items) + 1
        self.items.append(item)

    def plain(self, root: Node, text: str, labels: dict[int, str]) -> bool:
        """Collect boxes from a bare list, [y, x, y, x] or a list of such, with at most a name beside it on its line."""
        found = lists.quads(root)
        if not found:
            return False
        several = lists.named_quad(root) is None
        beside = lines.name_beside(text, root.start, root.end, several=several, labels=labels)
        if beside is None:
            return False
        words = beside.replace(" ", "_")
        if keys.NO_BOX.fullmatch(words):
            return False
        name = "" if keys.WRAPPER.fullmatch(words) else beside
        for numbers, own in found:
            self.append(Item(label=own or name or None, box=numbers))
        return True


def _inherited(name: str, value: Node, own: _Above, firm: bool, above: _Above) -> _Above:
    """What an entry hands down to `value` under `name`: its label, or else that name, or else what it has from above.

    A caption or a title may be that of a whole list, so only an entry's own place has it; `firm` labels are names.
    """
    score = (own.score if own.score is not None else above.score) if value.kind == "{" else None
    if numbered := keys.NUMBERED.fullmatch(name):
        return _Above(above.label, score, above.mend, picture=int(numbered[1]))
    if own.label is not None and (firm or (value.kind == "{" and _is_place(value))):
        return _Above(own.label, score, picture=own.picture)
    if own.label is None and not keys.WRAPPER.fullmatch(name) and (key := name.replace("_", " ").strip()):
        return _Above(key, score, _FROM_KEY, picture=own.picture)
    return _Above(above.label, score, above.mend, picture=own.picture)


def _is_used(name: str, value: Value, firm: bool) -> bool:
    """Whether `value`, beside a label, may give an object or a message, says there is none, or lacks its end.

    Whatever it holds it may where the label is not `firm`: {"@type": …, "metadata": {…}} is no object.
    """
    if not isinstance(value, Node):
        return False
    if not firm or not value.closed or not value.entries or keys.unnamed_boxes(name, value) or keys.says(name, value):
        return True
    if any(isinstance(each, Node) or keys.says(key, each) for key, each in value.entries):
        return True
    known = [keys.meanings(group) for group in keys.groups(value)]
    return any(keys.GEOMETRY & found.keys() or keys.take_label(rest) is not None for found, rest in known)


def _is_place(node: Node) -> bool:
    return keys.holds_items(node, keys.BOX) or lists.named_box(node.entries) is not None


def _swallowed(value: Value) -> Iterator[Node]:
    """Whole objects inside a list of numbers: its closing bracket was forgotten, and they are its neighbours."""
    for _, child in value.entries if isinstance(value, Node) and value.kind == "[" else ():
        if isinstance(child, Node) and child.kind == "{":
            meanings = (keys.MEANING.get(lists.squeeze(key)) for key, _ in child.entries if key)
            if not keys.GEOMETRY.isdisjoint(meanings):
                yield child
