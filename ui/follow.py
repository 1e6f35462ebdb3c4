"""What is shown anew whenever the session is another: all of it by one event.

Gradio's page goes through every component at the begin and the end of every event; eleven listeners took longer than
drawing the answer did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

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


def follow(session: gr.State, followers: Sequence[Follower]) -> None:
    """Call all of `followers` each time the session changes."""
    inputs = list(dict.fromkeys(widget for each in followers for widget in each.inputs))
    outputs = [widget for each in followers for widget in each.outputs]
    asked = {each.asks[0]: each.asks[1] for each in followers if each.asks}
    answers = "".join(f"all[{inputs.index(widget)}] = {script}; " for widget, script in asked.items())

    def show(request: gr.Request, *values: object) -> Values:
        known, visitor = dict(zip(inputs, values, strict=True)), str(request.session_hash)
        return {widget: update for each in followers for widget, update in each.show(known, visitor).items()}

    session.change(
        show,
        inputs,
        outputs,
        js=f"(...all) => {{ {answers}return all; }}",
        trigger_mode="always_last",
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
