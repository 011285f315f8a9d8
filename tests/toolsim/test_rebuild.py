from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolsim.actions import REWRITTEN, Unknown
from toolsim.rebuild import rebuild, rebuild_measured, replay
from toolsim.recorded_shell import RecordedRun, effects
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.scaffolds.claude_code import CLAUDE_CODE
from toolsim.scaffolds.codex import CODEX
from toolsim.trajectory import Message, Prefix, Session, ToolCall, ToolResult, Trajectory
from toolsim.world import Absent, Unseen, World

FILES = {
    "a.py": "one\ntwo\nthree\n",
    "lib/b.go": "package b\n",
    "lib/c.ts": "const c = 1;\n",
    "go.mod": "module x\n",
    "package.json": "{}\n",
}
SESSION = Session("s", "claude-code", "test", "l", cwd="/repo", agent_version="2.1.49", started_at=10.0)


class Record:
    """Builds the items of a session, call by call."""

    def __init__(self):
        self.items = []

    def did(self, name, content="", /, *, error=None, structured=None, at=None, **arguments):
        call = ToolCall(f"c{len(self.items)}", name, arguments)
        result = ToolResult(call.id, content, is_error=error, structured=structured)
        self.items += [
            Message("assistant", origin="agent", calls=(call,), at=at),
            Message("tool", origin="tool", result=result, at=at),
        ]
        return self

    def edited(self, path, before, old, new):
        return self.did(
            "Edit", f"The file {path} has been updated successfully.", structured={"originalFile": before},
            file_path=path, old_string=old, new_string=new,
        )  # fmt: skip

    def read(self, path, text, start=1, total=None):
        lines = text.split("\n")
        file = {"content": text, "startLine": start, "numLines": len(lines), "totalLines": total or len(lines)}
        shown = "\n".join(f"{start + n:>6}→{line}" for n, line in enumerate(lines))
        return self.did("Read", shown, structured={"type": "text", "file": file}, file_path=path)

    def world(self, snapshot=None):
        return self.rebuilt(snapshot).world

    def rebuilt(self, snapshot=None):
        return rebuild_measured(Prefix(SESSION, tuple(self.items), 0), CLAUDE_CODE, snapshot=snapshot, root="/repo")


@pytest.fixture
def commit(snapshot_of):
    return snapshot_of(FILES)


def test_recorded_edits_and_writes_are_in_the_world(commit):
    record = Record().edited("/repo/a.py", FILES["a.py"], "two", "2")
    record.did("Write", "File created successfully at: /repo/n.py", file_path="/repo/n.py", content="new\n")
    world = record.world(commit)
    assert world.read("a.py") == b"one\n2\nthree\n"
    assert world.read("n.py") == b"new\n"
    assert world.read_since_change("a.py") is True


def test_a_pre_image_wins_over_the_commit():
    world = Record().edited("/repo/a.py", "other\ntwo\n", "two", "2").world()
    assert world.read("a.py") == b"other\n2\n"


def test_refused_and_rejected_edits_change_nothing(commit):
    record = Record().did(
        "Edit", "<tool_use_error>String to replace not found", error=True,
        file_path="/repo/a.py", old_string="one", new_string="1",
    )  # fmt: skip
    assert record.world(commit).read("a.py") == FILES["a.py"].encode()


def test_an_edit_that_cannot_be_followed_makes_the_file_unknown_until_it_is_read(commit):
    record = Record().did(
        "Edit", "The file /repo/a.py has been updated successfully.",
        file_path="/repo/a.py", old_string="not there", new_string="1",
    )  # fmt: skip
    assert isinstance(record.world(commit).read("a.py"), Unseen)
    assert record.read("/repo/a.py", "all new\n").world(commit).read("a.py") == b"all new\n"


def test_drift_counts_whole_reads_against_the_world(commit):
    record = Record().read("/repo/a.py", FILES["a.py"]).read("/repo/lib/b.go", "package other\n")
    record.read("/tmp/x", "hello\n").read("/repo/a.py", "two", start=2, total=4)
    rebuilt = record.rebuilt(commit)
    assert (rebuilt.drift.equal, rebuilt.drift.different, rebuilt.drift.unknown) == (1, 1, 1)
    assert rebuilt.disagreed == ("/repo/lib/b.go",)


def test_a_notice_that_a_file_was_modified_makes_it_unknown(commit):
    record = Record().read("/repo/a.py", FILES["a.py"])
    note = "Note: /repo/a.py was modified, either by the user or by a linter. This change was intentional"
    record.items.append(Message("user", note, origin="harness"))
    assert isinstance(record.world(commit).read("a.py"), Unseen)


