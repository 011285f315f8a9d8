"""Files of an export: names that are safe and no file overwritten."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.errors import HarnessError


def file_name(name: str) -> str:
    """The name as a file name; where that is not the name itself, with a hash, so that no two share a file."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:120]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def new_file(folder: Path, name: str) -> Path:
    """The path of a file that is not there yet; the folder is made.

    Raises:
        HarnessError: the file is there already, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"cannot write to {folder}: {error.strerror}") from error
    path = folder / name
    if path.exists():
        raise HarnessError(f"{path} is there already: name another folder, or remove it")
    return path
