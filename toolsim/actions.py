"""What a tool call does, in terms that no agent product owns: actions on a world and their outcomes.

A scaffold parses a call into an `Action` and renders an `Outcome` into its own text; the world turns one into the
other. Paths are absolute, in the session's own spelling (`/Users/me/repo/a.py`, `D:\\\\repo\\\\a.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict

from toolsim.trajectory import JsonObject

# --- actions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """Show a file; `offset` is the 1-based first line, `limit` the number of lines; `None` is the tool's default."""

    path: str
    offset: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Create or replace a file. `must_be_new` makes an existing file an outcome `Exists`."""

    path: str
    content: str
    must_be_new: bool = False


@dataclass(frozen=True, slots=True)
class Replacement:
    """Replace `old` by `new`; `every` replaces all, else `old` must occur exactly once."""

    old: str
    new: str
    every: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """String replacements in one file, all or nothing. An empty `old` creates the file."""

    path: str
    replacements: tuple[Replacement, ...]


@dataclass(frozen=True, slots=True)
class EditLines:
    """Replace lines `start..end` (1-based, inclusive; `end < start` inserts before `start`) by `text`."""

    path: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch over several files in `apply_patch` envelope or unified diff form, relative to `cwd`."""

    text: str
    cwd: str
    form: Literal["apply_patch", "unified"] = "apply_patch"


@dataclass(frozen=True, slots=True)
class Glob:
    """Find files by pattern under `path`; `everywhere` where ignored files are found too."""

    pattern: str
    path: str
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Grep:
    """Search file contents under `path`; `options` are the scaffold's own, as in the call."""

    pattern: str
    path: str
    options: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListDirectory:
    """List one directory (not recursive unless `depth` > 1)."""

    path: str
    depth: int = 1


@dataclass(frozen=True, slots=True)
class RunShell:
    """Run a command line. `session` names a persistent shell, `None` is a fresh one each time; times in seconds."""

    command: str
    cwd: str | None = None
    timeout: float | None = None
    background: bool = False
    session: str | None = None
    argv: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """Read new output of a running process, after sending it `stdin`."""

    handle: str
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Kill:
    """Stop a running process."""

    handle: str


@dataclass(frozen=True, slots=True)
class Delegate:
    """Start a sub-agent."""

    prompt: str
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the human (question, plan approval, permission)."""

    question: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A call that changes nothing but the agent's own notes (todo list, plan, thought)."""

    kind: str
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Opaque:
    """Anything that only the tool itself knows (network, MCP, unknown tools)."""

    name: str
    arguments: JsonObject = field(default_factory=dict)
    network: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """A call that the scaffold itself rejects before anything runs; `message` is the reason in its own words."""

    message: str


Action: TypeAlias = (
    Read | Write | Edit | EditLines | Delete | Patch | Glob | Grep | ListDirectory | RunShell
    | Poll | Kill | Delegate | Ask | Note | Opaque | Invalid
)  # fmt: skip

# --- outcomes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileText:
    """A whole file as text (decoded as UTF-8, undecodable bytes kept by surrogateescape)."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after; `None` is absent."""

    path: str
    before: str | None
    after: str | None
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What an edit did, in order. `unseen`: it succeeded on a file whose whole text is not known."""

    changes: tuple[Change, ...]
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Paths found, in the order of the tool; directories end in `/`."""

    paths: tuple[str, ...]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One line found by a search; `line` is 1-based. `context` marks a line shown only because it is near a hit."""

    path: str
    line: int
    text: str
    context: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """All lines found, grouped by file in the tool's order."""

    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class ShellOutput:
    """What a command printed. `output` interleaves both streams as a terminal would; `duration` is virtual seconds.

    `running` is the handle of a process that goes on in the background.
    """

    output: str
    stdout: str
    stderr: str
    exit_code: int | None
    duration: float = 0.0
    timed_out: bool = False
    running: str | None = None
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """A note was taken."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A free text answer (human, sub-agent, connector, opaque tool), before the scaffold's form."""

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """The action failed as the real tool would fail. `kind` is neutral; `detail` carries what a message needs."""

    kind: Literal[
        "missing", "is_directory", "not_directory", "exists", "not_found_in_file", "not_unique", "identical",
        "not_read", "binary", "bad_range", "bad_patch", "no_process", "invalid",
    ]  # fmt: skip
    path: str | None = None
    detail: JsonObject = field(default_factory=dict)


Outcome: TypeAlias = FileText | Changed | Listing | Matches | ShellOutput | Noted | Reply | Problem


@dataclass(frozen=True, slots=True)
class Unknown:
    """The world cannot know the outcome: go down the ladder. `reason` is for the evidence, never for the agent."""

    reason: str


