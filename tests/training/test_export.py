"""The checkpoint's files: few bits for what changes, and the tower's bytes as they were."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from training.export import coarse, part


@given(st.floats(-1e3, 1e3, width=16), st.integers(2, 6))
def test_rounding_moves_a_weight_by_half_a_step_at_most(value: float, bits: int) -> None:
    weight = torch.tensor([value]).bfloat16()
    rounded = coarse(weight, bits)
    assert abs(float(rounded - weight)) <= abs(float(weight)) * 2 ** -(bits + 1)
    assert torch.equal(coarse(rounded, bits), rounded)
    assert int(rounded.view(torch.int16)) & (2 ** (7 - bits) - 1) == 0


def test_another_text_part_leaves_the_towers_files_as_they_are(tmp_path: Path) -> None:
    def written(folder: Path, text: float) -> dict[str, bytes]:
        folder.mkdir()
        weights = {
            "language_model.a": torch.full((8, 8), text),
            "vision_tower.b": torch.rand(2000, 400).round(decimals=1),
        }
        save_file({name: value.bfloat16() for name, value in weights.items()}, folder / "model.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 1}}))
        part(folder)
        return {file.name: file.read_bytes() for file in folder.glob("*.safetensors")}

    torch.manual_seed(0)
    first = written(tmp_path / "first", 0.5)
    torch.manual_seed(0)
    second = written(tmp_path / "second", 0.25)
    assert [name for name in sorted(first) if first[name] != second[name]] == ["model-text.safetensors"]
    index = json.loads((tmp_path / "first" / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 1}
    assert {file.name for file in (tmp_path / "first").glob("model-*")} == set(index["weight_map"].values())
    for name, file in index["weight_map"].items():
        assert name in load_file(tmp_path / "first" / file)
