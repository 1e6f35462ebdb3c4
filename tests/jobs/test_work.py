"""One picture's work: a sample for whatever bytes, each object with the answer it was read from."""

from __future__ import annotations

import pytest

from grounding.types import Outcome
from jobs.work import label_picture
from tests.jobs.running import JOB, PICTURE, Echo


def test_each_detection_keeps_the_answer_it_was_read_from_and_its_hour() -> None:
    sample = label_picture(PICTURE, "a.png", JOB, Echo())
    (found,) = sample.result.detections
    assert found.origin is not None
    assert found.origin.raw == "one cat"
    assert found.origin.answered_at is not None
    assert found.origin.answered_at.endswith("+00:00")


@pytest.mark.parametrize("data", [b"", b"words", PICTURE[:40]])
def test_the_plain_function_gives_a_sample_for_whatever_bytes(data: bytes) -> None:
    sample = label_picture(data, "a.png", JOB, Echo())
    assert sample.result.outcome is Outcome.FAILED
    assert len(sample.result.text) > 20
