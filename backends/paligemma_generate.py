"""Asks a loaded PaliGemma several prompts about several pictures at once. Knows no task, no queue and no thread.

Rows differ in picture, prompt, budget and temperature; each leaves the batch with its last token. Prompts of different
lengths are padded on the left, which changes no answer. `token_type_ids` are always given: without them some
checkpoints silently read the prompt in one direction only.
Sums are rounded differently in batches of different sizes: in 16 bits two tokens that are all but equally likely may
change places between one batch and another. That is so with transformers' own batches too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from backends.paligemma_features import Features
from backends.paligemma_load import Checkpoint
from backends.paligemma_scores import Place, place_columns, places_of
from backends.paligemma_shortcuts import head_read_once, last_token_only
from backends.paligemma_voice import Answer, Kind, Row, Token, Voice, decoder, token_kinds


class Heard(NamedTuple):
    """The next token of a voice, which the caller has to tell it."""

    voice: Voice
    token: Token

    def tell(self) -> None:
        self.voice.hear(self.token)


class Engine:
    """One checkpoint with what it remembers of pictures. For one thread at a time."""

    def __init__(self, checkpoint: Checkpoint, features: Features | None = None) -> None:
        self.checkpoint = checkpoint
        self.features = features or Features(checkpoint)
        tokenizer = checkpoint.processor.tokenizer
        self._decode = decoder(tokenizer)
        vocabulary = tokenizer.get_vocab()
        self._kinds = token_kinds(vocabulary)
        self._first_loc = vocabulary.get("<loc0000>")  # the others follow it, in order
        ends = checkpoint.model.generation_config.eos_token_id
        self._ends = {ends} if isinstance(ends, int) else set(ends or ())
        self._bias = _bias(checkpoint.model)
        self._banned: dict[tuple[Kind, ...], Any] = {}

    def voice(self, row: Row) -> Voice:
        return Voice(row, self._decode)

    def speak(self, voices: Sequence[Voice]) -> Iterator[list[Heard]]:
        """The next token of every voice that still speaks, again and again until none does.

        The caller tells each token to its voice before it goes on. A voice that is done or left speaks no more.
        """
        model = self.checkpoint.model
        prompts = self._prompts([voice.row.prefix for voice in voices])
        lengths, images = prompts["attention_mask"].sum(1), (prompts["input_ids"] == model.config.image_token_id).sum(1)
        room = int(model.config.text_config.max_position_embeddings) - prompts["input_ids"].shape[1]
        for voice, length, of_image in zip(voices, lengths.tolist(), images.tolist(), strict=True):
            voice.prompt_tokens, voice.image_tokens = length, of_image
            voice.budget = max(1, min(voice.row.max_tokens, room))
        run = _Run(model, prompts, self.features.of([voice.row.picture for voice in voices]))
        rows, logits = list(voices), run.begin()
        while True:
            heard, tokens = self._choose(logits, rows)
            yield heard
            going = [place for place, voice in enumerate(rows) if not (voice.done or voice.left)]
            if not going:
                return
            if len(going) < len(rows):
                rows, tokens = [rows[place] for place in going], tokens[going]
                run.keep(going)
            logits = run.go_on(tokens)

    def _prompts(self, prefixes: Sequence[str]) -> dict[str, Any]:
        """What the processor makes of picture and prefix, without having it prepare the picture for each prefix."""
        processor = self.checkpoint.processor
        tokenizer, image = processor.tokenizer, self.checkpoint.model.config.image_token_id
        each = tokenizer([f"{processor.image_token}{tokenizer.bos_token}{prefix}\n" for prefix in prefixes])[
            "input_ids"
        ]
        at = [ids.index(image) for ids in each]
        each = [ids[:i] + [image] * processor.image_seq_length + ids[i + 1 :] for i, ids in zip(at, each, strict=True)]
        padded = tokenizer.pad({"input_ids": each}, padding=True, padding_side="left", return_tensors="pt")
        return {key: padded[key].to(self.checkpoint.device) for key in ("input_ids", "attention_mask")}

    def _choose(self, logits: Any, voices: Sequence[Voice]) -> tuple[list[Heard], Any]:
        """Each voice's next token: the likeliest, or one drawn by its temperature, that keeps boxes and masks whole."""
        import torch

        with torch.inference_mode():
            scores = logits.float() if self._bias is None else logits.float() + self._bias
            tokens = scores.argmax(-1)
            forced = [False] * len(voices)
            for place, (voice, token) in enumerate(zip(voices, tokens.tolist(), strict=True)):
                if voice.row.temperature > 0:
                    fitting = scores[place].masked_fill(self._outside(voice.allows, scores), -torch.inf)
                    tokens[place] = torch.multinomial((fitting / voice.row.temperature).softmax(-1), 1)[0]
                elif self._kinds.get(token, Kind.WORD) not in voice.allows:
                    tokens[place] = scores[place].masked_fill(self._outside(voice.allows, scores), -torch.inf).argmax()
                    forced[place] = True
            total = scores.logsumexp(-1)
            log_probs = scores.gather(1, tokens[:, None])[:, 0] - total
            places = self._places(scores, total)
        said = [
            Token(token, log_prob, self._kinds.get(token, Kind.WORD), token in self._ends, was_forced, place)
            for token, log_prob, was_forced, place in zip(
                tokens.tolist(), log_probs.tolist(), forced, places, strict=True
            )
        ]
        return [Heard(voice, token) for voice, token in zip(voices, said, strict=True)], tokens

    def _places(self, scores: Any, total: Any) -> Sequence[Place | None]:
        first = self._first_loc
        if first is None:
            return [None] * len(scores)
        return places_of(place_columns(scores, first, total).tolist())

    def _outside(self, allowed: tuple[Kind, ...], scores: Any) -> Any:
        """bool[vocabulary]: which tokens are of no allowed kind."""
        import torch

        if allowed not in self._banned:
            kinds = (self._kinds.get(token, Kind.WORD) for token in range(scores.shape[-1]))
            self._banned[allowed] = torch.tensor([kind not in allowed for kind in kinds], device=scores.device)
        return self._banned[allowed]


