"""Knows which keys of an answer mean what, whatever their case and spelling, and what may stand under them.

Does not know how entries are nested, nor whether numbers make a box in the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grounding.codecs import gemini_lists as lists
from grounding.codecs.gemini_json import Node, Value
from grounding.codecs.gemini_values import Bare

BOX, POINT, MASK, BOX_3D, SCORE, PICTURE = "box", "point", "mask", "box_3d", "score", "picture"
GEOMETRY = frozenset({BOX, POINT, MASK, BOX_3D})

# Keys are compared squeezed (no case, no "_"). Google's guide has box_2d, point, mask, label and box_3d.
DOCUMENTED_BOX = "box2d"
MEANING = (
    dict.fromkeys((DOCUMENTED_BOX, "box", "bbox", "bbox2d", "boundingbox", "boundingbox2d", "rect", "rectangle"), BOX)
    | dict.fromkeys(("point", "point2d", "points", "keypoint", "center", "centre"), POINT)
    | dict.fromkeys(("mask", "segmentationmask", "segmentation", "maskpng", "maskdata", "maskbase64"), MASK)
    | dict.fromkeys(("polygon", "polygons", "contour", "contours", "outline", "maskpolygon"), MASK)
    | dict.fromkeys(("polygon2d", "polygonpoints", "maskpoints", "contourpoints", "outlinepoints"), MASK)
    | dict.fromkeys(("boundingpoly", "boundingpolygon", "vertices", "normalizedvertices"), MASK)
    | dict.fromkeys(("box3d", "bbox3d", "boundingbox3d", "3dbox", "3dbbox", "3dboundingbox"), BOX_3D)
    | dict.fromkeys(("score", "scores", "confidence", "conf", "confidencescore", "probability", "certainty"), SCORE)
    | dict.fromkeys(("picture", "picturenumber", "pictureindex", "pictureid", "pictureno", "page"), PICTURE)
    | dict.fromkeys(("image", "imagenumber", "imageindex", "imageid", "imageno", "pagenumber"), PICTURE)
)
_SEVERAL = frozenset(("points", "polygons", "contours"))
_BY_SHAPE = frozenset({"boxes", "bboxes", "boundingboxes", "boxes2d", "coordinates", "coords", "position", "location"})
_LABELS = (  # the first that is there wins
    "label", "textlabel", "name", "labels", "objectname", "class", "classname", "category", "object", "caption",
    "title", "text", "description", "tag", "type",
)  # fmt: skip
_NAMELESS = frozenset(("id", "format", "unit", "units", "time", "timestamp", "color", "colour", "url", "file"))
_NO_NAMES = (  # how keys end that tell of an object, and do not name it
    "url", "path", "file", "filename", "mimetype", "boxtype", "color", "colour", "level", "status", "size", "source",
    "frame", "visible", "visibility", "occlusion", "orientation", "direction", "position", "location",
)  # fmt: skip
_LONGEST_NAME = 200  # characters
_NAMING = ("name", "label", "class", "category", "kind", "type")  # how keys end that name what they are in
FIRM_LABELS = frozenset(("label", "textlabel", "labels", "objectname", "class", "classname", "category"))
_SAYINGS = frozenset(("error", "errors", "message", "reason", "warning", "note", "explanation", "comment", "detail"))
# Keys that only hold lists of objects name nothing; any other key over a box, {"cat": [1, 2, 3, 4]}, is its label.
WRAPPER = re.compile(
    r"(?:\w*_)?(?:mask|box|boxe|bbox|object|detection|item|result|annotation|segment|segmentation|prediction|point"
    r"|instance|region|entity|entitie|element|output|response|answer|data|image|list|json|coordinate|label|finding"
    r"|position|location|size|color|colour|geometry|geometrie|shape|bound|area|rect|rectangle|coord|frame|detail|info)"
    r"s?(?:_[23]d)?",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"\W*(?:picture|image|page)[\W_]*(\d{1,4})\W*", re.IGNORECASE)  # "Picture 2", as the prompt says
NO_BOX = re.compile(r"(?:\w*_)?(?:colou?r|rgba?|size|resolution|dimension)s?", re.IGNORECASE)  # four numbers or not


def groups(node: Node) -> Iterator[dict[str, Value]]:
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


def meanings(group: dict[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """What is known of a set of keys, by meaning, and the rest under its own names."""
    found: dict[str, Value] = {}
    rest: dict[str, Value] = {}
    for name, value in group.items():
        key = lists.squeeze(name)
        meaning = _by_shape(value) if key in _BY_SHAPE else MEANING.get(key)
        if meaning == PICTURE and picture_number(value) is None:
            meaning = None
        if key in _SEVERAL and isinstance(value, Node) and value.closed and not value.entries:
            meaning = None  # {"points": []} lists nothing
        if meaning is None or meaning in found or (meaning in GEOMETRY and holds_items(value, meaning)):
            rest[name] = value
        else:
            found[meaning] = value
    several = rest.get("masks")
    if BOX in found and MASK not in found and several is not None and not holds_items(several, MASK):
        found[MASK] = rest.pop("masks")
    if BOX not in found and lists.named_box(rest.items()):
        found[BOX] = Node("{", -1, closed=True, entries=list(rest.items()))
    if MASK in found and BOX not in found and POINT not in found:
        unnamed = [name for name, value in rest.items() if unnamed_boxes(name, value)]
        if len(unnamed) == 1:
            found[BOX] = rest.pop(unnamed[0])
    return found, rest


def unnamed_boxes(name: str, value: Value) -> list[tuple[list[float], str]]:
    """The lists of four numbers, each with its name or "", under a key that is none of those known for boxes."""
    return lists.quads(value) if isinstance(value, Node) and not NO_BOX.fullmatch(name) else []


def picture_number(value: Value) -> int | None:
    """Which picture `value` names, as the prompt numbers them from 1: 2, "2" and "Picture 2" are all 2."""
    if isinstance(value, str):
        said = NUMBERED.fullmatch(value) or re.fullmatch(r"\s*(\d{1,4})\s*", value)
        return int(said[1]) if said else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def take_label(rest: dict[str, Value]) -> Value:
    names = {
        lists.squeeze(name): name for name, value in rest.items() if not isinstance(value, Node) or lists.strings(value)
    }
    return next((rest.pop(names[key]) for key in _LABELS if key in names), None)


def own_point(rest: dict[str, Value], closed: bool) -> Node | None:
    """The place of {"label": "cat", "x": 260, "y": 550}, which holds nothing else that could have one."""
    node = Node("{", -1, closed=closed, entries=list(rest.items()))
    inner = any(isinstance(value, Node) for value in rest.values())
    return node if not inner and lists.named_point(node) else None


def spare_label(group: dict[str, Value]) -> str:
    """The key that names the object where none of those known for labels does; "" for none.

    That is one that ends like such a key, "field_name", or else the only one with a text of a label's length.
    """
    texts = {
        name: lists.squeeze(name)
        for name, value in group.items()
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and not isinstance(value, Bare)
    }
    nameless = _SAYINGS | _NAMELESS | MEANING.keys()
    texts = {name: key for name, key in texts.items() if key not in nameless and not key.endswith(_NO_NAMES)}
    ending = (name for end in _NAMING for name, key in texts.items() if key.endswith(end))
    return next(ending, "") or ("" if len(texts) != 1 else next(iter(texts)))


def _by_shape(value: Value) -> str | None:
    """Whether "boxes", "coordinates" and the like hold boxes or points, by how many numbers stand together."""
    first = value
    while isinstance(first, Node) and first.entries and isinstance(first.entries[0][1], Node):
        if first.kind != "[":
            return None
        first = first.entries[0][1]
    numbers = lists.numbers(first) if isinstance(first, Node) and first.kind == "[" else None
    return {4: BOX, 2: POINT}.get(len(numbers or ()))


def holds_items(value: Value, meaning: str) -> bool:
    """True for {"points": [{"point": …}]} or [{"label": …}]: the key wraps whole objects.

    A mask and a 3D box may have keys of their own, as "center" is a 3D box's.
    """
    if not isinstance(value, Node):
        return False
    nodes: list[Value] = [value, *(child for _, child in value.entries[:3])]
    keys = [lists.squeeze(key) for node in nodes if isinstance(node, Node) for key, _ in node.entries[:20] if key]
    if meaning in (MASK, BOX_3D):
        own = {"label", "point"} if meaning == BOX_3D else {"label"}
        return any(key in own or MEANING.get(key) == BOX for key in keys)
    return any(MEANING.get(key) in GEOMETRY or (key == "label" and meaning == POINT) for key in keys)


def says(key: str | None, value: Value) -> bool:
    """True where `value` is a message, as under "error" and the like, or a sentence under any key."""
    return bool(value) and (lists.squeeze(key or "") in _SAYINGS or (isinstance(value, str) and " " in value.strip()))


def saying(rest: dict[str, Value]) -> str:
    """The first message or sentence of `rest`."""
    return next((value for name, value in rest.items() if isinstance(value, str) and says(name, value)), "")
