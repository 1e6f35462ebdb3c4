"""What is drawn, where, in which colour, and that drawing changes nothing but the new picture."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from grounding import lettering, overlays
from grounding.lettering import baseline, line, runs, shorten, tidy
from grounding.overlays import OVERLAYS, PALETTE, Look, colour, render
from grounding.types import Box, Detection, Point, SoftMask, View

GREY = (90, 90, 90)
HERE = Box(0.25, 0.25, 0.75, 0.75)


def legend(detections: Sequence[Detection]) -> dict[str, str]:
    """The colour of every label."""
    looks = overlays._looks(detections)
    return {each.label: look.colour for each, look in zip(detections, looks, strict=True)}


def canvas(width: int = 200, height: int = 160) -> Image.Image:
    """Fine enough a pattern that blurring and pixelating show."""
    pixels = np.full((height, width, 3), 90, dtype=np.uint8)
    pixels[::2, ::2] = 60
    return Image.fromarray(pixels)


def ramp(frame: Box = HERE) -> SoftMask:
    """From 0 at the left edge to 1 at the right one."""
    return SoftMask(np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1)), frame)


def thing(label: str = "cat", **parts: object) -> Detection:
    return Detection(label, **{"box": HERE, **parts})  # type: ignore[arg-type]


def changed(before: Image.Image, after: Image.Image) -> np.ndarray:
    """bool[h, w]: where the pictures differ."""
    differs: np.ndarray = (np.asarray(before) != np.asarray(after)).any(axis=-1)
    return differs


def rgb(hex_colour: str) -> tuple[int, ...]:
    return tuple(int(hex_colour[at : at + 2], 16) for at in (1, 3, 5))


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_draws_something_of_the_same_size_and_leaves_its_input_alone(name: str) -> None:
    image = canvas()
    before = image.tobytes()
    drawn = render(image, [thing(mask=ramp())], View(overlays=(name,)))
    assert (drawn.size, drawn.mode) == (image.size, "RGB")
    assert changed(image, drawn).any()
    assert image.tobytes() == before


@pytest.mark.parametrize("name", [name for name, overlay in OVERLAYS.items() if overlay.on == "mask"])
def test_an_overlay_of_masks_draws_nothing_where_there_is_none(name: str) -> None:
    assert not changed(canvas(), render(canvas(), [thing()], View(overlays=(name,)))).any()


def test_spotlight_lights_the_mask_and_without_one_the_box() -> None:
    image = Image.new("RGB", (200, 160), (200, 200, 200))
    with_mask = np.asarray(render(image, [thing(mask=ramp())], View(overlays=("spotlight",))))
    without = np.asarray(render(image, [thing()], View(overlays=("spotlight",))))
    assert with_mask[80, 140].tolist() == without[80, 140].tolist() == without[80, 60].tolist() == [200] * 3
    assert with_mask[80, 60].max() < 100
    assert without[10, 10].max() < 100


@pytest.mark.parametrize("threshold", [0, 64, 127, 200, 254])
def test_the_mask_is_thresholded_after_it_was_brought_to_the_size_shown(threshold: int) -> None:
    image = canvas()
    drawn = changed(image, render(image, [thing(mask=ramp())], View(overlays=("mask",), threshold=threshold)))
    columns = np.flatnonzero(drawn.any(axis=0))
    assert columns.max() == 149
    assert abs(columns.min() - (50 + threshold / 255 * 100)) <= 2
    assert np.flatnonzero(drawn.any(axis=1)).tolist() == list(range(40, 120))


def test_at_the_highest_threshold_no_mask_is_left() -> None:
    assert not changed(canvas(), render(canvas(), [thing(mask=ramp())], View(overlays=("mask",), threshold=255))).any()


def test_a_mask_is_drawn_in_its_own_frame_though_the_box_is_elsewhere() -> None:
    mask = SoftMask(np.ones((4, 4), dtype=np.float32), Box(0, 0, 0.2, 0.2))
    drawn = changed(canvas(), render(canvas(), [thing(mask=mask)], View(overlays=("mask",))))
    assert np.argwhere(drawn).max(axis=0).tolist() == [31, 39]


def test_a_small_mask_lies_over_a_large_one() -> None:
    whole = SoftMask(np.ones((2, 2), dtype=np.float32), Box(0, 0, 1, 1))
    part = SoftMask(np.ones((2, 2), dtype=np.float32), HERE)
    pair = [thing("part", mask=part), thing("whole", box=None, mask=whole)]
    colours = legend(pair)
    drawn = np.asarray(render(Image.new("RGB", (200, 160)), pair, View(overlays=("mask",))))
    for at, label in (((80, 100), "part"), ((5, 5), "whole")):
        assert np.abs(drawn[at] - np.array(rgb(colours[label])) / 2).max() <= 1


def test_boxes_are_drawn_whole_even_along_the_edge_of_the_picture() -> None:
    drawn = changed(canvas(), render(canvas(), [thing(box=Box(0, 0, 1, 1))], View(overlays=("box",))))
    for edge in (drawn[:2], drawn[-2:], drawn[:, :2].T, drawn[:, -2:].T):
        assert edge[:, 1:-1].all()  # the very corner is rounded off
    assert not drawn[4:-4, 4:-4].any()


def test_red_is_drawn_red() -> None:
    drawn = np.asarray(render(canvas(), [thing("cat")], View(overlays=("box",))))
    assert tuple(drawn[40, 100]) == rgb(colour("cat"))


@pytest.mark.parametrize(
    ("score", "floor", "shown"),
    [(None, 1.0, True), (0.5, 0.5, True), (0.49, 0.5, False), (0.0, 0.0, True), (1.0, 1.0, True)],
)
def test_known_scores_under_the_floor_are_hidden_and_unknown_ones_never(
    score: float | None, floor: float, shown: bool
) -> None:
    drawn = render(canvas(), [thing(score=score)], View(score_floor=floor))
    assert changed(canvas(), drawn).any() == shown


@pytest.mark.parametrize("overlays", [("box",), ("mask", "box", "label"), ("dot",)], ids="+".join)
def test_points_are_drawn_whatever_else_is(overlays: tuple[str, ...]) -> None:
    drawn = changed(canvas(), render(canvas(), [Detection("tip", point=Point(0.5, 0.5))], View(overlays=overlays)))
    assert drawn[80, 100]
    assert drawn[80 - 3 : 80 + 4, 100 - 3 : 100 + 4].all()


@pytest.mark.parametrize("at", [(0, 0), (1, 1), (0, 1), (1, 0)], ids=str)
def test_a_point_in_a_corner_of_the_picture_is_seen(at: tuple[int, int]) -> None:
    image = canvas()
    drawn = changed(image, render(image, [Detection("tip", point=Point(*at))], View(overlays=("box",))))
    assert drawn[at[1] * 159, at[0] * 199]


def test_no_overlay_and_no_detection_give_a_plain_copy() -> None:
    image = canvas()
    for drawn in (render(image, [thing()], View(overlays=())), render(image, [], View())):
        assert drawn.tobytes() == image.tobytes()
        assert drawn is not image


def test_what_has_no_place_is_not_drawn_and_harms_nothing() -> None:
    tokens_only = Detection("cat", mask_tokens=tuple(range(16)))
    assert not changed(canvas(), render(canvas(), [tokens_only], View())).any()


def test_an_overlay_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError, match="sparkle"):
        render(canvas(), [thing()], View(overlays=("box", "sparkle")))


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (4000, 2)], ids=str)
def test_the_smallest_pictures_can_be_drawn_on(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    found = [thing(mask=ramp()), Detection("tip", point=Point(1, 1))]
    for name in OVERLAYS:
        assert render(image, found, View(overlays=(name,))).size == size


def test_drawing_at_a_smaller_size_gives_that_size_and_whole_boxes() -> None:
    image = canvas(800, 640)
    drawn = render(image, [thing()], View(overlays=("box",)), max_side=200)
    assert drawn.size == (200, 160)
    assert tuple(np.asarray(drawn)[40, 100]) == rgb(colour("cat"))
    assert image.size == (800, 640)


def test_a_label_keeps_its_colour_when_others_are_hidden() -> None:
    pair = [thing("dog", score=0.1, box=Box(0, 0, 0.1, 0.1)), thing("cat", score=0.9)]
    for floor in (0.0, 0.5):
        drawn = np.asarray(render(canvas(), pair, View(overlays=("box",), score_floor=floor)))
        assert tuple(drawn[40, 100]) == rgb(legend(pair)["cat"])


def test_twenty_labels_have_twenty_colours_and_more_are_no_error() -> None:
    labels = [f"label {number}" for number in range(30)]
    assert len(set(legend([thing(label) for label in labels[:20]]).values())) == len(PALETTE) == 20
    assert set(legend([thing(label) for label in labels])) == set(labels)


def test_capitals_do_not_make_another_colour() -> None:
    colours = legend([thing("Cat"), thing("cat "), thing("dog")])
    assert colours["Cat"] == colours["cat "] != colours["dog"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=12))
def test_the_legend_knows_every_label_there_is(labels: list[str]) -> None:
    assert set(legend([thing(label) for label in labels])) == set(labels)


ROWS = [
    pytest.param("naïve Ångström ñ œ", id="Latin"),
    pytest.param("Ελληνικά γάτα", id="Greek"),
    pytest.param("кошка Ђ", id="Cyrillic"),
    pytest.param("שלום חתול", id="Hebrew"),
    pytest.param("قطة على الطاولة", id="Arabic"),
    pytest.param("बिल्ली क्षत्रिय", id="Devanagari"),
    pytest.param("แมวน้ำ", id="Thai"),
    pytest.param("பூனை", id="Tamil"),
    pytest.param("კატა կատու ድመት", id="Georgian, Armenian, Ethiopic"),
    pytest.param("红色的猫 繁體龜", id="Chinese"),
    pytest.param("ねこ カタカナ 猫", id="Japanese"),
    pytest.param("고양이", id="Korean"),
    pytest.param("5 → 7 ≤ 9 € ½", id="signs"),
]


def glyphs(text: str) -> Iterator[tuple[str, bytes]]:
    """Each character but spaces with what its font draws for it."""
    for font, run in runs(text, 24):
        for character in run:
            if not character.isspace():
                yield character, bytes(font.getmask(character))


@pytest.mark.parametrize("text", ROWS)
def test_the_shipped_fonts_have_every_character_of_these_scripts(text: str) -> None:
    missing = {bytes(lettering._font(file, 24).getmask("\uffff")) for file in ("labels.ttf", "labels-cjk.otf")}
    assert not [character for character, drawn in glyphs(text) if drawn in missing]


def test_the_common_characters_of_east_asia_are_all_there() -> None:
    from fontTools.ttLib import TTFont

    covered = TTFont(lettering._FONTS / "labels-cjk.otf").getBestCmap().keys()
    syllables = {chr(code) for code in range(0xAC00, 0xD7A4)}
    level_1 = {
        bytes((lead, trail)).decode("gb2312", "ignore") for lead in range(0xB0, 0xD8) for trail in range(0xA1, 0xFF)
    }
    kana = {chr(code) for code in range(0x3041, 0x3097)}
    assert not {character for character in syllables | level_1 | kana if character and ord(character) not in covered}


@pytest.mark.skipif(not features.check("fribidi"), reason="libfribidi is absent (Debian: apt install libfribidi0)")
def test_arabic_is_joined_and_runs_from_the_right() -> None:
    word = "مرحبا"
    assert line(word, 40).width < 0.85 * sum(line(letter, 40).width for letter in word), "letters are not joined"
    ink = np.asarray(line("ب" + "ا" * 6, 40))
    below = ink[baseline(40) + 3 :] > 99  # under the baseline there is only the dot of the first letter
    assert below.any()
    assert np.flatnonzero(below.any(axis=0)).min() > below.shape[1] / 2, "the first letter is not at the right end"


def test_hebrew_runs_from_the_right_beside_latin_and_chinese() -> None:
    found = [run for _, run in runs("חתול 猫", 20)]
    assert found == ["猫", "חתול "]
    assert [run for _, run in runs("cat 猫 x", 20)] == ["cat ", "猫", " x"]


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        pytest.param("a\nb\tc", "a b c", id="lines"),
        pytest.param("x\0y\x1b[31m", "x y [31m", id="control characters"),
        pytest.param("abc\u202egnp.exe", "abc gnp.exe", id="direction override"),
        pytest.param("lone \ud800 half", "lone half", id="lone surrogate"),
        pytest.param("می\u200cخواهم", "می\u200cخواهم", id="a joiner Persian needs"),
        pytest.param(" \u2028 ", "", id="nothing"),
        pytest.param("x" * 100_000, "x" * 119 + "…", id="100 KB"),
    ],
)
def test_labels_are_tidied_to_one_drawable_line(text: str, drawn: str) -> None:
    assert tidy(text) == drawn


def test_a_long_text_is_cut_to_the_width_with_an_ellipsis() -> None:
    cut = shorten("a very long label that goes on and on", 20, 120)
    assert cut.endswith("…")
    assert line(cut, 20).width <= 120
    assert shorten("short", 20, 500) == "short"


def tags(detections: list[Detection], size: tuple[int, int] = (400, 300)) -> np.ndarray:
    image = Image.new("RGB", size, GREY)
    return changed(image, render(image, detections, View(overlays=("label",))))


@pytest.mark.parametrize(
    "label", ["cat", "x" * 5000, "猫" * 60, "قطة " * 40], ids=["short", "long", "Chinese", "Arabic"]
)
@pytest.mark.parametrize("box", [(0, 0, 0.1, 0.1), (0.9, 0, 1, 0.1), (0, 0.9, 0.1, 1), (0.9, 0.9, 1, 1), (0, 0, 1, 1)])
def test_a_label_stays_whole_inside_the_picture(label: str, box: tuple[float, ...]) -> None:
    alone = tags([thing(label, box=Box(0.02, 0.4, 0.98, 0.6))]).sum()
    assert tags([thing(label, box=Box(*box))]).sum() == alone > 100


def test_labels_of_things_in_the_same_place_do_not_cover_each_other() -> None:
    alone = tags([thing("cat")]).sum()
    assert tags([thing("cat"), thing("cat"), thing("cat")]).sum() == 3 * alone


def test_a_score_is_drawn_only_where_there_is_one() -> None:
    assert tags([thing("cat", score=0.5)]).sum() > tags([thing("cat")]).sum()
    assert not tags([thing("")]).any()


@pytest.mark.parametrize("changed", [{"box_before": HERE}, {"label_before": "dog"}], ids=["moved", "renamed"])
def test_what_a_person_changed_no_longer_has_the_models_score(changed: dict[str, object]) -> None:
    by_hand = thing("cat", score=0.5, **changed)
    assert by_hand.own_score is None
    assert by_hand.score == 0.5
    assert tags([by_hand]).sum() == tags([thing("cat")]).sum()
    shown = render(canvas(), [by_hand], View(("box",), score_floor=0.9))
    assert np.asarray(shown).tobytes() != np.asarray(canvas()).tobytes(), "no floor hides it"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200), st.sampled_from([1, 40, 400]))
def test_no_label_breaks_the_drawing(label: str, side: int) -> None:
    assert render(Image.new("RGB", (side, side)), [thing(label)], View(overlays=("label",))).size == (side, side)


def test_redrawing_with_many_masks_never_holds_a_picture_per_mask() -> None:
    """60 masks of a tenth of a 3-megapixel picture: as picture-sized arrays 180 MB, as crops a few."""
    image = Image.new("RGB", (2000, 1500), GREY)
    spots = [Box(x / 10, y / 6, x / 10 + 0.1, y / 6 + 0.16) for x in range(10) for y in range(6)]
    found = [Detection("spot", box, mask=ramp(box)) for box in spots]
    render(image, found[:1], View())  # imports
    tracemalloc.start()
    for threshold in (100, 127):
        render(image, found, View(threshold=threshold))
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak < 60


def test_looks_decide_colour_and_tag_in_place_of_the_label() -> None:
    far = Box(0.05, 0.05, 0.2, 0.2)
    image = Image.new("RGB", (200, 160), GREY)
    looks = [Look("#00ff00", "1"), Look("#ff0000", "")]
    drawn = np.asarray(render(image, [thing("cat"), thing("cat", box=far)], View(("box",)), looks=looks))
    assert {tuple(pixel) for pixel in drawn.reshape(-1, 3)} >= {(0, 255, 0), (255, 0, 0)}
    plain = render(image, [thing("cat", box=far)], View(("label",)), looks=[Look("#ff0000", "")])
    assert not changed(image, plain).any()


def test_outlines_are_as_thin_as_they_are_asked_to_be() -> None:
    image = Image.new("RGB", (200, 160), GREY)
    thin, usual, thick = (
        changed(image, render(image, [thing()], View(("box",)), line_px=n)).sum() for n in (1, None, 6)
    )
    assert thin < usual < thick


def test_tags_are_as_large_as_they_are_asked_to_be() -> None:
    image = Image.new("RGB", (400, 320), GREY)
    small, large = (changed(image, render(image, [thing()], View(("label",)), text_px=n)).sum() for n in (12, 36))
    assert large > 4 * small
