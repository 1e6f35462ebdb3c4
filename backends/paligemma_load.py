"""Gets a PaliGemma checkpoint and its mask codebook into memory, from a folder or the Hub, or says why not.

Knows no request and no answer. Loading is not safe in two threads at once: the caller holds a lock (the Pool does).
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.paligemma_scores import Calibration, read
from grounding.codecs.mask_tokens import MaskCodec
from grounding.errors import ModelLoad

BUNDLED = {"pinpoint-nano": Path(__file__).parents[1] / "assets" / "pinpoint-nano"}
MASK_FILE = "vae-oid.npz"
MASK_SPACE = "big-vision/paligemma"  # Google's own demo; the file is public there

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_FILES = ("*.json", "*.safetensors", "tokenizer.model", MASK_FILE)  # of a Hub repository: all a load needs, no pickles
_WIDE = 1024  # text width from which float32 on a CPU is out of the question: the 2B Gemma has 2048, our own 256
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model ready to generate, with the folder its files are in."""

    name: str
    folder: Path
    model: Any
    processor: Any
    device: str
    dtype: str
    calibration: Calibration | None = None


def load(name: str, hf_token: str | None) -> Checkpoint:
    """The checkpoint `name`: a bundled one, a folder, or an id on the Hub; raises ModelLoad with what to do."""
    from safetensors import SafetensorError

    folder = _folder(name, hf_token)
    kind = _model_type(folder)
    if kind and kind != "paligemma":
        raise ModelLoad(f"{_short(name)} is a {kind[:30]} model. Choose a PaliGemma or PaliGemma 2 checkpoint.")
    if missing := _missing(folder):
        raise ModelLoad(f"{_short(name)} lacks {missing}, so it cannot be loaded. Get all of its files again.")
    try:
        return _load(name, folder)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, MemoryError, SafetensorError) as error:
        if isinstance(error, ModelLoad):
            raise
        if is_out_of_memory(error):
            raise ModelLoad(_too_large(name)) from error
        raise ModelLoad(f"The files of {_short(name)} are damaged or do not fit together. Get them again.") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a torch or Python error says that memory, of the GPU or the machine, ran out."""
    import torch

    words = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in words or "not enough memory" in words or "can't allocate" in words)
    )


def mask_codec(checkpoint: Checkpoint, hf_token: str | None) -> MaskCodec:
    """The mask codebook beside the checkpoint, or else Google's from the Hub; a GroundingError where there is none."""
    beside = checkpoint.folder / MASK_FILE
    return MaskCodec.load(beside if beside.is_file() else fetch_mask_file(hf_token))


def fetch_mask_file(hf_token: str | None = None) -> Path:
    """`vae-oid.npz` from the Hub, downloaded once and then found in its cache without the network."""
    try:
        return _snapshot(MASK_SPACE, (MASK_FILE,), hf_token, repo_type="space") / MASK_FILE
    except ModelLoad as error:
        raise ModelLoad("The mask codebook could not be fetched from the Hugging Face Hub.") from error


def _folder(name: str, hf_token: str | None) -> Path:
    if name in BUNDLED:
        if not (BUNDLED[name] / "config.json").is_file():
            raise ModelLoad(f"{name} is not in this copy of Pinpoint. Get a complete copy, or choose another model.")
        return BUNDLED[name]
    if (folder := Path(name)).name and os.path.isdir(folder):  # Path.is_dir raises on a name too long
        return folder
    if not _HUB_ID.fullmatch(name):
        raise ModelLoad("That is neither a folder on this machine nor a model id such as google/paligemma2-3b-mix-224.")
    config = _snapshot(name, ("config.json",), hf_token)
    if _model_type(config) != "paligemma":
        return config  # before gigabytes of something else are downloaded
    return _snapshot(name, _FILES, hf_token)


def _snapshot(repo: str, files: tuple[str, ...], hf_token: str | None, repo_type: str = "model") -> Path:
    """The folder of the Hub's cache with these files; the network is asked only for what is not there yet."""
    from httpx2 import HTTPError  # huggingface_hub rides on it and lets its connection errors through
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def found(*, cached_only: bool) -> Path:
        path = snapshot_download(
            repo, repo_type=repo_type, allow_patterns=list(files), token=hf_token, local_files_only=cached_only
        )
        return Path(path)

    try:
        folder = found(cached_only=True)
        if not (_missing(folder) if files == _FILES else not (folder / files[0]).is_file()):
            return folder
    except LocalEntryNotFoundError:
        pass
    try:
        return found(cached_only=False)
    except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
        raise ModelLoad(_explain(error, repo)) from error


