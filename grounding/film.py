"""Drawn moments of a clip as a short film, an MP4 that browsers play. PyAV (FFmpeg) writes it, loaded on first use.

Only what a model saw is in it: between two moments nothing moves, and nothing is drawn on frames nobody asked about.
Knows no models, and not what is drawn on the pictures it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from grounding.lettering import baseline, line
from grounding.video import clock

LONGEST_HOLD_S = 2.0
"""How long a picture stands at most: a long wait for the next one shows nothing."""

SIDE = 1280
"""The longer side: what the page shows; the moments themselves are kept whole."""

_FPS = 10  # of pictures that stand still: every player keeps pace with it, and each repeat costs a few bytes
_BT709 = 1  # the number of that standard for colours, ISO/IEC 23091-2


def write(path: Path, drawn: Sequence[tuple[float, Image.Image]], seconds: float) -> None:
    """Makes an MP4 at `path` of pictures and their moments, each standing until the next one was taken, 2 s at most.

    Each says its moment in a corner. `seconds`: when the last one ends. Without sound; no side above 1280 pixels.
    """
    import av

    size_wh = _size(drawn[0][1].size)
    ends = [*(at for at, _ in drawn[1:]), seconds]
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        options = {"preset": "veryfast", "crf": "20", "tune": "stillimage"}
        stream = container.add_stream("libx264", rate=_FPS, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"  # what every player knows
        coded = stream.codec_context
        coded.colorspace = coded.color_primaries = coded.color_trc = _BT709
        for (at, image), end in zip(drawn, ends, strict=True):
            shown = _stamped(ImageOps.pad(image.convert("RGB"), size_wh), clock(at))
            frame = av.VideoFrame.from_ndarray(np.asarray(shown), format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            for _ in range(max(1, round(min(end - at, LONGEST_HOLD_S) * _FPS))):
                frame.pts = None
                container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """At most SIDE, and even, as H.264 wants it."""
    scale = min(1.0, SIDE / max(size_wh))
    width, height = (max(2, round(side * scale / 2) * 2) for side in size_wh)
    return width, height


def _stamped(image: Image.Image, words: str) -> Image.Image:
    """`image` with `words` on a dark tag in its lower left corner."""
    text = max(12, round(max(image.size) / 50))
    ink, pad = line(words, text), text // 2
    top = image.height - round(1.9 * text)
    image.paste((16, 16, 24), (0, top, ink.width + 2 * pad, image.height))
    image.paste((255, 255, 255), (pad, top + round(1.35 * text) - baseline(text)), ink)
    return image
