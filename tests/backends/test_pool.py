"""Backends are opened once, lent without waiting, and closed only while nobody uses them."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import backends
from backends import Pool, Spec, first_choice
from grounding.backend import Capabilities
from grounding.errors import ConfigError, ModelLoad
from grounding.settings import Settings
from grounding.types import Outcome, Request, Result


class Dummy:
    capabilities = Capabilities()

    def __init__(self, model: str) -> None:
        self.model, self.closed = model, False

    def predict(self, request: Request, stop: threading.Event | None = None) -> Result:
        return Result(Outcome.NONE)

    def stream(self, request: Request, stop: threading.Event | None = None) -> Iterator[Result]:
        yield self.predict(request, stop)

    def close(self) -> None:
        self.closed = True


class Openers:
    """What the two dummy backends were asked to open. `gate` holds back the model called "slow", which `arrived`."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.gate = threading.Event()
        self.arrived = threading.Event()

    def open(self, model: str, settings: Settings, api_key: str) -> Dummy:
        self.opened.append(model)
        if model == "slow":
            self.arrived.set()
            self.gate.wait(60)
        if model == "broken":
            raise ModelLoad("It cannot be loaded.")
        return Dummy(model)


@pytest.fixture
def openers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Openers]:
    openers = Openers()
    module = types.ModuleType("dummies")
    module.open = openers.open
    monkeypatch.setitem(sys.modules, "dummies", module)
    monkeypatch.setattr(
        backends,
        "SPECS",
        {
            "local": Spec("Local", "dummies:open", ("first",)),
            "keyed": Spec("Keyed", "dummies:open", (), needs_key=True),
        },
    )
    yield openers
    openers.gate.set()


def test_a_backend_is_opened_once_for_a_name_model_and_key(openers: Openers) -> None:
    pool = Pool(Settings())
    for key in ("a", "a", "b"):
        with pool.lend("keyed", "m", key):
            pass
    assert openers.opened == ["m", "m"]


def test_what_is_in_use_is_not_closed_to_make_room(openers: Openers) -> None:
    pool = Pool(Settings(), keep_local=1)
    with pool.lend("local", "old") as old:
        with pool.lend("local", "new"):
            pass
        assert not old.closed
    with pool.lend("local", "newer"):
        assert old.closed


def test_room_is_made_before_a_model_is_loaded(openers: Openers) -> None:
    pool = Pool(Settings(), keep_local=1)
    with pool.lend("local", "old") as old:
        pass
    with pytest.raises(ModelLoad), pool.lend("local", "broken"):
        pass
    assert old.closed


def test_keys_never_push_out_a_local_model(openers: Openers) -> None:
    pool = Pool(Settings(), keep_local=1, keep_keys=1)
    with pool.lend("local", "m") as local:
        pass
    for key in "abcd":
        with pool.lend("keyed", "m", key):
            pass
    assert not local.closed


def test_a_slow_load_holds_up_nobody_who_asks_for_what_is_open(openers: Openers) -> None:
    pool = Pool(Settings())
    with pool.lend("local", "quick"):
        pass

    def load_slowly() -> None:
        with pool.lend("local", "slow"):
            pass

    loading = threading.Thread(target=load_slowly)
    loading.start()
    assert openers.arrived.wait(60)
    with pool.lend("local", "quick"), pool.lend("keyed", "m", "key"):
        assert loading.is_alive()
    openers.gate.set()
    loading.join(60)
    assert not loading.is_alive()


def test_eight_first_requests_at_once_load_one_model(openers: Openers) -> None:
    pool = Pool(Settings())

    def ask() -> None:
        with pool.lend("local", "slow"):
            pass

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    openers.gate.set()
    for thread in threads:
        thread.join(60)
    assert openers.opened == ["slow"]


def test_nothing_is_closed_while_another_model_is_opened_over_its_connection(
    openers: Openers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sharing(Dummy):
        def with_model(self, model: str) -> Dummy:
            leaving.start()
            leaving.join(0.2)
            assert not self.closed, "its last user left, and took it along"
            return Sharing(model)

    monkeypatch.setattr(sys.modules["dummies"], "open", lambda model, settings, api_key: Sharing(model))
    pool, first = Pool(Settings(), keep_keys=0), ExitStack()
    leaving = threading.Thread(target=first.close)
    first.enter_context(pool.lend("keyed", "m", "key"))
    with pool.lend("keyed", "n", "key") as second:
        assert second.model == "n"
    leaving.join(60)


def test_a_failed_load_can_be_tried_again(openers: Openers) -> None:
    pool = Pool(Settings())
    for _ in range(2):
        with pytest.raises(ModelLoad), pool.lend("local", "broken"):
            pass
    assert openers.opened == ["broken", "broken"]


def test_an_unknown_backend_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="oracle"), Pool(Settings()).lend("oracle", "m"):
        pass


@pytest.mark.parametrize(
    ("settings", "asked", "choice"),
    [
        pytest.param(Settings(), None, ("local", "first"), id="nothing chosen"),
        pytest.param(Settings(model="mine"), None, ("local", "mine"), id="a model for the first backend"),
        pytest.param(Settings(model="/a/folder"), "keyed", ("keyed", ""), id="a local folder is no hosted model"),
        pytest.param(Settings(backend="keyed", model="big"), None, ("keyed", "big"), id="the operator's choice"),
        pytest.param(Settings(backend="keyed", model="big"), "local", ("local", "first"), id="another backend asked"),
    ],
)
def test_the_operators_model_belongs_to_the_operators_backend(
    openers: Openers, settings: Settings, asked: str | None, choice: tuple[str, str]
) -> None:
    assert first_choice(settings, asked) == choice
