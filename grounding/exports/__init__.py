"""Labels taken away in files, and brought back, by format name.

`export` writes a set of samples, reads it again as anybody would, and says what the file lost; `load` reads one back.
A format called by itself takes its samples one by one: one picture is held at a time, and what is kept of it is text.

Adding one: a module with a Format and one line in FORMATS.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from grounding.codecs.mask_tokens import MaskCodec
from grounding.errors import RequestError
from grounding.exports import shapes
from grounding.exports.bundle import Bundle, open_bundle
from grounding.exports.coco import COCO, COCO_POLYGONS
from grounding.exports.compare import compare
from grounding.exports.cvat import CVAT
from grounding.exports.format import File, Format, Labels, is_answered
from grounding.exports.hugging_face import IMAGEFOLDER, PARQUET
from grounding.exports.label_studio import LABEL_STUDIO
from grounding.exports.labelme import LABELME
from grounding.exports.losses import Loss
from grounding.exports.masks import MASKS
from grounding.exports.paligemma import PALIGEMMA
from grounding.exports.results import JSON
from grounding.exports.table import CSV
from grounding.exports.voc import VOC
from grounding.exports.yolo import YOLO_DETECT, YOLO_SEGMENT
from grounding.labels import Sample
from grounding.types import THRESHOLD, Task

__all__ = [
    "FORMATS", "IMPORTED", "Exported", "Format", "Imported", "Loss", "Tell", "check_holds", "export", "export_zip",
    "load", "reread", "untold",
]  # fmt: skip

IMPORTED = "file"
"""The `backend` in the origin of what was read from a file that says no other; PERSON is that of what was drawn."""

MAX_MASK_PX = 1_000_000_000
"""Of the masks of one file, each cut to where it is: 4 GB of memory."""

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        JSON, COCO, COCO_POLYGONS, YOLO_DETECT, YOLO_SEGMENT, VOC, LABELME, LABEL_STUDIO, CVAT, PALIGEMMA, IMAGEFOLDER,
        PARQUET, CSV, MASKS,
    )
}  # fmt: skip


Tell = Callable[[str], None]
"""Hears how far it is, in words."""


def untold(far: str) -> None:
    pass


def check_holds(name: str, task: Task) -> None:
    """RequestError where the format `name` has no room for what such a task's answers are."""
    if task in (Task.CAPTION, Task.ASK) and not FORMATS[name].words:
        *most, last = (each.name for each in FORMATS.values() if each.words)
        able = f"{', '.join(most)} or {last}"
        title = FORMATS[name].title
        raise RequestError(f"{title} holds boxes and masks, no words. For captions and answers choose {able}.")


@dataclass(frozen=True, eq=False)
class Exported:
    """The files of an export by name, and what they lost: empty where they gave everything back."""

    format: Format
    files: Mapping[str, bytes]
    losses: tuple[Loss, ...]

    def download(self) -> File:
        """(name, bytes) of one file to hand out: the file itself where there is one only, else a ZIP of all."""
        if len(self.files) == 1:
            ((name, content),) = self.files.items()
            return name.rpartition("/")[2], content
        buffer = io.BytesIO()
        _zip(buffer, self.files.items())
        return f"pinpoint-{self.format.name}.zip", buffer.getvalue()

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@dataclass(frozen=True, eq=False)
class Imported:
    """What was read from a file, folder or archive; `problems`: a sentence for each thing that was not."""

    format: Format
    samples: tuple[Sample, ...]
    problems: tuple[str, ...]


def export(
    samples: Sequence[Sample],
    name: str,
    *,
    labels: Labels = (),
    threshold: int = THRESHOLD,
    codec: MaskCodec | None = None,
) -> Exported:
    """`samples` as files in memory, with what was lost when they were read again. The pictures' bytes are among them.

    labels: classes whose order comes first, or a LabelSet. codec: turns masks into PaliGemma's tokens.
    """
    form = _format(name, codec)
    files = dict(form(samples, labels=labels, threshold=threshold))
    return Exported(form, files, reread(samples, form, open_bundle(files), threshold))


