"""The page's own pieces of HTML. Whatever comes from people or models passes through `safe`, the only escape.

Knows no gradio. Model text is never Markdown here: it could load pictures from elsewhere.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from io import BytesIO

from PIL import Image

from grounding.backend import Capabilities
from grounding.types import Note, NoteKind, Outcome, SafetyRating, SafetyReport, Task, Usage
from ui.messages import Problem, explanation, headline
from ui.state import Answer, Kept
from ui.truth import Held

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


def header() -> str:
    return (
        f'<header class="pp-header">{LOGO}<h1>Pinpoint</h1>'
        "<p>Caption a picture, ask it, find things in it, cut them out.</p></header>"
    )


def current_picture(kept: Kept | None, problem: Problem | None = None) -> str:
    """The thumbnail and size of the picture that will be asked, and what was converted to read it."""
    said = trouble(problem) if problem else ""
    if kept is None:
        return said or '<p class="pp-hint">No picture yet.</p>'
    width, height = kept.size_wh
    notes = "".join(f"<li>{safe(note.detail)}</li>" for note in kept.notes)
    return (
        f'<div class="pp-current"><img src="{_data_uri(kept)}" alt="The current picture">'
        f"<div><strong><bdi>{safe(kept.name or 'Picture')}</bdi></strong><span>{width} × {height} px</span></div></div>"
        + (f'<ul class="pp-picture-notes">{notes}</ul>' if notes else "")
        + said
    )


def hint(words: str) -> str:
    return f'<p class="pp-hint">{safe(words)}</p>'


def trouble(problem: Problem) -> str:
    """Why something was not done, beside where it was asked for."""
    return f'<p class="pp-problem" role="alert">{safe(problem.text)}</p>'


def who_answers(model: str, capabilities: Capabilities) -> str:
    """Which model answers and who gets to see the picture."""
    here = capabilities.sends_to.startswith("nobody")
    where = "The picture stays on this machine." if here else f"The picture is sent to {safe(capabilities.sends_to)}."
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
    passed = f'<span class="pp-clock">{seconds} s</span>' if seconds else ""
    return _status("busy", f'<i class="pp-spinner"></i><strong>{safe(doing)}</strong>{passed}')


def ready(kept: Kept | None) -> str:
    words = "Ready. Name what to find, or ask." if kept else "Give a picture to begin."
    return _status("quiet", f"<strong>{words}</strong>")


def failed(problem: Problem, *, earlier: bool = False) -> str:
    """Why no answer came; `earlier`: an answer to an earlier question is still shown below."""
    head = _status("quiet" if problem.stopped else "stop", f"<strong>{safe(problem.text)}</strong>")
    return head + '<p class="pp-why pp-earlier">Below is still the earlier answer.</p>' * earlier


def answered(answer: Answer) -> str:
    """The outcome in one line, what it means, and the words the model said where words were asked for."""
    result = answer.result
    why = explanation(result, answer.task)
    head = _status(_TONES[result.outcome], f"<strong>{safe(headline(result, answer.task))}</strong>{_asked(answer)}")
    if why:
        head += f'<p class="pp-why">{safe(why)}</p>'
    spoken = result.text if result.outcome not in (Outcome.BLOCKED, Outcome.FAILED) else ""
    if spoken and answer.task in (Task.CAPTION, Task.ASK):
        head += f'<blockquote class="pp-said" dir="auto">{safe(spoken)}</blockquote>'
    return head


def _status(tone: str, inside: str) -> str:
    return f'<div class="pp-status" data-tone="{tone}">{inside}</div>'


def _asked(answer: Answer) -> str:
    usage = answer.result.usage
    facts = [answer.task.value.capitalize(), answer.model]
    if usage:
        facts.append(f"{usage.seconds:.1f} s")
        if total := _tokens(usage):
            facts.append(total)
    return f'<span class="pp-facts">{" · ".join(safe(fact) for fact in facts)}</span>'


def _tokens(usage: Usage) -> str:
    """Tokens in and out as the model counted them; what it did not count is left out."""
    thought = f" (+{usage.thought_tokens} thinking)" if usage.thought_tokens else ""
    pieces = [
        f"{usage.prompt_tokens} tokens in" if usage.prompt_tokens is not None else "",
        f"{usage.answer_tokens} out{thought}" if usage.answer_tokens is not None else "",
    ]
    return ", ".join(piece for piece in pieces if piece)


def held(held: Held) -> str:
    """An answer held against the truth: how much was found, how well each sits, what was missed and what invented."""
    if held.comparison is None:
        return f'<p class="pp-hint">In this scene there truly is: {safe(held.caption)}.</p>'
    pairs = held.comparison.pairs
    facts = [f"{len(pairs)} of {len(held.true)} found"]
    if pairs:
        facts.append(f"mean IoU {sum(pair.iou for pair in pairs) / len(pairs):.2f}")
    if extra := len(held.comparison.only_first):
        facts.append(f"{extra} not there")
    unclear = "".join(f"<li>“{safe(words)}” has no plain meaning in this scene.</li>" for words in held.unclear)
    lines = [_truth_line(held.found[p.first].label, "found", p.iou, p.mask_iou) for p in pairs]
    lines += [_truth_line(held.true[k].label, "missed") for k in held.comparison.only_second]
    lines += [_truth_line(held.found[k].label, "not there") for k in held.comparison.only_first]
    table = (
        '<div class="pp-table"><table><caption>The answer against the ground truth</caption><thead><tr>'
        '<th scope="col">Label</th><th scope="col">Verdict</th><th scope="col">Box IoU</th>'
        f'<th scope="col">Mask IoU</th></tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )
    head = f'<p class="pp-truth-sum"><strong>{", ".join(facts)}</strong></p>'
    return head + (table if lines else "") + (f'<ul class="pp-picture-notes">{unclear}</ul>' if unclear else "")


def _truth_line(label: str, verdict: str, iou: float | None = None, mask_iou: float | None = None) -> str:
    numbers = "".join(f"<td>{'–' if value is None else f'{value:.2f}'}</td>" for value in (iou, mask_iou))
    tone = {"found": "good", "missed": "warn"}.get(verdict, "stop")
    return f'<tr><th scope="row"><bdi>{safe(label)}</bdi></th><td data-tone="{tone}">{verdict}</td>{numbers}</tr>'


def notes(items: Iterable[Note]) -> str:
    """Everything skipped, mended or converted, one line each."""
    lines = "".join(f"<li><b>{_NOTE_WORDS[note.kind]}</b> {safe(note.detail)}</li>" for note in items)
    return f'<section class="pp-notes"><h3>Notes</h3><ul>{lines}</ul></section>' if lines else ""


def safety(report: SafetyReport) -> str:
    """What the filters did: stage, the service's own word and its ratings; empty where none spoke."""
    if report.stage is None and not report.reason and not report.ratings:
        return ""
    said = f"<code>{safe(report.reason)}</code> " if report.reason else ""
    stage = f"Stopped at the {report.stage.value}. " if report.stage else "Nothing was stopped. "
    lines = "".join(_rating(rating) for rating in report.ratings)
    table = f"<table><caption>Ratings by category</caption><tbody>{lines}</tbody></table>"
    ratings = f'<div class="pp-table">{table}</div>' if lines else ""
    return (
        f'<section class="pp-safety"><h3>Safety</h3><p>{stage}{said}{safe(report.explanation)}</p>{ratings}</section>'
    )


def _rating(rating: SafetyRating) -> str:
    likely = rating.probability.lower().replace("_", " ")
    verdict = "<b>blocked</b>" if rating.blocked else "passed"
    return f'<tr><th scope="row">{safe(_category(rating.category))}</th><td>{safe(likely)}</td><td>{verdict}</td></tr>'


def _category(name: str) -> str:
    return name.removeprefix("HARM_CATEGORY_").replace("_", " ").capitalize()


def _data_uri(kept: Kept) -> str:
    image = kept.shown_image()
    image.thumbnail((144, 144), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
