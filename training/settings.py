"""Every seed, size and schedule of the bundled checkpoint, in one place."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "training" / "runs"  # git-ignored: rendered scenes, logs, optimiser states
CHECKPOINT = ROOT / "assets" / "pinpoint-nano"

TRAINING_SEEDS = 1 << 40
"""Scene seeds from here up are for training; everything shown or measured uses seeds below."""

IMAGE_PX = 160
PATCH_PX = 16
IMAGE_TOKENS = (IMAGE_PX // PATCH_PX) ** 2

VISION = {"hidden_size": 192, "intermediate_size": 640, "num_hidden_layers": 6, "num_attention_heads": 3}
TEXT = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "head_dim": 64,
}

SHARD = 4000  # scenes per rendered shard
MASK_PX = 64
MASK_CODES = 128

GRID = 128
"""Places along a side that boxes are said on: at 160 px a finer one cannot be seen. Spread over all 1,024 tokens, a
place that is sure to within a pixel gives none of them a tenth, and greedy decoding then says <eos>: nothing there."""

EOS_BIAS = -1.5
"""Nats added to <eos>: the model is too ready to say that nothing (more) is there. Chosen on scenes of seed 5."""

ROPE_THETA = 1e7
"""Far above Gemma's 10,000: most of a head's 64 numbers then compare content alone, whatever the distance."""
