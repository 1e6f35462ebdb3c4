"""Pictures and documents on their way to Gemini: in the request while they fit, else as files kept for a while."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backends import Pool
from backends import gemini as gemini_module
from backends.gemini import Gemini
from grounding import documents, images
from grounding.errors import BackendError, ConfigError, GroundingError, RequestError, Stopped, Timeout
from grounding.images import Picture
from grounding.settings import Settings
from grounding.types import Options, Request, Resolution, Task
from tests.pdf import pdf
from tests.stand_in import Answer, StandIn, reply

KEY = "AIzaSyCANARY-0123456789-abcdefghijklmnop"


@pytest.fixture(autouse=True)
def fresh(service: StandIn) -> None:
    """No file is kept, and every question is answered."""
    service.says(reply("so it is"))
    service.files.clear()
    service.processing, service.kept_for = 0, timedelta(hours=48)


@pytest.fixture
def backend(service: StandIn) -> Iterator[Gemini]:
    opened = Gemini("gemini-3.6-flash", KEY, service.url, deadline_s=60, backoff_s=0.02)
    yield opened
    opened.close()


def noise(side: int, seed: int = 0) -> Picture:
    """A picture that no format can pack."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Picture(Image.fromarray(pixels))


def ask(*pictures: Picture, text: str = "what is it?", **more: Any) -> Request:
    return Request(Task.ASK, pictures, text, **more)


def parts(service: StandIn) -> list[dict[str, Any]]:
    return service.requests[-1].body["contents"][0]["parts"]


def photo(megabytes: float) -> bytes:
    """A JPEG of so many MB, as a camera would have written it."""
    side = round((megabytes * 1e6 / 4.108) ** 0.5)  # bytes a pixel of noise at this quality
    noise = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=100, subsampling=0)
    return buffer.getvalue()


def test_a_picture_of_25_mb_goes_through_the_files_protocol_and_the_second_question_uploads_nothing(
    service: StandIn, backend: Gemini
) -> None:
    data = photo(25)
    assert 24_900_000 < len(data) < 25_100_000
    service.processing = 2
    backend.predict(ask(images.load(data)))
    (kept,) = service.files.values()
    assert kept.data == data
    assert (kept.mime_type, kept.key, kept.asked) == ("image/jpeg", KEY, 2)
    sent, question = parts(service)
    assert sent["fileData"]["file_uri"].endswith(kept.name)
    assert question["text"] == "what is it?"
    commands = [
        {k.lower(): v for k, v in each.headers.items()}.get("x-goog-upload-command") for each in service.file_requests
    ]
    assert commands[0] == "start"
    assert commands[-3] == "upload, finalize"
    service.says(reply("yes"))
    backend.predict(ask(images.load(data), text="and now?"))
    assert not service.file_requests
    assert parts(service)[0] == sent


def test_a_picture_of_19_mb_goes_in_the_request(service: StandIn, backend: Gemini) -> None:
    data = photo(19)
    assert 18_900_000 < len(data) < 19_100_000
    picture = images.load(data)
    for _ in range(2):
        backend.predict(ask(picture))
        assert base64.urlsafe_b64decode(parts(service)[0]["inlineData"]["data"]) == data
    assert not service.file_requests


def test_a_picture_without_a_file_of_its_own_is_weighed_as_it_is_sent(service: StandIn, backend: Gemini) -> None:
    backend.predict(ask(noise(2700)))  # about 18 MB
    assert "inlineData" in parts(service)[0]
    backend.predict(ask(noise(3400)))  # about 28 MB
    assert "fileData" in parts(service)[0]


def test_of_several_that_do_not_fit_the_heaviest_goes_as_a_file(
    service: StandIn, backend: Gemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini_module, "INLINE_BYTES", 40_000)
    backend.predict(ask(noise(64), noise(130), noise(32)))
    assert [next(iter(part)) for part in parts(service)] == [
        "text",
        "inlineData",
        "text",
        "fileData",
        "text",
        "inlineData",
        "text",
    ]


