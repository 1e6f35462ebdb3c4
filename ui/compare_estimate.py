"""What a comparison will take, said before anybody is asked: of each model, or of all the calls to one together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gradio as gr

from ui import estimates, markup, trial
from ui.desk import Desk
from ui.follow import Follower, listed
from ui.form import Form
from ui.messages import Problem, attempt
from ui.sidebar import capabilities
from ui.small_world import beyond
from ui.stability_markup import NEVER_DIFFERS, leaves_nothing_to_chance
from ui.state import Session
from ui.trial import MANY

if TYPE_CHECKING:
    from ui.compare_page import ComparePage


def wire(panel: ComparePage, session: gr.State, desk: Desk) -> Follower:
    """Said anew with every choice on the left, and with the picture."""
    fields = [*panel.sides[0].fields.values(), *panel.sides[1].fields.values()]

    def say(now: Session, words: object, task: object, kind: object, times: object, *chosen: object) -> str:
        values = [dict(zip(panel.sides[0].fields, part, strict=True)) for part in (chosen[:4], chosen[4:])]

        def lines() -> str:
            place = trial.read_task(task)
            count = trial.read_times(times) if kind == MANY else 1
            read = [
                trial.read_side(place, {**each, "prompt": words}, desk.settings, with_key=False)
                for each in values[: 1 if kind == MANY else 2]
            ]
            return "".join(cost(form, letter, now, count, desk) for form, letter in zip(read, "AB", strict=False))

        got = attempt(lines)
        return "" if isinstance(got, Problem) else got

    inputs = [session, panel.prompt, panel.task, panel.kind, panel.times, *fields]
    changes = [each.change for each in (panel.prompt, panel.task, panel.kind, panel.times, *fields)]
    gr.on(
        [panel.tab.select, *changes],
        say,
        inputs,
        panel.before,
        trigger_mode="always_last",
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return listed(lambda *values: [say(*values)], inputs, [panel.before])


def cost(form: Form | None, letter: str, now: Session, times: int, desk: Desk) -> str:
    if now.picture is None or form is None:
        return ""
    alone = Session(now.picture, scene=now.scene)
    able = capabilities(form.backend, desk.settings)
    got = attempt(lambda: estimates.took(form, alone, able, desk.paces, times=times))
    if isinstance(got, Problem):
        return markup.beware(got.text)
    sent = "" if able.sends_to.startswith("nobody") else f" The picture is sent to {able.sends_to}."
    said = markup.hint(f"{letter if times == 1 else 'In all'}: {got}{sent}") if got or sent else ""
    first = [NEVER_DIFFERS] if times > 1 and leaves_nothing_to_chance(form) else []
    return said + "".join(map(markup.beware, [*first, *beyond(form, drawn=now.scene is not None)]))
