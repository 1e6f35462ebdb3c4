"""Writes the trained weights as a checkpoint that transformers loads: `python -m training.export`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import GenerationConfig, PaliGemmaForConditionalGeneration

from training.architecture import build, config
from training.settings import CHECKPOINT, EOS_BIAS, RUNS
from training.tokenizer import processor

_NAMES = {"vision_tower.": "vision_tower.", "projector.": "multi_modal_projector.", "text.": "language_model."}


def assemble(weights: dict[str, torch.Tensor]) -> PaliGemmaForConditionalGeneration:
    """The model with the trained float32 `weights`; the dense heads are left behind."""
    words = processor().tokenizer
    image = words.convert_tokens_to_ids("<image>")
    model = build(config(len(words), image, pad=words.pad_token_id, bos=words.bos_token_id, eos=words.eos_token_id))
    renamed = {
        new + name[len(old) :]: value
        for name, value in weights.items()
        for old, new in _NAMES.items()
        if name.startswith(old)
    }
    missing, unexpected = model.model.load_state_dict(renamed, strict=False)
    if missing or unexpected:
        raise ValueError(f"weights do not fit: missing {missing[:3]}, unexpected {unexpected[:3]}")
    model.tie_weights()
    model.generation_config = GenerationConfig(
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        sequence_bias=[[[words.eos_token_id], EOS_BIAS]],
    )
    return model.eval()


def tower() -> dict[str, torch.Tensor]:
    """The tower's weights as trained; on another machine than the one that trained it, those that ship."""
    if (path := RUNS / "tower.pt").exists():
        return torch.load(path, weights_only=False)["masters"]["copy"]
    shipped = PaliGemmaForConditionalGeneration.from_pretrained(CHECKPOINT, dtype=torch.float32).model
    parts = {"vision_tower.": shipped.vision_tower, "projector.": shipped.multi_modal_projector}
    return {old + name: value for old, part in parts.items() for name, value in part.state_dict().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=CHECKPOINT)
    args = parser.parse_args()
    kept = torch.load(RUNS / "language.pt", weights_only=False)["masters"]["copy"]
    model = assemble({**tower(), **kept}).to(torch.bfloat16)
    model.save_pretrained(args.out, max_shard_size="9MB")
    processor().save_pretrained(args.out)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters in {args.out.name}/")


if __name__ == "__main__":
    main()
