"""Detections drawn on their picture, at the size it is shown. The one module of the core that knows supervision.

A mask is resized to its box's pixels, then thresholded, then pasted there: no mask is ever as large as the picture.
Knows nothing of models or pages; drawing again with another View asks nobody anything.

Adding an overlay: one row in OVERLAYS for files, and one in assets/js/editor/marks.js for the page.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from grounding.geometry import binary_mask, rect_px
from grounding.lettering import baseline, line, shorten, tidy
from grounding.types import Detection, View

PALETTE = (
    "#ff5d5d", "#2f9bff", "#31c46b", "#ffb020", "#b36bff", "#12c7c7", "#ff6fb5", "#9fd21f", "#ff8a3d", "#5b73ff",
    "#00a57a", "#e8d21d", "#d94bd9", "#55c2ff", "#c98b4b", "#7ee08a", "#ff9a9a", "#8a9bb5", "#c2457a", "#f7c59f",
)  # fmt: skip
"""Bright enough to stand out on photographs, neighbours far apart in hue."""


On = Literal["area", "line", "mask", "shape", "point", "spot", "place"]
"""area: every box; line: every box, kept half a line inside the picture; mask: what has a mask; shape: every box, as
its mask where it has one; point: every point; spot: the point, or else the box; place: the box, or else the point."""


@dataclass(frozen=True)
class Style:
    """Sizes in pixels; `colours` as "#rrggbb" by class_id, `palette` the same for supervision, red for blue."""

    colours: Sequence[str]
    palette: Any
    line: int
    text: int


@dataclass(frozen=True)
class Look:
    """How one detection is drawn where its label does not decide it. colour: "#rrggbb"; tag: what its label says."""

    colour: str
    tag: str


@dataclass(frozen=True)
class Overlay:
    """One way to draw.

    annotator: builds a supervision annotator (anything with `annotate(pixels, detections)`).
    on: what it is given, see `On`.
    """

    title: str
    annotator: Callable[[Style], Any]
    on: On = "line"


def _sv() -> Any:
    """supervision, imported on the first drawing: it takes seconds, and the page should not wait for it."""
    import supervision

    return supervision


OVERLAYS: dict[str, Overlay] = {
    "pixelate": Overlay("Pixelate", lambda s: _sv().PixelateAnnotator(), "area"),
    "blur": Overlay("Blur", lambda s: _sv().BlurAnnotator(), "area"),
    "spotlight": Overlay("Spotlight", lambda s: _sv().BackgroundOverlayAnnotator(opacity=0.6), "shape"),
    "fill": Overlay("Colour fill", lambda s: _sv().ColorAnnotator(s.palette, opacity=0.35), "area"),
    "halo": Overlay("Halo", lambda s: _sv().HaloAnnotator(s.palette, opacity=1.0, kernel_size=20 * s.line), "mask"),
    "mask": Overlay("Mask", lambda s: _sv().MaskAnnotator(s.palette, opacity=0.5), "mask"),
    "polygon": Overlay("Polygon", lambda s: _sv().PolygonAnnotator(s.palette, s.line), "mask"),
    "box": Overlay("Box", lambda s: _sv().BoxAnnotator(s.palette, s.line)),
    "rounded": Overlay("Rounded box", lambda s: _sv().RoundBoxAnnotator(s.palette, s.line, roundness=0.3)),
    "corners": Overlay("Corners", lambda s: _sv().BoxCornerAnnotator(s.palette, 2 * s.line, corner_length=8 * s.line)),
    "circle": Overlay("Circle", lambda s: _sv().CircleAnnotator(s.palette, s.line)),
    "ellipse": Overlay("Ellipse", lambda s: _sv().EllipseAnnotator(s.palette, s.line)),
    "triangle": Overlay("Triangle", lambda s: _sv().TriangleAnnotator(s.palette, 8 * s.line, 8 * s.line)),
    "dot": Overlay("Dot", lambda s: _dots(s), "spot"),
    "label": Overlay("Label", lambda s: _LabelAnnotator(s), "place"),
}
"""Every overlay by name, in the order they are laid over each other: what covers most comes first."""


def colour(label: str) -> str:
    """The colour a label gets where no other label of the picture wants the same, as "#rrggbb"."""
    return PALETTE[_slot(label)]


def render(
    image: Image.Image,
    detections: Sequence[Detection],
    view: View,
    *,
    max_side: int | None = None,
    looks: Sequence[Look] | None = None,
    line_px: int | None = None,
    text_px: int | None = None,
) -> Image.Image:
    """A new picture with `detections` drawn on it as `view` says; `image` itself is left as it is.

    max_side: draw at this size at most. Quickest is to pass a picture already as small as it is shown.
    looks: one for each detection, in place of colours by label.
    line_px, text_px: of outlines and tags; None: what suits the picture.
    Points are drawn under every choice of overlays but none. Unknown names in `view.overlays` raise KeyError.
    """
    if unknown := set(view.overlays) - OVERLAYS.keys():
        raise KeyError(f"no such overlay: {sorted(unknown)}")
    chosen = [overlay for name, overlay in OVERLAYS.items() if name in view.overlays]
    if max_side and max(image.size) > max_side:
        image = image.copy()
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    canvas = image.convert("RGB")
    looks = looks if looks is not None else _looks(detections)
    shown = [k for k, d in enumerate(detections) if d.own_score is None or d.own_score >= view.score_floor]
    if not chosen or not shown:
        return canvas
    if any(detections[k].point for k in shown) and OVERLAYS["dot"] not in chosen:
        chosen.insert(-1 if chosen[-1] is OVERLAYS["label"] else len(chosen), _POINT)
    colours = tuple(dict.fromkeys(looks[k].colour for k in shown))
    style = _style(canvas.size, colours, line_px, text_px)
    masked = any(overlay.on in ("mask", "shape") for overlay in chosen)
    seen = [(detections[k], looks[k].tag, colours.index(looks[k].colour)) for k in shown]
    drawn = _to_supervision(seen, canvas.size, view.threshold if masked else None)
    pixels = np.array(canvas)
    for overlay in chosen:
        part = _part(drawn, overlay.on, style.line, canvas.size)
        if len(part):
            overlay.annotator(style).annotate(pixels, part)
    return Image.fromarray(pixels)


def _looks(detections: Sequence[Detection]) -> list[Look]:
    slots = _slots(detections)
    return [Look(PALETTE[slots[each.label]], _text(each)) for each in detections]


def _style(size_wh: tuple[int, int], colours: Sequence[str], line_px: int | None, text_px: int | None) -> Style:
    side = max(size_wh)
    # supervision paints in BGR; with its colours the other way round, it paints our RGB without converting pictures.
    palette = _sv().ColorPalette([_sv().Color(*rgb[::-1]) for rgb in map(_rgb, colours)])
    return Style(colours, palette, line=line_px or max(2, round(side / 450)), text=text_px or max(12, round(side / 60)))


def _dots(style: Style) -> Any:
    white = _sv().Color.WHITE
    return _sv().DotAnnotator(
        style.palette, radius=3 * style.line, outline_thickness=max(1, style.line - 1), outline_color=white
    )


_POINT = Overlay("Point", _dots, "point")


def _slot(label: str) -> int:
    """A label's preferred place in the palette: the same in every run, whatever its capitals."""
    return zlib.crc32(label.strip().casefold().encode("utf-8", "replace")) % len(PALETTE)


