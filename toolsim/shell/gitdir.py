"""Git as it runs in the sandbox: settings, identity, and an index that fits a tree without reading it again."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from toolsim.errors import ShellError

# The index is compared by size and whole seconds, which hold through an overlay; nothing outside may run or speak.
SETTINGS = {
    "core.checkStat": "minimal", "core.trustctime": "false", "core.hooksPath": "/dev/null", "core.pager": "cat",
    "core.fsmonitor": "false", "core.untrackedCache": "false", "gc.auto": "0", "maintenance.auto": "false",
    "core.attributesFile": "/dev/null", "core.excludesFile": "/dev/null", "protocol.allow": "never",
    "init.defaultBranch": "main", "commit.gpgSign": "false", "tag.gpgSign": "false",
    "core.editor": "true", "safe.directory": "*",
}  # fmt: skip


def settings(abbreviation: int | None = None) -> dict[str, str]:
    """The settings as environment variables of git; `abbreviation` is the length of short object names, if known."""
    items = SETTINGS | ({} if abbreviation is None else {"core.abbrev": str(abbreviation)})
    found = {"GIT_CONFIG_COUNT": str(len(items)), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    for number, (key, value) in enumerate(items.items()):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def write_index(git_dir: Path, tree: Path, missing: Iterable[str] = ()) -> None:
    """Give the git directory an index of HEAD whose times are those of the files in `tree`.

    `missing` are paths that the tree lacks because nobody has their content: git is told not to look for them.

    Raises:
        ShellError: git failed.
    """
    env = settings() | {
        "GIT_DIR": str(git_dir),
        "GIT_WORK_TREE": str(tree),
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    }
    for command in (["read-tree", "HEAD"], ["update-index", "-q", "--refresh"]):
        done = subprocess.run(["git", *command], env=env, cwd=tree, capture_output=True, text=True, check=False)
        if done.returncode != 0 and command[0] == "read-tree":
            raise ShellError(f"git read-tree failed on the throwaway clone: {done.stderr.strip()}")
    given = "".join(f"{path}\0" for path in missing).encode("utf-8", "surrogateescape")
    if given:
        _git(git_dir, tree, "update-index", "-z", "--skip-worktree", "--stdin", given=given)


def stage(git_dir: Path, tree: Path, entries: Mapping[str, tuple[bytes | None, int]]) -> None:
    """Put contents (`None`: nothing) and modes into the index at paths relative to the work tree.

    Raises:
        ShellError: git failed.
    """
    lines: list[str] = []
    for path, (content, mode) in entries.items():
        oid = (
            "0" * 40 if content is None else _git(git_dir, tree, "hash-object", "-w", "--stdin", given=content).strip()
        )
        lines.append(f"{'0' if content is None else f'{mode:o}'} {oid}\t{path}\0")
    given = "".join(lines).encode("utf-8", "surrogateescape")
    _git(git_dir, tree, "update-index", "-z", "--index-info", given=given)


def _git(git_dir: Path, tree: Path, *arguments: str, given: bytes = b"") -> str:
    env = settings() | {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(tree), "PATH": os.environ.get("PATH", os.defpath)}
    done = subprocess.run(["git", *arguments], env=env, cwd=tree, input=given, capture_output=True, check=False)
    if done.returncode != 0:
        raise ShellError(
            f"git {arguments[0]} failed on the throwaway clone: {done.stderr.decode(errors='replace').strip()}"
        )
    return done.stdout.decode("ascii", "replace")


def identity(git_dir: Path) -> dict[str, str]:
    """Author and committer as variables: those of the newest commit, the best guess at who sits there."""
    return dict(_identity(git_dir))


@functools.lru_cache(maxsize=256)
def _identity(git_dir: Path) -> tuple[tuple[str, str], ...]:
    done = subprocess.run(
        ["git", "--git-dir", str(git_dir), "log", "-1", "--format=%an%x00%ae"],
        env=settings() | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    name, _, mail = done.stdout.strip().partition("\0")
    found = {"NAME": name or "user", "EMAIL": mail or "user@localhost"}
    return tuple((f"GIT_{who}_{what}", value) for who in ("AUTHOR", "COMMITTER") for what, value in found.items())
