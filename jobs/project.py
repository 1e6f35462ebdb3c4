"""A data set on disk that people work on: pictures, their labels, what was made of them, and every step back.

A folder with `project.sqlite` and `pictures/`. Every call is on disk when it returns, so there is nothing to save and
nothing to lose; a label's whole history stays, and undoing survives a restart. Pictures are kept as they came, camera
notes included, under their content's hash. Knows no page and no model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grounding import images
from grounding.editing import kept, numbered
from grounding.errors import RequestError
from grounding.labels import Sample
from grounding.matching import compare
from grounding.types import Detection, Outcome, Result, Review, Task
from jobs.project_store import FILE, PICTURES, Entry, Order, Step, Store, free_name
from jobs.work import stamped

__all__ = ["FILE", "Entry", "Order", "Project", "Step", "disagreement"]

MAX_NAME = 200


class Project:
    """Safe to call from several threads, and to be open in several processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def create(cls, folder: Path, name: str = "") -> Project:
        """A new, empty project in `folder`; RequestError where there is one already."""
        try:
            (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError("The project's folder cannot be made. Check that it may be written to.") from error
        if (folder / FILE).exists():
            raise RequestError("There is a project of this name already. Open it, or choose another name.")
        project = cls(Store(folder))
        with project._store.database.change() as connection:
            connection.execute("INSERT INTO project VALUES (?, '[]')", (name or folder.name,))
        return project

    @classmethod
    def open(cls, folder: Path) -> Project:
        """The project in `folder` as it was left; RequestError where there is none."""
        if not (folder / FILE).is_file():
            raise RequestError("There is no such project. Check its name, or make a new one.")
        return cls(Store(folder))

    def close(self) -> None:
        self._store.database.close()

    @property
    def folder(self) -> Path:
        return self._store.folder

    @property
    def name(self) -> str:
        return str(self._store.row("SELECT name FROM project")[0])

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names in order, as a person set them."""
        return tuple(json.loads(self._store.row("SELECT labels FROM project")[0]))

    def set_class_names(self, names: Sequence[str]) -> None:
        with self._store.database.change() as connection:
            connection.execute("UPDATE project SET labels = ?", (json.dumps(list(names)),))

    def add_picture(self, data: bytes, name: str) -> int:
        """Its id. A name that is taken gets a number behind it; ImageError where the bytes are no picture."""
        picture = images.load(data, name=name)
        suffix = {"JPEG": ".jpg", "HEIF": ".heic"}.get(picture.format, f".{picture.format.lower()}")
        file = hashlib.sha256(data).hexdigest() + suffix
        self._store.add_file(file, data)
        with self._store.database.change() as connection:
            row = (free_name(connection, name.strip()[:MAX_NAME] or f"picture{suffix}"), file, *picture.size_wh)
            added = connection.execute("INSERT INTO picture (name, file, width, height) VALUES (?, ?, ?, ?)", row)
            return int(added.lastrowid or 0)

    def add_labelled(self, data: bytes, sample: Sample) -> int:
        """A picture of a labelling run with its answer; one without labels comes in open and unlabelled."""
        picture = self.add_picture(data, sample.picture)
        if sample.labelled:
            self.put_answer(picture, sample.task, sample.result)
        return picture

    def remove_picture(self, picture: int) -> None:
        """The picture, its labels and their history are gone for good."""
        with self._store.database.change() as connection:
            (file,) = self._store.row("SELECT file FROM picture WHERE id = ?", picture)
            connection.execute("DELETE FROM picture WHERE id = ?", (picture,))
            others = connection.execute("SELECT 1 FROM picture WHERE file = ?", (file,)).fetchone()
        if not others:
            (self.folder / PICTURES / file).unlink(missing_ok=True)

    def picture(self, picture: int) -> bytes:
        """The picture's file as it came."""
        (file,) = self._store.row("SELECT file FROM picture WHERE id = ?", picture)
        return self._store.file(file)()

    def pictures(self, order: Order = Order.ADDED) -> list[Entry]:
        return self._store.entries(order)

    def entry(self, picture: int) -> Entry:
        return self._store.entry(picture)

    def sample(self, picture: int) -> Sample | None:
        """The picture's labels as they stand, rejected ones too; None where it has none yet."""
        return self._store.sample(picture)

    def samples(self, *, done_only: bool = False, rejected: bool = False) -> Iterator[Sample]:
        """What to export, one picture at a time, with the picture files; without rejected objects unless wanted."""
        for entry in self.pictures():
            sample = self.sample(entry.id)
            if sample is not None and (entry.done or not done_only):
                keep = sample.result.detections if rejected else kept(sample.result.detections)
                yield replace(sample, result=replace(sample.result, detections=numbered(keep)))

    def answers(self, picture: int) -> list[Sample]:
        """Everything that models answered about the picture, oldest first, as they said it."""
        query = "SELECT answer.sample, file FROM answer JOIN picture ON picture.id = picture WHERE picture = ? "
        with self._store.database.read() as connection:
            rows = connection.execute(f"{query} ORDER BY answer.id", (picture,)).fetchall()
        return [self._store.decoded(*row) for row in rows]

    def put_answer(self, picture: int, task: Task, result: Result) -> Sample:
        """A model's answer: kept beside earlier ones, and the picture's labels from now on (a step, to be undone)."""
        entry = self.entry(picture)
        result = stamped(replace(result, detections=numbered(result.detections)))
        sample = Sample(entry.name, entry.size_wh, task, result)
        before = self.answers(picture)
        with self._store.database.change() as connection:
            self._store.add_answer(picture, sample)
            if before:
                share = disagreement(before[-1], sample)
                connection.execute("UPDATE picture SET disagreement = ? WHERE id = ?", (share, picture))
            origin = result.origin
            self._store.step(picture, f"answered by {origin.model}" if origin else "answered", sample, done=False)
        return sample

    def put_sample(self, picture: int, sample: Sample, what: str = "imported") -> None:
        """Labels from elsewhere: a file that was read, or a labelling run."""
        entry = self.entry(picture)
        result = replace(sample.result, detections=numbered(sample.result.detections))
        self._store.step(
            picture, what, replace(sample, picture=entry.name, size_wh=entry.size_wh, result=result), done=False
        )

    def set_labels(self, picture: int, detections: Sequence[Detection], what: str = "edited") -> Sample:
        """The objects as a person left them, whole: what is not among them is deleted. One step of the history."""
        entry = self.entry(picture)
        sample = self.sample(picture) or Sample(entry.name, entry.size_wh, Task.DETECT, Result(Outcome.NONE))
        outcome = sample.result.outcome
        if (detections and not sample.labelled) or outcome is Outcome.NONE:
            outcome = Outcome.FOUND if detections else Outcome.NONE
        elif not detections and sample.task in (Task.DETECT, Task.SEGMENT):
            outcome = Outcome.NONE  # a person looked, and there is nothing
        changed = replace(sample, result=replace(sample.result, detections=tuple(detections), outcome=outcome))
        self._store.step(picture, what, changed, done=entry.done)
        return changed

    def review(self, picture: int, detection_ids: Sequence[int], verdict: Review) -> Sample:
        """Accept, reject or doubt some of the picture's objects, or open them again."""
        sample = self._labelled(picture)
        if missing := set(detection_ids) - {each.id for each in sample.result.detections}:
            raise RequestError(f"The picture has no object {min(missing)} any more. Look at it again.")
        chosen = set(detection_ids)
        return self.set_labels(
            picture,
            [replace(each, review=verdict) if each.id in chosen else each for each in sample.result.detections],
            f"{verdict} {len(chosen)}",
        )

    def set_done(self, picture: int, done: bool = True) -> None:
        """Whether the picture needs no more work. A step, too."""
        sample = self._labelled(picture)
        self._store.step(picture, "done" if done else "open again", sample, done=done)

    def approve(self, picture: int, order: Order = Order.ADDED) -> int | None:
        """Accepts every object nobody reviewed, marks the picture done, and gives the next open one's id."""
        sample = self.sample(picture) or self.set_labels(picture, [])
        found = [
            replace(each, review=Review.ACCEPTED) if each.review is Review.OPEN else each
            for each in sample.result.detections
        ]
        approved = replace(sample, result=replace(sample.result, detections=tuple(found)))
        self._store.step(picture, "approved", approved, done=True)
        return self.next_open(order, after=picture)

    def next_open(self, order: Order = Order.ADDED, *, after: int | None = None) -> int | None:
        """The next picture that is not done, in `order`, beginning behind `after` and going round."""
        ids = [(entry.id, entry.done) for entry in self.pictures(order)]
        start = next((place + 1 for place, (each, _) in enumerate(ids) if each == after), 0)
        return next((each for each, done in ids[start:] + ids[:start] if not done and each != after), None)

    def undo(self, picture: int) -> Sample | None:
        """The labels as they were a step earlier; None where that is before the first."""
        return self._go(picture, -1)

    def redo(self, picture: int) -> Sample | None:
        return self._go(picture, +1)

    def history(self, picture: int) -> list[Step]:
        """Every step that can be undone or redone, oldest first."""
        query = "SELECT number, what, at, number = picture.step FROM step JOIN picture ON picture.id = picture"
        with self._store.database.read() as connection:
            rows = connection.execute(f"{query} WHERE picture = ? ORDER BY number", (picture,)).fetchall()
        return [Step(number, what, at, bool(current)) for number, what, at, current in rows]

    def _go(self, picture: int, by: int) -> Sample | None:
        with self._store.database.change() as connection:
            (at,) = self._store.row("SELECT step FROM picture WHERE id = ?", picture)
            query = "SELECT 1 FROM step WHERE picture = ? AND number = ?"
            if at + by == 0 or connection.execute(query, (picture, at + by)).fetchone():
                connection.execute("UPDATE picture SET step = ? WHERE id = ?", (at + by, picture))
        return self.sample(picture)

    def dump(self, picture: int) -> dict[str, Any]:
        """Everything about a picture as plain JSON, for an archive; `blob` gives what it names."""
        with self._store.database.read() as connection:
            query = "SELECT what, at, done, sample FROM step WHERE picture = ? ORDER BY number"
            steps = connection.execute(query, (picture,)).fetchall()
            query = "SELECT sample FROM answer WHERE picture = ? ORDER BY id"
            answers = connection.execute(query, (picture,)).fetchall()
        query = "SELECT name, file, step, disagreement FROM picture WHERE id = ?"
        name, file, step, differs = self._store.row(query, picture)
        told = [
            {"what": w, "at": at, "done": bool(done), "sample": json.loads(sample)} for w, at, done, sample in steps
        ]
        row = {"name": name, "file": file, "step": step, "disagreement": differs, "steps": told}
        return row | {"answers": [json.loads(sample) for (sample,) in answers]}

    def blob(self, key: str) -> bytes:
        return self._store.blob(key)

    def restore(
        self,
        picture: int,
        steps: Sequence[tuple[str, str, bool, Sample]],
        current: int,
        answers: Sequence[Sample],
        differs: float | None,
    ) -> None:
        """What `dump` told, for a picture without labels: (what, at, done, labels) of each step."""
        entry = self.entry(picture)
        with self._store.database.change() as connection:
            for what, at, done, sample in steps:
                named = replace(sample, picture=entry.name, size_wh=entry.size_wh)
                self._store.step(picture, what, named, done=done, at=at)
            for answer in answers:
                self._store.add_answer(picture, replace(answer, picture=entry.name, size_wh=entry.size_wh))
            connection.execute(
                "UPDATE picture SET step = ?, disagreement = ? WHERE id = ?", (current, differs, picture)
            )

    def _labelled(self, picture: int) -> Sample:
        sample = self.sample(picture)
        if sample is None:
            raise RequestError("This picture has no labels yet. Ask a model, or draw some.")
        return sample


def disagreement(first: Sample, second: Sample) -> float | None:
    """The part of all objects, in [0, 1], that only one of two answers has; 0 for two that found nothing.

    None where either is no answer about places.
    """
    if not (first.labelled and second.labelled and first.size_wh) or Task.CAPTION in (first.task, second.task):
        return None
    found = first.result.detections, second.result.detections
    both = len(compare(*found, first.size_wh).pairs)
    every = len(found[0]) + len(found[1]) - both
    return 1 - both / every if every else 0.0
