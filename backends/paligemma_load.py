"""Gets a PaliGemma checkpoint and its mask codebook into memory, from a folder or the Hub, or says why not.

Knows no request and no answer. Loading is not safe in two threads at once: the caller holds a lock (the Pool does).
Which of it has met real weights, and what was only tried on small ones made for it: docs/decisions/0015.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backends import paligemma_hub, paligemma_place
from backends.paligemma_family import LINEAR_BYTES, Precision, bytes_per_weight
from backends.paligemma_hub import HUB_ID, short
from backends.paligemma_names import BUNDLED, Wanted, member, wanted
from backends.paligemma_place import WIDE, is_out_of_memory
from backends.paligemma_scores import Calibration, read
from grounding.backend import Loading, Report, Stage
from grounding.codecs.mask_tokens import MaskCodec
from grounding.errors import ConfigError, ModelLoad

MASK_FILE = "vae-oid.npz"
MASK_SPACE = "big-vision/paligemma"  # Google's own demo; the file is public there

_INDEX = "model.safetensors.index.json"
_FILES = ("*.json", "*.safetensors", "tokenizer.model", MASK_FILE)  # of a Hub repository: all a load needs, no pickles


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model ready to generate, with the folder its files are in. dtype: "float32", "bfloat16", "nf4" …"""

    name: str
    folder: Path
    model: Any
    processor: Any
    device: str
    dtype: str
    calibration: Calibration | None = None


def load(
    name: str,
    hf_token: str | None,
    *,
    device: str = "auto",
    precision: str = "auto",
    report: Report | None = None,
) -> Checkpoint:
    """The checkpoint `name`: a bundled one, a folder, or an id on the Hub; raises ModelLoad with what to do.

    Behind an @ the name may say a precision or a revision: "google/paligemma-3b-mix-448@nf4". report: told how far.
    """
    from safetensors import SafetensorError

    asked = wanted(name)
    if asked.precision is Precision.AUTO:
        asked = replace(asked, precision=Precision(precision))
    folder = _folder(asked, device, hf_token, report)
    kind = _model_type(folder)
    if kind and kind != "paligemma":
        raise ModelLoad(f"{short(asked.id)} is a {kind[:30]} model. Choose a PaliGemma or PaliGemma 2 checkpoint.")
    if missing := _missing(folder):
        raise ModelLoad(f"{short(asked.id)} lacks {missing}, so it cannot be loaded. Get all of its files again.")
    try:
        return _load(name, asked, folder, device, report)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, MemoryError, SafetensorError) as error:
        if isinstance(error, (ModelLoad, ConfigError)):
            raise
        if is_out_of_memory(error):
            said = f"There is not enough free memory for {short(asked.id)}."
            raise ModelLoad(f"{said} Close other programs or choose a smaller model.") from error
        raise ModelLoad(
            f"The files of {short(asked.id)} are damaged or do not fit together. Get them again."
        ) from error


def mask_codec(checkpoint: Checkpoint, hf_token: str | None) -> MaskCodec:
    """The mask codebook beside the checkpoint, or else Google's from the Hub; a GroundingError where there is none."""
    beside = checkpoint.folder / MASK_FILE
    return MaskCodec.load(beside if beside.is_file() else fetch_mask_file(hf_token))


def fetch_mask_file(hf_token: str | None = None) -> Path:
    """`vae-oid.npz` from the Hub, downloaded once and then found in its cache without the network."""
    kept = paligemma_hub.cached(MASK_SPACE, (MASK_FILE,), repo_type="space")
    if kept and (kept / MASK_FILE).is_file():
        return kept / MASK_FILE
    try:
        return paligemma_hub.fetch(MASK_SPACE, (MASK_FILE,), hf_token, repo_type="space") / MASK_FILE
    except ModelLoad as error:
        raise ModelLoad("The mask codebook could not be fetched from the Hugging Face Hub.") from error


def _folder(asked: Wanted, device: str, hf_token: str | None, report: Report | None) -> Path:
    name = asked.id
    if name in BUNDLED:
        if not (BUNDLED[name] / "config.json").is_file():
            raise ModelLoad(f"{name} is not in this copy of Pinpoint. Get a complete copy, or choose another model.")
        return BUNDLED[name]
    if (folder := Path(name)).name and os.path.isdir(folder):  # Path.is_dir raises on a name too long
        return folder
    if not HUB_ID.fullmatch(name):
        raise ModelLoad("That is neither a folder on this machine nor a model id such as google/paligemma2-3b-mix-224.")
    return _from_hub(asked, device, hf_token, report)


