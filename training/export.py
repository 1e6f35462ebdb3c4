"""Writes the trained weights as a checkpoint that transformers loads: `python -m training.export`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig, PaliGemmaForConditionalGeneration

from training.architecture import build, config, in_a_byte
from training.settings import CHECKPOINT, EOS_BIAS, RUNS
from training.tokenizer import processor

_TEXT = "language_model."

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


def part(folder: Path) -> None:
    """Gives text and tower files of their own, a byte for a number: a leg on a frozen tower leaves the tower's as they
    are, and a new file adds half to the repository of what bfloat16 does. Whoever loads them chooses the dtype."""
    whole: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("model*.safetensors")):
        whole |= load_file(file)
        file.unlink()
    seen = {name: value for name, value in whole.items() if not name.startswith(_TEXT)}
    groups = split_torch_state_dict_into_shards(seen, max_shard_size="3MB").filename_to_tensors.values()
    parts = {"text": [name for name in whole if name.startswith(_TEXT)]}
    parts |= {f"tower-{number}": names for number, names in enumerate(groups, 1)}
    place: dict[str, str] = {}
    size = 0
    for part_name, names in parts.items():
        file = folder / f"model-{part_name}.safetensors"
        kept_as = {name: in_a_byte(whole[name]) for name in names}
        save_file(kept_as, file, {"format": "pt"})
        size += sum(value.nbytes for value in kept_as.values())
        place |= dict.fromkeys(names, file.name)
    index = folder / "model.safetensors.index.json"
    told = json.loads(index.read_text())["metadata"] | {"total_size": size}
    index.write_text(json.dumps({"metadata": told, "weight_map": place}, indent=2, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=CHECKPOINT)
    args = parser.parse_args()
    kept = torch.load(RUNS / "language.pt", weights_only=False)["masters"]["copy"]
    model = assemble({**tower(), **kept}).to(torch.bfloat16)
    for before in args.out.glob("model*.safetensors"):
        before.unlink()  # transformers deletes none with names like ours
    model.save_pretrained(args.out, max_shard_size="9MB")
    part(args.out)
    processor().save_pretrained(args.out)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters in {args.out.name}/")


if __name__ == "__main__":
    main()