def test_clock_and_directory_follow_the_record(commit):
    record = Record().did("Bash", "", at=50.0, command="true")
    record.items.append(Message("assistant", origin="agent", at=40.0, cwd="/repo/lib"))
    world = record.world(commit)
    assert (world.now, world.cwd) == (50.0, "/repo/lib")


@pytest.fixture
def ran(commit):
    def run(command, output="", failed=False, cwd="/repo", edit=None):
        world = World.start(SESSION, ScaffoldProfile("claude-code"), commit, "/repo")
        for path, text in (edit or {}).items():
            from toolsim.actions import PutFile

            world.apply(PutFile(path, text))
        for mutation in effects(RecordedRun(command, cwd, output, failed, "t"), world):
            world.apply(mutation)
        return world

    return run


def test_certain_effects_of_commands_are_applied(ran):
    world = ran("mkdir -p d/e && cp a.py d/ && mv lib/b.go d/e/ && rm -f lib/c.ts && touch new.txt")
    assert world.read("d/a.py") == FILES["a.py"].encode()
    assert world.read("d/e/b.go") == FILES["lib/b.go"].encode()
    assert isinstance(world.read("lib/c.ts"), Absent)
    assert world.read("new.txt") == b""


def test_a_quoted_here_document_is_the_content_of_the_file(ran):
    assert ran("cat > n.txt <<'EOF'\na $x\nb\nEOF\n").read("n.txt") == b"a $x\nb\n"
    assert ran("cat <<EOF > n.txt\nplain\nEOF\n").read("n.txt") == b"plain\n"


@pytest.mark.parametrize(
    "command",
    ["ls -la", "git status", "git diff HEAD | head", "cat a.py | grep x", "go test ./...", "npm run test 2>&1 | tail",
     "git add -A && git commit -m x", "git checkout -b topic", "make build", "gh pr view 1", "echo x > /dev/null",
     "cd /elsewhere && git checkout main", "git stash && go test ./... && git stash pop", "npm run format:check"],
)  # fmt: skip
def test_reads_tests_and_builds_leave_the_files_known(ran, command):
    world = ran(command, edit={"a.py": b"edited\n"})
    assert world.read("a.py") == b"edited\n"
    assert world.read("lib/b.go") == FILES["lib/b.go"].encode()


@pytest.mark.parametrize(
    ("command", "unknown", "known"),
    [
        ("sed -i 's/a/b/' a.py", ["a.py"], ["lib/b.go"]),
        ("gofmt -w lib", [], ["a.py", "lib/b.go"]),
        ("npx prettier --write .", ["lib/x.ts"], ["lib/b.go", "x.go"]),
        ("go fmt ./...", ["x.go"], ["lib/b.go", "lib/x.ts"]),
        ("mise run fmt", ["x.go", "lib/x.ts"], ["a.py"]),
        ("go mod tidy", ["go.mod"], ["package.json", "a.py"]),
        ("npm install left-pad", ["package.json"], ["go.mod", "a.py"]),
        ("git pull", ["a.py", "lib/b.go", "x.go"], []),
        ("git checkout HEAD~2 -- a.py", ["a.py"], ["lib/b.go"]),
        ("python3 -c \"open('a.py','w').write('x')\"", ["a.py"], ["lib/b.go"]),
        ("make generate", ["a.py", "lib/b.go"], []),
        ("for f in *; do mv $f $f.bak; done", ["a.py", "lib/b.go"], []),
        ("echo hi > a.py", ["a.py"], ["lib/b.go"]),
    ],
)
def test_what_a_command_may_have_touched_is_unknown_and_no_more(ran, command, unknown, known):
    world = ran(command, edit={"x.go": b"package x\n\n  func f() {}\n", "lib/x.ts": b"let x\n"})
    assert [p for p in unknown if isinstance(world.read(p), bytes)] == []
    assert [p for p in known if not isinstance(world.read(p), bytes)] == []


def test_a_file_that_git_takes_back_is_as_committed(ran):
    world = ran("git checkout -- a.py", edit={"a.py": b"changed\n"})
    assert world.read("a.py") == FILES["a.py"].encode()


@pytest.mark.parametrize("command", ["go fmt ./...", "gofmt -s -w .", "mise run fmt"])
def test_a_formatter_leaves_alone_what_is_in_its_form_already(ran, command):
    world = ran(command, edit={"x.go": b"package x\n\nfunc f() {\n\treturn\n}\n"})
    assert isinstance(world.read("x.go"), bytes)


