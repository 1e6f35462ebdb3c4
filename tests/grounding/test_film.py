"""The film of a clip's moments: how long each stands, whether players take it, whether it looks like what was drawn."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from grounding import film, video


def test_a_film_of_moments_shows_each_until_the_next_and_no_longer_than_two_seconds(tmp_path: Path) -> None:
    colours = ["red", "lime", "blue"]
    drawn = [(at, Image.new("RGB", (161, 97), colour)) for at, colour in zip((0.5, 1.5, 2.0), colours, strict=True)]
    film.write(tmp_path / "film.mp4", drawn, 60.0)
    written = video.load(tmp_path / "film.mp4")
    assert written.seconds == pytest.approx(1.0 + 0.5 + 2.0, abs=0.05)
    found = list(video.pick(written, (0.2, 0.8, 1.1, 1.4, 1.6, 3.3)))
    main = [max(range(3), key=lambda channel: each.picture.image.getpixel((100, 20))[channel]) for each in found]
    assert main == [0, 0, 1, 1, 2, 2]
    assert found[0].picture.size_wh == (160, 96)
    corner = [np.asarray(each.picture.image.crop((0, 72, 60, 96))) for each in found]
    assert corner[0].max() > 180, "the moment is written in its corner"
    assert corner[0].min() < 60


def test_a_film_plays_in_browsers_and_is_no_larger_than_a_screen(tmp_path: Path) -> None:
    film.write(tmp_path / "f", [(0.0, Image.radial_gradient("L").resize((4000, 3000)).convert("RGB"))], 1.0)
    data = (tmp_path / "f").read_bytes()
    with av.open(BytesIO(data)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.codec_context.width, stream.codec_context.height) == (1280, 960)
    assert data.index(b"moov") < data.index(b"mdat"), "it plays before it is whole"


def test_colours_come_back_as_they_were(tmp_path: Path) -> None:
    film.write(tmp_path / "film", [(0.0, Image.new("RGB", (640, 400), (200, 60, 40)))], 1.0)
    (found,) = video.pick(video.load(tmp_path / "film"), (0.0,))
    assert found.picture.image.getpixel((600, 20)) == pytest.approx((200, 60, 40), abs=12)