def _bias(model: Any) -> Any:
    """float[vocabulary]: what the checkpoint's generation config adds to single tokens; None where it adds nothing.

    transformers' `sequence_bias`, [[[token], nats], …]. Of longer sequences, which no PaliGemma has, nothing is heeded.
    """
    import torch

    given = model.generation_config.sequence_bias
    pairs = given.items() if isinstance(given, dict) else given or ()
    single = {sequence[0]: nats for sequence, nats in pairs if len(sequence) == 1}
    if not single:
        return None
    bias = torch.zeros(model.get_output_embeddings().weight.shape[0], device=model.device)
    bias[list(single)] = torch.tensor(list(single.values()), device=model.device)
    return bias


class _Run:
    """A batch on its way: prompts read once, then a token for each row at a time."""

    def __init__(self, model: Any, prompts: dict[str, Any], features: Any) -> None:
        from transformers import DynamicCache

        self._model, self._prompts, self._features = model, prompts, features
        self._mask = prompts["attention_mask"]
        self._cache = DynamicCache(config=model.config)

    def begin(self) -> Any:
        """float[rows, vocabulary]: what may come first."""
        import torch
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        ids = self._prompts["input_ids"]
        seen = BaseModelOutputWithPooling(pooler_output=self._features)
        with last_token_only(self._model):
            return self._forward(
                ids, self._mask.cumsum(1), token_type_ids=torch.zeros_like(ids), mm_encoder_outputs={"image": seen}
            )

    def go_on(self, tokens: Any) -> Any:
        """What may come behind `tokens`, int[rows]."""
        import torch

        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], 1)
        return self._forward(tokens[:, None], self._mask.sum(1, keepdim=True))

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only."""
        import torch

        self._mask = self._mask[rows]
        with torch.inference_mode():
            self._cache.batch_select_indices(torch.tensor(rows, device=self._mask.device))

    def _forward(self, ids: Any, positions: Any, **first: Any) -> Any:
        import torch

        with torch.inference_mode(), head_read_once(self._model):
            said = self._model(
                input_ids=ids,
                attention_mask=self._mask,
                position_ids=positions,  # PaliGemma counts from 1
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
                **first,
            )
            return said.logits[:, -1]


def generate(engine: Engine, rows: Sequence[Row]) -> list[Answer]:
    """One Answer for each row, all in one batch."""
    voices = [engine.voice(row) for row in rows]
    for heard in engine.speak(voices):
        for each in heard:
            each.tell()
    return [voice.answer() for voice in voices]
