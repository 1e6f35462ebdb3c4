"""The core: what a model said about a picture, decoded honestly.

Standard library, numpy and Pillow. Knows no web page, no torch and no provider; `overlays` alone knows supervision.
What reads and writes other formats needs their own libraries: OpenCV for outlines, pyarrow, PyYAML and defusedxml for
exports, pi-heif, pypdfium2 and PyAV for pictures, PDFs and clips. The heavy ones are loaded on first use.
"""
