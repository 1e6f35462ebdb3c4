"""What a batch will take, said before it begins: pictures, calls, tokens, cost by the dated prices, time.

Nothing is decoded or fetched for it: the first few pictures at hand tell their size, all others count like them.
Knows no gradio.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image

from backends import SPECS, tools
from backends.paligemma_planner import Paces, plan
from grounding.errors import ImageError
from grounding.types import Request
from jobs.batch import Given
from jobs.pictures import Skipped, Source
from jobs.run import span
from ui import gathering, markup
from ui.batch_form import MOST_SHARED
from ui.batch_markup import counted_things
from ui.batches import MOST_COUNTED, Batches
from ui.estimates import Outline
from ui.form import Form
from ui.messages import Problem, attempt
from ui.small_world import beyond

SIZED = 12
"""Pictures whose size is read; more would keep the page waiting at every change."""
USUAL_WH = (1024, 768)
"""Of pictures that are elsewhere: about what the web shows, and said beside the figure."""


@dataclass(frozen=True)
class Counted:
    """What was given, as far as it is known beforehand.

    exact: no data set among it, whose pictures are counted later. at_least: counting ended there, not the pictures.
    sizes_wh: of the first few at hand. more: there are pictures beyond the `most` that are taken.
    """

    pictures: int = 0
    exact: bool = True
    at_least: bool = False
    most: int = 0
    sizes_wh: tuple[tuple[int, int], ...] = ()
    skipped: tuple[Skipped, ...] = ()
    more: bool = False
    trouble: Problem | None = None
    of: tuple[Given, tuple[Path, ...]] | None = None


def count(given: Given, files: tuple[Path, ...], batches: Batches, before: Counted) -> Counted:
    """How many pictures these are, as `before` where it is of the same; a Problem in it where some cannot be read."""
    if before.of == (given, files):
        return before

    def look() -> Counted:
        with ExitStack() as open_files:
            found = batches.collect(given, files, open_files)
            number = len(found.sources) + len(dict.fromkeys(given.addresses))
            sizes, of = _sizes(found.sources), (given, files)
            if given.dataset:
                return Counted(given.most, False, False, given.most, sizes, found.skipped, of=of)
            more = number > given.most or (found.more and given.most <= MOST_COUNTED)
            pictures, at_least = min(given.most, number), found.more and not more
            return Counted(pictures, not at_least, at_least, given.most, sizes, found.skipped, more, of=of)

    got = attempt(look)
    return Counted(trouble=got) if isinstance(got, Problem) else got


def before(form: Form | None, counted: Counted, paces: Paces, batches: Batches, job_rate: float | None) -> str:
    """The lines above Start, as HTML; "" where nothing was given yet."""
    if counted.trouble is not None:
        return markup.trouble(counted.trouble)
    if not counted.pictures:
        said = counted_things(counted.skipped) if counted.skipped else ""
        return markup.hint(f"No pictures among what was given. {said}") if said else ""
    lines = [markup.hint(_number(counted, batches))]
    if form is not None:
        took = attempt(partial(_took, form, counted, paces, job_rate))
        of = f"For {counted.pictures:,} of them: " if counted.at_least else ""
        lines.append(markup.beware(took.text) if isinstance(took, Problem) else markup.hint(of + took))
        lines += map(markup.beware, beyond(form, drawn=False))
        if asked := _options(form):
            lines.append(markup.hint(f"As set on the Picture page: {asked}."))
    return "".join(lines)


def _number(counted: Counted, batches: Batches) -> str:
    at_most = "At least " if counted.at_least else "" if counted.exact else "Up to "
    said = f"{at_most}{counted.pictures:,} {'picture' if counted.pictures == 1 else 'pictures'}."
    if counted.at_least:
        said += f" They are counted no further beforehand; up to {counted.most:,} are taken."
    if counted.more:
        full = batches.shared and counted.most >= MOST_SHARED
        said += f" Only the first {counted.pictures:,} are taken{': others use this page too' if full else ''}."
    return said + counted_things(counted.skipped)


def _took(form: Form, counted: Counted, paces: Paces, rate: float | None) -> str:
    number = counted.pictures
    time = f"about {span(number / rate)} at the pace of the last batch" if rate else ""
    requests = [_request(form, size) for size in counted.sizes_wh or (USUAL_WH,)]
    if form.backend == "paligemma":
        planned = plan(requests[0], form.model, paces=paces)
        calls = f"{planned.calls * number:,} calls, about {_rounded(planned.tokens * number):,} tokens"
        if not time:
            # Several pictures are answered together, so one after another is the most it takes.
            time = "time not known" if planned.seconds is None else f"about {span(planned.seconds * number)} or less"
        return f"{calls} · {time}."
    kit = tools(form.backend) if SPECS[form.backend].tools else None
    if kit is None:
        return f"{number:,} calls · {time or 'time known after the first answers'}."
    each = [kit.estimate(form.model, request) for request in requests]
    prompt = sum(one.prompt_tokens for one in each) / len(each) * number
    most = max(one.most_answer_tokens for one in each) * number
    said = f"{number:,} calls, about {_rounded(prompt):,} tokens in, up to {most:,} out"
    costs = [(one.cost_usd, one.most_usd) for one in each if one.cost_usd is not None and one.most_usd is not None]
    if costs:
        ask, at_most = (sum(side) / len(costs) * number for side in zip(*costs, strict=True))
        said += f" · {markup.dollars(ask)} to ask, {markup.dollars(at_most)} at most (prices of {each[0].prices_of})"
    else:
        said += " · no price is known for this model"
    size = "" if counted.sizes_wh else f", pictures taken as {USUAL_WH[0]} × {USUAL_WH[1]}"
    return f"{said}{size} · {time or 'time known after the first answers'}."


def _request(form: Form, size_wh: tuple[int, int]) -> Request:
    picture = Outline(Image.new("L", (1, 1)), "", "PNG", (), size_wh, "batch")
    return gathering.request(form, SPECS[form.backend].capabilities, (picture,))


def _options(form: Form) -> str:
    """What besides the question is set, in words."""
    able = SPECS[form.backend].capabilities
    request = gathering.request(form, able, ())
    unset = type(request.options)()
    said = [
        f"{name.replace('_', ' ')} {str(value)[:40]}"
        for name, value in vars(request.options).items()
        if value != getattr(unset, name)
    ]
    said += [f"{harm.value.replace('_', ' ')}: block {level.value}" for harm, level in request.safety.items()]
    return ", ".join(said)


def _sizes(sources: Sequence[Source]) -> tuple[tuple[int, int], ...]:
    sizes = (_size(source) for source in [each for each in sources if not each.far][:SIZED])
    return tuple(size for size in sizes if size)


def _size(source: Source) -> tuple[int, int] | None:
    """As the file's head says; None where it is none of the usual kinds. Nothing is decoded."""
    try:
        got = source.get()
        with Image.open(BytesIO(got) if isinstance(got, bytes) else got, formats=["JPEG", "PNG", "WEBP"]) as opened:
            return opened.size
    except (ImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _rounded(number: float) -> int:
    """To two digits: more would pretend to be known."""
    return int(round(number, -max(0, len(str(int(number))) - 2)))
