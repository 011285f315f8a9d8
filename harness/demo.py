"""Where the shipped fixtures stand, and their repository unpacked."""

from __future__ import annotations

from pathlib import Path

import git

from harness.errors import HarnessError

_BUNDLE = "repo.bundle"
_REMOTE = "https://git.fernhill.example/text/tablewright.git"


def find_fixtures() -> tuple[Path, Path]:
    """The folder of recorded sessions and the bundle of their repository.

    Raises:
        HarnessError: this installation has none.
    """
    here = Path(__file__).resolve().parent
    for base in (here / "fixtures", here.parent / "fixtures"):
        if (base / "sessions").is_dir() and (base / _BUNDLE).is_file():
            return base / "sessions", base / _BUNDLE
    raise HarnessError("the fixtures are not installed: run the demo from a checkout, or reinstall deploysim")


def unpack_repository(bundle: Path, into: Path) -> Path:
    """The bundle as a bare repository at `into`, its origin as in the recordings; left alone where it is already."""
    if not (into / "HEAD").exists():
        with git.Repo.clone_from(str(bundle), str(into), bare=True) as repository:
            repository.remote().set_url(_REMOTE)
    return into
