"""Every PaliGemma that Google gave out, in one table: shape, memory, prompts, published figures.

The figures are other people's, each with its source; where none was found there is none. Knows no torch.
What a name that people type stands for: paligemma_names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_CARD = "big_vision, PaliGemma README"
_SEGIS = "segis95/paligemma2-detection, COCO val2017"
_GB = 1e9

LICENCE = "Gemma terms of use (ai.google.dev/gemma/terms): to be accepted once on the model's page; use restrictions."


class Tuning(StrEnum):
    """What a checkpoint was last trained for."""

    PT = "pt"  # to be fine-tuned further; answers prompts of its own grammar, and those unevenly
    MIX = "mix"  # many tasks at once: the one to ask
    FT = "ft"  # one benchmark
    OWN = "own"  # somebody's own, or ours


class Precision(StrEnum):
    """How weights are kept; AUTO: 32 bits for small models, 16 for large ones."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    INT8 = "int8"  # by bitsandbytes, on CUDA only; so is NF4
    NF4 = "nf4"


@dataclass(frozen=True)
class Language:
    """The language part. `linear`: weights that 4 and 8 bits apply to; the vision tower's, 410 M, included."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    parameters_224: int  # of the whole model at 224 px; counted by building it from its config, as `linear` was
    linear: int


GEMMA_2B = Language("Gemma 2B", 2048, 18, 8, 1, 256, 2_923_466_480, 2_395_238_400)
GEMMA2_2B = Language("Gemma 2 2B", 2304, 26, 8, 4, 256, 3_032_242_416, 2_438_000_640)
GEMMA2_9B = Language("Gemma 2 9B", 3584, 42, 16, 8, 256, 9_662_638_832, 8_738_795_520)
GEMMA2_27B = Language("Gemma 2 27B", 4608, 46, 32, 16, 128, 27_650_487_024, 26_463_006_720)

_VISION = 1152  # width of SigLIP So400m: what one more image token adds to the position embeddings


@dataclass(frozen=True)
class Score:
    """A published figure, e.g. ("POPE random / popular / adversarial", "89.37 / 88.40 / 87.47", source)."""

    benchmark: str
    value: str
    source: str


@dataclass(frozen=True)
class Member:
    """One checkpoint. classes_per_call: how many things one detect prompt should ask for.

    prompts: the first words it was tuned to answer. revisions: branches with the weights in that precision, besides
    main. language: None for a checkpoint whose shape is not known before it is loaded.
    """

    id: str
    tuning: Tuning
    resolution: int
    image_tokens: int
    parameters: int
    prompts: tuple[str, ...]
    classes_per_call: int = 1
    language: Language | None = None
    revisions: tuple[str, ...] = ()
    licence: str = LICENCE
    scores: tuple[Score, ...] = ()

    @property
    def gated(self) -> bool:
        return self.id.startswith("google/")

    def weights_bytes(self, precision: Precision) -> int:
        """What the weights take in memory."""
        if self.language and precision in LINEAR_BYTES:
            rest = self.parameters - self.language.linear
            return round(self.language.linear * LINEAR_BYTES[precision] + rest * 2)
        return self.parameters * bytes_per_weight(precision)

    def memory_bytes(self, precision: Precision, rows: int = 1) -> int:
        """What loading it and answering `rows` prompts at once takes, the program with it: see `needed_bytes`."""
        return RUNTIME_BYTES + needed_bytes(self.weights_bytes(precision), self.language, self.image_tokens, rows)


LINEAR_BYTES = {Precision.INT8: 1.002, Precision.NF4: 0.516}
"""Bytes for each weight of a linear layer. int8 keeps a float32 for each row; nf4 a byte for each 64 weights and a
float32 for each 256 of those (double quantisation). Everything else (embeddings, norms) stays in 16 bits."""

RUNTIME_BYTES = 700_000_000
"""torch and transformers, 0.37 GB resident before any weights (measured, CPU), and buffers; on CUDA its context."""

LOADING = 1.05
"""Over the weights' size. Measured with 145 M weights on a CPU: files of the wanted precision are mapped and cost no
more; those of another are mapped beside it, which the system takes back when it needs the room."""


def needed_bytes(weights: int, language: Language | None, image_tokens: int, rows: int = 1) -> int:
    """Weights and work: keys and values of every token, and the largest step of reading the prompt; not the program.

    That step is the attention of one layer, heads x tokens x tokens in 32 bits, twice. 200 tokens are for the prompt
    and its answer. A rule to refuse what cannot work, not a measurement.
    """
    total = weights * LOADING
    if language:
        tokens = image_tokens + 200
        kept = 2 * language.layers * language.kv_heads * language.head_dim * 2 * tokens
        step = 2 * 4 * language.heads * tokens**2
        total += rows * (kept + step)
    return round(total)


def bytes_per_weight(precision: Precision) -> int:
    """Of weights that are not quantised."""
    return 4 if precision is Precision.FLOAT32 else 2


PT_PROMPTS = ("cap", "caption", "describe", "ocr", "answer", "question", "detect", "segment")
_MIX_1 = ("caption", "answer", "detect", "segment")
MIX_PROMPTS = (*_MIX_1, "describe", "ocr")
"""ai.google.dev/gemma/docs/paligemma/prompt-system-instructions: cap, describe, ocr and question are for pt only. The
cards of PaliGemma 2 mix name long captions and text reading among its tasks. Mix also takes plain questions."""

MIX_CLASSES = 8
"""segis95/paligemma2-detection on COCO: 3b-mix-448 reaches mAP .10 with 1 class a call, .21 with 8, .13 with 80; the
pt checkpoints are best with 1. To segment, one at a time: asked for several, mix checkpoints answer one, unnamed."""

IMAGE_TOKENS = {224: 256, 448: 1024, 896: 4096}

_MEASURED: Mapping[str, tuple[Score, ...]] = {
    "google/paligemma-3b-mix-224": (
        Score("POPE random / popular / adversarial, accuracy", "88.00 / 86.63 / 85.67", _CARD),
        Score("MMVP, paired accuracy", "46.00", _CARD),
    ),
    "google/paligemma-3b-mix-448": (
        Score("POPE random / popular / adversarial, accuracy", "89.37 / 88.40 / 87.47", _CARD),
        Score("MMVP, paired accuracy", "45.33", _CARD),
    ),
    "google/paligemma2-3b-pt-448": (Score("mAP / AP50, 1 class a call", ".239 / .365", _SEGIS),),
    "google/paligemma2-10b-pt-224": (Score("mAP / AP50, 1 class a call", ".192 / .302", _SEGIS),),
    "google/paligemma2-10b-pt-448": (Score("mAP / AP50, 1 class a call", ".223 / .337", _SEGIS),),
    "google/paligemma2-10b-pt-896": (Score("mAP / AP50, 1 class a call", ".218 / .329", _SEGIS),),
    "google/paligemma2-28b-pt-448": (Score("mAP, 4 classes a call", ".009", _SEGIS),),
    "google/paligemma2-3b-mix-448": (Score("mAP, 8 classes a call, read off a chart", "about .21", _SEGIS),),
    "google/paligemma2-10b-mix-448": (Score("mAP / AP50, 10 classes a call", ".220 / .339", _SEGIS),),
}

_FINE_TUNED: Mapping[str, tuple[str, tuple[str, ...], Mapping[int, str]]] = {
    "refcoco-seg": (
        "RefCOCO / RefCOCO+ / RefCOCOg validation, mIoU",
        ("segment",),
        {224: "73.40 / 68.32 / 67.65", 448: "75.57 / 69.76 / 70.17", 896: "76.94 / 72.18 / 72.22"},
    ),
    "cococap": ("COCO captions, CIDEr", ("caption",), {224: "141.92", 448: "144.60"}),
    "coco35l": (
        "COCO-35L en / 34 others / all, CIDEr",
        ("caption",),
        {224: "139.2 / 115.8 / 116.4", 448: "141.2 / 118.0 / 118.6"},
    ),
    "textcaps": ("TextCaps, CIDEr", ("caption",), {224: "127.48", 448: "153.94"}),
    "vqav2": (
        "VQAv2, accuracy; POPE; MMVP",
        ("answer",),
        {224: "83.19; 87.80 / 85.87 / 84.27; 47.33", 448: "85.64; 88.23 / 86.77 / 85.90; 45.33"},
    ),
    "ai2d": ("AI2D, accuracy", ("answer",), {224: "72.12", 448: "73.28"}),
    "ocrvqa": ("OCR-VQA, accuracy", ("answer",), {224: "73.24", 448: "75.60", 896: "75.90"}),
    "textvqa": ("TextVQA, accuracy", ("answer",), {224: "55.47", 448: "73.15", 896: "76.48"}),
    "docvqa": ("DocVQA, ANLS", ("answer",), {224: "43.74", 448: "78.02", 896: "84.77"}),
    "infovqa": ("InfographicVQA, ANLS", ("answer",), {224: "28.46", 448: "40.47", 896: "47.75"}),
    "stvqa": ("ST-VQA, ANLS", ("answer",), {224: "63.29", 448: "81.82", 896: "84.40"}),
}
"""Of the one-benchmark checkpoints, those people ask a picture with; others load by their id just as well."""


def parameters_at(language: Language, image_tokens: int) -> int:
    return language.parameters_224 + _VISION * (image_tokens - IMAGE_TOKENS[224])


def _google(stem: str, language: Language, tuning: Tuning, resolution: int, prompts: tuple[str, ...]) -> Member:
    name = f"google/{stem}-{resolution}"
    tokens = IMAGE_TOKENS[resolution]
    first = language is GEMMA_2B
    return Member(
        name,
        tuning,
        resolution,
        tokens,
        parameters_at(language, tokens),
        prompts,
        classes_per_call=MIX_CLASSES if tuning is Tuning.MIX else 1,
        language=language,
        revisions=("bfloat16", "float16") if first else (),
        scores=_MEASURED.get(name, ()),
    )


def _table() -> tuple[Member, ...]:
    rows = [_google("paligemma-3b-pt", GEMMA_2B, Tuning.PT, size, PT_PROMPTS) for size in (224, 448, 896)]
    rows += [_google("paligemma-3b-mix", GEMMA_2B, Tuning.MIX, size, _MIX_1) for size in (224, 448)]
    for billions, language in (("3b", GEMMA2_2B), ("10b", GEMMA2_9B), ("28b", GEMMA2_27B)):
        stem = f"paligemma2-{billions}"
        rows += [_google(f"{stem}-pt", language, Tuning.PT, size, PT_PROMPTS) for size in (224, 448, 896)]
        rows += [_google(f"{stem}-mix", language, Tuning.MIX, size, MIX_PROMPTS) for size in (224, 448)]
        if language is not GEMMA2_27B:
            rows.append(_google(f"{stem}-ft-docci", language, Tuning.FT, 448, ("describe", "caption")))
    for task, (benchmark, prompts, values) in _FINE_TUNED.items():
        for size, value in values.items():
            row = _google(f"paligemma-3b-ft-{task}", GEMMA_2B, Tuning.FT, size, prompts)
            rows.append(Member(**{**row.__dict__, "scores": (Score(benchmark, value, _CARD),)}))
    return tuple(rows)


FAMILY: tuple[Member, ...] = _table()


def in_gb(size: float) -> str:
    """A size for people: "6.2 GB", "0.02 GB"."""
    return f"{size / _GB:.{1 if size >= _GB / 10 else 2}f} GB"
