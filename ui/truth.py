"""An answer about a drawn scene, held against what truly is in it. Knows no gradio."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

import scenes
from grounding import overlays
from grounding.labels import split_labels
from grounding.matching import Comparison, compare
from grounding.types import Detection, Task, View
from scenes import truth
from ui.state import SHOWN_SIDE, Session

_SIDE_PX = 768  # the scene is drawn anew at this size; boxes and masks are in shares of it


@dataclass(frozen=True, eq=False)
class Held:
    """image: the scene with the truth drawn; caption: the scene in words; true: what was asked for and is there.

    comparison: the answer (first) against `true` (second); None where no places were asked for yet.
    """

    image: Image.Image
    caption: str
    true: tuple[Detection, ...]
    found: tuple[Detection, ...]
    comparison: Comparison | None
    unclear: tuple[str, ...]


def hold(session: Session, view: View) -> Held | None:
    """The session's answer beside the truth; None where its picture is no scene of ours."""
    if session.scene is None:
        return None
    scene = scenes.compose(session.scene, size_px=_SIDE_PX)
    answer = session.answer
    places = answer is not None and answer.task in (Task.DETECT, Task.SEGMENT)
    asked = split_labels(answer.prompt) if answer and places else scenes.LABELS
    known = truth.truth(scene, asked)
    found = answer.result.detections if answer and places else ()
    masks = answer is not None and answer.task is Task.SEGMENT
    shown = View(("mask", "box", "label") if masks else ("box", "label"), view.threshold)
    image = overlays.render(Image.fromarray(scene.image), known.detections, shown, max_side=SHOWN_SIDE)
    comparison = compare(found, known.detections, (_SIDE_PX, _SIDE_PX), threshold=view.threshold) if places else None
    return Held(image, truth.in_words(scene), known.detections, found, comparison, known.unclear)
