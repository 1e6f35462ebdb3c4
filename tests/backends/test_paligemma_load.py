"""Loading beyond the common way: precision, device, damaged folders, memory, progress, on checkpoints made here."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from backends import Pool, paligemma_load, paligemma_place
from backends.paligemma_family import GEMMA_2B, Precision, needed_bytes
from backends.paligemma_load import load
from grounding.backend import Loading, Stage
from grounding.errors import ConfigError, ModelLoad
from grounding.settings import Settings
from grounding.types import Task
from tests.backends.asking import ask, edited, told


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_weights_are_kept_in_the_precision_asked_for(folder: Path, precision: str) -> None:
    checkpoint = load(str(folder), None, device="cpu", precision=precision)
    assert {str(weight.dtype) for weight in checkpoint.model.parameters()} == {f"torch.{precision}"}
    assert (checkpoint.dtype, checkpoint.device) == (precision, "cpu")


def test_weights_of_any_precision_in_several_files_are_read(folder: Path, tmp_path: Path) -> None:
    model = load(str(folder), None, precision="bfloat16").model
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").unlink()
    model.save_pretrained(tmp_path / "copy", max_shard_size="200KB")
    assert len(list((tmp_path / "copy").glob("*.safetensors"))) > 1
    again = load(str(tmp_path / "copy"), None)
    assert again.dtype == "float32"
    assert set(again.model.state_dict()) == set(model.state_dict())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"precision": "nf4"}, "needs an NVIDIA card", id="4 bits"),
        pytest.param({"precision": "int8"}, "needs an NVIDIA card", id="8 bits"),
        pytest.param({"device": "cuda"}, "PINPOINT_DEVICE says cuda", id="no card"),
        pytest.param({"device": "mps"}, "PINPOINT_DEVICE says mps", id="no Mac"),
    ],
)
def test_what_this_machine_cannot_do_is_said_with_what_to_do(folder: Path, options: dict[str, str], said: str) -> None:
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a graphics card that torch can use")
    with pytest.raises(ConfigError, match=said) as caught:
        load(str(folder), None, **options)
    assert len(str(caught.value)) < 200


def pretend(monkeypatch: pytest.MonkeyPatch, *, cards: int = 0, bfloat16: bool = True, mac: bool = False) -> None:
    """torch says that the machine has these."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bfloat16)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mac)


@pytest.mark.parametrize(
    ("machine", "device", "precision", "expected"),
    [
        pytest.param({"cards": 1}, "auto", Precision.AUTO, ("cuda", "bfloat16"), id="a card is taken"),
        pytest.param({"cards": 1, "bfloat16": False}, "auto", Precision.AUTO, ("cuda", "float16"), id="an older card"),
        pytest.param({"cards": 2}, "cuda:1", Precision.AUTO, ("cuda:1", "bfloat16"), id="the second card"),
        pytest.param({"cards": 1}, "cpu", Precision.AUTO, ("cpu", "bfloat16"), id="the processor though"),
        pytest.param({"cards": 1}, "auto", Precision.FLOAT32, ("cuda", "float32"), id="32 bits asked for"),
        pytest.param({"mac": True}, "auto", Precision.AUTO, ("mps", "bfloat16"), id="a Mac"),
        pytest.param({"cards": 1, "mac": True}, "mps", Precision.FLOAT16, ("mps", "float16"), id="a Mac asked for"),
        pytest.param({}, "auto", Precision.AUTO, ("cpu", "bfloat16"), id="neither"),
    ],
)
def test_the_device_and_its_numbers_are_what_the_machine_has_and_the_operator_says(
    monkeypatch: pytest.MonkeyPatch,
    machine: dict[str, Any],
    device: str,
    precision: Precision,
    expected: tuple[str, str],
) -> None:
    pretend(monkeypatch, **machine)
    place = paligemma_place.choose(True, device, precision)
    assert (place.device, place.precision.value) == expected
    assert paligemma_place.named(place.dtype) == expected[1]


def test_small_models_are_kept_in_32_bits_on_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine in ({}, {"cards": 1}, {"mac": True}):
        pretend(monkeypatch, **machine)
        assert paligemma_place.choose(False, "auto", Precision.AUTO).precision is Precision.FLOAT32


def test_a_card_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cards=2)
    with pytest.raises(ConfigError, match="fewer cards"):
        paligemma_place.choose(True, "cuda:2", Precision.AUTO)