def _explain(error: BaseException, name: str) -> str:
    """What to do about a download that failed."""
    from huggingface_hub import errors

    name, chain = _short(name), list(_causes(error))
    kinds = tuple(type(cause) for cause in chain)

    def is_a(*wanted: type[BaseException]) -> bool:
        return any(issubclass(kind, wanted) for kind in kinds)

    if is_a(errors.GatedRepoError):
        return (
            f"{name} needs its licence accepted once: do so on its page at huggingface.co, then set HF_TOKEN or run "
            "`hf auth login`, and try again."
        )
    if is_a(errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError):
        return (
            f"There is no model {name} on the Hugging Face Hub, or your HF_TOKEN may not read it. Check the spelling."
        )
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in chain):
        return f"The disk is full: {name} could not be stored. Free some space or set HF_HOME to a larger disk."
    if is_a(errors.DisabledRepoError):
        return f"{name} was withdrawn from the Hugging Face Hub. Choose another model."
    if is_a(errors.HfHubHTTPError):
        return f"The Hugging Face Hub refused to send {name}. Try again later."
    return f"{name} is not on this machine and the Hugging Face Hub cannot be reached. Connect, or use pinpoint-nano."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _missing(folder: Path) -> str:
    """What a load from `folder` would lack, in words; empty if nothing."""
    needs = {
        "its config.json": ("config.json",),
        "its image processor": ("preprocessor_config.json", "processor_config.json"),
        "its tokenizer": ("tokenizer.json", "tokenizer.model"),
        "weights in safetensors format": ("model.safetensors", "model.safetensors.index.json"),
    }
    for what, names in needs.items():
        if not any((folder / name).is_file() for name in names):
            return what
    if any(not (folder / shard).is_file() for shard in _shards(folder)):
        return "some of its weights"
    return ""


def _shards(folder: Path) -> set[str]:
    if (folder / "model.safetensors").is_file():
        return {"model.safetensors"}
    return set(_read_json(folder / "model.safetensors.index.json").get("weight_map", {}).values())


def _model_type(folder: Path) -> str:
    """What config.json says, "" where there is none to be read."""
    return str(_read_json(folder / "config.json").get("model_type", ""))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    return content if isinstance(content, dict) else {}


def _load(name: str, folder: Path) -> Checkpoint:
    import torch
    import transformers

    # Without torchvision transformers warns at every load that it uses Pillow, which is what we want it to use.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config = transformers.PaliGemmaConfig.from_pretrained(folder, local_files_only=True)
    device, dtype = _place(torch, config.text_config.hidden_size >= _WIDE)
    if device == "cpu" and _weights_bytes(folder) > _free_bytes():
        raise ModelLoad(_too_large(name))
    processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
    processor.tokenizer.padding_side = "left"  # padding on the right gives other answers without an error
    model, report = transformers.PaliGemmaForConditionalGeneration.from_pretrained(
        folder, config=config, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
    )
    if report["missing_keys"] or report["mismatched_keys"]:
        raise ModelLoad(f"{_short(name)} lacks some of its weights, or they do not fit. Get all of its files again.")
    model.to(device).eval()
    return Checkpoint(name, folder, model, processor, device, str(dtype).removeprefix("torch."), read(folder))


def _place(torch: Any, wide: bool) -> tuple[str, Any]:
    """Where to run, and in which numbers: float32 is safest, 16 bits are needed for billions of weights."""
    if torch.cuda.is_available():
        half = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        return "cuda", half if wide else torch.float32
    device = "mps" if torch.backends.mps.is_available() else "cpu"
    return device, torch.bfloat16 if wide else torch.float32


def _weights_bytes(folder: Path) -> int:
    """A lower bound of the memory the weights will take: what their files take, in 16 bits if they are in 16 bits."""
    return sum((folder / shard).stat().st_size for shard in _shards(folder)) // 2


def _free_bytes() -> float:
    """Memory the system could give us, without limit where it does not say (elsewhere than on Linux)."""
    try:
        said = re.search(r"MemAvailable:\s+(\d+) kB", _MEMINFO.read_text())
    except OSError:
        said = None
    return int(said[1]) * 1024 if said else float("inf")


def _too_large(name: str) -> str:
    return f"There is not enough free memory for {_short(name)}. Close other programs or choose a smaller model."


def _short(name: str) -> str:
    """A model's name fit to show: an id as it is, of a folder's path only the last part."""
    return name if _HUB_ID.fullmatch(name) and len(name) <= 60 else f"“{Path(name).name[:60]}”"
