"""What a checkpoint's name stands for: a row of the family's table, a folder's config, a name of Google's pattern.

And what follows from it before anything is loaded: how many things to ask at once, what to warn of, how to be let in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePath

from backends.paligemma_family import (
    FAMILY,
    GEMMA2_2B,
    GEMMA2_9B,
    GEMMA2_27B,
    GEMMA_2B,
    IMAGE_TOKENS,
    MIX_CLASSES,
    MIX_PROMPTS,
    PT_PROMPTS,
    Member,
    Precision,
    Tuning,
    parameters_at,
)
from grounding.types import Note, NoteKind

_BY_ID = {member.id: member for member in FAMILY}

BUNDLED = {"pinpoint-nano": Path(__file__).parents[1] / "assets" / "pinpoint-nano"}
_BUNDLED_CLASSES = {"pinpoint-nano": 1}
"""One: AP50 .797 with one class a call, .784 with two, .781 with four, in an order drawn for each of 60 scenes
(`python -m benchmarks.planner`). In their list's order four came to .844; which order people type is not known."""

_LANGUAGES = {"3b": GEMMA_2B, "2-3b": GEMMA2_2B, "2-10b": GEMMA2_9B, "2-28b": GEMMA2_27B}
_PATTERN = re.compile(r"paligemma(2?-\d+b)-(pt|mix|ft-[\w-]+?)-(224|448|896)(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """What a model's name asks for: `google/paligemma-3b-mix-448@float16`, or `…@nf4` for 4 bits."""

    id: str
    revision: str | None
    precision: Precision


def wanted(name: str) -> Wanted:
    """Takes a name apart at its @; a precision there is one, anything else is a revision of the repository."""
    if os_folder(name):
        return Wanted(name, None, Precision.AUTO)
    bare, *marks = name.split("@")
    precision, revision = Precision.AUTO, None
    for mark in filter(None, marks):
        if mark in set(Precision):
            precision = Precision(mark)
        else:
            revision = mark
    return Wanted(bare, revision, precision)


def os_folder(name: str) -> Path | None:
    """The folder of that name on this machine, if there is one."""
    folder = Path(name)
    try:
        return folder if folder.name and folder.is_dir() else None
    except (OSError, ValueError):  # a name too long, or with a null in it
        return None


def member(name: str) -> Member | None:
    """The row of `name`, or one made from a folder's config or from a name of Google's pattern; None for others."""
    bare = wanted(name).id
    if bare in _BY_ID:
        return _BY_ID[bare]
    folder = BUNDLED.get(bare) or os_folder(bare)
    if folder is not None:
        return _of_folder(bare, folder)
    if found := _PATTERN.search(PurePath(bare).name):
        language = _LANGUAGES.get(found[1].lstrip("-").lower())
        tuning = Tuning(found[2].partition("-")[0].lower())
        if language:
            size = int(found[3])
            prompts = {Tuning.PT: PT_PROMPTS, Tuning.MIX: MIX_PROMPTS}.get(tuning, ())
            classes = MIX_CLASSES if tuning is Tuning.MIX else 1
            tokens = IMAGE_TOKENS[size]
            return Member(bare, tuning, size, tokens, parameters_at(language, tokens), prompts, classes, language)
    return None


def shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a file by its name, whatever its numbers are kept in; the header alone is read."""
    from safetensors import safe_open

    with safe_open(weights, framework="np") as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 (not a dict)


def _of_folder(name: str, folder: Path) -> Member | None:
    """What config.json tells, and how many numbers the weights beside it hold; None where that cannot be read."""
    from safetensors import SafetensorError

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = int(config["vision_config"]["image_size"])
        tokens = (size // int(config["vision_config"]["patch_size"])) ** 2
        parameters = sum(prod(shape) for file in folder.glob("*.safetensors") for shape in shapes(file).values())
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, SafetensorError):
        return None
    classes = _BUNDLED_CLASSES.get(name) or classes_by_word(name)
    own = Tuning.MIX if name not in BUNDLED and "mix" in folder.name.lower() else Tuning.OWN
    return Member(name, own, size, tokens, parameters, ("caption", "answer", "detect", "segment"), classes, licence="")


def classes_by_word(name: str) -> int:
    """For checkpoints that are in no table: as many as mix takes where the name says mix, else 1."""
    return MIX_CLASSES if "mix" in PurePath(name).name.lower() else 1


def classes_per_call(name: str) -> int:
    """How many things to ask `name` for in one detect prompt."""
    row = member(name)
    return row.classes_per_call if row else classes_by_word(wanted(name).id)


def advice(name: str, prompt: str) -> tuple[Note, ...]:
    """What to know before asking `name` with `prompt`: pt checkpoints, and prompts it was not tuned for."""
    row = member(name)
    if row is None:
        return ()
    if row.tuning is Tuning.PT:
        what = "This is a pt checkpoint, made to be fine-tuned: its answers are uneven. To ask pictures, choose a mix."
        return (Note(NoteKind.MODEL, what),)
    word = prompt.split(maxsplit=1)[0].lower() if prompt.split() else ""
    if row.gated and word in PT_PROMPTS and row.prompts and word not in row.prompts:
        known = ", ".join(row.prompts)
        return (Note(NoteKind.MODEL, f"This checkpoint was not tuned for “{word}” prompts, but for: {known}."),)
    return ()


def gated_steps(name: str) -> tuple[str, ...]:
    """How to be let in to a model whose licence has to be accepted, step by step, in words for people."""
    bare = wanted(name).id
    return (
        "Sign in at https://huggingface.co (an account is free).",
        f"Open https://huggingface.co/{bare} and press “Acknowledge license”; access is given at once.",
        "Make a token of the kind “Read” at https://huggingface.co/settings/tokens.",
        "On the machine Pinpoint runs on, run `hf auth login` and paste the token, or set HF_TOKEN to it.",
        "Ask again. After `hf auth login` nothing has to be restarted; a new HF_TOKEN is seen after a restart.",
    )
