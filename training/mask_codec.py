"""The mask VQ-VAE (64x64 mask <-> 16 of 128 codes), trained on the generator's masks: `python -m training.mask_codec`.

Architecture and key names are those of big_vision's `vae-oid.npz`, so the same reader loads either file.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from training.render import shards
from training.settings import CHECKPOINT, MASK_CODES, RUNS

EMBED = 512
_DECAY = 0.98  # of the codebook's moving averages


class Residual(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class MaskVAE(nn.Module):
    """Masks float[n, 1, 64, 64] in [-1, 1] to 4x4 codes and back."""

    def __init__(self) -> None:
        super().__init__()
        down: list[nn.Module] = []
        for a, b in ((1, 16), (16, 32), (32, 64), (64, 128)):
            down += [nn.Conv2d(a, b, 4, 2, 1), nn.ReLU()]
        self.encoder = nn.Sequential(*down, Residual(128), Residual(128), nn.Conv2d(128, EMBED, 1))
        up: list[nn.Module] = []
        for a, b in ((128, 128), (128, 64), (64, 32), (32, 16)):
            up += [nn.ConvTranspose2d(a, b, 4, 2, 1), nn.ReLU()]
        self.decoder = nn.Sequential(
            nn.Conv2d(EMBED, 128, 1), nn.ReLU(), Residual(128), Residual(128), *up, nn.Conv2d(16, 1, 1)
        )
        self.register_buffer("codebook", torch.randn(MASK_CODES, EMBED) * 0.05)
        self.register_buffer("count", torch.ones(MASK_CODES))
        self.register_buffer("total", torch.zeros(MASK_CODES, EMBED))

    def nearest(self, z: Tensor) -> Tensor:
        """Codes int[n, h, w] of features z[n, 512, h, w]."""
        flat = z.movedim(1, -1)
        distance = (self.codebook**2).sum(1) - 2 * flat @ self.codebook.T
        return distance.argmin(-1)

    def encode(self, masks: Tensor) -> Tensor:
        """Codes int[n, 16], row by row."""
        return self.nearest(self.encoder(masks)).flatten(1)

    def decode(self, codes: Tensor) -> Tensor:
        """float[n, 64, 64] in [0, 1] of codes int[n, 16]."""
        z = self.codebook[codes].view(-1, 4, 4, EMBED).movedim(-1, 1)
        return ((self.decoder(z)[:, 0] + 1) / 2).clamp(0, 1)

    def forward(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            z = self.encoder(masks).float()
        codes = self.nearest(z)
        if self.training:
            self._follow(z.detach(), codes)
        q = self.codebook[codes].movedim(-1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            return self.decoder(z + (q - z).detach()).float(), F.mse_loss(z, q.detach())

    @torch.no_grad()
    def _follow(self, z: Tensor, codes: Tensor) -> None:
        """Moves each code to the mean of what chose it; a code nobody chooses restarts at some feature."""
        flat = z.movedim(1, -1).reshape(-1, EMBED)
        hot = F.one_hot(codes.flatten(), MASK_CODES).to(flat.dtype)
        self.count.mul_(_DECAY).add_(hot.sum(0), alpha=1 - _DECAY)
        self.total.mul_(_DECAY).add_(hot.T @ flat, alpha=1 - _DECAY)
        dead = self.count < 0.5
        if dead.any():
            picks = flat[torch.randint(len(flat), (int(dead.sum()),))]
            self.total[dead], self.count[dead] = picks * 2, 2.0
        self.codebook.copy_(self.total / self.count[:, None])

    def save_npz(self, path: Path) -> None:
        """Writes the official file: `_vq_vae._embedding`, `encoder.*`, `decoder.*`, as float16."""
        arrays = {k: v.numpy().astype(np.float16) for k, v in self.state_dict().items() if k.startswith(("enc", "dec"))}
        np.savez(path, **{"_vq_vae._embedding": self.codebook.numpy().astype(np.float16)}, **arrays)

    @classmethod
    def load_npz(cls, path: Path) -> MaskVAE:
        vae = cls()
        with np.load(path, allow_pickle=False) as arrays:
            state = {
                k: torch.from_numpy(arrays[k].astype(np.float32)) for k in arrays.files if k.startswith(("enc", "dec"))
            }
            vae.load_state_dict(state, strict=False)
            vae.codebook.copy_(torch.from_numpy(arrays["_vq_vae._embedding"].astype(np.float32)))
        return vae.eval()


def mean_iou(vae: MaskVAE, masks: Tensor) -> float:
    """Mean IoU of masks (uint8[n, 64, 64]) with themselves through the codes, both cut at one half."""
    with torch.no_grad():
        back = vae.decode(vae.encode(masks[:, None].float() / 127.5 - 1)) > 0.5
    truth = masks > 127
    inter, union = (back & truth).flatten(1).sum(1), (back | truth).flatten(1).sum(1)
    return float((inter / union.clamp(min=1)).mean())


def train(seconds: float, batch: int = 96) -> MaskVAE:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    vae = MaskVAE().to(memory_format=torch.channels_last)
    if (RUNS / "vae.pt").exists():
        vae.load_state_dict(torch.load(RUNS / "vae.pt"))
    optimiser = torch.optim.AdamW(vae.parameters(), 2e-3, weight_decay=1e-4)
    masks = torch.from_numpy(np.concatenate([shard.mask for shard in shards()[:5]]))
    held, masks = masks[:600], masks[600:]
    start, step = time.time(), 0
    while (done := (time.time() - start) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 100) * (1 - 0.97 * done)
        x = masks[torch.randint(len(masks), (batch,))][:, None].float() / 127.5 - 1
        x = x.flip(3) if torch.rand(()) < 0.5 else x
        y, commit = vae(x)
        # Area-fair: a thin key's few pixels weigh as much as a house's many.
        thin = 1 / (0.15 + ((x + 1) / 2).mean((2, 3), keepdim=True))
        loss = (thin * (y - x) ** 2).mean() + 0.25 * commit
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        if step % 50 == 0:
            vae.eval()
            used = len(vae.encode(held[:, None].float() / 127.5 - 1).unique())
            told = f"loss {loss:.4f} commit {commit:.4f} IoU {mean_iou(vae, held):.4f} codes {used}"
            print(f"{time.time() - start:.0f}s step {step} {told}", flush=True)
            vae.train()
            torch.save(vae.state_dict(), RUNS / "vae.pt")
    return vae.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--out", type=Path, default=CHECKPOINT / "vae-oid.npz")
    args = parser.parse_args()
    vae = train(args.seconds)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    vae.save_npz(args.out)


if __name__ == "__main__":
    main()
