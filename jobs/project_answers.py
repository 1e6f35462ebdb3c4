"""What becomes of a picture's labels when a model answers: a person's work stays. Pure; knows no disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grounding.editing import PERSON, numbered
from grounding.exports import IMPORTED
from grounding.labels import Naming, Sample
from grounding.matching import compare
from grounding.types import Detection, Note, NoteKind, Outcome, Review, Task


def touched(detection: Detection) -> bool:
    """Whether it holds a person's work: reviewed, drawn, changed, or from a file and so from no model."""
    origin = detection.origin
    if detection.review is not Review.OPEN or origin is None or origin.edited:
        return True
    return origin.backend in (PERSON, IMPORTED)


def laid_over(now: Sample | None, said: Sample) -> Sample:
    """The labels after an answer: `now` itself where it says nothing, else what persons touched and what is new.

    Of the same label and nearly at the same place as something a person touched is not new; a note counts it.
    """
    if now is None:
        return said
    if not said.labelled:
        return now
    if not now.result.detections:
        return said
    if not said.result.detections and said.task in (Task.CAPTION, Task.ASK):
        return replace(now, result=replace(now.result, text=said.result.text))
    stay = tuple(each for each in now.result.detections if touched(each))
    if not stay:
        return said
    assert said.size_wh is not None
    known = _said_again(stay, said.result.detections, said.size_wh)
    new = [each for place, each in enumerate(said.result.detections) if place not in known]
    notes = said.result.notes
    if known:
        count = "One object was" if len(known) == 1 else f"{len(known)} objects were"
        words = f"{count} here already as a person left it: that stays." if len(known) == 1 else (
            f"{count} here already as a person left them: those stay.")  # fmt: skip
        notes = (*notes, Note(NoteKind.SKIPPED, words))
    outcome = Outcome.FOUND if said.result.outcome is Outcome.NONE else said.result.outcome
    merged = replace(said.result, detections=numbered((*stay, *new)), notes=notes, outcome=outcome)
    return replace(said, result=merged)


def _said_again(stay: Sequence[Detection], said: Sequence[Detection], size_wh: tuple[int, int]) -> set[int]:
    """The places in `said` of what stays: of each as it is, else as it was before a person moved or renamed it."""
    here = compare(stay, said, size_wh).pairs
    known = {pair.second for pair in here}
    met = {pair.first for pair in here}
    left = [place for place in range(len(said)) if place not in known]
    before = [_before(each) for place, each in enumerate(stay) if place not in met]
    return known | {left[pair.second] for pair in compare(before, [said[place] for place in left], size_wh).pairs}


def _before(detection: Detection) -> Detection:
    """As the model gave it, before a person moved or renamed it."""
    label = detection.label if detection.label_before is None else detection.label_before
    return replace(detection, label=label, box=detection.box_before or detection.box)


def renamed(sample: Sample, naming: Naming) -> Sample:
    """The same sample, each label as the class it counts as. The label before is kept with it."""

    def named(each: Detection) -> Detection:
        name = naming.name(each.label)
        if name == each.label:
            return each
        before = each.label if each.label_before is None else each.label_before
        return replace(each, label=name, label_before=None if before == name else before)

    found = tuple(named(each) for each in sample.result.detections)
    if all(one is other for one, other in zip(found, sample.result.detections, strict=True)):
        return sample
    return replace(sample, result=replace(sample.result, detections=found))


def disagreement(first: Sample, second: Sample) -> float | None:
    """The part of all objects, in [0, 1], that only one of two answers has; 0 for two that found nothing.

    None where either is no answer about places.
    """
    if not (first.labelled and second.labelled and first.size_wh) or Task.CAPTION in (first.task, second.task):
        return None
    found = first.result.detections, second.result.detections
    both = len(compare(*found, first.size_wh).pairs)
    every = len(found[0]) + len(found[1]) - both
    return 1 - both / every if every else 0.0
