"""An answer about a drawn scene, held against what truly is in it. Knows no gradio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

import scenes
from grounding import overlays
from grounding.labels import split_labels
from grounding.matching import Comparison, compare
from grounding.types import Detection, Task, View
from scenes import truth
from scenes.composing import Scene
from ui.corrections import labels_of
from ui.state import SHOWN_SIDE, Session

_SIDE_PX = 768  # the scene is drawn anew at this size; boxes and masks are in shares of it


@dataclass(frozen=True, eq=False)
class Held:
    """image: the scene with the truth drawn; caption: the scene in words; true: what was asked for and is there.

    comparison: the answer (first) against `true` (second); None where no places were asked for yet. beside: how many
    objects of the answer are neither right nor wrong, for nobody asked for them. corrected: it is no longer the model's
    answer that is compared, but what a person made of it.
    """

    image: Image.Image
    caption: str
    true: tuple[Detection, ...]
    found: tuple[Detection, ...]
    comparison: Comparison | None
    unclear: tuple[str, ...]
    beside: int
    corrected: bool


def hold(session: Session, view: View) -> Held | None:
    """The session's answer beside the truth; None where its picture is no scene of ours."""
    if session.scene is None:
        return None
    scene = scenes.compose(session.scene, size_px=_SIDE_PX)
    answer = session.answer
    places = answer is not None and answer.task in (Task.DETECT, Task.SEGMENT)
    asked = split_labels(answer.prompt) if answer and places else scenes.LABELS
    known = truth.truth(scene, asked)
    said = labels_of(answer).detections if answer and places else ()
    corrected = answer is not None and answer.said is not None and made_others(said, answer.said)
    beside = unasked(scene, asked, said)
    found = tuple(each for place, each in enumerate(said) if place not in beside)
    masks = answer is not None and answer.task is Task.SEGMENT
    shown = View(("mask", "box", "label") if masks else ("box", "label"), view.threshold)
    image = overlays.render(Image.fromarray(scene.image), known.detections, shown, max_side=SHOWN_SIDE)
    comparison = compare(found, known.detections, (_SIDE_PX, _SIDE_PX), threshold=view.threshold) if places else None
    return Held(
        image, truth.in_words(scene), known.detections, found, comparison, known.unclear, len(beside), corrected
    )


def made_others(labels: Sequence[Detection], said: Sequence[Detection]) -> bool:
    """Whether a person took away, changed or drew something, so that `labels` are not what the model gave, `said`."""
    return len(labels) != len(said) or any(each.origin is not None and each.origin.edited for each in labels)


def unasked(scene: Scene, asked: Sequence[str], found: Sequence[Detection]) -> set[int]:
    """The places in `found` of what nobody asked for, but which is there, or has no plain meaning here."""
    names = {label.casefold() for label in asked}
    others = [(place, each) for place, each in enumerate(found) if each.label.strip().casefold() not in names]
    known = truth.truth(scene, tuple(dict.fromkeys(each.label for _, each in others)))
    there = compare([each for _, each in others], known.detections, (_SIDE_PX, _SIDE_PX))
    return {others[pair.first][0] for pair in there.pairs} | {
        place for place, each in others if each.label in known.unclear
    }
