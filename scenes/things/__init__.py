"""The things a scene can hold: one drawing function per class, and what may be done to it.

A drawing function takes a random generator and returns parts, back to front. Knows no canvas and no style.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenes.outlines import Part
from scenes.things import animals, household, plants, vehicles


@dataclass(frozen=True)
class Kind:
    """A class of things: its name, plural, how to draw one, and how far it may lean (degrees)."""

    name: str
    plural: str
    draw: Callable[[np.random.Generator], list[Part]]
    lean: float = 14.0


_KINDS = (
    Kind("cat", "cats", animals.cat),
    Kind("dog", "dogs", animals.dog),
    Kind("rabbit", "rabbits", animals.rabbit),
    Kind("fish", "fish", animals.fish, 30),
    Kind("bird", "birds", animals.bird),
    Kind("turtle", "turtles", animals.turtle),
    Kind("butterfly", "butterflies", animals.butterfly, 40),
    Kind("car", "cars", vehicles.car),
    Kind("bus", "buses", vehicles.bus, 8),
    Kind("truck", "trucks", vehicles.truck, 8),
    Kind("boat", "boats", vehicles.boat),
    Kind("airplane", "airplanes", vehicles.airplane, 30),
    Kind("rocket", "rockets", vehicles.rocket, 45),
    Kind("apple", "apples", plants.apple, 30),
    Kind("pear", "pears", plants.pear, 35),
    Kind("banana", "bananas", plants.banana, 60),
    Kind("cherry", "cherries", plants.cherry, 25),
    Kind("tree", "trees", plants.tree, 5),
    Kind("flower", "flowers", plants.flower, 20),
    Kind("mushroom", "mushrooms", plants.mushroom, 15),
    Kind("cactus", "cacti", plants.cactus, 8),
    Kind("chair", "chairs", household.chair, 10),
    Kind("table", "tables", household.table, 6),
    Kind("lamp", "lamps", household.lamp, 10),
    Kind("sofa", "sofas", household.sofa, 6),
    Kind("hammer", "hammers", household.hammer, 90),
    Kind("key", "keys", household.key, 90),
    Kind("umbrella", "umbrellas", household.umbrella, 25),
    Kind("cup", "cups", household.cup, 12),
    Kind("house", "houses", household.house, 4),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
LABELS: tuple[str, ...] = tuple(KINDS)
