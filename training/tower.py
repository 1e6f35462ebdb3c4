"""Trains the vision tower first, on dense targets, with heads that are thrown away: `python -m training.tower`.

What the projector puts out (one vector per patch) must linearly hold class, colour, box, place and shape of the thing
under the patch; that is what the language part then finds ready to be read.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from scenes import COLOURS, LABELS
from scenes.composing import look_of
from scenes.language import PLACES
from training.architecture import build, config, coordinate_basis
from training.optimising import Masters, join
from training.render import Shard, shards
from training.settings import RUNS, SHARD, TEXT, TRAINING_SEEDS
from training.targets import FLAGS, targets

BINS = 256
SHAPE = 16  # side of the coarse mask each patch predicts
_SIGMA = 1.5 / BINS
_NOTHING = 0.4  # what a patch of nothing counts in the label's loss, where one of a thing of _USUAL patches counts 1
_USUAL = 8
MOST = 6
SEVERAL = 3


@dataclass(frozen=True, eq=False)
class Known:
    """All objects of all shards in flat arrays; owner holds rows of these."""

    images: list[np.ndarray]
    owner: np.ndarray
    label: Tensor
    colour: Tensor
    box: Tensor
    rank: Tensor
    number: Tensor
    flags: Tensor
    shape: Tensor  # uint8[m, SHAPE * SHAPE]
    counts: Tensor  # int64[n, classes], of each scene
    place: Tensor  # int64[n], the background's number in PLACES


def _cached_targets(shard: Shard) -> dict[str, np.ndarray]:
    path = RUNS / "scenes" / f"targets-{len(shard.label)}-{int(shard.label[:99].sum())}.npz"
    if not path.exists():
        found = targets(shard)
        small = [cv2.resize(m, (SHAPE, SHAPE), interpolation=cv2.INTER_AREA).reshape(-1) for m in shard.mask]
        np.savez(
            path, owner=found.owner, rank=found.rank, number=found.number, flags=found.flags, shape=np.stack(small)
        )
    return dict(np.load(path))


def load_known() -> Known:
    every = shards()
    found = [_cached_targets(shard) for shard in every]
    starts = np.cumsum([0] + [len(shard.label) for shard in every])
    owner = np.concatenate([np.where(t["owner"] >= 0, t["owner"] + s, -1) for t, s in zip(found, starts, strict=False)])

    def join(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([t[name] for t in found]))

    counts = np.zeros((len(owner), len(LABELS)), np.int64)
    first = np.concatenate([shard.first[:-1] + s for shard, s in zip(every, starts, strict=False)] + [starts[-1:]])
    label = np.concatenate([shard.label for shard in every])
    np.add.at(counts, (np.repeat(np.arange(len(owner)), np.diff(first)), label), 1)
    seeds = [TRAINING_SEEDS + shard.number * SHARD + k for shard in every for k in range(len(shard.first) - 1)]
    return Known(
        [shard.images for shard in every],
        owner,
        torch.from_numpy(label),
        torch.from_numpy(np.concatenate([shard.colour for shard in every])),
        torch.from_numpy(np.concatenate([shard.box for shard in every])),
        join("rank"),
        join("number"),
        join("flags"),
        join("shape"),
        torch.from_numpy(counts),
        torch.tensor([list(PLACES).index(look_of(seed)[1]) for seed in seeds]),
    )


def pixels(known: Known, rows: np.ndarray) -> Tensor:
    """bfloat16[n, 3, px, px] in [-1, 1] as SigLIP's processor scales them."""
    size = len(known.images[0])
    batch = np.stack([known.images[r // size][r % size] for r in rows])
    return (torch.from_numpy(batch).permute(0, 3, 1, 2).to(torch.bfloat16) / 127.5 - 1).contiguous()


class Heads(nn.Module):
    """Linear readings of one patch vector; thrown away afterwards, but for class, colour and box directions."""

    def __init__(self) -> None:
        super().__init__()
        width = TEXT["hidden_size"]
        self.label = nn.Linear(width, len(LABELS) + 1)  # the last: nothing
        self.colour = nn.Linear(width, len(COLOURS))
        self.rank = nn.Linear(width, MOST)
        self.number = nn.Linear(width, MOST)
        self.flags = nn.Linear(width, len(FLAGS))
        self.corner = nn.Linear(width, 4 * 64)  # y1 x1 y2 x2, each in the coordinate basis
        self.shape = nn.Linear(width, SHAPE * SHAPE)
        self.scene = nn.Linear(width, len(LABELS) * SEVERAL)  # of each class: is there one, are there two ...
        self.place = nn.Linear(width, len(PLACES))
        self.register_buffer("basis", coordinate_basis((torch.arange(BINS) + 0.5) / BINS), persistent=False)

    def corners(self, z: Tensor) -> Tensor:
        """Logits float[n, 4, BINS] for y1 x1 y2 x2."""
        return self.corner(z).view(-1, 4, 64) @ self.basis.T


def losses(heads: Heads, patches: Tensor, rows: np.ndarray, known: Known) -> tuple[Tensor, dict[str, float]]:
    """Total loss and what it is made of; patches float[n, 100, 256] of the scenes `rows`."""
    z, owner = patches.flatten(0, 1), torch.from_numpy(known.owner[rows]).long().flatten()
    on = owner >= 0
    who = owner[on]
    counts = torch.zeros(int(owner.max()) + 1).index_add_(0, who, torch.ones(len(who)))
    weight = counts[who].rsqrt()
    weight = weight / weight.sum()
    label = torch.where(on, known.label[owner.clamp(min=0)], len(LABELS))
    importance = torch.full((len(owner),), _NOTHING)
    importance[on] = _USUAL**0.5 * counts[who].rsqrt()  # a small thing's few patches are all there is to see of it
    wrong = F.cross_entropy(heads.label(z).float(), label, reduction="none")
    parts = {"label": (importance * wrong).sum() / importance.sum()}
    zo, box = z[on], known.box[who][:, [1, 0, 3, 2]]
    hit = heads.label(zo).argmax(-1) == known.label[who]

    def weighted(loss: Tensor) -> Tensor:
        return (loss * weight).sum()

    for name, truth in (("colour", known.colour), ("rank", known.rank), ("number", known.number)):
        head = getattr(heads, name)
        parts[name] = weighted(F.cross_entropy(head(zo).float(), truth[who].clamp(max=MOST - 1), reduction="none"))
    flags = F.binary_cross_entropy_with_logits(heads.flags(zo).float(), known.flags[who], reduction="none")
    parts["flags"] = weighted(flags.mean(-1))
    logits = heads.corners(zo).float()
    at = (torch.arange(BINS) + 0.5) / BINS
    target = torch.softmax(-((at - box[..., None]) ** 2) / (2 * _SIGMA**2), -1)
    parts["box"] = weighted(-(target * logits.log_softmax(-1)).sum(-1).mean(-1))
    shape = F.binary_cross_entropy_with_logits(
        heads.shape(zo).float(), known.shape[who].float() / 255, reduction="none"
    )
    parts["shape"] = weighted(shape.mean(-1))
    parts |= of_the_scene(heads, z[~on], torch.from_numpy(rows).repeat_interleave(patches.shape[1])[~on], known)
    scale = {"label": 1.0, "colour": 0.4, "rank": 0.4, "number": 0.3, "flags": 0.5, "box": 0.7, "shape": 1.0}
    scale |= {"scene": 3.0, "place": 0.1}
    total = sum((scale[k] * parts[k] for k in scale), torch.zeros(()))
    told = {k: float(v.detach()) for k, v in parts.items()}
    told["right"] = float(hit.float().mean())
    told["box_off"] = float((at[logits.argmax(-1)] - box).abs().median())
    return total, told


def of_the_scene(heads: Heads, z: Tensor, scene: Tensor, known: Known) -> dict[str, Tensor]:
    """Losses of what patches of nothing float[n, 256] say of their scenes int[n]: they have room for the whole picture,
    and captions and questions read it there. f1: of the classes they say are there."""
    several = known.counts[scene][:, :, None] > torch.arange(SEVERAL)
    said = heads.scene(z).float().view(several.shape)
    both = (several[..., 0] & (said[..., 0] > 0)).sum()
    return {
        "scene": F.binary_cross_entropy_with_logits(said, several.float()),
        "place": F.cross_entropy(heads.place(z).float(), known.place[scene]),
        "f1": 2 * both / (several[..., 0].sum() + (said[..., 0] > 0).sum()).clamp(min=1),
    }


def train(rank: int, workers: int, args: argparse.Namespace) -> None:
    join(rank, workers, 29511)
    torch.manual_seed(0)
    model = build(config(16, 5, pad=0, bos=1, eos=2)).model
    del model.language_model.layers[:]  # only the tower and the projector are wanted here
    net = nn.ModuleDict(
        {"vision_tower": model.vision_tower, "projector": model.multi_modal_projector, "heads": Heads()}
    )
    with torch.no_grad():
        model.multi_modal_projector.linear.weight.mul_(3.5)  # rows of about unit length: patch vectors near unit RMS
    model.vision_tower.config._attn_implementation = "matmul"
    masters = Masters(net.named_parameters(), args.muon_lr, args.adam_lr)
    net.bfloat16()
    net["heads"].basis = net["heads"].basis.bfloat16()
    _swap(net)
    masters.live = list(net.named_parameters())
    spent = 0.0
    path = RUNS / "tower.pt"
    if path.exists():
        kept = torch.load(path, weights_only=False)
        masters.load(kept["masters"], optimisers=not args.restart)
        spent = 0.0 if args.restart else kept["spent"]
    known, batch, step = load_known(), args.batch, 0
    rng, start = np.random.default_rng([int(spent), int(args.restart)]), time.time() - spent
    order = rng.permutation(len(known.owner))
    told: dict[str, float] = {}
    done = spent / args.seconds
    while done < 1:
        if (step + 1) * batch * workers > len(order):
            order, step = rng.permutation(len(known.owner)), 0
        rows = order[step * batch * workers :][rank * batch : (rank + 1) * batch]
        z = net["projector"](net["vision_tower"](pixels(known, rows)).last_hidden_state)
        loss, parts = losses(net["heads"], z, rows, known)
        loss.backward()
        done = masters.step((time.time() - start) / args.seconds)
        told = {k: v if k not in told else 0.95 * told[k] + 0.05 * v for k, v in parts.items()}
        step += 1
        if rank == 0 and step % 25 == 0:
            line = " ".join(f"{k} {v:.3f}" for k, v in told.items())
            print(f"{time.time() - start:.0f}s {step * batch * workers} of {len(order)} | {line}", flush=True)
        if rank == 0 and step % 100 == 0:
            torch.save({"masters": masters.state(), "spent": time.time() - start}, path)
    if rank == 0:
        torch.save({"masters": masters.state(), "spent": time.time() - start}, path)


def _swap(net: nn.ModuleDict) -> None:
    from training.architecture import PatchLinear

    net["vision_tower"].embeddings.patch_embedding = PatchLinear(net["vision_tower"].embeddings.patch_embedding)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2100)
    parser.add_argument("--batch", type=int, default=40, help="scenes per worker and step")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--muon-lr", type=float, default=3e-3)
    parser.add_argument("--adam-lr", type=float, default=1.5e-3)
    parser.add_argument("--restart", action="store_true", help="go on from the weights with a new schedule")
    args = parser.parse_args()
    torch.multiprocessing.spawn(train, (args.workers, args), nprocs=args.workers)


if __name__ == "__main__":
    main()
