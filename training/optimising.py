"""bfloat16 models with float32 masters: several times the speed on CPUs with bfloat16 units, no small step lost."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn


def schedule(done: float, warm: float = 0.06, floor: float = 0.01) -> float:
    """Share of the full learning rate at `done` in [0, 1] of the run: a linear rise, then a cosine to `floor`."""
    if done < warm:
        return done / warm
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm) / (1 - warm))))


def join(rank: int, workers: int, port: int) -> None:
    """Makes this process one of `workers` that train together, one thread each: on shared cores two processes that
    meet once a step lose far less than two threads that meet in every operation."""
    torch.set_num_threads(1)
    if workers > 1:
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=workers)


def _averaged(grads: list[torch.Tensor], done: float) -> tuple[list[torch.Tensor], float]:
    if not dist.is_initialized():
        return grads, done
    flat = torch.cat([g.flatten() for g in grads] + [torch.tensor([done])])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = flat[:-1].split([g.numel() for g in grads])
    return [part.view_as(g) for part, g in zip(parts, grads, strict=True)], float(flat[-1])


class Masters:
    """float32 copies of a bfloat16 model's parameters, moved by Muon (hidden matrices) and AdamW (all else)."""

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], muon_lr: float, adam_lr: float, slow: tuple[str, ...] = ()
    ) -> None:
        """Parameters whose name starts with one of `slow` move at a fifth of the rate."""
        self.live = [(name, p) for name, p in named if p.requires_grad]
        self.copy = {name: p.detach().float().clone() for name, p in self.live}
        self.optimisers: list[torch.optim.Optimizer] = []
        self.rates: list[float] = []
        for pace, is_slow in ((1.0, False), (0.2, True)):
            chosen = {n: c for n, c in self.copy.items() if bool(slow and n.startswith(slow)) == is_slow}
            hidden = [c for n, c in chosen.items() if c.ndim == 2 and ".layers." in n]
            other = [c for n, c in chosen.items() if not (c.ndim == 2 and ".layers." in n)]
            if hidden:
                self._add(
                    torch.optim.Muon(hidden, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
                    pace * muon_lr,
                )
            if other:
                self._add(torch.optim.AdamW(other, betas=(0.9, 0.98), weight_decay=0.0), pace * adam_lr)

    def _add(self, optimiser: torch.optim.Optimizer, rate: float) -> None:
        self.optimisers.append(optimiser)
        self.rates.append(rate)

    def step(self, done: float, clip: float = 1.0) -> float:
        """One step at the rate due when `done` of the run is over; gives back `done` as all workers agree on it."""
        grads = [torch.zeros_like(self.copy[n]) if p.grad is None else p.grad.float() for n, p in self.live]
        grads, done = _averaged(grads, done)
        norm = float(torch.sqrt(sum((g**2).sum() for g in grads)))
        scale = min(1.0, clip / (norm + 1e-6))
        for (name, _), grad in zip(self.live, grads, strict=True):
            self.copy[name].grad = grad * scale
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * schedule(done)
            optimiser.step()
        self.show()
        return done

    def state(self) -> dict[str, object]:
        return {"copy": self.copy, "optimisers": [o.state_dict() for o in self.optimisers]}

    def show(self) -> None:
        """Puts the float32 numbers into the live model, rounded."""
        with torch.no_grad():
            for name, p in self.live:
                p.copy_(self.copy[name])
                p.grad = None

    def load(self, state: dict[str, object], *, optimisers: bool = True) -> None:
        """Goes on from `state`: the numbers it has, and (unless the schedule starts anew) the optimisers' memory."""
        with torch.no_grad():
            for name, c in self.copy.items():
                if name in state["copy"]:  # type: ignore[operator]
                    c.copy_(state["copy"][name])  # type: ignore[index]
        self.show()
        if optimisers:
            for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):  # type: ignore[arg-type]
                optimiser.load_state_dict(kept)
