"""A picture's labels as plain JSON and back without any loss: what journals and projects keep, and engines pass on.

Arrays and long texts are blobs, kept once each under their hash wherever the caller keeps them. Fields are found by the
types' own annotations, so that a field added to them is kept without a word here. Defaults are left out.

Soft masks are deflated as the 8-bit levels they came as where that is exact, else as float32: 16 bits would round what
PaliGemma's decoder gives, and an .npz is the same bytes inside a ZIP that a stranger may have filled with anything.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import types
import typing
import zlib
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from grounding.errors import RequestError
from grounding.labels import Sample
from grounding.types import Detection, Point

T = TypeVar("T")
Put = Callable[[bytes], str]
"""Keeps a blob and gives its key, which is `blob_key` of it; whether and how it is deflated is the keeper's affair."""
Get = Callable[[str], bytes]
"""The blob of a key, as `deflated` made it."""

_LONG_TEXT = 256
_MAX_TEXT_BYTES = 64_000_000
_MAX_MASK_PIXELS = 64_000_000
"""Far above any answer or mask there is; what a damaged or hostile file may make us allocate."""

_SLIP = 1e-6
"""What rounding may add to a number that lies in [0, 1]."""

_DAMAGED = "These labels are damaged or come from a newer version, and cannot be read."


def to_record(sample: Sample) -> dict[str, Any]:
    """`sample` as one self-contained JSON value, blobs in base64; without its picture file."""
    blobs: dict[str, str] = {}

    def put(data: bytes) -> str:
        key = blob_key(data)
        if key not in blobs:
            blobs[key] = base64.b64encode(deflated(data)).decode()
        return key

    return {"sample": encode(dataclasses.replace(sample, file=None), put), "blobs": blobs}


def from_record(record: Mapping[str, Any]) -> Sample:
    """The sample that `to_record` was given; RequestError where it cannot be one."""
    try:
        blobs = record["blobs"]
        return decode(record["sample"], Sample, lambda key: base64.b64decode(blobs[key]))
    except (KeyError, TypeError, AttributeError) as error:
        raise RequestError(_DAMAGED) from error


def blob_key(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def deflated(data: bytes) -> bytes:
    return zlib.compress(data, 1)  # the levels above take thrice the time for masks a tenth smaller


def encode(value: Any, put: Put) -> Any:
    """`value` as JSON; arrays and long texts are handed to `put`, and what it gives back stands for them."""
    texts: dict[str, Any] = {}  # every origin repeats the whole answer

    def put_text(text: str) -> Any:
        if text not in texts:
            texts[text] = {"blob": put(_utf8(text))}
        return texts[text]

    return _encode(value, put, put_text)


def _encode(value: Any, put: Put, put_text: Callable[[str], Any]) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return put_text(value) if len(value) > _LONG_TEXT else value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, np.ndarray):
        return _encode_array(value, put)
    if dataclasses.is_dataclass(value):
        fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {field.name: _encode(each, put, put_text) for field, each in fields if not _is_default(field, each)}
    if isinstance(value, Mapping):
        return dict(value)  # parameters, as they were sent: JSON already
    if isinstance(value, tuple | list):
        return [_encode(each, put, put_text) for each in value]
    raise TypeError(f"no record has room for {type(value)}")


def decode(data: Any, kind: type[T], get: Get) -> T:
    """The value of type `kind` that `encode` made `data` of; RequestError where it cannot be one."""
    try:
        return typing.cast(T, _decode(data, kind, get))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, zlib.error) as error:
        raise RequestError(_DAMAGED) from error


def _decode(data: Any, kind: Any, get: Get) -> Any:
    if isinstance(kind, types.UnionType):
        return None if data is None else _decode(data, next(each for each in kind.__args__ if each is not _NONE), get)
    if kind is np.ndarray:
        return _decode_array(data, get)
    if kind is str:
        return _text(_blob(data, _MAX_TEXT_BYTES, get)) if isinstance(data, dict) else _expect(data, str)
    if kind is float:
        return float(_expect(data, float | int))
    if kind in (int, bool):
        return _expect(data, kind)
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _decode_tuple(_expect(data, list), typing.get_args(kind), get)
    if origin is not None:  # the one Mapping: parameters
        return dict(_expect(data, dict))
    if issubclass(kind, tuple):  # Box, Point
        return _inside(kind(*(float(_expect(each, float | int)) for each in data)))
    if issubclass(kind, Enum):
        return kind(data)
    hints = _hints(kind)
    given = {name: each for name, each in _expect(data, dict).items() if name in hints}
    return _scored(kind(**{name: _decode(each, hints[name], get) for name, each in given.items()}))


def _inside(place: Any) -> Any:
    """A box says itself whether it is one; a point does not."""
    if isinstance(place, Point) and not all(-_SLIP <= each <= 1 + _SLIP for each in place):  # also false for NaN
        raise ValueError("no point in [0, 1]")
    return place


def _scored(value: Any) -> Any:
    if isinstance(value, Detection) and value.score is not None and not -_SLIP <= value.score <= 1 + _SLIP:
        raise ValueError("no score in [0, 1]")
    return value


def _decode_tuple(data: list[Any], kinds: tuple[Any, ...], get: Get) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode(each, kinds[0], get) for each in data)
    return tuple(_decode(each, kind, get) for each, kind in zip(data, kinds, strict=True))


def _expect(data: Any, kind: Any) -> Any:
    if not isinstance(data, kind):
        raise TypeError(f"{type(data)} is not {kind}")
    return data


_NONE = type(None)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return False
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return field.default is not dataclasses.MISSING and bool(value == field.default)


def _encode_array(array: np.ndarray, put: Put) -> dict[str, Any]:
    levels = np.rint(array * np.float32(255)).clip(0, 255).astype(np.uint8)
    exact = np.array_equal(levels.astype(np.float32) / np.float32(255), array)
    data = levels if exact else array.astype("<f4")
    return {"size": list(array.shape), "of": "levels" if exact else "floats", "blob": put(data.tobytes())}


def _decode_array(data: Mapping[str, Any], get: Get) -> np.ndarray:
    height, width = data["size"]
    if not 0 < height * width <= _MAX_MASK_PIXELS:
        raise ValueError("no mask's size")
    levels = data["of"] == "levels"
    kind = np.dtype(np.uint8) if levels else np.dtype("<f4")
    values = (
        np.frombuffer(_blob(data, height * width * kind.itemsize, get), kind).reshape(height, width).astype(np.float32)
    )
    if levels:
        values /= np.float32(255)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError("no probabilities")
    return values


def _blob(data: Mapping[str, Any], most: int, get: Get) -> bytes:
    """The blob that `data` names, never more than `most` bytes of it; ValueError where its hash is another."""
    blob = zlib.decompressobj().decompress(get(data["blob"]), most)
    if blob_key(blob) != data["blob"]:
        raise ValueError("not the blob of this name")
    return blob


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # answers may hold lone surrogates


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
