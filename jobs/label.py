"""Label pictures from the command line: one model, one question, many pictures, one file to take away.

    python -m jobs.label photos/ --task detect --labels "cat; dog" --out labels

A picture counts as labelled when the model gave an answer that can be used; "there are none" is such an answer.
Blocked, failed and unreadable answers are not, nor are cut ones with nothing whole in them: errors.csv names each.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from backends import SPECS, Pool, first_choice
from grounding import images
from grounding.backend import Backend
from grounding.errors import ConfigError, GroundingError, RequestError, Stopped
from grounding.exports import FORMATS
from grounding.labels import Sample, split_labels
from grounding.settings import Settings
from grounding.types import THRESHOLD, Harm, Level, NoteKind, Options, Outcome, Request, Result, Task
from jobs.sources import Skipped, Source, gather

DONE, WRONG_ARGUMENTS, SOME_FAILED = 0, 2, 3


@dataclass(frozen=True, eq=False)
class Progress:
    """One picture done. `done` counts from 1."""

    done: int
    sample: Sample


def label(
    sources: Iterable[Source], backend: Backend, question: Request, stop: threading.Event | None = None
) -> Iterator[Progress]:
    """Ask `question`, whose images are left empty, of each picture in turn; ends early once `stop` is set."""
    for done, source in enumerate(sources, 1):
        try:
            yield Progress(done, label_one(source, backend, question, stop))
        except Stopped:
            return


def label_one(source: Source, backend: Backend, question: Request, stop: threading.Event | None = None) -> Sample:
    """The answer for one picture; whatever goes wrong with it is a result too. Raises Stopped only."""
    size_wh = None
    try:
        picture = images.load(source.get(), name=source.name)
        size_wh = picture.size_wh
        result = backend.predict(replace(question, images=(picture,)), stop)
        notes = (*picture.notes, *(note for note in result.notes if note not in picture.notes))
        return Sample(source.name, size_wh, question.task, replace(result, notes=notes))
    except Stopped:
        raise
    except GroundingError as error:
        reason = str(error)
    except MemoryError:
        reason = "There is not enough memory for this picture."
    return Sample(source.name, size_wh, question.task, Result(Outcome.FAILED, reason))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0 with every picture labelled, 3 with some not, 2 with wrong arguments."""
    parser = _parser()
    args = parser.parse_args(argv)
    open_files = ExitStack()
    try:
        settings = Settings.from_env(os.environ)
        if args.deadline is not None:
            settings = replace(settings, deadline_s=args.deadline)
        question = _question(args)
        found = list(gather(args.pictures, open_files))
        sources = [each for each in found if isinstance(each, Source)]
        skipped = [each for each in found if isinstance(each, Skipped)]
        if not sources:
            raise RequestError("There are no pictures there.")
        backend = _open(args, settings, open_files, question)
        _make(args.out)
        for each in skipped:
            _say(f"skipped {each.name}: {each.reason}")
        return _run(args, sources, backend, question)
    except GroundingError as error:
        parser.exit(WRONG_ARGUMENTS, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(WRONG_ARGUMENTS, f"{parser.prog}: stopped before the first picture\n")
    finally:
        open_files.close()


def _run(args: argparse.Namespace, sources: list[Source], backend: Backend, question: Request) -> int:
    failed: list[Sample] = []
    unasked = {source.name for source in sources}

    def samples() -> Iterator[Sample]:
        try:
            for progress in label(sources, backend, question):
                sample = progress.sample
                unasked.discard(sample.picture)
                if not sample.labelled:
                    failed.append(sample)
                _say(f"[{progress.done}/{len(sources)}] {sample.picture}: {_told(sample)}")
                yield sample
        except KeyboardInterrupt:
            _say("stopped: what was labelled so far is kept")

    for name, content in FORMATS[args.format](samples(), labels=question.labels, threshold=args.threshold):
        _write(args.out / name, content)
    stopped = [(each.name, "stopped", "It was not asked about.") for each in sources if each.name in unasked]
    rows = [(each.picture, each.result.outcome.value, _reason(each.result)) for each in failed] + stopped
    _write(args.out / "errors.csv", to_csv([("picture", "outcome", "reason"), *rows]))
    _say(f"{len(sources) - len(rows)} of {len(sources)} pictures labelled")
    return SOME_FAILED if rows else DONE


def _open(args: argparse.Namespace, settings: Settings, open_files: ExitStack, question: Request) -> Backend:
    name, model = first_choice(settings, args.backend)
    key = (settings.gemini_api_key or "") if SPECS[name].needs_key else ""
    if SPECS[name].needs_key and not key:
        raise ConfigError(f"The backend {name} needs a key. Set GEMINI_API_KEY to yours.")
    pool = Pool(settings)
    open_files.callback(pool.close)
    backend = open_files.enter_context(pool.lend(name, args.model or model, key))
    able = backend.capabilities
    if question.task not in able.tasks:
        raise RequestError(f"The backend {name} cannot {question.task}.")
    if refused := [harm for harm in question.safety if harm not in able.harms]:
        raise RequestError(f"The backend {name} has no filter for {refused[0]}. {able.no_safety}")
    return backend


def _question(args: argparse.Namespace) -> Request:
    labels = split_labels(args.labels)
    task, text = Task(args.task), args.text.strip()
    if task in (Task.DETECT, Task.SEGMENT) and not labels and not text:
        raise RequestError(f"{task} needs --labels or --text: what to look for.")
    if task is Task.ASK and not text:
        raise RequestError("ask needs --text: the question.")
    if task in (Task.CAPTION, Task.ASK) and args.format == "coco":
        raise RequestError("coco holds boxes and masks, no words. Use --format json for captions and answers.")
    options = Options(args.temperature, args.max_output_tokens)
    return Request(task, (), text, labels, options, dict(args.safety))


def _told(sample: Sample) -> str:
    result, count = sample.result, len(sample.result.detections)
    if not sample.labelled:
        return f"{result.outcome}. {_reason(result)}"
    return f"{result.outcome}, {count} object{'s' * (count != 1)}" if count else f"{result.outcome}"


def _reason(result: Result) -> str:
    """What to tell of a result that is no label. A cut or unreadable answer's own text may be long; its note is not."""
    about = [note.detail for note in result.notes if note.kind is not NoteKind.PICTURE]
    if result.outcome in (Outcome.UNRECOGNISED, Outcome.TRUNCATED) and about:
        return about[0]
    if result.outcome is Outcome.UNRECOGNISED:
        return "No objects could be read from the model's answer."
    return result.text


def to_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180 in UTF-8; no cell begins like a formula, which a spreadsheet would run (ASVS 1.2.10)."""
    text = io.StringIO()
    safe = [["'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\0")) else cell for cell in row]
            for row in rows]  # fmt: skip
    csv.writer(text).writerows(safe)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _write(path: Path, content: bytes) -> None:
    """All of `content` or the file as it was: written beside it first, then renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise _unwritable(error) from error
    finally:
        part.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> RequestError:
    return RequestError(f"The results cannot be written to the output folder: {error.strerror or 'unknown fault'}.")


def _say(line: str) -> None:
    print("".join(each if each.isprintable() else "?" for each in line), file=sys.stderr)


def _number(low: float, high: float, kind: type[int] | type[float]) -> type:
    def parse(text: str) -> float:
        value = kind(text)
        if not (math.isfinite(value) and low <= value <= high):
            raise argparse.ArgumentTypeError(f"{text} is not from {low} to {high}")
        return value

    parse.__name__ = "number"
    return parse  # type: ignore[return-value]


def _safety(text: str) -> tuple[Harm, Level]:
    harm, _, level = text.partition("=")
    try:
        return Harm(harm), Level(level)
    except ValueError:
        harms, levels = ", ".join(Harm), ", ".join(Level)
        raise argparse.ArgumentTypeError(f"give CATEGORY=LEVEL of {harms} and {levels}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m jobs.label",
        description="Label pictures with one model and one question.",
        epilog="Exit code 0: every picture labelled. 3: some blocked, failed, unreadable or cut before anything whole; "
        "each is named in errors.csv and the others are kept. 2: wrong arguments. "
        "Keys are read from GEMINI_API_KEY or GOOGLE_API_KEY. Pictures leave this machine only with --backend gemini.",
    )
    add = parser.add_argument
    add("pictures", nargs="+", type=Path, metavar="PICTURE|FOLDER|ZIP")
    add("--backend", choices=tuple(SPECS), help="default: PINPOINT_BACKEND, else paligemma, which runs on this machine")
    add("--model", help="default: PINPOINT_MODEL, else the backend's first")
    add("--task", choices=[task.value for task in Task], default=Task.DETECT.value)
    add("--labels", default="", help='what to look for: "cat; dog"')
    add("--text", default="", help="the question, or a free description of what to look for")
    add("--format", choices=tuple(FORMATS), default="json")
    add("--out", type=Path, required=True, metavar="DIR")
    add("--threshold", type=_number(0, 255, int), default=THRESHOLD, help="of masks, 0-255 (default %(default)s)")
    add("--safety", type=_safety, action="extend", nargs="+", default=[], metavar="CATEGORY=LEVEL",
        help="e.g. harassment=few; levels none, few, some, most, default")  # fmt: skip
    add("--temperature", type=_number(0, 2, float))
    add("--max-output-tokens", type=_number(1, 1_000_000, int))
    add("--deadline", type=_number(1, 3600, float), help="seconds a service may take over one picture (default 60)")
    return parser


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # a polite kill keeps what was labelled so far, as Ctrl-C does
    sys.exit(main())
