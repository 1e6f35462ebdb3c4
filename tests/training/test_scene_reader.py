"""One more head changes no answer until it is trained; what is linear in its inputs it can start out reading."""

from __future__ import annotations

import pytest
import torch

from training.architecture import build, config
from training.scene_reader import fitted, is_narrow, widened
from training.settings import TEXT


@torch.no_grad()
def test_one_more_head_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def text(heads: int) -> torch.nn.Module:
        for name in ("num_attention_heads", "num_key_value_heads"):
            monkeypatch.setitem(TEXT, name, heads)
        return build(config(50, 4, pad=0, bos=1, eos=2)).model.language_model.eval()

    torch.manual_seed(0)
    narrow, wide = text(2), text(3)
    for p in narrow.layers.parameters():
        torch.nn.init.normal_(p, std=0.1)
    wide.load_state_dict(widened(narrow.state_dict()))
    for layer in wide.layers:  # whatever the new head reads: it writes nothing
        for part in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
            part.weight[-TEXT["head_dim"] :] = torch.randn(TEXT["head_dim"], TEXT["hidden_size"])
    ids = torch.arange(5, 25)[None]
    assert torch.allclose(wide(ids).last_hidden_state, narrow(ids).last_hidden_state, atol=1e-5)


def test_what_is_linear_in_the_inputs_is_read_from_them() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, rows = (torch.randn(n, 16, generator=generator) for n in (2000, 3))
    assert torch.allclose(fitted(inputs, inputs @ rows.T), rows, atol=0.1)


@pytest.mark.parametrize(
    ("name", "heads", "narrow"),
    [
        pytest.param("text.layers.0.self_attn.o_proj.weight", TEXT["num_attention_heads"] - 1, True, id="one fewer"),
        pytest.param("text.layers.0.self_attn.o_proj.weight", TEXT["num_attention_heads"], False, id="all of them"),
        pytest.param("vision_tower.encoder.layers.0.self_attn.out_proj.weight", 1, False, id="the tower's own"),
    ],
)
def test_weights_of_one_head_fewer_are_known_by_what_their_heads_write(name: str, heads: int, narrow: bool) -> None:
    assert is_narrow({name: torch.zeros(8, heads * TEXT["head_dim"])}) is narrow
