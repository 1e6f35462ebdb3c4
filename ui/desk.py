"""What the page's handlers work with: one of each, shared by all visitors, made in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import jobs.shelf
from backends import SPECS, Pool
from backends.paligemma_planner import Paces
from grounding.settings import Settings
from ui import estimates
from ui.form import Form
from ui.runs import Runs
from ui.state import Session, Shelf


@dataclass(frozen=True)
class Desk:
    settings: Settings
    pool: Pool
    shelf: Shelf
    runs: Runs = field(default_factory=Runs)
    paces: Paces = field(default_factory=Paces)

    @cached_property
    def projects(self) -> jobs.shelf.Shelf:
        """The visitors' data sets."""
        return jobs.shelf.Shelf(self.settings)

    def learn(self, form: Form, answered: Session) -> None:
        """Later estimates follow what this answer took."""
        usage = answered.answer.result.usage if answered.answer else None
        if usage is None or form.so_far:
            return
        planned = estimates.planned(form, answered, SPECS[form.backend].capabilities, self.paces)
        if planned is not None:
            self.paces.learn(form.model, planned, usage.seconds)
