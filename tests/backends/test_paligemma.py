"""The PaliGemma backend by real inference of a tiny checkpoint; its loader on damaged folders and a Hub on loopback."""

from __future__ import annotations

import json
import math
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from backends import SPECS, Pool, paligemma_load, paligemma_place
from backends.paligemma import PaliGemma, open_backend
from backends.paligemma_generate import Engine, generate
from backends.paligemma_voice import Answer, Row
from grounding.codecs.mask_tokens import MaskCodec
from grounding.errors import BackendError, GroundingError, ModelLoad, RequestError, Stopped
from grounding.images import load
from grounding.settings import Settings
from grounding.types import Box, NoteKind, Options, Outcome, Request, Result, Task
from tests import tiny_paligemma

PICTURE = load(Image.new("RGB", (400, 300), "navy"))
NOISE = load(Image.effect_noise((90, 60), 90))
CATS = [Box(200 / 1024, 100 / 1024, 400 / 1024, 300 / 1024), Box(600 / 1024, 500 / 1024, 800 / 1024, 700 / 1024)]


@pytest.fixture(scope="session")
def tiny(folder: Path) -> PaliGemma:
    return PaliGemma(paligemma_load.load(str(folder), None))


def ask(task: Task, text: str = "", *labels: str, **options: object) -> Request:
    return Request(task, (PICTURE,), text, labels, Options(**options))  # type: ignore[arg-type]


def boxes(result: Result) -> list[Box | None]:
    return [detection.box for detection in result.detections]


def test_a_caption_is_what_the_model_said(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.CAPTION))
    assert (result.outcome, result.text, result.raw) == (Outcome.FOUND, "a cat on grass", "a cat on grass")
    assert result.detections == result.notes == ()
    assert result.origin
    assert result.origin.prompt == "caption en"


def test_a_question_is_answered(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.ASK, "how many cats ?"))
    assert (result.outcome, result.text) == (Outcome.FOUND, "two")
    assert result.usage
    assert result.usage.seconds > 0
    assert (result.usage.image_tokens, result.usage.answer_tokens) == (4, 2)
    assert result.usage.prompt_tokens == 4 + len(["<bos>", "answer", "en", "how", "many", "cats", "?", "\\n"])


def test_objects_are_detected_with_their_scores(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "", "cat"))
    assert result.outcome is Outcome.FOUND
    assert [(d.id, d.label, d.box) for d in result.detections] == [(0, "cat", CATS[0]), (1, "cat", CATS[1])]
    assert all(d.score is not None and 0.8 < d.score <= 1 for d in result.detections)
    assert result.detections[0].origin
    assert result.detections[0].origin.prompt == "detect cat"
    assert result.detections[0].origin.parameters == {"max_output_tokens": 384, "temperature": 0.0}


def test_nothing_said_is_nothing_found(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "", "dog"))
    assert (result.outcome, result.detections, result.notes, result.raw) == (Outcome.NONE, (), (), "")


def test_several_things_are_asked_one_by_one_and_answered_in_order(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "", "cat", "dog", "red car", "Cat"))
    assert result.outcome is Outcome.FOUND
    assert [d.label for d in result.detections] == ["cat", "cat", "red car"]
    assert boxes(result)[:2] == CATS
    assert [d.id for d in result.detections] == [0, 1, 2]
    assert result.detections[2].origin
    assert result.detections[2].origin.prompt == "detect red car"
    assert result.usage
    assert result.usage.image_tokens == 12
    assert result.raw.split("\n")[2:4] == ["detect dog", ""]


def test_more_prompts_than_fit_at_once_are_all_answered(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "", *(f"thing{i}" for i in range(9)), "red car"))
    assert "red car" in [d.label for d in result.detections]
    assert result.usage
    assert result.usage.image_tokens == 40


def test_words_where_places_were_asked_for_are_unrecognised_and_noted(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "", "house"))
    assert (result.outcome, result.detections) == (Outcome.UNRECOGNISED, ())
    assert [note.kind for note in result.notes] == [NoteKind.SKIPPED]
    mixed = tiny.predict(ask(Task.DETECT, "", "house", "cat"))
    assert (mixed.outcome, boxes(mixed)) == (Outcome.REPAIRED, CATS)
    assert mixed.notes[0].detail.startswith("detect house: ")


