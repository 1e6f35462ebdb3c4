"""What a vision tower saw, kept so that the next question about the same picture need not look again.

Only what the tower gives is kept. The language model's own memory of a picture is not: in PaliGemma the picture's
tokens attend to the prompt, so from the second layer on it is another one for each prompt.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from PIL import Image

from backends.paligemma_load import Checkpoint
from grounding.images import Picture

LIMIT_BYTES = 256 * 1024 * 1024
"""64 pictures of a 3B model at 448 px (1024 tokens x 2048 x 2 bytes); 2500 of the bundled one."""

_TOGETHER = 8  # pictures looked at in one call


class Features:
    """Of one checkpoint, by the pictures' content; beyond `limit_bytes` the least lately used go. For one thread."""

    def __init__(self, checkpoint: Checkpoint, limit_bytes: int = LIMIT_BYTES) -> None:
        self._checkpoint = checkpoint
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self.bytes = 0

    def of(self, pictures: Sequence[Picture]) -> Any:
        """float[pictures, image tokens, width]; each picture that is not known is looked at once."""
        import torch

        seen = {key: self._kept[key] for each in pictures if (key := each.content_id) in self._kept}
        new = list({each.content_id: each for each in pictures if each.content_id not in seen}.items())
        for first in range(0, len(new), _TOGETHER):
            keys, batch = zip(*new[first : first + _TOGETHER], strict=True)
            # Each apart: a slice of a batch would keep the whole batch in memory.
            seen |= {key: one.clone() for key, one in zip(keys, self._look(batch), strict=True)}
        for key, features in seen.items():
            self._keep(key, features)
        return torch.stack([seen[each.content_id] for each in pictures])

    def clear(self) -> None:
        self._kept.clear()
        self.bytes = 0

    def _look(self, pictures: Sequence[Picture]) -> Any:
        import torch

        model, processor = self._checkpoint.model, self._checkpoint.processor.image_processor
        size = (processor.size["width"], processor.size["height"])
        # What the processor would do too, but without its copies of the picture at full size.
        images = [each.image.convert("RGB").resize(size, Image.Resampling.BICUBIC) for each in pictures]
        pixels = processor(images, return_tensors="pt")["pixel_values"].to(self._checkpoint.device, model.dtype)
        with torch.inference_mode():
            return model.get_image_features(pixels).pooler_output

    def _keep(self, key: str, features: Any) -> None:
        if key not in self._kept:
            self.bytes += features.nbytes
        self._kept[key] = features
        self._kept.move_to_end(key)
        while self.bytes > self._limit_bytes:
            self.bytes -= self._kept.popitem(last=False)[1].nbytes
