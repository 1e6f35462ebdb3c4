"""Clips: what is read, which frames are picked, what is refused and in which words."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding import images, video
from grounding.errors import ImageError
from tests.clip import bar_at, clip, turned

KINDS = [
    pytest.param({}, id="H.264 in MP4"),
    pytest.param({"options": {"movflags": "+faststart"}}, id="MP4 with its index first"),
    pytest.param({"options": {"movflags": "frag_keyframe+empty_moov"}}, id="MP4 in fragments"),
    pytest.param({"kind": "mov"}, id="MOV"),
    pytest.param({"codec": "libx265"}, id="HEVC"),
    pytest.param({"codec": "libvpx-vp9", "kind": "webm"}, id="VP9 in WebM"),
    pytest.param({"codec": "libvpx", "kind": "webm"}, id="VP8 in WebM"),
    pytest.param({"codec": "libsvtav1", "kind": "webm"}, id="AV1 in WebM"),
    pytest.param({"kind": "matroska", "options": {"live": "1"}}, id="MKV as it is streamed, without a length"),
    pytest.param({"codec": "mpeg4", "kind": "avi"}, id="MPEG-4 in AVI"),
    pytest.param({"codec": "mjpeg", "kind": "avi", "pixels": "yuvj420p"}, id="Motion JPEG in AVI"),
    pytest.param({"sound": True}, id="with sound"),
    pytest.param({"gop": 300}, id="one key frame"),
    pytest.param({"gop": 1}, id="key frames only"),
]


@pytest.mark.parametrize("how", KINDS)
def test_moments_are_the_frames_shown_then(how: dict) -> None:
    opened = video.load(clip(30, **how), name="walk.mp4")
    assert opened.seconds == pytest.approx(3.0, abs=0.05)
    assert len(opened.times_s) == 30
    times = video.moments(opened, 5)
    assert times == pytest.approx([0.3, 0.9, 1.5, 2.1, 2.7], abs=0.051)
    found = list(video.pick(opened, times))
    assert [each.at_s for each in found] == pytest.approx(times, abs=0.01)
    assert video.unread(times, [each.at_s for each in found]) == 0
    assert [bar_at(np.asarray(each.picture.image)) for each in found] == [round(at * 10) for at in times]
    assert found[0].picture.size_wh == (160, 96)
    assert found[0].picture.name == "walk at 0m00.30s.jpg"


@given(count=st.integers(1, 12), asked=st.integers(1, 16))
@settings(max_examples=12, deadline=None)
def test_there_are_as_many_moments_as_asked_for_or_as_frames_spread_evenly(count: int, asked: int) -> None:
    opened = video.load(clip(count, size_wh=(32, 32)))
    times = video.moments(opened, asked)
    assert len(times) == min(asked, count)
    assert list(times) == sorted(set(times))
    assert set(times) <= set(opened.times_s)
    assert [each.at_s for each in video.pick(opened, times)] == pytest.approx(times, abs=0.001)


@pytest.mark.parametrize(("turns", "size_wh"), [(0, (160, 96)), (1, (96, 160)), (2, (160, 96)), (3, (96, 160))])
def test_a_clip_of_a_turned_phone_is_upright(turns: int, size_wh: tuple[int, int]) -> None:
    (first,) = video.pick(video.load(turned(clip(10), turns)), (0.0,))
    assert first.picture.size_wh == size_wh
    straight = np.rot90(np.asarray(first.picture.image), turns)  # np turns the other way round: what it was before
    assert bar_at(straight, 10) == 0
    assert straight[10, 5, 0] > 200
    assert straight[90, 5, 0] < 60


def test_moments_of_a_cut_clip_are_those_that_are_whole() -> None:
    data = clip(30, options={"movflags": "+faststart"}, gop=5)
    opened = video.load(data[: len(data) * 2 // 3])
    times = video.moments(opened, 6)
    found = list(video.pick(opened, times))
    assert (len(times), len(found)) == (6, 4)
    assert video.unread(times, [each.at_s for each in found]) == 2
    assert found[-1].at_s < opened.seconds <= 3.01
    assert all(bar_at(np.asarray(each.picture.image)) == round(each.at_s * 10) for each in found)


REFUSED = [
    pytest.param(b"", "empty", id="nothing"),
    pytest.param(clip(30)[:900], "damaged", id="cut before its index"),
    pytest.param(b"\0\0\0\x18ftypisom" + b"\0" * 500, "damaged", id="a beginning and zeros"),
    pytest.param(b"\x1aE\xdf\xa3" + b"\xff" * 500, "damaged", id="WebM of nonsense"),
    pytest.param(b"RIFF\xff\xff\xff\xffAVI LIST" + b"\xff" * 200, "damaged", id="AVI of nonsense"),
    pytest.param(clip(0, sound=True), "no pictures", id="only sound"),
    pytest.param(clip(0, sound=True, kind="matroska"), "no pictures", id="only sound, in MKV"),
    pytest.param(clip(2, codec="ffv1", kind="matroska"), "coded", id="an archive's codec"),
    pytest.param(clip(2, codec="wmv2", kind="asf"), "not read here", id="WMV"),
    pytest.param(clip(2, kind="mpegts"), "not read here", id="a transport stream"),
    pytest.param(clip(2, codec="flv", kind="flv"), "not read here", id="Flash"),
    pytest.param(b"ID3\x04" + b"\0" * 200, "not read here", id="MP3"),
    pytest.param(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not read here", id="a playlist that names files"),
    pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", "not read here", id="a list of files"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED)
def test_what_is_no_clip_ends_in_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words) as error:
        video.load(data)
    assert len(str(error.value)) < 200


def test_an_over_long_clip_is_refused() -> None:
    data = bytearray(clip(4, fps=1, size_wh=(32, 32), options={"use_editlist": "0"}))
    at = data.index(b"stts") + 12  # its one entry: (count, how long each is shown)
    data[at + 4 : at + 8] = (int.from_bytes(data[at + 4 : at + 8], "big") * 2000).to_bytes(4, "big")
    with pytest.raises(ImageError, match="an hour is the limit"):
        video.load(bytes(data))


def test_a_clip_whose_frames_become_gigantic_is_read_up_to_there() -> None:
    data = motion_jpeg([(96, 96), (8000, 8000)])
    opened = video.load(data)
    found = list(video.pick(opened, opened.times_s))
    assert [each.picture.size_wh for each in found] == [(96, 96)]
    assert video.unread(opened.times_s, [each.at_s for each in found]) == 1
    with pytest.raises(ImageError, match="damaged"):
        list(video.pick(opened, opened.times_s[1:]))


def test_wide_pixels_do_not_make_a_frame_larger_than_the_limit() -> None:
    small, large = (motion_jpeg([size_wh], pixel_ratio=9) for size_wh in ((32, 32), (2200, 2200)))
    (found,) = video.pick(video.load(small), (0.0,))
    assert found.picture.size_wh == (288, 32)
    with pytest.raises(ImageError, match="40 megapixels"):
        list(video.pick(video.load(large), (0.0,)))


def motion_jpeg(sizes_wh: list[tuple[int, int]], pixel_ratio: int = 1) -> bytes:
    """Black frames of these sizes, one after another; the container says the size of the first for all."""
    out = BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=10)
        (stream.width, stream.height), stream.pix_fmt = sizes_wh[0], "yuvj420p"
        for number, size_wh in enumerate(sizes_wh):
            coded = BytesIO()
            Image.new("RGB", size_wh).save(coded, "JPEG", dpi=(72 * pixel_ratio, 72))
            packet = av.Packet(coded.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
            packet.is_keyframe = True
            container.mux(packet)
    return out.getvalue()


def test_one_larger_than_the_limit_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "huge.mp4").open("wb") as file:
        file.truncate(3_000_000_000)
    started = time.thread_time()
    with pytest.raises(ImageError, match="larger than 50 MB"):
        video.load(tmp_path / "huge.mp4")
    assert time.thread_time() - started < 2


def test_reading_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = video.load(clip(30))
    monkeypatch.setattr(video, "READ_S", -1.0)
    with pytest.raises(ImageError, match="Shorten it"):
        list(video.pick(opened, (2.5,)))


def opened_and_picked(data: bytes) -> list[video.Moment]:
    opened = video.load(data)
    return list(video.pick(opened, video.moments(opened, 3)))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_does_more_than_end_in_a_sentence(data: st.DataObject) -> None:
    whole = SMALL[data.draw(st.sampled_from(sorted(SMALL)))]
    broken = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=20)):
        broken[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(20, len(whole)))
    try:
        found = opened_and_picked(bytes(broken[:cut]))
    except ImageError:
        return
    assert [each.at_s for each in found] == sorted(each.at_s for each in found)


SMALL = {
    "mp4": clip(6, size_wh=(32, 32)),
    "webm": clip(6, size_wh=(32, 32), codec="libvpx", kind="webm"),
    "avi": clip(6, size_wh=(32, 32), codec="mjpeg", kind="avi", pixels="yuvj420p"),
}

HEADS = [
    pytest.param(clip(1)[:64], True, id="MP4"),
    pytest.param(clip(1, codec="libvpx", kind="webm")[:64], True, id="WebM"),
    pytest.param(clip(1, codec="flv", kind="flv")[:64], True, id="a clip we cannot read: it gets a clip's sentence"),
    pytest.param(b"\x89PNG\r\n\x1a\n", False, id="PNG"),
    pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", False, id="HEIC"),
    pytest.param(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", False, id="AVIF"),
    pytest.param(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", False, id="a camera's raw picture"),
    pytest.param(b"RIFF\0\0\0\0WEBPVP8 ", False, id="WEBP"),
    pytest.param(b"GIF89a", False, id="GIF"),
    pytest.param(b"%PDF-1.7", False, id="PDF"),
    pytest.param(b"", False, id="nothing"),
]


@pytest.mark.parametrize(("head", "expected"), HEADS)
def test_clips_are_known_by_their_content(head: bytes, expected: bool) -> None:
    assert video.is_clip(head) is expected


CLOCKS = [(0, "0:00.0"), (3.24, "0:03.2"), (59.97, "1:00.0"), (760, "12:40.0"), (3599.99, "60:00.0")]


@pytest.mark.parametrize(("seconds", "words"), CLOCKS)
def test_moments_are_told_in_minutes_and_seconds(seconds: float, words: str) -> None:
    assert video.clock(seconds) == words


def test_the_picture_reader_says_of_a_clip_what_it_is() -> None:
    with pytest.raises(ImageError, match="video"):
        images.load(clip(2))


def test_nothing_of_it_is_loaded_before_the_first_clip() -> None:
    script = "import sys, grounding.video; print('av' in sys.modules)"
    root = Path(__file__).parents[2]
    loaded = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60)
    assert loaded.stdout.strip() == "False", loaded.stderr