# --- mutations --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutFile:
    """The file now has exactly this content (base64 in JSON)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    path: str
    content: bytes
    mode: int = 0o100644
    type: Literal["put"] = "put"


@dataclass(frozen=True, slots=True)
class Seen:
    """A recorded result showed text of the file: from line `start` on, or all of it (`whole`).

    What agrees with the known content changes nothing (line ends and redacted spans of a record are no difference);
    else the record wins: a whole text becomes the content, lines make a content that lacks them unknown. No text says
    that the file is there; `total` is the number of lines that the file was said to have.
    """

    path: str
    text: str
    start: int = 1
    whole: bool = False
    total: int | None = None
    type: Literal["seen"] = "seen"


@dataclass(frozen=True, slots=True)
class RemovePath:
    """The file or directory tree is gone."""

    path: str
    type: Literal["remove"] = "remove"


@dataclass(frozen=True, slots=True)
class MovePath:
    """The file or directory tree now stands at `target`."""

    path: str
    target: str
    type: Literal["move"] = "move"


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """The directory exists."""

    path: str
    type: Literal["mkdir"] = "mkdir"


@dataclass(frozen=True, slots=True)
class Blur:
    """What matches (a path, or everything below one ending in `/`) may have changed: it is unknown from here on.

    `scope` narrows what may have changed: `all` (which files there are too), `head` (the same, but the files are those
    of HEAD, which is not known: once it is, they are too), `content` (the files stay, their content may not), `edited`
    (only the content of files that differ from the commit: a project's own formatter leaves committed files alone),
    `generated` (only the content of files that a generator makes, see `toolsim.generated`),
    `formatted` (of these only what is not in its language's one form already, see `toolsim.settled`). `suffixes`
    narrows it to files whose names end so (not with scope `all` or `head`).
    """

    path: str
    reason: str
    scope: Literal["all", "head", "content", "generated", "edited", "formatted"] = "all"
    suffixes: tuple[str, ...] = ()
    type: Literal["blur"] = "blur"


REWRITTEN = "another program takes the commands of the session and runs them in its own way"
"""The text of the fact that a proxy stands between the agent and its shell."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something else that is true from here on (installed package, running server), for evidence and state hashes."""

    text: str
    token: str
    type: Literal["fact"] = "fact"


KEPT = "as it was"
LOST = "not known"


@dataclass(frozen=True, slots=True)
class GitMove:
    """A recorded git command moved or showed what `.git` holds; a part is `KEPT`, `LOST` (not known) or a new value.

    `head` is a commit of the repository at hand. `files` says what became of the work tree when HEAD moved: nothing
    (`kept`), what differs between the commits follows (`followed`), all tracked files are the commit's (`reset`).
    `index` is `HEAD` where nothing is staged; `staged` are paths whose content now is in the index too (one ending in
    `/`: all that is changed below). `origin` are commits of remote branches, `upstream` is the one that the branch
    follows (empty: none). `lost` are other parts that are unknown now, `found` such that are known again. A `status`
    that was shown says which tracked files differ from HEAD (`dirty`, each after its two letters and a blank) and which
    untracked there are.
    """

    head: str = KEPT
    branch: str = KEPT
    index: str = KEPT
    files: Literal["kept", "followed", "reset"] = "kept"
    staged: tuple[str, ...] = ()
    origin: tuple[tuple[str, str], ...] = ()
    lost: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    upstream: str = KEPT
    dirty: tuple[str, ...] | None = None
    untracked: tuple[str, ...] = ()
    type: Literal["git"] = "git"


@dataclass(frozen=True, slots=True)
class SetCwd:
    """The persistent shell's directory is now this."""

    path: str
    type: Literal["cwd"] = "cwd"


@dataclass(frozen=True, slots=True)
class SetEnv:
    """An environment variable of the persistent shell; `None` unsets it."""

    name: str
    value: str | None
    type: Literal["env"] = "env"


@dataclass(frozen=True, slots=True)
class StartProcess:
    """A process runs in the background; `output` is what it will have printed, by virtual second since start."""

    handle: str
    command: str
    output: tuple[tuple[float, str], ...] = ()
    exit_code: int | None = None
    type: Literal["process"] = "process"


@dataclass(frozen=True, slots=True)
class EndProcess:
    """The process is gone."""

    handle: str
    type: Literal["end"] = "end"


@dataclass(frozen=True, slots=True)
class MarkRead:
    """The agent has read the file (edit tools of some scaffolds insist on it)."""

    path: str
    type: Literal["read"] = "read"


@dataclass(frozen=True, slots=True)
class Advance:
    """Virtual time passes, seconds."""

    seconds: float
    type: Literal["advance"] = "advance"


Mutation: TypeAlias = (
    PutFile | Seen | RemovePath | MovePath | MakeDirectory | Blur | Fact | GitMove | SetCwd | SetEnv
    | StartProcess | EndProcess | MarkRead | Advance
)  # fmt: skip
