"""What a run's journal holds, as samples to export: each is read when it is wanted, none is held."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from grounding.errors import RequestError
from grounding.labels import Sample
from jobs.journal import Journal
from jobs.pictures import Source

WITH_PICTURES = ("imagefolder", "parquet")
"""Formats that are data sets by themselves; beside the others' files the pictures stay where they are."""


class Answers(Sequence[Sample]):
    """What came of those of `sources` that were asked about as they are now, for the format `form`, in order."""

    def __init__(self, sources: Iterable[Source], journal: Journal, form: str) -> None:
        self._asked = [
            each for each in sources if journal.asked(each.name) and not journal.changed(each.name, each.stamp)
        ]
        self._journal, self._form = journal, form

    def __len__(self) -> int:
        return len(self._asked)

    def __getitem__(self, place: Any) -> Any:
        source = self._asked[place]
        sample = self._journal.read(source.name)
        assert sample is not None
        return replace(sample, file=partial(_content, source)) if self._form in WITH_PICTURES else sample


def _content(source: Source) -> bytes:
    got = source.get()
    try:
        return got.read_bytes() if isinstance(got, Path) else got
    except OSError as error:
        raise RequestError("A picture that was labelled is gone, and this format holds the pictures.") from error


def errors_csv(sources: Iterable[Source], journal: Journal) -> tuple[int, bytes]:
    """How many of `sources` are without labels, and a table of which and why."""
    rows: list[tuple[str, str, str]] = []
    for source in sources:
        facts = journal.facts(source.name)
        if facts is None:
            rows.append((source.name, "stopped", "It was not asked about."))
        elif journal.changed(source.name, source.stamp):
            rows.append((source.name, "changed", "The file changed since it was asked about. Start again to label it."))
        elif not facts.labelled:
            rows.append((source.name, facts.outcome.value, facts.reason))
    return len(rows), to_csv([("picture", "outcome", "reason"), *rows])


def to_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180 in UTF-8; no cell begins like a formula, which a spreadsheet would run (ASVS 1.2.10)."""
    text = io.StringIO()
    safe = [["'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\0")) else cell for cell in row]
            for row in rows]  # fmt: skip
    csv.writer(text).writerows(safe)
    return text.getvalue().encode("utf-8", "backslashreplace")
