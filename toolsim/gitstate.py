"""What a world knows of its repository's `.git`: HEAD, branch, index, remote branches; and what a git command needs.

Before any recorded git command all of it is that of the base commit. A recorded command moves it as far as its text
and output tell (`toolsim.recorded_git`); what they do not tell is unknown from there on, and a command that needs an
unknown part goes down the ladder. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from toolsim.shellparse import CommandLine, git_subcommand

Part: TypeAlias = Literal[
    "HEAD", "branch", "index", "remote branches", "local branches", "other refs", "stash", "settings", "log of HEAD"
]

PARTS: frozenset[Part] = frozenset(
    {"HEAD", "branch", "index", "remote branches", "local branches", "other refs", "stash", "settings", "log of HEAD"}
)
OF_A_PERSON: frozenset[Part] = frozenset({"remote branches", "local branches"})
"""What a commit does not tell of somebody's own clone: when it last fetched, and what else was begun in it."""
_REVISION = re.compile(r"HEAD|@(?:$|[~^{])|[~^]\d*$|\.\.|^[0-9a-f]{7,40}$|^(?:origin|refs|upstream)/|^FETCH_HEAD")
_HEX = re.compile(r"^\^?[0-9a-f]{7,64}(?:[~^]\d*)*(?::.*)?$")
_NOTHING = ("", "check-ignore", "check-attr", "hash-object", "var", "version", "help", "stripspace", "init")
_FIXED: Mapping[str, frozenset[Part]] = {
    **dict.fromkeys(_NOTHING, frozenset[Part]()),
    **dict.fromkeys(("config", "remote"), frozenset[Part]({"settings"})),
    **dict.fromkeys(
        ("for-each-ref", "show-ref", "tag"), frozenset[Part]({"other refs", "local branches", "remote branches"})
    ),
    **dict.fromkeys(("add", "rm", "mv", "apply", "update-index"), frozenset[Part]({"index"})),
    "commit": frozenset({"HEAD", "branch", "index"}),
    "reflog": frozenset({"log of HEAD"}),
    "symbolic-ref": frozenset({"branch"}),
}
_BY_REVISION = frozenset({
    "log", "show", "rev-list", "shortlog", "whatchanged", "blame", "annotate", "describe", "merge-base", "cherry",
    "range-diff", "name-rev", "ls-tree", "cat-file", "diff-tree", "archive", "format-patch", "show-branch",
})  # fmt: skip
_STATUS: frozenset[Part] = frozenset({"HEAD", "index"})
_TRACKING: frozenset[Part] = frozenset({"branch", "remote branches"})
_DEFAULTS = (None, "", "main", "master")
_PLACES = ("--show-toplevel", "--git-dir", "--is-inside-work-tree", "--show-prefix", "--git-common-dir", "--show-cdup",
           "--is-bare-repository", "--absolute-git-dir", "--is-inside-git-dir")  # fmt: skip


@dataclass(frozen=True, slots=True)
class GitState:
    """`staged` are the paths whose index entry differs from HEAD, with content (`None`: removed). `origin` and `tips`
    are commits of remote and local branches and `upstream` what local ones follow, as recorded commands showed them;
    `lost` are the unknown parts.

    `branch` is `None` where the session's own record stands, `""` with a detached HEAD.
    """

    branch: str | None = None
    staged: Mapping[str, bytes | None] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    tips: Mapping[str, str] = field(default_factory=dict)
    upstream: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[Part] = frozenset()

    @property
    def moved(self) -> bool:
        """Whether any recorded command has moved or hidden anything."""
        return self != GitState()


def missing(line: CommandLine, state: GitState) -> Part | None:
    """The first part that a git command of the line needs and that is unknown."""
    for invocation in line.invocations:
        if invocation.name.rpartition("/")[2] == "git":
            if any(re.search(r"\borigin/HEAD\b", word) for word in invocation.arguments):
                return "remote branches"
            needed = needs(invocation.arguments)
            if needed >= _TRACKING and git_subcommand(invocation.arguments) == "status":
                follows = state.upstream.get(state.branch or "")
                if follows == "":
                    needed -= {"remote branches"}
                elif follows is None and "local branches" in state.lost and state.branch not in _DEFAULTS:
                    return "local branches"
            for part in sorted(needed | ({"HEAD"} if "index" in needed else set())):
                if part in state.lost:
                    return part
    return None