def _slots(detections: Iterable[Detection]) -> dict[str, int]:
    """The palette place of each label; in one picture a taken place passes on to the next free one."""
    slots: dict[str, int] = {}
    by_name: dict[str, int] = {}  # "Cat" and "cat" are one
    for label in dict.fromkeys(detection.label for detection in detections):
        name = label.strip().casefold()
        if name not in by_name:
            taken = set(by_name.values())
            wanted = ((_slot(label) + step) % len(PALETTE) for step in range(len(PALETTE)))
            by_name[name] = next((slot for slot in wanted if slot not in taken), _slot(label))
        slots[label] = by_name[name]
    return slots


def _to_supervision(seen: Sequence[tuple[Detection, str, int]], size_wh: tuple[int, int], threshold: int | None) -> Any:
    """Everything that has a place, as sv.Detections in pixels; masks as crops, or none where `threshold` is None.

    seen: each with its tag and its colour's place in the palette. A point is a box without extent. What has no mask is
    given its whole box as one, so that "shape" can use it.
    """
    told = [each for each in seen if each[0].box or each[0].mask or each[0].point]
    placed = [detection for detection, _, _ in told]
    xyxy = np.array([_extent(d, size_wh) for d in placed], dtype=np.float32).reshape(-1, 4)
    return _sv().Detections(
        xyxy=xyxy,
        class_id=np.array([colour for _, _, colour in told], dtype=int),
        mask=None if threshold is None or not placed else _crops(placed, xyxy, size_wh, threshold),
        data={
            "text": np.array([tag for _, tag, _ in told], dtype=object),
            "is_box": np.array([d.box is not None or d.mask is not None for d in placed], dtype=bool),
            "is_mask": np.array([d.mask is not None for d in placed], dtype=bool),
            "is_point": np.array([d.point is not None for d in placed], dtype=bool),
            "point_px": np.array([_point_px(d, size_wh) for d in placed], dtype=np.float32).reshape(-1, 4),
        },
    )