def _from_hub(asked: Wanted, device: str, hf_token: str | None, report: Report | None) -> Path:
    """The repository's folder in the cache; what is there already is used as it is, without asking the Hub."""
    revisions = _revisions(asked, device)
    for revision in revisions:
        kept = paligemma_hub.cached(asked.id, _FILES, revision=revision)
        if kept and not _missing(kept):
            return kept
    for revision in revisions:
        try:
            config = paligemma_hub.fetch(asked.id, ("config.json", _INDEX), hf_token, revision=revision)
            if _model_type(config) != "paligemma":
                return config  # before gigabytes of something else are downloaded
            _refuse_too_large(asked, config, device)
            return paligemma_hub.fetch(asked.id, _FILES, hf_token, revision=revision, report=report)
        except ModelLoad as error:
            if revision == revisions[-1] or not paligemma_hub.is_no_revision(error):
                raise
    raise AssertionError("there is always a last revision")


def _revisions(asked: Wanted, device: str) -> tuple[str | None, ...]:
    """The branches to try in turn, None for main: one in the wanted precision is half the download."""
    if asked.revision:
        return (asked.revision,)
    row = member(asked.id)
    if row is None or not row.revisions:
        return (None,)
    place = paligemma_place.choose(True, device, asked.precision)
    dtype = paligemma_place.named(place.dtype)
    return (dtype, None) if dtype in row.revisions else (None,)


def _missing(folder: Path) -> str:
    """What a load from `folder` would lack, in words; empty if nothing."""
    needs = {
        "its config.json": ("config.json",),
        "its image processor": ("preprocessor_config.json", "processor_config.json"),
        "its tokenizer": ("tokenizer.json", "tokenizer.model"),
        "weights in safetensors format": ("model.safetensors", _INDEX),
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
    return set(_read_json(folder / _INDEX).get("weight_map", {}).values())


def _model_type(folder: Path) -> str:
    """What config.json says, "" where there is none to be read."""
    return str(_read_json(folder / "config.json").get("model_type", ""))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    return content if isinstance(content, dict) else {}


def _load(name: str, asked: Wanted, folder: Path, device: str, report: Report | None) -> Checkpoint:
    import transformers

    # Without torchvision transformers warns at every load that it uses Pillow, which is what we want it to use.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config = transformers.PaliGemmaConfig.from_pretrained(folder, local_files_only=True)
    place = paligemma_place.choose(config.text_config.hidden_size >= WIDE, device, asked.precision)
    weights = paligemma_place.weights_bytes([folder / shard for shard in _shards(folder)], place.precision)
    paligemma_place.refuse(asked.id, weights, place)
    processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
    processor.tokenizer.padding_side = "left"  # padding on the right gives other answers without an error
    with _reporting(transformers, weights, report):
        model, found = transformers.PaliGemmaForConditionalGeneration.from_pretrained(
            folder,
            config=config,
            dtype=place.dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **paligemma_place.quantising(transformers, place),
        )
    if found["missing_keys"] or found["mismatched_keys"]:
        raise ModelLoad(f"{short(asked.id)} lacks some of its weights, or they do not fit. Get all of its files again.")
    if not place.quantised:  # those are put where they run while they are read
        model.to(place.device)
    model.eval()
    return Checkpoint(name, folder, model, processor, place.device, place.precision.value, read(folder))


@contextmanager
def _reporting(transformers: Any, weights: int, report: Report | None) -> Iterator[None]:
    """While weights are read, `report` is told how many: by the bar that transformers would show."""
    if report is None:
        yield
        return
    report(Loading(Stage.READING, 0, weights))

    def counted(factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        items = list(args[0]) if args else None
        return factory(*args, **kwargs) if items is None else _counting(items, weights, report)

    before = transformers.logging.set_tqdm_hook(counted)
    try:
        yield
    finally:
        transformers.logging.set_tqdm_hook(before)


def _counting(items: list[Any], weights: int, report: Report) -> Iterator[Any]:
    for number, item in enumerate(items, 1):
        yield item
        report(Loading(Stage.READING, weights * number // len(items), weights))


def _refuse_too_large(asked: Wanted, config: Path, device: str) -> None:
    """Raises ModelLoad where a repository will not fit, by what is known of it before its weights are here."""
    row, numbers = member(asked.id), _numbers(_read_json(config / _INDEX).get("metadata"))
    if row is None and not numbers:
        return
    wide = _read_json(config / "config.json").get("text_config", {}).get("hidden_size", WIDE)
    place = paligemma_place.choose(not isinstance(wide, int) or wide >= WIDE, device, asked.precision)
    each = LINEAR_BYTES.get(place.precision, bytes_per_weight(place.precision))
    paligemma_place.refuse(asked.id, row.weights_bytes(place.precision) if row else round(numbers * each), place)


def _numbers(metadata: object) -> float:
    """How many numbers a repository's weights are; as if of 32 bits where its index tells bytes alone; 0: neither."""
    told = metadata if isinstance(metadata, dict) else {}
    count, size = told.get("total_parameters"), told.get("total_size")
    return count if isinstance(count, int) else size / 4 if isinstance(size, int) else 0
