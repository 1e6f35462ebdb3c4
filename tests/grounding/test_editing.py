"""Corrections come from a browser: whatever is odd is refused in a sentence, and what is kept is kept exactly."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grounding.editing import MAX_OBJECTS, corrected, decode_mask, describe, encode_mask, kept, models_own, numbered
from grounding.errors import RequestError
from grounding.geometry import binary_mask
from grounding.types import Box, Detection, Origin, Point, Review, SoftMask

ASKED = Origin("gemini", "gemini-3.6-flash", "cat; dog")
FRAME = Box(0.25, 0.25, 0.5, 0.75)


def mask(frame: Box = FRAME, side: int = 8) -> SoftMask:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    levels = (255 * np.clip(1.1 - np.hypot(x, y), 0, 1)).astype(np.uint8)
    return SoftMask(levels.astype(np.float32) / np.float32(255), frame)


SAID = numbered(
    [
        Detection("cat", FRAME, score=0.5, mask=mask(), mask_tokens=(1,) * 16, origin=ASKED),
        Detection("dog", Box(0.1, 0.2, 0.3, 0.4)),
        Detection("tip", point=Point(0.5, 0.5)),
    ]
)


def page(detections: Any = SAID) -> list[dict[str, Any]]:
    """What a page that changes nothing posts back, through JSON as it goes."""
    shown = json.loads(json.dumps(describe(detections, SAID)))
    keys = ("id", "label", "box", "point", "review")
    return [
        {key: each[key] for key in keys}
        | {"mask": each["mask"] and {"from": "model", "frame": each["mask"]["frame"], "threshold": None}}
        for each in shown
    ]


def correct(objects: object, now: Any = SAID) -> tuple[Detection, ...]:
    return corrected(objects, SAID, now, ASKED)


def test_what_is_not_touched_is_the_very_same_and_not_edited() -> None:
    after = correct(page())
    assert [vars(each) for each in after] == [vars(each) for each in SAID]
    assert after[0].mask is SAID[0].mask


def test_a_moved_and_renamed_object_keeps_what_the_model_said_beside() -> None:
    posted = page()
    posted[0] |= {"label": "big  cat ", "box": [0.3, 0.25, 0.55, 0.75], "review": "accepted"}
    posted[0]["mask"]["frame"] = [0.3, 0.25, 0.55, 0.75]
    cat = correct(posted)[0]
    assert (cat.label, cat.box, cat.review) == ("big cat", (0.3, 0.25, 0.55, 0.75), Review.ACCEPTED)
    assert (cat.label_before, cat.box_before) == ("cat", FRAME)
    assert cat.origin is not None
    assert cat.origin.edited
    assert cat.origin.model == "gemini-3.6-flash"
    assert cat.score == 0.5
    assert cat.mask is not None
    assert cat.mask.frame == cat.box
    assert cat.mask.probs is SAID[0].mask.probs  # type: ignore[union-attr]
    assert cat.mask_tokens is not None  # they fill the box still


def test_undone_it_is_the_models_again() -> None:
    moved = page()
    moved[1]["box"] = [0.5, 0.5, 0.6, 0.6]
    after = correct(page(), now=correct(moved))
    assert after[1].origin is None
    assert after[1].box_before is None
    assert after[1].box == SAID[1].box


def test_a_verdict_alone_is_no_edit() -> None:
    posted = page()
    posted[0]["review"] = "rejected"
    after = correct(posted)
    assert after[0].origin == ASKED
    assert [each.label for each in kept(after)] == ["dog", "tip"]


def test_a_painted_mask_replaces_the_models_and_its_tokens() -> None:
    posted = page()
    posted[0]["mask"] = encode_mask(SoftMask(np.ones((4, 6), np.float32), Box(0, 0, 0.5, 0.5)))
    cat = correct(posted)[0]
    assert cat.mask is not None
    assert cat.mask.probs.shape == (4, 6)
    assert cat.mask_tokens is None
    again = page()
    again[0]["mask"] = {"from": "now", "frame": [0, 0, 0.5, 0.5], "threshold": 200}
    later = correct(again, now=(cat, *SAID[1:]))[0]
    assert later.mask is not None
    assert later.mask.probs is cat.mask.probs
    assert later.mask.threshold == 200


def test_a_box_resized_away_from_its_mask_drops_the_tokens_that_filled_it() -> None:
    posted = page()
    posted[0]["box"] = [0.25, 0.25, 0.6, 0.75]
    assert correct(posted)[0].mask_tokens is None


def test_what_a_person_drew_says_so() -> None:
    drawn = correct([{"id": 9, "label": "cup", "box": [0, 0, 1, 1], "point": None, "review": "open", "mask": None}])[0]
    assert drawn.origin == Origin("person", "", "", edited=True)
    assert drawn.score is None


def test_a_threshold_of_its_own_stands_before_the_views() -> None:
    posted = page()
    posted[0]["mask"]["threshold"] = 250
    own = correct(posted)[0]
    assert own.mask is not None
    assert own.origin is not None
    assert own.origin.edited
    assert binary_mask(own.mask, (80, 80), 10)[0].sum() == binary_mask(mask(), (80, 80), 250)[0].sum()


def changed(**over: object) -> list[dict[str, Any]]:
    posted = page()
    posted[0] |= over
    return posted


def painted(**over: object) -> list[dict[str, Any]]:
    return changed(mask=encode_mask(mask()) | over)


BOMB = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"0": {}}, id="no list"),
        pytest.param([None], id="an object that is none"),
        pytest.param([[]], id="an object that is a list"),
        pytest.param([{}], id="an empty object"),
        pytest.param([page()[0]] * 2, id="the same number twice"),
        pytest.param([page()[0] | {"id": n} for n in range(MAX_OBJECTS + 1)], id="too many"),
        pytest.param(changed(id=-1), id="number below 0"),
        pytest.param(changed(id=1e3), id="number with a point"),
        pytest.param(changed(id=True), id="number that is a truth value"),
        pytest.param(changed(id=10**400), id="number without end"),
        pytest.param(changed(label=7), id="label that is no text"),
        pytest.param(changed(label="x" * 201), id="label too long"),
        pytest.param(changed(review="approved"), id="unknown review"),
        pytest.param(changed(review=["open"]), id="review that is a list"),
        pytest.param(changed(box=[0, 0, 1]), id="three edges"),
        pytest.param(changed(box="0011"), id="box of letters"),
        pytest.param(changed(box=[0, 0, float("nan"), 1]), id="NaN"),
        pytest.param(changed(box=[0, 0, float("inf"), 1]), id="infinity"),
        pytest.param(changed(box=[-0.1, 0, 1, 1]), id="outside"),
        pytest.param(changed(box=[0.5, 0, 0.5, 1]), id="no width"),
        pytest.param(changed(box=[1, 1, 0, 0]), id="corners swapped"),
        pytest.param(changed(box=[0, 0, True, 1]), id="an edge that is a truth value"),
        pytest.param(changed(point=[0.5]), id="half a point"),
        pytest.param(changed(point=[0.5, 1.5]), id="point outside"),
        pytest.param(changed(box=None, mask=None), id="no place at all"),
        pytest.param(changed(mask=[]), id="mask that is a list"),
        pytest.param(changed(mask={"from": "elsewhere", "frame": [0, 0, 1, 1]}), id="mask from elsewhere"),
        pytest.param(changed(mask={"from": ["model"], "frame": [0, 0, 1, 1]}), id="mask from a list"),
        pytest.param(changed(id=77, mask={"from": "model", "frame": [0, 0, 1, 1]}), id="mask of an unknown object"),
        pytest.param(changed(mask={"from": "model", "frame": [0, 0, 2, 1]}), id="frame outside"),
        pytest.param(painted(threshold=256), id="threshold too high"),
        pytest.param(painted(threshold=12.5), id="threshold with a point"),
        pytest.param(painted(size=[8, 9]), id="too few pixels"),
        pytest.param(painted(size=[8, 7]), id="too many pixels"),
        pytest.param(painted(size=[0, 8]), id="no width"),
        pytest.param(painted(size=[10**6, 10**6]), id="a mask without end"),
        pytest.param(painted(size=None), id="no size"),
        pytest.param(painted(size=[1024, 1024], data=BOMB), id="a bomb"),
        pytest.param(painted(data="?"), id="not base64"),
        pytest.param(painted(data=base64.b64encode(b"hello").decode()), id="not deflated"),
        pytest.param(painted(data=None), id="no data"),
        pytest.param(painted(data="é"), id="not ASCII"),
        pytest.param(painted(frame=None), id="no frame"),
    ],
)
def test_odd_corrections_are_refused_in_a_sentence(objects: object) -> None:
    with pytest.raises(RequestError) as refused:
        correct(objects)
    assert 20 < len(str(refused.value)) < 200


def test_more_paint_than_is_kept_is_refused() -> None:
    big = encode_mask(SoftMask(np.zeros((1024, 1024), np.float32), Box(0, 0, 1, 1)))
    with pytest.raises(RequestError, match="painted mask"):
        correct([page()[0] | {"id": 10 + n, "mask": big} for n in range(23)])


def test_masks_too_large_to_be_painted_may_stay_where_nobody_knows_whether_they_were() -> None:
    large = SoftMask(np.zeros((5000, 5000), np.float32), FRAME)
    here = (Detection("sea", FRAME, mask=large, origin=EDITED),)
    kept = {"from": "now", "frame": list(FRAME), "threshold": None}
    post = {"id": 0, "label": "lake", "box": list(FRAME), "point": None, "review": "open", "mask": kept}
    assert corrected([post], models_own(here), here, ASKED)[0].label == "lake"
    with pytest.raises(RequestError, match="painted mask"):
        corrected([post, post | {"id": 1, "mask": encode_mask(mask())}], models_own(here), here, ASKED)


def test_a_label_json_cannot_carry_comes_back_unedited() -> None:
    said = (Detection("half \ud800 a pair", FRAME),)
    posted = [{"id": 0, "label": describe(said, said)[0]["label"], "box": list(FRAME), "point": None, "review": "open"}]
    assert corrected(posted, said, said, ASKED)[0].label == "half \ud800 a pair"


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["id", "label", "box", "mask", "point", "review", "from", "size", "data"]), inner
            )
        ),
    )
)
def test_nothing_a_stranger_posts_raises_anything_else(objects: object) -> None:
    try:
        correct(objects)
    except RequestError:
        return


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(0, 1, width=32)),
    st.integers(0, 255),
)
def test_every_threshold_cuts_the_8_bit_map_where_it_cuts_the_mask(probs: np.ndarray, threshold: int) -> None:
    before = SoftMask(probs, FRAME)
    after = decode_mask(json.loads(json.dumps(encode_mask(before))))
    height, width = probs.shape
    size = (width * 4, height * 2)  # the frame is then as large as the map: nothing is resized
    ours, theirs = (binary_mask(each, size, threshold)[0] for each in (before, after))
    near = np.abs(probs * 255 - threshold) < 2e-3  # a float's last digits
    assert np.all((ours == theirs) | near)
    assert after.frame == FRAME


EDITED = Origin("gemini", "g", "cat", edited=True)
BEFORE = Box(0, 0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("now", "label", "box", "own", "edited"),
    [
        pytest.param(Detection("cat", FRAME, mask=mask(), origin=ASKED), "cat", FRAME, True, False, id="untouched"),
        pytest.param(
            Detection("lynx", FRAME, origin=EDITED, label_before="cat"), "cat", FRAME, None, False, id="renamed"
        ),
        pytest.param(Detection("cat", FRAME, origin=EDITED, box_before=BEFORE), "cat", BEFORE, None, False, id="moved"),
        pytest.param(Detection("cat", FRAME, origin=EDITED), "cat", FRAME, None, True, id="edited, nobody knows how"),
        pytest.param(
            Detection("lynx", FRAME, point=Point(0.5, 0.5), origin=EDITED, label_before="cat"),
            "cat", FRAME, None, True, id="with a point that may have been moved",
        ),
        pytest.param(
            Detection("lynx", FRAME, mask=mask(), origin=EDITED, label_before="cat"),
            "cat", FRAME, False, True, id="with a mask that may have been painted",
        ),
        pytest.param(
            Detection("cat", FRAME, mask=mask(), mask_tokens=(1,) * 16, origin=EDITED, box_before=BEFORE),
            "cat", BEFORE, True, False, id="moved with its mask, as the tokens say",
        ),
        pytest.param(Detection("sea", mask=mask(), origin=EDITED), "sea", None, True, True, id="a mask alone"),
    ],
)  # fmt: skip
def test_of_an_object_known_only_as_edited_nothing_unknown_is_the_models(
    now: Detection, label: str, box: Box | None, own: bool | None, edited: bool
) -> None:
    (shown,) = describe([now], models_own([now]))
    assert (shown["model"]["label"], shown["model"]["box"]) == (label, box and list(box))
    assert shown["mask"] is None if own is None else shown["mask"]["own"] is own
    assert shown["edited"] is edited


def test_what_a_person_drew_is_no_models() -> None:
    assert models_own([Detection("cup", FRAME, origin=Origin("person", "", "", edited=True))]) == ()
