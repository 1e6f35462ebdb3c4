"""An answer held against what truly is in a drawn scene, as HTML. Knows no gradio."""

from __future__ import annotations

from collections.abc import Sequence

from grounding.matching import LEAST_IOU, Pair
from ui.markup import counted, safe
from ui.truth import Held


def held(held: Held) -> str:
    """An answer held against the truth: how much was found, how well each sits, what was missed and what invented.

    What a person corrected is said to be so: the model is not blamed for it, nor praised.
    """
    if held.comparison is None:
        return f'<p class="pp-hint">In this scene there truly is: {safe(held.caption)}.</p>'
    pairs = held.comparison.pairs
    facts = [f"{len(pairs)} of {len(held.true)} found"]
    facts += how_well([pair.iou for pair in pairs], [pair.mask_iou for pair in pairs if pair.mask_iou is not None])
    if extra := len(held.comparison.only_first):
        facts.append(f"{extra} not there")
    if held.beside:
        facts.append(f"{held.beside} not asked for")
    unclear = "".join(f"<li>“{safe(words)}” has no plain meaning in this scene.</li>" for words in held.unclear)
    lines = [_truth_line(held.found[p.first].label, _verdict(p), p.iou, p.mask_iou) for p in pairs]
    lines += [_truth_line(held.true[k].label, "missed") for k in held.comparison.only_second]
    lines += [_truth_line(held.found[k].label, "not there") for k in held.comparison.only_first]
    what = "The corrected labels" if held.corrected else "The answer"
    table = (
        f'<div class="pp-table"><table><caption>{what} against the ground truth</caption><thead><tr>'
        '<th scope="col">Label</th><th scope="col">Verdict</th><th scope="col">Box IoU</th>'
        f'<th scope="col">Mask IoU</th></tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )
    as_now = "After your corrections: " if held.corrected else ""
    head = f'<p class="pp-truth-sum"><strong>{as_now}{", ".join(facts)}</strong></p>'
    return head + (table if lines else "") + (f'<ul class="pp-picture-notes">{unclear}</ul>' if unclear else "")


def how_well(ious: Sequence[float], mask_ious: Sequence[float]) -> list[str]:
    """ "mean IoU 0.93 of boxes, 0.63 of masks", and how many masks are off: a box may sit well and its mask not."""
    if not ious:
        return []
    boxes = f"mean IoU {sum(ious) / len(ious):.2f}"
    if not mask_ious:
        return [boxes]
    said = [f"{boxes} of boxes", f"{sum(mask_ious) / len(mask_ious):.2f} of masks"]
    off = sum(each < LEAST_IOU for each in mask_ious)
    return [*said, *([f"{counted(off, 'mask')} under {LEAST_IOU:.2f}"] if off else [])]


def _verdict(pair: Pair) -> str:
    return "found, mask off" if pair.mask_iou is not None and pair.mask_iou < LEAST_IOU else "found"


def _truth_line(label: str, verdict: str, iou: float | None = None, mask_iou: float | None = None) -> str:
    numbers = "".join(f"<td>{'–' if value is None else f'{value:.2f}'}</td>" for value in (iou, mask_iou))
    tone = {"found": "good", "found, mask off": "warn", "missed": "warn"}.get(verdict, "stop")
    return f'<tr><th scope="row"><bdi>{safe(label)}</bdi></th><td data-tone="{tone}">{verdict}</td>{numbers}</tr>'
