"""Runs git on a repository that nobody trusts: no hooks, filters, helpers, lazy fetches or settings of its own or the
user's take part. Nothing here is written into the repository.

`History` (GitPython's command runner) answers questions about refs and history; `run` is for what takes input or
gives bytes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import git

from repos.errors import RepositoryError, UnknownRevision

_ID = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[-./]|[./]$|^@$")
_SECONDS = 300

# Given to git by environment, so that no file is read or written for it. They win over the repository's own settings.
SETTINGS: Mapping[str, str] = {
    "safe.directory": "*", "core.hooksPath": "/dev/null", "core.fsmonitor": "false", "core.pager": "cat",
    "core.attributesFile": "/dev/null", "core.excludesFile": "/dev/null", "core.untrackedCache": "false",
    "core.alternateRefsCommand": "true", "protocol.allow": "never", "gc.auto": "0", "maintenance.auto": "false",
    "log.showSignature": "false", "uploadpack.packObjectsHook": "", "core.logAllRefUpdates": "false",
    "core.sshCommand": "false", "core.askPass": "", "credential.helper": "", "core.quotePath": "false",
}  # fmt: skip

_NEUTRAL: Mapping[str, str] = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "none", "GIT_GRAFT_FILE": "/dev/null", "GIT_PAGER": "cat",
    "GIT_ASKPASS": "false", "SSH_ASKPASS": "false", "GIT_LITERAL_PATHSPECS": "1", "HOME": "/nonexistent",
    "LC_ALL": "C", "LANGUAGE": "C", "TZ": "UTC",
}  # fmt: skip


def environment() -> dict[str, str]:
    """The whole environment that git gets: nothing of the caller's but the path to find git in."""
    found = {"PATH": os.environ.get("PATH", os.defpath), **_NEUTRAL, "GIT_CONFIG_COUNT": str(len(SETTINGS))}
    for number, (key, value) in enumerate(SETTINGS.items()):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def command(git_dir: Path, *arguments: str) -> list[str]:
    """The command line of git on exactly this git directory."""
    return ["git", "--no-pager", f"--git-dir={git_dir}", *arguments]


def run(git_dir: Path, *arguments: str, given: bytes = b"", seconds: float = _SECONDS) -> bytes:
    """What a git command prints.

    Raises:
        RepositoryError: git failed or did not end in time.
    """
    try:
        done = subprocess.run(
            command(git_dir, *arguments), input=given, env=environment(), cwd="/", capture_output=True, check=False,
            timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(f"git {arguments[0]} on {git_dir} did not end within {seconds:g} s") from error
    except OSError as error:
        raise RepositoryError(f"git cannot be run: {error}") from error
    if done.returncode != 0:
        raise failed(git_dir, arguments, done.stderr)
    return done.stdout


def failed(git_dir: Path, arguments: tuple[str, ...], stderr: bytes) -> RepositoryError:
    """The error for a git command that failed, with its last words."""
    words = stderr.decode("utf-8", "replace").strip().splitlines()
    reason = next((w for w in words if w.startswith(("fatal:", "error:"))), words[-1] if words else "no message")
    return RepositoryError(f"git {arguments[0]} failed on {git_dir}: {reason}")


class History:
    """Questions about refs and history of one repository, asked through GitPython."""

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir

    def ask(self, *arguments: str) -> list[str]:
        """The lines that a git command prints.

        Raises:
            RepositoryError: git failed.
        """
        try:
            text = git.Git("/").execute(
                command(self.git_dir, *arguments), env=self._environment(), as_process=False, stdout_as_string=False
            )
        except git.GitCommandError as error:
            raise failed(self.git_dir, arguments, error.stderr.strip().removeprefix("stderr: '").encode()) from error
        return text.decode("utf-8", "surrogateescape").splitlines()

    def _environment(self) -> dict[str, str]:
        """GitPython starts from the caller's environment: what git reads of that is set to what it means here."""
        own = {
            "GIT_OBJECT_DIRECTORY": str(self.git_dir / "objects"), "GIT_COMMON_DIR": str(self.git_dir),
            "GIT_INDEX_FILE": str(self.git_dir / "index"), "GIT_WORK_TREE": "/", "GIT_DIR": str(self.git_dir),
        }  # fmt: skip
        outer = {name: own.get(name, "") for name in os.environ if name.startswith("GIT_")}
        return outer | environment()

    def first(self, *arguments: str) -> str | None:
        """The first line that a git command prints, `None` if it prints none or fails."""
        try:
            lines = self.ask(*arguments)
        except RepositoryError:
            return None
        return lines[0] if lines else None


def check_commit(text: str) -> str:
    """A full object id, as given.

    Raises:
        UnknownRevision: the text is no full object id (a ref name, an option, an abbreviation).
    """
    if not _ID.match(text):
        raise UnknownRevision(f"{text!r} is no full commit id")
    return text


def check_branch(text: str) -> str:
    """A branch name that git would accept, as given.

    Raises:
        UnknownRevision: git has no branches of this name.
    """
    if not text or len(text) > 1_000 or text == "HEAD" or _BAD_REF.search(text):
        raise UnknownRevision(f"{text!r} is no branch name")
    return text
