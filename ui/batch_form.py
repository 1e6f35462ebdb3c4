"""From what the Batch page's widgets send to one checked order: which pictures, which question, to which model.

Everything is checked here again, as in ui/form.py: anyone may post anything. Knows no gradio.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends import SPECS
from grounding.errors import RequestError
from grounding.exports import FORMATS, check_holds
from grounding.settings import Settings
from grounding.types import Task
from jobs.batch import Given
from jobs.datasets import HUB
from jobs.work import Job
from ui.form import Form, local_path, read_form
from ui.options import heeded

MOST_SHARED = 300
"""Pictures in one batch where strangers share the page."""
MOST = 1_000_000
MAX_ADDRESSES = 200_000  # characters
MAX_FILES = 2_000  # dropped at once

_DATASET = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w.-]+)?(/[^\s?#]*)?", re.ASCII)
_SPLIT = re.compile(r"[\w.-]{0,80}", re.ASCII)


@dataclass(frozen=True, eq=False)
class Wanted:
    """What to begin. job: the question without what its backend does not heed. files: those that were dropped."""

    job: Job
    given: Given
    files: tuple[Path, ...] = ()
    key: str = field(default="", repr=False)


def read_wanted(values: Mapping[str, object], settings: Settings) -> Wanted:
    """`values` as `read_form` takes them, with task, files, addresses, dataset, split, place and most."""
    form = read_question(values, settings)
    given, files = read_given(values, settings)
    if not given and not files:
        raise RequestError("Give the pictures first: drop files or a ZIP, or name where they are.")
    return Wanted(job_of(form), given, files, form.api_key)


def read_question(values: Mapping[str, object], settings: Settings, *, with_key: bool = True) -> Form:
    task = values.get("task")
    if not isinstance(task, str) or task not in [each.value for each in Task]:
        raise RequestError("Choose what to do with the pictures: caption, ask, detect or segment.")
    return read_form(Task(task), values, settings, with_key=with_key)


def job_of(form: Form) -> Job:
    """The question without its key, and without what its backend does not heed."""
    able = SPECS[form.backend].capabilities
    safety = {harm: level for harm, level in form.safety.items() if harm in able.harms}
    text = form.text if "template" in able.options or not form.labels else ""
    return Job(form.backend, form.model, form.task, text, form.labels, heeded(form.options, able), safety)


def read_given(values: Mapping[str, object], settings: Settings) -> tuple[Given, tuple[Path, ...]]:
    """Where the pictures are, and the files that were dropped; RequestError for what cannot be meant."""
    local = settings.local
    place = _line(values.get("place"), "The folder")
    if place and not local:
        raise RequestError("On a shared page folders of its machine are not read. Drop the files, or a ZIP of them.")
    if place:
        place = str(local_path(place))
    dataset = _dataset(_line(values.get("dataset"), "The data set"))
    split = _line(values.get("split"), "The split")
    if not _SPLIT.fullmatch(split):
        raise RequestError("A split is one word, such as train or test.")
    most = _most(values.get("most"))
    if dataset and most is None:
        raise RequestError("Say how many pictures of the data set to take, at most.")
    limit = MOST if local else MOST_SHARED
    given = Given(_addresses(values.get("addresses")), dataset, split, place, min(most or limit, limit))
    return given, _files(values.get("files"))


def read_format(name: object, task: Task) -> str:
    if not isinstance(name, str) or name not in FORMATS:
        raise RequestError("There is no such format. Choose one of those listed.")
    check_holds(name, task)
    return name


def _files(value: object) -> tuple[Path, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise RequestError("The files did not arrive. Drop them again.")
    if len(value) > MAX_FILES:
        raise RequestError(f"That is {len(value)} files; {MAX_FILES} at once is the limit. Pack them in a ZIP.")
    return tuple(map(Path, value))


def _addresses(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, str) or len(value) > MAX_ADDRESSES:
        raise RequestError("That is too long a list. Save it as a .txt, one address a line, and drop the file.")
    lines = (line.strip() for line in value.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _dataset(text: str) -> str:
    if not text:
        return ""
    name = re.sub(r"^https://huggingface\.co/datasets/", "", text).removeprefix(HUB).rstrip("/")
    name = re.sub(r"/tree/([\w.-]+)", r"@\1", name)
    if not _DATASET.fullmatch(name):
        raise RequestError("A data set on the Hub is named like owner/name, with /folder behind it if wanted.")
    return HUB + name


def _most(value: object) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str) or not re.fullmatch(r"0*[1-9]\d{0,6}", value.strip(), re.ASCII):
        raise RequestError(f"How many pictures at most should be a number from 1 to {MOST:,}.")
    return min(int(value.strip()), MOST)


def _line(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 1_000 or any(not each.isprintable() for each in value.strip()):
        raise RequestError(f"{what} should be one line of text.")
    return value.strip()
