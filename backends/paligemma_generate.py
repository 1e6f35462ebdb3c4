"""Asks a loaded PaliGemma several prefixes about one picture at once. Knows no task, no grammar and no box.

The picture goes through the vision tower once; prompts of different lengths are padded on the left, which changes no
answer. `token_type_ids` are always given: without them some checkpoints silently read the prompt in one direction only.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from backends.paligemma_load import Checkpoint


@dataclass(frozen=True)
class Answer:
    """What the model said to one prefix.

    text: without control tokens; ends: where in it each token ends; log_probs: what the model gave each token.
    cut: whether the token budget ended it. prompt_tokens count the picture's, which image_tokens are.
    """

    text: str
    ends: tuple[int, ...]
    log_probs: tuple[float, ...]
    cut: bool
    prompt_tokens: int
    image_tokens: int
    answer_tokens: int

    def probability(self, start: int, end: int) -> float | None:
        """Geometric mean of the probabilities of the tokens that make text[start:end]; None for no tokens."""
        first, last = bisect_right(self.ends, start), bisect_left(self.ends, end)
        tokens = self.log_probs[first : last + 1]
        return math.exp(sum(tokens) / len(tokens)) if tokens and start < end else None


def generate(
    checkpoint: Checkpoint,
    image: Image.Image,
    prefixes: Sequence[str],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    stop: threading.Event | None = None,
) -> list[Answer]:
    """One Answer for each of `prefixes`, the likeliest where temperature is 0. Once `stop` is set, answers are cut."""
    import torch
    from transformers import LogitsProcessorList, StoppingCriteriaList

    model, processor = checkpoint.model, checkpoint.processor
    size = processor.image_processor.size
    # What the processor would do to the picture, done once instead of for each prefix.
    image = image.convert("RGB").resize((size["width"], size["height"]), Image.Resampling.BICUBIC)
    inputs = processor(
        images=[image] * len(prefixes), text=[f"<image>{p}" for p in prefixes], padding=True, return_tensors="pt"
    ).to(checkpoint.device)
    ids = inputs["input_ids"]
    watch = _watch(torch)
    with torch.inference_mode():
        pixels = inputs["pixel_values"][:1].to(model.dtype)
        seen = model.get_image_features(pixels)
        seen.pooler_output = seen.pooler_output.expand(len(prefixes), -1, -1)
        said = model.generate(
            input_ids=ids,
            attention_mask=inputs["attention_mask"],
            token_type_ids=inputs["token_type_ids"],
            mm_encoder_outputs={"image": seen},
            max_new_tokens=min(max_tokens, _room(model, ids.shape[1])),
            do_sample=temperature > 0,
            **({"temperature": temperature} if temperature > 0 else {}),
            logits_processor=LogitsProcessorList([watch]),
            stopping_criteria=StoppingCriteriaList([_stopper(torch, stop)]),
        )
    log_probs = watch.log_probs(said)
    ends = model.generation_config.eos_token_id
    ends = {ends} if isinstance(ends, int) else set(ends or ())
    prompt = inputs["attention_mask"].sum(1).tolist()
    pictures = (ids == model.config.image_token_id).sum(1).tolist()
    return [
        _answer(processor.tokenizer, row[ids.shape[1] :].tolist(), probs, ends, prompt_tokens, image_tokens)
        for row, probs, prompt_tokens, image_tokens in zip(said, log_probs.tolist(), prompt, pictures, strict=True)
    ]


def _room(model: Any, prompt_length: int) -> int:
    return max(1, int(model.config.text_config.max_position_embeddings) - prompt_length)


def _answer(
    tokenizer: Any, ids: list[int], log_probs: list[float], ends: set[int], prompt_tokens: int, image_tokens: int
) -> Answer:
    length = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    cut = length == len(ids)
    ids = ids[:length]
    # Token by token, because how a token reads depends on those before it (spaces, characters of several bytes).
    texts = [
        tokenizer.decode(ids[: n + 1], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for n in range(length)
    ]
    ends_at, at = [], 0
    for text in texts:
        at = max(at, len(text))
        ends_at.append(at)
    return Answer(
        texts[-1] if texts else "",
        tuple(ends_at),
        tuple(log_probs[:length]),
        cut,
        prompt_tokens,
        image_tokens,
        length + (not cut),
    )


def _watch(torch: Any) -> Any:
    """A logits processor that changes nothing and keeps the log probability of every token that was then chosen.

    Keeping the logits themselves, as generate() offers, takes a megabyte a token with PaliGemma's vocabulary.
    """
    from transformers import LogitsProcessor

    class Watch(LogitsProcessor):  # type: ignore[misc]
        def __init__(self) -> None:
            self._last: Any = None
            self._kept: list[Any] = []

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            if self._last is not None:
                self._keep(input_ids[:, -1:])
            self._last = scores.float().log_softmax(-1)
            return scores

        def _keep(self, chosen: Any) -> None:
            self._kept.append(self._last.gather(1, chosen))

        def log_probs(self, sequences: Any) -> Any:
            """float[rows, new tokens] once all is said."""
            self._keep(sequences[:, -1:])
            return torch.cat(self._kept, 1)

    return Watch()


def _stopper(torch: Any, stop: threading.Event | None) -> Any:
    def stopped(input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.full((len(input_ids),), stop is not None and stop.is_set(), device=input_ids.device)

    return stopped
