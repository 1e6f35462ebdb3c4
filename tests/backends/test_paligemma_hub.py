"""Checkpoints from the Hub, which a server on loopback plays: downloads, revisions, licences, refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from backends import paligemma_hub, paligemma_load, paligemma_place
from backends.paligemma import open_backend
from backends.paligemma_family import Precision
from backends.paligemma_load import load
from backends.paligemma_names import Wanted
from grounding.backend import Loading, Stage
from grounding.codecs.mask_tokens import MaskCodec
from grounding.errors import Gated, ModelLoad
from grounding.settings import Settings
from grounding.types import Task
from tests.backends.asking import ask, edited, told

COMMIT = "b" * 40


@pytest.fixture
def hub(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    endpoint = httpserver.url_for("").rstrip("/")
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield httpserver
    httpserver.clear()


def serve(hub: HTTPServer, folder: Path, *, let_in: str = "", revisions: tuple[str, ...] = ("main",)) -> None:
    """A repository with these branches; where `let_in` is a token, only for those who bring it."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    def answer(request: HttpRequest) -> Response:
        if let_in and request.headers.get("Authorization") != f"Bearer {let_in}":
            return Response("", 403, {"X-Error-Code": "GatedRepo"})
        asked = re.search(r"/(?:revision|tree|resolve)/([^/?]+)", request.path)
        if asked and asked[1] not in (*revisions, COMMIT):
            return Response("", 404, {"X-Error-Code": "RevisionNotFound"})
        if request.path.startswith("/api/"):
            listing = [{"type": "file", "path": n, "size": len(c), "oid": n} for n, c in files.items()]
            about = {"id": "x", "sha": COMMIT, "siblings": [{"rfilename": n} for n in files], "private": False}
            return Response(json.dumps(listing if "/tree/" in request.path else about), mimetype="application/json")
        name = request.path.rsplit("/", 1)[-1]
        if name not in files:
            return Response("no", 404, {"X-Error-Code": "EntryNotFound"})
        return Response(files[name], 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{name}"'})

    hub.expect_request(re.compile(".*")).respond_with_handler(answer)


FILES = ("*.json", "*.safetensors")


def test_a_download_is_reported_in_bytes(hub: HTTPServer, folder: Path) -> None:
    serve(hub, folder)
    told: list[Loading] = []
    fetched = paligemma_hub.fetch("some/one", FILES, None, report=told.append)
    size = sum(path.stat().st_size for path in fetched.iterdir())
    assert {one.stage for one in told} == {Stage.DOWNLOADING}
    assert max(one.done for one in told) == size == told[-1].total


def test_a_licence_is_asked_for_step_by_step_and_after_login_the_next_try_gets_in(
    hub: HTTPServer, folder: Path, tmp_path: Path
) -> None:
    serve(hub, folder, let_in="hf_new")
    for token in (None, "hf_old"):
        with pytest.raises(Gated, match="accepted once") as caught:
            paligemma_hub.fetch("some/one", FILES, token)
        assert any("https://huggingface.co/some/one" in step for step in caught.value.steps)
    (tmp_path / "token").write_text("hf_new")  # what `hf auth login` does, in another process
    for token in (None, "hf_old"):
        assert (paligemma_hub.fetch("some/one", FILES, token) / "config.json").is_file()


def test_a_revision_that_is_not_there_is_said(hub: HTTPServer, folder: Path) -> None:
    serve(hub, folder)
    with pytest.raises(ModelLoad, match="no such revision") as caught:
        load("some/one@nowhere", None)
    assert paligemma_hub.is_no_revision(caught.value)


@pytest.mark.parametrize(
    ("branches", "asked", "expected"),
    [
        pytest.param(("main", "bfloat16"), Precision.AUTO, "bfloat16", id="the branch in 16 bits is half the download"),
        pytest.param(("main", "float16"), Precision.FLOAT16, "float16", id="the one asked for"),
        pytest.param(("main",), Precision.AUTO, "main", id="main where there is no branch"),
        pytest.param(("main", "bfloat16"), Precision.FLOAT32, "main", id="main is in 32 bits"),
    ],
)
def test_the_branch_in_the_wanted_precision_is_fetched(
    hub: HTTPServer,
    folder: Path,
    branches: tuple[str, ...],
    asked: Precision,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in ("_MEMINFO", "_CGROUP"):  # the real weights would need more than many machines have
        monkeypatch.setattr(paligemma_place, place, tmp_path / "not told")
    serve(hub, folder, revisions=branches)
    name = "google/paligemma-3b-mix-224"
    paligemma_load._from_hub(Wanted(name, None, asked), "cpu", None, None)
    refs = tmp_path / "cache" / f"models--{name.replace('/', '--')}" / "refs"
    assert [path.name for path in refs.iterdir()] == [expected]


def test_a_model_is_fetched_once_and_then_loads_without_the_hub(
    hub: HTTPServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(hub, folder)
    backend = open_backend("someone/tiny", Settings(hf_token="hf_secret"), "")
    assert backend.predict(ask(Task.CAPTION)).text == "a cat on grass"
    assert {request.headers.get("Authorization") for request, _ in hub.log} == {"Bearer hf_secret"}
    hub.clear_log()
    assert open_backend("someone/tiny", Settings(), "").predict(ask(Task.SEGMENT, "cat")).detections[0].mask
    assert not hub.log


def test_another_kind_of_model_is_refused_before_its_weights_are_fetched(
    hub: HTTPServer, folder: Path, tmp_path: Path
) -> None:
    serve(hub, Path(edited(folder, tmp_path / "llama", model_type="llama")))
    with pytest.raises(ModelLoad, match="is a llama model"):
        open_backend("someone/llama", Settings(), "")
    assert not any("safetensors" in request.path for request, _ in hub.log)


@pytest.mark.parametrize(
    ("metadata", "needed"),
    [
        pytest.param({"total_parameters": 3_000_000_000, "total_size": 3_000_000_000}, "6", id="a byte each"),
        pytest.param({"total_size": 12_000_000_000}, "6", id="bytes alone, taken for 32 bits each"),
        pytest.param({"total_parameters": "many", "total_size": 12_000_000_000}, "6", id="no number"),
        pytest.param({"total_size": "much"}, None, id="nothing that can be read"),
        pytest.param(["much"], None, id="no metadata"),
    ],
)
def test_weights_that_will_not_fit_are_refused_before_they_are_fetched(
    hub: HTTPServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: object, needed: str | None
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 4000000 kB\nMemAvailable: 4000000 kB\n")
    monkeypatch.setattr(paligemma_place, "_MEMINFO", tmp_path / "meminfo")
    large = Path(edited(folder, tmp_path / "large"))
    (large / "model.safetensors.index.json").write_text(json.dumps({"metadata": metadata}))
    serve(hub, large)
    asked = Wanted("someone/large", None, Precision.BFLOAT16)
    if needed is None:
        assert paligemma_load._from_hub(asked, "cpu", None, None).is_dir()
        return
    with pytest.raises(ModelLoad, match=rf"needs about {needed}\.\d GB in bfloat16: there is not enough free memory"):
        paligemma_load._from_hub(asked, "cpu", None, None)
    assert not any(request.path.endswith(".safetensors") for request, _ in hub.log)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        pytest.param(401, "GatedRepo", "accepted once", id="gated, no key"),
        pytest.param(403, "GatedRepo", "accepted once", id="gated, key without access"),
        pytest.param(401, "RepoNotFound", "no model", id="absent or private"),
        pytest.param(404, "RepoNotFound", "no model", id="absent"),
        pytest.param(403, "DisabledRepo", "Choose another|refused", id="disabled"),
        pytest.param(403, "", "refused", id="forbidden"),
        pytest.param(400, "", "refused", id="bad request"),
    ],
)
def test_each_refusal_of_the_hub_says_what_to_do(
    hub: HTTPServer, tmp_path: Path, status: int, code: str, said: str
) -> None:
    message = {"X-Error-Message": "Access to this resource is disabled."} if code == "DisabledRepo" else {}
    hub.expect_request(re.compile(".*")).respond_with_data("", status, {"X-Error-Code": code, **message})
    with pytest.raises(ModelLoad, match=said) as caught:
        open_backend("google/paligemma-3b-mix-224", Settings(hf_token="hf_secret"), "")
    told(caught.value, tmp_path)


def test_a_hub_out_of_reach_is_said_at_once(hub: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelLoad, match="cannot be reached") as caught:
        open_backend("google/paligemma-3b-mix-224", Settings(), "")
    told(caught.value, tmp_path)


def test_googles_codebook_is_fetched_from_its_space(hub: HTTPServer, folder: Path) -> None:
    serve(hub, folder)
    path = paligemma_load.fetch_mask_file()
    assert MaskCodec.load(path).decode(np.zeros((1, 16), int)).shape == (1, 64, 64)
    hub.clear_log()
    assert paligemma_load.fetch_mask_file() == path
    assert not hub.log
