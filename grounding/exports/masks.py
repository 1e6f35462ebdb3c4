"""Masks as pictures: a black and white PNG of the picture's size for each object, and a table that says what they are.

Overlaps, holes and parts stay as they are, since no two objects share a file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from functools import partial

from PIL import Image

from grounding.exports import shapes
from grounding.exports.format import File, Format, Labels, Names, answered, picture_file, size_of
from grounding.exports.table import has_mask_files, object_row, picture_row, read_csv, table
from grounding.labels import Sample
from grounding.types import THRESHOLD

NAMES = partial(Names, stems=True)


def masks_format(samples: Iterable[Sample], *, labels: Labels = (), threshold: int = THRESHOLD) -> Iterator[File]:
    """masks/NAME/001_label.png for each mask, masks.csv with every object, images/NAME where it is at hand."""
    del labels  # each row names its own
    names, rows = NAMES(), []
    for sample in answered(samples):
        name = names.of(sample)
        yield from picture_file(sample, f"images/{name}")
        of_objects = []
        for place, detection in enumerate(sample.result.detections, 1):
            row = object_row(sample, detection)
            if detection.mask is not None:
                readable = re.sub(r"[^0-9A-Za-z]+", "_", detection.label)[:40].strip("_")
                row["mask_file"] = f"masks/{name.rpartition('.')[0] or name}/{place:03d}_{readable or 'object'}.png"
                pixels = shapes.whole(shapes.pixels_of(detection.mask, size_of(sample), threshold), size_of(sample))
                buffer = io.BytesIO()
                Image.fromarray(pixels).save(buffer, "PNG")
                yield row["mask_file"], buffer.getvalue()
            of_objects.append(row)
        rows += [picture_row(sample, name) | row for row in of_objects or [{}]]
    yield "masks.csv", table(rows)


MASKS = Format("masks", "Masks as PNG (and a CSV)", masks_format, read_csv, has_mask_files, words=True, names=NAMES)
