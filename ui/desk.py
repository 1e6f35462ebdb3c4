"""What the page's handlers work with: one of each, shared by all visitors, made in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from backends import Pool
from grounding.settings import Settings
from ui.runs import Runs
from ui.state import Shelf


@dataclass(frozen=True)
class Desk:
    settings: Settings
    pool: Pool
    shelf: Shelf
    runs: Runs = field(default_factory=Runs)
