"""The page's own pieces of HTML. Whatever comes from people or models passes through `safe`, the only escape.

Knows no gradio. Model text is never Markdown here: it could load pictures from elsewhere.
"""

from __future__ import annotations

import html
import math
import re
import uuid
from collections.abc import Iterable
from dataclasses import replace

from PIL import Image

from backends.paligemma_family import in_gb
from grounding.backend import Capabilities, Loading
from grounding.editing import PERSON
from grounding.images import jpeg_uri
from grounding.labels import split_labels
from grounding.types import Note, NoteKind, Outcome, Result, SafetyRating, SafetyReport, Stage, Task, Usage
from ui.messages import Problem, explanation, missed, standing
from ui.state import Answer, Kept

LOGO = (
    '<svg class="pp-logo" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" fill="none" '
    'stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round">'
    '<path d="M4 11V7a3 3 0 0 1 3-3h4M21 4h4a3 3 0 0 1 3 3v4M28 21v4a3 3 0 0 1-3 3h-4M11 28H7a3 3 0 0 1-3-3v-4"/>'
    '<circle class="pp-dot" cx="16" cy="16" r="4.6" stroke="none"/></svg>'
)

_TONES = {
    Outcome.FOUND: "good",
    Outcome.NONE: "quiet",
    Outcome.BLOCKED: "stop",
    Outcome.TRUNCATED: "warn",
    Outcome.REPAIRED: "good",
    Outcome.UNRECOGNISED: "warn",
    Outcome.FAILED: "stop",
}

_NOTE_WORDS = {
    NoteKind.SKIPPED: "Left out",
    NoteKind.REPAIRED: "Mended",
    NoteKind.CUT: "Cut off",
    NoteKind.CAPPED: "Capped",
    NoteKind.PICTURE: "Picture",
    NoteKind.MODEL: "Model",
}


def safe(value: object) -> str:
    """`value` as text that no browser takes for markup, in an attribute or between tags."""
    return html.escape(str(value), quote=True)


