"""What follows the session: one part that fails takes no other with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from grounding.errors import ImageError
from grounding.types import Outcome, Result, Task, View
from ui import truth_panel
from ui.follow import Follower, Values, listed, shown
from ui.state import Answer, Session


@pytest.mark.parametrize("error", [ImageError("Gone."), KeyError("ours")], ids=["said", "unexpected"])
def test_a_part_that_fails_is_left_as_it_was_and_the_others_are_shown(error: Exception) -> None:
    def fails(values: Values, visitor: str) -> Values:
        raise error

    before = Follower(lambda values, visitor: {"a": f"{values['in']} of {visitor}"}, ["in"], ["a"])
    after = listed(lambda value: [value, value], ["in"], ["d", "e"])
    updates = shown([before, Follower(fails, [], ["b", "c"]), after], {"in": "all"}, "me")
    assert updates == {"a": "all of me", "b": gr.skip(), "c": gr.skip(), "d": "all", "e": "all"}


def test_where_no_truth_can_be_shown_its_box_is_there_and_says_why() -> None:
    with gr.Blocks():
        panel = truth_panel.build(Session())
        view: list[Any] = [gr.CheckboxGroup(), gr.Slider(), gr.Slider()]
        session = gr.State()
        result: Any = SimpleNamespace(view=view, threshold=view[1])
        follower = truth_panel.wire(panel, session, result)
    odd = dict(zip(view, [list(View().overlays), "much", 0], strict=True))
    now = Session(answer=Answer(Task.DETECT, "cat", "m", Result(Outcome.NONE)), scene=3)
    updates = follower.show({session: now, panel.wanted: True, **odd}, "me")
    assert updates[panel.box]["visible"] is True
    assert "pp-problem" in updates[panel.said]["value"]
