"""PaliGemma's answers read as one Result, whole or still growing. Knows no model: masks come from a function given."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from backends.paligemma_names import advice
from backends.paligemma_planner import merged, page_notes
from backends.paligemma_scores import Calibration, score_of
from backends.paligemma_voice import Answer
from grounding.codecs.paligemma import answer_text, decode, outcome_of
from grounding.types import Detection, Note, NoteKind, Origin, Outcome, Request, Result, Task, Usage

Masks = Callable[[list[Detection]], tuple[list[Detection], list[Note]]]
"""The detections with their masks, and why there are none where there should be."""

_RUN = re.compile(r"(?:<loc\d+>\s*)+")


@dataclass(frozen=True)
class Said:
    """One prompt's answer; `origin` says what was asked, of whom and how. done: False while more may come."""

    origin: Origin
    answer: Answer
    done: bool = True


def read(
    request: Request, said: Sequence[Said], masks: Masks, calibration: Calibration | None, seconds: float
) -> Result:
    """All that was said, in words or in places; of an answer that is still growing only what can change no more."""
    result = _in_words(said[0]) if _is_words(request, said) else _in_places(said, masks, calibration)
    done = all(one.done for one in said)
    first = said[0].origin
    notes = (*advice(first.model, first.prompt), *page_notes(request), *result.notes)
    return replace(result, notes=notes, usage=_usage(said, seconds), raw=_raw(said), done=done)


def to_show(request: Request, said: Sequence[Said]) -> str:
    """What of growing answers is fit to be shown, as text: where it is the same as before, there is nothing new."""
    if _is_words(request, said):
        return said[0].answer.text
    return "\n".join(settled(one.answer.text) for one in said).strip()


def settled(text: str) -> str:
    """What of a growing answer's places no later token can change: all before its last run of location tokens or `;`.

    The last box may yet get a name, a longer one, or a mask.
    """
    run = max((match.start() for match in _RUN.finditer(text)), default=0)
    return text[: max(run, text.rfind(";") + 1)]


def _is_words(request: Request, said: Sequence[Said]) -> bool:
    """Whether to read the answer as a sentence: always where places were not asked for and none are named."""
    return request.task in (Task.CAPTION, Task.ASK) and "<loc" not in said[0].answer.text


def _in_words(one: Said) -> Result:
    text = answer_text(one.answer.text, prompt=one.origin.prompt)
    if one.answer.cut:
        note = Note(NoteKind.CUT, f"The answer was cut at {one.answer.answer_tokens} tokens.")
        return Result(Outcome.TRUNCATED, text, notes=(note,), origin=one.origin)
    return Result(Outcome.FOUND if text else Outcome.NONE, text, origin=one.origin)


def _in_places(said: Sequence[Said], masks: Masks, calibration: Calibration | None) -> Result:
    found: list[Detection] = []
    notes: list[Note] = []
    for one in said:
        detections, more = _places_of(one, calibration)
        found += detections
        notes += [_told(note, one, several=len(said) > 1) for note in more]
    outcome = outcome_of(found, notes, empty=not any(one.answer.text.strip() for one in said))

    kept, repeats = merged(found)
    notes += repeats
    numbered = [replace(detection, id=place) for place, detection in enumerate(kept)]
    masked, why_not = masks(numbered)
    origin = replace(said[0].origin, prompt="\n".join(one.origin.prompt for one in said))
    return Result(outcome, "", tuple(masked), (*notes, *why_not), origin=origin)


def _places_of(one: Said, calibration: Calibration | None) -> tuple[list[Detection], list[Note]]:
    answer = one.answer
    text = answer.text if one.done else settled(answer.text)
    decoded = decode(text, prompt=one.origin.prompt, cut=answer.cut, score_of=score_of(answer, calibration))
    notes = [note for note in decoded.notes if one.done or note.kind is not NoteKind.CUT]
    if answer.forced and one.done:
        tokens = "1 token" if answer.forced == 1 else f"{answer.forced} tokens"
        whole = "put in to make a box or a mask whole that the model had left unfinished."
        notes.append(Note(NoteKind.REPAIRED, f"{tokens} {whole}"))
    return [replace(detection, origin=one.origin) for detection in decoded.detections], notes


def _told(note: Note, one: Said, *, several: bool) -> Note:
    """The note, with the budget that cut the answer and, where there were several, the prompt it is about."""
    budget = (
        f" It was stopped at {one.answer.answer_tokens} tokens." if note.kind is NoteKind.CUT and one.answer.cut else ""
    )
    about = f"{one.origin.prompt[:40]}: " if several else ""
    return replace(note, detail=about + note.detail + budget)


def _raw(said: Sequence[Said]) -> str:
    """The answer as it was given; of several, each under its prompt."""
    if len(said) == 1:
        return said[0].answer.text
    return "\n".join(f"{one.origin.prompt}\n{one.answer.text}" for one in said)


def _usage(said: Sequence[Said], seconds: float) -> Usage:
    answers = [one.answer for one in said]
    return Usage(
        seconds,
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        image_tokens=sum(answer.image_tokens for answer in answers),
        answer_tokens=sum(answer.answer_tokens for answer in answers),
    )
