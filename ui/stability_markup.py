"""One model's answers to the same question, asked again and again, as HTML: what came how often, and how far it spread.

Knows no gradio. Whatever people or models wrote passes through `safe`.
"""

from __future__ import annotations

from collections.abc import Sequence

from grounding.agreement import EDGES, Cluster, Spread, Stability
from grounding.types import Result
from ui import trial_drawing
from ui.compare_markup import against, number, table, takes, tick
from ui.form import Form
from ui.markup import counted, dollars, safe
from ui.messages import Problem, explanation, headline
from ui.trial import Against, Trial, against_truth, spread

NEVER_DIFFERS = (
    "Without a temperature this model always takes the likeliest word, so that its answers will not differ. "
    "Set a temperature, such as 1, to see what else it considers."
)


def board(trial: Trial, least_iou: float) -> str:
    """Everything that is known of the answers by now."""
    found = spread(trial, least_iou)
    answers = len(trial.runs)
    words = f'<p class="pp-cmp-words">{in_words(trial, found, answers)}</p>{_quiet(trial)}'
    if not answers:
        return f'<section class="pp-cmp" data-number="{trial.number}">{words}</section>'
    picture = trial_drawing.runs_picture(trial, found)
    count = len(found.clusters)
    alt = (
        f"The picture with the outlines of {counted(count, 'thing')} from {counted(answers, 'answer')} over each "
        "other; the table lists them"
    )
    spots = "".join(_spot(n, each) for n, each in enumerate(found.clusters, 1))
    wants = [("all", "Take all"), ("most", "Take what most answers have")] if found.clusters else []
    return (
        f'<section class="pp-cmp" data-number="{trial.number}" aria-label="The answers to the same question">'
        f'{_sum(trial, found, answers)}{words}<figure class="pp-cmp-one"><figcaption><bdi>{safe(trial.sides[0].name)}'
        f'</bdi>{_facts(trial)}</figcaption><div class="pp-cmp-frame"><img src="{picture}" alt="{alt}">{spots}</div>'
        f"{_truths(trial)}</figure>{takes(wants) + _table(trial, found) if wants else ''}</section>"
    )


def in_words(trial: Trial, found: Stability, answers: int) -> str:
    """The whole in plain words; a model that leaves nothing to chance is told so after it was really asked."""
    if not answers:
        return "No answer yet." if any(side.got is None for side in trial.sides) else "No answer came."
    asked = counted(answers, "answer")
    if answers == 1:
        return f"{asked} so far; it takes two to see a spread."
    if found.identical:
        same = f"All {asked} are the same, to the last pixel of every box{' and mask' if _masked(trial) else ''}."
        return f"{same} {_why_same(trial)}".strip()
    always = sum(len(each.members) == answers for each in found.clusters)
    things = counted(len(found.clusters), "thing")
    rest = len(found.clusters) - always
    shares = f"{always} in every answer, {rest} in some only" if rest else "every answer has all of them"
    said = [f"{asked} name {things}: {shares}."]
    deviations = [edge.sd for each in found.clusters for edge in each.spreads if edge.sd is not None]
    if deviations:
        mean, most = sum(deviations) / len(deviations), max(deviations)
        said.append(f"Edges deviate by {100 * mean:.2f} % of the picture on average, {100 * most:.2f} % at most.")
    if found.unplaced:
        are = "is" if found.unplaced == 1 else "are"
        said.append(f"{found.unplaced} had no box and {are} not counted here.")
    return " ".join(said)


def _masked(trial: Trial) -> bool:
    return any(each.mask for side in trial.runs for each in side.found)


def _why_same(trial: Trial) -> str:
    form = trial.sides[0].form
    return f"It was asked each time. {NEVER_DIFFERS}" if form and leaves_nothing_to_chance(form) else ""


def leaves_nothing_to_chance(form: Form) -> bool:
    """Whether asking it again gives the same answer."""
    return form.backend == "paligemma" and not form.options.temperature


def _quiet(trial: Trial) -> str:
    """The runs that gave nothing to count, each reason once."""
    reasons: dict[str, int] = {}
    for side in trial.sides:
        if side.got is not None and not side.answered:
            words = side.got.text if isinstance(side.got, Problem) else _explained(trial, side.got)
            reasons[words] = reasons.get(words, 0) + 1
    return "".join(
        f'<p class="pp-problem">{n} of {len(trial.sides)} gave no answer: {safe(words)}</p>'
        for words, n in reasons.items()
    )


def _explained(trial: Trial, got: Result) -> str:
    return f"{headline(got, trial.task)}. {explanation(got, trial.task)}".strip()


