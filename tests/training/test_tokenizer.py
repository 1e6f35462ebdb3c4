"""Every text encodes and comes back; the grammar stays short; transformers' own processor loads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.settings import IMAGE_TOKENS
from training.tokenizer import build, processor, words

TOKENIZER = build()
LOCS = "<loc0001><loc0002><loc1022><loc1023>"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("detect cat ; red car\n", 6, id="a prompt"),
        pytest.param(f"{LOCS} cat ; {LOCS} cat", 11, id="two boxes"),
        pytest.param(f"{LOCS} {'<seg127>' * 16} red car", 23, id="a mask"),
        pytest.param("two cats and one car and one apple on the water", 11, id="a caption"),
        pytest.param("answer en how many cats are there?\n", 9, id="a question"),
        pytest.param("3", 1, id="a number"),
    ],
)
def test_the_grammar_takes_few_tokens_and_comes_back(text, tokens):
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    assert len(ids) == tokens
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text


def test_every_word_of_the_language_is_one_token():
    assert all(len(TOKENIZER.encode(word).ids) == 1 for word in words())


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_encodes_without_unknowns(text):
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    assert TOKENIZER.token_to_id("<unk>") not in ids or "<unk>" in text


@given(st.text("abcxyz0189 ;,.?éß猫🐱", max_size=30).map(str.strip).filter(lambda t: "  " not in t))
def test_text_comes_back_as_it_was(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text).ids) == text


def test_the_processor_builds_paligemma_rows(tmp_path):
    from transformers import AutoProcessor

    processor().save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    picture = Image.new("RGB", (64, 48))
    texts = ["<image>detect cat", "<image>answer en how many cats are there?"]
    rows = loaded(images=[picture] * 2, text=texts, padding=True, return_tensors="pt")
    pieces = loaded.tokenizer.convert_ids_to_tokens(rows["input_ids"][0].tolist())
    assert loaded.tokenizer.padding_side == "left"
    assert pieces[0] == "<pad>"
    assert pieces.count("<image>") == IMAGE_TOKENS
    assert pieces[-4:] == ["<bos>", "▁detect", "▁cat", "\n"]
    assert rows["pixel_values"].shape == (2, 3, 160, 160)
