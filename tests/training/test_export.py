"""The checkpoint's files: a byte for a number, and the tower's bytes as they were."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from training.architecture import in_a_byte
from training.export import part


def test_a_matrix_ships_in_a_byte_for_each_number_and_nothing_else_changes() -> None:
    matrix = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).bfloat16() / 16
    short = in_a_byte(matrix)
    assert short.element_size() == 1
    off = (short.float() - matrix.float()).abs()
    assert (off <= (matrix.float().abs() / 16).clamp(min=2**-10)).all(), "half a step of three bits, or of the smallest"
    assert torch.equal(in_a_byte(short.bfloat16()).float(), short.float())
    assert torch.equal(in_a_byte(matrix[0]), matrix[0]), "a scale or an offset stays as it is"


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
    assert index["metadata"] == {"total_size": 8 * 8 + 2000 * 400}
    assert {file.name for file in (tmp_path / "first").glob("model-*")} == set(index["weight_map"].values())
    for name, file in index["weight_map"].items():
        assert load_file(tmp_path / "first" / file)[name].element_size() == 1
