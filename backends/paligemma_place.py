"""Where a checkpoint is put: device, numbers, and whether it fits, told before anything is taken.

Estimates, not promises: what else the machine does meanwhile is not known.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.paligemma_family import LINEAR_BYTES, Precision, bytes_per_weight, in_gb, needed_bytes
from backends.paligemma_hub import short
from backends.paligemma_names import member, shapes
from grounding.errors import ConfigError, ModelLoad

WIDE = 1024  # text width from which float32 on a CPU is out of the question: the 2B Gemma has 2048, our own 256
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")  # a container's own limit


@dataclass(frozen=True)
class Place:
    """Where to run and in which numbers; precision: how weights are kept, never AUTO. dtype: what is computed in."""

    device: str
    precision: Precision
    dtype: Any

    @property
    def quantised(self) -> bool:
        return self.precision in LINEAR_BYTES


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a torch or Python error says that memory, of the GPU or the machine, ran out."""
    import torch

    words = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in words or "not enough memory" in words or "can't allocate" in words)
    )


def choose(wide: bool, device: str, precision: Precision) -> Place:
    """Where to run, and in which numbers: float32 is safest, 16 bits are needed for billions of weights."""
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    where = device if device != "auto" else "cuda" if cuda else "mps" if mps else "cpu"
    if (where.startswith("cuda") and not cuda) or (where == "mps" and not mps):
        raise ConfigError(f"PINPOINT_DEVICE says {where}, but there is none that torch can use. Set it to auto or cpu.")
    if where.startswith("cuda:") and int(where.partition(":")[2]) >= torch.cuda.device_count():
        raise ConfigError(f"PINPOINT_DEVICE says {where}, but there are fewer cards. Set it to cuda.")
    half = torch.bfloat16
    if where.startswith("cuda") and not torch.cuda.is_bf16_supported(including_emulation=False):
        half = torch.float16
    if precision is Precision.AUTO:
        dtype = half if wide else torch.float32
        return Place(where, Precision(named(dtype)), dtype)
    if precision not in LINEAR_BYTES:
        return Place(where, precision, getattr(torch, precision.value))
    _check_quantising(precision, where)
    return Place(where, precision, half)


def _check_quantising(precision: Precision, device: str) -> None:
    if not device.startswith("cuda"):
        raise ConfigError(f"{precision.value} needs an NVIDIA card. Choose bfloat16, or a smaller model.")
    lacking = [each for each in ("bitsandbytes", "accelerate") if importlib.util.find_spec(each) is None]
    if lacking:
        names = " ".join(lacking)
        raise ConfigError(f"{precision.value} needs a package that is not installed: run `pip install {names}`.")


def quantising(transformers: Any, place: Place) -> dict[str, Any]:
    """What from_pretrained is told of 4 and 8 bits."""
    if place.precision is Precision.NF4:
        how = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=place.dtype,
            bnb_4bit_use_double_quant=True,
        )
    elif place.precision is Precision.INT8:
        how = transformers.BitsAndBytesConfig(load_in_8bit=True)
    else:
        return {}
    return {"quantization_config": how, "device_map": {"": place.device}}


def named(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def refuse(name: str, weights: int, place: Place) -> None:
    row = member(name)
    needed = needed_bytes(weights, row.language if row else None, row.image_tokens if row else 0)
    free = _free_bytes(place.device)
    if needed <= free:
        return
    smaller = "a smaller model, or @nf4 behind its name" if place.device.startswith("cuda") else "a smaller model"
    raise ModelLoad(
        f"{short(name)} needs about {in_gb(needed)} in {place.precision.value}: there is not enough free memory, "
        f"{in_gb(free)}. Choose {smaller}."
    )


def weights_bytes(files: Iterable[Path], precision: Precision) -> int:
    """What the weights in these files will take in memory, from the shapes their headers tell."""
    weights = (each for path in files for each in shapes(path).items())
    return round(sum(math.prod(shape) * _bytes_each(key, len(shape), precision) for key, shape in weights))


def _bytes_each(key: str, dimensions: int, precision: Precision) -> float:
    """Bytes for each number of a weight: only linear layers are quantised, by what they are called."""
    if precision in LINEAR_BYTES:
        linear = dimensions == 2 and "embed" not in key and "lm_head" not in key
        return LINEAR_BYTES[precision] if linear else 2
    return bytes_per_weight(precision)


def _free_bytes(device: str) -> float:
    """Memory the device could give us, without limit where it does not say."""
    import torch

    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    if device == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min(_free_in_system(), _free_in_container())


def _free_in_system() -> float:
    try:
        said = re.search(r"MemAvailable:\s+(\d+) kB", _MEMINFO.read_text())
    except OSError:
        said = None
    return int(said[1]) * 1024 if said else float("inf")


def _free_in_container() -> float:
    """What is left of this container's limit; its file cache counts as free."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        cache = re.search(r"^inactive_file (\d+)", (_CGROUP / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):  # no limit reads "max"
        return float("inf")
    return limit - used + (int(cache[1]) if cache else 0)
