"""Answers recorded from real models, one folder each under $PINPOINT_RECORDINGS; tests skip visibly where it is absent.

`case.json` holds the prompt, the model, where it came from, what the source states as decoded (`expected`) and what was
computed from the text alone (`derived`). The recordings are other people's and are never copied into this repository.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[1] / "../shared/fixtures"
ROOT = Path(os.environ.get("PINPOINT_RECORDINGS") or _BESIDE)
ABSENT = "recorded answers are not part of this repository; set PINPOINT_RECORDINGS to a folder of them"


@dataclass(frozen=True)
class Case:
    """One recorded answer. `about` is its case.json."""

    name: str
    folder: Path
    about: dict[str, Any]

    @property
    def text(self) -> str:
        """The answer as recorded: no newline is translated."""
        return (self.folder / self.about["response_file"]).read_bytes().decode()


def cases(backend: str, keep: Callable[[dict[str, Any]], bool] = lambda about: True) -> Iterator[Case]:
    """Every case of `backend` ("gemini", "paligemma") whose case.json `keep` likes, by name."""
    for path in sorted((ROOT / backend).glob("*/case.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        if keep(about):
            yield Case(path.parent.name, path.parent, about)


def params(backend: str, keep: Callable[[dict[str, Any]], bool] = lambda about: True) -> list[Any]:
    """`cases` as pytest parameters with ids; one skipped parameter where there are none."""
    found = [pytest.param(case, id=case.name) for case in cases(backend, keep)]
    absent = pytest.mark.skip(reason=ABSENT)
    return found or [pytest.param(None, id="absent", marks=absent)]
