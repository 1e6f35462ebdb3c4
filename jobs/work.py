"""The work itself, a plain function of one picture: bytes and a Job go in, a Sample comes out, nothing is kept.

Everything around it (where pictures come from, how many at once, what is on disk) is somebody else's, so that another
engine can take the place of ours: pickle a Job, call `open_backend` once in each process and `label_picture` for each
picture there, and send `records.to_record` of the sample home.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backends import SPECS, Pool, first_choice
from grounding import images
from grounding.backend import Backend
from grounding.errors import ConfigError, GroundingError, RequestError, Stopped
from grounding.images import Picture
from grounding.labels import Sample
from grounding.settings import Settings
from grounding.types import Harm, Level, Options, Origin, Outcome, Request, Result, Task
from jobs.records import decode


@dataclass(frozen=True)
class Job:
    """One question to one model. Holds no key and no picture; pickles, and knows itself as JSON."""

    backend: str
    model: str
    task: Task
    text: str = ""
    labels: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    safety: Mapping[Harm, Level] = field(default_factory=dict)

    def request(self, *pictures: Picture) -> Request:
        return Request(self.task, pictures, self.text, self.labels, self.options, dict(self.safety))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """The job that `to_json` told; RequestError where it is none."""
        try:
            safety = {Harm(harm): Level(level) for harm, level in data["safety"].items()}
            options = decode(data["options"], Options, _no_blob)
            task, labels = Task(data["task"]), tuple(map(str, data["labels"]))
            return cls(str(data["backend"]), str(data["model"]), task, str(data["text"]), labels, options, safety)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RequestError("What was asked of these pictures cannot be read any more. Begin anew.") from error

    def to_json(self) -> dict[str, Any]:
        """What makes two jobs the same: strings, numbers, lists; options left alone are left out."""
        options = {name: value for name, value in asdict(self.options).items() if value != getattr(Options(), name)}
        return {
            "backend": self.backend,
            "model": self.model,
            "task": self.task.value,
            "text": self.text,
            "labels": list(self.labels),
            "options": options,
            "safety": {harm.value: level.value for harm, level in sorted(self.safety.items())},
        }


def _no_blob(key: str) -> bytes:
    raise KeyError(key)


@contextmanager
def open_backend(job: Job, settings: Settings | None = None) -> Iterator[Backend]:
    """The job's backend, checked to be able to do it; the key is the environment's."""
    settings = settings or Settings.from_env(os.environ)
    name, _ = first_choice(settings, job.backend)
    key = (settings.gemini_api_key or "") if SPECS[name].needs_key else ""
    if SPECS[name].needs_key and not key:
        raise ConfigError(f"The backend {name} needs a key. Set GEMINI_API_KEY to yours.")
    pool = Pool(settings)
    try:
        with pool.lend(name, job.model, key) as backend:
            check(job, backend)
            yield backend
    finally:
        pool.close()


def check(job: Job, backend: Backend) -> None:
    """Raises RequestError where `backend` cannot do the job."""
    able = backend.capabilities
    if job.task not in able.tasks:
        raise RequestError(f"The backend {job.backend} cannot {job.task}.")
    if refused := [harm for harm in job.safety if harm not in able.harms]:
        raise RequestError(f"The backend {job.backend} has no filter for {refused[0]}. {able.no_safety}")


def label_picture(
    picture: bytes | Path, name: str, job: Job, backend: Backend, stop: threading.Event | None = None
) -> Sample:
    """The labels of one picture; whatever goes wrong with it is a result too. Raises Stopped only."""
    opened = open_picture(picture, name, job)
    if isinstance(opened, Sample):
        return opened
    try:
        return answered(name, opened, backend.predict(job.request(opened), stop), job)
    except Stopped:
        raise
    except (GroundingError, MemoryError) as error:
        return failed(name, job, error, opened.size_wh)


def open_picture(picture: bytes | Path, name: str, job: Job) -> Picture | Sample:
    """The picture, or the Sample that says why it is none."""
    try:
        return images.load(picture, name=name)
    except (GroundingError, MemoryError) as error:
        return failed(name, job, error)


def answered(name: str, picture: Picture, result: Result, job: Job) -> Sample:
    """What came of a picture that was asked about."""
    notes = (*picture.notes, *(note for note in result.notes if note not in picture.notes))
    return Sample(name, picture.size_wh, job.task, stamped(replace(result, notes=notes)))


def failed(name: str, job: Job, error: GroundingError | MemoryError, size_wh: tuple[int, int] | None = None) -> Sample:
    """What came of a picture that could not be read or got no answer."""
    reason = "There is not enough memory for this picture." if isinstance(error, MemoryError) else str(error)
    return Sample(name, size_wh, job.task, Result(Outcome.FAILED, reason))


def stamped(result: Result, answered_at: str | None = None) -> Result:
    """`result` with the answer's text and its hour in the origin of each detection, where they are not there yet."""
    at = answered_at or datetime.now(UTC).isoformat(timespec="seconds")

    def stamp(origin: Origin | None) -> Origin | None:
        if origin is None:
            return None
        return replace(origin, raw=origin.raw or result.raw, answered_at=origin.answered_at or at)

    detections = [replace(each, origin=stamp(each.origin)) for each in result.detections]
    return replace(result, origin=stamp(result.origin), detections=tuple(detections))
