"""Scenes to show people, with prompts that fit them: a table, chosen by eye for clear and varied scenes.

Seeds lie far below those of training, so the checkpoint has seen none. The prompts are true of the scenes (a test holds
that); whether a checkpoint answers them well is for its model card to say.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A scene's seed, its true caption, and one prompt for each other task. `answer` is the question's true answer."""

    seed: int
    caption: str
    detect: str
    segment: str
    question: str
    answer: str


EXAMPLES = (
    Example(
        32,
        "an orange dog, a purple cat, a purple airplane, a pink bird and a green key in a room",
        "cat ; dog ; bird",
        "airplane",
        "what colour is the cat?",
        "purple",
    ),
    Example(
        0,
        "four houses and a green butterfly on a plain background",
        "house",
        "butterfly",
        "how many houses are there?",
        "4",
    ),
    Example(
        12,
        "a pink cat, a brown house and two rockets in a meadow",
        "rocket on the left",
        "house",
        "how many rockets are there?",
        "2",
    ),
    Example(29, "four turtles in a room", "blue turtle", "turtle", "how many turtles are there?", "4"),
    Example(
        4,
        "a blue apple, two dogs, a red bird, a red banana and an orange sofa among bubbles",
        "largest dog",
        "banana",
        "is there a sofa?",
        "yes",
    ),
    Example(1, "two boats in a meadow", "boat", "boat", "is there a tree?", "no"),
    Example(14, "two cats on dotted paper", "cat", "orange cat", "how many cats are there?", "2"),
    Example(
        39,
        "a brown fish, a yellow bird, two lamps, a green mushroom and a yellow chair in a meadow",
        "lamp ; mushroom",
        "chair",
        "what colour is the bird?",
        "yellow",
    ),
)
