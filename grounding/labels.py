"""A picture with what was said about it, and the order of the classes: what every export starts from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from grounding.types import Outcome, Result, Task

_LABELLED = frozenset({Outcome.FOUND, Outcome.NONE, Outcome.REPAIRED})


def split_labels(text: str) -> tuple[str, ...]:
    """ "cat; dog" and one per line are two labels; commas split only where nothing else does. Repeats count once."""
    parts = re.split(r"[;\n]", text)
    if len(parts) == 1:
        parts = text.split(",")
    return tuple(dict.fromkeys(label for part in parts if (label := " ".join(part.split()))))


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture's result. `picture`: its name, unique in its set. `size_wh`: None where it could not be opened.

    file: gives the picture file's bytes when they are wanted; None where only the labels are there.
    asked: the prompt as a person gave it, whatever a model made of it; "" where that is not known.
    """

    picture: str
    size_wh: tuple[int, int] | None
    task: Task
    result: Result
    file: Callable[[], bytes] | None = None
    asked: str = ""

    @property
    def labelled(self) -> bool:
        """Whether there is an answer to use: "there are none" is one; blocked, failed and unreadable answers are not.

        A cut answer counts where something whole was left of it.
        """
        if self.result.outcome is Outcome.TRUNCATED:
            wrote = self.task in (Task.CAPTION, Task.ASK) and self.result.raw.strip() != ""
            return wrote or len(self.result.detections) > 0
        return self.result.outcome in _LABELLED


@dataclass(frozen=True)
class Merged:
    """`spelling` counts as the class `name`, because of its "case", as its "plural" or as a "synonym"."""

    spelling: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"“{self.spelling}” counts as “{self.name}” ({self.why})."


class LabelSet:
    """Class names in order: first those asked for, then each new one as it first appears.

    "Cat" and "cat" are one class, spelled as asked or as first seen; what has no name is an "object", or the one thing
    that was asked for. `merged` tells every spelling that was taken for another; `apart` undoes it for the next set.
    Detections keep their own labels: a set only says what each counts as.

    synonyms: class name -> the other words for it. plurals: whether "cats" beside "cat" is one class (English).
    apart: spellings that are never merged with another, not even by case.
    """

    def __init__(
        self,
        asked: Iterable[str] = (),
        *,
        synonyms: Mapping[str, Iterable[str]] | None = None,
        plurals: bool = False,
        apart: Iterable[str] = (),
    ) -> None:
        self._places: dict[str, int] = {}  # key of a class name -> its place
        self._names: list[str] = []
        self._merged: dict[str, Merged] = {}
        self._whys: dict[str, str] = {}  # key of a name that counts as another -> why, where it is not its case
        self._plurals = plurals
        self._apart = frozenset(name.strip() for name in apart)
        self._synonyms = {
            word.strip().casefold(): name.strip() for name, words in (synonyms or {}).items() for word in words
        }
        for name in asked:
            self._add(name.strip())
        self._unnamed = self._names[0] if len(self._names) == 1 else "object"

    def index(self, name: str) -> int:
        """The place of `name`, from 0; a new name goes to the end."""
        name = name.strip() or self._unnamed
        key = self._key(name)
        place = self._places.get(key)
        if place is not None:
            if name != self._names[place]:
                self._merged.setdefault(name, Merged(name, self._names[place], self._whys.get(key, "case")))
            return place
        kin, why = self._kin(name)
        if kin is None:
            return self._add(name)
        place = self._add(kin)
        self._places[key], self._whys[key] = place, why
        self._merged.setdefault(name, Merged(name, self._names[place], why))
        return place

    def name(self, label: str) -> str:
        """The class that `label` counts as."""
        return self._names[self.index(label)]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    @property
    def merged(self) -> tuple[Merged, ...]:
        """Each spelling met so far that counts as another, in order of appearance."""
        return tuple(self._merged.values())

    def _add(self, name: str) -> int:
        place = self._places.setdefault(self._key(name), len(self._names))
        if place == len(self._names):
            self._names.append(name)
        return place

    def _key(self, name: str) -> str:
        # "\0" is in no casefolded name that a person typed: a spelling kept apart meets itself only.
        return f"\0{name}" if name in self._apart else name.casefold()

    def _kin(self, name: str) -> tuple[str | None, str]:
        """The class that a name not met before belongs to, and why; (None, "") where it is one of its own."""
        if name in self._apart:
            return None, ""
        if name.casefold() in self._synonyms:
            return self._synonyms[name.casefold()], "synonym"
        if self._plurals:
            mine = singulars(name)
            for place, other in enumerate(self._names):
                if other not in self._apart and (other.casefold() in mine or name.casefold() in singulars(other)):
                    return self._names[place], "plural"
        return None, ""


@dataclass(frozen=True)
class Naming:
    """How a data set names its classes. names: in order. synonyms: word -> the class it counts as, never a chain."""

    names: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)

    def name(self, label: str) -> str:
        """The class that `label` counts as, whatever its case where it is a class or a synonym; else itself."""
        if label in self.names:
            return label
        key = label.strip().casefold()
        known = {word.strip().casefold(): name for word, name in self.synonyms.items()}
        return known.get(key) or next((each for each in self.names if each.casefold() == key), label)

    def words(self, name: str) -> tuple[str, ...]:
        """The other words for a class."""
        return tuple(word for word, counts_as in self.synonyms.items() if counts_as == name)

    def merged(self, words: Iterable[str], into: str) -> Naming:
        """The same, where each of `words` counts as `into`, and so does what counted as one of them."""
        gone = {word for word in words if word != into}
        kept = {word: into if name in gone else name for word, name in self.synonyms.items() if word != into}
        names = tuple(dict.fromkeys(into if name in gone else name for name in self.names))
        return replace(self, names=names, synonyms={**kept, **dict.fromkeys(sorted(gone), into)})

    def apart(self, word: str) -> Naming:
        """The same, where `word` is a class of its own again."""
        return replace(self, synonyms={each: name for each, name in self.synonyms.items() if each != word})


def merges(names: Iterable[str], apart: Iterable[str] = ()) -> tuple[Merged, ...]:
    """Which of `names`, the most usual first, seem to mean another by case or plural: a proposal, not a fact."""
    classes = LabelSet(plurals=True, apart=apart)
    for name in names:
        classes.index(name)
    return classes.merged


_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth",
    "geese": "goose", "mice": "mouse", "oxen": "ox",
}  # fmt: skip


def singulars(name: str) -> frozenset[str]:
    """What the casefolded `name` may be the English plural of, by its last word; empty where it looks like none.

    Guesses too much on purpose ("glasses" gives "glasse" and "glass"): two names are one class only where both are met.
    """
    head, space, word = name.casefold().rpartition(" ")
    found = {_IRREGULAR[word]} if word in _IRREGULAR else set()
    if word.endswith("men") and len(word) > 3:
        found.add(word[:-3] + "man")
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        found.add(word[:-1])
        if word.endswith("es"):
            found.add(word[:-2])
        if word.endswith("ies"):
            found.add(word[:-3] + "y")
        if word.endswith("ves"):
            found |= {word[:-3] + "f", word[:-3] + "fe"}
    return frozenset(head + space + each for each in found)
