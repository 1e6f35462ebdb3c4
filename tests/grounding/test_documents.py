"""PDFs are counted and drawn; what is none, locked or damaged is said so in a sentence."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from grounding import documents
from grounding.errors import ImageError
from tests.pdf import pdf


def test_pages_are_counted_and_drawn_as_pictures() -> None:
    pages = [Image.new("RGB", (200, 100), colour) for colour in ("red", "lime", "blue")]
    document = documents.load(pdf(*pages), name="three.pdf")
    assert (document.pages, document.name) == (3, "three.pdf")
    drawn = documents.page(document, 2, max_side=400)
    assert drawn.size_wh == (400, 200)
    assert np.asarray(drawn.image)[100, 200].tolist() == pytest.approx([0, 255, 0], abs=6)
    assert drawn.name == "three.pdf page 2"
    assert [max(each.size_wh) for each in documents.thumbnails(document, [1, 3, 9])] == [240, 240]


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_page_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(ImageError, match="no page"):
        documents.page(documents.load(pdf(Image.new("RGB", (9, 9)))), number)


SIZES = [
    pytest.param(size, id=f"{size[0]} x {size[1]}") for size in [(14_400, 14_400), (1, 14_400), (14_400, 3), (1, 1)]
]


@pytest.mark.parametrize("size", SIZES)
def test_a_page_of_any_declared_size_is_drawn_no_larger_than_asked(size: tuple[int, int]) -> None:
    made = pypdfium2.PdfDocument.new()
    made.new_page(*size)
    file = io.BytesIO()
    made.save(file)
    assert max(documents.page(documents.load(file.getvalue()), 1, max_side=500).size_wh) <= 501


BAD = [
    pytest.param(b"", "empty", id="empty"),
    pytest.param(b"hello", "not a PDF", id="text"),
    pytest.param(b"\x89PNG\r\n\x1a\n", "not a PDF", id="a picture"),
    pytest.param(b"%PDF-1.7\n%%EOF", "damaged", id="only a header"),
    pytest.param(pdf(Image.new("RGB", (9, 9)))[:80], "damaged", id="cut off"),
]


@pytest.mark.parametrize(("data", "words"), BAD)
def test_what_is_no_pdf_is_refused_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words) as error:
        documents.load(data)
    assert len(str(error.value)) < 200


def test_too_many_pages_and_bytes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = pdf(*[Image.new("RGB", (9, 9))] * 3)
    monkeypatch.setattr(documents, "MAX_PAGES", 2)
    with pytest.raises(ImageError, match="3 pages"):
        documents.load(data)
    monkeypatch.setattr(documents, "MAX_BYTES", 100)
    (tmp_path / "a.pdf").write_bytes(data)
    for source in (data, tmp_path / "a.pdf"):
        with pytest.raises(ImageError, match="larger"):
            documents.load(source)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="could not be read"):
        documents.load(tmp_path / "none.pdf")


def test_equal_files_have_equal_ids() -> None:
    data = pdf(Image.new("RGB", (9, 9)))
    assert documents.load(data).content_id == documents.load(io.BytesIO(data)).content_id