@pytest.mark.parametrize("precision", [Precision.NF4, Precision.INT8])
def test_4_and_8_bits_ask_for_the_packages_they_need_and_then_compute_in_16(
    monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    import importlib.util

    pretend(monkeypatch, cards=1, bfloat16=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install bitsandbytes accelerate"):
        paligemma_place.choose(True, "auto", precision)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    place = paligemma_place.choose(True, "auto", precision)
    assert place.quantised
    assert (place.device, paligemma_place.named(place.dtype)) == ("cuda", "float16")


@pytest.mark.parametrize("precision", [Precision.NF4, Precision.INT8])
def test_the_quantising_settings_are_those_transformers_takes(precision: Precision) -> None:
    import torch
    import transformers

    given = paligemma_place.quantising(transformers, paligemma_place.Place("cuda:0", precision, torch.float16))
    how = given["quantization_config"]
    assert given["device_map"] == {"": "cuda:0"}
    assert (how.load_in_4bit, how.load_in_8bit) == (precision is Precision.NF4, precision is Precision.INT8)
    if precision is Precision.NF4:
        assert (how.bnb_4bit_quant_type, how.bnb_4bit_compute_dtype) == ("nf4", torch.float16)


def test_memory_is_counted_from_the_shapes_in_the_files(folder: Path) -> None:
    count = sum(weight.numel() for weight in load(str(folder), None).model.parameters())
    files = [folder / "model.safetensors"]
    sizes = {p: paligemma_place.weights_bytes(files, p) for p in Precision}
    assert sizes[Precision.FLOAT32] == 2 * sizes[Precision.BFLOAT16]
    assert sizes[Precision.BFLOAT16] == pytest.approx(2 * count, rel=0.01)
    assert sizes[Precision.NF4] < sizes[Precision.INT8] < sizes[Precision.BFLOAT16]


def test_a_refusal_says_how_much_is_needed_and_how_much_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    (tmp_path / "meminfo").write_text("MemAvailable:     4000000 kB\n")
    monkeypatch.setattr(paligemma_place, "_MEMINFO", tmp_path / "meminfo")
    place = paligemma_place.Place("cpu", Precision.BFLOAT16, torch.bfloat16)
    with pytest.raises(ModelLoad, match=r"needs about 6\.\d GB in bfloat16: there is not enough free memory, 4\.1 GB"):
        paligemma_place.refuse("google/paligemma-3b-mix-448", 5_850_000_000, place)
    assert needed_bytes(5_850_000_000, GEMMA_2B, 1024) > 6.1e9


def test_a_containers_limit_counts_as_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 50000\n")
    monkeypatch.setattr(paligemma_place, "_CGROUP", tmp_path)
    assert paligemma_place._free_bytes("cpu") == 150_000
    (tmp_path / "memory.max").write_text("max\n")
    assert paligemma_place._free_bytes("cpu") > 150_000


def test_reading_into_memory_is_reported_to_the_last_byte(folder: Path) -> None:
    told: list[Loading] = []
    load(str(folder), None, report=told.append)
    assert {one.stage for one in told} == {Stage.READING}
    done = [one.done for one in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, told[0].total)


def test_the_pool_tells_how_far_a_model_is_while_it_loads(folder: Path) -> None:
    pool = Pool(Settings(device="cpu"))
    seen: list[Loading | None] = []
    report = pool._reporter(("paligemma", str(folder), ""))
    report(Loading(Stage.READING, 1, 2))
    seen.append(pool.loading("paligemma", str(folder)))
    with pool.lend("paligemma", str(folder)):
        seen.append(pool.loading("paligemma", str(folder)))
    assert seen == [Loading(Stage.READING, 1, 2), None]
    pool.close()


def test_a_local_checkpoint_loads_and_answers_without_touching_the_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError(f"the network was touched: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    pool = Pool(Settings())
    with pool.lend("paligemma", str(folder)) as backend:
        assert backend.predict(ask(Task.CAPTION)).text == "a cat on grass"
    pool.close()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "processor_config.json", "model.safetensors"])
@pytest.mark.parametrize("harm", ["absent", "cut", "rubbish"])
def test_a_damaged_checkpoint_is_refused_in_plain_words(folder: Path, tmp_path: Path, name: str, harm: str) -> None:
    broken = tmp_path / "my checkpoint"
    shutil.copytree(folder, broken)
    content = (broken / name).read_bytes()
    if harm == "absent":
        (broken / name).unlink()
    else:
        (broken / name).write_bytes(content[: len(content) // 2] if harm == "cut" else b"\0\xff rubbish")
    with pytest.raises(ModelLoad) as caught:
        paligemma_load.load(str(broken), None)
    told(caught.value, tmp_path)


def test_a_checkpoint_of_another_kind_is_refused_by_its_kind(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoad, match=r"is a llama model\. Choose a PaliGemma"):
        paligemma_load.load(edited(folder, tmp_path / "other", model_type="llama"), None)


def test_weights_of_another_size_are_refused_instead_of_filled_with_noise(folder: Path, tmp_path: Path) -> None:
    text = json.loads((folder / "config.json").read_text())["text_config"]
    for name, change in {"deeper": {"num_hidden_layers": 3}, "wider": {"intermediate_size": 256}}.items():
        with pytest.raises(ModelLoad, match=r"lacks|damaged") as caught:
            paligemma_load.load(edited(folder, tmp_path / name, text_config=text | change), None)
        told(caught.value, tmp_path)


def test_weights_larger_than_memory_are_refused_before_they_take_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 2000 kB\nMemAvailable:     100 kB\n")
    monkeypatch.setattr(paligemma_place, "_MEMINFO", tmp_path / "meminfo")
    with pytest.raises(ModelLoad, match="not enough free memory") as caught:
        paligemma_load.load(str(folder), None)
    told(caught.value, tmp_path)


@pytest.mark.parametrize(
    "name", ["", "no/such/folder", "../etc", "a b", "https://huggingface.co/google/x", "\0", "x" * 300]
)
def test_what_is_no_model_name_is_refused_without_asking_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *args: pytest.fail("the network was touched"))
    with pytest.raises(ModelLoad) as caught:
        paligemma_load.load(name, None)
    assert len(str(caught.value)) < 200
