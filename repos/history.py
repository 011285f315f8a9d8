"""A throwaway clone of a repository as it stood at a moment: nothing in it is newer, by ref or by object.

The refs are those of a clone in which someone works: HEAD on the recorded branch at the base commit, `origin/*` as the
remote was, tags as they were, and a local default branch where the base commit left `origin`'s.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from repos.errors import RepositoryError, UnknownRevision
from repos.git import History, check_branch, check_commit, command, environment, failed, run
from repos.objects import ObjectReader, check
from repos.refs import Refs, last_before, moment, read_refs

_HEADS = "refs/heads/"
_ORIGIN = "refs/remotes/origin/"
_PACKING = (
    "pack-objects", "--revs", "--stdout", "--delta-base-offset", "--threads=1", "--window=0", "--missing=allow-any",
    "-q",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Remote:
    """What is known of the remote `origin`: its URL; commits of its branches, where these are known otherwise than from
    the repository; and what local branches follow (local name → `origin/NAME`, empty: nothing)."""

    url: str | None = None
    branches: Mapping[str, str] = field(default_factory=dict)
    followed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clone:
    """A git directory (its parent is the work tree to be) and all of its refs with their object ids."""

    git_dir: Path
    refs: Mapping[str, str]


def clone_as_of(
    git_dir: Path,
    commit: str,
    *,
    branch: str | None,
    as_of: float | None,
    into: Path,
    remote: Remote = Remote(),
) -> Clone:
    """Make `into/.git` with exactly the objects that its refs reach; the index is the base commit's tree.

    `branch` `None` (or `HEAD`, as recordings have it) is a detached HEAD. `as_of` (Unix seconds) `None` is the base
    commit's own time. Same arguments, same refs and objects. Objects that a partial repository lacks are lacking in the
    clone too.

    Raises:
        UnknownRevision: no such commit, or `branch` is no branch name.
        RepositoryError: git failed, or `into` holds a repository already.
    """
    commit = check_commit(commit)
    local = None if branch in (None, "", "HEAD") else check_branch(str(branch))
    objects = ObjectReader(git_dir)
    try:
        base = moment(objects, commit)
        if base is None or base[0] != commit:
            raise UnknownRevision(f"{git_dir} has no commit {commit}")
        known = read_refs(git_dir)
        chosen = _chosen(git_dir, objects, known, commit, local, base[1] if as_of is None else as_of)
        chosen |= {_ORIGIN + check_branch(name): check_commit(tip) for name, tip in remote.branches.items()}
    finally:
        objects.close()
    made = into / ".git"
    if made.exists():
        raise RepositoryError(f"{made} is there already")
    _initialise(made, commit)
    _copy_objects(git_dir, sorted({commit, *chosen.values()}), made)
    _copy_shallow(git_dir, made)
    _write_refs(made, chosen, commit, local, known.default)
    _configure(made, chosen, remote)
    run(made, "read-tree", commit)
    return Clone(made, MappingProxyType(dict(sorted(chosen.items()))))


def _chosen(
    git_dir: Path, objects: ObjectReader, known: Refs, commit: str, local: str | None, as_of: float
) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for name, tip in known.branches.items():
        found = moment(objects, tip)
        if found is not None and found[1] <= as_of:
            chosen[_ORIGIN + name] = tip
        elif name == known.default:
            earlier = last_before(git_dir, tip, as_of)
            if earlier is not None:
                chosen[_ORIGIN + name] = earlier
    for name, tip in known.tags.items():
        found = moment(objects, tip)
        if found is not None and found[1] <= as_of:
            chosen[f"refs/tags/{name}"] = tip
    upstream = chosen.get(f"{_ORIGIN}{known.default}")
    if upstream is not None and known.default != local:
        fork = History(git_dir).first("merge-base", "--end-of-options", commit, upstream)
        if fork is not None:
            chosen[f"{_HEADS}{known.default}"] = fork
    if local is not None:
        chosen[_HEADS + local] = commit
    return chosen


def _initialise(made: Path, commit: str) -> None:
    made.mkdir(parents=True)
    form = "sha256" if len(commit) == 64 else "sha1"
    run(made, "init", "-q", "--bare", "--template=", f"--object-format={form}", str(made))


def _copy_objects(git_dir: Path, tips: list[str], made: Path) -> None:
    """Pack what the tips reach out of one repository and into the other."""
    with tempfile.TemporaryFile() as errors:
        packing = subprocess.Popen(
            command(git_dir, *_PACKING), env=environment(), cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors,
        )  # fmt: skip
        unpacking = subprocess.Popen(
            command(made, "index-pack", "--stdin", "--threads=1"), env=environment(), cwd="/", stdin=packing.stdout,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        if packing.stdout is not None:
            packing.stdout.close()
        if packing.stdin is not None:
            packing.stdin.write("".join(f"{tip}\n" for tip in tips).encode("ascii"))
            packing.stdin.close()
        _, words = unpacking.communicate()
        if packing.wait() != 0:
            errors.seek(0)
            raise failed(git_dir, _PACKING, errors.read())
    if unpacking.returncode != 0:
        raise failed(made, ("index-pack",), words)


def _copy_shallow(git_dir: Path, made: Path) -> None:
    shallow = git_dir / "shallow"
    if shallow.is_file():
        ends = [line for line in shallow.read_text("ascii", "replace").split() if line]
        held = [oid for oid, found in zip(ends, check(made, ends), strict=True) if found is not None]
        if held:
            (made / "shallow").write_text("".join(f"{oid}\n" for oid in held), "ascii")


def _write_refs(made: Path, chosen: Mapping[str, str], commit: str, local: str | None, default: str | None) -> None:
    given = "".join(f"create {name}\0{oid}\0" for name, oid in sorted(chosen.items()))
    run(made, "update-ref", "-z", "--stdin", given=given.encode("utf-8", "surrogateescape"))
    run(made, "pack-refs", "--all")
    if default is not None and _ORIGIN + default in chosen:
        run(made, "symbolic-ref", f"{_ORIGIN}HEAD", _ORIGIN + default)
    if local is not None:
        run(made, "symbolic-ref", "HEAD", _HEADS + local)
        return
    (made / "HEAD").write_text(f"{commit}\n", "ascii")
    _log_detaching(made, commit, default or "main")


def _log_detaching(made: Path, commit: str, default: str) -> None:
    """One reflog line, without which `git status` cannot say where HEAD was detached."""
    who = run(made, "log", "-1", "--format=%cn <%ce> %ct +0000", commit).decode("utf-8", "replace").strip()
    (made / "logs").mkdir()
    line = f"{commit} {commit} {who}\tcheckout: moving from {default} to {commit}\n"
    (made / "logs" / "HEAD").write_text(line, "utf-8")


def _configure(made: Path, chosen: Mapping[str, str], remote: Remote) -> None:
    settings = [("core.bare", "false"), ("core.logAllRefUpdates", "true")]
    if remote.url is not None:
        settings.append(("remote.origin.url", remote.url))
    if remote.url is not None or any(name.startswith(_ORIGIN) for name in chosen):
        settings.append(("remote.origin.fetch", f"+{_HEADS}*:{_ORIGIN}*"))
    for name in sorted(n.removeprefix(_HEADS) for n in chosen if n.startswith(_HEADS)):
        followed = remote.followed.get(name, f"origin/{name}" if _ORIGIN + name in chosen else "")
        if followed.startswith("origin/"):
            merge = _HEADS + followed.removeprefix("origin/")
            settings += [(f"branch.{name}.remote", "origin"), (f"branch.{name}.merge", merge)]
    for key, value in settings:
        run(made, "config", "--file", str(made / "config"), key, value)


def short_id(git_dir: Path, commit: str) -> str:
    """The commit's id as this repository abbreviates it.

    Raises:
        UnknownRevision: it has no such commit.
    """
    return (
        run(git_dir, "rev-parse", "--short", "--end-of-options", f"{check_commit(commit)}^{{commit}}").decode().strip()
    )
