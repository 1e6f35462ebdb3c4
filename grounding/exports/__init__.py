"""Files to take labels away in, by format name. One picture is held at a time; what is kept of it is text.

Adding one: a module with a Format and one line in FORMATS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from grounding.exports.coco import coco_format
from grounding.exports.results import json_format
from grounding.labels import Sample


class Format(Protocol):
    """Yields (file name, content) for the folder; takes `samples` one by one and once.

    labels: the classes asked for, whose order comes first. threshold: 0-255, where soft masks become pixels.
    """

    def __call__(
        self, samples: Iterable[Sample], *, labels: tuple[str, ...], threshold: int
    ) -> Iterator[tuple[str, bytes]]: ...


FORMATS: dict[str, Format] = {
    "json": json_format,
    "coco": coco_format,
}
