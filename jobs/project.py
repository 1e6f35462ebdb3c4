"""A data set on disk that people work on: pictures, their labels, what was made of them, and every step back.

A folder with `project.sqlite`, `pictures/` and `thumbnails/`. Every call is on disk when it returns, so there is
nothing to save and nothing to lose; a label's whole history stays, and undoing survives a restart. Pictures are kept as
they came, camera notes included, under their content's hash. Knows no page and no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grounding import images
from grounding.editing import numbered
from grounding.errors import RequestError
from grounding.labels import Naming, Sample
from grounding.types import Detection, Outcome, Result, Review, Task
from jobs.picture_files import PICTURES, file_of
from jobs.project_answers import comparable, disagreement, laid_over, renamed, unchanged
from jobs.project_listing import ALL, Entry, Order, Outline, Which
from jobs.project_store import FILE, Store, free_name
from jobs.work import stamped

__all__ = ["FILE", "Entry", "Order", "Outline", "Project", "Which", "disagreement", "exported"]

MAX_NAME = 200


class Project:
    """Safe to call from several threads, and to be open in several processes."""

    def __init__(self, store: Store) -> None:
        self.store = store

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
        with project.store.database.change() as connection:
            connection.execute("INSERT INTO project VALUES (?, 0, 0)", (name or folder.name,))
            project.store.identity()
        return project

    @classmethod
    def open(cls, folder: Path) -> Project:
        """The project in `folder` as it was left; RequestError where there is none."""
        if not (folder / FILE).is_file():
            raise RequestError("There is no such project. Check its name, or make a new one.")
        return cls(Store(folder))

    def close(self) -> None:
        self.store.database.close()

    @property
    def folder(self) -> Path:
        return self.store.folder

    @property
    def name(self) -> str:
        return str(self.store.row("SELECT name FROM project")[0])

    @property
    def naming(self) -> Naming:
        """The class names in order as a person set them, and the words that count as one of them."""
        return self.store.naming()

    def add_picture(self, data: bytes, name: str) -> int:
        """Its id. A name that is taken gets a number behind it; ImageError where the bytes are no picture."""
        picture = images.load(data, name=name)
        file = file_of(data, picture)
        name = name.strip()[:MAX_NAME] or f"picture{Path(file).suffix}"
        with self.store.database.change() as connection:  # nobody removes an equal picture's file meanwhile
            self.store.files.add(file, data, picture)
            row = (free_name(connection, name), file, *picture.size_wh)
            added = connection.execute("INSERT INTO picture (name, file, width, height) VALUES (?, ?, ?, ?)", row)
            return int(added.lastrowid or 0)

    def add_labelled(self, data: bytes, sample: Sample) -> int:
        """A picture of a labelling run with its answer; one without labels comes in open and unlabelled."""
        picture = self.add_picture(data, sample.picture)
        if sample.labelled:
            self.put_answer(picture, sample.task, sample.result, sample.asked)
        return picture

    def remove_picture(self, picture: int) -> None:
        """The picture, its labels and their history are gone for good; their masks and long texts stay on the disk.

        What another picture may share is not looked for in every label there is. A project saved and taken in again is
        without them.
        """
        with self.store.database.change() as connection:
            file = self._file(picture)
            connection.execute("DELETE FROM picture WHERE id = ?", (picture,))
            if not connection.execute("SELECT 1 FROM picture WHERE file = ?", (file,)).fetchone():
                self.store.files.remove(file)  # before anybody else may add the same picture and find its file there

    def picture(self, picture: int) -> bytes:
        """The picture's file as it came."""
        return self.store.files.read(self._file(picture))

    def picture_path(self, picture: int) -> Path:
        """Where that file lies."""
        return self.store.files.path(self._file(picture))

    def key(self, picture: int) -> str:
        """What tells the picture from every other: no picture of another project, or of other content, has the same."""
        return f"{self.store.identity()} {self._file(picture)}"

    def thumbnail(self, picture: int) -> bytes:
        """The picture small, upright, as JPEG."""
        return self.store.files.thumbnail(self._file(picture))

    def _file(self, picture: int) -> str:
        return str(self.store.row("SELECT file FROM picture WHERE id = ?", picture)[0])

    def pictures(self, order: Order = Order.ADDED, which: Which = ALL) -> list[Entry]:
        return self.store.entries(order, which)

    def count(self, which: Which = ALL) -> int:
        """How many pictures there are of these, `start` and `most` left aside."""
        return self.store.count(which)

    def entry(self, picture: int) -> Entry:
        return self.store.entry(picture)

    def outline(self, picture: int) -> list[Outline]:
        """The picture's objects as a list shows them, without reading a mask."""
        return self.store.outline(picture)

    def sample(self, picture: int) -> Sample | None:
        """The picture's labels as they stand, rejected ones too; None where it has none yet."""
        return self.store.sample(picture)

    def export_set(self, *, done_only: bool = False) -> Sequence[Sample]:
        """What to export, with the picture files, each read when it is asked for, rejected objects among the others.

        No rejected picture is among them: `count(Which(Review.REJECTED))` says how many are left out.
        """
        states = exported(done_only=done_only)
        return _Samples(self, [each.id for each in self.pictures() if each.version and each.state in states])

    def answers(self, picture: int) -> list[Sample]:
        """Everything that models answered about the picture, oldest first, as they said it."""
        query = "SELECT answer.sample, file FROM answer JOIN picture ON picture.id = picture WHERE picture = ? "
        with self.store.database.read() as connection:
            rows = connection.execute(f"{query} ORDER BY answer.id", (picture,)).fetchall()
        return [self.store.decoded(*row) for row in rows]

    def put_answer(self, picture: int, task: Task, result: Result, asked: str = "") -> Sample:
        """A model's answer: kept beside earlier ones as it was said, and laid over the labels: a step, to be undone.

        What a person drew, changed or reviewed stays; the rest makes room for what is new. Words alone change no
        object, and an answer that says nothing (blocked, failed) takes no label away. asked: the prompt a person gave.
        """
        entry = self.entry(picture)
        result = stamped(replace(result, detections=numbered(result.detections)))
        said = Sample(entry.name, entry.size_wh, task, result, asked=asked)
        with self.store.database.change() as connection:
            before = next((each for each in reversed(self.answers(picture)) if comparable(each, said)), None)
            self.store.add_answer(picture, said)
            if before is not None:
                share = disagreement(before, said)
                connection.execute("UPDATE picture SET disagreement = ? WHERE id = ?", (share, picture))
            return self._lay_over(picture, said, f"answered by {result.origin.model}" if result.origin else "answered")

    def put_sample(self, picture: int, sample: Sample, what: str = "imported", *, action: int | None = None) -> Sample:
        """Labels from a file, laid over those there are as an answer is."""
        entry = self.entry(picture)
        result = replace(sample.result, detections=numbered(sample.result.detections))
        said = replace(sample, picture=entry.name, size_wh=entry.size_wh, result=result)
        return self._lay_over(picture, said, what, action)

    def _lay_over(self, picture: int, said: Sample, what: str, action: int | None = None) -> Sample:
        """The labels there are by now with what is said, in one step; what became of the picture stays with them."""
        with self.store.database.change():
            now = self.sample(picture)
            sample = laid_over(now, renamed(said, self.naming))
            if sample is not now:
                same = now is not None and unchanged(now, sample)
                state = self.entry(picture).state if same else Review.OPEN
                self.store.step(picture, what, sample, state=state, action=action)
        return sample

    def set_labels(
        self, picture: int, detections: Sequence[Detection], what: str = "edited", *, since: int | None = None
    ) -> Sample:
        """The objects as a person left them, whole: what is not among them is deleted. One step of the history.

        since: the version they were changed from; RequestError where the picture has another by now.
        """
        entry = self.entry(picture)
        sample = self.sample(picture) or Sample(entry.name, entry.size_wh, Task.DETECT, Result(Outcome.NONE))
        outcome = sample.result.outcome
        if (detections and not sample.labelled) or outcome is Outcome.NONE:
            outcome = Outcome.FOUND if detections else Outcome.NONE
        elif not detections and sample.task in (Task.DETECT, Task.SEGMENT):
            outcome = Outcome.NONE  # a person looked, and there is nothing
        changed = replace(sample, result=replace(sample.result, detections=tuple(detections), outcome=outcome))
        self.store.step(picture, what, changed, state=entry.state, since=since)
        return changed

    def set_state(self, picture: int, state: Review, *, since: int | None = None) -> None:
        """What became of the picture as a whole. Approved, every object nobody reviewed is accepted. A step, too."""
        entry, sample = self.entry(picture), self.sample(picture)
        sample = sample or Sample(entry.name, entry.size_wh, Task.DETECT, Result(Outcome.NONE))
        what = {Review.ACCEPTED: "approved", Review.OPEN: "open again"}.get(state, state.value)
        if state is Review.ACCEPTED:
            found = [
                replace(each, review=Review.ACCEPTED) if each.review is Review.OPEN else each
                for each in sample.result.detections
            ]
            outcome = sample.result.outcome
            if not sample.labelled:  # nothing was found, and a person says so
                outcome = Outcome.FOUND if found else Outcome.NONE
            sample = replace(sample, result=replace(sample.result, detections=tuple(found), outcome=outcome))
        self.store.step(picture, what, sample, state=state, since=since)

    def next_open(self, order: Order = Order.ADDED, *, after: int | None = None) -> int | None:
        """The next picture nobody decided on, in `order`, beginning behind `after` and going round."""
        ids = [(entry.id, entry.state) for entry in self.pictures(order)]
        start = next((place + 1 for place, (each, _) in enumerate(ids) if each == after), 0)
        return next((each for each, state in ids[start:] + ids[:start] if state is Review.OPEN and each != after), None)

    def dump(self, picture: int) -> dict[str, Any]:
        """Everything about a picture as plain JSON, for an archive; `blob` gives what it names."""
        with self.store.database.read() as connection:
            query = "SELECT what, at, state, action, sample FROM step WHERE picture = ? ORDER BY number"
            steps = connection.execute(query, (picture,)).fetchall()
            query = "SELECT sample FROM answer WHERE picture = ? ORDER BY id"
            answers = connection.execute(query, (picture,)).fetchall()
        query = "SELECT name, file, step, disagreement FROM picture WHERE id = ?"
        name, file, step, differs = self.store.row(query, picture)
        told = [
            {"what": what, "at": at, "state": state, "action": action, "sample": json.loads(sample)}
            for what, at, state, action, sample in steps
        ]
        row = {"name": name, "file": file, "step": step, "disagreement": differs, "steps": told}
        return row | {"answers": [json.loads(sample) for (sample,) in answers]}

    def blob(self, key: str) -> bytes:
        return self.store.blob(key)

    def restore(
        self,
        picture: int,
        steps: Iterable[tuple[str, str, Review, int, Sample]],
        current: int,
        answers: Iterable[Sample],
        differs: float | None,
    ) -> None:
        """What `dump` told, for a picture without labels: (what, at, state, action, labels) of each step."""
        entry, newest = self.entry(picture), 0
        with self.store.database.change() as connection:
            for what, at, state, action, sample in steps:
                newest = max(newest, action)
                named = replace(sample, picture=entry.name, size_wh=entry.size_wh)
                self.store.step(picture, what, named, state=state, at=at, action=action)
            for answer in answers:
                self.store.add_answer(picture, replace(answer, picture=entry.name, size_wh=entry.size_wh))
            connection.execute(
                "UPDATE picture SET step = ?, disagreement = ? WHERE id = ?", (current, differs, picture)
            )
            connection.execute("UPDATE project SET actions = max(actions, ?)", (newest,))


def exported(*, done_only: bool = False) -> frozenset[Review]:
    """The states of the pictures that are exported."""
    return frozenset({Review.ACCEPTED} if done_only else set(Review) - {Review.REJECTED})


class _Samples(Sequence[Sample]):
    """Labels to export, each read when it is asked for, numbered."""

    def __init__(self, project: Project, pictures: Sequence[int]) -> None:
        self._project, self._pictures = project, pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return _Samples(self._project, self._pictures[place])
        sample = self._project.sample(self._pictures[place])
        if sample is None:
            raise RequestError("The labels changed while they were written. Export them again.")
        return replace(sample, result=replace(sample.result, detections=numbered(sample.result.detections)))
