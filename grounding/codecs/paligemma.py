"""PaliGemma's grammar: what is asked becomes a prefix, what is answered becomes boxes and mask tokens, and back.

An answer is `<locY1><locX1><locY2><locX2> <segNNN>*16 label ; …`: 1024ths of the upright picture, y first.
Spaces, labels, masks and separators come and go between checkpoints; this reads them all and says what it left out.
It knows no tokenizer, no weights and no picture.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from grounding.codecs.characters import visible
from grounding.codecs.mask_tokens import SEG_CODES, SEG_LENGTH, MaskDecoder, with_masks
from grounding.codecs.paligemma_prompts import PROMPTS, language_code
from grounding.codecs.paligemma_scan import (
    CONTROL,
    GRAMMAR,
    Group,
    Piece,
    Scan,
    answer_start,
    groups,
    scan,
    spoken,
    words_until_end,
)
from grounding.errors import RequestError
from grounding.types import Box, Decoded, Detection, Note, NoteKind, Outcome, Request, Task

LOC_BINS = 1024  # <loc0000> … <loc1023>

_LABEL_LIMIT = 200  # characters; a longer "label" is a model that ran away
_PREFIX_LIMIT = 2000  # characters; the 80 COCO names take 900, and checkpoints were trained on 128 to 512 tokens
_LISTED = re.compile("[;；]")
_TARGETS = re.compile(r"\s*(?:detect|segment)\s(.*)", re.IGNORECASE | re.DOTALL)


def encode_prefix(request: Request) -> str:
    """The prompt of `request` in the words PaliGemma was trained on; RequestError where nothing is asked for.

    A text that is already such a prompt ("ocr", "describe fa", "answer de …") is sent as it is, whatever the task, with
    the location and mask tokens in it. The kind alone ("describe") is completed with the language.
    """
    text = plain(request.text)
    whole = _one_line(re.sub(CONTROL, " ", request.text))
    if not request.labels and GRAMMAR.fullmatch(whole):
        prefix = whole
    elif request.task is Task.CAPTION:
        kind = next((p for p in PROMPTS if p.task is Task.CAPTION and p.word == (text.casefold() or "caption")), None)
        prefix = kind.text(language=request.options.language) if kind else text
    elif request.task is Task.ASK:
        if not text:
            raise RequestError("Nothing was asked. Type a question about the picture.")
        prefix = f"answer {language_code(request.options.language)} {text}"
    else:
        targets = [name for label in request.labels or _LISTED.split(text) if (name := _in_list(label))]
        if not targets:
            raise RequestError("Nothing to look for. Name one or more things, such as: cat ; red car")
        prefix = f"{request.task} {' ; '.join(targets)}"
    if len(prefix) > _PREFIX_LIMIT:
        raise RequestError(f"That is too long a prompt for PaliGemma; keep it under {_PREFIX_LIMIT} characters.")
    return prefix


def plain(text: str) -> str:
    """`text` on one line and without anything a tokenizer would take for a control, location or mask token."""
    return _one_line(re.sub(rf"<(?:loc|seg)\d+>|{CONTROL}", " ", text))


def _one_line(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()  # tokenizers refuse lone surrogates
    return " ".join(text.replace("\0", " ").split())


def _in_list(label: str) -> str:
    return plain(_LISTED.sub(" ", label))


def encode_suffix(detections: Sequence[Detection]) -> str:
    """The answer that says `detections`, in big_vision's form; each needs a box. No detections: an empty answer."""
    return " ; ".join(map(_encode_one, detections))


def _encode_one(detection: Detection) -> str:
    if detection.box is None:
        raise ValueError("PaliGemma can only say things that have a box")
    (x1, x2), (y1, y2) = (
        _bins(*side) for side in ((detection.box.x1, detection.box.x2), (detection.box.y1, detection.box.y2))
    )
    locs = "".join(f"<loc{value:04d}>" for value in (y1, x1, y2, x2))
    segs = "".join(f"<seg{value:03d}>" for value in detection.mask_tokens or ())
    label = _in_list(detection.label)
    return " ".join(part for part in (locs, segs, label) if part)


def _bins(start: float, end: float) -> tuple[int, int]:
    """The nearest bins of two edges, at least one apart. There is no bin for 1.0, the nearest is 1023."""
    first = min(math.floor(start * LOC_BINS + 0.5), LOC_BINS - 2)
    return first, min(max(math.floor(end * LOC_BINS + 0.5), first + 1), LOC_BINS - 1)


