"""bfloat16 models with float32 masters: on CPUs with bfloat16 units several times the speed, at no loss of small steps."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn


def schedule(done: float, warm: float = 0.03, floor: float = 0.01) -> float:
    """Share of the full learning rate at `done` in [0, 1] of the run: a linear rise, then a cosine to `floor`."""
    if done < warm:
        return done / warm
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm) / (1 - warm))))


class Masters:
    """float32 copies of a bfloat16 model's parameters, moved by Muon (hidden matrices) and AdamW (all else)."""

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], muon_lr: float, adam_lr: float) -> None:
        self.live = [(name, p) for name, p in named if p.requires_grad]
        self.copy = {name: p.detach().float().clone() for name, p in self.live}
        hidden = [c for n, c in self.copy.items() if c.ndim == 2 and ".layers." in n]
        other = [c for n, c in self.copy.items() if not (c.ndim == 2 and ".layers." in n)]
        self.rates = (muon_lr, adam_lr)
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(hidden, lr=muon_lr, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(other, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]

    def step(self, share: float, clip: float = 1.0) -> float:
        """One step at `share` of the full rate; gives back the gradient's norm."""
        grads = {name: p.grad.float() for name, p in self.live if p.grad is not None}
        norm = float(torch.sqrt(sum((g**2).sum() for g in grads.values())))
        scale = min(1.0, clip / (norm + 1e-6))
        for name, c in self.copy.items():
            c.grad = grads[name] * scale if name in grads else None
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * share
            optimiser.step()
        with torch.no_grad():
            for name, p in self.live:
                p.copy_(self.copy[name])
                p.grad = None
        return norm

    def state(self) -> dict[str, object]:
        return {"copy": self.copy, "optimisers": [o.state_dict() for o in self.optimisers]}

    def load(self, state: dict[str, object]) -> None:
        with torch.no_grad():
            for name, c in self.copy.items():
                c.copy_(state["copy"][name])  # type: ignore[index]
            for name, p in self.live:
                p.copy_(self.copy[name])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):  # type: ignore[arg-type]
            optimiser.load_state_dict(kept)
