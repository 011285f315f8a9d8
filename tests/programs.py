"""The programs of `benchmarks/` as modules, so that tests play what the benchmarks play."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

FOLDER = str(Path(__file__).parents[1] / "benchmarks")


def benchmark(name: str) -> ModuleType:
    """The module of `benchmarks/NAME.py`."""
    if FOLDER not in sys.path:
        sys.path.append(FOLDER)
    return importlib.import_module(name)
