"""Settings, read once from the environment and passed down. Knows no backend and no page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from grounding.errors import ConfigError

_LOOPBACK = "127.0.0.1"
_LOOPBACKS = (_LOOPBACK, "localhost", "::1")
_EVERYWHERE = "0.0.0.0"
DEFAULT_PROJECTS = "~/pinpoint-projects"


@dataclass(frozen=True)
class Settings:
    """What the operator chose.

    gemini_api_key: the operator's own key; visitors of the page use it only where `share_key` says so.
    share_key: PINPOINT_SHARE_KEY=1: whoever opens the page may spend the operator's key.
    backend, model: the first choice of the page and the command line; None picks what is at hand.
    device: where models of this machine run: "auto", "cpu", "cuda", "cuda:1" or "mps". precision: of their weights:
    "auto", "float32", "bfloat16", "float16", on CUDA "int8" or "nf4"; a model's name may say another behind an @.
    deadline_s: how long a service may take over one request, tries and waits included.
    projects: the folder projects are kept in; where others reach the page each visitor's are temporary.
    """

    gemini_api_key: str | None = field(default=None, repr=False)
    share_key: bool = False
    gemini_base_url: str | None = None
    hf_token: str | None = field(default=None, repr=False)
    backend: str | None = None
    model: str | None = None
    device: str = "auto"
    precision: str = "auto"
    deadline_s: float = 60.0
    host: str = _LOOPBACK
    port: int = 7860
    on_space: bool = False
    projects: str = DEFAULT_PROJECTS

    @property
    def local(self) -> bool:
        """Whether only this machine's own browser reaches the page, so that whoever uses it is its operator."""
        return not self.on_space and self.host in _LOOPBACKS

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read `env` (os.environ or any mapping); raises ConfigError with the variable to fix."""

        def text(*names: str) -> str | None:
            return next((value for name in names if (value := env.get(name, "").strip())), None)

        on_space = text("SPACE_ID") is not None
        return cls(
            gemini_api_key=text("GOOGLE_API_KEY", "GEMINI_API_KEY"),  # google-genai's own order
            share_key=_flag(text("PINPOINT_SHARE_KEY"), "PINPOINT_SHARE_KEY"),
            gemini_base_url=text("GOOGLE_GEMINI_BASE_URL"),
            hf_token=text("HF_TOKEN"),
            backend=text("PINPOINT_BACKEND"),
            model=text("PINPOINT_MODEL"),
            device=_one_of(
                text("PINPOINT_DEVICE"), r"auto|cpu|mps|cuda(:\d)?", "PINPOINT_DEVICE", "auto, cpu, cuda or mps"
            ),
            precision=_one_of(
                text("PINPOINT_PRECISION"),
                "auto|float32|bfloat16|float16|int8|nf4",
                "PINPOINT_PRECISION",
                "auto, float32, bfloat16, float16, int8 or nf4",
            ),
            host=text("PINPOINT_HOST") or (_EVERYWHERE if on_space else _LOOPBACK),
            port=_port(text("PINPOINT_PORT") or "7860"),
            on_space=on_space,
            projects=text("PINPOINT_PROJECTS") or DEFAULT_PROJECTS,
        )


def clean_key(text: str) -> str:
    """The API key in `text` without what gets copied along with it (a variable's name, quotes); "" where it is blank.

    Raises ConfigError where what is left cannot be one.
    """
    key = re.sub(r"^(export\s+)?(GEMINI|GOOGLE)_API_KEY\s*[=:]", "", text.strip(), flags=re.IGNORECASE)
    key = key.strip().strip("\"'`").strip()
    if key and not re.fullmatch(r"[!#-&(-~]{1,512}", key):  # printable ASCII, no spaces or quotes: a header's limits
        raise ConfigError("This does not look like an API key: it has spaces, line breaks or odd characters.")
    return key


def _flag(value: str | None, name: str) -> bool:
    if value is None or value.lower() in {"0", "no", "false", "off"}:
        return False
    if value.lower() in {"1", "yes", "true", "on"}:
        return True
    raise ConfigError(f"{name} should be 1 or 0.")


def _one_of(value: str | None, pattern: str, name: str, choices: str) -> str:
    """`value` if `pattern` allows it, "auto" where there is none."""
    if value and not re.fullmatch(pattern, value.lower()):
        raise ConfigError(f"{name} should be {choices}.")
    return (value or "auto").lower()


def _port(value: str) -> int:
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise ConfigError("PINPOINT_PORT should be a number from 1 to 65535.")
    return int(value)
