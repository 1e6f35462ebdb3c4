"""Many rows at once say what each says alone; a picture is looked at once; boxes and masks stay whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backends import paligemma_load
from backends.paligemma_features import Features
from backends.paligemma_generate import Engine, generate
from backends.paligemma_load import Checkpoint
from backends.paligemma_masks import MaskDecoder
from backends.paligemma_voice import Answer, Kind, Row, Token, Voice, token_kinds
from grounding.codecs.mask_tokens import MaskCodec
from grounding.images import Picture, load
from tests import tiny_paligemma
from tests.backends.conftest import Model

PICTURES = [load(Image.effect_noise((90, 60), 90)), load(Image.linear_gradient("L")), load(Image.new("RGB", (9, 9)))]
PROMPTS = ["caption en", "detect cat", "detect cat ; dog ; red car", "segment cat", "answer en how many cats ?"]


def alone(checkpoint: Checkpoint, row: Row) -> list[int]:
    """What the model card's own lines give, without the end mark."""
    inputs = checkpoint.processor(images=row.picture.image, text=f"<image>{row.prefix}", return_tensors="pt")
    inputs.pop("labels", None)
    said = checkpoint.model.generate(**inputs, max_new_tokens=row.max_tokens, do_sample=False)
    ids: list[int] = said[0, inputs["input_ids"].shape[1] :].tolist()
    return ids[:-1] if ids[-1] == checkpoint.model.generation_config.eos_token_id else ids


def held_to(checkpoint: Checkpoint, answer: Answer, plain: list[int]) -> None:
    """`answer` is `plain` token for token, or as far as `plain` keeps its boxes and masks whole."""
    kinds = token_kinds(checkpoint.processor.tokenizer.get_vocab())
    voice = Voice(Row(PICTURES[0], "", 1000), lambda ids: "")
    for said, token in zip(answer.ids, plain, strict=False):
        kind = kinds.get(token, Kind.WORD)
        if kind not in voice.allows:
            assert answer.forced
            return
        assert said == token
        voice.hear(Token(token, 0.0, kind, False, False, None))
    assert len(answer.ids) == len(plain) or answer.forced
    assert len(answer.ids) >= len(plain)


@pytest.mark.parametrize("text", ["gemma", "gemma2"])
def test_rows_of_several_pictures_prompts_and_budgets_say_what_each_says_alone(
    untaught: Callable[[str], Path], text: str
) -> None:
    checkpoint = paligemma_load.load(str(untaught(text)), None)
    rows = [Row(picture, prompt, 5 + 4 * i) for i, prompt in enumerate(PROMPTS) for picture in PICTURES[:2]]
    for row, answer in zip(rows, generate(Engine(checkpoint), rows), strict=True):
        held_to(checkpoint, answer, alone(checkpoint, row))


@pytest.mark.parametrize(("wish", "nats"), [("<eos>", 99.0), ("said first", -99.0)])
def test_a_checkpoints_own_bias_is_heeded_as_transformers_heeds_it(
    untaught: Callable[[str], Path], wish: str, nats: float
) -> None:
    checkpoint = paligemma_load.load(str(untaught("gemma")), None)
    row, settings = Row(PICTURES[0], "caption en", 12), checkpoint.model.generation_config
    (before,) = generate(Engine(checkpoint), [row])
    settings.sequence_bias = [[[settings.eos_token_id if wish == "<eos>" else before.ids[0]], nats]]
    (after,) = generate(Engine(checkpoint), [row])
    held_to(checkpoint, after, alone(checkpoint, row))
    assert after.ids != before.ids


def test_well_formed_answers_are_not_changed(checkpoint: Checkpoint) -> None:
    rows = [Row(PICTURES[0], prompt, 60) for prompt in tiny_paligemma.ANSWERS]
    answers = generate(Engine(checkpoint), rows)
    texts = [answer.text.replace(" ", "") for answer in answers]  # the tiny tokenizer puts more of them than Gemma's
    assert texts == [text.replace(" ", "") for text in tiny_paligemma.ANSWERS.values()]
    assert {answer.forced for answer in answers} == {0}
    assert [list(answer.ids) for answer in answers] == [alone(checkpoint, row) for row in rows]


def test_the_bundled_checkpoint_says_what_it_says_alone(bundled: Checkpoint) -> None:
    rows = [Row(picture, prompt, 16) for picture in PICTURES[:1] for prompt in PROMPTS]
    for row, answer in zip(rows, generate(Engine(bundled), rows), strict=True):
        held_to(bundled, answer, alone(bundled, row))
        assert answer.text == bundled.processor.decode(list(answer.ids), skip_special_tokens=True)


def test_prompts_are_tokenised_as_the_processor_does(checkpoint: Checkpoint, bundled: Checkpoint) -> None:
    for loaded in (checkpoint, bundled):
        made = Engine(loaded)._prompts(PROMPTS)
        texts = [f"<image>{prompt}" for prompt in PROMPTS]
        images = [PICTURES[0].image] * len(PROMPTS)
        expected = loaded.processor(images=images, text=texts, padding=True, return_tensors="pt")
        for key in ("input_ids", "attention_mask"):
            assert made[key].tolist() == expected[key].tolist()