def export_zip(
    samples: Sequence[Sample],
    name: str,
    path: Path,
    *,
    labels: Labels = (),
    threshold: int = THRESHOLD,
    codec: MaskCodec | None = None,
    tell: Tell = untold,
) -> tuple[Loss, ...]:
    """The same written to a ZIP at `path` picture by picture, and read again from there: memory stays flat."""
    form = _format(name, codec)
    with path.open("wb") as file:
        _zip(
            file,
            form(_counted(samples, "Writing picture {place}", len(samples), tell), labels=labels, threshold=threshold),
        )
    return reread(samples, form, open_bundle(path), threshold, tell)


def load(
    source: Path | bytes | Mapping[str, bytes],
    name: str | None = None,
    *,
    codec: MaskCodec | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    most_mask_px: int = MAX_MASK_PX,
) -> Imported:
    """What a file, folder or ZIP says, in the format called `name` or else the one it looks like.

    Raises RequestError where nothing of it can be read; what is wrong with single things is in `problems`.
    sizes: pictures that are elsewhere, for formats that do not say how large theirs are. most_mask_px: of all masks
    together; those beyond are problems.
    """
    bundle = open_bundle(source)
    refused = bundle.problems
    form = _format(name, codec) if name else recognise(bundle, codec)
    if form is None:
        first = f" {bundle.problems[0]}" if bundle.problems else ""
        raise RequestError(f"No labels are found in this file.{first[:80]} Give one of: {', '.join(FORMATS)}."[:199])
    bundle = bundle.knowing({each: size for each, size in (sizes or {}).items() if bundle.picture_beside(each) is None})
    with shapes.at_most(most_mask_px):
        samples = tuple(_checked(form.read(bundle), bundle))
    problems = (*refused, *bundle.problems)
    if not samples:
        why = problems[0] if problems else "It holds no labels of this format."
        raise RequestError(f"Nothing could be read as {form.title}. {why}"[:199])
    return Imported(form, samples, problems)


def recognise(bundle: Bundle, codec: MaskCodec | None = None) -> Format | None:
    """The format that the files look like; None where they look like none."""
    return next((_format(name, codec) for name, form in FORMATS.items() if form.mine(bundle)), None)


def _format(name: str, codec: MaskCodec | None) -> Format:
    if name not in FORMATS:
        raise RequestError(f"There is no format of that name. Give one of: {', '.join(FORMATS)}.")
    form = FORMATS[name]
    return form.with_codec(codec) if codec is not None and form.with_codec is not None else form


def _checked(samples: Iterable[Sample], bundle: Bundle) -> Iterable[Sample]:
    """The same, with a problem told for each picture whose file is of another size than its labels say, and repeats."""
    met: set[str] = set()
    for sample in samples:
        if sample.picture in met:
            bundle.problem(sample.picture, "It is described more than once; each description is a picture here.")
        met.add(sample.picture)
        known = bundle.size_of(sample.picture) if sample.file is not None else None
        if known is not None and sample.size_wh is not None and known != sample.size_wh:
            (width, height), (said_width, said_height) = known, sample.size_wh
            said = f"{said_width} x {said_height}"
            bundle.problem(sample.picture, f"The picture is {width} x {height}, its labels were made for {said}.")
        yield sample


def reread(
    samples: Sequence[Sample], form: Format, bundle: Bundle, threshold: int, tell: Tell = untold
) -> tuple[Loss, ...]:
    """What files written by `form` say no more of `samples`, which are taken one by one, each several times."""
    given = form.names() if form.names is not None else None
    names: list[str] = []  # what each is called in the files
    sizes: dict[str, tuple[int, int]] = {}
    for place, each in enumerate(samples):
        if given is not None and not is_answered(each):
            names.append(f"\0{place}")  # in no file: never what another one is called there
            continue
        names.append(each.picture if given is None else given.of(each))
        # Whoever reads labels without pictures has the pictures themselves, so their sizes are known.
        if each.size_wh is not None and each.file is None:
            sizes[names[-1]] = each.size_wh
    read = _counted(form.read(bundle.knowing(sizes)), "Reading picture {place} again", len(names), tell)
    return compare(samples, read, threshold=threshold, names=names)


def _counted(samples: Iterable[Sample], words: str, total: int, tell: Tell) -> Iterator[Sample]:
    for place, sample in enumerate(samples, 1):
        tell(words.format(place=f"{place:,} of {total:,}"))
        yield sample


def _zip(file: BinaryIO | io.BytesIO, files: Iterable[File]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files:
            packed = name.lower().endswith((".png", ".jpg", ".jpeg", ".webp", ".parquet"))  # by themselves
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the same labels make the same archive
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED)
