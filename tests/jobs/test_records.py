"""Samples as JSON and back: nothing is lost, and what is damaged is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grounding.errors import RequestError
from grounding.labels import Sample
from grounding.types import (
    Box,
    Detection,
    Note,
    NoteKind,
    Origin,
    Outcome,
    Point,
    Result,
    Review,
    SafetyRating,
    SafetyReport,
    SoftMask,
    Stage,
    Task,
    Usage,
)
from jobs.records import from_record, to_record

unit = st.floats(0, 1)
texts = st.text(st.characters(codec=None), max_size=12) | st.just("\ud800" * 300)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x1, x2 = sorted(draw(st.lists(unit, min_size=2, max_size=2, unique=True)))
    y1, y2 = sorted(draw(st.lists(unit, min_size=2, max_size=2, unique=True)))
    return Box(x1, y1, x2, y2)


sizes = arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)
floats = arrays.arrays(np.float32, sizes, elements=st.floats(0, 1, width=32))
levels = arrays.arrays(np.uint8, sizes).map(lambda each: each.astype(np.float32) / 255)
masks = st.builds(SoftMask, floats | levels, boxes(), st.none() | st.integers(0, 255))
parameters = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | unit | st.text(max_size=300), max_size=3)
origins = st.builds(Origin, texts, texts, texts, parameters, st.booleans(), texts, st.none() | texts)
detections = st.builds(
    Detection,
    texts,
    box=st.none() | boxes(),
    point=st.none() | st.builds(Point, unit, unit),
    score=st.none() | unit,
    mask=st.none() | masks,
    mask_tokens=st.none() | st.tuples(*[st.integers(0, 127)] * 16),
    id=st.integers(0, 300),
    origin=st.none() | origins,
    review=st.sampled_from(Review),
    box_before=st.none() | boxes(),
)
results = st.builds(
    Result,
    st.sampled_from(Outcome),
    texts,
    st.lists(detections, max_size=3).map(tuple),
    st.lists(st.builds(Note, st.sampled_from(NoteKind), texts), max_size=2).map(tuple),
    st.builds(SafetyReport, st.none() | st.sampled_from(Stage), st.none() | texts, texts,
              st.lists(st.builds(SafetyRating, texts, texts, st.booleans()), max_size=2).map(tuple)),
    st.none() | st.builds(Usage, unit, st.none() | st.integers(0, 9)),
    texts,
    st.none() | origins,
)  # fmt: skip
samples = st.builds(
    Sample, texts, st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)), st.sampled_from(Task), results
)


def plain(value: object) -> Any:
    """`value` as something that can be compared: types, fields and the very bits of arrays."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if dataclasses.is_dataclass(value):
        return type(value), [(each.name, plain(getattr(value, each.name))) for each in dataclasses.fields(value)]
    if isinstance(value, tuple):
        return type(value), [plain(each) for each in value]
    return type(value), value


@given(samples)
def test_a_sample_survives_json_exactly(sample: Sample) -> None:
    assert plain(from_record(json.loads(json.dumps(to_record(sample))))) == plain(sample)


def test_the_picture_file_is_not_part_of_a_record() -> None:
    sample = Sample("a.png", (4, 3), Task.DETECT, Result(Outcome.NONE), file=lambda: b"bytes")
    assert from_record(to_record(sample)).file is None


def test_an_answer_that_every_origin_repeats_is_kept_once() -> None:
    answer = "x" * 1_000_000
    found = [Detection("cat", Box(0, 0, 1, 1), origin=Origin("b", "m", "p", raw=answer)) for _ in range(200)]
    record = to_record(Sample("a", (4, 3), Task.DETECT, Result(Outcome.FOUND, detections=tuple(found), raw=answer)))
    assert len(record["blobs"]) == 1
    assert len(json.dumps(record)) < 100_000


def masked() -> dict[str, Any]:
    mask = SoftMask(np.full((4, 4), 0.3, np.float32), Box(0, 0, 1, 1))
    return to_record(Sample("a", (4, 3), Task.SEGMENT, Result(Outcome.FOUND, detections=(Detection("a", mask=mask),))))


def broken(*path: Any, value: Any) -> Any:
    record = at = masked()
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return record


DETECTION = ("sample", "result", "detections", 0)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param([], id="a list"),
        pytest.param({}, id="nothing in it"),
        pytest.param(broken("sample", value=None), id="no sample"),
        pytest.param(broken("sample", "task", value="guess"), id="no such task"),
        pytest.param(broken("sample", "size_wh", value=[1]), id="half a size"),
        pytest.param(broken("blobs", value={}), id="the mask is gone"),
        pytest.param(broken(*DETECTION, "label", value=3), id="a label that is a number"),
        pytest.param(broken(*DETECTION, "box", value=[0, 0, 2, 1]), id="a box outside"),
        pytest.param(broken(*DETECTION, "box", value="abcd"), id="a box in words"),
        pytest.param(broken(*DETECTION, "point", value=[0.5, 1.5]), id="a point outside"),
        pytest.param(broken(*DETECTION, "point", value=[float("nan"), 0.5]), id="a point nowhere"),
        pytest.param(broken(*DETECTION, "score", value=7), id="a score of seven"),
        pytest.param(broken(*DETECTION, "score", value=-0.1), id="a score below nothing"),
        pytest.param(broken(*DETECTION, "score", value=float("nan")), id="a score that is no number"),
        pytest.param(broken(*DETECTION, "mask", "frame", value=[0, 0, 0, 0]), id="an empty frame"),
        pytest.param(broken(*DETECTION, "mask", "probs", "size", value=[10**6, 10**6]), id="a mask of a terapixel"),
        pytest.param(broken(*DETECTION, "mask", "probs", "size", value=[-4, -4]), id="a mask of minus four"),
        pytest.param(broken(*DETECTION, "mask", "probs", "size", value=[5, 5]), id="a mask that is too short"),
        pytest.param(broken(*DETECTION, "mask", "probs", value=[[1]]), id="a mask as a list"),
    ],
)
def test_what_is_damaged_is_refused_with_a_sentence(record: Any) -> None:
    with pytest.raises(RequestError, match="damaged"):
        from_record(record)
