"""A PaliGemma with random weights, but the real vocabulary's size and number of image tokens: right for timing only.

Each answer goes on to its budget: the rows of <eos>, <locNNNN> and <segNNN> in the embedding are zero, so that these
tokens are never the likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.paligemma_load import Checkpoint

VOCABULARY = 257_216
IMAGE_SIZE = 448  # 1024 image tokens
_LOC_AND_SEG = 1024 + 128 + 1  # and <image>: the processor adds them behind the words


@dataclass(frozen=True)
class Shape:
    """Widths and depths; `parameters` follow from them."""

    hidden: int
    layers: int
    intermediate: int
    heads: int
    head_size: int
    vision_hidden: int
    vision_layers: int
    vision_intermediate: int
    vision_heads: int


SMALL = Shape(384, 6, 3072, 8, 64, 288, 6, 1152, 6)
"""Some 130 million, 99 of them the real vocabulary's embedding. Layers in the 3B's proportions, a fifth as wide and a
third as deep."""

THREE_B = Shape(2048, 18, 16_384, 8, 256, 1152, 27, 4304, 16)
"""google/paligemma-3b-*-448's."""


def build(shape: Shape, device: str, dtype: str, seed: int = 0) -> Checkpoint:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    processor = _processor(transformers)
    torch.manual_seed(seed)
    with torch.device(device):
        torch.set_default_dtype(getattr(torch, dtype))
        try:
            model = transformers.PaliGemmaForConditionalGeneration(_config(transformers, shape, processor))
        finally:
            torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        silent = [1, *range(VOCABULARY - _LOC_AND_SEG, VOCABULARY)]
        model.get_input_embeddings().weight[silent] = 0
    model.eval()
    return Checkpoint("random", Path(), model, processor, device, dtype)


def _config(transformers: Any, shape: Shape, processor: Any) -> Any:
    tokens = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    vision = transformers.SiglipVisionConfig(
        hidden_size=shape.vision_hidden,
        intermediate_size=shape.vision_intermediate,
        num_hidden_layers=shape.vision_layers,
        num_attention_heads=shape.vision_heads,
        image_size=IMAGE_SIZE,
        patch_size=14,
        vision_use_head=False,
    )
    words = transformers.GemmaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=1,
        head_dim=shape.head_size,
        max_position_embeddings=8192,
        initializer_range=0.1,  # at the usual 0.02 a random model says one token for ever
        **tokens,
    )
    return transformers.PaliGemmaConfig(
        vision_config=vision,
        text_config=words,
        image_token_index=processor.image_token_id,
        vocab_size=VOCABULARY,
        projection_dim=shape.hidden,
        hidden_size=shape.hidden,
        **tokens,
    )


def _processor(transformers: Any) -> Any:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    known = ["<pad>", "<eos>", "<bos>", "<unk>", "\n", "detect"]
    known += [f"w{number}" for number in range(VOCABULARY - _LOC_AND_SEG - len(known))]
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(known)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\n|\w+|[^\w\s]"), "isolated"), pre_tokenizers.Split(" ", "removed")]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"
    )
    tokenizer.padding_side = "left"
    pictures = transformers.SiglipImageProcessor(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    pictures.image_seq_length = (IMAGE_SIZE // 14) ** 2
    return transformers.PaliGemmaProcessor(pictures, tokenizer)
