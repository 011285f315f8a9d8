"""Graded turns by name: a file of JSON lines (`harness.graded`), a graded run of a store, or `recorded`."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ConfigError
from harness.graded import GradedSet, load_graded


def graded_set(source: str, store: Path | str | None = None) -> GradedSet:
    """The graded turns that a command line names: a file, or what `deploysim grade` kept of a run (or of `recorded`).

    Raises:
        ConfigError: there is no such file or graded run, it cannot be read, or it does not fit.
    """
    path = Path(source)
    if not path.is_file():
        found = None if store is None or (isinstance(store, Path) and not store.is_file()) else _stored(store, source)
        if found is None:
            raise ConfigError(f"there is no file {source} and no such graded run: name a file of graded turns")
        return found
    try:
        return load_graded(path.read_text("utf-8"), source)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {source}: {error}") from error


def _stored(place: Path | str, source: str) -> GradedSet | None:
    from harness.behaviors.grading import stored
    from harness.store import Store

    with Store(place, create=False) as store:
        if source != "recorded":
            ids = [str(run["id"]) for run in store.runs() if str(run["id"]).startswith(source)]
            if len(ids) != 1:
                return None
            source = ids[0]
        return stored(store, source)
