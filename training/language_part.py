"""Trains the language part on a trained tower: `python -m training.language_part`.

Starts from what the tower's heads learned: words and coordinates share their directions. Steps take `lean_pass`.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PaliGemmaForConditionalGeneration

from grounding.types import Box
from scenes import COLOURS, LABELS
from scenes.composing import look_of
from scenes.language import Exchange, as_true, tasks
from training.architecture import PatchLinear, build, config, in_a_byte
from training.lean_pass import Encoded, Rows, answer_states, pad, token_losses
from training.mask_codec import MaskVAE
from training.optimising import Masters, join
from training.planting import plant
from training.render import shards
from training.scene_reader import is_narrow, plant_reader, widened
from training.settings import CHECKPOINT, GRID, IMAGE_TOKENS, RUNS, SHARD, TRAINING_SEEDS
from training.tokenizer import build as build_tokenizer
from training.tower import Heads, Known, load_known, losses, pixels

_COLOUR_NAMES = list(COLOURS)


class Thing(NamedTuple):
    label: str
    colour: str
    box: Box


def on_grid(corners: Sequence[float]) -> Box:
    """The box with its edges at the nearest places of the grid, never empty."""
    x1, y1, x2, y2 = (min(GRID, max(0, round(v * GRID))) for v in corners)
    x1, y1 = min(x1, GRID - 1), min(y1, GRID - 1)
    return Box(x1 / GRID, y1 / GRID, max(x2, x1 + 1) / GRID, max(y2, y1 + 1) / GRID)


def silence_between(table: Tensor, loc0: int) -> None:
    """Points the <loc> tokens that lie between the grid's places away from all that states say of places."""
    place = torch.arange(1024)
    between = (place % (1024 // GRID) != 0) & (place != 1023)
    rows = table[loc0 : loc0 + 1024]
    rows[between] = -1.5 * rows[~between].mean(0)


def left_to_name(tokenizer: Tokenizer, caption: str) -> dict[int, list[int]]:
    """By place in a caption, the tokens that would do as well: it names things in any order, each word one token."""
    return {
        at: [tokenizer.encode(word, add_special_tokens=False).ids[0] for word in others]
        for at, (_, *others) in enumerate(as_true(caption))
        if others
    }


class Corpus:
    """Exchanges about the rendered scenes, fresh at every call."""

    def __init__(self, known: Known, codes: np.ndarray) -> None:
        self.tokenizer = build_tokenizer()
        self.known, self.codes = known, codes
        self.numbers = [shard.number for shard in shards()]
        self.first = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(s.first) for s in shards()]))])
        self.image, self.bos, self.eos = (self.tokenizer.token_to_id(t) for t in ("<image>", "<bos>", "<eos>"))
        self.loc0, self.seg0 = (self.tokenizer.token_to_id(t) for t in ("<loc0000>", "<seg000>"))

    def things(self, row: int) -> list[Thing]:
        known = self.known
        return [
            Thing(LABELS[known.label[k]], _COLOUR_NAMES[known.colour[k]], on_grid(known.box[k].tolist()))
            for k in range(self.first[row], self.first[row + 1])
        ]

    def exchanges(self, row: int, number: int, rng: np.random.Generator) -> list[Exchange]:
        _, background = look_of(TRAINING_SEEDS + self.numbers[row // SHARD] * SHARD + row % SHARD)
        return tasks(self.things(row), background, partial(self.codes_of, row), rng, number)

    def codes_of(self, row: int, thing: int) -> tuple[int, ...]:
        return tuple(int(code) for code in self.codes[self.first[row] + thing])

    def encoded(self, at: int, exchange: Exchange) -> Encoded:
        """The exchange about the batch's scene `at` as tokens."""
        prompt = self.tokenizer.encode(exchange.prefix + "\n", add_special_tokens=False).ids
        answer = self.tokenizer.encode(exchange.suffix, add_special_tokens=False).ids if exchange.suffix else []
        answer.append(self.eos)
        weight = [self._weight(exchange.kind, k, token) for k, token in enumerate(answer)]
        or_else = left_to_name(self.tokenizer, exchange.suffix) if exchange.kind == "caption" else {}
        return Encoded(at, [self.image] * IMAGE_TOKENS + [self.bos] + prompt, answer, weight, or_else)

    def _weight(self, kind: str, at: int, token: int) -> float:
        """What decides an answer is one token among many: is it there at all, is there one more, yes or no."""
        if token >= self.seg0:
            return 0.8
        if kind == "caption":
            return 2.0
        if kind in ("count", "presence", "colour", "beside") or at == 0:
            return 4.0
        return 1.0 if token >= self.loc0 else 1.5

    def rows(self, scenes: np.ndarray, number: int, groups: int, rng: np.random.Generator) -> list[Rows]:
        """`number` exchanges per scene, in `groups` of like length."""
        found = [
            self.encoded(at, exchange)
            for at, row in enumerate(scenes)
            for exchange in self.exchanges(int(row), number, rng)
        ]
        found.sort(key=lambda each: len(each.prompt) + len(each.answer))
        size = -(-len(found) // groups)
        return [pad(found[k : k + size]) for k in range(0, len(found), size)]


def load_codes(known: Known) -> np.ndarray:
    """uint8[m, 16] of every thing's mask, by the codec that ships with the checkpoint; worked out once for so many
    things: delete the file after training the codec anew."""
    path = RUNS / f"codes-{len(known.label)}.npy"
    if not path.exists():
        masks = np.concatenate([shard.mask for shard in shards()])
        vae = MaskVAE.load_npz(CHECKPOINT / "vae-oid.npz")
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            parts = [
                vae.encode(torch.from_numpy(masks[k : k + 512])[:, None].float() / 127.5 - 1).numpy()
                for k in range(0, len(masks), 512)
            ]
        np.save(path, np.concatenate(parts).astype(np.uint8))
    return np.load(path)


@torch.no_grad()
def _patches(net: nn.ModuleDict, known: Known) -> Tensor:
    """Patch vectors of things float[n, 256], to set the scale of what is planted by."""
    scenes = np.arange(0, len(known.owner), max(1, len(known.owner) // 48))[:48]
    z = net["projector"](net["vision_tower"](pixels(known, scenes).float()).last_hidden_state).flatten(0, 1)
    return z[torch.from_numpy(known.owner[scenes]).flatten() >= 0]


def network(corpus: Corpus, known: Known) -> nn.ModuleDict:
    """Tower, projector, heads and text: planted on the trained tower, or as the checkpoint ships."""
    size = corpus.tokenizer.get_vocab_size()
    model = build(config(size, corpus.image, pad=0, bos=corpus.bos, eos=corpus.eos))
    inner, heads = model.model, Heads()
    net = nn.ModuleDict({"vision_tower": inner.vision_tower, "projector": inner.multi_modal_projector, "heads": heads})
    if (tower := RUNS / "tower.pt").exists():
        kept = torch.load(tower, weights_only=False)["masters"]["copy"]
        as_shipped = {n: w if n.startswith("heads.") else in_a_byte(w.bfloat16()).float() for n, w in kept.items()}
        net.load_state_dict(as_shipped, strict=False)
        with torch.no_grad():
            plant(model, heads, corpus.tokenizer, _patches(net, known))
    else:  # another machine than the one that trained the tower: go on from what ships; its heads are gone
        shipped = PaliGemmaForConditionalGeneration.from_pretrained(CHECKPOINT, dtype=torch.float32)
        model.load_state_dict(shipped.state_dict())
    net["text"] = inner.language_model
    inner.vision_tower.config._attn_implementation = "matmul"
    inner.vision_tower.embeddings.patch_embedding = PatchLinear(inner.vision_tower.embeddings.patch_embedding)
    return net


@torch.no_grad()
def _counted(loss: Tensor, guess: Tensor, right: Tensor, corpus: Corpus) -> dict[str, float]:
    """Of places, mask codes and words: their loss, how many they are, how many right (of places: how far off)."""
    said = right[:, 0]
    place, seg = (said >= corpus.loc0) & (said < corpus.seg0), said >= corpus.seg0
    found: dict[str, float] = {}
    for name, of in (("place", place), ("seg", seg), ("word", ~place & ~seg)):
        good = (guess - said).abs() if name == "place" else (guess[:, None] == right).any(1).float()
        found[name], found[name + "_n"] = float(loss[of].sum()), int(of.sum())
        found[name + "_ok"] = float(good[of].float().clamp(max=300).sum())
    return found


def _left(path: Path, net: nn.ModuleDict, known: Known, corpus: Corpus) -> dict[str, Any] | None:
    """What the leg before left. Weights of one head fewer get that head, planted, and a new schedule."""
    kept = torch.load(path, weights_only=False) if path.exists() else None
    narrow = kept is not None and is_narrow(kept["masters"]["copy"])
    if kept and narrow:
        before = kept["masters"]["copy"].items()
        net.load_state_dict({name: w for name, w in before if not name.startswith("text.")}, strict=False)
        net["text"].load_state_dict(widened({n.removeprefix("text."): w for n, w in before if n.startswith("text.")}))
    if narrow or (not kept and (RUNS / "tower.pt").exists()):
        plant_reader(net, known, corpus)
    return None if narrow else kept


def train(rank: int, workers: int, args: argparse.Namespace) -> None:
    join(rank, workers, 29512)
    known = load_known()
    corpus = Corpus(known, load_codes(known))
    net = network(corpus, known)
    heads = net["heads"]
    frozen = ("vision_tower", "projector", "heads") if args.freeze else ()
    for name, p in net.named_parameters():
        p.requires_grad_(not name.startswith(frozen) if frozen else True)
    path, spent, step = RUNS / "language.pt", 0.0, 0
    kept = _left(path, net, known, corpus)
    masters = Masters(net.named_parameters(), args.muon_lr, args.adam_lr, slow=("vision_tower", "projector", "heads"))
    if kept:
        masters.load(kept["masters"], optimisers=not args.restart)
        spent = 0.0 if args.restart else kept["spent"]
    silence_between(masters.copy["text.embed_tokens.weight"], corpus.loc0)
    net.bfloat16()
    masters.live = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    masters.show()
    heads.basis = heads.basis.bfloat16()
    rng = np.random.default_rng([int(time.time()), rank])
    start, done, told = time.time() - spent, 0.0, dict[str, float]()
    while done < 1:
        scenes = rng.integers(len(known.owner), size=args.scenes)
        with torch.set_grad_enabled(not args.freeze):
            z = net["projector"](net["vision_tower"](pixels(known, scenes)).last_hidden_state)
        leaf = z.detach().requires_grad_(not args.freeze)
        groups = corpus.rows(scenes, args.prompts, args.groups, rng)
        parts: Counter[str] = Counter()
        weight_all = sum(float(g.weight.sum()) for g in groups)
        for rows in groups:
            states, right, weight = answer_states(net["text"], leaf, rows)
            loss, guess = token_losses(states, right, net["text"].embed_tokens.weight)
            ((weight * loss).sum() / weight_all).backward()
            parts.update(_counted(loss, guess, right, corpus))
        if not args.freeze:
            dense, _ = losses(heads, z, scenes, known)
            torch.autograd.backward([z, 0.3 * dense], [leaf.grad, torch.ones(())])
        # Adam moves rarely wanted rows by noise as fast as others by need: places stay the waves they are.
        net["text"].embed_tokens.weight.grad[corpus.loc0 : corpus.loc0 + 1024] = 0
        done = masters.step((time.time() - start) / args.seconds)
        step += 1
        told = {k: v if k not in told else 0.96 * told[k] + 0.04 * v for k, v in parts.items()}
        if rank == 0 and step % 25 == 0:
            line = " ".join(
                f"{n} {told[n] / told[n + '_n']:.3f} ({told[n + '_ok'] / told[n + '_n']:.3f})"
                for n in ("word", "place", "seg")
            )
            print(f"{time.time() - start:.0f}s {step * args.scenes * args.prompts * workers} rows | {line}", flush=True)
        if rank == 0 and step % 100 == 0:
            torch.save({"masters": masters.state(), "spent": time.time() - start}, path)
    if rank == 0:
        torch.save({"masters": masters.state(), "spent": time.time() - start}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scenes", type=int, default=10, help="per worker and step")
    parser.add_argument("--prompts", type=int, default=4, help="per scene")
    parser.add_argument("--groups", type=int, default=3, help="of like length, per step")
    parser.add_argument("--muon-lr", type=float, default=3e-3)
    parser.add_argument("--adam-lr", type=float, default=2e-3)
    parser.add_argument("--freeze", action="store_true", help="the tower stays as it is")
    parser.add_argument("--restart", action="store_true", help="go on from the weights with a new schedule")
    args = parser.parse_args()
    load_codes(load_known())
    torch.multiprocessing.spawn(train, (args.workers, args), nprocs=args.workers)


if __name__ == "__main__":
    main()