def test_what_a_language_model_keeps_of_a_picture_depends_on_the_prompt(checkpoint: Checkpoint) -> None:
    """Why only the vision tower's features are kept: from the second layer on each prompt sees another picture."""
    from transformers import DynamicCache

    kept = []
    for prompt in ("detect cat", "detect dog"):
        inputs = checkpoint.processor(images=PICTURES[0].image, text=f"<image>{prompt}", return_tensors="pt")
        inputs.pop("labels")
        cache = DynamicCache(config=checkpoint.model.config)
        checkpoint.model(**inputs, past_key_values=cache, use_cache=True)
        kept.append([layer.keys[:, :, :4].detach().numpy() for layer in cache.layers])  # 4 image tokens
    (first, second), (other_first, other_second) = kept
    assert np.allclose(first, other_first, atol=1e-6)
    assert not np.allclose(second, other_second, atol=1e-3)


# Pictures


def test_a_picture_is_looked_at_once(watched: Checkpoint, model: Model) -> None:
    engine = Engine(watched)
    rows = [Row(picture, "caption en", 2) for picture in PICTURES]
    generate(engine, [rows[0]] * 3)
    assert model.looks == [1]
    same_again = Row(Picture(PICTURES[0].image.copy(), "another name"), "detect cat", 2)
    generate(engine, [same_again, rows[1], rows[2]])
    assert model.looks == [1, 2]
    generate(engine, [*rows, same_again])
    assert model.looks == [1, 2]


def test_features_are_kept_up_to_a_limit_the_least_used_go_first(watched: Checkpoint, model: Model) -> None:
    one = Features(watched).of(PICTURES[:1]).nbytes
    features = Features(watched, limit_bytes=2 * one)
    del model.looks[:]
    for picture in (0, 1, 0, 2, 0, 1):
        assert features.of([PICTURES[picture]]).shape[0] == 1
        assert features.bytes <= 2 * one
    assert len(model.looks) == 4, "0, 1 and 2 once, and 1 again after 2 took its place"
    assert Features(watched, limit_bytes=0).of(PICTURES).shape[0] == 3


def test_features_do_not_mix_up_pictures(checkpoint: Checkpoint) -> None:
    features = Features(checkpoint)
    apart = [features.of([picture])[0] for picture in PICTURES]
    together = Features(checkpoint).of(PICTURES[::-1])
    for one, other in zip(apart, together.flip(0), strict=True):
        assert np.allclose(one, other, atol=1e-5)


# Whole boxes and masks

_SAID = {Kind.LOC: "L", Kind.SEG: "S", Kind.WORD: "w"}


@given(st.data())
def test_whatever_is_allowed_is_well_formed(data: st.DataObject) -> None:
    voice = Voice(Row(PICTURES[0], "", 1000), lambda ids: "x" * len(ids))
    kinds = []
    for _ in range(data.draw(st.integers(0, 60))):
        kind = data.draw(st.sampled_from(voice.allows))
        voice.hear(Token(0, 0.0, kind, False, False, None))
        kinds.append(_SAID[kind])
    said = "".join(kinds)
    assert re.fullmatch(r"w*(?:(?:LLLL)+w*(?:S{16}w*)?)*(?:(?:LLLL)*L{0,3}|(?:LLLL)+w*S{0,15})", said), said


def test_the_model_is_held_to_whole_boxes_and_masks(checkpoint: Checkpoint) -> None:
    class Stubborn:
        """Finds one token likeliest, always."""

        def __init__(self, model: Any, wish: str) -> None:
            self._model, self.wish = model, checkpoint.processor.tokenizer.convert_tokens_to_ids(wish)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._model, name)

        def __call__(self, **inputs: Any) -> Any:
            said = self._model(**inputs)
            said.logits[:, -1, self.wish] += 1000
            return said

    for wish, count in (("<loc0007>", 8), ("<seg003>", 8 - 4), ("cat", 8)):
        model = Stubborn(checkpoint.model, wish)
        (answer,) = generate(Engine(replace(checkpoint, model=model)), [Row(PICTURES[0], "detect cat", 8)])
        assert answer.ids.count(model.wish) == count
        assert bool(answer.forced) == (wish == "<seg003>"), "a mask cannot begin without a box"


# Masks


def test_masks_on_the_device_are_those_of_the_codec() -> None:
    codec = MaskCodec(tiny_paligemma.random_mask_weights())
    codes = np.random.default_rng(0).integers(0, 128, (70, 16))
    decoder = MaskDecoder(codec, "cpu")
    masks = decoder.decode(codes)
    assert (masks.dtype, masks.shape) == (np.dtype(np.float32), (70, 64, 64))
    assert np.abs(masks[:9] - codec.decode(codes[:9])).max() < 1e-4
    assert np.allclose(decoder.decode(codes[66:]), masks[66:], atol=1e-5), "those beyond one call are others"
    assert decoder.decode(codes[:0]).shape == (0, 64, 64)


def test_masks_come_from_the_codec_where_the_device_fails() -> None:
    class Full(MaskDecoder):
        def _decode(self, codes: np.ndarray) -> np.ndarray:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    codec = MaskCodec(tiny_paligemma.random_mask_weights())
    codes = np.random.default_rng(0).integers(0, 128, (2, 16))
    assert np.array_equal(Full(codec, "cpu").decode(codes), codec.decode(codes))


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param(np.zeros((1, 15), int), id="15 tokens"),
        pytest.param(np.full((1, 16), 128), id="no such code"),
        pytest.param(np.full((1, 16), -1), id="negative"),
        pytest.param(np.zeros((1, 16)), id="not whole numbers"),
    ],
)
def test_what_are_no_mask_tokens_is_refused(codes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="mask tokens"):
        MaskDecoder(MaskCodec(tiny_paligemma.random_mask_weights()), "cpu").decode(codes)
