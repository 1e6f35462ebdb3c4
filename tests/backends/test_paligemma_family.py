"""The table of checkpoints, held against transformers' own count of weights; names, memory, advice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from backends.paligemma_family import FAMILY, GEMMA2_2B, GEMMA2_9B, GEMMA2_27B, GEMMA_2B, Language, Precision, Tuning
from backends.paligemma_names import advice, classes_per_call, gated_steps, member, wanted


def test_every_checkpoint_is_there_once() -> None:
    ids = [row.id for row in FAMILY]
    assert len(ids) == len(set(ids))
    sizes = {(row.language.name, row.tuning, row.resolution) for row in FAMILY if row.language}
    for language in (GEMMA_2B, GEMMA2_2B, GEMMA2_9B, GEMMA2_27B):
        assert {(language.name, Tuning.PT, size) for size in (224, 448, 896)} <= sizes
        assert {(language.name, Tuning.MIX, size) for size in (224, 448)} <= sizes
    assert {"google/paligemma2-3b-ft-docci-448", "google/paligemma2-10b-ft-docci-448"} <= set(ids)
    assert {row.image_tokens for row in FAMILY} == {256, 1024, 4096}


def test_published_figures_name_their_source() -> None:
    figures = [score for row in FAMILY for score in row.scores]
    assert len(figures) > 30
    assert all(score.source and score.benchmark and score.value for score in figures)


@pytest.mark.parametrize("language", [GEMMA_2B, GEMMA2_2B, GEMMA2_9B, GEMMA2_27B], ids=lambda each: each.name)
@pytest.mark.parametrize("resolution", [224, 896])
def test_the_weights_are_as_many_as_transformers_builds(language: Language, resolution: int) -> None:
    import torch
    import transformers

    kind = transformers.GemmaConfig if language is GEMMA_2B else transformers.Gemma2Config
    wide = {2048: 16384, 2304: 9216, 3584: 14336, 4608: 36864}[language.hidden]
    text = kind(
        vocab_size=257216,
        hidden_size=language.hidden,
        intermediate_size=wide,
        num_hidden_layers=language.layers,
        num_attention_heads=language.heads,
        num_key_value_heads=language.kv_heads,
        head_dim=language.head_dim,
    )
    vision = transformers.SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=27,
        num_attention_heads=16,
        image_size=resolution,
        patch_size=14,
        vision_use_head=False,
    )
    config = transformers.PaliGemmaConfig(
        vision_config=vision,
        text_config=text,
        vocab_size=257216,
        image_token_index=257152,
        projection_dim=language.hidden,
        hidden_size=language.hidden,
    )
    with torch.device("meta"):
        model = transformers.PaliGemmaForConditionalGeneration(config)
    row = next(r for r in FAMILY if r.language is language and r.resolution == resolution)
    assert sum(weight.numel() for weight in model.parameters()) == row.parameters
    linear = [
        part.weight.numel()
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and "lm_head" not in name
    ]
    assert sum(linear) == language.linear


def test_fewer_bits_take_less_memory_and_more_pixels_take_more() -> None:
    for row in FAMILY:
        sizes = [row.memory_bytes(p) for p in (Precision.NF4, Precision.INT8, Precision.BFLOAT16, Precision.FLOAT32)]
        assert sizes == sorted(sizes)
        assert row.memory_bytes(Precision.NF4, rows=8) > sizes[0]
    small, large = member("google/paligemma2-3b-pt-224"), member("google/paligemma2-3b-pt-896")
    assert small
    assert large
    assert small.memory_bytes(Precision.BFLOAT16) < large.memory_bytes(Precision.BFLOAT16)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("google/x", ("google/x", None, Precision.AUTO), id="plain"),
        pytest.param("google/x@nf4", ("google/x", None, Precision.NF4), id="4 bits"),
        pytest.param("google/x@float16", ("google/x", None, Precision.FLOAT16), id="precision"),
        pytest.param("google/x@refs/pr/3", ("google/x", "refs/pr/3", Precision.AUTO), id="revision"),
        pytest.param("google/x@main@int8", ("google/x", "main", Precision.INT8), id="both"),
        pytest.param("google/x@", ("google/x", None, Precision.AUTO), id="nothing after the @"),
    ],
)
def test_a_name_may_ask_for_a_revision_and_a_precision(name: str, expected: tuple[str, str | None, Precision]) -> None:
    asked = wanted(name)
    assert (asked.id, asked.revision, asked.precision) == expected


def test_a_folder_whose_name_has_an_at_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mine@nf4"
    folder.mkdir()
    assert wanted(str(folder)).id == str(folder)


@pytest.mark.parametrize(
    ("model", "count"),
    [
        pytest.param("google/paligemma2-3b-pt-448", 1, id="pt"),
        pytest.param("google/paligemma2-3b-mix-448", 8, id="mix"),
        pytest.param("google/paligemma2-10b-mix-224@nf4", 8, id="mix in 4 bits"),
        pytest.param("someone/paligemma2-3b-mix-448-cats", 8, id="somebody's copy of mix"),
        pytest.param("someone/my-mix", 8, id="a name that says mix"),
        pytest.param("/models/mix/my-own", 1, id="a folder called mix above it"),
    ],
)
def test_how_many_things_go_into_one_prompt_is_a_fact_of_the_checkpoint(model: str, count: int) -> None:
    assert classes_per_call(model) == count


def test_the_bundled_checkpoint_is_described_by_its_own_files() -> None:
    row = member("pinpoint-nano")
    assert row
    assert (row.tuning, row.gated, row.licence) == (Tuning.OWN, False, "")
    assert row.image_tokens == (row.resolution // 16) ** 2
    index = Path(__file__).parents[2] / "assets" / "pinpoint-nano" / "model.safetensors.index.json"
    assert row.parameters == json.loads(index.read_text())["metadata"]["total_parameters"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"vision_config": 3}', '{"vision_config": {"image_size": "x"}}'])
def test_a_folder_without_a_readable_config_is_unknown(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert member(str(tmp_path)) is None


def test_a_folder_is_described_by_its_config(tmp_path: Path) -> None:
    config = {"vision_config": {"image_size": 448, "patch_size": 14}, "dtype": "bfloat16"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    kept_in = {"a": np.zeros((30, 30), np.float32), "b": np.zeros(80, np.float16), "c": np.zeros((4, 5), np.uint8)}
    save_file(kept_in, tmp_path / "model.safetensors")
    row = member(str(tmp_path))
    assert row
    assert (row.resolution, row.image_tokens, row.parameters) == (448, 1024, 1000)


def test_a_folder_whose_weights_are_cut_short_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"vision_config": {"image_size": 448, "patch_size": 14}}))
    (tmp_path / "model.safetensors").write_bytes(b"x" * 2000)
    assert member(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("model", "prompt", "said"),
    [
        pytest.param("google/paligemma-3b-pt-224", "caption en", "pt checkpoint", id="pt"),
        pytest.param("google/paligemma-3b-mix-224", "ocr", "not tuned for “ocr”", id="first mix reads no text"),
        pytest.param("google/paligemma-3b-ft-docvqa-896", "detect cat", "not tuned for “detect”", id="one benchmark"),
        pytest.param("google/paligemma2-3b-mix-224", "ocr", "", id="second mix does"),
        pytest.param("google/paligemma2-3b-mix-224", "What is this?", "", id="plain words"),
        pytest.param("someone/unknown", "ocr", "", id="unknown"),
        pytest.param("google/paligemma2-3b-mix-224", "", "", id="nothing"),
    ],
)
def test_advice_is_given_where_a_checkpoint_is_asked_for_what_it_was_not_made_for(
    model: str, prompt: str, said: str
) -> None:
    notes = advice(model, prompt)
    assert bool(notes) == bool(said)
    assert all(said in note.detail and len(note.detail) < 200 for note in notes)


def test_the_way_to_a_licence_names_the_models_own_page() -> None:
    steps = gated_steps("google/paligemma2-3b-mix-448@nf4")
    assert "https://huggingface.co/google/paligemma2-3b-mix-448 " in steps[1]
    assert any("hf auth login" in step for step in steps)
