"""One prompt about one picture, and its answer as it grows token by token. Knows no model and no batch.

A box is 4 location tokens in a row and a mask 16 mask tokens behind a box: `Voice.allows` says which tokens keep to
that. An answer that does anyway is never changed by it.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from backends.paligemma_scores import Place
from grounding.codecs.mask_tokens import SEG_CODES, SEG_LENGTH
from grounding.codecs.paligemma import LOC_BINS
from grounding.images import Picture

_BOX = 4  # location tokens
_UNFINISHED = "\ufffd"  # how a tokenizer shows a character of which only the first bytes were said


@dataclass(frozen=True)
class Answer:
    """What the model said to one prefix.

    text: without control tokens; ends: where in it each token ends; log_probs: what the model gave each token.
    cut: whether the token budget ended it. prompt_tokens count the picture's, which image_tokens are.
    forced: how many tokens are not what the model found likeliest, because its box or mask was not whole.
    places: what each step gave the location tokens; none for a model that has no such tokens.
    ids: the tokens themselves, without the end mark.
    """

    text: str
    ends: tuple[int, ...]
    log_probs: tuple[float, ...]
    cut: bool
    prompt_tokens: int
    image_tokens: int
    answer_tokens: int
    forced: int = 0
    places: tuple[Place, ...] = ()
    ids: tuple[int, ...] = ()

    def probability(self, start: int, end: int) -> float | None:
        """Geometric mean of the probabilities of the tokens that make text[start:end]; None for no tokens."""
        first, last = bisect_right(self.ends, start), bisect_left(self.ends, end)
        tokens = self.log_probs[first : last + 1]
        return math.exp(sum(tokens) / len(tokens)) if tokens and start < end else None


@dataclass(frozen=True, eq=False)
class Row:
    """One prompt about one picture and the most tokens it may take; temperature 0: always the likeliest token."""

    picture: Picture
    prefix: str
    max_tokens: int
    temperature: float = 0.0


class Kind(Enum):
    LOC = "location"
    SEG = "mask"
    WORD = "anything else"


class Token(NamedTuple):
    """What was said next. ends: it is an end mark; forced: it is not the likeliest, see Answer; place: of its step."""

    id: int
    log_prob: float
    kind: Kind
    ends: bool
    forced: bool
    place: Place | None


def token_kinds(vocabulary: Mapping[str, int]) -> dict[int, Kind]:
    """The kind of every token that is not a WORD."""
    names = {f"<loc{value:04d}>": Kind.LOC for value in range(LOC_BINS)}
    names |= {f"<seg{value:03d}>": Kind.SEG for value in range(SEG_CODES)}
    return {vocabulary[name]: kind for name, kind in names.items() if name in vocabulary}


class Voice:
    """A row while it is answered.

    budget: the row's, or less where the model has no room for it. left: nobody waits for it any more.
    trouble: why no answer will come, in a sentence for people.
    started, heard: on time.perf_counter's clock, when it began and when its last token came.
    """

    def __init__(self, row: Row, decode: Callable[[list[int]], str]) -> None:
        self.row = row
        self.stop: threading.Event | None = None
        self.budget = row.max_tokens
        self._left = False
        self.trouble = ""
        self._decode = decode
        self.clear()

    def clear(self) -> None:
        """Forget what was said: the row is going to be answered from the start."""
        self.started = self.heard = time.perf_counter()
        self.prompt_tokens = self.image_tokens = self.forced = 0
        self.ended = False
        self._ids: list[int] = []
        self._log_probs: list[float] = []
        self._places: list[Place] = []
        self._text = ""
        self._ends: list[int] = []
        self._settled = self._read = 0  # text of _ids[:_read] is known; it is read on from _settled
        self._locs = self._segs = 0  # said of the present box and its mask
        self._last = Kind.WORD

    @property
    def done(self) -> bool:
        return self.ended or len(self._ids) >= self.budget

    @property
    def left(self) -> bool:
        return self._left or (self.stop is not None and self.stop.is_set())

    def leave(self) -> None:
        self._left = True

    @property
    def said(self) -> int:
        """Tokens so far, the end mark included."""
        return len(self._ids) + self.ended

    @property
    def allows(self) -> tuple[Kind, ...]:
        """The kinds of token that keep boxes and masks whole."""
        if self._locs % _BOX:
            return (Kind.LOC,)
        if 0 < self._segs < SEG_LENGTH:
            return (Kind.SEG,)
        if self._segs or not self._locs:
            return (Kind.LOC, Kind.WORD)
        return (Kind.LOC, Kind.SEG, Kind.WORD)

    def hear(self, token: Token) -> None:
        self.heard = time.perf_counter()
        self.forced += token.forced
        if token.ends:
            self.ended = True
            return
        self._ids.append(token.id)
        self._log_probs.append(token.log_prob)
        if token.place:
            self._places.append(token.place)
        self._count(token.kind)
        self._spell()

    def _count(self, kind: Kind) -> None:
        if kind is Kind.LOC:
            begins = self._last is not Kind.LOC
            self._locs, self._segs = (1, 0) if begins else (self._locs + 1, 0)
        elif kind is Kind.SEG:
            self._segs += 1
        self._last = kind

    def _spell(self) -> None:
        """Read the new token in the light of those just before it, on which spaces and many-byte characters hang."""
        known = self._decode(self._ids[self._settled : self._read])
        both = self._decode(self._ids[self._settled :])
        if both.endswith(_UNFINISHED) and self._read - self._settled < 8 and len(self._ids) - self._read < 4:
            self._ends.append(len(self._text) + max(0, len(both) - len(known)))
            return
        self._text += both[len(known) :]
        self._ends.append(len(self._text))
        self._settled, self._read = self._read, len(self._ids)

    def answer(self) -> Answer:
        """The answer as far as it came; whole, or cut at the budget, once it is done."""
        text, ends = self._text, self._ends
        if self._read < len(self._ids):  # the end of what was said is half a character
            text = self._decode(self._ids)
            ends = [min(end, len(text)) for end in ends]
        return Answer(
            text,
            tuple(ends),
            tuple(self._log_probs),
            not self.ended and self.done,
            self.prompt_tokens,
            self.image_tokens,
            self.said,
            self.forced,
            tuple(self._places),
            tuple(self._ids),
        )


def decoder(tokenizer: Any) -> Callable[[list[int]], str]:
    """How `tokenizer` spells tokens, control tokens left out."""

    def decode(ids: list[int]) -> str:
        text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    return decode
