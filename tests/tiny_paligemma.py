"""A PaliGemma of 175,000 weights that learned eight answers by heart: real inference in milliseconds, no network.

Whatever the picture, it gives ANSWERS to the prompts it knows; other prompts get whatever comes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEGS = "".join(f"<seg{code:03d}>" for code in range(16))


def _locs(*yxyx: int) -> str:
    return "".join(f"<loc{value:04d}>" for value in yxyx)


ANSWERS = {
    "caption en": "a cat on grass",
    "answer en how many cats ?": "two",
    "detect cat": f"{_locs(100, 200, 300, 400)} cat ; {_locs(500, 600, 700, 800)} cat",
    "detect dog": "",
    "detect red car": f"{_locs(10, 10, 500, 500)} red car",
    "detect grass": f"{_locs(10, 10, 500, 500)} grass ; {_locs(10, 10, 500, 510)} grass",
    "detect house": "two cats",
    "segment cat": f"{_locs(100, 200, 300, 400)} {SEGS} cat",
}
_WORDS = (
    "<pad> <eos> <bos> <unk> \n ; caption en detect segment answer how many cats ? cat dog red car a on grass two house"
)
_STEPS = 80  # the loss is below 0.01 from 60 on


def random_mask_weights(seed: int = 0, dtype: type = np.float32) -> dict[str, np.ndarray]:
    """Every array of `vae-oid.npz` by its official name and shape, filled so that signals neither fade nor blow up."""
    shapes: dict[str, tuple[int, ...]] = {"decoder.0": (128, 512, 1, 1), "decoder.12": (1, 16, 1, 1)}
    shapes |= {f"decoder.{4 + 2 * i}": (128 >> max(i - 1, 0), 128 >> i, 4, 4) for i in range(4)}
    shapes |= {f"encoder.{2 * i}": ((16, 32, 64, 128)[i], (1, 16, 32, 64)[i], 4, 4) for i in range(4)}
    shapes |= {"encoder.10": (512, 128, 1, 1)}
    for block in ("decoder.2", "decoder.3", "encoder.8", "encoder.9"):
        shapes |= {f"{block}.net.{i}": (128, 128, k, k) for i, k in ((0, 3), (2, 3), (4, 1))}
    random = np.random.default_rng(seed)
    weights = {"_vq_vae._embedding": random.normal(size=(128, 512)).astype(dtype)}
    for key, shape in shapes.items():
        doubling = key in ("decoder.4", "decoder.6", "decoder.8", "decoder.10")
        fan_in = shape[0] * 4 if doubling else int(np.prod(shape[1:]))
        weights[f"{key}.weight"] = (random.normal(size=shape) * (2 / fan_in) ** 0.5).astype(dtype)
        weights[f"{key}.bias"] = (random.normal(size=shape[1] if doubling else shape[0]) * 0.1).astype(dtype)
    weights["decoder.12.weight"] *= 0.2  # so that most of the mask lies inside [-1, 1]
    return weights


def build(folder: Path, *, text: str = "gemma", steps: int = _STEPS) -> Path:
    """Writes the checkpoint and a random mask codebook into `folder`. text: "gemma" or, as in PaliGemma 2, "gemma2"."""
    import torch
    import transformers
    from PIL import Image

    transformers.logging.disable_progress_bar()
    processor = _processor(transformers)
    model = _model(torch, transformers, processor, text)
    picture = Image.new("RGB", (40, 30), "red")
    processor.tokenizer.padding_side = "right"
    lessons = processor(
        images=[picture] * len(ANSWERS),
        text=[f"<image>{prompt}" for prompt in ANSWERS],
        suffix=list(ANSWERS.values()),
        padding=True,
        return_tensors="pt",
    )
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so little work is slower when it is shared
    try:
        for _ in range(steps):
            loss = model(**lessons).loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    finally:
        torch.set_num_threads(threads)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    np.savez(folder / "vae-oid.npz", **random_mask_weights(dtype=np.float16))
    return folder


def _processor(transformers):  # type: ignore[no-untyped-def]
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(_WORDS.split(" "))}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\n|\w+|[^\w\s]"), "isolated"), pre_tokenizers.Split(" ", "removed")]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"
    )
    pictures = transformers.SiglipImageProcessor(size={"height": 28, "width": 28})
    pictures.image_seq_length = 4
    return transformers.PaliGemmaProcessor(pictures, tokenizer)


def _model(torch, transformers, processor, text):  # type: ignore[no-untyped-def]
    size = len(processor.tokenizer)
    tokens = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    vision = transformers.SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        vision_use_head=False,
    )
    kind = {"gemma": transformers.GemmaConfig, "gemma2": transformers.Gemma2Config}[text]
    words = kind(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
        **({"sliding_window": 4096, "query_pre_attn_scalar": 16} if text == "gemma2" else {}),
        **tokens,
    )
    torch.manual_seed(0)
    return transformers.PaliGemmaForConditionalGeneration(
        transformers.PaliGemmaConfig(
            vision_config=vision,
            text_config=words,
            image_token_index=processor.image_token_id,
            vocab_size=size,
            projection_dim=64,
            hidden_size=64,
            **tokens,
        )
    )
