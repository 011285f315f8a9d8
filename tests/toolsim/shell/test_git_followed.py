"""A world follows recorded git commands: what it then answers is what the real repository says, or nothing.

Each story runs for real in a work tree, with its outputs recorded; after each line a few questions are asked of the
real repository. Then a world is folded from the record alone and asked the same.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field

import pytest

from repos.snapshot import open_snapshot
from toolsim.actions import GitMove, PutFile, Unknown
from toolsim.marks import Unseen
from toolsim.recorded_shell import RecordedRun, effects
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.shell.base import ShellCommand, ShellRun
from toolsim.shell.sandbox import SandboxShell
from toolsim.shell.source import RepositorySource
from toolsim.trajectory import Repository, Session
from toolsim.world import World

QUESTIONS = (
    "git status --short", "git status --short --branch", "git diff", "git diff --cached --stat", "git log --oneline -3",
    "git rev-parse HEAD", "git branch --show-current", "git show --stat HEAD", "cat a.py b.py", "git ls-files",
)  # fmt: skip
START = 1_700_000_000
WRITE = "cat > {} <<'EOF'\n{}\nEOF"


@dataclass
class Story:
    """A work tree with a remote, both real, and a mirror that gets every commit afterwards. A `fresh` clone was made
    for the session; else it is somebody's own, of which its commit does not tell all."""

    place: str
    lines: list[tuple[str, str, int, list[str]]] = field(default_factory=list)
    clock: int = START
    began: float = 0.0
    fresh: bool = True

    def shell(self, line, cwd=None):
        self.clock += 10
        env = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "a@e.org", "LC_ALL": "C",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "a@e.org", "GIT_AUTHOR_DATE": f"@{self.clock} +0000",
            "GIT_COMMITTER_DATE": f"@{self.clock} +0000", "GIT_PAGER": "cat", "GIT_EDITOR": "true", "TZ": "UTC",
        }  # fmt: skip
        return subprocess.run(
            ["bash", "-c", line], cwd=cwd or self.place, env=env, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def tell(self, *lines, keep=True):
        """Run the lines; `keep` leaves the commits where the mirror finds them."""
        for line in lines:
            done = self.shell(line)
            asked = [self.shell(question).stdout for question in QUESTIONS]
            self.lines.append((line, done.stdout, done.returncode, asked))
            if keep:
                self.shell(f"git push -q --force ../mirror HEAD:refs/heads/kept-{len(self.lines)}")


@pytest.fixture
def story(tmp_path):
    made = Story(str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    made.shell("git init -q -b main")
    made.shell(
        "printf 'one\\n' > a.py; printf 'two\\n' > b.py; printf '*.log\\n' > .gitignore; mkdir src; echo x > src/c.py"
    )
    made.shell("git add -A; git commit -qm First")
    made.shell(
        "git clone -q --bare . ../origin; git remote add origin ../origin; git fetch -q; git branch -q -u origin/main"
    )
    made.shell("git clone -q --mirror . ../mirror; git -C ../mirror config gc.auto 0")
    made.shell("git clone -q ../origin ../other")
    made.began = float(made.clock)
    return made


@pytest.fixture
def retold(toolbox_cache, tmp_path):
    """Folds a story's record into a world and asks the same after each line: the numbers of answers and of silence."""

    async def tell(story):
        base = story.shell("git rev-list --max-parents=0 HEAD | tail -1").stdout.strip()
        snapshot = open_snapshot(tmp_path / "mirror", base)
        session = Session(
            "s", "claude-code", "f", "l", cwd=story.place, repository=Repository(branch="main"), started_at=story.began,
            autonomous=story.fresh,
        )  # fmt: skip
        profile = ScaffoldProfile("claude-code", cwd=story.place)
        world = World.start(session, profile, snapshot, story.place, as_of=story.began)
        shell = SandboxShell(toolbox_cache, RepositorySource(tmp_path / "rollouts", "main", "../origin"))

        try:
            return await compare(story, world, shell)
        finally:
            await shell.close()

    async def compare(story, world, shell):
        async def nobody(run, view):
            raise AssertionError(run)

        answers, silent = 0, 0
        for number, (line, output, code, asked) in enumerate(story.lines):
            run = RecordedRun(line, story.place, output, code != 0, f"t{number}")
            for mutation in effects(run, world):
                world.apply(mutation)
            for question, expected in zip(QUESTIONS, asked, strict=True):
                found = await shell.run(ShellCommand(question, story.place), world.fork(), nobody)
                if isinstance(found, ShellRun):
                    assert found.output.output == expected, (line, question)
                    answers += 1
                else:
                    silent += 1
        return answers, silent

    return tell


async def test_staged_edited_and_committed(story, retold):
    story.tell(
        WRITE.format("a.py", "changed"), "git add a.py", WRITE.format("a.py", "changed again"), "git commit -m Second",
        "git commit -am Third", WRITE.format("new.py", "new"), "git add -A", "git mv new.py newer.py", "git rm -q b.py",
        "git commit -m Fourth",
    )  # fmt: skip
    assert await retold(story) == (len(QUESTIONS) * 10 - 7, 7)


async def test_another_branch_and_back(story, retold):
    story.tell(
        "git checkout -b feature", WRITE.format("a.py", "changed"), "git commit -am Second", "git checkout main",
        WRITE.format("b.py", "changed"), "git switch feature",
    )  # fmt: skip
    answers, silent = await retold(story)
    assert silent <= 5, (answers, silent)


def elsewhere(story):
    story.shell(
        "git checkout -qb topic; printf 'theirs\\n' > b.py; printf 'x\\n' > theirs.py; git add -A;"
        "git commit -qam Theirs; git push -q origin topic",
        cwd=f"{story.place}/../other",
    )
    story.shell("git fetch -q ../other topic:refs/heads/topic", cwd=f"{story.place}/../mirror")


async def test_files_of_an_unknown_commit_are_known_again_once_it_is(story, retold):
    elsewhere(story)
    story.tell(
        WRITE.format("mine.py", "mine"), "git fetch -q", "git checkout topic", "git log --oneline -1",
        WRITE.format("a.py", "changed"),
    )  # fmt: skip
    answers, silent = await retold(story)
    known = len(QUESTIONS) - 2  # `mine.py` may have gone with the commit that was left, for all that the record says
    assert (answers, silent) == (2 * len(QUESTIONS) + 1 + 2 * known, 9 + 2 * 2)


async def test_what_was_edited_before_another_commit_was_checked_out_stays_unknown(story, retold):
    elsewhere(story)
    story.tell(
        WRITE.format("b.py", "ours"), "git commit -qam Ours", "git fetch -q && git checkout -q topic",
        "git log --oneline -1", "git status",
    )  # fmt: skip
    answers, _ = await retold(story)
    assert answers >= 2 * len(QUESTIONS), "b.py is that of the other branch once a status says so"


async def test_a_branch_that_is_up_to_date_with_a_known_one_stands_there(story, retold):
    story.shell("printf 'theirs\\n' > a.py; git commit -qam Theirs; git push -q", cwd=f"{story.place}/../other")
    story.shell("git checkout -qb side && git commit -qm Side --allow-empty")
    story.shell("git branch -f main origin/main")
    story.shell("git fetch -q ../work side:refs/heads/side", cwd=f"{story.place}/../mirror")
    story.tell("git fetch origin && git checkout main && git merge --ff-only", "git checkout side")
    answers, silent = await retold(story)
    assert answers > silent


async def test_reset_restore_and_stash(story, retold):
    story.tell(
        WRITE.format("a.py", "changed"), "git commit -am Second", "git reset HEAD~1", "git add a.py", "git reset",
        "git checkout -- a.py", WRITE.format("b.py", "changed"), "git add b.py", "git restore --staged b.py",
        "git reset --hard HEAD", WRITE.format("a.py", "again"), "git stash", "git stash pop",
    )  # fmt: skip
    answers, silent = await retold(story)
    assert answers >= 80, (answers, silent)


async def test_pulled_and_pushed(story, retold):
    story.shell(
        "printf 'theirs\\n' > a.py; git rm -q src/c.py; git commit -qam Theirs; git push -q",
        cwd=f"{story.place}/../other",
    )
    story.tell(
        "git fetch origin", "git pull --ff-only", WRITE.format("b.py", "ours"), "git commit -am Ours", "git push",
        "git checkout -b topic origin/main", WRITE.format("b.py", "topic"), "git commit -am Topic",
        "git push -u origin topic",
    )  # fmt: skip
    answers, silent = await retold(story)
    assert answers >= 75, (answers, silent)


async def test_a_commit_that_nothing_shows_is_unknown_until_the_log_shows_it(story, retold):
    story.tell(WRITE.format("a.py", "changed"), "git commit -qam Second", "git log --oneline -1")
    answers, silent = await retold(story)
    assert silent == 9
    assert answers == 2 * len(QUESTIONS) + 1


async def test_a_commit_that_the_repository_at_hand_lacks_is_unknown(story, retold):
    story.tell(WRITE.format("a.py", "changed"), "git commit -am Second", WRITE.format("b.py", "more"), keep=False)
    story.shell("git reset -q --hard HEAD~1")
    answers, silent = await retold(story)
    assert silent == 16
    assert answers == len(QUESTIONS) + 4


async def test_what_a_program_may_have_written_is_known_again_from_a_status(story, retold):
    story.tell(
        "python3 -c \"open('b.py', 'w').write('x\\\\n')\" && python3 -c \"print(open('src/c.py').read())\"",
        "git status --short",
    )
    answers, _ = await retold(story)
    assert answers >= 9


@pytest.mark.parametrize("status", ["git status", "git status -sb", "git status --porcelain"])
async def test_a_status_settles_what_is_staged_changed_and_untracked(story, retold, status):
    story.tell(
        "python3 -c \"open('b.py', 'w').write('x')\" && git add b.py && python3 -c \"open('new', 'w').write('y')\"",
        status,
    )
    answers, silent = await retold(story)
    assert answers >= 8, silent


async def test_a_status_among_other_commands_is_read_too(story, retold):
    story.tell(
        "python3 -c \"open('b.py', 'w').write('x')\" && python3 -c \"open('new', 'w').write('y')\"",
        "echo before && git status --short --branch",
    )
    answers, silent = await retold(story)
    assert answers >= 9, silent


async def test_only_the_branch_is_read_of_a_status_that_others_follow(story, retold):
    story.tell("python3 -c \"open('b.py', 'w').write('x')\"", "git status -sb && git log --oneline -1 && cat a.py")
    assert await retold(story) == (12, 8)


async def test_how_far_behind_a_status_says_the_branch_is_tells_the_remote_branch(story, retold):
    story.fresh = False
    for text in ("one", "two", "three"):
        story.shell(f"echo {text} > src/c.py; git commit -qam {text}", cwd=f"{story.place}/../other")
    story.shell("git push -q", cwd=f"{story.place}/../other")
    story.shell("git fetch -q ../other main:kept-others; git push -q ../mirror +kept-others:main kept-others")
    story.shell("git branch -D kept-others")
    story.shell("git fetch -q origin main")
    story.began = float(story.clock)
    story.tell("cd . && git status -sb", "git log --oneline HEAD..origin/main")
    questions = list(QUESTIONS)
    answers, silent = await retold(story)
    assert (answers, silent) == (2 * len(questions), 0)


async def test_a_branch_that_follows_none_needs_no_remote_branch(story, retold):
    story.fresh = False
    story.tell("git checkout -b topic", WRITE.format("a.py", "changed"), "git commit -am Second")
    assert await retold(story) == (3 * len(QUESTIONS), 0)


async def test_a_silent_fetch_leaves_the_remote_branch_where_it_was_shown(story, retold):
    story.tell(WRITE.format("a.py", "changed"), "git commit -am Second", "git status -sb")
    story.shell("git push -q ../mirror HEAD:main")
    story.tell("git fetch origin", "git status -sb")
    answers, silent = await retold(story)
    assert (answers, silent) == (5 * len(QUESTIONS) - 1, 1)


@pytest.mark.parametrize("line", ["gh pr checkout 12", "gh pr merge 12 --squash --delete-branch", "workmux merge x"])
def test_programs_that_check_out_by_git_leave_head_unknown(snapshot_of, line):
    session = Session("s", "claude-code", "f", "l", cwd="/r", autonomous=True)
    world = World.start(session, ScaffoldProfile("claude-code"), snapshot_of({"a.py": "one\n"}), "/r")
    for mutation in effects(RecordedRun("gh pr view 12", "/r", "", False, "t"), world):
        world.apply(mutation)
    assert not world.git.lost
    assert world.read("/r/a.py") == b"one\n"
    for mutation in effects(RecordedRun(line, "/r", "", False, "t"), world):
        world.apply(mutation)
    assert {"HEAD", "branch", "remote branches"} <= world.git.lost
    assert isinstance(world.read("/r/a.py"), Unseen)


def test_a_session_whose_commit_is_not_at_hand_begins_with_an_unknown_head(snapshot_of):
    snapshot = snapshot_of({"a.py": "one\n"})
    for recorded, known in (("a" * 40, False), (snapshot.commit, True), (None, True)):
        session = Session("s", "codex", "f", "l", cwd="/r", repository=Repository(commit=recorded))
        world = World.start(session, ScaffoldProfile("codex"), snapshot, "/r")
        assert ("HEAD" not in world.git.lost) == known
        assert isinstance(world.read("/r/a.py"), bytes) == known


async def test_a_submodule_that_was_removed_is_back_with_the_commit(story, retold):
    story.tell(
        "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub; mkdir sub; git commit -m Sub",
        "git status -sb", "rmdir sub", "git reset --hard", "git rm --cached sub && rmdir sub", "git reset --hard",
    )  # fmt: skip
    answers, silent = await retold(story)
    assert answers > silent


async def test_an_untracked_file_that_a_status_showed_keeps_its_name(story, retold):
    story.shell("echo y > new")
    story.tell("git status -sb", "git commit --allow-empty -m Second")
    assert await retold(story) == (2 * len(QUESTIONS), 0)


async def test_what_a_status_shows_while_head_is_unknown_is_kept_until_it_is(story, retold):
    story.shell("echo y > new")
    story.tell("git commit -q --allow-empty -m Second", "git status -sb", "git log --oneline -1")
    answers, silent = await retold(story)
    assert answers >= len(QUESTIONS), silent


async def test_a_revision_that_only_somebodys_own_clone_may_have_is_not_denied(story, toolbox_cache, tmp_path):
    async def nobody(run, view):
        raise AssertionError(run)

    for autonomous, told in ((False, Unknown), (True, ShellRun)):
        snapshot = open_snapshot(tmp_path / "mirror", story.shell("git rev-parse HEAD").stdout.strip())
        session = Session("s", "claude-code", "f", "l", cwd=story.place, autonomous=autonomous)
        world = World.start(session, ScaffoldProfile("claude-code", cwd=story.place), snapshot, story.place)
        world.apply(GitMove(origin=(("main", snapshot.commit),), found=("remote branches",)))
        shell = SandboxShell(toolbox_cache, RepositorySource(tmp_path / "rollouts", "main", "../origin"))
        try:
            assert isinstance(
                await shell.run(ShellCommand("git show origin/gone:a.py", story.place), world, nobody), told
            )
        finally:
            await shell.close()


async def test_merges_and_picks_never_give_a_wrong_answer(story, retold):
    story.tell(
        "git checkout -b side", WRITE.format("b.py", "side"), "git commit -am Side", "git checkout main",
        WRITE.format("a.py", "main"), "git commit -am Main", "git merge side -m Merged", "git log -1 --oneline",
        "git status -sb", "git revert --no-edit HEAD~1", "git branch -D side", "git tag v1", "git rebase HEAD~1",
    )  # fmt: skip
    answers, silent = await retold(story)
    assert answers > silent


async def test_a_change_by_others_makes_head_and_index_unknown(snapshot_of):
    from toolsim.actions import Seen

    world = World.start(
        Session("s", "claude-code", "f", "l", cwd="/r", autonomous=True),
        ScaffoldProfile("claude-code"),
        snapshot_of({"a.py": "one\n"}),
        "/r",
    )
    world.apply(Seen("/r/a.py", "one\n", whole=True))
    assert not world.git.lost
    world.apply(Seen("/r/a.py", "two\n", whole=True))
    assert world.git.lost == {"HEAD", "index"}


def test_files_that_follow_to_a_commit_that_cannot_be_read_are_unknown(tmp_path):
    place = tmp_path / "work"
    place.mkdir()
    story = Story(str(place))
    for line in ("git init -q -b main", WRITE.format("a.py", "one"), "git add -A", "git commit -q -m one"):
        assert story.shell(line).returncode == 0
    commit = story.shell("git rev-parse HEAD").stdout.strip()
    session = Session("s", "claude-code", "test", lineage="s", cwd=str(place))
    world = World.start(session, ScaffoldProfile("claude-code", {}), open_snapshot(place / ".git", commit), str(place))
    world.apply(PutFile(f"{place}/mine.py", b"x\n"))
    kept, followed = world.fork(), world.fork()
    kept.apply(GitMove("f" * 40, files="kept"))
    assert kept.read(f"{place}/a.py") == b"one\n"
    assert "HEAD" in kept.git.lost
    followed.apply(GitMove("f" * 40, files="followed"))
    assert "HEAD" in followed.git.lost
    assert not isinstance(followed.read(f"{place}/a.py"), bytes)
    assert not isinstance(followed.read(f"{place}/mine.py"), bytes)
