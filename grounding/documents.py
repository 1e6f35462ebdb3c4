"""The way in for documents: a PDF is checked, counted, and its pages drawn as Pictures.

PDFium reads them; it is loaded on the first document. Knows no models. Forms, scripts and attachments are ignored.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from grounding.errors import ImageError
from grounding.images import Picture

MAX_BYTES = 50_000_000
"""What Gemini takes as one PDF; also what a page may be asked to hold in memory."""

MAX_PAGES = 1000
"""What Gemini reads of one document."""

PAGE_PIXELS = 1600
"""The longer side of a drawn page: small print stays legible, and a page of any declared size costs 8 MB at most."""

MIME_TYPE = "application/pdf"
_MAGIC_WITHIN = 1024  # readers accept the header anywhere in here
_pdfium = threading.Lock()  # PDFium is not safe in two threads at once, whatever the document


@dataclass(frozen=True, eq=False)
class Document:
    """A PDF that opens. `pages` is how many it has."""

    data: bytes = field(repr=False)
    pages: int
    name: str = ""

    @functools.cached_property
    def content_id(self) -> str:
        """SHA-256 of the file in hex."""
        return hashlib.sha256(self.data).hexdigest()


def load(source: bytes | Path | BytesIO, *, name: str = "") -> Document:
    """The PDF in `source`; raises ImageError with a sentence where it is none, locked, damaged or too large."""
    if isinstance(source, Path):
        name = name or source.name
    data = _read(source)
    if b"%PDF-" not in data[:_MAGIC_WITHIN]:
        raise ImageError("This is not a PDF. Load a PDF, or a picture as PNG, JPEG, WEBP or HEIC.")
    with _pdfium, closing(_open(data)) as opened:
        pages = len(opened)
    if not pages:
        raise ImageError("This PDF has no pages. Export it again from the program that made it.")
    if pages > MAX_PAGES:
        raise ImageError(f"This PDF has {pages:,} pages; {MAX_PAGES:,} is the limit. Split it and load a part.")
    return Document(data, pages, name)


def page(document: Document, number: int, *, max_side: int = PAGE_PIXELS) -> Picture:
    """Page `number`, from 1, drawn so that its longer side has `max_side` pixels; raises ImageError if it cannot be."""
    if not 1 <= number <= document.pages:
        raise ImageError(f"There is no page {number}: the document has {document.pages}.")
    with _pdfium, closing(_open(document.data)) as opened:
        return _draw(opened, number, document.name, max_side)


def thumbnails(document: Document, numbers: Iterable[int], *, max_side: int = 240) -> list[Picture]:
    """The pages `numbers`, from 1, drawn small, the document opened once; numbers it does not have are left out."""
    with _pdfium, closing(_open(document.data)) as opened:
        wanted = [number for number in numbers if 1 <= number <= document.pages]
        return [_draw(opened, number, document.name, max_side) for number in wanted]


def _read(source: bytes | Path | BytesIO) -> bytes:
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        else:
            data = source if isinstance(source, bytes) else source.getvalue()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        raise ImageError("The document could not be read. Check that it exists and may be opened.") from None
    if not data:
        raise ImageError("The document is empty. Save or download it again.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"The document is larger than {MAX_BYTES // 1_000_000} MB. Split it and load a part.")
    return data


def _open(data: bytes) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise ImageError("This PDF is locked with a password. Save it without one and load that.") from None
        raise ImageError("This PDF is damaged or incomplete. Save or download it again.") from None


def _draw(opened: Any, number: int, name: str, max_side: int) -> Picture:
    import pypdfium2

    try:
        with closing(opened[number - 1]) as drawn:
            longest = max(drawn.get_size())  # in points; pages of a mile, and of nothing, have been made
            if not longest > 0:
                raise ImageError(f"Page {number} has no size. Export the document again.")
            with closing(drawn.render(scale=max_side / longest, draw_annots=True)) as bitmap:
                image = bitmap.to_pil().convert("RGB")
    except (pypdfium2.PdfiumError, ValueError, MemoryError, OverflowError):
        raise ImageError(f"Page {number} of this PDF could not be drawn. Export the document again.") from None
    return Picture(image, f"{name} page {number}".strip())
