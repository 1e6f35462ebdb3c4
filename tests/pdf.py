"""Small PDFs for tests, a picture filling each page."""

from __future__ import annotations

import io

from PIL import Image


def pdf(*pages: Image.Image) -> bytes:
    """A PDF with these pages, a pixel a point."""
    file = io.BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:], resolution=72)
    return file.getvalue()
