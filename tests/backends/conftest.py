"""A stand-in for the Gemini service; a tiny PaliGemma, built once, and a model that fails when it is told to."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from backends import paligemma_load
from backends.paligemma_load import Checkpoint
from tests import tiny_paligemma
from tests.stand_in import StandIn

os.environ.setdefault("OMP_NUM_THREADS", "1")  # so little work is slower when it is shared; torch reads it on import


@pytest.fixture(scope="module")
def service() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_paligemma.build(tmp_path_factory.mktemp("tiny-paligemma"))


@pytest.fixture(scope="session")
def checkpoint(folder: Path) -> Checkpoint:
    return paligemma_load.load(str(folder), None)


@pytest.fixture(scope="session")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny PaliGemma that says anything, by its language model: "gemma" or "gemma2"."""

    @cache
    def build(text: str) -> Path:
        return tiny_paligemma.build(tmp_path_factory.mktemp(f"untaught-{text}"), text=text, steps=0)

    return build


@pytest.fixture(scope="session")
def bundled() -> Checkpoint:
    return paligemma_load.load("pinpoint-nano", None)


class Model:
    """The checkpoint's model, watched. `fails(call)` gives the error to raise at that call, counted from 1, or None.

    rows: how many rows each call had; looks: how many pictures each call of the vision tower had; gate: holds calls up.
    """

    def __init__(self, model: Any, fails: Callable[[int], BaseException | None] = lambda call: None) -> None:
        self._model = model
        self.fails = fails
        self.rows: list[int] = []
        self.looks: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def get_image_features(self, pixels: Any) -> Any:
        self.looks.append(len(pixels))
        return self._model.get_image_features(pixels)

    def __call__(self, **inputs: Any) -> Any:
        self.rows.append(len(inputs["input_ids"]))
        self.arrived.set()
        assert self.gate.wait(60)
        if error := self.fails(len(self.rows)):
            raise error
        return self._model(**inputs)


@pytest.fixture
def model(checkpoint: Checkpoint) -> Model:
    return Model(checkpoint.model)


@pytest.fixture
def watched(checkpoint: Checkpoint, model: Model) -> Checkpoint:
    return replace(checkpoint, model=model)
