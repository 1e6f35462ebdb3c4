"""Every format over generated label sets: what it says it kept is there to the pixel, what is not is said."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from grounding.exports import FORMATS, export, export_zip, load
from grounding.exports.losses import Aspect, Loss
from grounding.types import Outcome
from tests.label_sets import COUNT, every_aspect, label_set, with_pictures

EXACT_MASKS = ("json", "coco", "labelme", "label-studio", "cvat", "imagefolder", "parquet", "csv", "masks")
WHOLE = ("labelme", "imagefolder", "parquet", "csv", "masks")  # keep every object, label, box, point and score
PLACES = {Aspect.MASK, Aspect.HOLES, Aspect.PARTS}


def losses_over(name: str, count: int) -> dict[tuple[Aspect, str], list[Loss]]:
    found: dict[tuple[Aspect, str], list[Loss]] = defaultdict(list)
    for seed in range(count):
        samples = label_set(seed)
        for loss in export(with_pictures(samples) if seed % 4 == 0 else samples, name).losses:
            found[loss.aspect, loss.what].append(loss)
    return found


@pytest.mark.parametrize("name", ["coco", "labelme"])
def test_a_hundred_label_sets_keep_every_mask_to_the_pixel(name: str) -> None:
    assert not PLACES & {aspect for aspect, _ in losses_over(name, COUNT)}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_nothing_is_made_up_and_masks_are_exact_where_that_is_claimed(name: str) -> None:
    losses = losses_over(name, 12)
    aspects = {aspect for aspect, _ in losses}
    assert (Aspect.SCORE, "added") not in losses
    assert (Aspect.ORIGIN, "added") not in losses
    assert (Aspect.PICTURE, "added") not in losses
    assert (Aspect.OBJECT, "added") not in losses
    if name in EXACT_MASKS:
        assert not PLACES & aspects
    if name in WHOLE:
        assert not {Aspect.OBJECT, Aspect.LABEL, Aspect.BOX, Aspect.POINT, Aspect.SCORE} & aspects


def test_coco_outlines_keep_masks_to_the_pixel_holes_and_parts_too() -> None:
    found = losses_over("coco-polygons", 25)
    lost = {each for each in found if each[0] in PLACES}
    assert lost <= {(Aspect.MASK, "left out")}  # an outline of no pixels at all is none


def test_yolo_outlines_without_parts_apart_come_back_as_trainers_fill_them() -> None:
    for seed in range(25):
        losses = {(each.aspect, each.what): each for each in export(label_set(seed), "yolo-segment").losses}
        changed, joined = losses.get((Aspect.MASK, "changed")), losses.get((Aspect.PARTS, "joined"))
        assert (changed.count if changed else 0) <= (joined.count if joined else 0)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_pictures_and_pictures_with_nothing_in_them_are_no_trouble(name: str) -> None:
    assert export([], name).losses == ()
    empty = [each for each in every_aspect() if each.result.outcome is Outcome.NONE]
    if name == "paligemma":  # nothing was asked for: there is no prompt to teach
        assert [loss.sentence for loss in export(empty, name).losses] == ["1 picture left out"]
        assert export(empty, name, labels=("cat",)).losses == ()
    else:
        assert export(empty, name).losses == ()


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"json"}))
def test_a_zip_holds_the_pictures_and_is_known_for_what_it_is(name: str, tmp_path: Path) -> None:
    samples = with_pictures(every_aspect())
    losses = export_zip(samples, name, tmp_path / "set.zip", labels=("cat",))
    assert not {each.what for each in losses} & {"bare", "saved again"}
    read = load(tmp_path / "set.zip")
    assert read.format.name == name.replace("coco-polygons", "coco")
    assert read.problems == ()
    assert [each.file is not None for each in read.samples].count(True) == len(read.samples)
    assert {each.picture: each.size_wh for each in read.samples}["every.png"] == (40, 30)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_what_was_read_can_be_written_again_without_further_loss(name: str) -> None:
    first = export(every_aspect(), name, labels=("cat",))
    read = load(first.files, name)
    sized = [each for each in read.samples if each.size_wh is not None]
    assert export(sized, name, labels=("cat",)).losses == ()