def answer_text(text: str, *, prompt: str | None = None) -> str:
    """A caption or an answer in words: up to its end, without control tokens and without the echo of `prompt`.

    Where no prompt is given nothing is taken for its echo: captions do begin with "Segment of an orange".
    """
    return words_until_end(text[answer_start(text, prompt, places=False) :])


@dataclass(frozen=True)
class Spot:
    """Where in the answer's text a detection was said: [start, end) of its box and of its label (None: no label)."""

    box: tuple[int, int]
    label: tuple[int, int] | None


def decode(
    text: str,
    *,
    mask_decoder: MaskDecoder | None = None,
    prompt: str | None = None,
    cut: bool = False,
    score_of: Callable[[Spot], float | None] | None = None,
) -> Decoded:
    """Every whole box of an answer to "detect" or "segment", and a note for each thing left out. Never raises.

    mask_decoder: called once for all masks; without it `mask_tokens` alone are given.
    prompt: what was asked; its echo is skipped, and the one thing asked for names boxes that the model left unnamed.
    cut: whether the model was stopped before it had ended its answer.
    score_of: the score of what was said at a Spot.
    """
    start = answer_start(text, prompt)
    scanned = scan(text, start)
    said_together = [group for segment in scanned.segments for group in groups(segment)]
    notes: list[Note] = []
    said: list[tuple[Detection, Spot]] = []
    if any(group.locs or group.segs for group in said_together):
        for group in said_together:
            said += _read(group, scanned.last, notes)
    elif said_together:
        notes.append(_left_out(f"The answer names no place in the picture: {_quote(text[start:])}"))
    if scanned.after_end:
        notes.append(_left_out(f"What follows the end of the answer was left out: {_quote(scanned.after_end)}"))

    asked = _asked_labels(text[:start] if prompt is None else prompt)
    found = [replace(d, id=i, score=score_of(spot) if score_of else None) for i, (d, spot) in enumerate(said)]
    notes += _notes_on_the_end(found, notes, scanned, asked, cut)
    found, more = _named(found, asked)
    notes += more
    outcome = outcome_of(found, notes, empty=not said_together)
    return Decoded(outcome, tuple(with_masks(found, mask_decoder) if mask_decoder else found), _counted(notes))


