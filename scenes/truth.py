"""What a prompt's words truly mean in a scene: the answer a perfect model would give. Draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grounding.types import Detection
from scenes.composing import Scene
from scenes.language import caption, having, phrases
from scenes.palette import COLOURS
from scenes.things import KINDS, LABELS

_SINGULAR = {kind.plural: kind.name for kind in KINDS.values()}


@dataclass(frozen=True, eq=False)
class Truth:
    """detections: what was asked for and is there, each under the words that asked for it, with the exact soft mask.

    unclear: words with no plain meaning here ("largest dog" of two alike, a kind of thing the scenes do not know).
    """

    detections: tuple[Detection, ...]
    unclear: tuple[str, ...]


def truth(scene: Scene, asked: Sequence[str]) -> Truth:
    """The things of `scene` that each of `asked` means: a class ("cat", "cats") or an expression ("red cat")."""
    meanings = phrases(scene.objects)
    found: list[Detection] = []
    unclear: list[str] = []
    for words in asked:
        plain = " ".join(words.casefold().split()).removeprefix("the ")
        label = _SINGULAR.get(plain, plain)
        if label in LABELS:
            meant = having(scene.objects, label)
        elif plain in meanings:
            meant = meanings[plain]
        elif _is_class_in_colour(plain):
            meant = ()
        else:
            unclear.append(words)
            continue
        for k in meant:
            thing = scene.objects[k]
            found.append(Detection(words, box=thing.box, mask=thing.mask, id=len(found)))
    return Truth(tuple(found), tuple(unclear))


def in_words(scene: Scene) -> str:
    """The scene's true caption."""
    return caption(scene.objects, scene.background).suffix


def _is_class_in_colour(plain: str) -> bool:
    colour, _, label = plain.partition(" ")
    return colour in COLOURS and label in LABELS
