"""Builds the tokenizer and processor: `python -m training.tokenizer` writes them to the checkpoint's folder.

Whole words of the scenes' language, then single characters, then bytes: any text encodes, and short prompts stay short.
"""

from __future__ import annotations

import re
import string

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PaliGemmaProcessor, PreTrainedTokenizerFast
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from grounding.codecs.mask_tokens import SEG_CODES
from grounding.codecs.paligemma import LOC_BINS
from scenes.language import NUMBERS, PLACES
from scenes.palette import COLOURS
from scenes.things import KINDS
from training.settings import CHECKPOINT, IMAGE_PX, IMAGE_TOKENS

_SPACE = "▁"
_GRAMMAR = (
    "caption answer detect segment describe en how many are there is the a an what color colour of and in on "
    "left right above below largest smallest biggest yes no nothing number picture image any do you see where "
    "which big small"
)
CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>")


def words() -> list[str]:
    """Every word the scenes' language is made of, and a few more that people ask with."""
    found = set(_GRAMMAR.split()) | set(COLOURS) | set(NUMBERS)
    found |= {kind.name for kind in KINDS.values()} | {kind.plural for kind in KINDS.values()}
    found |= {word for place in PLACES.values() for word in re.findall(r"\w+", place)}
    return sorted(found)


def pieces() -> list[tuple[str, float]]:
    """Pieces and scores of the Unigram model; a whole word always beats its letters."""
    listed: list[tuple[str, float]] = [(name, 0.0) for name in CONTROL]
    listed += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    listed += [("\n", -1.0), (f"{_SPACE};{_SPACE}", -1.0), (f"{_SPACE};", -1.0), (_SPACE, -6.0)]
    listed += [(f"{_SPACE}{word}", -2.0) for word in words()]
    listed += [(f"{_SPACE}{digit}", -2.0) for digit in string.digits]
    listed += [(mark, -8.0) for mark in string.ascii_lowercase + string.digits + string.punctuation]
    return listed


def build() -> Tokenizer:
    """The bare tokenizer, <image>, <loc> and <seg> tokens included."""
    model = models.Unigram(pieces(), unk_id=3, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in CONTROL])
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    places = [f"<loc{k:04d}>" for k in range(LOC_BINS)] + [f"<seg{k:03d}>" for k in range(SEG_CODES)]
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in places])
    return tokenizer


def processor() -> PaliGemmaProcessor:
    fast = PreTrainedTokenizerFast(
        tokenizer_object=build(),
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    images = SiglipImageProcessorPil(
        size={"height": IMAGE_PX, "width": IMAGE_PX}, resample=3, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    images.image_seq_length = IMAGE_TOKENS
    return PaliGemmaProcessor(images, fast)


def main() -> None:
    CHECKPOINT.mkdir(parents=True, exist_ok=True)
    made = processor()
    made.save_pretrained(CHECKPOINT)
    print(f"{len(made.tokenizer)} tokens, {len(words())} words, in {CHECKPOINT.name}/")


if __name__ == "__main__":
    main()
