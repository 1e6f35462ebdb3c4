"""The public endpoints, through gradio's own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from tests.ui.serving import OPERATORS_KEY, PATIENCE_S, Served, served


@pytest.fixture(scope="module")
def page() -> Served:
    return served()


@pytest.fixture(scope="module")
def client(page: Served) -> Client:
    return client_of(page)


def client_of(page: Served, **headers: str) -> Client:
    return Client(page.address, verbose=False, headers=headers, httpx_kwargs={"timeout": PATIENCE_S})


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("pictures") / "blue.png"
    Image.new("RGB", (200, 100), "steelblue").save(path)
    return handle_file(str(path))


KEYS = {"outcome", "text", "detections", "notes", "safety", "usage"}


@pytest.mark.parametrize("task", ["caption", "ask", "detect", "segment"])
def test_each_task_answers_in_the_same_shape(client: Client, picture: Any, task: str) -> None:
    answer = client.predict(picture, "cat; dog", api_name=f"/{task}")
    assert answer.keys() >= KEYS
    assert answer["outcome"] == "found"


def test_boxes_are_fractions_and_masks_are_coco_rle(client: Client, picture: Any) -> None:
    first, second = client.predict(picture, "cat; dog", api_name="/segment")["detections"]
    assert (first["label"], second["label"]) == ("cat", "dog")
    assert first["box"] == pytest.approx([0.02, 0.2, 0.48, 0.8])
    assert first["mask"]["size"] == [100, 200]
    assert isinstance(first["mask"]["counts"], str)
    assert second["score"] is None


def test_a_detection_without_mask_has_none(client: Client, picture: Any) -> None:
    assert client.predict(picture, "cat", api_name="/detect")["detections"][0]["mask"] is None


def test_blocked_and_nothing_are_answers_not_errors(client: Client, picture: Any) -> None:
    assert client.predict(picture, "nothing", api_name="/detect")["outcome"] == "none"
    blocked = client.predict(picture, "blocked", api_name="/detect")
    assert (blocked["outcome"], blocked["safety"]["stage"], blocked["safety"]["reason"]) == (
        "blocked",
        "prompt",
        "SAFETY",
    )


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        pytest.param("", {}, "what to look for", id="no labels"),
        pytest.param("broken", {}, "busy", id="a failing model"),
        pytest.param("bug", {}, "Something went wrong", id="a bug of ours"),
        pytest.param("cat", {"backend": "nope"}, "no such backend", id="an unknown backend"),
        pytest.param("cat", {"model": "../etc"}, "model id", id="a path for a model"),
        pytest.param("cat", {"backend": "gemini"}, "needs an API key", id="no key"),
    ],
)
def test_what_fails_says_why(client: Client, picture: Any, text: str, more: dict[str, str], said: str) -> None:
    with pytest.raises(Exception, match=said) as failed:
        client.predict(picture, text, api_name="/detect", **more)
    assert "CANARY" not in str(failed.value)


def test_a_file_that_is_no_picture_is_refused_kindly(client: Client, tmp_path: Path) -> None:
    (tmp_path / "evil.svg").write_text("<svg onload=alert(1)>")
    with pytest.raises(Exception, match="SVG"):
        client.predict(handle_file(str(tmp_path / "evil.svg")), "cat", api_name="/detect")


def test_a_key_travels_in_a_header_and_the_operators_is_not_spent(page: Served, picture: Any) -> None:
    mine = client_of(page, **{"x-gemini-api-key": "AIzaVisitor000000"})
    mine.predict(picture, "cat", backend="gemini", api_name="/detect")
    assert page.pool.keys[-1] == "AIzaVisitor000000"
    assert OPERATORS_KEY not in page.pool.keys


def test_only_the_four_tasks_are_public_and_none_asks_for_a_key(client: Client) -> None:
    info = client.view_api(return_format="dict", print_info=False)
    assert set(info["named_endpoints"]) == {"/caption", "/ask", "/detect", "/segment"}
    assert info["unnamed_endpoints"] == {}
    assert "key" not in str(info).lower().replace("keyword", "")


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1:9/x.png", "https://example.com/x.png", "data:image/png;base64,AAAA"]
)
def test_a_picture_by_address_is_refused_before_anything_is_fetched(page: Served, path: str) -> None:
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "cat"]}
    for route in ("call/detect", "call/v2/detect", "queue/join"):
        assert httpx.post(f"{page.address}/gradio_api/{route}", json=body, timeout=PATIENCE_S).status_code == 400


def test_a_file_of_the_server_is_not_read(client: Client) -> None:
    stolen = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever of gradio's refusals comes first
        client.predict(stolen, "cat", api_name="/detect")


def test_neither_the_page_nor_its_config_holds_a_secret(page: Served) -> None:
    for path in ("/", "/config", "/gradio_api/info"):
        assert OPERATORS_KEY not in httpx.get(page.address + path, timeout=PATIENCE_S).text
