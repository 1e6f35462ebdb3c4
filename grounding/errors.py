"""Everything that can go wrong and is worth a sentence to a person.

GroundingError            shown to people as it is: what happened and what to do next
├── ConfigError           settings, keys or packages that are missing or contradict each other
├── ImageError            a file that is no picture we can or want to read
├── RequestError          a request that cannot be asked (no labels, a backend that lacks the task …)
├── Stopped               the person pressed Stop
└── BackendError          the model or its service did not answer
    ├── RateLimited       … because too much was asked; `retry_after_s` says when to come back, if known
    ├── Timeout           … in the time allowed
    └── ModelLoad         … because its weights could not be loaded
        └── Gated         … before their licence is accepted; `steps` are the way in, one sentence each

Messages stay under 200 characters and hold no path, no class name and no key. A block by a safety filter is a Result,
not an error.
"""

from __future__ import annotations


class GroundingError(Exception):
    """Root of the tree; its text may be shown to anyone."""


class ConfigError(GroundingError):
    pass


class ImageError(GroundingError):
    pass


class RequestError(GroundingError):
    pass


class Stopped(GroundingError):
    def __init__(self) -> None:
        super().__init__("Stopped.")


class BackendError(GroundingError):
    pass


class RateLimited(BackendError):
    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Timeout(BackendError):
    pass


class ModelLoad(BackendError):
    pass


class Gated(ModelLoad):
    def __init__(self, message: str, steps: tuple[str, ...]) -> None:
        super().__init__(message)
        self.steps = steps
