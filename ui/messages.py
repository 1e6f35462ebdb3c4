"""The web boundary: every failure becomes one sentence for people and, where it is ours, one traceback in the log."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from grounding.editing import kept
from grounding.errors import GroundingError, RateLimited, Stopped
from grounding.exports import IMPORTED
from grounding.types import Detection, NoteKind, Outcome, Result, Stage, Task

log = logging.getLogger("pinpoint")

T = TypeVar("T")

_SECRETS = re.compile(r"AIza[\w-]{10,}|AQ\.[\w.-]{10,}|hf_\w{10,}|(?<=key=)[^\s&\"']+", re.IGNORECASE)

_FORM = re.compile(r"<(?:loc|seg)|[\[{]|\d[\s,;]+\d")
"""What an answer with places in it has, however broken: a token, a bracket, two numbers in a row. Words have none."""


@dataclass(frozen=True)
class Problem:
    """Why something was not done, in a sentence. stopped: the person wanted it so. steps: the way out of it."""

    text: str
    stopped: bool = False
    steps: tuple[str, ...] = ()


STOPPED = Problem("Stopped before an answer came.", stopped=True)
REPLACED = Problem("Another picture came, so the question about the one before was dropped. Ask again.", stopped=True)

BUSY = Problem("A question is being answered. Wait for it, or press Stop, and do this then.")


def attempt(do: Callable[[], T]) -> T | Problem:
    """What `do` returns, or the Problem that kept it; never raises an Exception."""
    try:
        return do()
    except Stopped:
        return STOPPED
    except RateLimited as error:
        wait = f" Try again in {error.retry_after_s:.0f} s." if error.retry_after_s else ""
        return Problem(str(error) if "again in" in str(error) else str(error) + wait)
    except GroundingError as error:
        return Problem(str(error), steps=tuple(getattr(error, "steps", ())))
    except Exception:  # noqa: BLE001 - the boundary: nothing may reach the visitor as it is
        log.error("Unexpected failure\n%s", _SECRETS.sub("[secret]", traceback.format_exc()))
        return Problem(
            "Something went wrong on our side; it is in the log. Your picture and prompt are kept: try again."
        )


def missed(result: Result, asked: Sequence[str]) -> bool:
    """Whether things were found, but none under a label that was asked for."""
    names = {label.casefold().strip() for label in asked}
    return bool(names and result.detections) and not any(
        name in each.label.casefold() or each.label.casefold() in name
        for each in result.detections
        for name in names
        if each.label.strip()
    )


def headline(result: Result, task: Task, asked: Sequence[str] = ()) -> str:
    """What became of a request, in a few words. asked: the labels that were looked for."""
    count = len(result.detections)
    found = _objects(count)
    if missed(result, asked) and result.outcome in (Outcome.FOUND, Outcome.REPAIRED):
        return f"None of what was asked for; {count} {'other object' if count == 1 else 'other objects'}"
    match result.outcome:
        case Outcome.FOUND:
            words = {Task.CAPTION: "Caption", Task.ASK: "Answer"}.get(task, "No object left")
            return f"Found {found}" if count else words
        case Outcome.NONE:
            return "An empty answer" if task in (Task.CAPTION, Task.ASK) else "Nothing found"
        case Outcome.BLOCKED:
            return "Blocked before an answer" if result.safety.stage is Stage.PROMPT else "Answer withheld"
        case Outcome.TRUNCATED:
            return f"Answer was cut; {found} kept" if count else "Answer was cut"
        case Outcome.REPAIRED:
            return f"Found {found}, with repairs" if count else "Answer, with repairs"
        case Outcome.UNRECOGNISED:
            return "Answered in words, without places" if _in_words(result) else "Could not read the answer"
        case Outcome.FAILED:
            return "No answer came"


def standing(result: Result, said: Sequence[Detection] | None, task: Task, asked: Sequence[str] = ()) -> str:
    """`headline` of what the model gave, and how many objects there are now where corrections changed their number.

    said: what the model gave; None where nobody corrected anything.
    """
    if said is None:
        return headline(result, task, asked)
    now = len(kept(result.detections))
    parts = [headline(replace(result, detections=tuple(said)), task, asked)]
    if not said and now:
        drawn = f"{_objects(now)} drawn"
        parts = [*parts, drawn] if task in (Task.CAPTION, Task.ASK) else [drawn]
    elif now != len(said):
        parts.append(f"{now} after corrections")
    return " · ".join(parts)


def _objects(count: int) -> str:
    return f"{count} {'object' if count == 1 else 'objects'}"


def _in_words(result: Result) -> bool:
    """Whether an answer that was asked for places has words only."""
    said = (result.raw or result.text).strip()
    spoken = any(map(str.isalpha, said)) and (len(said) < 80 or any(map(str.isspace, said)))  # not a lone mask
    return spoken and not _FORM.search(said)


def explanation(result: Result, task: Task) -> str:
    """What that means and what to do next; empty where the result speaks for itself."""
    match result.outcome:
        case Outcome.NONE:
            if result.origin and result.origin.backend == IMPORTED:
                return "The file says that there is nothing on this picture."
            if task in (Task.CAPTION, Task.ASK):
                return "The model gave an empty answer. Try other words, or another model."
            return "The model looked and named nothing. Try a more common word, one thing at a time, or another model."
        case Outcome.BLOCKED:
            return result.safety.explanation or "A filter withheld this. The safety panel below says what is known."
        case Outcome.TRUNCATED:
            cut = [note.detail for note in result.notes if note.kind is NoteKind.CUT]
            return cut[0] if cut else "The answer ended before it was complete. Ask for fewer things at once."
        case Outcome.UNRECOGNISED if _in_words(result):
            return "Try other words, one thing at a time, or another model. What it said is under Raw answer."
        case Outcome.UNRECOGNISED:
            return "The model answered, but not with objects that can be drawn. Its words are under Raw answer."
        case Outcome.FAILED:
            return result.text or "The model gave no answer. Try again, or choose another model."
    return ""