def test_one_thing_said_twice_is_shown_once_and_noted(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.DETECT, "", "grass"))
    assert (result.outcome, len(result.detections)) == (Outcome.FOUND, 1)
    assert [note.kind for note in result.notes] == [NoteKind.MODEL]


def test_places_asked_for_in_a_question_are_given_as_places(tiny: PaliGemma) -> None:
    result = tiny.predict(ask(Task.ASK, "detect cat"))
    assert (result.outcome, boxes(result)) == (Outcome.FOUND, CATS)


def test_objects_are_cut_out_with_the_codebook_beside_the_checkpoint(tiny: PaliGemma, folder: Path) -> None:
    result = tiny.predict(ask(Task.SEGMENT, "", "cat"))
    (cat,) = result.detections
    assert (result.outcome, result.notes, cat.box, cat.mask_tokens) == (Outcome.FOUND, (), CATS[0], tuple(range(16)))
    assert cat.mask
    assert cat.mask.frame == CATS[0]
    expected = MaskCodec.load(folder / "vae-oid.npz").decode(np.arange(16)[None])[0]
    assert np.allclose(cat.mask.probs, expected, atol=1e-4)


def test_without_a_codebook_boxes_and_tokens_are_kept_and_the_reason_is_noted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "vae-oid.npz").unlink()
    backend = PaliGemma(paligemma_load.load(str(tmp_path / "bare"), None))
    for _ in range(2):
        result = backend.predict(ask(Task.SEGMENT, "", "cat"))
        (cat,) = result.detections
        assert (result.outcome, cat.mask, cat.mask_tokens) == (Outcome.FOUND, None, tuple(range(16)))
        assert [note.kind for note in result.notes] == [NoteKind.MODEL]
        assert "without masks" in result.notes[0].detail


@pytest.mark.parametrize(
    ("request_", "kept"),
    [
        pytest.param(ask(Task.CAPTION, max_output_tokens=2), "a cat", id="caption"),
        pytest.param(ask(Task.DETECT, "", "cat", max_output_tokens=7), CATS[:1], id="in the second box"),
        pytest.param(ask(Task.DETECT, "", "cat", max_output_tokens=3), [], id="in the first box"),
        pytest.param(ask(Task.SEGMENT, "", "cat", max_output_tokens=12), CATS[:1], id="in the mask"),
    ],
)
def test_an_answer_that_meets_its_budget_is_truncated_and_says_at_what(
    tiny: PaliGemma, request_: Request, kept: object
) -> None:
    result = tiny.predict(request_)
    assert result.outcome is Outcome.TRUNCATED
    assert (result.text or boxes(result)) == kept
    assert [note.kind for note in result.notes if note.kind is not NoteKind.MODEL] == [NoteKind.CUT]
    assert f"{request_.options.max_output_tokens} tokens" in result.notes[0].detail


