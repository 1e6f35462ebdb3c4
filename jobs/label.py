"""Label pictures from the command line: one model, one question, many pictures, one file to take away.

    python -m jobs.label photos/ --task detect --labels "cat; dog" --out labels

A picture counts as labelled when the model gave an answer that can be used; "there are none" is such an answer.
Blocked, failed and unreadable answers are not, nor are cut ones with nothing whole in them: errors.csv names each.

Answers are kept in the output folder as they come: started again, the same question goes on where it was stopped or
killed, and another format of the same labels asks nothing anew. What the files of a format lost is said at the end.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from backends import SPECS, first_choice
from grounding.backend import Backend
from grounding.errors import GroundingError, RequestError
from grounding.exports import FORMATS, check_holds, reread
from grounding.exports.bundle import Bundle
from grounding.labels import Sample, split_labels
from grounding.settings import Settings
from grounding.types import THRESHOLD, Harm, Level, Options, Task
from jobs.answers import Answers, errors_csv
from jobs.datasets import Hub
from jobs.journal import NAME, Journal, JournalError, unwritable
from jobs.run import Progress, parallel_for, run, span
from jobs.sources import Skipped, Source, gather
from jobs.tally import reason
from jobs.work import Job, open_backend

DONE, WRONG_ARGUMENTS, SOME_FAILED = 0, 2, 3
STOPPED = 130  # as shells say of Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0 with every picture labelled, 3 with some not, 2 with wrong arguments.

    130 where it was stopped with no files written.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    open_files = ExitStack()
    stopped = "stopped before the first picture"
    try:
        settings = Settings.from_env(os.environ)
        if args.deadline is not None:
            settings = replace(settings, deadline_s=args.deadline)
        job = _job(args, settings)
        found = list(gather(args.pictures, open_files, besides=args.out, hub=Hub(token=settings.hf_token)))
        sources = [each for each in found if isinstance(each, Source)]
        skipped = [each for each in found if isinstance(each, Skipped)]
        if not sources:
            raise RequestError("There are no pictures there.")
        backend = open_files.enter_context(open_backend(job, settings))
        _make(args.out)
        journal = open_files.enter_context(closing(_journal(args.out, job)))
        for each in skipped:
            _say(f"skipped {each.name}: {each.reason}")
        _label(args, sources, job, backend, journal)
        stopped = "stopped while the files were written; every answer is kept: start again to write them"
        return _write_all(args, sources, job, journal)
    except GroundingError as error:
        parser.exit(WRONG_ARGUMENTS, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(STOPPED, f"{parser.prog}: {stopped}\n")
    finally:
        open_files.close()


def _journal(folder: Path, job: Job) -> Journal:
    try:
        return Journal(folder, job)
    except JournalError as error:
        raise RequestError(f"{error} Choose another --out, or delete {NAME} there to begin anew.") from error


def _label(args: argparse.Namespace, sources: Sequence[Source], job: Job, backend: Backend, journal: Journal) -> None:
    """Ask about all that is not in the journal yet, and say how it goes."""
    parallel = args.parallel or parallel_for(SPECS[job.backend].needs_key, len(sources))
    try:
        steps = run(sources, job, backend, journal, parallel=parallel)
        with closing(steps):
            for progress in steps:
                if line := _line(progress):
                    _say(line)
    except KeyboardInterrupt:
        _say("stopped: what was labelled so far is kept; start again to go on")


def _write_all(args: argparse.Namespace, sources: Sequence[Source], job: Job, journal: Journal) -> int:
    """The files to take away, read from the journal one picture at a time, and what they lost; the exit code."""
    answers = Answers(sources, journal, args.format)
    form, files = FORMATS[args.format], dict[str, Callable[[], bytes]]()
    for name, content in form(answers, labels=job.labels, threshold=args.threshold):
        _write(args.out / name, content)
        files[name] = (args.out / name).read_bytes
    unlabelled, table = errors_csv(sources, journal)
    _write(args.out / "errors.csv", table)
    for loss in reread(answers, form, Bundle(files), args.threshold):
        _say(f"in {args.format}: {loss}")
    _say(f"{len(sources) - unlabelled} of {len(sources)} pictures labelled")
    _say(f"Wrote {args.out / next(iter(files))}" if len(files) == 1 else f"Wrote {len(files)} files in {args.out}")
    return SOME_FAILED if unlabelled else DONE


def _job(args: argparse.Namespace, settings: Settings) -> Job:
    name, model = first_choice(settings, args.backend)
    labels = split_labels(args.labels)
    task, text = Task(args.task), args.text.strip()
    if task in (Task.DETECT, Task.SEGMENT) and not labels and not text:
        raise RequestError(f"{task} needs --labels or --text: what to look for.")
    if task is Task.ASK and not text:
        raise RequestError("ask needs --text: the question.")
    check_holds(args.format, task)
    options = Options(args.temperature, args.max_output_tokens)
    return Job(name, args.model or model, task, text, labels, options, dict(args.safety))


def _line(progress: Progress) -> str:
    """What to say of a step: "[3/50] (12 s left, $0.004) cat.jpg: found, 1 object"; "" where there is nothing."""
    if progress.sample is None:
        if progress.waiting_s:
            return f"the service asked to wait {progress.waiting_s:.0f} s"
        return f"{progress.done} of {progress.total} are labelled already" if progress.done else ""
    more = []
    if progress.seconds_left is not None and progress.done < progress.total:
        more.append(f"{span(progress.seconds_left)} left")
    if progress.cost_usd is not None:
        more.append(f"${progress.cost_usd:.4f}")
    told = f"({', '.join(more)}) " if more else ""
    return f"[{progress.done}/{progress.total}] {told}{progress.sample.picture}: {_told(progress.sample)}"


def _told(sample: Sample) -> str:
    result, count = sample.result, len(sample.result.detections)
    if not sample.labelled:
        return f"{result.outcome}. {reason(result)}"
    return f"{result.outcome}, {count} object{'s' * (count != 1)}" if count else f"{result.outcome}"


def _write(path: Path, content: bytes) -> None:
    """All of `content` or the file as it was: written beside it first, then renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    _make(path.parent)
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise unwritable(error) from error
    finally:
        part.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error) from error


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
        "each is named in errors.csv and the others are kept. 2: wrong arguments. 130: stopped with no file written. "
        "Started again, the same question goes on where it ended; pictures that got no answer are asked about again. "
        "Keys are read from GEMINI_API_KEY or GOOGLE_API_KEY. Pictures leave this machine only "
        "where Gemini is asked: by --backend gemini or PINPOINT_BACKEND.",
    )
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURE|FOLDER|ZIP|URL|LIST.txt|PARQUET|hf://datasets/OWNER/NAME",
        help="LIST.txt: web addresses, one a line; PARQUET and hf://: data sets, for their pictures")  # fmt: skip
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
    add("--parallel", type=_number(1, 64, int), metavar="N",
        help="pictures to ask about at once (default: up to 8 of a service, fewer for fewer than 32)")  # fmt: skip
    add("--deadline", type=_number(1, 3600, float), help="seconds a service may take over one picture (default 60)")
    return parser


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # a polite kill keeps what was labelled so far, as Ctrl-C does
    sys.exit(main())
