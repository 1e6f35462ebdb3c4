"""Settings of every test."""

from __future__ import annotations

from hypothesis import settings

# A time limit for each example says how busy the machine is, not whether the code is right.
settings.register_profile("pinpoint", deadline=None)
settings.load_profile("pinpoint")