class SetAfter(threading.Event):
    """Reads as set from the given look on: a person who presses Stop while the model is at work."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("looks", [0, 1, 3, 8])
def test_stop_is_heeded_before_and_between_tokens(tiny: PaliGemma, looks: int) -> None:
    stop = SetAfter(looks)
    with pytest.raises(Stopped):
        tiny.predict(ask(Task.SEGMENT, "", "cat"), stop)
    assert stop.looks > -4, "it went on after Stop"
    assert tiny.predict(ask(Task.CAPTION)).text == "a cat on grass"


def test_several_threads_get_the_answers_that_one_gets(tiny: PaliGemma) -> None:
    asked = [ask(Task.CAPTION), ask(Task.DETECT, "", "cat"), ask(Task.DETECT, "", "red car", "cat")] * 2
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(tiny.predict, asked))
    assert [answer.raw for answer in answers] == [tiny.predict(one).raw for one in asked]


def test_a_closed_backend_says_what_to_do(folder: Path) -> None:
    backend = open_backend(str(folder), Settings(), "")
    backend.close()
    with pytest.raises(BackendError, match="Ask again"):
        backend.predict(ask(Task.CAPTION))


class ClosesAfter(SetAfter):
    """Is never set; closes the backend at the given look: another person loads another model meanwhile."""

    def __init__(self, looks: int, backend: PaliGemma) -> None:
        super().__init__(looks)
        self.backend = backend

    def is_set(self) -> bool:
        if super().is_set():
            self.backend.close()
        return False


@pytest.mark.parametrize("warm", [pytest.param(True, id="masks read before"), pytest.param(False, id="not yet")])
@pytest.mark.parametrize("looks", [1, 5])
def test_an_answer_under_way_is_whole_though_the_backend_is_closed(folder: Path, warm: bool, looks: int) -> None:
    backend = PaliGemma(paligemma_load.load(str(folder), None))
    if warm:
        backend.predict(ask(Task.SEGMENT, "", "cat"))
    result = backend.predict(ask(Task.SEGMENT, "", "cat"), ClosesAfter(looks, backend))
    assert (result.outcome, result.notes, boxes(result)) == (Outcome.FOUND, (), CATS[:1])
    assert result.detections[0].mask
    with pytest.raises(BackendError, match="Ask again"):
        backend.predict(ask(Task.SEGMENT, "", "cat"))


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(Task.CAPTION, ()), id="no picture"),
        pytest.param(Request(Task.CAPTION, (PICTURE, PICTURE)), id="two pictures"),
        pytest.param(ask(Task.DETECT), id="nothing to look for"),
        pytest.param(ask(Task.DETECT, "", "", " "), id="empty labels"),
        pytest.param(ask(Task.ASK), id="no question"),
    ],
)
def test_what_cannot_be_asked_is_refused(tiny: PaliGemma, request_: Request) -> None:
    with pytest.raises(RequestError):
        tiny.predict(request_)


@pytest.mark.parametrize(
    "text", ["<image> <image>", "<loc0001><seg001><eos>", "\0\ud800", "?" * 1500, "猫はどこですか"]
)
def test_no_question_breaks_the_model(tiny: PaliGemma, text: str) -> None:
    assert tiny.predict(ask(Task.CAPTION, f"x {text}")).outcome in (Outcome.FOUND, Outcome.NONE, Outcome.TRUNCATED)


def test_it_has_no_filter_and_says_so(tiny: PaliGemma) -> None:
    can = tiny.capabilities
    assert (can.harms, can.scores, can.max_images, set(can.tasks)) == (frozenset(), True, 1, set(Task))
    assert "no safety filter" in can.no_safety


@pytest.mark.parametrize("text", ["gemma", "gemma2"])
def test_prompts_answered_together_get_the_answers_they_get_alone(tmp_path: Path, text: str) -> None:
    checkpoint = paligemma_load.load(str(tiny_paligemma.build(tmp_path, text=text, steps=0)), None)
    asked = ["detect cat", "caption en", "answer en how many cats ? how many cats ?"]
    rows = [Row(NOISE, prompt, 12) for prompt in asked]
    together = generate(Engine(checkpoint), rows)
    alone = [generate(Engine(checkpoint), [row])[0] for row in rows]
    assert [a.text for a in together] == [a.text for a in alone]
    assert [a.prompt_tokens for a in together] == [a.prompt_tokens for a in alone]
    assert len({a.log_probs for a in together}) == 3
    for a, b in zip(together, alone, strict=True):
        assert np.allclose(a.log_probs, b.log_probs, atol=1e-4)


def test_the_answer_and_its_probabilities_are_those_of_transformers_itself(folder: Path) -> None:
    import torch

    checkpoint = paligemma_load.load(str(folder), None)
    inputs = checkpoint.processor(images=NOISE.image, text="<image>detect car cat", return_tensors="pt")
    inputs.pop("labels", None)
    plain = checkpoint.model.generate(
        **inputs, max_new_tokens=10, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    new = plain.sequences[0, inputs["input_ids"].shape[1] :]
    chances = [torch.log_softmax(step[0], -1)[token].item() for step, token in zip(plain.logits, new, strict=True)]
    (answer,) = generate(Engine(checkpoint), [Row(NOISE, "detect car cat", 10)])
    assert answer.text == checkpoint.processor.decode(new, skip_special_tokens=True)
    assert answer.text
    assert np.allclose(answer.log_probs, chances[: len(answer.log_probs)], atol=1e-4)


def test_with_a_temperature_answers_vary(tiny: PaliGemma) -> None:
    said = {tiny.predict(ask(Task.CAPTION, temperature=50.0, max_output_tokens=6)).raw for _ in range(3)}
    assert len(said) > 1


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        pytest.param((5, 8), 0.25, id="one token"),
        pytest.param((5, 12), 0.5, id="two tokens: geometric mean"),
        pytest.param((6, 7), 0.25, id="inside a token"),
        pytest.param((0, 12), (0.5 * 0.25 * 1) ** (1 / 3), id="all"),
        pytest.param((5, 5), None, id="nothing"),
        pytest.param((12, 20), None, id="beyond"),
    ],
)
def test_a_score_is_the_geometric_mean_over_the_tokens_of_the_words(
    span: tuple[int, int], expected: float | None
) -> None:
    answer = Answer("<loc>red car", (5, 8, 12), tuple(math.log(p) for p in (0.5, 0.25, 1.0)), False, 0, 0, 3)
    assert answer.probability(*span) == (None if expected is None else pytest.approx(expected))


# Loading


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


def told(error: GroundingError, tmp_path: Path) -> None:
    message = str(error)
    assert message.endswith(".")
    assert len(message) < 200
    assert str(tmp_path) not in message
    assert not any(word in message for word in ("Error", "Traceback", "safetensors_rust", "hf_"))


def edited(folder: Path, copy: Path, **changes: object) -> str:
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))
    return str(copy)


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


# The Hub, played by a server on loopback


@pytest.fixture
def hub(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    endpoint = httpserver.url_for("").rstrip("/")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield httpserver
    httpserver.clear()


COMMIT = "a" * 40


def serve(hub: HTTPServer, repo: str, folder: Path, kind: str = "models") -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    def answer(request: HttpRequest) -> Response:
        path = request.path
        if path.startswith(f"/api/{kind}/{repo}"):
            listing = [{"type": "file", "path": n, "size": len(c), "oid": n} for n, c in files.items()]
            about = {
                "id": repo,
                "sha": COMMIT,
                "siblings": [{"rfilename": n} for n in files],
                "private": False,
                "tags": [],
            }
            return Response(json.dumps(listing if "/tree/" in path else about), mimetype="application/json")
        content = files.get(path.rsplit("/", 1)[-1])
        if content is None:
            return Response("no", 404, {"X-Error-Code": "EntryNotFound"})
        return Response(content, 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{path.rsplit("/", 1)[-1]}"'})

    hub.expect_request(re.compile(f".*{repo}.*")).respond_with_handler(answer)


def test_a_model_is_fetched_once_and_then_loads_without_the_hub(
    hub: HTTPServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(hub, "someone/tiny", folder)
    backend = open_backend("someone/tiny", Settings(hf_token="hf_secret"), "")
    assert backend.predict(ask(Task.CAPTION)).text == "a cat on grass"
    assert {request.headers.get("Authorization") for request, _ in hub.log} == {"Bearer hf_secret"}
    hub.clear_log()
    assert open_backend("someone/tiny", Settings(), "").predict(ask(Task.SEGMENT, "", "cat")).detections[0].mask
    assert not hub.log


def test_another_kind_of_model_is_refused_before_its_weights_are_fetched(
    hub: HTTPServer, folder: Path, tmp_path: Path
) -> None:
    serve(hub, "someone/llama", Path(edited(folder, tmp_path / "llama", model_type="llama")))
    with pytest.raises(ModelLoad, match="is a llama model"):
        open_backend("someone/llama", Settings(), "")
    assert not any("safetensors" in request.path for request, _ in hub.log)


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
    serve(hub, "big-vision/paligemma", folder, "spaces")
    path = paligemma_load.fetch_mask_file()
    assert MaskCodec.load(path).decode(np.zeros((1, 16), int)).shape == (1, 64, 64)
    hub.clear_log()
    assert paligemma_load.fetch_mask_file() == path
    assert not hub.log


def test_the_first_model_the_page_offers_is_the_bundled_one() -> None:
    assert SPECS["paligemma"].models[0] in paligemma_load.BUNDLED
