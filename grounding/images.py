"""The way in for every picture, wherever it came from: limits first, then upright RGB pixels without metadata.

What a file is, its content says, never its name. Nothing is decoded before its size is known to be allowed.
Knows nothing of models, pages or the network. Colour profiles are not applied: pixel values stay as the file has them.

TIFF, PSD, EPS and the other forty formats Pillow knows stay closed: their readers are where its serious faults were.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from grounding.errors import ImageError
from grounding.image_kinds import READABLE, recognise
from grounding.jpegs import bare
from grounding.types import Note, NoteKind

MAX_PIXELS = 40_000_000
"""Above every phone's everyday picture; a decoded one costs 120 MB, about twice that while it is converted."""

MAX_BYTES = 50_000_000
"""What one upload or download may weigh: 40 megapixels that no format can pack fit, and so does a long PDF."""

_MAX_JPEG_SIDE = 65_500  # libjpeg's own limit
_MAX_SENT_PNG_PIXELS = 4_000_000  # a PNG of more takes seconds to pack

_LOSSLESS = frozenset({"PNG", "GIF", "BMP"})
_ANIMATED = frozenset({"PNG", "GIF", "WEBP", "AVIF"})  # a JPEG's or HEIC's further pictures are depth maps and the like
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers and their C libraries raise on damaged files. Pillow documents none of it; these were seen."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF tag 0x0112: what brings each stored orientation upright. 1 and anything unknown: nothing."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Upright RGB pixels without metadata; what had to be converted on the way in is in `notes`.

    format: what the content was, e.g. "JPEG"; "PNG" for pixels that were handed over in memory.
    coded: exactly these pixels as they came in a JPEG, without metadata; None for any that were converted or turned.
    """

    image: Image.Image
    name: str = ""
    format: str = "PNG"
    notes: tuple[Note, ...] = ()
    coded: bytes | None = field(default=None, repr=False, kw_only=True)

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.image.size

    @functools.cached_property
    def content_id(self) -> str:
        """SHA-256 of size and pixels in hex: equal for equal pictures, whatever file or format they came from."""
        digest = hashlib.sha256(f"{self.image.width}x{self.image.height}:".encode())
        for top in range(0, self.image.height, 256):  # in bands: no second picture-sized copy
            digest.update(self.image.crop((0, top, self.image.width, min(top + 256, self.image.height))).tobytes())
        return digest.hexdigest()


def load(source: bytes | Path | BytesIO | Image.Image, *, name: str = "") -> Picture:
    """The picture in `source`, upright and RGB; raises ImageError with a sentence where there is none we read."""
    if isinstance(source, Image.Image):
        return _load_image(source, name)
    if isinstance(source, Path):
        name = name or source.name
    data = _read(source)
    kind = recognise(data)
    if kind == "HEIF":
        _open_heif()
    try:
        if kind == "PNG":  # reading one passes over wrong checksums and shows whatever comes out
            with Image.open(BytesIO(data), formats=[kind]) as opened:
                _check_pixels(opened)
                opened.verify()
        with Image.open(BytesIO(data), formats=[kind]) as opened:
            picture = _convert(opened, name, kind)
            return replace(picture, coded=bare(data)) if kind == "JPEG" and not picture.notes else picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("far more pixels than are read here") from error
    except MemoryError as error:
        raise ImageError("There is not enough memory to open this picture. Make it smaller and try again.") from error
    except _UNREADABLE as error:
        raise ImageError(
            f"This {_spoken(kind)} picture is damaged or incomplete. Save or download it again, or convert it to PNG."
        ) from error


def encode(picture: Picture, *, max_bytes: int = MAX_BYTES) -> tuple[bytes, str]:
    """The picture as (bytes, mime type) to send to a service: no metadata, at most `max_bytes`.

    An upright JPEG goes as it came, lossless sources up to 4 megapixels as PNG if that fits; all else as JPEG, quality
    95 with full colour resolution (4:4:4), where thin coloured edges survive. What is still too heavy is sent at
    quality 85, then smaller.
    """
    if picture.coded is not None and len(picture.coded) <= max_bytes:
        return picture.coded, "image/jpeg"
    if picture.format in _LOSSLESS and picture.image.width * picture.image.height <= _MAX_SENT_PNG_PIXELS:
        data = _packed(picture.image, "PNG")
        if len(data) <= max_bytes:
            return data, "image/png"
    for image, quality in _attempts(picture.image):
        data = _packed(image, "JPEG", quality=quality, subsampling=0)
        if len(data) <= max_bytes:
            break
    return data, "image/jpeg"


def thumbnail(picture: Picture, max_side: int) -> Image.Image:
    """A copy whose longer side is at most `max_side` pixels; never enlarged."""
    if max(picture.size_wh) <= max_side:
        return picture.image.copy()
    scale = max_side / max(picture.size_wh)
    width, height = (max(1, round(side * scale)) for side in picture.size_wh)
    return picture.image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def jpeg_uri(image: Image.Image) -> str:
    """`image` as a data URI, to be shown small: a JPEG of quality 85."""
    return f"data:image/jpeg;base64,{base64.b64encode(_packed(image.convert('RGB'), 'JPEG', quality=85)).decode()}"


def _read(source: bytes | Path | BytesIO) -> bytes:
    if isinstance(source, Path):
        try:
            if not source.is_file():
                raise ImageError("There is no such picture file. Check its name and try again.")
            _check_bytes(source.stat().st_size)
            with source.open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # the file may have grown since
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise ImageError("The picture file could not be read. Check that it exists and may be opened.") from error
    elif isinstance(source, BytesIO):
        _check_bytes(source.getbuffer().nbytes)
        data = source.getvalue()
    else:
        data = source
    _check_bytes(len(data))
    return data


def _check_bytes(count: int) -> None:
    if count == 0:
        raise ImageError("The picture file is empty. Save or download it again.")
    if count > MAX_BYTES:
        limit, weight = MAX_BYTES // 1_000_000, count / 1_000_000
        raise ImageError(f"The picture file is too large: {weight:.0f} MB; the limit is {limit} MB. Make it smaller.")


@functools.cache
def _open_heif() -> None:
    """Lets Pillow open HEIC and HEIF. Once, on the first such file: most visits never need the library."""
    import pi_heif

    pi_heif.register_heif_opener()


def _load_image(image: Image.Image, name: str) -> Picture:
    """As `load` for pixels in memory. A lazily opened file is held to the same formats as bytes are."""
    kind = "JPEG" if image.format == "MPO" else image.format or "PNG"
    if kind not in {"PNG", "JPEG", "WEBP", "HEIF", "AVIF", "GIF", "BMP"}:
        raise ImageError(f"This picture format is not read here. Save the picture as {READABLE} and load that.")
    try:
        return _convert(image, name, kind)
    except _UNREADABLE as error:
        raise ImageError("This picture is damaged or incomplete. Save or download it again.") from error


def _convert(opened: Image.Image, name: str, kind: str) -> Picture:
    _check_pixels(opened)
    notes: list[str] = []
    orientation = _orientation(opened, notes)
    if kind in _ANIMATED and getattr(opened, "is_animated", False):  # before load: n_frames would walk every frame
        notes.append("The picture is animated; only its first frame is used.")
        opened.seek(0)
    opened.load()
    image = _to_rgb(opened, notes)
    image.info.clear()
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
        notes.append("The picture was turned upright as its camera noted; coordinates are those of the upright one.")
    return Picture(image, name, kind, tuple(Note(NoteKind.PICTURE, note) for note in notes))


def _check_pixels(opened: Image.Image) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width}×{height} pixels")
    if not width or not height:
        raise ImageError("The picture has no pixels. Save or download it again.")


def _orientation(opened: Image.Image, notes: list[str]) -> int:
    """EXIF orientation 1-8 as stored. HEIC says 1: libheif has turned the pixels already."""
    try:
        value = opened.getexif().get(0x0112, 1)
    except _UNREADABLE:
        notes.append("The picture's camera notes (EXIF) are damaged and were ignored; it may lie on its side.")
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(opened: Image.Image, notes: list[str]) -> Image.Image:
    """A new RGB image without alpha: 16 bits scaled to 8, transparency laid on white; each change noted."""
    mode = opened.mode
    if mode.startswith("I"):
        grey = np.asarray(opened)
        notes.append("The picture has 16 bits per pixel; they were scaled to 8.")
        return Image.fromarray((grey.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")  # convert() alone would clip
    if mode == "F":
        raise ImageError("Pictures of floating-point numbers are not read. Save it as 8- or 16-bit PNG and load that.")
    if mode in ("P", "PA"):
        notes.append("The picture's palette was turned into RGB colours.")
    elif mode == "CMYK":
        notes.append("The picture has print colours (CMYK); they were converted to RGB and may look different.")
    if not opened.has_transparency_data:
        return opened.convert("RGB")
    image, alpha = _split_alpha(opened)
    if alpha.getextrema() != (255, 255):
        notes.append("The picture has transparent parts; they were laid on white.")
        image.paste((255, 255, 255), mask=alpha.point([255 - value for value in range(256)]))
    return image


def _split_alpha(opened: Image.Image) -> tuple[Image.Image, Image.Image]:
    rgba = opened if opened.mode == "RGBA" else opened.convert("RGBA")
    return rgba.convert("RGB"), rgba.getchannel("A")


def _too_large(what: str) -> ImageError:
    return ImageError(f"The picture is too large: {what}; the limit is 40 megapixels. Make it smaller and try again.")


def _spoken(kind: str) -> str:
    return "HEIC" if kind == "HEIF" else kind


def _packed(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _attempts(image: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """Ever lighter versions: quality first, then size, down to a picture of a few pixels."""
    if max(image.size) > _MAX_JPEG_SIDE:
        image = ImageOps.contain(image, (_MAX_JPEG_SIDE, _MAX_JPEG_SIDE), Image.Resampling.LANCZOS)
    yield image, 95
    while True:
        yield image, 85
        if max(image.size) <= 16:
            return
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.LANCZOS)
