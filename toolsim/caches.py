"""The one folder for what can be made again: weights, checkouts, clones, the sandbox's toolbox."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """`$DEPLOYSIM_CACHE`, else `deploysim` in the user's cache folder. It may not exist yet."""
    chosen = os.environ.get("DEPLOYSIM_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deploysim"