def counted(count: int, one: str, many: str = "") -> str:
    """ "1 picture", "2,000 pictures"; `many` where the plural takes more than an s."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or one + 's'}"


def header() -> str:
    return (
        f'<header class="pp-header">{LOGO}<h1>Pinpoint</h1>'
        "<p>Caption a picture, ask it, find things in it, cut them out.</p></header>"
    )


def current_picture(kept: Kept | None, problem: Problem | None = None) -> str:
    """The thumbnail and size of the picture that will be asked, and what was converted to read it.

    Never the same twice: the page's script sees by it that a picture came, the one before again too.
    """
    said = trouble(problem) if problem else ""
    if kept is None:
        return said or '<p class="pp-hint">No picture yet.</p>'
    width, height = kept.size_wh
    notes = "".join(f"<li>{safe(note.detail)}</li>" for note in kept.notes)
    came = uuid.uuid4().hex[:8]
    return (
        f'<div class="pp-current" data-came="{came}"><img src="{data_uri(kept)}" alt="The current picture">'
        f"<div><strong><bdi>{safe(kept.name or 'Picture')}</bdi></strong><span>{width} × {height} px</span></div></div>"
        + (f'<ul class="pp-picture-notes">{notes}</ul>' if notes else "")
        + said
    )


def hint(words: str) -> str:
    return f'<p class="pp-hint">{safe(words)}</p>'


def beware(words: str) -> str:
    """What to know before asking."""
    return f'<p class="pp-hint pp-beware">{safe(words)}</p>'


def trouble(problem: Problem) -> str:
    """Why something was not done, beside where it was asked for."""
    return f'<p class="pp-problem" role="alert">{safe(problem.text)}</p>'


def who_answers(model: str, capabilities: Capabilities, *, shared: bool = False) -> str:
    """Which model answers and who gets to see the picture. shared: the page is looked at from other machines."""
    here = capabilities.sends_to.startswith("nobody")
    place = "the server that this page comes from" if shared else "this machine"
    where = f"The picture stays on {place}." if here else f"The picture is sent to {safe(capabilities.sends_to)}."
    return f'<p class="pp-who" data-here="{str(here).lower()}"><strong>{safe(model)}</strong> answers. {where}</p>'


def small_world() -> str:
    """The notice beside the bundled model."""
    return (
        '<aside class="pp-aside"><strong>A small model in a small world.</strong> pinpoint-nano is bundled so that '
        "everything works with no key and no network. It knows the drawn scenes you find under Examples and nothing "
        "else; photographs are out of its depth. For those, choose Gemini with your own key, "
        "or a large PaliGemma checkpoint.</aside>"
    )


def busy(doing: str, seconds: int) -> str:
    return _status("busy", f'<i class="pp-spinner"></i><strong>{safe(doing)}</strong>{_clock(seconds)}')


def growing(doing: str, seconds: int, result: Result, task: Task) -> str:
    """An answer that is still coming: how many things so far, or its words."""
    if task in (Task.DETECT, Task.SEGMENT):
        count = len(result.detections)
        return busy(f"{doing} · {count} so far" if count else doing, seconds)
    said = f'<blockquote class="pp-said" dir="auto" aria-live="off">{safe(result.text)}</blockquote>'
    return busy(doing, seconds) + (said if result.text else "")


def loading(model: str, loading: Loading, seconds: int) -> str:
    """How far a model is on its way into memory, with a bar where its size is known."""
    done, total = in_gb(loading.done), loading.total
    far = f"{done} of {in_gb(total)}" if total else done if loading.done else ""
    words = f"{model}: {loading.stage.value}" + (f", {far}" if far else "")
    if not total:
        return busy(words, seconds)
    bar = f'<progress class="pp-loading" max="{total}" value="{min(loading.done, total)}">{far}</progress>'
    return busy(words, seconds) + bar


def waiting(why: str, seconds: int) -> str:
    """The service asked to wait: for how long yet."""
    head = f'<i class="pp-spinner"></i><strong>Asked to wait, {seconds} s</strong>'
    return _status("busy", head) + (f'<p class="pp-why" aria-live="off">{safe(why)}</p>' if why else "")


def _clock(seconds: int) -> str:
    return f'<span class="pp-clock">{seconds} s</span>' if seconds else ""


def ready(kept: Kept | None) -> str:
    words = "Ready. Name what to find, or ask." if kept else "Give a picture to begin."
    return _status("quiet", f"<strong>{words}</strong>")


def failed(problem: Problem, *, earlier: bool = False) -> str:
    """Why no answer came; `earlier`: an answer to an earlier question is still shown below."""
    head = _status("quiet" if problem.stopped else "stop", f"<strong>{safe(problem.text)}</strong>")
    if problem.steps:
        head += f'<ol class="pp-steps">{"".join(f"<li>{_linked(step)}</li>" for step in problem.steps)}</ol>'
        head += '<p class="pp-why"><button type="button" class="pp-act" data-pp-again>Try again</button></p>'
    return head + '<p class="pp-why pp-earlier">Below is still the earlier answer.</p>' * earlier


def answered(answer: Answer, pages: int = 0) -> str:
    """The outcome in one line, what it means, and the words the model said where words were asked for.

    pages: of the document it is about; where the model names one, a button leads there.
    """
    result = answer.result
    asked = split_labels(answer.prompt) if answer.task in (Task.DETECT, Task.SEGMENT) else ()
    own = result if answer.said is None else replace(result, detections=answer.said)
    tone = "warn" if missed(own, asked) and _TONES[result.outcome] == "good" else _TONES[result.outcome]
    words = standing(result, answer.said, answer.task, asked)
    head = _status(tone, f"<strong>{safe(words)}</strong>{_asked(answer)}")
    if result.outcome is Outcome.BLOCKED:
        return head + blocked(result.safety)
    if why := explanation(result, answer.task):
        head += f'<p class="pp-why">{safe(why)}</p>'
    if result.text and result.outcome is not Outcome.FAILED and answer.task in (Task.CAPTION, Task.ASK):
        head += f'<blockquote class="pp-said" dir="auto">{_cited(result.text, pages)}</blockquote>'
    return head


_STAGES = {
    Stage.PROMPT: "The picture or the words sent with it were stopped before the model answered.",
    Stage.ANSWER: "The model had begun to answer; its answer was withheld.",
    None: "The service does not say whether the prompt or the answer was stopped.",
}


def blocked(report: SafetyReport) -> str:
    """Who withheld what and why, how it rated, and what a person can change about it, if anything."""
    stage = _STAGES[report.stage]
    word = f" Its own word for it: <code>{safe(report.reason)}</code>" if report.reason else ""
    ratings = f"<h4>How it was rated</h4>{_ratings(report)}" if report.ratings else ""
    if report.changeable is False:
        change = "No slider changes this: the service always blocks it. Ask something else, or give another picture."
    elif report.sliders:
        names = " and ".join(f"<b>{safe(_category(harm.value))}</b>" for harm in report.sliders)
        change = f"The filter for {names} stopped it. Set it to “Block few” or “Block none” and ask again."
    else:
        change = "The service does not say which filter it was. A milder one may help, or other words."
    button = '<button type="button" class="pp-act" data-pp-open="pp-filters">Open the safety filters</button>'
    return (
        f'<section class="pp-blocked" aria-label="What was blocked"><p>{safe(report.explanation)}</p>'
        f"<h4>What was stopped</h4><p>{stage}{word}</p>{ratings}"
        f"<h4>What you can change</h4><p>{change}</p>{button if report.changeable is not False else ''}</section>"
    )


def _ratings(report: SafetyReport) -> str:
    lines = "".join(_rating(rating) for rating in report.ratings)
    table = f"<table><caption>Ratings by category</caption><tbody>{lines}</tbody></table>"
    return f'<div class="pp-table">{table}</div>'


def _cited(text: str, pages: int) -> str:
    """`text` made safe, each “[page 3]” of a document that has one a button that shows it."""

    def button(found: re.Match[str]) -> str:
        number = int(found[1])
        if not 1 <= number <= pages:
            return found[0]
        return f'<button type="button" class="pp-cite" data-pp-page="{number}">page {number}</button>'

    return re.sub(r"\[page (\d{1,4})\]", button, safe(text)) if pages else safe(text)


def _linked(step: str) -> str:
    """A step made safe, the addresses of the Hub in it links that open beside."""
    link = r'<a href="\1" target="_blank" rel="noopener noreferrer">\1</a>'
    return re.sub(r"(https://huggingface\.co[\w./-]*[\w/])", link, safe(step))


def _status(tone: str, inside: str) -> str:
    return f'<div class="pp-status" data-tone="{tone}">{inside}</div>'


def _asked(answer: Answer) -> str:
    usage = answer.result.usage
    facts = ["by hand"] if answer.model == PERSON else [answer.task.value.capitalize(), answer.model]
    if usage:
        facts.append(f"{usage.seconds:.1f} s")
        if total := _tokens(usage):
            facts.append(total)
        if usage.cost_usd is not None:
            facts.append(dollars(usage.cost_usd))
    return f'<span class="pp-facts">{" · ".join(safe(fact) for fact in facts)}</span>'


def _tokens(usage: Usage) -> str:
    """Tokens in and out as the model counted them; what it did not count is left out."""
    thought = f" (+{usage.thought_tokens} thinking)" if usage.thought_tokens else ""
    seen = f" ({usage.image_tokens} of them the picture)" if usage.image_tokens else ""
    pieces = [
        f"{usage.prompt_tokens} tokens in{seen}" if usage.prompt_tokens is not None else "",
        f"{usage.answer_tokens} out{thought}" if usage.answer_tokens is not None else "",
    ]
    return ", ".join(piece for piece in pieces if piece)


def dollars(cost: float) -> str:
    """A cost to two digits that count: "$0.00031", "$1.20"; "free" never, "$0" where it is less than a millionth."""
    if cost >= 0.995:
        return f"${cost:,.2f}"
    return f"${cost:.{max(2, 1 - math.floor(math.log10(cost)))}f}" if cost >= 1e-6 else "$0"


def notes(items: Iterable[Note]) -> str:
    """Everything skipped, mended or converted, one line each."""
    lines = "".join(f"<li><b>{_NOTE_WORDS[note.kind]}</b> {safe(note.detail)}</li>" for note in items)
    return f'<section class="pp-notes"><h3>Notes</h3><ul>{lines}</ul></section>' if lines else ""


def safety(report: SafetyReport) -> str:
    """What the filters said of an answer they let through; empty where none spoke. Of one they stopped: see blocked."""
    if report.stage is not None or (not report.reason and not report.ratings):
        return ""
    said = f"<code>{safe(report.reason)}</code> " if report.reason else ""
    ratings = _ratings(report) if report.ratings else ""
    return (
        f'<section class="pp-safety"><h3>Safety</h3><p>Nothing was stopped. {said}{safe(report.explanation)}</p>'
        f"{ratings}</section>"
    )


_SHARES = {"NEGLIGIBLE": 6, "LOW": 33, "MEDIUM": 66, "HIGH": 100}  # of a bar: the order, not a measure


def _rating(rating: SafetyRating) -> str:
    likely = rating.probability.lower().replace("_", " ")
    verdict = "<b>blocked</b>" if rating.blocked else "passed"
    share = _SHARES.get(rating.probability)
    blocked = str(rating.blocked).lower()
    bar = (
        f'<i class="pp-rate" data-blocked="{blocked}" style="--share:{share}%" aria-hidden="true"></i>' if share else ""
    )
    name = safe(_category(rating.category))
    return f'<tr><th scope="row">{name}</th><td>{bar}{safe(likely)}</td><td>{verdict}</td></tr>'


def _category(name: str) -> str:
    return name.removeprefix("HARM_CATEGORY_").replace("_", " ").capitalize()


def data_uri(kept: Kept) -> str:
    image = kept.shown_image()
    image.thumbnail((144, 144), Image.Resampling.BILINEAR)
    return jpeg_uri(image)
