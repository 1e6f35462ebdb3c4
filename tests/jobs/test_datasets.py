"""Web addresses and data sets as sources: lists, Parquet files, and the Hub, all on this machine."""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet as files
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grounding import images
from grounding.errors import ImageError, RequestError
from jobs.datasets import HUB, Hub, _is_of
from jobs.pictures import Skipped, Source
from jobs.sources import gather
from tests.jobs.test_fetch import open_to

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def png(size: tuple[int, int] = (4, 3)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG")
    return file.getvalue()


def found(*given: str | Path, **more: object) -> dict[str, str]:
    """What became of each name: its picture's size, or the sentence that tells why not."""
    fates = {}
    with ExitStack() as open_files:
        for each in gather(given, open_files, **more):  # type: ignore[arg-type]
            if isinstance(each, Skipped):
                fates[each.name] = f"skipped: {each.reason}"
                continue
            try:
                fates[each.name] = "{}x{}".format(*images.load(each.get()).size_wh)
            except ImageError as error:
                fates[each.name] = str(error)
    assert all(len(fate) < 200 for fate in fates.values())
    return fates


def test_a_list_of_addresses_gives_their_pictures_each_once(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a.png").respond_with_data(png())
    httpserver.expect_request("/b/a.png").respond_with_data(png((5, 5)))
    httpserver.expect_request("/gone.png").respond_with_data("no", status=404)
    lines = ["\ufeff# my pictures", httpserver.url_for("/a.png?token=secret"), "", httpserver.url_for("/b/a.png")]
    lines += ["ftp://elsewhere/c.png", httpserver.url_for("/gone.png"), httpserver.url_for("/b/a.png")]
    (tmp_path / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    fates = found(tmp_path / "list.txt", rules=open_to(httpserver.port))
    assert fates.pop("localhost/gone.png").startswith("The server answered 404")
    assert fates == {
        "localhost/a.png": "4x3",
        "localhost/b/a.png": "5x5",
        "ftp://elsewhere/c.png": "skipped: not a web address",
        "1 line": "skipped: in the list already",
    }


def test_an_address_by_itself_is_fetched_and_a_private_one_refused(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a.png").respond_with_data(png())
    url = httpserver.url_for("/a.png")
    assert found(url, rules=open_to(httpserver.port)) == {"localhost/a.png": "4x3"}
    assert "not allowed" in found(url)["localhost/a.png"]


@pytest.mark.parametrize("text", ["", "words\nhttp://a/b.png", "# only a note"])
def test_a_text_that_is_no_list_of_addresses_is_told_as_no_picture(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    assert "picture" in found(tmp_path / "list.txt")["list.txt"]


def parquet(path: Path, values: list[object], *, column: str = "image") -> Path:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table({"label": list(range(len(values))), column: pyarrow.array(values, kind)})
    files.write_table(table, path, row_group_size=2)
    return path


def test_a_parquet_file_gives_its_pictures_row_by_row(tmp_path: Path) -> None:
    values: list[object] = [{"bytes": png((n, 3)), "path": f"in/{n}.png" if n != 3 else None} for n in range(1, 6)]
    values += [None, {"bytes": None, "path": "far/away.png"}, {"bytes": b"words", "path": "words.png"}]
    fates = found(parquet(tmp_path / "set.parquet", values))
    assert [fates.pop(f"set.parquet/{name}") for name in ("1.png", "2.png", "000002.png", "4.png", "5.png")] == [
        f"{n}x3" for n in range(1, 6)
    ]
    assert "no picture" in fates.pop("set.parquet/000005.png")
    assert "no picture" in fates.pop("set.parquet/away.png")
    assert "text" in fates.pop("set.parquet/words.png")
    assert not fates


def test_what_is_no_parquet_file_of_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.parquet").write_text("words")
    files.write_table(pyarrow.table({"image": ["a.png"]}), tmp_path / "names.parquet")
    for name, words in (("words", "could not be read"), ("missing", "could not be read"), ("names", "no column")):
        with pytest.raises(RequestError, match=words):
            found(tmp_path / f"{name}.parquet")


@pytest.fixture
def hub(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A dataset repository of three files, as the Hub serves them."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    files = {"train/a.png": png(), "train/b.jpg": b"words", "README.md": b"# cats"}
    tree = [{"type": "file", "path": path, "size": len(data), "oid": "0" * 40} for path, data in files.items()]
    api = "/api/datasets/me/cats"
    for path in (api, f"{api}/revision/main"):
        httpserver.expect_request(path).respond_with_json({"id": "me/cats", "sha": COMMIT})
    httpserver.expect_request(f"{api}/tree/{COMMIT}").respond_with_json(tree)
    httpserver.expect_request(f"{api}/tree/{COMMIT}/train").respond_with_json(tree[:2])
    missing = {"X-Error-Code": "RepoNotFound"}
    httpserver.expect_request("/api/datasets/me/dogs").respond_with_json({"error": "no"}, status=404, headers=missing)

    def resolve(request: Request) -> Response:
        data = files[request.path.split(f"/resolve/{COMMIT}/")[1]]
        return Response(data, headers={"ETag": f'"{len(data)}"', "X-Repo-Commit": COMMIT})

    for path in files:
        httpserver.expect_request(f"/datasets/me/cats/resolve/{COMMIT}/{path}").respond_with_handler(resolve)
    return Hub(endpoint=httpserver.url_for("").rstrip("/"))


def test_a_data_set_on_the_hub_gives_its_pictures_at_one_commit(hub: Hub) -> None:
    fates = found(f"{HUB}me/cats", hub=hub)
    assert "text" in fates.pop("me/cats/train/b.jpg")
    assert fates == {"me/cats/train/a.png": "4x3", "me/cats/README.md": "skipped: not a picture"}
    with ExitStack() as open_files:
        (first, _) = (each for each in gather([f"{HUB}me/cats/train"], open_files, hub=hub))
        assert isinstance(first, Source)
        assert first.stamp == COMMIT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("me/dogs", "no such data set", id="none of this name"),
        pytest.param("dogs", "is named", id="no owner"),
        pytest.param("me/dogs/../..?x=1 y", "no such data set", id="an odd folder"),
    ],
)
def test_a_data_set_that_is_not_there_is_told(hub: Hub, name: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        found(f"{HUB}{name}", hub=hub)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        pytest.param("train", {"me/cats/train/a.png", "me/cats/train/b.jpg"}, id="a folder's name"),
        pytest.param("TRAIN", {"me/cats/train/a.png", "me/cats/train/b.jpg"}, id="whatever the case"),
    ],
)
def test_of_a_data_set_only_the_files_of_a_split_are_taken(hub: Hub, split: str, expected: set[str]) -> None:
    assert set(found(f"{HUB}me/cats", hub=replace(hub, split=split))) == expected


@pytest.mark.parametrize("split", ["test", "trai", "rain", "cats"])
def test_a_split_that_is_not_there_is_told(hub: Hub, split: str) -> None:
    with pytest.raises(RequestError, match="no files of a split"):
        found(f"{HUB}me/cats", hub=replace(hub, split=split))


@pytest.mark.parametrize(
    ("path", "split", "is_of"),
    [
        ("data/train-00000-of-00004.parquet", "train", True),
        ("default/train/0000.parquet", "train", True),
        ("data/test-00000-of-00001.parquet", "train", False),
        ("training/notes.parquet", "train", True),
        ("trainings/notes.parquet", "train", False),
        ("data/val-00000.parquet", "validation", True),
        ("data/validation-00000.parquet", "Val", True),
        ("valid/a.png", "validation", True),
        ("dev.parquet", "validation", True),
        ("device.parquet", "validation", False),
        ("eval/a.png", "test", True),
        ("testing1.parquet", "test", True),
        ("test/a.png", "validation", False),
        ("constrain.parquet", "train", False),
        ("a+b/c.parquet", "a.b", False),
    ],
)
def test_a_split_is_a_word_of_the_path(path: str, split: str, is_of: bool) -> None:
    assert _is_of(split, path) is is_of


def test_a_parquet_file_too_large_to_download_is_left_out(httpserver: HTTPServer) -> None:
    tree = [{"type": "file", "path": "data/train-00000.parquet", "size": 3_000_000_000, "oid": "0" * 40}]
    httpserver.expect_request("/api/datasets/me/big").respond_with_json({"id": "me/big", "sha": COMMIT})
    httpserver.expect_request(f"/api/datasets/me/big/tree/{COMMIT}").respond_with_json(tree)
    hub = Hub(endpoint=httpserver.url_for("").rstrip("/"), token=False, most_bytes=500_000_000)
    fates = found(f"{HUB}me/big", hub=hub)
    assert fates == {"me/big/data/train-00000.parquet": "skipped: larger than the 500 MB that are downloaded here"}
