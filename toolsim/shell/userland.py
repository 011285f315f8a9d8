"""The programs of a container image, as a toolbox: those whose output is exact, and those that are asked to be run.

Reads archives of the image's program directories; knows nothing of a container engine.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolsim.errors import ShellError
from toolsim.shell import toolbox


@dataclass(frozen=True, slots=True)
class Image:
    """A container image by the name that the engine knows it by, the programs in it that are really executed, and its
    id, once the engine has told it."""

    name: str
    executed: tuple[str, ...] = ()
    id: str = ""

    def __str__(self) -> str:
        """For manifests and summaries."""
        told = f" ({self.id.removeprefix('sha256:')[:12]})" if self.id else ""
        return self.name + told + (f", executing {', '.join(self.executed)}" if self.executed else "")


USUAL, LOCAL = "/usr/bin", "/usr/local/bin"
Archive = Callable[[str, Path], bool]
"""Write the archive of one of the image's directories into a file; `False` if the image has no such path."""


def build(cache: Path, image: str, archive: Archive, executed: tuple[str, ...]) -> toolbox.Toolbox:
    """The toolbox of an image (`image` is its id), made below `cache` if it is not there.

    Raises:
        ShellError: the image lacks a program that commands cannot do without, or one that is to be executed.
    """
    root = cache / f"image-{toolbox.fingerprint(f'{image} {sorted(executed)} {Path(__file__).read_text()}')}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="image-") as scratch:
            made = Path(scratch) / "made"
            _make(made, Path(scratch), archive, executed)
            try:
                made.rename(root)
            except OSError:
                if not root.is_dir():
                    raise
    return toolbox.opened(root, executed=(root / "executed").read_text().split())


def _make(made: Path, scratch: Path, archive: Archive, executed: tuple[str, ...]) -> None:
    found: dict[str, Path] = {}
    run: dict[str, dict[str, Path]] = {USUAL: {}, LOCAL: {}}
    wanted = (*toolbox.EXACT, *toolbox.GUARDED, "mawk")
    for place in (USUAL, LOCAL):
        into = scratch / place.lstrip("/").replace("/", "-")
        into.mkdir()
        with _opened(place, scratch / "archive.tar", archive) as held:
            if place == USUAL:
                found = dict(_extracted(held, place, wanted, into))
            run[place] = dict(_extracted(held, place, _versions(held, executed), into))
    if absent := sorted(set(toolbox.NEEDED) - set(found)):
        raise ShellError(f"the image lacks {', '.join(absent)}, or its /bin is no link to /usr/bin")
    for name in executed:
        if not any(_is_version(name, there) for place in run.values() for there in place):
            raise ShellError(f"the image has no program {name} in {USUAL} or {LOCAL}")
    toolbox.assemble(made, found, ("gnu",))
    for place, directory in ((USUAL, made / "bins/gnu"), (LOCAL, made / "bins/local")):
        if run[place]:
            directory.mkdir(exist_ok=True)
        for name, path in run[place].items():
            (directory / name).unlink(missing_ok=True)
            shutil.copy(path, directory / name)
    (made / "executed").write_text("\n".join(sorted({*executed, *run[USUAL], *run[LOCAL]})) if executed else "")


@contextmanager
def _opened(
    place: str, file: Path, archive: Archive
) -> Iterator[Mapping[str, tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    """What stands directly in a directory, by name."""
    if not archive(place, file):
        yield {}
        return
    with tarfile.open(file) as tar:
        members = ((m.name.partition("/")[2], m) for m in tar)
        yield {name: (tar, member) for name, member in members if name and "/" not in name}


def _extracted(
    held: Mapping[str, tuple[tarfile.TarFile, tarfile.TarInfo]], place: str, names: Iterable[str], into: Path
) -> Iterator[tuple[str, Path]]:
    """The programs of these names as files below `into`; links are followed inside of the directory."""
    for name in names:
        at = name
        for _ in range(10):
            entry = held.get(at)
            if entry is None or not (entry[1].issym() or entry[1].islnk()):
                break
            link = entry[1].linkname
            target = posixpath.normpath(posixpath.join(place, link if entry[1].issym() else posixpath.basename(link)))
            at = posixpath.basename(target) if posixpath.dirname(target) in (place, "/bin") else ""
        if entry is None or not entry[1].isfile() or at == "busybox":  # one program of many faces prints other texts
            continue
        stream = entry[0].extractfile(entry[1])
        if stream is not None:
            path = into / name
            with stream, path.open("wb") as copy:
                shutil.copyfileobj(stream, copy)
            path.chmod(0o755)
            yield name, path


def _versions(held: Iterable[str], names: Iterable[str]) -> list[str]:
    return [there for there in held for name in names if _is_version(name, there)]


def _is_version(name: str, there: str) -> bool:
    """`python` is also found as `python3` and `python3.11`: a script names its interpreter as it likes."""
    return re.fullmatch(re.escape(name) + r"[\d.]*", there) is not None
