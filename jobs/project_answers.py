"""What becomes of a picture's labels when a model answers: a person's work stays. Pure; knows no disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grounding.editing import PERSON, as_said, numbered
from grounding.exports import IMPORTED
from grounding.labels import Naming, Sample, split_labels
from grounding.matching import compare, matched
from grounding.types import Box, Detection, Note, NoteKind, Outcome, Review, SoftMask, Task


def touched(detection: Detection) -> bool:
    """Whether it holds a person's work: reviewed, drawn, changed, or from a file and so from no model."""
    return corrected(detection) or detection.origin is None or detection.origin.backend == IMPORTED


def corrected(detection: Detection) -> bool:
    """Whether a person reviewed, drew or changed it."""
    origin = detection.origin
    changed = origin is not None and (origin.edited or origin.backend == PERSON)
    return changed or detection.review is not Review.OPEN


def unchanged(before: Sample, after: Sample) -> bool:
    """Whether what a person decided on is there still: the very same objects, or without any the same words."""
    if not (before.result.detections or after.result.detections):
        said = [(each.task, each.result.outcome, each.result.text) for each in (before, after)]
        return said[0] == said[1]
    return [_seen(each) for each in before.result.detections] == [_seen(each) for each in after.result.detections]


def _seen(detection: Detection) -> tuple[object, ...]:
    mask = detection.mask
    pixels = mask and (mask.frame, mask.threshold, mask.probs.shape, mask.probs.tobytes())
    return detection.label, detection.box, detection.point, detection.review, pixels


def laid_over(now: Sample | None, said: Sample) -> Sample:
    """The labels after an answer: `now` itself where it says nothing, else what persons touched and what is new.

    What is of the same label and nearly at the same place as something a person touched is not new. Notes count what is
    left out.
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
    masks = {known[place]: each.mask for place, each in enumerate(said.result.detections) if place in known}
    filled = tuple(_filled(each, masks.get(place)) for place, each in enumerate(stay))
    got = sum(one is not other for one, other in zip(stay, filled, strict=True))
    notes = said.result.notes
    if known:
        count = "One object was" if len(known) == 1 else f"{len(known)} objects were"
        words = f"{count} here already as a person left it: that stays." if len(known) == 1 else (
            f"{count} here already as a person left them: those stay.")  # fmt: skip
        if got:
            words += f" {got} of them got the mask that was missing." if len(known) > 1 else " It got its mask."
        notes = (*notes, Note(NoteKind.SKIPPED, words))
    if gone := len(now.result.detections) - len(stay):
        objects = "One object" if gone == 1 else f"{gone} objects"
        notes = (*notes, Note(NoteKind.SKIPPED, f"{objects} nobody had corrected made room for this answer."))
    outcome = Outcome.FOUND if said.result.outcome is Outcome.NONE else said.result.outcome
    merged = replace(said.result, detections=numbered((*filled, *new)), notes=notes, outcome=outcome)
    return replace(said, result=merged)


def _filled(stays: Detection, mask: SoftMask | None) -> Detection:
    """What stays, with a mask where it had none; what was decided on, or lies elsewhere now, as it is."""
    decided = stays.review in (Review.ACCEPTED, Review.REJECTED)
    if decided or mask is None or stays.mask is not None or stays.box is None or not matched([stays.box], [mask.frame]):
        return stays
    return replace(stays, mask=mask)


def _said_again(stay: Sequence[Detection], said: Sequence[Detection], size_wh: tuple[int, int]) -> dict[int, int]:
    """Of what is said, by its place, the place of what stays: as it is, or as it was before a person changed it."""
    said = _placed(said)
    here = compare(_placed(stay), said, size_wh).pairs
    known = {pair.second: pair.first for pair in here}
    left = [place for place in range(len(said)) if place not in known]
    unmet = [place for place in range(len(stay)) if place not in known.values()]
    before = _placed([as_said(stay[place]) for place in unmet])
    again = compare(before, [said[place] for place in left], size_wh).pairs
    return known | {left[pair.second]: unmet[pair.first] for pair in again}


_NEAR = 0.02  # of the picture's sides: a point asked for again lies less than a third of this box's sides away


def _placed(detections: Sequence[Detection]) -> list[Detection]:
    """Each with a box to match it by, that of its mask or about its point where it has none; without the mask."""
    return [replace(each, box=each.box or _frame(each), mask=None) for each in detections]


def _frame(detection: Detection) -> Box | None:
    if detection.mask is not None:
        return detection.mask.frame
    if detection.point is None:
        return None
    x, y = (min(max(at, _NEAR), 1 - _NEAR) for at in detection.point)
    return Box(x - _NEAR, y - _NEAR, x + _NEAR, y + _NEAR)


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


def comparable(first: Sample, second: Sample) -> bool:
    """Whether both answer the same question with places: the same labels, asked of whomever."""
    return all(map(_tells_places, (first, second))) and _question(first) == _question(second)


def _tells_places(sample: Sample) -> bool:
    words_alone = sample.task in (Task.CAPTION, Task.ASK) and not sample.result.detections
    return sample.labelled and sample.size_wh is not None and not words_alone


def _question(sample: Sample) -> object:
    """What was asked for; in the model's wording where a person's is not known."""
    if sample.asked:
        return frozenset(label.casefold() for label in split_labels(sample.asked))
    return sample.result.origin.prompt if sample.result.origin else ""


def disagreement(first: Sample, second: Sample) -> float:
    """The part of all objects, in [0, 1], that only one of two answers has; 0 for two that found nothing."""
    assert first.size_wh is not None
    found = _placed(first.result.detections), _placed(second.result.detections)
    both = len(compare(*found, first.size_wh).pairs)
    every = len(found[0]) + len(found[1]) - both
    return 1 - both / every if every else 0.0