def _sum(trial: Trial, found: Stability, answers: int) -> str:
    always = sum(len(each.members) == answers for each in found.clusters)
    worst = [each.worst_iou for each in found.clusters if each.worst_iou is not None]
    things = len(found.clusters)
    chips = f"<li><b>{answers}</b> of {counted(len(trial.sides), 'answer')}</li>"
    chips += f"<li><b>{things}</b> {'thing' if things == 1 else 'things'}</li>"
    chips += f"<li><b>{always}</b> in every answer</li>"
    if worst:
        chips += f"<li><b>{min(worst):.2f}</b> least IoU of two boxes of one thing</li>"
    return f'<ul class="pp-cmp-sum pp-cmp-plain">{chips}</ul>'


def _facts(trial: Trial) -> str:
    usages = [side.got.usage for side in trial.runs if isinstance(side.got, Result) and side.got.usage]
    costs = [usage.cost_usd for usage in usages if usage.cost_usd is not None]
    known = [f"{sum(usage.seconds for usage in usages) / len(usages):.1f} s each"] if usages else []
    known += [f"{dollars(sum(costs))} together"] if costs else []
    return f'<span class="pp-facts">{" · ".join(known)}</span>'


def _truths(trial: Trial) -> str:
    """The first answer's worth, where the truth is known."""
    return against(against_truth(trial, trial.runs[0])).replace("Against the truth:", "First answer against the truth:")


def _spot(n: int, cluster: Cluster) -> str:
    left, top, right, bottom = cluster.spreads
    box = 100 * left.low, 100 * top.low, 100 * (right.high - left.low), 100 * (bottom.high - top.low)
    at = "left:{:.2f}%;top:{:.2f}%;width:{:.2f}%;height:{:.2f}%".format(*box)
    return f'<span class="pp-cmp-spot" data-row="{n}" style="{at}"></span>'


def _table(trial: Trial, found: Stability) -> str:
    """One row for each thing, the rarest first; what is taken of it is its box that lies closest to all others."""
    runs, places = trial.runs, trial.answering
    truths = [against_truth(trial, side) for side in runs]
    known = any(truths)
    heads = ["", "Thing", "Seen in", "Near", *(edge.capitalize() for edge in EDGES), "Least IoU", "Score"]
    colours = trial_drawing.cluster_colours(found.clusters)
    near = trial_drawing.close_ups(trial, found)
    lines = []
    for n, each in enumerate(found.clusters, 1):
        run, at = each.medoid
        often, share = len(each.members), 100 * len(each.members) / len(runs)
        also = f'<small class="pp-cmp-also">also called {", ".join(map(safe, each.also))}</small>' if each.also else ""
        cells = [
            f"<td>{n}</td><td>{tick(places[run], at, runs[run].found[at])}{also}</td>",
            f'<td><i class="pp-cmp-often" style="--share:{share:.0f}%"></i>{often} of {len(runs)}</td>',
            f'<td><img class="pp-cmp-near" src="{near[n - 1]}" alt="The outlines of {safe(each.label)}, near"></td>',
            *(_edge(edge, trial.picture.size_wh[k % 2]) for k, edge in enumerate(each.spreads)),
            number(each.worst_iou),
            _scores([runs[run].found[at].own_score for run, at in each.members]),
            *([_true(truths[run], at)] if known else []),
        ]
        most = " data-most" if 2 * often > len(runs) else ""
        lines.append(f'<tr data-row="{n}"{most} style="--dot:{colours[n - 1]}">{"".join(cells)}</tr>')
    return table("Every thing that was named, the rarest first", [*heads, *(["Truth"] * known)], lines)


def _edge(edge: Spread, side_px: int) -> str:
    """The standard deviation in pixels and in shares of the picture, and how far the outermost two are apart."""
    if edge.sd is None:
        return '<td class="pp-cmp-once">seen once</td>'
    far = (edge.high - edge.low) * side_px
    return f"<td>± {edge.sd * side_px:.1f} px<small>{100 * edge.sd:.2f} %</small><small>range {far:.1f} px</small></td>"


def _scores(scores: Sequence[float | None]) -> str:
    known = [score for score in scores if score is not None]
    if not known:
        return "<td></td>"
    low, high = f"{min(known):.2f}", f"{max(known):.2f}"
    return f"<td>{low}</td>" if low == high else f"<td>{low} – {high}</td>"


def _true(truth: Against | None, at: int) -> str:
    if truth is None:
        return "<td></td>"
    return number(truth.ious[at]) if at in truth.ious else '<td class="pp-cmp-no">not there</td>'
