"""Two answers side by side as HTML: what agrees and what does not, in a sentence, in numbers and object by object.

Knows no gradio. Whatever people or models wrote passes through `safe`.
"""

from __future__ import annotations

from collections.abc import Sequence

from grounding.agreement import Agreement, Row, Verdict
from grounding.images import jpeg_uri
from grounding.labels import split_labels
from grounding.types import Box, Detection, Result
from ui import trial_drawing
from ui.markup import dollars, safe
from ui.messages import Problem, explanation, headline
from ui.state import Kept
from ui.trial import Against, Side, Trial, against_truth, agreement, lonely
from ui.truth_markup import how_well

WORDS = {
    Verdict.RELABELLED: "another label",
    Verdict.ONLY_FIRST: "only A",
    Verdict.ONLY_SECOND: "only B",
    Verdict.UNPLACED: "no box",
    Verdict.AGREED: "both",
}


def board(trial: Trial, least_iou: float) -> str:
    """Everything that is known of the two sides by now."""
    found = agreement(trial, least_iou)
    rows = found.rows if found else lonely(trial)
    truths = [against_truth(trial, side) for side in trial.sides]
    figures = "".join(_figure(trial, rows, place, truths[place], alone=found is None) for place in (0, 1))
    return (
        f'<section class="pp-cmp" data-number="{trial.number}" aria-label="The two answers">'
        f"{summary(found, least_iou, alike=trial.alike) if found else ''}"
        f'<div class="pp-cmp-pair">{figures}</div>'
        f"{_takes(rows, trial) + _table(trial, rows, truths, found is not None) if rows else ''}</section>"
    )


def waiting(kept: Kept) -> str:
    """Before anything was asked: the picture, and what its places will be marked with."""
    chips = "".join(
        f'<li style="--dot:{trial_drawing.COLOURS[verdict]}">{words}</li>'
        for verdict, words in (
            (Verdict.AGREED, "what both find, numbered alike"),
            (Verdict.RELABELLED, "one place, two labels"),
            (Verdict.ONLY_FIRST, "what only A finds"),
            (Verdict.ONLY_SECOND, "what only B finds"),
        )
    )
    plain = jpeg_uri(trial_drawing.small(kept))
    frames = "".join(
        f'<figure data-state="silent"><div class="pp-cmp-frame"><img src="{plain}" alt="Not asked about yet">'
        f'<p class="pp-cmp-none"><i data-side="{letter}">{letter}</i></p></div></figure>'
        for letter in "AB"
    )
    return (
        f'<section class="pp-cmp pp-cmp-waiting"><ul class="pp-cmp-sum">{chips}</ul>'
        f'<div class="pp-cmp-pair">{frames}</div></section>'
    )


def summary(found: Agreement, least_iou: float, *, alike: bool = False) -> str:
    """The counts as coloured marks, which are the pictures' legend too, and the same in plain words."""
    told = (Verdict.AGREED, Verdict.RELABELLED, Verdict.ONLY_FIRST, Verdict.ONLY_SECOND, Verdict.UNPLACED)
    chips = "".join(
        f'<li style="--dot:{trial_drawing.COLOURS[verdict]}" data-n="{n}"><b>{n}</b> {WORDS[verdict]}</li>'
        for verdict, n in ((each, found.count(each)) for each in told)
        if n or verdict is not Verdict.UNPLACED
    )
    numbers = "".join(
        f"<li><b>{value:.2f}</b> mean {name}</li>"
        for name, value in (("IoU", found.mean_iou), ("mask IoU", found.mean_mask_iou))
        if value is not None
    )
    same = (
        '<p class="pp-hint">Both sides are the same model with the same settings, so what differs is chance. '
        "“One model, many times” shows how much.</p>"
        if alike
        else ""
    )
    return f'<ul class="pp-cmp-sum">{chips}{numbers}</ul><p class="pp-cmp-words">{in_words(found, least_iou)}</p>{same}'