def needs(arguments: tuple[str, ...]) -> frozenset[Part]:
    """The parts of `.git` that the outcome of `git ARGUMENTS` depends on, besides objects named by their id."""
    sub = git_subcommand(arguments)
    rest = arguments[arguments.index(sub) + 1 :] if sub else ()
    options = [w for w in rest if w.startswith("-")]
    if sub in _FIXED:
        return _FIXED[sub]
    if sub == "status":
        short = any(re.match(r"-\w*s|--short|--porcelain", o) for o in options)
        tracking = not short or any(re.match(r"-\w*b|--branch", o) for o in options)
        return _STATUS | _TRACKING if tracking else _STATUS
    if sub == "diff":
        return frozenset({"index", *_diff(rest)})
    if sub in _BY_REVISION:
        return frozenset(_revisions(sub, rest))
    if sub == "rev-parse":
        return frozenset(_rev_parse(rest))
    if sub == "branch" and "--show-current" in options:
        return frozenset({"branch"})
    if sub in ("ls-files", "grep"):
        return frozenset({"index", *_revisions(sub, [w for w in rest if _REVISION.search(w)], default=False)})
    own = {"local branches"} if sub != "branch" else set()
    return PARTS - {"settings", "log of HEAD"} - own


def _diff(rest: tuple[str, ...]) -> Iterator[Part]:
    if "--no-index" in rest:
        return
    if any(o in ("--cached", "--staged") for o in rest):
        yield "HEAD"
    before = rest[: rest.index("--")] if "--" in rest else tuple(w for w in rest if _REVISION.search(w))
    yield from _revisions("diff", before, default=False)


def _revisions(sub: str, rest: tuple[str, ...] | list[str], *, default: bool = True) -> Iterator[Part]:
    """The parts that the words of a command need which are, or may be, names of commits."""
    before = list(rest[: list(rest).index("--")] if "--" in rest else rest)
    words = [w for w in before if not w.startswith("-")]
    for option in before:
        if option in (
            "--all",
            "--branches",
            "--tags",
            "--glob",
            "--simplify-by-decoration",
            "--contains",
        ) or option.startswith(("--decorate", "--remotes", "--source")):
            yield from ("other refs", "remote branches")
            if option in ("--all", "--branches", "--contains") or option.startswith("--decorate"):
                yield "local branches"
        elif option in ("-g", "--walk-reflogs"):
            yield "log of HEAD"
    if sub in ("describe", "name-rev", "show-branch"):
        yield "other refs"
    named = False
    for word in words:
        if sub in ("log", "blame", "annotate", "whatchanged", "shortlog") and not _REVISION.search(word):
            named = named or not re.search(r"[/.]", word)
            if not re.search(r"[/.]", word):
                yield from ("other refs", "HEAD")
            continue
        for side in re.split(r"\.{2,3}", word) if not word.startswith(":") else ():
            named = True
            yield from _revision(side.partition(":")[0])
    if default and not named:
        yield "HEAD"


def _revision(text: str) -> Iterator[Part]:
    if re.search(r"^(?:HEAD|@|ORIG_HEAD)?@\{(?!u|upstream|push)", text):
        yield "log of HEAD"
    elif text == "" or re.match(r"\^?(?:HEAD|@)(?:$|[~^])", text):
        yield "HEAD"
    elif re.search(r"@\{(?:u|upstream|push)", text):
        yield from ("branch", "remote branches")
    elif re.match(r"\^?(?:refs/remotes/|origin/|upstream/|FETCH_HEAD)", text):
        yield "remote branches"
    elif text.startswith("stash"):
        yield "stash"
    elif text == "ORIG_HEAD":
        yield "log of HEAD"
    elif not _HEX.match(text):
        yield "other refs"


def _rev_parse(rest: tuple[str, ...]) -> Iterator[Part]:
    words = [w for w in rest if not w.startswith("-")]
    if "--abbrev-ref" in rest or "--symbolic-full-name" in rest:
        yield "branch"
        if words != ["HEAD"]:
            yield from ("remote branches", "other refs")
        return
    if not words and all(o in _PLACES for o in rest):
        return
    for word in words:
        yield from _revision(word.partition(":")[0])
