"""Many visitors' keys at once: each call carries its own, and none is left in anything that outlives the call."""

from __future__ import annotations

import itertools
import json
import logging
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from backends import Pool
from grounding.errors import GroundingError
from grounding.exports import FORMATS
from grounding.exports.results import result_to_json, to_bytes
from grounding.images import Picture
from grounding.labels import Sample
from grounding.settings import Settings
from grounding.types import Options, Request, Result, Task
from tests.stand_in import Answer, Sent, StandIn, reply, streamed

KEYS = [f"AIzaSyCANARY-key-of-visitor-{number:02d}" for number in range(20)]
CALLS_EACH = 8
AT_ONCE = 40  # two calls of each key beside all the others


class Echo(StandIn):
    """Says the key it was sent in all it answers, whole, streamed, or refused."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)

    def take(self, sent: Sent) -> Answer:
        super().take(sent)
        number = next(self._numbers)  # not how many there are by now: several may see the same
        key = next(value for name, value in sent.headers.items() if name.lower() == "x-goog-api-key")
        if number % 7 == 0:
            return Answer(400, {"error": {"code": 400, "message": f"bad key {key}", "status": "INVALID_ARGUMENT"}})
        said = json.dumps([{"box_2d": [1, 2, 30, 40], "label": f"key {key}"}])
        return streamed(said[:30], said[30:]) if "stream" in sent.path else reply(said)


def ask(pool: Pool, number: int, picture: Picture) -> Result | GroundingError:
    """One call by one visitor, who says who they are in the question."""
    key = KEYS[number % len(KEYS)]
    options = Options(reuse=number < len(KEYS))  # the first call of each uploads its picture
    request = Request(Task.DETECT, (picture,), f"I am {key[-2:]}", ("cat",), options)
    try:
        with pool.lend("gemini", f"gemini-3.{6 + number % 2}-flash", key) as opened:
            return list(opened.stream(request))[-1] if number % 3 == 0 else opened.predict(request)
    except GroundingError as error:
        return error


def left_in(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if _keys(path.read_bytes().decode("latin-1"))]


def _keys(text: str) -> list[str]:
    return [key for key in KEYS if key in text]


def test_many_calls_at_once_with_twenty_keys_each_carry_their_own_and_leave_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caplog.set_level(logging.DEBUG)
    picture = Picture(Image.new("RGB", (40, 30), "teal"))
    with Echo() as service:
        pool = Pool(Settings(gemini_base_url=service.url))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            ends = list(threads.map(lambda n: ask(pool, n, picture), range(len(KEYS) * CALLS_EACH)))
        seen = [
            (sent.headers["x-goog-api-key"][-2:], re.findall(r"I am (\d\d)", json.dumps(sent.body)))
            for sent in service.requests
        ]
        pool.close()
    assert len(seen) == len(KEYS) * CALLS_EACH
    assert all([key] == who for key, who in seen), "a call carried another's key"
    assert {kept.key for kept in service.files.values()} == set(KEYS)
    results = [each for each in ends if isinstance(each, Result)]
    assert 0.8 < len(results) / len(seen) < 1, "some are refused, and say the key"
    assert not _keys(" ".join(map(repr, ends)) + " ".join(map(str, ends))), "in results and errors"
    assert not _keys(" ".join(to_bytes(result_to_json(each, (40, 30))).decode() for each in results)), "in JSON"
    sample = Sample("one.png", (40, 30), Task.DETECT, results[0])
    for name, form in FORMATS.items():
        files = form([sample], labels=("cat",), threshold=127)
        assert not _keys(" ".join(bytes(data).decode("latin-1") for _, data in files)), f"in {name}"
    assert not _keys(caplog.text), "in logs, the most talkative level included"
    assert not _keys("".join(capfd.readouterr())), "on the terminal"
    assert not left_in(tmp_path), "in temporary files"
