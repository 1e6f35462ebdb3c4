"""Fits the mask codec's decoder to the codes the checkpoint says: `python -m training.mask_decoder --seconds 300`.

The codec was trained on the right codes; the language part says about half of the sixteen wrong, most of them nearly
right. A decoder that has seen its mistakes draws the likeliest mask instead of what the wrong codes say to the letter.
Encoder and codebook stay, and so does what the tokens mean. Run it once, after `training.export`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import PaliGemmaForConditionalGeneration

from scenes.language import having, segment
from training.architecture import PatchLinear
from training.language_part import Corpus, load_codes
from training.lean_pass import Rows, answer_states, pad
from training.mask_codec import MaskVAE
from training.render import shards
from training.settings import CHECKPOINT, MASK_CODES
from training.tower import Known, load_known, pixels

_ROUNDS = 3  # of saying all codes at once, given those of the round before: nearly what is said one by one
_RIGHT = 0.3  # of each batch's masks come with the right codes, so that these keep their meaning


def said_codes(text: nn.Module, z: Tensor, rows: Rows, seg0: int, rounds: int = _ROUNDS) -> Tensor:
    """Codes int[k, 16] that are said for the k masks of `rows`, in the order of the rows; places are given."""
    at = torch.arange(rows.tokens.shape[1])[None]
    answer = (at >= rows.prefix[:, None]) & (at < rows.length[:, None])
    seg, tokens = answer & (rows.tokens >= seg0), rows.tokens
    for _ in range(rounds):
        states, _, _ = answer_states(text, z, replace(rows, tokens=tokens))
        said = rows.tokens.clone()
        said[answer] = seg0 + F.linear(states, text.embed_tokens.weight[seg0 : seg0 + MASK_CODES]).argmax(-1)
        tokens = torch.where(seg, said, rows.tokens)
    return (tokens[seg] - seg0).view(-1, 16)


def gather(folder: Path, known: Known, corpus: Corpus, scenes: np.ndarray) -> Iterator[tuple[Tensor, list[int]]]:
    """(codes said, numbers of the masks they are said for), for every class of each scene asked for by itself."""
    model = PaliGemmaForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).eval().model
    model.vision_tower.config._attn_implementation = "matmul"
    model.vision_tower.embeddings.patch_embedding = PatchLinear(model.vision_tower.embeddings.patch_embedding)
    for batch in np.array_split(scenes, max(1, len(scenes) // 16)):
        z = model.multi_modal_projector(model.vision_tower(pixels(known, batch)).last_hidden_state)
        found = []
        for at, row in enumerate(batch):
            things, first = corpus.things(int(row)), int(corpus.first[row])
            for label in sorted({thing.label for thing in things}):
                meant = having(things, label)
                exchange = segment(things, label, meant, partial(corpus.codes_of, int(row)))
                found.append((corpus.encoded(at, exchange), [first + k for k in meant]))
        found.sort(key=lambda each: len(each[0].prompt) + len(each[0].answer))
        rows = pad([each for each, _ in found])
        yield said_codes(model.language_model, z, rows, corpus.seg0), [k for _, meant in found for k in meant]


def soft_iou(shown: Tensor, truth: Tensor) -> Tensor:
    """float[n], of soft masks in [0, 1]."""
    both = (shown * truth).sum((1, 2))
    return both / (shown.sum((1, 2)) + truth.sum((1, 2)) - both).clamp(min=1)


def hard_iou(vae: MaskVAE, codes: Tensor, masks: Tensor) -> float:
    """Mean IoU of what `codes` show with `masks` (uint8[n, 64, 64]), both cut at one half."""
    with torch.no_grad():
        return float(soft_iou((vae.decode(codes) > 0.5).float(), (masks > 127).float()).mean())


def fit(vae: MaskVAE, said: Tensor, right: Tensor, masks: Tensor, seconds: float, batch: int = 64) -> None:
    """Trains the decoder alone; said, right: codes int[n, 16] of masks uint8[n, 64, 64]."""
    optimiser = torch.optim.AdamW(vae.decoder.parameters(), 5e-4, weight_decay=1e-4)
    start, step = time.time(), 0
    while (done := (time.time() - start) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 5e-4 * min(1, (step + 1) / 30) * (1 - 0.97 * done)
        k = torch.randint(len(masks), (batch,))
        codes = torch.where((torch.rand(batch) < _RIGHT)[:, None], right[k], said[k])
        z = vae.codebook[codes].view(-1, 4, 4, vae.codebook.shape[1]).movedim(-1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            shown = vae.decoder(z)[:, 0].float() / 2 + 0.5
        truth = masks[k].float() / 255
        loss = (1 - soft_iou(shown.clamp(0, 1), truth)).mean() + F.mse_loss(shown, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--model", type=Path, default=CHECKPOINT)
    args = parser.parse_args()
    known = load_known()
    corpus = Corpus(known, load_codes(known))
    masks = torch.from_numpy(np.concatenate([shard.mask for shard in shards()]))
    scenes = np.random.default_rng(11).permutation(len(known.owner))[: args.scenes]
    with torch.no_grad():
        parts = list(gather(args.model, known, corpus, scenes))
    said, of = torch.cat([codes for codes, _ in parts]), torch.tensor([k for _, meant in parts for k in meant])
    masks, right = masks[of], torch.from_numpy(corpus.codes[of.numpy()]).long()
    held = len(of) // 10
    vae = MaskVAE.load_npz(args.model / "vae-oid.npz")
    print(f"{len(of)} masks, {float((said == right).float().mean()):.3f} of codes right", flush=True)

    def tell(when: str) -> None:
        figures = (hard_iou(vae, codes[:held], masks[:held]) for codes in (said, right))
        print(f"{when}: IoU {next(figures):.4f} by the codes said, {next(figures):.4f} by the right ones", flush=True)

    tell("before")
    fit(vae, said[held:], right[held:], masks[held:], args.seconds)
    tell("after")
    vae.save_npz(args.model / "vae-oid.npz")


if __name__ == "__main__":
    main()
