"""A stranger's ZIP opened for reading without taking in an endless list of files. Knows no format and unpacks nothing.

zipfile takes the whole list in at once, before a limit on the number of files could be asked for.
"""

from __future__ import annotations

import io
import zipfile
from contextlib import ExitStack
from pathlib import Path

from grounding.errors import RequestError

MAX_LIST_BYTES = 10_000_000
"""Of an archive's own list of its files, some hundred thousand. The worst, 212,000 of one letter, take 2 s and 67 MB;
a list of a million would take half a minute and half a gigabyte."""


class Archive(zipfile.ZipFile):
    """A ZIP to read from, that closes its file with it; RequestError where its list is too long."""

    _bytes: _Careful | None = None

    def __init__(self, source: Path | bytes) -> None:
        with ExitStack() as on_failure:
            self._bytes = _Careful(io.BytesIO(source) if isinstance(source, bytes) else io.FileIO(source))
            on_failure.callback(self._bytes.close)
            super().__init__(self._bytes)
            on_failure.pop_all()

    def close(self) -> None:
        super().close()
        if self._bytes is not None:
            self._bytes.close()


class _Careful(io.BufferedReader):
    """A file that is never read in large pieces, which only the list of a huge archive takes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_LIST_BYTES:
            raise RequestError("The archive lists more files than are read here. Split it, or take the folder.")
        return super().read(size)