@pytest.mark.parametrize(
    ("output", "known"),
    [
        ("[fmt] $ gofmt -s -w .\n", True),
        ("> prettier --write .\na.ts 12ms\n", False),
        ("[fmt] $ ./scripts/fmt.sh\n", False),
        ("", False),
    ],
)
def test_a_script_that_names_its_formatter_touches_the_files_of_that_language_only(ran, output, known):
    world = ran("mise run fmt", output, edit={"run.md": b"edited\n"})
    assert isinstance(world.read("run.md"), bytes) is known


def test_a_proxy_that_shows_itself_once_stands_before_the_shell_from_then_on(commit):
    plain = Record().did("Bash", "a.py\n", command="ls")
    assert not any(fact.text == REWRITTEN for fact in plain.world(commit).facts)
    usage = "error: unexpected argument '-n' found\n\nUsage: rtk grep [OPTIONS]\n"
    for record in (Record().did("Bash", usage, command="grep -n x a.py"), Record().did("Bash", "", command="rtk ls")):
        assert any(fact.text == REWRITTEN for fact in record.world(commit).facts)


def test_a_pull_touches_what_its_diffstat_names(ran):
    world = ran("git pull", " a.py | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n")
    assert isinstance(world.read("a.py"), Unseen)
    assert world.read("lib/b.go") == FILES["lib/b.go"].encode()
    assert ran("git pull", "Already up to date.\n").read("a.py") == FILES["a.py"].encode()


def test_a_failed_command_makes_its_effects_uncertain(ran):
    world = ran("rm a.py && false", failed=True)
    assert world.kind("a.py") == "unknown"


def test_every_run_that_may_have_effects_leaves_a_token(ran):
    assert ran("make build").effect_tokens() == ("t",)
    assert ran("ls").effect_tokens() == ()


def test_a_replay_answers_each_call_from_the_world_before_its_result(commit):
    record = Record().read("/repo/a.py", FILES["a.py"]).edited("/repo/a.py", FILES["a.py"], "two", "2")
    record.read("/repo/a.py", "one\n2\nthree\n").did("Bash", "x", command="make")
    found = list(replay(SESSION, record.items, CLAUDE_CODE, snapshot=commit, root="/repo"))
    assert [isinstance(r.answer, Unknown) for r in found] == [False, False, False, True]
    assert all(r.answer.content == r.recorded.content for r in found[:3])


def test_a_recorded_patch_is_followed_file_by_file(commit):
    text = (
        "*** Begin Patch\n*** Update File: a.py\n@@\n-two\n+2\n*** Update File: /tmp/unseen.py\n@@\n-x\n+y\n"
        "*** Add File: n.py\n+new\n*** End Patch"
    )
    call = ToolCall("p", "apply_patch", {}, raw=text)
    items = (
        Message("assistant", origin="agent", calls=(call,)),
        Message("tool", origin="tool", result=ToolResult("p", "Success. Updated the following files:\nM a.py\n")),
    )
    session = Session("s", "codex", "test", "l", cwd="/repo")
    world = rebuild(Prefix(session, items, 0), CODEX, snapshot=commit, root="/repo")
    assert world.read("a.py") == b"one\n2\nthree\n"
    assert world.read("n.py") == b"new\n"
    assert isinstance(world.read("/tmp/unseen.py"), Unseen)


def test_a_rebuilt_world_equals_the_fold_of_its_prefix_and_forks_share_nothing(commit):
    record = Record().edited("/repo/a.py", FILES["a.py"], "two", "2")
    prefix = Prefix(SESSION, tuple(record.items), 0)
    left, right = (rebuild(prefix, CLAUDE_CODE, snapshot=commit, root="/repo") for _ in range(2))
    assert left.digest(["/repo"]) == right.digest(["/repo"])


@pytest.mark.sessions
def test_recorded_sessions_without_a_repository_are_seldom_answered_wrong():
    folder = os.environ.get("DEPLOYSIM_SESSIONS")
    if not folder:
        pytest.skip("DEPLOYSIM_SESSIONS names no folder of recorded sessions")
    from harness.importers import read_paths

    wrong = answered = 0
    for path in sorted(Path(folder).glob("*/claude/*.jsonl"))[:20]:
        for trajectory in read_paths([path], "claude-code"):
            if not isinstance(trajectory, Trajectory):
                continue
            for step in replay(trajectory.session, trajectory.items, CLAUDE_CODE):
                if not isinstance(step.answer, Unknown):
                    answered += 1
                    wrong += sorted(step.answer.content.split("\n")) != sorted(step.recorded.content.split("\n"))
    assert answered > 100
    assert wrong / answered < 0.06
