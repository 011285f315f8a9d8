"""The root that commands of the sandbox see: real programs whose output is exact, their libraries, and nothing else.

A toolbox is a directory made once per cache and set of host binaries. It names no host path and holds no interpreter
but the shells and awk. `programs/` beside this module holds the scripts that stand before a program where only some
of its forms are exact; they ask the simulator for the others.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolsim.errors import ShellError

# What these print depends on their input alone (given a userland).
EXACT = (
    "bash", "dash", "[", "base32", "base64", "basename", "cat", "chmod", "cksum", "cmp", "comm", "cp", "csplit", "cut",
    "diff3", "dirname", "echo", "expand", "expr", "factor", "false", "fmt", "fold", "grep", "head", "join", "link",
    "ln", "md5sum", "mkdir", "mkfifo", "mktemp", "mv", "nl", "nohup", "nice", "numfmt", "od", "paste", "patch", "pr",
    "printf", "pwd", "readlink", "realpath", "rev", "rm", "rmdir", "sed", "seq", "sha1sum", "sha224sum", "sha256sum",
    "sha384sum", "sha512sum", "split", "sum", "tac", "tail", "tee", "test", "touch", "tr", "true", "truncate", "tsort",
    "unexpand", "uniq", "unlink", "wc", "xargs", "yes", "b2sum",
)  # fmt: skip
# Stand behind a script of `programs/`.
GUARDED = ("awk", "diff", "env", "find", "git", "ls", "sort", "stat")
# Not on a BSD system, or with another output there.
NOT_BSD = frozenset({
    "b2sum", "base32", "factor", "fmt", "join", "md5sum", "mktemp", "nice", "numfmt", "od", "patch", "pr", "readlink",
    "realpath", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "sum", "tac", "truncate", "tsort",
    "diff3", "csplit", "touch", "cksum", "expr",
})  # fmt: skip
NEEDED = ("bash", "cat", "cp", "dash", "git", "grep", "ls", "mawk", "mkfifo", "rm", "sed")
GIT_SCRIPTS = ("git-sh-setup", "git-sh-i18n", "git-merge-one-file", "git-merge-octopus", "git-merge-resolve")
SCRIPTS = Path(__file__).parent / "programs"


@dataclass(frozen=True, slots=True)
class Toolbox:
    """`root` is the new root's content; `bins` holds the program directory of each userland.

    `local` is what stands in `/usr/local/bin`, if anything does; `executed` are programs that are really run although
    what they print does not depend on their input alone. `standing` are directories that its machine has, `left` files
    that its engine leaves there.
    """

    root: Path
    bins: dict[str, Path]
    names: dict[str, frozenset[str]]
    local: Path | None = None
    executed: frozenset[str] = frozenset()
    standing: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()


def missing_programs() -> tuple[str, ...]:
    """The programs that a toolbox cannot do without and this machine lacks."""
    return tuple(name for name in NEEDED if _host_program(name) is None)


def build(cache: Path) -> Toolbox:
    """The toolbox of this machine below `cache`, made if it is not there.

    Raises:
        ShellError: a needed program is missing.
    """
    if absent := missing_programs():
        raise ShellError(f"the sandbox needs {', '.join(absent)}: install them")
    programs = {name: path for name in (*EXACT, *GUARDED, "mawk") if (path := _host_program(name)) is not None}
    root = cache / f"toolbox-{_fingerprint(programs)}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="toolbox-") as scratch:
            made = Path(scratch) / "made"
            _fill(made, programs)
            try:
                made.rename(root)
            except OSError:
                if not root.is_dir():
                    raise
    return opened(root)


def opened(root: Path, *, executed: Iterable[str] = ()) -> Toolbox:
    """A toolbox that was made before."""
    bins = {userland: path for userland in ("gnu", "bsd") if (path := root / "bins" / userland).is_dir()}
    names = {userland: frozenset(p.name for p in path.iterdir()) for userland, path in bins.items()}
    local = root / "bins/local"
    return Toolbox(root, bins, names, local if local.is_dir() else None, frozenset(executed))


def _host_program(name: str) -> Path | None:
    for directory in ("/usr/bin", "/bin"):
        path = Path(directory) / name
        if path.is_file():
            return path.resolve()
    return None


def _fingerprint(programs: dict[str, Path]) -> str:
    told = []
    for name, path in sorted(programs.items()):
        stat = path.stat()
        told.append(f"{name} {path} {stat.st_size} {stat.st_mtime_ns}\n")
    return fingerprint("".join(told))


def fingerprint(origin: str) -> str:
    """A name for a toolbox whose programs are of this origin: it changes with the scripts, too."""
    digest = hashlib.sha256(origin.encode())
    for script in sorted(SCRIPTS.rglob("*")):
        if script.is_file():
            digest.update(f"{script.name}\n".encode() + script.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def _fill(root: Path, programs: dict[str, Path]) -> None:
    for name in ("usr/bin", "usr/local/bin", "usr/lib/git-core", "usr/share"):
        (root / name).mkdir(parents=True)
    (root / "usr/sbin").symlink_to("bin")
    (root / "usr/local/sbin").symlink_to("bin")
    for library in libraries(programs.values()):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    _merge_lib(root)
    _git_core(root)
    locale = Path("/usr/lib/locale/C.utf8")
    if locale.is_dir():
        shutil.copytree(locale, root / "usr/lib/locale/C.utf8")
    assemble(root, programs, ("gnu", "bsd"))


def assemble(root: Path, programs: dict[str, Path], userlands: Iterable[str]) -> None:
    """Lay the programs and the scripts that stand before some of them out below `root`."""
    tools, real = root / "usr/lib/toolbox", root / "usr/lib/toolbox/real"
    real.mkdir(parents=True)
    for name, path in programs.items():
        shutil.copy(path, real / name)
    for name in ("ask", "ask-as", "start-sh", "environment"):
        _script(SCRIPTS / "common" / name, tools / name)
    for userland in userlands:
        _bin(root / "bins" / userland, userland, programs, real)


def libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries of the programs, by the names that the loader asks for."""
    found: set[Path] = set()
    listed = subprocess.run(
        ["ldd", *(str(p) for p in programs)],
        capture_output=True,
        text=True,
        check=False,
    )
    for match in re.finditer(r"(?:=> )?(/\S+) \(0x", listed.stdout):
        found.add(Path(match.group(1)))
    return found


