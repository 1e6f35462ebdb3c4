"""True words about a scene in PaliGemma's grammar: prompts and the answers they should get.

Works on anything that has label, colour and box, so it needs no pixels. A class's things go from the top down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from grounding.codecs.paligemma import encode_suffix
from grounding.types import Box, Detection
from scenes.palette import COLOURS
from scenes.things import KINDS, LABELS

Rng = np.random.Generator
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
PLACES = {
    "plain": "on a plain background",
    "meadow": "in a meadow",
    "room": "in a room",
    "water": "on the water",
    "dots": "on dotted paper",
    "stripes": "on striped paper",
    "checks": "on checked paper",
    "bubbles": "among bubbles",
}
SIDES = ("left", "right", "above", "below")
_CLEARLY = 1.25  # one area over another, before "largest" has a plain meaning
_APART = 0.08  # of the picture's side, before "on the left" or "left of" has a plain meaning


class Seen(Protocol):
    """Something visible: what language needs to know of it."""

    @property
    def label(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def box(self) -> Box: ...


CodesOf = Callable[[int], tuple[int, ...]]
"""Number of a thing -> the 16 codes of its mask."""


@dataclass(frozen=True)
class Exchange:
    """A prompt and its true answer. `things` are the numbers of those it points out, in the answer's order."""

    kind: str
    prefix: str
    suffix: str
    things: tuple[int, ...] = ()


def article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _centre(box: Box) -> tuple[float, float]:
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2


def having(things: Sequence[Seen], label: str, colour: str | None = None) -> tuple[int, ...]:
    """Numbers of the things of that label (and colour), from the top down."""
    found = [k for k, t in enumerate(things) if t.label == label and colour in (None, t.colour)]
    return tuple(sorted(found, key=lambda k: things[k].box.y1))


def phrases(things: Sequence[Seen]) -> dict[str, tuple[int, ...]]:
    """Every referring expression with a plain meaning here, and the things it means."""
    found: dict[str, tuple[int, ...]] = {}
    for label in sorted({t.label for t in things}):
        same = having(things, label)
        for colour in sorted({things[k].colour for k in same}):
            found[f"{colour} {label}"] = having(things, label, colour)
        if len(same) < 2:
            continue
        area = sorted(same, key=lambda k: things[k].box.area)
        if things[area[-1]].box.area > _CLEARLY * things[area[-2]].box.area:
            found[f"largest {label}"] = (area[-1],)
        if things[area[1]].box.area > _CLEARLY * things[area[0]].box.area:
            found[f"smallest {label}"] = (area[0],)
        across = sorted(same, key=lambda k: _centre(things[k].box)[0])
        x = [_centre(things[k].box)[0] for k in across]
        if x[1] - x[0] > _APART:
            found[f"{label} on the left"] = (across[0],)
        if x[-1] - x[-2] > _APART:
            found[f"{label} on the right"] = (across[-1],)
    return found


def _answer(things: Sequence[Seen], wanted: Sequence[tuple[str, int]], codes_of: CodesOf | None) -> str:
    detections = [
        Detection(label, box=things[k].box, mask_tokens=None if codes_of is None else codes_of(k))
        for label, k in wanted
    ]
    return encode_suffix(detections)


def detect(things: Sequence[Seen], labels: Sequence[str]) -> Exchange:
    """Asks for whole classes; those that are not there are not answered."""
    wanted = [(label, k) for label in labels for k in having(things, label)]
    return Exchange(
        "detect", f"detect {' ; '.join(labels)}", _answer(things, wanted, None), tuple(k for _, k in wanted)
    )


def refer(things: Sequence[Seen], phrase: str, meant: Sequence[int]) -> Exchange:
    """Asks for the thing or things that `phrase` means."""
    return Exchange("refer", f"detect {phrase}", _answer(things, [(phrase, k) for k in meant], None), tuple(meant))


def segment(things: Sequence[Seen], phrase: str, meant: Sequence[int], codes_of: CodesOf) -> Exchange:
    return Exchange(
        "segment", f"segment {phrase}", _answer(things, [(phrase, k) for k in meant], codes_of), tuple(meant)
    )


def segment_each(things: Sequence[Seen], labels: Sequence[str], codes_of: CodesOf) -> Exchange:
    """Asks for the outlines of several whole classes at once: many masks for one look at the picture."""
    wanted = [(label, k) for label in labels for k in having(things, label)]
    prefix = f"segment {' ; '.join(labels)}"
    return Exchange("segment", prefix, _answer(things, wanted, codes_of), tuple(k for _, k in wanted))


def caption(things: Sequence[Seen], background: str, order: Sequence[str] = LABELS) -> Exchange:
    """Names all things by number and class, the classes in any `order`: "two cats and one car in a room"."""
    groups = []
    for label in order:
        if number := len(having(things, label)):
            groups.append(f"{NUMBERS[number]} {label if number == 1 else KINDS[label].plural}")
    what = " and ".join(groups) if groups else "nothing"
    return Exchange("caption", "caption en", f"{what} {PLACES[background]}")


