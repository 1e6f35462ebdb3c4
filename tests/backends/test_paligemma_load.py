"""Loading beyond the common way: precision, device, revision, progress and licences, on a checkpoint made here."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from backends import Pool, paligemma_hub, paligemma_load, paligemma_place
from backends.paligemma_family import GEMMA_2B, Precision, Wanted, needed_bytes
from backends.paligemma_load import load
from grounding.backend import Loading, Stage
from grounding.errors import ConfigError, Gated, ModelLoad
from grounding.settings import Settings
from tests import tiny_paligemma


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_paligemma.build(tmp_path_factory.mktemp("untaught"), steps=0)


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
