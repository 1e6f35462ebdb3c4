"""Checkpoints fetched from the Hugging Face Hub into its cache, with progress, or the reason why not in plain words.

Tokens are looked up again at each try: after `hf auth login` the next one gets in, without a restart.
"""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from backends.paligemma_names import gated_steps
from grounding.backend import Loading, Report, Stage
from grounding.errors import Gated, ModelLoad

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def cached(repo: str, files: tuple[str, ...], *, revision: str | None = None, repo_type: str = "model") -> Path | None:
    """The folder of the Hub's cache that has something of `repo`; None where it has nothing. Asks nobody."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        path = snapshot_download(
            repo, repo_type=repo_type, revision=revision, allow_patterns=list(files), local_files_only=True
        )
    except (LocalEntryNotFoundError, ValueError):  # ValueError: no name for a repository; `fetch` says so
        return None
    return Path(path)


def fetch(
    repo: str,
    files: tuple[str, ...],
    hf_token: str | None,
    *,
    revision: str | None = None,
    repo_type: str = "model",
    report: Report | None = None,
) -> Path:
    """The folder of the Hub's cache with these files, fetched; raises ModelLoad, or Gated with the way in."""
    from httpx2 import HTTPError  # huggingface_hub rides on it and lets its connection errors through
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    tokens = _tokens(hf_token)
    for token in tokens:
        try:
            path = snapshot_download(
                repo,
                repo_type=repo_type,
                revision=revision,
                allow_patterns=list(files),
                token=token,
                tqdm_class=_bar(report) if report else None,
            )
            return Path(path)
        except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
            refused = any(isinstance(cause, (GatedRepoError, RepositoryNotFoundError)) for cause in _causes(error))
            if refused and token != tokens[-1]:
                continue
            raise _explained(error, repo) from error
    raise AssertionError("there is always a last try")


def _tokens(hf_token: str | None) -> list[str | None]:
    """What to try in turn: the operator's own, then what the environment or `hf auth login` says by now."""
    from huggingface_hub import get_token

    return list(dict.fromkeys([hf_token or get_token(), get_token()]))


def _bar(report: Report) -> type[Any]:
    """A progress bar for huggingface_hub that shows nothing and reports the bytes."""
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            moved: bool | None = super().update(n)
            if self.unit == "B" and self.n:
                report(Loading(Stage.DOWNLOADING, int(self.n), int(self.total) if self.total else None))
            return moved

        def display(self, *args: Any, **kwargs: Any) -> None:
            pass

    return Bar


def _explained(error: BaseException, repo: str) -> ModelLoad:
    """What to do about a download that failed."""
    from huggingface_hub import errors

    name, chain = short(repo), list(_causes(error))
    kinds = tuple(type(cause) for cause in chain)

    def is_a(*wanted: type[BaseException]) -> bool:
        return any(issubclass(kind, wanted) for kind in kinds)

    if is_a(errors.GatedRepoError):
        said = (
            f"{name} needs its licence accepted once: do so on its page at huggingface.co, then set HF_TOKEN or run "
            "`hf auth login`, and try again."
        )
        return Gated(said, gated_steps(repo))
    return ModelLoad(_explain(name, chain, is_a))


def _explain(name: str, chain: list[BaseException], is_a: Any) -> str:
    from huggingface_hub import errors

    if is_a(errors.RepositoryNotFoundError, errors.HFValidationError):
        return (
            f"There is no model {name} on the Hugging Face Hub, or your HF_TOKEN may not read it. Check the spelling."
        )
    if is_a(errors.RevisionNotFoundError):
        return f"{name} has no such revision on the Hugging Face Hub. Leave out what stands behind the @."
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in chain):
        return f"The disk is full: {name} could not be stored. Free some space or set HF_HOME to a larger disk."
    if is_a(errors.DisabledRepoError):
        return f"{name} was withdrawn from the Hugging Face Hub. Choose another model."
    if is_a(errors.HfHubHTTPError):
        return f"The Hugging Face Hub refused to send {name}. Try again later."
    return f"{name} is not on this machine and the Hugging Face Hub cannot be reached. Connect, or use pinpoint-nano."


def is_no_revision(error: BaseException) -> bool:
    """Whether `error` says that the repository is there but not that revision of it."""
    from huggingface_hub.errors import RevisionNotFoundError

    return any(isinstance(cause, RevisionNotFoundError) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def short(name: str) -> str:
    """A model's name fit to show: an id as it is, of a folder's path only the last part."""
    return name if HUB_ID.fullmatch(name) and len(name) <= 60 else f"“{PurePath(name).name[:60]}”"
