"""The way in for clips: a video is checked, its frames are counted, and single ones become Pictures.

FFmpeg reads them, through PyAV, loaded on the first clip. What a file is, its content says, never its name; only common
containers and codecs are opened, none of which leads to other files or addresses. Sound is ignored. Knows no models.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from grounding.errors import ImageError
from grounding.images import MAX_PIXELS, Picture

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_BYTES = 50_000_000
"""What the page takes as one file: half a minute of a phone's full HD, many minutes of a screen recording."""

MAX_S = 3600.0
MAX_FRAMES = 250_000
"""More than an hour at 60 frames a second has; what claims more is no clip of MAX_BYTES."""

READ_S = 30.0
"""Seconds a clip may keep us busy: sixteen moments of a minute of full HD take a few."""

READABLE = "MP4, MOV, WebM, MKV or AVI"

_CODECS = {
    "h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "mpeg2video", "prores",
}  # fmt: skip
_DECODING = {"max_pixels": str(MAX_PIXELS)}  # held for every frame: a clip may change its size half-way
_OPTIONS = {
    "codec_whitelist": ",".join(sorted(_CODECS)),
    "protocol_whitelist": "",  # nothing but the bytes given
    **_DECODING,
}

_SAME_S = 1e-4  # times of a frame and of its packet differ by less
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}

_TOO_LARGE = f"The frames of this clip are larger than {MAX_PIXELS // 1_000_000} megapixels. Save it smaller."
_DAMAGED = "This clip is damaged or incomplete. Save or download it again, or convert it to MP4."


@dataclass(frozen=True, eq=False)
class Clip:
    """A video that opens. times_s: when each frame is shown, rising, the first at 0; seconds: how long all of it is.

    start_s: what the file itself calls the first frame's time; keys: (when, pts) of the frames decoding can begin at.
    """

    data: bytes = field(repr=False)
    times_s: tuple[float, ...] = field(repr=False)
    seconds: float
    name: str = ""
    start_s: float = 0.0
    keys: tuple[tuple[float, int], ...] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame of a clip, upright; at_s: when the clip shows it."""

    at_s: float
    picture: Picture


def is_clip(head: bytes) -> bool:
    """Whether a file that begins with `head`, of 1 KB or so, looks like a video or sound, readable here or not."""
    return _container(head) is not None or head[4:8] == b"moov"


def load(source: bytes | Path, *, name: str = "") -> Clip:
    """The clip in `source`; raises ImageError with a sentence where there is none, or more than is read here."""
    if isinstance(source, Path):
        name = name or source.name
    data = _read(source)
    with _opened(data) as (container, stream):
        packets = sorted(_packets(container, stream))
    if not packets:
        raise ImageError(_DAMAGED)
    start_s = packets[0][0]
    times = [at - start_s for at, _, _ in packets]
    seconds = times[-1] + (times[-1] / (len(times) - 1) if len(times) > 1 else 0.0)  # the last is shown as long as any
    if seconds > MAX_S:
        raise ImageError(f"This clip is {clock(seconds)} long; an hour is the limit. Cut out the part that matters.")
    keys = tuple((at - start_s, pts) for at, pts, is_key in packets if is_key)
    return Clip(data, tuple(dict.fromkeys(times)), seconds, name, start_s, keys)


def moments(clip: Clip, count: int) -> tuple[float, ...]:
    """When the frames in the middle of `count` equal parts are shown; fewer where the clip has fewer frames."""
    wanted = [clip.seconds * (part + 0.5) / max(1, count) for part in range(max(1, count))]
    places = [max(0, bisect.bisect_right(clip.times_s, at + _SAME_S) - 1) for at in wanted]
    return tuple(clip.times_s[place] for place in dict.fromkeys(places))


def pick(clip: Clip, times_s: Sequence[float]) -> Iterator[Moment]:
    """The frames shown at `times_s`, in order, read one by one; for a damaged one the next that is whole, if any.

    Raises ImageError where none can be read, or reading takes longer than READ_S.
    """
    stem = Path(clip.name).stem or "clip"
    nothing = True
    with _opened(clip.data) as (container, stream):
        for at, frame in _whole_frames(clip, container, stream, sorted(set(times_s))):
            nothing = False
            yield Moment(at, Picture(_upright(frame, stream), _name(stem, at), "JPEG"))
    if nothing:
        raise ImageError(_DAMAGED)


def unread(asked_s: Iterable[float], got_s: Iterable[float]) -> int:
    """How many moments of `asked_s`, each a frame's time, are not among `got_s`, those that could be read."""
    got = sorted(got_s)
    return sum(bisect.bisect_left(got, at - _SAME_S) == bisect.bisect_right(got, at + _SAME_S) for at in set(asked_s))


def clock(seconds: float) -> str:
    """A moment for people: "0:03.2", "12:40.0"."""
    minutes, rest = divmod(round(seconds * 10), 600)
    return f"{minutes}:{rest / 10:04.1f}"


def _name(stem: str, at_s: float) -> str:
    """A file's name that every system takes, and another one for each frame of a usual clip: "walk at 0m03.24s.jpg"."""
    minutes, rest = divmod(round(at_s * 100), 6000)
    return f"{stem} at {minutes}m{rest / 100:05.2f}s.jpg"


