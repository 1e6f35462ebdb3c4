"""The pictures of a comparison: what agrees drawn calmly, what differs loudly; many runs as thin outlines.

Knows no gradio and asks no model. Every picture is of the size it is shown at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from grounding import overlays
from grounding.agreement import Cluster, Row, Stability, Verdict
from grounding.geometry import rect_px
from grounding.images import jpeg_uri
from grounding.overlays import PALETTE, Look
from grounding.types import Box, Detection, Task, View, clamp_unit
from ui.state import Kept
from ui.trial import Side, Trial

COLOURS = {
    Verdict.AGREED: "#35b58f",
    Verdict.RELABELLED: "#ffb020",
    Verdict.ONLY_FIRST: "#ff5d5d",
    Verdict.ONLY_SECOND: "#4a8dff",
    Verdict.UNPLACED: "#b36bff",
}
"""Hues that stay apart for most colour-blind eyes; the numbers and the table say the same without colour."""

SIDE_PX = 900
_CLOSE_UP_PX = 168


def side_picture(trial: Trial, rows: Sequence[Row], place: int, *, alone: bool = False) -> str:
    """The picture with what side `place` found, numbered as in `rows`; `alone`: there is nothing to hold it against."""
    own = trial.sides[place].found
    shown = [(n, row, own[at]) for n, row in enumerate(rows, 1) if (at := (row.first, row.second)[place]) is not None]
    looks = [Look(_colour(row, alone), _tag(n, row, each, alone)) for n, row, each in shown]
    image = small(trial.picture)
    line = max(2, round(max(image.size) / 300))
    for loud in (False, True):
        part = [k for k, (_, row, _) in enumerate(shown) if (row.verdict is not Verdict.AGREED) == loud]
        marks = ("mask", "polygon", "box") if loud and trial.task is Task.SEGMENT else ("polygon", "box")
        image = overlays.render(
            image,
            [shown[k][2] for k in part],
            View(marks),
            looks=[replace(looks[k], tag="") for k in part],
            line_px=line + 1 if loud else line - 1,
        )
    found = [each for *_, each in shown]
    return jpeg_uri(
        overlays.render(image, found, View(("label",)), looks=looks, text_px=max(12, max(image.size) // 38))
    )


def _colour(row: Row, alone: bool) -> str:
    return PALETTE[1] if alone else COLOURS[row.verdict]


def _tag(number: int, row: Row, detection: Detection, alone: bool) -> str:
    return str(number) if row.verdict is Verdict.AGREED and not alone else f"{number} {detection.label}"


def runs_picture(trial: Trial, found: Stability) -> str:
    """Every box of every answer as a thin outline in the colour of its cluster, which is named once."""
    runs, colours = trial.runs, cluster_colours(found.clusters)
    members = [
        (runs[run].found[place], Look(colour, ""))
        for cluster, colour in zip(found.clusters, colours, strict=True)
        for run, place in cluster.members
    ]
    image = overlays.render(
        small(trial.picture),
        [each for each, _ in members],
        View(("box",)),
        looks=[look for _, look in members],
        line_px=1,
    )
    typical = [runs[run].found[place] for run, place in (each.medoid for each in found.clusters)]
    tags = [
        Look(colour, f"{n} {cluster.label} {len(cluster.members)}/{found.answers}")
        for n, (cluster, colour) in enumerate(zip(found.clusters, colours, strict=True), 1)
    ]
    return jpeg_uri(
        overlays.render(image, typical, View(("label",)), looks=tags, text_px=max(12, max(image.size) // 48))
    )


def cluster_colours(clusters: Sequence[Cluster]) -> list[str]:
    return [PALETTE[k % len(PALETTE)] for k in range(len(clusters))]


def close_ups(trial: Trial, found: Stability) -> list[str]:
    """Each cluster's outlines, near enough to see a pixel's difference."""
    image = trial.picture.shown_image()
    return [
        _close_up(trial.runs, image, *each)
        for each in zip(found.clusters, cluster_colours(found.clusters), strict=True)
    ]


def _close_up(runs: Sequence[Side], image: Image.Image, cluster: Cluster, colour: str) -> str:
    left, top, right, bottom = cluster.spreads
    margin_x, margin_y = 0.12 * (right.high - left.low) + 0.005, 0.12 * (bottom.high - top.low) + 0.005
    window = Box(
        clamp_unit(left.low - margin_x),
        clamp_unit(top.low - margin_y),
        clamp_unit(right.high + margin_x),
        clamp_unit(bottom.high + margin_y),
    )
    crop = image.crop(area := rect_px(window, image.size))
    crop.thumbnail((_CLOSE_UP_PX, _CLOSE_UP_PX), Image.Resampling.LANCZOS)
    if max(crop.size) < _CLOSE_UP_PX:
        scale = _CLOSE_UP_PX / max(crop.size)
        crop = crop.resize(
            (max(1, round(crop.width * scale)), max(1, round(crop.height * scale))), Image.Resampling.BICUBIC
        )
    seen = [moved for run, at in cluster.members if (moved := _within(runs[run].found[at].box, area, image.size))]
    drawn = overlays.render(
        crop, [Detection("", box) for box in seen], View(("box",)), looks=[Look(colour, "")] * len(seen), line_px=1
    )
    return jpeg_uri(drawn)


def _within(box: Box | None, area: tuple[int, int, int, int], size_wh: tuple[int, int]) -> Box | None:
    """`box` in shares of the pixels `area` of a picture of `size_wh`; None where nothing of it is left."""
    if box is None:
        return None
    x1, y1, x2, y2 = area
    shares = [
        clamp_unit((value * side - start) / (end - start))
        for value, side, start, end in zip(box, (*size_wh, *size_wh), (x1, y1) * 2, (x2, y2) * 2, strict=True)
    ]
    return Box(*shares) if shares[0] < shares[2] and shares[1] < shares[3] else None


def small(kept: Kept) -> Image.Image:
    image = kept.shown_image()
    image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image