def test_what_will_be_asked_about_again_is_kept_when_wished(service: StandIn, backend: Gemini) -> None:
    backend.predict(ask(noise(8), options=Options(reuse=True)))
    backend.predict(ask(noise(8)))
    assert len(service.files) == 1
    assert "fileData" in parts(service)[0]


def test_equal_pictures_asked_about_at_once_are_uploaded_once(service: StandIn, backend: Gemini) -> None:
    requests = [ask(noise(8), options=Options(reuse=True)) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(backend.predict, requests))
    assert len(service.files) == 1


def test_a_file_about_to_expire_is_uploaded_anew(service: StandIn, backend: Gemini) -> None:
    service.kept_for = timedelta(minutes=5)
    for _ in range(2):
        backend.predict(ask(noise(8), options=Options(reuse=True)))
    assert len(service.files) == 2


def test_files_are_listed_and_deleted_on_request(service: StandIn, backend: Gemini) -> None:
    for seed in range(2):
        backend.predict(ask(noise(8, seed), options=Options(reuse=True)))
    del service.files["files/f1"]  # gone at Google's already
    assert len(backend.uploads.listed()) == 2
    assert backend.uploads.delete() == 2
    assert not service.files
    assert backend.uploads.listed() == ()


def test_a_refused_file_is_uploaded_anew_the_next_time(service: StandIn, backend: Gemini) -> None:
    backend.predict(ask(noise(8), options=Options(reuse=True)))
    service.says(Answer(403, {"error": {"code": 403, "message": "You may not access the file"}}), reply("yes"))
    with pytest.raises(ConfigError):
        backend.predict(ask(noise(8), options=Options(reuse=True)))
    assert len(service.requests) == 1
    backend.predict(ask(noise(8), options=Options(reuse=True)))
    assert len(service.files) == 2


def test_other_models_behind_the_same_key_share_the_files_and_other_keys_do_not(service: StandIn) -> None:
    pool = Pool(Settings(gemini_base_url=service.url))
    for model, key in (("gemini-3.6-flash", KEY), ("gemini-2.5-flash", KEY), ("gemini-2.5-flash", KEY + "2")):
        with pool.lend("gemini", model, key) as opened:
            opened.predict(ask(noise(8), options=Options(reuse=True)))
    assert [kept.key for kept in service.files.values()] == [KEY, KEY + "2"]
    pool.close()


