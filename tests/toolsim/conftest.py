"""A snapshot held in memory, for worlds without a repository."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from toolsim.scaffolds import scaffold_for
from toolsim.simulator import Answer, SimulatorSettings, ToolSimulator
from toolsim.trajectory import Message, Reference, Session, ToolCall, ToolResult
from toolsim.world import World


@dataclass(frozen=True)
class Entry:
    mode: int
    oid: str


def git_id(kind: bytes, body: bytes) -> str:
    return hashlib.sha1(b"%s %d\0" % (kind, len(body)) + body).hexdigest()


class MemorySnapshot:
    """The attributes of `repos.snapshot.Snapshot` over a mapping of path to bytes; it knows no other commit."""

    commit = "0" * 40

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self.files = {p: c.encode() if isinstance(c, str) else c for p, c in files.items()}
        self.manifest = {p: Entry(0o100644, git_id(b"blob", c)) for p, c in sorted(self.files.items())}

    def read(self, path: str) -> bytes:
        return self.files[path]

    def resolve(self, name: str) -> str | None:
        return None

    def default_tip(self, before: float) -> tuple[str, str] | None:
        return None

    def kind(self, path: str) -> str | None:
        if path in self.files:
            return "file"
        return "dir" if path == "" or any(p.startswith(path + "/") for p in self.files) else None

    def listdir(self, path: str) -> tuple[str, ...]:
        below = path + "/" if path else ""
        return tuple(sorted({p[len(below) :].partition("/")[0] for p in self.files if p.startswith(below)}))

    def under(self, path: str) -> tuple[str, ...]:
        below = path + "/" if path else ""
        return (path,) if path in self.files else tuple(p for p in self.manifest if p.startswith(below))

    def object_id(self, path: str) -> str | None:
        kind = self.kind(path)
        if kind == "file":
            return self.manifest[path].oid
        if kind is None:
            return None
        entries = []
        for name in self.listdir(path):
            child = f"{path}/{name}" if path else name
            tree = self.kind(child) == "dir"
            key = name.encode() + (b"/" if tree else b"")
            oid = bytes.fromhex(self.object_id(child) or "")
            entries.append((key, (b"40000 " if tree else b"100644 ") + name.encode() + b"\0" + oid))
        return git_id(b"tree", b"".join(e for _, e in sorted(entries)))


@pytest.fixture
def snapshot_of() -> Callable[[Mapping[str, bytes | str]], MemorySnapshot]:
    return MemorySnapshot


def filled(schema: dict) -> object:
    """A value that fits a JSON schema: the first of each enumeration, `out`, 0, true, nothing in lists."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        return None if "null" in kind else filled({"type": kind[0]})
    if kind == "object":
        return {name: filled(part) for name, part in schema.get("properties", {}).items()}
    values = {"string": "out\n", "integer": schema.get("minimum", 0), "number": 0.5, "boolean": True, "array": []}
    return values[str(kind)]


@dataclass
class Bench:
    """A rollout's simulator with its world, in one piece: `respond` answers, applies and keeps the history."""

    simulator: ToolSimulator
    world: World
    history: list[Message]

    async def respond(self, name: str, **arguments: object) -> Answer:
        call = ToolCall(f"call_{len(self.history)}", name, dict(arguments))
        answer = await self.simulator.respond(call, self.world, tuple(self.history))
        self.history += [
            Message("assistant", origin="agent", calls=(call,)),
            Message("tool", origin="tool", result=answer.result),
        ]
        for mutation in answer.mutations:
            self.world.apply(mutation)
        return answer


def recorded_turn(*steps: tuple[str, dict, str]) -> Reference:
    """A reference of calls (name, arguments) with their result texts, one call a message."""
    items: list[Message] = []
    for n, (name, arguments, content) in enumerate(steps):
        call = ToolCall(f"ref_{n}", name, arguments)
        items.append(Message("assistant", origin="agent", calls=(call,)))
        items.append(Message("tool", origin="tool", result=ToolResult(call.id, content)))
    return Reference(tuple(items))


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """Builds a bench: files of the repository at /repo, agent, reference steps, and fields of the simulator."""

    def build(
        files: Mapping[str, str] | None = None,
        agent: str = "claude-code",
        reference: tuple[tuple[str, dict, str], ...] = (),
        settings: SimulatorSettings | None = None,
        shown: tuple[Message, ...] = (),
        **fields: object,
    ) -> Bench:
        session = Session("s1", agent, "test", lineage="s1", cwd="/repo", started_at=1_750_000_000.0)
        scaffold = scaffold_for(agent)
        profile = scaffold.fit(session, shown)
        world = World.start(session, profile, MemorySnapshot(files or {}), "/repo", as_of=1_750_000_000.0)
        simulator = ToolSimulator(
            scaffold,
            profile,
            settings or SimulatorSettings(),
            session,
            world.fork(),
            reference=recorded_turn(*reference) if reference else None,
            **fields,
        )
        return Bench(simulator, world, list(shown))

    return build


@pytest.fixture
def fill() -> Callable[[dict], object]:
    return filled


@pytest.fixture
def turn() -> Callable[..., Reference]:
    return recorded_turn