def in_words(found: Agreement, least_iou: float) -> str:
    """ "Both name 3 objects in the same place (IoU of 0.50 or more). Only A has 1. Only B has 2." """
    both, other = found.count(Verdict.AGREED), found.count(Verdict.RELABELLED)
    only = found.count(Verdict.ONLY_FIRST), found.count(Verdict.ONLY_SECOND)
    points = found.count(Verdict.UNPLACED)
    if not found.rows:
        return "Both say that there is nothing."
    if both and not (other or any(only) or points):
        return f"Full agreement: both name the same {_count(both, 'object')}, each in the same place."
    said = [f"Both name {_count(both, 'object')} in the same place (IoU of {least_iou:.2f} or more)."]
    if not both:
        said = [f"They share no object: none has one label and one place (IoU of {least_iou:.2f} or more)."]
    if other:
        said.append(f"{_count(other, 'place')} {'has' if other == 1 else 'have'} two names.")
    said += [f"Only {side} has {n}." for side, n in zip("AB", only, strict=True) if n]
    if points:
        said.append(f"{_count(points, 'object')} {'has' if points == 1 else 'have'} no box to be matched by.")
    return " ".join(said)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _figure(trial: Trial, rows: Sequence[Row], place: int, truth: Against | None, *, alone: bool) -> str:
    side = trial.sides[place]
    letter = "AB"[place]
    head = f'<figcaption><i data-side="{letter}">{letter}</i> <bdi>{safe(side.name)}</bdi>{facts(side)}</figcaption>'
    if not side.answered:
        plain = jpeg_uri(trial_drawing.small(trial.picture))
        inside = f'<img src="{plain}" alt="The picture, without an answer">{_silence(trial, side)}'
        return f'<figure data-state="silent">{head}<div class="pp-cmp-frame">{inside}</div></figure>'
    image = trial_drawing.side_picture(trial, rows, place, alone=alone)
    spots = "" if alone else "".join(_spot(trial, n, row, place) for n, row in enumerate(rows, 1))
    alt = f"The picture with {_count(len(side.found), 'object')} of side {letter} drawn on it; the table lists them"
    frame = f'<div class="pp-cmp-frame"><img src="{image}" alt="{alt}">{spots}</div>'
    return f"<figure>{head}{frame}{said(trial, side)}{against(truth)}</figure>"


def _silence(trial: Trial, side: Side) -> str:
    """In place of an answer: that it is on its way, or why none came."""
    if side.got is None:
        return '<p class="pp-cmp-none"><i class="pp-spinner"></i>Being asked …</p>'
    words = side.got.text if isinstance(side.got, Problem) else _explained(trial, side.got)
    return f'<p class="pp-cmp-none">{safe(words)}</p>'


def said(trial: Trial, side: Side) -> str:
    """What to know of an answer besides its objects; "" where it speaks for itself."""
    if not isinstance(side.got, Result):
        return ""
    notes = "".join(f"<li>{safe(note.detail)}</li>" for note in side.got.notes)
    nothing = "" if side.found else f'<p class="pp-hint">{safe(_explained(trial, side.got))}</p>'
    return nothing + (f'<ul class="pp-picture-notes">{notes}</ul>' if notes else "")


def _explained(trial: Trial, got: Result) -> str:
    labels = split_labels(trial.prompt)
    return f"{headline(got, trial.task, labels)}. {explanation(got, trial.task)}".strip()


def facts(side: Side) -> str:
    """How many objects, how long, how much: as far as it is known."""
    if not isinstance(side.got, Result):
        return ""
    usage = side.got.usage
    known = [_count(len(side.found), "object")] if side.answered else []
    if usage:
        known.append(f"{usage.seconds:.1f} s")
        if usage.cost_usd is not None:
            known.append(dollars(usage.cost_usd))
    return f'<span class="pp-facts">{" · ".join(known)}</span>'


def against(truth: Against | None) -> str:
    """One answer beside what truly is in a drawn scene, in a line."""
    if truth is None:
        return ""
    ious = list(truth.ious.values())
    words = [f"{len(ious)} of {truth.true} true ones found"]
    words += how_well(ious, list(truth.mask_ious.values()))
    if truth.invented:
        words.append(f"{truth.invented} not there")
    unclear = f" “{safe(truth.unclear[0])}” has no plain meaning in this scene." if truth.unclear else ""
    return f'<p class="pp-cmp-truth"><b>Against the truth:</b> {", ".join(words)}.{unclear}</p>'