FAULTS = [
    pytest.param(Answer(reset=True), id="reset"),
    pytest.param(Answer(503), id="503"),
    pytest.param(Answer(429, headers={"Retry-After": "0"}), id="429"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_upload_that_fails_in_passing_is_tried_again(service: StandIn, backend: Gemini, fault: Answer) -> None:
    service.file_fault = fault
    backend.predict(ask(noise(8), options=Options(reuse=True)))
    assert len(service.requests) == 1


REFUSED = [
    pytest.param(Answer(401, {"error": {"message": f"bad key {KEY}"}}), ConfigError, id="401"),
    pytest.param(Answer(404, b"<html>no such page"), GroundingError, id="404: no place for files"),
    pytest.param(Answer(body={}), BackendError, id="no address to upload to"),
    pytest.param(Answer(body=b"hello"), BackendError, id="no JSON"),
]


@pytest.mark.parametrize(("fault", "kind"), REFUSED)
def test_an_upload_that_is_refused_costs_one_request(
    service: StandIn, backend: Gemini, fault: Answer, kind: type[GroundingError]
) -> None:
    service.file_fault = fault
    with pytest.raises(kind) as error:
        backend.predict(ask(noise(8), options=Options(reuse=True)))
    assert (len(service.file_requests), len(service.requests)) == (1, 0)
    assert KEY not in str(error.value)
    assert len(str(error.value)) < 200


def test_a_file_that_never_gets_ready_ends_at_the_deadline(service: StandIn) -> None:
    service.processing = 10_000
    impatient = Gemini("gemini-3.6-flash", KEY, service.url, deadline_s=0.5)
    started = time.monotonic()
    with pytest.raises(Timeout):
        impatient.predict(ask(noise(8), options=Options(reuse=True)))
    assert time.monotonic() - started < 20, "it waited for the file"
    impatient.close()


def test_a_stop_is_heard_during_an_upload(service: StandIn, backend: Gemini) -> None:
    service.processing = 10_000
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        backend.predict(ask(noise(8), options=Options(reuse=True)), stop)


def test_a_pdf_arrives_whole_and_pages_are_asked_for(service: StandIn, backend: Gemini) -> None:
    data = pdf(*[Image.new("RGB", (60, 80), colour) for colour in ("red", "lime", "blue")])
    backend.predict(ask(text="What does it say?", documents=(documents.load(data),)))
    sent, question = parts(service)
    assert sent["inlineData"]["mime_type"] == "application/pdf"
    assert base64.urlsafe_b64decode(sent["inlineData"]["data"]) == data
    assert question["text"].startswith("What does it say?")
    assert "[page 3]" in question["text"]


def test_a_pdf_too_large_for_the_request_goes_as_a_file(
    service: StandIn, backend: Gemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemini_module, "INLINE_BYTES", 100)
    data = pdf(Image.new("RGB", (60, 80)))
    backend.predict(ask(documents=(documents.load(data, name="bill.pdf"),)))
    (kept,) = service.files.values()
    assert (kept.mime_type, kept.data) == ("application/pdf", data)
    assert backend.uploads.listed()[0][0] == "bill.pdf"


def test_two_pictures_are_introduced_by_number_and_entries_name_theirs(service: StandIn, backend: Gemini) -> None:
    service.says(
        reply('[{"box_2d": [1, 2, 30, 40], "label": "cat", "picture": 2}, {"box_2d": [5, 5, 9, 9], "label": "x"}]')
    )
    result = backend.predict(Request(Task.DETECT, (noise(8), noise(9)), labels=("cat",)))
    texts = [part.get("text") for part in parts(service)]
    assert (texts[0], texts[2]) == ("Picture 1:", "Picture 2:")
    assert '"picture"' in texts[4]
    assert [each.picture for each in result.detections] == [1, None]


def test_a_pdf_of_three_pages_and_two_pictures_go_together_pdf_first(service: StandIn, backend: Gemini) -> None:
    document = documents.load(pdf(*[Image.new("RGB", (9, 9))] * 3))
    backend.predict(ask(noise(8), noise(9), documents=(document,)))
    sent = parts(service)
    assert base64.urlsafe_b64decode(sent[0]["inlineData"]["data"]) == document.data
    assert sent[0]["inlineData"]["mime_type"] == "application/pdf"
    assert [part["text"] for part in sent[1:4:2]] == ["Picture 1:", "Picture 2:"]
    assert [next(iter(part)) for part in parts(service)] == [
        "inlineData",
        "text",
        "inlineData",
        "text",
        "inlineData",
        "text",
    ]


def test_boxes_in_a_pdf_need_its_pages_as_pictures(service: StandIn, backend: Gemini) -> None:
    document = documents.load(pdf(Image.new("RGB", (9, 9))))
    with pytest.raises(RequestError, match="pages"):
        backend.predict(Request(Task.DETECT, (), labels=("cat",), documents=(document,)))
    assert not service.requests


def test_ultra_high_resolution_is_said_of_each_picture(service: StandIn, backend: Gemini) -> None:
    backend.predict(ask(noise(8), options=Options(resolution=Resolution.ULTRA_HIGH)))
    assert "ULTRA_HIGH" in str(parts(service)[0])
    backend.predict(ask(noise(8), options=Options(resolution=Resolution.LOW)))
    assert service.requests[-1].body["generationConfig"]["mediaResolution"] == "MEDIA_RESOLUTION_LOW"