def _counted(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Each note once, in order; a model that goes in circles earns hundreds of one."""
    return tuple(
        note if times == 1 else replace(note, detail=f"{times} times: {note.detail}")
        for note, times in Counter(notes).items()
    )


def _asked_labels(prompt: str) -> tuple[str, ...]:
    targets = _TARGETS.fullmatch(spoken(prompt))
    return tuple(name for part in _LISTED.split(targets[1]) if (name := part.strip())) if targets else ()


def _read(group: Group, last: Piece | None, notes: list[Note]) -> list[tuple[Detection, Spot]]:
    """The detections of a group, whose label and mask belong to its last box. What is wrong with it goes to `notes`.

    A box or a mask is whole once its last token is there; what comes behind cannot unmake it.
    """
    label = group.words[-1] if group.words else None
    name = visible(label.text[:_LABEL_LIMIT]) if label else ""
    whole = len(group.locs) - len(group.locs) % 4
    surplus = len(group.locs) - whole
    ends_here = last is not None and surplus > 0 and group.locs[-1] is last
    if ends_here:
        notes.append(Note(NoteKind.CUT, "The answer ends inside a box; that box was left out."))
    elif surplus and whole:
        notes.append(_mended(f"{_count(surplus, 'surplus location token')} beside {_quote(name)} left out."))
    elif surplus:
        notes.append(_left_out(f"{_quote(name)} left out: {surplus} location tokens, not 4."))
    elif not whole and group.segs:
        notes.append(_left_out(f"{_count(len(group.segs), 'mask token')} without a box left out."))
    elif not whole:
        notes.append(_left_out(f"{_quote(name)} left out: it has no box."))
    if not whole:
        return []
    notes += [
        _mended(f"Words between {_quote(name)} and its box left out: {_quote(extra.text)}")
        for extra in group.words[:-1]
    ]
    if label and len(label.text) > _LABEL_LIMIT:
        notes.append(_mended(f"A label of {len(label.text)} characters was shortened: {_quote(name)}"))

    said = []
    for first in range(0, whole, 4):
        locs = group.locs[first : first + 4]
        mine = first + 4 == whole
        box = _box([loc.value for loc in locs], name if mine else "", notes)
        if box is not None:
            tokens = _mask_tokens(group.segs, name, last, notes) if mine else None
            spot = Spot((locs[0].start, locs[-1].end), (label.start, label.end) if label and mine else None)
            said.append((Detection(name if mine else "", box, mask_tokens=tokens), spot))
    return said


def _box(yxyx_1024: list[int], name: str, notes: list[Note]) -> Box | None:
    y1, x1, y2, x2 = yxyx_1024
    if max(yxyx_1024) >= LOC_BINS:
        notes.append(
            _left_out(f"{_quote(name)} left out: there is no location {max(yxyx_1024)}, the last is {LOC_BINS - 1}.")
        )
        return None
    if y1 == y2 or x1 == x2:
        notes.append(_left_out(f"{_quote(name)} left out: its box has no {'height' if y1 == y2 else 'width'}."))
        return None
    if y1 > y2 or x1 > x2:
        notes.append(_mended(f"The box of {_quote(name)} was inverted; its corners were swapped."))
    (x1, x2), (y1, y2) = sorted((x1, x2)), sorted((y1, y2))
    return Box(x1 / LOC_BINS, y1 / LOC_BINS, x2 / LOC_BINS, y2 / LOC_BINS)


def _mask_tokens(segs: list[Piece], name: str, last: Piece | None, notes: list[Note]) -> tuple[int, ...] | None:
    if not segs:
        return None
    codes = tuple(seg.value for seg in segs[:SEG_LENGTH])
    if len(segs) > SEG_LENGTH:
        surplus = _count(len(segs) - SEG_LENGTH, "surplus mask token")
        notes.append(_mended(f"{surplus} of {_quote(name)} left out."))
    if max(codes) >= SEG_CODES:
        notes.append(
            _mended(f"{_quote(name)} keeps its box only: its mask says {max(codes)}, the last code is {SEG_CODES - 1}.")
        )
    elif len(codes) == SEG_LENGTH:
        return codes
    elif segs[-1] is last:
        notes.append(Note(NoteKind.CUT, f"The answer ends inside the mask of {_quote(name)}; its box is kept."))
    else:
        notes.append(_mended(f"{_quote(name)} keeps its box only: its mask has {len(codes)} of {SEG_LENGTH} tokens."))
    return None


def _notes_on_the_end(
    found: Sequence[Detection], notes: Sequence[Note], scan: Scan, asked: Sequence[str], cut: bool
) -> list[Note]:
    """At most one note on how the answer ends, where none was made yet."""
    if any(note.kind is NoteKind.CUT for note in notes):
        return []
    if found and scan.last and scan.last.kind == "text":
        label, *others = [d.label.casefold() for d in reversed(found)]
        names = [name.casefold() for name in asked]
        # "5" at the very end, after "5 of clubs" was asked for or said before, was going to be one.
        begun = any(name.startswith(label) for name in names) or any(name.startswith(label + " ") for name in others)
        if begun and label not in [*names, *others]:
            return [Note(NoteKind.CUT, f"The answer seems to end inside the label {_quote(found[-1].label)}.")]
    if cut or scan.cut_token:
        return [Note(NoteKind.CUT, "The answer was cut: its last label may be incomplete, more may have followed.")]
    return []


def _named(found: list[Detection], asked: Sequence[str]) -> tuple[list[Detection], list[Note]]:
    """`found` with the one thing asked for as the name of what the model left unnamed; and a note on exact repeats."""
    notes = []
    unnamed = sum(not d.label for d in found)
    if unnamed and len(asked) == 1:
        found = [d if d.label else replace(d, label=asked[0]) for d in found]
        notes.append(
            Note(NoteKind.MODEL, f"{_count(unnamed, 'box')} came without a name: called {_quote(asked[0])} as asked.")
        )
    repeats = len(found) - len({(d.label, d.box, d.mask_tokens) for d in found})
    if repeats:
        notes.append(Note(NoteKind.MODEL, f"{repeats} of {len(found)} boxes: exact repeats of an earlier one."))
    return found, notes


def outcome_of(found: Sequence[Detection], notes: Sequence[Note], *, empty: bool) -> Outcome:
    """What became of an answer; empty: whether the model said nothing at all."""
    kinds = {note.kind for note in notes}
    if NoteKind.CUT in kinds:
        return Outcome.TRUNCATED
    if not found:
        return Outcome.NONE if empty else Outcome.UNRECOGNISED
    return Outcome.REPAIRED if kinds & {NoteKind.SKIPPED, NoteKind.REPAIRED} else Outcome.FOUND


def _left_out(detail: str) -> Note:
    return Note(NoteKind.SKIPPED, detail)


def _mended(detail: str) -> Note:
    return Note(NoteKind.REPAIRED, detail)


def _quote(text: str) -> str:
    text = " ".join(text.split())
    return f"“{text if len(text) <= 60 else text[:59] + '…'}”" if text else "an unnamed box"


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("x") else "s")
    return f"{number} {noun if number == 1 else plural}"
