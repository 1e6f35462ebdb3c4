"""The tasks, one file each: `build` lays out, `wire` connects. TABS is their order on the page."""

from __future__ import annotations

from ui.tabs import ask, caption, detect, segment

TABS = (detect, segment, ask, caption)
