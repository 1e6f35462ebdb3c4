"""What is shown anew whenever the session is another: all of it by one event. What corrections change, by one more.

A part that fails stays as it was and holds up no other. Gradio's page goes through every component at the begin and the
end of every event; eleven listeners took longer than drawing the answer did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from ui.messages import Problem, attempt

Values = dict[Any, Any]


@dataclass(frozen=True)
class Follower:
    """A part of the page that follows the session.

    show: its updates, from the values of `inputs` by component, and the visitor. asks: a script's answer in the place
    of an input's value, for what only the browser knows.
    """

    show: Callable[[Values, str], Values]
    inputs: Sequence[Any]
    outputs: Sequence[Any]
    asks: tuple[Any, str] | None = None


def listed(
    show: Callable[..., Sequence[Any]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    asks: tuple[Any, str] | None = None,
) -> Follower:
    """A follower from a function as events call it: the inputs' values one by one, a list of updates back."""

    def shown(values: Values, visitor: str) -> Values:
        return dict(zip(outputs, show(*(values[each] for each in inputs)), strict=True))

    return Follower(shown, inputs, outputs, asks)


def follow(changed: Callable[..., Any], followers: Sequence[Follower]) -> None:
    """Call all of `followers` at each event `changed`: of session or page, or of a script that saw a correction kept.

    Corrections go past Gradio's queue, where it tells of no state that changed.
    """
    inputs = list(dict.fromkeys(widget for each in followers for widget in each.inputs))
    outputs = [widget for each in followers for widget in each.outputs]
    asked = {each.asks[0]: each.asks[1] for each in followers if each.asks}
    answers = "".join(f"all[{inputs.index(widget)}] = {script}; " for widget, script in asked.items())

    def follow_session(request: gr.Request, *values: object) -> Values:
        return shown(followers, dict(zip(inputs, values, strict=True)), str(request.session_hash))

    changed(
        follow_session,
        inputs,
        outputs,
        js=f"(...all) => {{ {answers}return all; }}",
        trigger_mode="always_last",
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def shown(followers: Sequence[Follower], values: Values, visitor: str) -> Values:
    """What all of `followers` show, each by itself: where one fails, its outputs are left as they are."""
    updates: Values = {}
    for each in followers:
        made = attempt(partial(each.show, values, visitor))
        updates |= dict.fromkeys(each.outputs, gr.skip()) if isinstance(made, Problem) else made
    return updates
