"""A labelling run with a folder of its own: what was given and asked, its journal, and the files to take away.

A kill, a restart or a closed page loses nothing of it: `Batch.open` finds it as it was left. Pictures are gathered anew
each time, in the same order. Holds no key; knows no page and no thread.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from grounding.errors import ImageError, RequestError
from grounding.exports import FORMATS, Format, Loss, Tell, export_zip, untold
from jobs.addresses import is_address
from jobs.answers import Answers, errors_csv
from jobs.datasets import HUB, Hub
from jobs.fetch import Rules
from jobs.journal import Journal, unwritable
from jobs.pictures import Skipped, Source
from jobs.project import MAX_NAME, Project
from jobs.sources import gather
from jobs.work import Job

FILE = "batch.json"
_GIVEN, _FOUND = "given", "found.json"
MAX_TOLD = 50
"""Names of what was passed over that are kept; the rest is counted."""
_GONE = "This batch cannot be read any more. Begin anew."


@dataclass(frozen=True)
class Given:
    """Where pictures come from, all of these together. place: a folder or file of this machine, as a path.

    dataset: hf://datasets/OWNER/NAME. most: pictures to take, in order.
    """

    addresses: tuple[str, ...] = ()
    dataset: str = ""
    split: str = ""
    place: str = ""
    most: int = 1_000_000

    def __bool__(self) -> bool:
        return bool(self.addresses or self.dataset or self.place)


@dataclass(frozen=True)
class Reach:
    """What may be fetched, of whom and with whose rights."""

    rules: Rules = field(default_factory=Rules)
    hub: Hub = field(default_factory=Hub)


@dataclass(frozen=True, eq=False)
class Found:
    """more: whether there are pictures beyond the most that were wanted."""

    sources: tuple[Source, ...]
    skipped: tuple[Skipped, ...]
    more: bool = False


@dataclass(frozen=True)
class Noted:
    """left_out: how many were skipped, of which the first are named."""

    total: int
    skipped: tuple[Skipped, ...]
    left_out: int
    more: bool


@dataclass(frozen=True, eq=False)
class TakenAway:
    """A file that was written and read again. unlabelled: how many pictures are not in it; errors.csv names them."""

    path: Path
    form: Format
    losses: tuple[Loss, ...]
    unlabelled: int


class Put(NamedTuple):
    """What became of a batch's pictures in a project: how many were put in, could not be read again, were replaced by
    another file since they were labelled and so stayed out, were there already and stayed as they are."""

    pictures: int
    missed: int
    changed: int
    there: int


class Batch:
    """One process runs it at a time, which its journal sees to."""

    def __init__(self, folder: Path, job: Job, given: Given, begun_at: str) -> None:
        self.folder, self.job, self.given, self.begun_at = folder, job, given, begun_at

    @classmethod
    def create(cls, folder: Path, job: Job, given: Given, files: Sequence[Path] = ()) -> Batch:
        """A new one in `folder`; `files` are copied into it, each under its own name."""
        batch = cls(folder, job, given, datetime.now(UTC).isoformat(timespec="microseconds"))
        try:
            for place, file in enumerate(files):  # a folder each: two may have one name
                (folder / _GIVEN / f"{place:04d}").mkdir(parents=True)
                shutil.copy2(file, folder / _GIVEN / f"{place:04d}" / file.name)
            folder.mkdir(parents=True, exist_ok=True)
            said = {"batch": 1, "job": job.to_json(), "given": asdict(given), "begun_at": batch.begun_at}
            part = folder / f"{FILE}.part"
            part.write_text(json.dumps(said))
            part.replace(folder / FILE)  # last: a folder without it is no batch
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise unwritable(error) from error
        return batch

    @classmethod
    def open(cls, folder: Path) -> Batch:
        """The one in `folder` as it was left; RequestError where there is none."""
        try:
            said: dict[str, Any] = json.loads((folder / FILE).read_text())
            given = Given(**{**said["given"], "addresses": tuple(said["given"]["addresses"])})
            return cls(folder, Job.from_json(said["job"]), given, str(said["begun_at"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RequestError(_GONE) from error

    def pictures(self, open_files: ExitStack, reach: Reach) -> Found:
        """What was given, as far as it is still there; archives stay open until `open_files` is closed."""
        given = self.folder / _GIVEN
        files = sorted(each for folder in given.iterdir() for each in folder.iterdir()) if given.is_dir() else []
        return collect(files, self.given, open_files, reach)

    def note(self, found: Found) -> None:
        """Keep what was found beside the batch, so that it can be told without looking again."""
        skipped = [(each.name, each.reason) for each in found.skipped[:MAX_TOLD]]
        said = {"total": len(found.sources), "skipped": skipped, "left_out": len(found.skipped), "more": found.more}
        try:
            (self.folder / _FOUND).write_text(json.dumps(said))
        except OSError as error:
            raise unwritable(error) from error

    def noted(self) -> Noted | None:
        """What was found when it last ran; None before that."""
        try:
            said = json.loads((self.folder / _FOUND).read_text())
            skipped = tuple(Skipped(str(name), str(reason)) for name, reason in said["skipped"])
            return Noted(int(said["total"]), skipped, int(said["left_out"]), bool(said["more"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def journal(self) -> Journal:
        return Journal(self.folder, self.job)

    def take_away(self, form: str, threshold: int, reach: Reach, path: Path, tell: Tell = untold) -> TakenAway:
        """The labels as a file called `path`, but for its ending; with errors.csv beside them where some got none."""
        with ExitStack() as open_files, closing(self.journal()) as journal:
            sources = self.pictures(open_files, reach).sources
            answers = Answers(sources, journal, form)
            if not answers:
                raise RequestError("No picture has been labelled yet. Start the batch first.")
            archive = path.with_suffix(".zip")
            losses = export_zip(answers, form, archive, labels=self.job.labels, threshold=threshold, tell=tell)
            unlabelled, table = errors_csv(sources, journal)
        if unlabelled:
            with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
                file.writestr("errors.csv", table)
        return TakenAway(_alone(archive), FORMATS[form], losses, unlabelled)

    def put_into(self, project: Project, reach: Reach) -> Put:
        """Each picture with its labels, if any, into `project`, but for those put in before."""
        put = missed = changed = there = 0
        before = _before(project)
        with ExitStack() as open_files, closing(self.journal()) as journal:
            for source in self.pictures(open_files, reach).sources:
                if (sample := journal.read(source.name)) is None:
                    continue
                if journal.changed(source.name, source.stamp):
                    changed += 1
                    continue
                try:
                    got = source.get()
                    data = got.read_bytes() if isinstance(got, Path) else got
                    if (hashlib.sha256(data).hexdigest(), _first(sample.picture)) in before:
                        there += 1
                    else:
                        project.add_labelled(data, sample)
                        put += 1
                except (ImageError, OSError):
                    missed += 1
        return Put(put, missed, changed, there)


def _before(project: Project) -> set[tuple[str, str]]:
    """(SHA-256, name without the number that told it from another) of every picture in it."""
    with project.store.database.read() as connection:
        rows = connection.execute("SELECT file, name FROM picture").fetchall()
    return {(Path(file).stem, _first(name)) for file, name in rows}


def _first(name: str) -> str:
    return re.sub(r"( \(\d+\))+(?=\.[^./]*$|$)", "", name.strip()[:MAX_NAME]).casefold()


def collect(files: Iterable[Path], given: Given, open_files: ExitStack, reach: Reach) -> Found:
    """The pictures of `files` and of what is `given`; RequestError where one of these cannot be looked into."""
    sources: list[Source] = []
    skipped: list[Skipped] = []
    for each in _all(files, given, open_files, reach):
        if isinstance(each, Skipped):
            skipped.append(each)
        elif len(sources) == given.most:
            return Found(tuple(sources), tuple(skipped), more=True)
        else:
            sources.append(each)
    return Found(tuple(sources), tuple(skipped))


def _all(files: Iterable[Path], given: Given, open_files: ExitStack, reach: Reach) -> Iterator[Source | Skipped]:
    lines = dict.fromkeys(given.addresses)
    yield from (Skipped(line[:80], "not a web address") for line in lines if not is_address(line))
    paths: list[str | Path] = [*files, *(line for line in lines if is_address(line))]
    paths += [Path(given.place).expanduser()] if given.place else []
    paths += [given.dataset if given.dataset.startswith(HUB) else HUB + given.dataset] if given.dataset else []
    yield from gather(paths, open_files, rules=reach.rules, hub=replace(reach.hub, split=given.split))


def _alone(archive: Path) -> Path:
    """The one file of an archive that has no other, beside it; else the archive."""
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        if len(names) != 1:
            return archive
        path = archive.with_suffix(Path(names[0]).suffix)
        with opened.open(names[0]) as inside, path.open("wb") as file:
            shutil.copyfileobj(inside, file)
    archive.unlink()
    return path


def find(folder: Path) -> list[Batch]:
    """The batches in `folder`, newest first; what cannot be read is passed over."""
    found: list[Batch] = []
    for each in folder.iterdir() if folder.is_dir() else ():
        if (each / FILE).is_file():
            try:
                found.append(Batch.open(each))
            except RequestError:
                continue
    return sorted(found, key=lambda batch: batch.begun_at, reverse=True)
