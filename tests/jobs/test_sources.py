"""Files, folders and archives give their pictures, name what they leave out, and write nothing anywhere."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from grounding import images
from grounding.errors import ImageError, RequestError
from jobs import sources
from jobs.sources import Skipped, Source, gather


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(file, "PNG")
    return file.getvalue()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def found(*paths: Path) -> dict[str, str]:
    """What became of each name: "ok", or the sentence that tells why not."""
    fates = {}
    with ExitStack() as open_files:
        for each in gather(paths, open_files):
            assert each.name not in fates
            if isinstance(each, Skipped):
                fates[each.name] = f"skipped: {each.reason}"
                continue
            try:
                fates[each.name] = "ok" if images.load(each.get()).size_wh == (4, 3) else "other"
            except ImageError as error:
                fates[each.name] = str(error)
    assert all(len(fate) < 200 for fate in fates.values())
    return fates


def test_a_folder_gives_its_pictures_in_name_order_and_skips_the_rest(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "deep/c.webp", ".hidden.png", ".git/d.png", "notes.txt", "more.zip"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png())
    assert found(tmp_path) == {
        "a.jpg": "ok",
        "b.PNG": "ok",
        "more.zip": "skipped: an archive inside",
        "notes.txt": "skipped: not a picture",
        "deep/c.webp": "ok",
    }


def test_a_file_named_by_itself_is_always_tried(tmp_path: Path) -> None:
    (tmp_path / "picture.dat").write_bytes(png())
    (tmp_path / "words.txt").write_text("words")
    fates = found(tmp_path / "picture.dat", tmp_path / "words.txt", tmp_path / "missing.png")
    assert fates["picture.dat"] == "ok"
    assert "picture" in fates["words.txt"]
    assert "no such picture file" in fates["missing.png"]


def test_equal_names_are_kept_apart_also_where_only_capitals_differ(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(png())
    (tmp_path / "A.PNG").write_bytes(png())
    assert list(found(tmp_path / "one/a.png", tmp_path / "two/a.png", tmp_path / "A.PNG")) == [
        "a.png",
        "a (2).png",
        "A (3).PNG",
    ]


def test_an_archive_gives_its_pictures_and_skips_the_rest(tmp_path: Path) -> None:
    nested = zipped(tmp_path / "inner.zip", {"x.png": png()}).read_bytes()
    path = zipped(
        tmp_path / "set.zip",
        {
            "a.png": png(),
            "deep/b.png": png(),
            "notes.txt": b"words",
            "inner.zip": nested,
            "broken.png": png()[:30],
            "__MACOSX/._a.png": b"x",
            ".DS_Store": b"x",
        },
    )
    fates = found(path)
    assert "damaged" in fates.pop("set.zip/broken.png")
    assert fates == {
        "set.zip/a.png": "ok",
        "set.zip/deep/b.png": "ok",
        "set.zip/inner.zip": "skipped: an archive inside",
        "set.zip/notes.txt": "skipped: not a picture",
    }
    assert sorted(each.name for each in tmp_path.iterdir()) == ["inner.zip", "set.zip"]


TRICKS = [
    pytest.param("../evil.png", id="up"),
    pytest.param("a/../../evil.png", id="up from inside"),
    pytest.param("/etc/evil.png", id="absolute"),
    pytest.param("C:\\evil.png", id="drive"),
    pytest.param("..\\evil.png", id="up, backslash"),
]


@pytest.mark.parametrize("name", TRICKS)
def test_a_name_that_leads_out_is_left_alone_and_the_others_are_read(tmp_path: Path, name: str) -> None:
    fates = found(zipped(tmp_path / "set.zip", {name: png(), "good.png": png()}))
    assert fates.pop("set.zip/good.png") == "ok"
    assert ["leads out" in fate for fate in fates.values()] == [True]


def test_links_and_locked_members_are_left_alone(tmp_path: Path) -> None:
    link, locked = zipfile.ZipInfo("link.png"), zipfile.ZipInfo("locked.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr(locked, png())
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the general purpose flags
        place = data.index(signature, data.index(signature) + 1)
        data[place + offset] |= 1
    path.write_bytes(data)
    fates = found(path)
    assert "link" in fates["set.zip/link.png"]
    assert "password" in fates["set.zip/locked.png"]


def test_a_bomb_is_refused_by_its_entry_and_a_lying_entry_by_its_bytes(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", {"bomb.png": b"\0" * 15_000_000, "good.png": png()})
    started = time.thread_time()
    fates = found(path)
    assert time.thread_time() - started < 1
    assert "bomb" in fates["set.zip/bomb.png"]
    assert fates["set.zip/good.png"] == "ok"

    honest = path.read_bytes()
    lying = honest.replace((15_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert lying != honest
    path.write_bytes(lying)
    assert "damaged" in found(path)["set.zip/bomb.png"]


def test_an_archive_that_unpacks_to_too_much_in_all_is_left_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_ARCHIVE_BYTES", 2 * len(png()) + 1)
    fates = found(zipped(tmp_path / "set.zip", {f"{i}.png": png() for i in range(4)}))
    assert [fate == "ok" for fate in fates.values()] == [True, True, False, False]


def test_more_members_than_are_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_MEMBERS", 2)
    fates = found(zipped(tmp_path / "set.zip", {f"{i}.png": png() for i in range(4)}))
    assert "holds 4 files" in fates["set.zip"]
    assert list(fates.values()).count("ok") == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"words", b"PK\x05\x06" + b"\0" * 17])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.zip").write_bytes(content)
    with pytest.raises(RequestError, match=r"set\.zip is not a ZIP archive"):
        found(tmp_path / "set.zip")


def test_a_source_is_opened_only_when_it_is_its_turn(tmp_path: Path) -> None:
    with ExitStack() as open_files:
        (source,) = gather([tmp_path / "later.png"], open_files)
        assert isinstance(source, Source)
        (tmp_path / "later.png").write_bytes(png())
        assert images.load(source.get()).size_wh == (4, 3)


def test_an_archive_with_a_huge_list_of_files_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A million entries of 48 bytes: zipfile would take half a minute and half a gigabyte for them."""
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0) + b"aa"
    listed = entry * 1_000_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(listed), 0, 0)
    (tmp_path / "many.zip").write_bytes(listed + end)
    started = time.thread_time()
    with pytest.raises(RequestError, match="lists more files"):
        found(tmp_path / "many.zip")
    assert time.thread_time() - started < 1