def as_true(caption: str) -> list[list[str]]:
    """For each word of a caption, itself and what would be as true there: the same word of each thing still unnamed."""
    words = caption.split()
    found = [[word] for word in words]
    groups = [at for at in range(0, len(words), 3) if words[0] != "nothing" and (at == 0 or words[at - 1] == "and")]
    for at in groups:
        found[at] += [words[k] for k in groups if k > at]
        found[at + 1] += [words[k + 1] for k in groups if k > at and words[k] == words[at]]
    return found


def count(things: Sequence[Seen], label: str) -> Exchange:
    return Exchange("count", f"answer en how many {KINDS[label].plural} are there?", str(len(having(things, label))))


def presence(things: Sequence[Seen], label: str, colour: str | None = None) -> Exchange:
    named = label if colour is None else f"{colour} {label}"
    yes = bool(having(things, label, colour))
    return Exchange("presence", f"answer en is there {article(named)}?", "yes" if yes else "no")


def colour(things: Sequence[Seen], label: str) -> Exchange | None:
    """What colour the one thing of this label has; None where there is not exactly one."""
    same = having(things, label)
    return (
        Exchange("colour", f"answer en what colour is the {label}?", things[same[0]].colour) if len(same) == 1 else None
    )


def beside(things: Sequence[Seen], label: str, side: str) -> Exchange | None:
    """The nearest thing on that side of the only `label`; None where the question or its answer is not plain."""
    same = having(things, label)
    if len(same) != 1:
        return None
    x, y = _centre(things[same[0]].box)
    ways: dict[str, Callable[[float, float], float]] = {
        "left": lambda a, b: x - a,
        "right": lambda a, b: a - x,
        "above": lambda a, b: y - b,
        "below": lambda a, b: b - y,
    }
    near: list[tuple[float, str]] = []
    for k, thing in enumerate(things):
        a, b = _centre(thing.box)
        reach = ways[side](a, b)
        if k == same[0] or reach <= -_APART:
            continue
        if reach < _APART:
            return None
        near.append((float(np.hypot(a - x, b - y)), thing.label))
    near.sort()
    if len(near) > 1 and near[1][0] - near[0][0] < _APART and near[0][1] != near[1][1]:
        return None
    of = f"{side} of" if side in ("left", "right") else side
    return Exchange("beside", f"answer en what is {of} the {label}?", near[0][1] if near else "nothing")


_MIX = {"detect": 0.26, "refer": 0.08, "segment": 0.26, "ask": 0.14, "caption": 0.26}
"""Share of each kind of prompt in training: places are harder to learn than words."""


def draw(things: Sequence[Seen], background: str, codes_of: CodesOf, rng: Rng) -> Exchange:
    """One exchange about the scene, kinds mixed as training wants them."""
    kind = str(rng.choice(list(_MIX), p=list(_MIX.values())))
    present = sorted({t.label for t in things})
    if kind == "caption" or not present:
        return caption(things, background, [str(label) for label in rng.permutation(present)])
    if kind == "detect":
        return _draw_detect(things, present, rng)
    if kind == "ask":
        return _draw_question(things, present, rng)
    meanings = phrases(things)
    if kind == "segment" and len(present) > 1 and rng.random() < 0.5:
        count = int(rng.integers(2, len(present) + 1))
        return segment_each(things, [str(label) for label in rng.permutation(present)[:count]], codes_of)
    if kind == "segment" and rng.random() < 0.75:
        meanings = {label: having(things, label) for label in present}
    plural = [p for p in meanings if p.split()[0] not in COLOURS and " " in p]
    phrase = str(rng.choice(plural if plural and rng.random() < 0.6 else list(meanings)))
    if kind == "refer":
        return refer(things, phrase, meanings[phrase])
    return segment(things, phrase, meanings[phrase], codes_of)


def tasks(things: Sequence[Seen], background: str, codes_of: CodesOf, rng: Rng, number: int = 4) -> list[Exchange]:
    """`number` exchanges about one scene."""
    return [draw(things, background, codes_of, rng) for _ in range(number)]


def absent(present: Sequence[str], rng: Rng) -> str:
    """A label that is not there."""
    return str(rng.choice([label for label in LABELS if label not in present]))


def _draw_detect(things: Sequence[Seen], present: list[str], rng: Rng) -> Exchange:
    roll = rng.random()
    if roll < 0.2:
        return detect(things, [absent(present, rng)])
    if roll < 0.7:
        return detect(things, [str(rng.choice(present))])
    names = [str(n) for n in rng.permutation(present)[: int(rng.integers(1, 4))]]
    if rng.random() < 0.4:
        names.insert(int(rng.integers(len(names) + 1)), absent(present, rng))
    return detect(things, names)


def _draw_question(things: Sequence[Seen], present: list[str], rng: Rng) -> Exchange:
    label = str(rng.choice(present)) if rng.random() < 0.55 else absent(present, rng)
    roll = rng.random()
    if roll < 0.35:
        return count(things, label)
    if roll < 0.7:
        return presence(things, label, str(rng.choice(list(COLOURS))) if rng.random() < 0.2 else None)
    here = str(rng.choice(present))
    answer = colour(things, here) if roll < 0.85 else beside(things, here, str(rng.choice(SIDES)))
    return answer or count(things, here)
