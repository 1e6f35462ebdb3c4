"""Pictures of a data set: a dataset repository on the Hugging Face Hub, or a Parquet file as the Hub makes them.

Pictures on the Hub are downloaded one by one as they are needed, into its client's own cache. Knows no labels: those
that come with a data set are not looked at.
"""

from __future__ import annotations

import bisect
import functools
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grounding.errors import ImageError, RequestError
from grounding.images import MAX_BYTES
from jobs.pictures import Skipped, Source, means_picture

HUB = "hf://datasets/"
"""How a data set is named, as in the Hub's own file system: hf://datasets/OWNER/NAME[@REVISION][/FOLDER]."""

_NAME = re.compile(re.escape(HUB) + r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(/(?P<folder>.*))?", re.ASCII)
_SPLITS = (
    ("train", "training"),
    ("validation", "valid", "val", "dev"),
    ("test", "testing", "eval", "evaluation"),
)
"""Words that the Hub takes for the same split, after its page on a dataset repository's structure."""
_GROUPS_KEPT = 2  # of rows, read and unpacked: the one in use and the one before, which a slow worker may still want


@dataclass(frozen=True)
class Hub:
    """How the Hub is reached; None leaves it to its client: huggingface.co, and the token of this machine if any.

    token: False asks as a stranger. split: only files of this split, by their names or folders. most_bytes: Parquet
    files larger than this are left out, for they are downloaded whole.
    """

    endpoint: str | None = None
    token: str | bool | None = field(default=None, repr=False)
    split: str = ""
    most_bytes: int | None = None

    def pictures(self, name: str) -> Iterator[Source | Skipped]:
        """The pictures of a dataset repository, in name order; RequestError where it cannot be looked into."""
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise RequestError("A data set on the Hub is named hf://datasets/OWNER/NAME, with /FOLDER if wanted.")
        repo, folder = parts["repo"], (parts["folder"] or "").strip("/") or None
        revision, files = self._listed(repo, parts["revision"], folder)
        if self.split:
            files = [each for each in files if _is_of(self.split, each[0])]
            if not files:
                raise RequestError(f"The data set has no files of a split called {self.split[:40]}. Check its page.")
        for path, size in files:
            where = f"{repo}/{path}"
            if means_picture(path):
                yield Source(where, self._download(repo, path, revision, size), revision, far=True)
            elif path.endswith(".parquet") and self.most_bytes is not None and size > self.most_bytes:
                yield Skipped(where, f"larger than the {self.most_bytes // 10**6} MB that are downloaded here")
            elif path.endswith(".parquet"):
                yield from from_parquet(self._download(repo, path, revision, None)(), name=where)
            elif not path.rsplit("/", 1)[-1].startswith("."):
                yield Skipped(where, "not a picture")

    def _listed(self, repo: str, revision: str | None, folder: str | None) -> tuple[str, list[tuple[str, int]]]:
        """The commit that `revision` stands for, and (path, bytes) of every file under `folder`."""
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        api = HfApi(endpoint=self.endpoint, token=self.token)
        try:
            commit = api.dataset_info(repo, revision=revision).sha or "main"
            tree = api.list_repo_tree(repo, folder, recursive=True, revision=commit, repo_type="dataset")
            return commit, sorted((each.path, each.size) for each in tree if isinstance(each, RepoFile))
        except _unreachable() as error:
            raise RequestError(_reason(error)) from error

    def _download(self, repo: str, path: str, revision: str, size: int | None) -> Callable[[], Path]:
        def get() -> Path:
            from huggingface_hub import hf_hub_download

            if size is not None and size > MAX_BYTES:
                raise ImageError(f"The picture is larger than {MAX_BYTES // 10**6} MB. Make it smaller.")
            try:
                return Path(
                    hf_hub_download(
                        repo, path, repo_type="dataset", revision=revision, endpoint=self.endpoint, token=self.token
                    )
                )
            except _unreachable() as error:
                raise ImageError(_reason(error)) from error

        return get


def _is_of(split: str, path: str) -> bool:
    """By the Hub's own rule: the split's name stands in the path between marks: data/train-00000-of-00004.parquet."""
    words = next((each for each in _SPLITS if split.casefold() in each), (split,))
    named = "|".join(map(re.escape, words))
    return re.search(rf"(^|[/._ -])({named})([/._ -]|\d|$)", path, re.IGNORECASE) is not None


def _unreachable() -> tuple[type[Exception], ...]:
    """What the Hub's client raises where it cannot be reached or says no."""
    import httpx2
    from huggingface_hub import errors

    client = (errors.EntryNotFoundError, errors.RevisionResolutionError, errors.XetDownloadError)
    return (errors.HfHubHTTPError, errors.HFValidationError, *client, httpx2.HTTPError, OSError)


def _reason(error: Exception) -> str:
    """A sentence for what the Hub's client raised."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "The data set is open only to those who were let in on its page. Ask there, then set HF_TOKEN."
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return "The Hugging Face Hub has no such data set, or HF_TOKEN does not open it. Check its name."
    if isinstance(error, errors.RevisionNotFoundError | errors.RevisionResolutionError):
        return "The data set has no such revision. Check what stands behind the @."
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return "The data set has no such folder or file. Check what stands behind its name."
    return "The Hugging Face Hub could not be reached or did not answer. Try again later."


def from_parquet(path: Path, *, name: str = "") -> Iterator[Source | Skipped]:
    """The pictures in a Parquet file's first column of {bytes, path}, as `datasets` writes pictures; rows in order."""
    rows = _Rows(path)
    name = name or path.name
    for row, own in enumerate(rows.names):
        inside = own.replace("\\", "/").rsplit("/", 1)[-1] if own else f"{row:06d}.png"
        yield Source(f"{name}/{inside}", functools.partial(rows.picture, row), rows.stamp)


class _Rows:
    """The pictures of one Parquet file; a few groups of rows are kept at once."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        try:
            self._file: Any = parquet.ParquetFile(path)
            fields = [each for each in self._file.schema_arrow if _holds_pictures(each.type)]
            if not fields:
                raise RequestError("The Parquet file has no column of pictures, which is one of {bytes, path}.")
            self._column = fields[0].name
            named = self._file.read(columns=[f"{self._column}.path"]).column(0).to_pylist()
            self.stamp = f"{path.stat().st_size}"
        except (OSError, pyarrow.ArrowException) as error:
            raise RequestError("The Parquet file could not be read. Check that it is there and whole.") from error
        self.names: list[str] = [(each or {}).get("path") or "" for each in named]
        self._firsts: list[int] = [0]
        for group in range(self._file.metadata.num_row_groups):
            self._firsts.append(self._firsts[-1] + self._file.metadata.row_group(group).num_rows)
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._turn = threading.Lock()

    def picture(self, row: int) -> bytes:
        import pyarrow

        group = bisect.bisect_right(self._firsts, row) - 1
        with self._turn:
            try:
                if group not in self._kept:
                    while len(self._kept) >= _GROUPS_KEPT:
                        self._kept.popitem(last=False)
                    self._kept[group] = self._file.read_row_group(group, columns=[f"{self._column}.bytes"]).column(0)
                value = self._kept[group][row - self._firsts[group]].as_py()
            except (OSError, pyarrow.ArrowException) as error:
                raise ImageError("This row of the Parquet file is damaged. Download the file again.") from error
        data = (value or {}).get("bytes")
        if not data:
            raise ImageError("This row of the Parquet file has no picture, or only the name of one.")
        return bytes(data)


def _holds_pictures(kind: Any) -> bool:
    from pyarrow import types

    return types.is_struct(kind) and {"bytes", "path"} <= {kind.field(place).name for place in range(kind.num_fields)}
