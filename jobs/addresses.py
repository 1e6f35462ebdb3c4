"""Pictures by web address, one by one or as a list in a text file; each is fetched under `jobs.fetch`'s rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from grounding.errors import RequestError
from jobs.fetch import Rules, fetch
from jobs.pictures import Skipped, Source

MAX_LIST_BYTES = 10_000_000
"""A hundred thousand addresses."""


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def addresses_in(path: Path) -> list[str]:
    """The lines of a list of addresses, blank ones and those after a # left out; [] where the file is no such list."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
    except (OSError, ValueError):  # the run will say that it cannot be read
        return []
    lines = [line.strip() for line in data.decode("utf-8-sig", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines or not is_address(lines[0]):
        return []
    if len(data) > MAX_LIST_BYTES:
        raise RequestError("The list of addresses is longer than 10 MB. Split it and try again.")
    return lines


def from_list(lines: Sequence[str], rules: Rules) -> Iterator[Source | Skipped]:
    """A source for each address, each once; other lines are passed over."""
    for line in dict.fromkeys(lines):
        if is_address(line):
            yield from_address(line, rules)
        else:
            yield Skipped(line[:80], "not a web address")
    if repeated := len(lines) - len(set(lines)):
        yield Skipped(f"{repeated} {'line' if repeated == 1 else 'lines'}", "in the list already")


def from_address(url: str, rules: Rules) -> Source:
    """Named after host and path: what follows them may be a secret."""
    try:
        parts = urlsplit(url)
        name = unquote(f"{parts.hostname or ''}{parts.path}".rstrip("/"))
    except ValueError:  # fetching will say what is wrong with it
        name = url.split("?")[0]
    return Source(name[:200] or "picture", lambda: fetch(url, rules)[0], far=True)