def _merge_lib(root: Path) -> None:
    """Debian's merged layout: `/lib` is `/usr/lib`."""
    for name in ("lib", "lib64"):
        old = root / name
        if old.is_dir():
            shutil.copytree(old, root / "usr" / name, dirs_exist_ok=True)
            shutil.rmtree(old)
        (root / "usr" / name).mkdir(exist_ok=True)


def _git_core(root: Path) -> None:
    core = root / "usr/lib/git-core"
    (core / "git").symlink_to("/usr/lib/toolbox/real/git")
    for name in GIT_SCRIPTS:
        script = Path("/usr/lib/git-core") / name
        if script.is_file():
            shutil.copy(script, core / name)
    (root / "usr/share/git-core/templates").mkdir(parents=True)


def _bin(directory: Path, userland: str, programs: dict[str, Path], real: Path) -> None:
    directory.mkdir(parents=True)
    for name in programs:
        if userland == "bsd" and name in NOT_BSD:
            continue
        if name not in GUARDED and name != "mawk":
            (directory / name).hardlink_to(real / name)
    scripts = {p.name: p for place in ("common", userland) for p in sorted((SCRIPTS / place).iterdir())}
    for name, script in scripts.items():
        if name in ("ask", "ask-as", "start-sh", "environment"):
            continue
        (directory / name).unlink(missing_ok=True)
        _script(script, directory / name)
    (directory / "sh").symlink_to("dash" if userland == "gnu" else "bash")


def _script(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o755)
