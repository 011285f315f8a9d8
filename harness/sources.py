"""Graded turns by name: a file of JSON lines (`harness.graded`)."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ConfigError
from harness.graded import GradedSet, load_graded


def graded_set(source: str) -> GradedSet:
    """The graded turns that a command line names.

    Raises:
        ConfigError: there is no such file, it cannot be read, or it does not fit.
    """
    path = Path(source)
    if not path.is_file():
        raise ConfigError(f"there is no file {source}: name a file of graded turns")
    try:
        return load_graded(path.read_text("utf-8"), source)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {source}: {error}") from error
