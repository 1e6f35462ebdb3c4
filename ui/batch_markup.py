"""The Batch page's own pieces of HTML, all of them strings. What comes from people or models passes through `safe`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from grounding.exports import FORMATS
from grounding.types import Outcome
from jobs.batch import Batch
from jobs.pictures import Skipped
from jobs.run import span
from jobs.tally import Failure, Tally
from ui.batch_state import Finished, Look, Standing
from ui.markup import dollars, hint, safe, trouble

MOST_ROWS = 100
"""Failures shown; all of them are in the download's errors.csv."""
_MOST_LABELS = 24

_QUOTED = re.compile("“[^”]*”")  # what a model said differs each time; the cause does not

_ADVICE = {
    Outcome.BLOCKED: "Leave it, or choose milder filters on the Picture page for a new batch.",
    Outcome.TRUNCATED: "Ask for fewer things at once, or set a higher output limit.",
    Outcome.UNRECOGNISED: "Retry it, or choose another model.",
    Outcome.FAILED: "Retry it.",
}


def empty(shared: bool) -> str:
    """Before there is a batch: what happens when one leaves."""
    return (
        '<section class="pp-batch-empty"><h3>Nothing is running</h3>'
        "<p>Give pictures and say what to find. Labels land here as they come, to take away in "
        f"{len(FORMATS)} formats.</p>"
        f"<p>{_staying(shared)}</p></section>"
    )


def status(look: Look, shared: bool) -> str:
    """How far it is, how fast, what it cost, and what it waits for."""
    tone, words = _headline(look)
    facts = [f"{_question(look)}"]
    spinner = '<i class="pp-spinner"></i>' if look.standing.busy else ""
    head = (
        f'<div class="pp-status" data-tone="{tone}">{spinner}<strong>{safe(words)}</strong>'
        f'<span class="pp-facts">{" · ".join(_pace(look))}</span></div>'
    )
    bar = ""
    if look.total:
        told = f"{look.done} of {look.total}"
        bar = (
            f'<progress class="pp-batch-bar" max="{look.total}" value="{look.done}" aria-label="Done">{told}</progress>'
        )
    lines = [f'<p class="pp-hint">{safe(fact)}</p>' for fact in facts]
    lines += [f'<p class="pp-hint pp-beware">{safe(line)}</p>' for line in _news(look)]
    if look.trouble:
        lines.append(trouble(look.trouble))
    if look.standing.busy:
        lines.append(hint(_staying(shared)))
    return head + bar + "".join(lines)


def told(look: Look) -> str:
    """The same in a few words that stay while it runs: read out whenever they change."""
    if look.stopping:
        return "The batch is stopping."
    return "The batch is running." if look.standing is Standing.RUNNING else safe(_headline(look)[1])


def finished(shown: Sequence[Finished]) -> str:
    """The pictures done last, the one begun last first, with what was found drawn on them."""
    cells = "".join(
        f'<li><img src="{each.image}" alt=""><b><bdi>{safe(each.name.rsplit("/", 1)[-1])}</bdi></b>'
        f"<span>{safe(each.words)}</span></li>"
        for each in shown
    )
    return f'<ul class="pp-batch-last" aria-label="Finished last">{cells}</ul>' if cells else ""


def failures(tally: Tally) -> str:
    """Each picture that got no labels: why, and what to do."""
    failed = list(tally.failures.values())
    if not failed:
        return ""
    lines = "".join(_failure(each) for each in failed[-MOST_ROWS:])
    more = len(failed) - MOST_ROWS
    rest = hint(f"{more:,} more are named in errors.csv, which comes with the download.") if more > 0 else ""
    return (
        f'<h3>Without labels: {len(failed):,}</h3><div class="pp-table pp-batch-failed"><table>'
        "<caption>Pictures without labels</caption>"
        '<thead><tr><th scope="col">Picture</th><th scope="col">Why</th><th scope="col">What to do</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div>{rest}"
    )


def summary(look: Look) -> str:
    """How many were labelled, empty and failed, by cause; and how many objects there are of each label."""
    tally = look.tally
    if not tally.labelled and not tally.failures:
        return ""
    facts = [f"<b>{tally.labelled:,}</b> labelled"]
    if tally.empty:
        facts.append(f"<b>{tally.empty:,}</b> of them empty")
    if tally.failures:
        facts.append(f"<b>{len(tally.failures):,}</b> without labels")
    if (total := look.total) is not None and total > look.done:
        facts.append(f"<b>{total - look.done:,}</b> not asked about yet")
    causes = Counter(_QUOTED.sub("“…”", _why(each)[0]) for each in tally.failures.values()).most_common(6)
    why = "".join(f"<li><b>{count:,}</b> {safe(cause)}</li>" for cause, count in causes)
    objects = +tally.objects
    counts = "".join(
        f"<li><bdi>{safe(label or 'no name')}</bdi> <b>{count:,}</b></li>"
        for label, count in objects.most_common(_MOST_LABELS)
    )
    others = len(objects) - _MOST_LABELS
    counts += f"<li>… and {others:,} more {'label' if others == 1 else 'labels'}</li>" if others > 0 else ""
    skipped = _passed_over(look)
    return (
        f'<p class="pp-batch-sum">{" · ".join(facts)}</p>'
        + (f'<ul class="pp-batch-why">{why}</ul>' if why else "")
        + (
            f"<h3>Objects by label: {objects.total():,}</h3>" + f'<ul class="pp-batch-labels">{counts}</ul>'
            if counts
            else ""
        )
        + skipped
    )