def _spot(trial: Trial, number: int, row: Row, place: int) -> str:
    """Where the object of a row is, or would be on a side that has it not: lit up while its row is looked at."""
    own, other = (row.first, row.second)[place], (row.second, row.first)[place]
    found = trial.sides[place].found[own] if own is not None else None
    if found is None and other is not None:
        found = trial.sides[1 - place].found[other]
    if found is None or found.box is None:
        return ""
    ghost = " data-ghost" if own is None else ""
    colour = trial_drawing.COLOURS[row.verdict]
    return f'<span class="pp-cmp-spot" data-row="{number}"{ghost} style="{_at(found.box)};--dot:{colour}"></span>'


def _at(box: Box) -> str:
    left, top, width, height = (100 * each for each in (box.x1, box.y1, box.width, box.height))
    return f"left:{left:.2f}%;top:{top:.2f}%;width:{width:.2f}%;height:{height:.2f}%"


def _takes(rows: Sequence[Row], trial: Trial) -> str:
    """The buttons that tick, and the one that takes what is ticked."""
    wants = [(str(place), f"Take {'AB'[place]}") for place in (0, 1) if trial.sides[place].found]
    if any(row.verdict is Verdict.AGREED for row in rows):
        wants.append(("both", "Take what both have"))
    return takes(wants)


def takes(wants: Sequence[tuple[str, str]]) -> str:
    """(what its button ticks, what the button says); the page's script does it."""
    buttons = "".join(
        f'<button type="button" class="pp-act" data-take="{each}">{words}</button>' for each, words in wants
    )
    return (
        f'<div class="pp-cmp-takes">{buttons}<button type="button" class="pp-act" data-take="none">Untick all</button>'
        '<button type="button" class="pp-act pp-cmp-use" data-use disabled>Use on the Picture page</button></div>'
    )


def _table(trial: Trial, rows: Sequence[Row], truths: Sequence[Against | None], told: bool) -> str:
    scored = [any(each.own_score is not None for each in side.found) for side in trial.sides]
    masked = any(row.mask_iou is not None for row in rows)
    heads = ["", "Verdict"] if told else [""]
    for place in (0, 1):
        if trial.sides[place].answered:
            letter = "AB"[place]
            heads += [letter, *(["Score"] * scored[place]), *([f"{letter} vs truth"] * (truths[place] is not None))]
    heads += ["IoU", *(["Mask IoU"] * masked)] if told else []
    lines = []
    for n, row in enumerate(rows, 1):
        cells = [f'<td class="pp-cmp-verdict"><i></i>{WORDS[row.verdict]}</td>'] if told else []
        for place, at in enumerate((row.first, row.second)):
            if trial.sides[place].answered:
                cells += _cells(trial, place, at, scored[place], truths[place])
        cells += [number(row.iou), *([number(row.mask_iou)] * masked)] if told else []
        colour = trial_drawing.COLOURS[row.verdict]
        both = " data-both" if row.verdict is Verdict.AGREED else ""
        lines.append(f'<tr data-row="{n}"{both} style="--dot:{colour}"><td>{n}</td>{"".join(cells)}</tr>')
    return table("Every object of both answers, disagreement first", heads, lines)


def table(caption: str, heads: Sequence[str], lines: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{safe(each)}</th>' for each in heads)
    return (
        f'<div class="pp-table pp-cmp-table"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cells(trial: Trial, place: int, at: int | None, scored: bool, truth: Against | None) -> list[str]:
    """What one side has in a row; empty cells where it has nothing."""
    if at is None:
        return ["<td></td>"] * (1 + scored + (truth is not None))
    found = trial.sides[place].found[at]
    known = [number(found.own_score)] if scored else []
    if truth is not None:
        known.append(number(truth.ious[at]) if at in truth.ious else '<td class="pp-cmp-no">not there</td>')
    return [f"<td>{tick(place, at, found)}</td>", *known]


def tick(place: int, at: int, found: Detection) -> str:
    """A box to tick beside the object's label."""
    label = safe(found.label) or "<em>no label</em>"
    return f'<label class="pp-cmp-tick"><input type="checkbox" data-pick="{place}:{at}"><bdi>{label}</bdi></label>'


def number(value: float | None) -> str:
    """A share to two digits; empty where it is not known."""
    return f"<td>{'' if value is None else f'{value:.2f}'}</td>"
