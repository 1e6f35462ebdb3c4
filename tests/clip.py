"""Small clips for tests: a bar that moves from left to right, so that a frame's own picture says when it is shown."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import av
import numpy as np

BAR = 8  # of the picture's width: how wide the bar is


def clip(
    count: int = 30,
    *,
    codec: str = "libx264",
    kind: str = "mp4",
    fps: int = 10,
    size_wh: tuple[int, int] = (160, 96),
    gop: int = 12,
    sound: bool = False,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> bytes:
    """`count` frames; the bar's left edge is at count-th parts of the width."""
    width, height = size_wh
    path = Path(tempfile.mkdtemp()) / "clip"  # a file: an index can be put first only there
    with av.open(path, "w", format=kind, options=options or {}) as container:
        if count:
            pictures = container.add_stream(codec, rate=fps)
            pictures.width, pictures.height, pictures.pix_fmt, pictures.gop_size = width, height, pixels, gop
        voice = container.add_stream("aac", rate=8000) if sound else None
        for number in range(count):
            canvas = np.full((height, width, 3), 30, np.uint8)
            left = number * (width - width // BAR) // max(1, count - 1)
            canvas[: height // 2, left : left + width // BAR] = (230, 40, 40)  # in the upper half: upright is seen too
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
        if count:
            container.mux(pictures.encode())
        if voice is not None:
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            noise.sample_rate = 8000
            container.mux(voice.encode(noise))
            container.mux(voice.encode())
    data = path.read_bytes()
    shutil.rmtree(path.parent)
    return data


def bar_at(pixels: np.ndarray, count: int = 30) -> int:
    """Which of the clip's frames `pixels` is, by where its bar stands."""
    reddish = (pixels[:, :, 0].astype(int) - pixels[:, :, 1] > 80).mean(axis=0)
    width = pixels.shape[1]
    left = int(np.flatnonzero(reddish > 0.25)[0])
    return round(left * (count - 1) / (width - width // BAR))


def turned(mp4: bytes, quarter_turns: int) -> bytes:
    """The same MP4 saying that it is to be shown turned clockwise, as phones do."""
    one = 0x10000
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarter_turns % 4]
    matrix = [cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 0x40000000]
    at = mp4.index(b"tkhd") + 4 + 40  # version 0: the matrix is 40 bytes behind the version
    packed = b"".join((each & 0xFFFFFFFF).to_bytes(4, "big") for each in matrix)
    return mp4[:at] + packed + mp4[at + 36 :]