def counted_things(skipped: Sequence[Skipped]) -> str:
    """A sentence on what is passed over; "" where nothing is."""
    if not skipped:
        return ""
    named = ", ".join(f"{each.name[-40:]} ({each.reason})" for each in skipped[:3])
    more = f" and {len(skipped) - 3:,} more" if len(skipped) > 3 else ""
    return f" Passed over: {named}{more}."


def titled(batch: Batch) -> str:
    """A batch in a few words: when, what, how many."""
    noted = batch.noted()
    pictures = f", {noted.total:,} pictures" if noted else ""
    asked = "; ".join(batch.job.labels) or batch.job.text
    return f"{batch.begun_at[:16].replace('T', ' ')} UTC: {batch.job.task.value} {asked[:60]}{pictures}"


def _headline(look: Look) -> tuple[str, str]:
    of = f"{look.done:,} of {look.total:,}" if look.total is not None else f"{look.done:,}"
    if look.stopping:
        return "busy", f"Stopping · {of} done"
    match look.standing:
        case Standing.WAITING:
            line = f"{look.before} before yours" if look.before > 0 else "about to begin"
            return "busy", f"In line: {line}"
        case Standing.OPENING:
            return "busy", "Opening the pictures and the model"
        case Standing.RUNNING:
            return "busy", f"{of} done"
        case Standing.DONE:
            return (
                "warn" if look.tally.failures else "good"
            ), f"Done: {look.tally.labelled:,} of {look.total:,} labelled"
        case Standing.GIVEN_UP:
            return "stop", f"Ended at {of}: no answers came any more"
        case Standing.FAILED:
            return "stop", f"Ended at {of}"
        case Standing.LEFT:
            return "quiet", f"Stopped at {of}: nobody was looking"
        case Standing.STOPPED:
            return "quiet", f"Stopped at {of}"


def _pace(look: Look) -> list[str]:
    facts = []
    if look.per_second is not None:
        per = look.per_second
        facts.append(f"{per:.1f} pictures/s" if per >= 1 else f"{60 * per:.1f} pictures/min")
    if look.seconds_left is not None and look.standing is Standing.RUNNING:
        facts.append(f"{span(look.seconds_left)} left")
    if look.cost_usd is not None:
        facts.append(f"{dollars(look.cost_usd)} so far" if look.standing.busy else dollars(look.cost_usd))
    return facts


def _news(look: Look) -> list[str]:
    said = []
    if look.waiting_s > 1 and look.standing is Standing.RUNNING:
        said.append(f"Too many requests for this key (429): the service asked to wait, {look.waiting_s:.0f} s more.")
    if look.aside:
        said.append("A question about one picture goes first with this model; the batch takes one at a time meanwhile.")
    if look.standing is Standing.GIVEN_UP:
        said.append("The others would fare no better. See why below, put it right, and go on: nothing is lost.")
    if look.standing in (Standing.STOPPED, Standing.LEFT):
        said.append("What was labelled is kept. Go on whenever you like; no answered picture is asked again.")
    if look.noted and look.noted.more:
        said.append(f"There were more pictures; the first {look.noted.total:,} were taken.")
    return said


def _question(look: Look) -> str:
    job = look.batch.job
    asked = "; ".join(job.labels) or job.text
    shown = asked if len(asked) <= 120 else asked[:119] + "…"
    return f"{job.task.value.capitalize()}" + (f" “{shown}”" if shown else "") + f" with {job.model}"


def _failure(failure: Failure) -> str:
    why, what = _why(failure)
    return f'<tr><th scope="row"><bdi>{safe(failure.picture)}</bdi></th><td>{safe(why)}</td><td>{safe(what)}</td></tr>'


def _why(failure: Failure) -> tuple[str, str]:
    """(what happened, what to do): a reason's first sentence and the rest of it, or what helps with such an outcome."""
    first, dot, rest = failure.reason.partition(". ")
    return (first + dot).strip() or failure.outcome.value.capitalize(), rest.strip() or _ADVICE.get(failure.outcome, "")


def _passed_over(look: Look) -> str:
    if not look.noted or not look.noted.left_out:
        return ""
    lines = "".join(f"<li><bdi>{safe(each.name)}</bdi>: {safe(each.reason)}</li>" for each in look.noted.skipped[:20])
    more = look.noted.left_out - min(20, len(look.noted.skipped))
    lines += f"<li>… and {more:,} more</li>" if more > 0 else ""
    head = f"<summary>Passed over: {look.noted.left_out:,}</summary>"
    return f'<details class="pp-batch-skipped">{head}<ul>{lines}</ul></details>'


def _staying(shared: bool) -> str:
    if shared:
        return (
            "Close the page and the batch goes on for ten minutes, then stops; reopened in this browser within two "
            "hours, the page finds it, and Go on asks about the rest."
        )
    return (
        "Close the page if you like: the batch goes on as long as the app runs. If that is stopped or killed, "
        "open the page again and press Go on; no answered picture is asked again."
    )
