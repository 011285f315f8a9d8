"""Laws of a world: it always holds what a real directory would hold after the same acts.

The reference is a directory on this machine: each act is done there with the standard library and in the world by an
action or a mutation. Unknown is allowed where something made it so, a wrong answer never is.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from pydantic import TypeAdapter

from tests.toolsim.conftest import MemorySnapshot
from toolsim.actions import (
    Blur,
    Changed,
    Delete,
    Edit,
    FileText,
    MakeDirectory,
    MovePath,
    Mutation,
    PutFile,
    Read,
    RemovePath,
    Replacement,
    Seen,
    Unknown,
    Write,
)  # fmt: skip
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import Session
from toolsim.world import Absent, Names, World

COMMITTED = {"a.py": "one\ntwo\n", "src/b.py": "b\n", "src/deep/c.py": "c\nd\n", "docs/x.md": "x\n"}
NAMES = ("a.py", "src/b.py", "src/deep/c.py", "docs/x.md", "src/new.py", "top/n.py", "top/deep/m.py")
FOLDERS = ("src", "src/deep", "docs", "top", "fresh")
TEXTS = st.text(alphabet="ab\n", max_size=12)
MUTATION: TypeAdapter[Mutation] = TypeAdapter(Mutation)
PROFILE = ScaffoldProfile("generic", parameters={"must_read": False})


def begin() -> World:
    return World.start(Session("s", "generic", "f", "l", cwd="/r"), PROFILE, MemorySnapshot(COMMITTED), "/r")


class AgainstADirectory(RuleBasedStateMachine):
    """Acts on a world and on a directory."""

    forks = Bundle("forks")

    @initialize()
    def start(self):
        self.place = Path(tempfile.mkdtemp(prefix="law-"))
        for name, text in COMMITTED.items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_text(text)
        self.world, self.ledger, self.uncertain = begin(), [], set()

    def teardown(self):
        if hasattr(self, "place"):
            shutil.rmtree(self.place)

    def do(self, *mutations):
        for mutation in mutations:
            self.world.apply(mutation)
            self.ledger.append(MUTATION.dump_json(mutation))

    # --- acts -------------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), text=TEXTS)
    def write(self, name, text):
        if any((self.place / above).is_file() for above in Path(name).parents if str(above) != "."):
            return
        outcome, mutations = self.world.perform(Write(f"/r/{name}", text))
        if name in self.uncertain and isinstance(outcome, Unknown):
            mutations = (PutFile(f"/r/{name}", text.encode()),)
        else:
            assert isinstance(outcome, Changed), outcome
        self.do(*mutations)
        (self.place / name).parent.mkdir(parents=True, exist_ok=True)
        (self.place / name).write_text(text)
        self.uncertain.discard(name)

    @rule(name=st.sampled_from(NAMES), old=st.sampled_from(["a", "one", "b"]), new=TEXTS)
    def edit(self, name, old, new):
        outcome, mutations = self.world.perform(Edit(f"/r/{name}", (Replacement(old, new, every=True),)))
        there = self.place / name
        able = there.is_file() and old in there.read_text() and old != new and name not in self.uncertain
        assert isinstance(outcome, Changed) == able, (name, outcome)
        if able:
            self.do(*mutations)
            there.write_text(there.read_text().replace(old, new))

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name):
        outcome, mutations = self.world.perform(Delete(f"/r/{name}"))
        able = (self.place / name).is_file() and name not in self.uncertain
        assert isinstance(outcome, Changed) == able, (name, outcome)
        if isinstance(outcome, Changed):
            self.do(*mutations)
            (self.place / name).unlink()
            self.uncertain.discard(name)

    @rule(name=st.sampled_from(FOLDERS))
    def remove_tree(self, name):
        if (self.place / name).is_dir():
            self.do(RemovePath(f"/r/{name}"))
            shutil.rmtree(self.place / name)
            self.uncertain = {n for n in self.uncertain if not n.startswith(f"{name}/")}

    @rule(name=st.sampled_from(FOLDERS))
    def make_directory(self, name):
        self.do(MakeDirectory(f"/r/{name}"))
        (self.place / name).mkdir(parents=True, exist_ok=True)

    @rule(source=st.sampled_from((*NAMES, *FOLDERS)), to_name=st.sampled_from(("moved", "src/moved", "moved.py")))
    def move(self, source, to_name):
        there, to = self.place / source, self.place / to_name
        if not there.exists() or to.exists() or to.is_relative_to(there) or not to.parent.is_dir():
            return
        self.do(MovePath(f"/r/{source}", f"/r/{to_name}"))
        there.rename(to)
        moved = {n for n in self.uncertain if n == source or n.startswith(f"{source}/")}
        self.uncertain = (self.uncertain - moved) | {to_name + n[len(source) :] for n in moved}

    @rule(name=st.sampled_from(NAMES))
    def something_may_have_changed_it(self, name):
        if (self.place / name).is_file():
            self.do(Blur(f"/r/{name}", "a formatter", scope="content"))
            self.uncertain.add(name)

    @rule(name=st.sampled_from(NAMES), text=TEXTS)
    def the_record_shows_it(self, name, text):
        real = self.place / name
        if name in self.uncertain:
            real.write_text(text)
        if real.is_file():
            self.do(Seen(f"/r/{name}", real.read_text(), whole=True))
            self.uncertain.discard(name)

    @rule(target=forks)
    def fork(self):
        return self.world.fork(), self.state(self.world)

    @rule(fork=consumes(forks), name=st.sampled_from(NAMES))
    def a_fork_has_seen_nothing_of_what_was_done_since(self, fork, name):
        other, before = fork
        assert self.state(other) == before
        mine = self.state(self.world)
        other.apply(PutFile(f"/r/{name}", b"theirs"))
        other.apply(RemovePath("/r/src"))
        assert self.state(self.world) == mine

    # --- laws -------------------------------------------------------------------------------------------------------

    def state(self, world):
        return world.overlay(), {n: world.read(f"/r/{n}") for n in NAMES}, world.digest([f"/r/{n}" for n in NAMES])

    @invariant()
    def it_reads_what_is_there(self):
        if not hasattr(self, "world"):
            return
        for name in (*NAMES, "moved", "moved.py", "src/moved"):
            real = self.place / name
            kind = self.world.kind(f"/r/{name}")
            assert kind == ("file" if real.is_file() else "dir" if real.is_dir() else "absent"), name
            if real.is_file() and name not in self.uncertain:
                assert self.world.read(f"/r/{name}") == real.read_bytes(), name
                outcome, _ = self.world.perform(Read(f"/r/{name}"))
                assert isinstance(outcome, FileText), (name, outcome)
            elif kind == "absent":
                assert isinstance(self.world.read(f"/r/{name}"), Absent), name

    @invariant()
    def it_lists_what_is_there(self):
        if not hasattr(self, "world"):
            return
        for name in ("", *FOLDERS):
            real = self.place / name
            if real.is_dir():
                found = self.world.listing(f"/r/{name}")
                assert isinstance(found, Names), (name, found)
                assert set(found.names) == {p.name for p in real.iterdir()}, name

    @invariant()
    def the_fold_of_what_was_written_is_the_live_world(self):
        if not hasattr(self, "world"):
            return
        folded = begin()
        for line in self.ledger:
            folded.apply(MUTATION.validate_json(line))
        assert self.state(folded) == self.state(self.world)


AgainstADirectory.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAWorldAgainstADirectory = AgainstADirectory.TestCase
