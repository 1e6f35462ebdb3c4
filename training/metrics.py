"""What the checkpoint is measured by, as plain functions of answers and truth. Knows no model."""

from __future__ import annotations

import re
from collections import Counter

from scenes.language import NUMBERS
from scenes.palette import COLOURS
from scenes.things import KINDS

_WORDS = {kind.name: kind.name for kind in KINDS.values()} | {kind.plural: kind.name for kind in KINDS.values()}


def named(text: str) -> Counter[str]:
    """How many of each class a caption names: "two red cats and a car" is cat 2, car 1."""
    counts: Counter[str] = Counter()
    number = 1
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in NUMBERS[1:]:
            number = NUMBERS.index(word)
        elif word in ("a", "an"):
            number = 1
        elif word in _WORDS:
            counts[_WORDS[word]] += number
            number = 1
        elif word not in COLOURS:
            number = 1
    return counts


def f1(said: Counter[str], true: Counter[str]) -> float:
    """Harmonic mean of how much of what was said is true and how much of what is true was said."""
    if not said and not true:
        return 1.0
    right = sum((said & true).values())
    return 2 * right / (sum(said.values()) + sum(true.values()))
