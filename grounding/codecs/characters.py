"""Characters of an answer that no label keeps, whichever model wrote it. Knows no format."""

from __future__ import annotations

import re

_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def visible(text: str) -> str:
    """`text` without the control characters that XML cannot hold, and DEL; tabs and line ends stay."""
    return _INVISIBLE.sub("", text)