def _container(head: bytes) -> str | None:
    """FFmpeg's name of the container that `head` begins, "" for one that is not read here; None for no clip at all."""
    if head[4:8] == b"ftyp":
        pictures = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
        return None if head[8:12] in pictures else "mov"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"WAVE"):
        return "avi" if head[8:12] == b"AVI " else ""
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return "mov"
    others = (b"\x30\x26\xb2\x75", b"FLV\x01", b"OggS", b"ID3", b"fLaC", b"\0\0\x01\xba", b"\0\0\x01\xb3")
    if head.startswith(others) or (head[:1] == b"\x47" and head[188:189] == b"\x47"):
        return ""
    return None


def _read(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        data = source
    else:
        try:
            with source.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            raise ImageError("The clip could not be read. Check that it exists and may be opened.") from None
    if not data:
        raise ImageError("The clip is empty. Save or download it again.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"The clip is larger than {MAX_BYTES // 1_000_000} MB. Shorten it, or save it smaller.")
    return data


@contextmanager
def _opened(data: bytes) -> Iterator[tuple[InputContainer, VideoStream]]:
    import av

    kind = _container(data[:1024])
    if not kind:
        raise ImageError(f"This kind of clip is not read here. Save it as {READABLE}.")
    try:
        with av.open(BytesIO(data), "r", format=kind, options=_OPTIONS) as container:
            yield container, _pictures(container)
    except (av.error.FFmpegError, EOFError, OSError, ValueError, OverflowError):
        raise ImageError(_DAMAGED) from None
    except MemoryError:
        raise ImageError("There is not enough memory to read this clip. Save it smaller and try again.") from None


def _pictures(container: InputContainer) -> VideoStream:
    """The stream of moving pictures; raises ImageError where there is none we read."""
    from av.stream import Disposition

    shown = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not container.streams:
        raise ImageError(_DAMAGED)
    if not shown:
        raise ImageError("There are no pictures in this file, only sound or text. Load a clip, or a picture.")
    stream = shown[0]
    coded = stream.codec_context
    if coded is None or coded.name not in _CODECS:
        raise ImageError("The way this clip is coded is not read here. Save it as MP4 with H.264.")
    if not 0 < coded.width * coded.height <= MAX_PIXELS:
        raise ImageError(_TOO_LARGE)
    coded.options = _DECODING  # what the container is opened with does not reach the decoder
    stream.thread_type = "AUTO"
    return stream


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[tuple[float, int, bool]]:
    """(time, pts, whether decoding can begin there) of each frame, nothing decoded; ends where the file is cut."""
    import av

    try:
        for number, packet in enumerate(container.demux(stream)):
            pts = packet.dts if packet.pts is None else packet.pts
            if number > MAX_FRAMES:
                raise ImageError(f"This clip has more than {MAX_FRAMES:,} frames. Cut out the part that matters.")
            if pts is not None and packet.size and not packet.is_discard:
                yield float(pts * packet.time_base), pts, packet.is_keyframe
    except av.error.FFmpegError:
        return


@dataclass(slots=True)
class _Budget:
    """ends: when, on the monotonic clock, reading has to stop."""

    ends: float


def _whole_frames(
    clip: Clip, container: InputContainer, stream: VideoStream, wanted: Sequence[float]
) -> Iterator[tuple[float, VideoFrame]]:
    """The first whole frame at or after each of `wanted`, rising; decoding begins anew where that is a shorter way."""
    budget = _Budget(time.monotonic() + READ_S)
    key_times = [at for at, _ in clip.keys]
    here, frames = -1.0, _decoded(container, stream, budget)
    for at in wanted:
        if at <= here:
            continue  # passed by a frame that stood in for a damaged one
        place = bisect.bisect_right(key_times, at + _SAME_S) - 1
        if place >= 0 and key_times[place] > here:
            container.seek(clip.keys[place][1], stream=stream)
            frames = _decoded(container, stream, budget)
        for frame in frames:
            pts = frame.dts if frame.pts is None else frame.pts
            here = here if pts is None or stream.time_base is None else float(pts * stream.time_base) - clip.start_s
            if here >= at - _SAME_S and not frame.is_corrupt:
                left = time.monotonic()
                yield max(0.0, here), frame
                budget.ends += time.monotonic() - left  # what the caller does with it is not reading
                break


def _decoded(container: InputContainer, stream: VideoStream, budget: _Budget) -> Iterator[VideoFrame]:
    """Frames from where the container stands, without those that cannot be decoded."""
    import av

    try:
        for packet in container.demux(stream):
            if time.monotonic() > budget.ends:
                raise ImageError(f"Reading this clip took over {READ_S:.0f} s. Shorten it, or save it smaller.")
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            yield from frames
    except av.error.FFmpegError:  # the file is cut here
        return


def _upright(frame: VideoFrame, stream: VideoStream) -> Image.Image:
    """RGB pixels as a player shows them: square ones, turned as the phone was held; ImageError for too many."""
    ratio = stream.sample_aspect_ratio
    width = max(1, round(frame.width * ratio)) if ratio and 0.1 < ratio < 10 else frame.width
    if width * frame.height > MAX_PIXELS:
        raise ImageError(_TOO_LARGE)
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    if width != image.width:
        image = image.resize((width, image.height), Image.Resampling.LANCZOS)
    turn = _TURNS.get(frame.rotation % 360)
    return image if turn is None else image.transpose(turn)