def _extent(detection: Detection, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """Box or mask frame in whole pixels; a point where there is neither."""
    frame = detection.box or (detection.mask.frame if detection.mask else None)
    return rect_px(frame, size_wh) if frame else _point_px(detection, size_wh)


def _point_px(detection: Detection, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y = detection.point or (0.0, 0.0)
    x, y = min(x * size_wh[0], size_wh[0] - 1), min(y * size_wh[1], size_wh[1] - 1)
    return x, y, x, y


def _crops(placed: Sequence[Detection], xyxy: np.ndarray, size_wh: tuple[int, int], threshold: int) -> Any:
    """Thresholded masks as supervision's CompactMask: run-length coded crops, each with its corner in the picture."""
    from supervision.detection.compact_mask import CompactMask

    masks = []
    for detection, (x1, y1, x2, y2) in zip(placed, xyxy.astype(int), strict=True):
        if detection.mask is not None:
            crop, (x, y) = binary_mask(detection.mask, size_wh, threshold)
        else:
            crop, (x, y) = np.ones((max(1, y2 - y1), max(1, x2 - x1)), dtype=bool), (x1, y1)
        height, width = crop.shape
        corners = np.array([[0, 0, width - 1, height - 1]])  # CompactMask counts the last pixel in
        compact = CompactMask.from_dense(crop[None], corners, (height, width))
        masks.append(compact.with_offset(x, y, (size_wh[1], size_wh[0])))
    return CompactMask.merge(masks)


def _part(drawn: Any, on: On, line: int, size_wh: tuple[int, int]) -> Any:
    """The detections one overlay is given; see On."""
    has_point, has_box = drawn.data["is_point"], drawn.data["is_box"]
    part = drawn[{"mask": drawn.data["is_mask"], "point": has_point}.get(on, has_box | (on in ("spot", "place")))]
    if on in ("point", "spot"):
        part.xyxy = np.where(part.data["is_point"][:, None], part.data["point_px"], part.xyxy)
    elif on == "line":
        half = line // 2
        part.xyxy = np.clip(part.xyxy, half, np.array([*size_wh, *size_wh]) - 1 - half)
    return part


class _LabelAnnotator:
    """Labels in any script on rounded tags, each where it hides least and never outside the picture.

    supervision's own would need one font for all scripts, and draws outside the picture or on other labels.
    """

    def __init__(self, style: Style) -> None:
        self._colours = style.colours
        self._text = style.text
        self._half = style.line // 2
        self._padding = round(style.text * 0.35)
        self._height = round(style.text * 1.45)

    def annotate(self, pixels: np.ndarray, detections: Any) -> None:
        picture = Image.fromarray(pixels)
        draw = ImageDraw.Draw(picture)
        taken: list[_Rect] = []
        for (x1, y1, x2, y2), slot, text in zip(
            detections.xyxy.astype(int).tolist(), detections.class_id, detections.data["text"], strict=True
        ):
            if text:
                ink = line(shorten(text, self._text, picture.width * 2 // 3 - 2 * self._padding), self._text)
                tag = self._place((x1, y1, x2, y2), ink.width, picture.size, taken)
                taken.append(tag)
                red, green, blue = fill = _rgb(self._colours[slot])
                bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140  # Rec. 601 luma
                draw.rounded_rectangle((tag[0], tag[1], tag[2] - 1, tag[3] - 1), self._height * 0.22, fill=fill)
                top = tag[1] + round(self._height * 0.72) - baseline(self._text)
                picture.paste((16, 16, 24) if bright else (255, 255, 255), (tag[0] + self._padding, top), ink)
        pixels[:] = np.asarray(picture)

    def _place(self, box_px: _Rect, text_width: int, size_wh: tuple[int, int], taken: list[_Rect]) -> _Rect:
        """Where the tag goes: over the box, else inside it, under it, …; the first place that is free."""
        x1, y1, x2, y2 = box_px
        width, height, half = text_width + 2 * self._padding, self._height, self._half
        left, right = x1 - half, x2 + half - width
        if (x1, y1) == (x2, y2):  # a point: beside it
            gap = 6 * half + 6
            corners = [(x1 + gap, y1 - height // 2), (x1 - gap - width, y1 - height // 2), (x1 - width // 2, y1 + gap)]
        else:
            over, under = y1 - half - height, y2 + half
            corners = [(left, over), (left, y1), (right, over), (left, under), (left, y2 - height), (right, y1)]
        tags = []
        for x, y in corners:
            x = max(0, min(x, size_wh[0] - width))
            inside = 0 <= y <= size_wh[1] - height
            y = max(0, min(y, size_wh[1] - height))
            tags.append((not inside, (x, y, x + width, y + height)))
        free = [tag for outside, tag in tags if not outside and not any(_overlap(tag, other) for other in taken)]
        return free[0] if free else min(tags, key=lambda tag: tag[0])[1]


_Rect = tuple[int, int, int, int]


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def _overlap(a: _Rect, b: _Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _text(detection: Detection) -> str:
    """What a tag says: the label, and the score where the model gave one to just this."""
    label, score = tidy(detection.label), detection.own_score
    return label if score is None else f"{label} {score:.2f}".strip()
