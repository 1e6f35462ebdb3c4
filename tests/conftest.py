"""Settings of every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes, or the making of some, says how busy the machine is, not whether the code is right. The
# same examples each time, so that a change is judged by itself; `--hypothesis-profile=explore` draws new ones.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("pinpoint", settings.get_profile("explore"), derandomize=True)
settings.load_profile("pinpoint")
