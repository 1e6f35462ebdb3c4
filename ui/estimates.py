"""What asking will take, said beforehand: tokens and cost, or calls and seconds; and what the model will not see.

Nothing is opened, decoded or sent for it: pictures stand in by their size. Knows no gradio.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from PIL import Image

from backends import SPECS, tools
from backends.paligemma_planner import Paces, Plan, plan
from grounding.backend import Capabilities
from grounding.documents import Document
from grounding.images import Picture
from grounding.types import Estimate
from ui import gathering, markup
from ui.form import Form
from ui.messages import Problem, attempt
from ui.small_world import beyond
from ui.state import Kept, Paper, Session

_PLANNED = "paligemma"


@dataclass(frozen=True, eq=False)
class Outline(Picture):
    """A picture of which only the size is known."""

    outline_wh: tuple[int, int] = (1, 1)
    key: str = ""

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.outline_wh

    @property
    def content_id(self) -> str:
        return self.key


def outline(kept: Kept) -> Picture:
    return Outline(Image.new("L", (1, 1)), kept.name, "PNG", (), kept.size_wh, kept.path.name)


def _outline_document(paper: Paper) -> Document:
    return Document(b"", paper.pages, paper.name)


def before(form: Form, session: Session, capabilities: Capabilities, paces: Paces) -> str:
    """One quiet line under the button, and what to know first; "" where the form cannot be asked yet."""
    if session.picture is None:
        return ""
    lines = [markup.beware(each) for each in beyond(form, drawn=session.scene is not None)]
    got = attempt(partial(took, form, session, capabilities, paces))
    if isinstance(got, Problem):
        return "".join([*lines, markup.beware(got.text)])
    there = planned(form, session, capabilities, paces)
    first = [note.detail for note in there.notes] if there else []
    remarks = [*first, *gathering.remarks(form, session, capabilities)]
    return "".join([*(markup.hint(got) for _ in range(bool(got))), *lines, *map(markup.beware, remarks)])


def planned(form: Form, session: Session, capabilities: Capabilities, paces: Paces) -> Plan | None:
    """How a model of this machine will go about it; None for others."""
    if form.backend != _PLANNED:
        return None
    made = gathering.gather(form, session, capabilities, outline, _outline_document)
    return plan(made.request, form.model, paces=paces)


def took(form: Form, session: Session, capabilities: Capabilities, paces: Paces, *, times: int = 1) -> str:
    """What asking `form` so many times takes, in a line; "" where nothing is known of it."""
    if (there := planned(form, session, capabilities, paces)) is not None:
        whole = replace(
            there,
            prompts=there.prompts * times,
            prompt_tokens=there.prompt_tokens * times,
            answer_tokens=there.answer_tokens * times,
            seconds=there.seconds and there.seconds * times,
        )
        return f"{whole}.".replace("1 call, ", "One call, ", 1) if whole.calls == 1 else f"{whole}."
    kit = tools(form.backend) if SPECS[form.backend].tools else None
    if kit is None:
        return ""
    made = gathering.gather(form, session, capabilities, outline, _outline_document)
    one = kit.estimate(form.model, made.request)
    said = _said(
        replace(
            one,
            prompt_tokens=one.prompt_tokens * times,
            image_tokens=one.image_tokens * times,
            most_answer_tokens=one.most_answer_tokens * times,
            cost_usd=None if one.cost_usd is None else one.cost_usd * times,
            most_usd=None if one.most_usd is None else one.most_usd * times,
        )
    )
    return f"{times} calls. {said}" if times > 1 else said


def _said(estimate: Estimate) -> str:
    """For people: what goes in and at most comes out, and what that costs by which day's prices."""
    seen = f" ({estimate.image_tokens:,} the picture)" if estimate.image_tokens else ""
    tokens = f"About {estimate.prompt_tokens:,} tokens in{seen}, up to {estimate.most_answer_tokens:,} out"
    if estimate.cost_usd is None or estimate.most_usd is None:
        return f"{tokens}. No price is known for this model."
    cost = f"{markup.dollars(estimate.cost_usd)} to ask, {markup.dollars(estimate.most_usd)} at most"
    return f"{tokens} · {cost} (prices of {estimate.prices_of})"
