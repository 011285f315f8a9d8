from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim import paths
from toolsim.actions import (
    Advance,
    Blur,
    Changed,
    Delete,
    Edit,
    EditLines,
    EndProcess,
    Fact,
    FileText,
    Glob,
    Grep,
    Kill,
    ListDirectory,
    Listing,
    MakeDirectory,
    MarkRead,
    Matches,
    MovePath,
    Note,
    Noted,
    Patch,
    Poll,
    Problem,
    PutFile,
    Read,
    RemovePath,
    Replacement,
    Reply,
    RunShell,
    Seen,
    SetCwd,
    SetEnv,
    StartProcess,
    Unknown,
    Write,
)
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.seeing import agrees
from toolsim.trajectory import Session
from toolsim.world import Absent, Names, Unseen, World

FILES = {
    "a.py": "x = 1\ny = 2\n",
    "src/b.ts": "foo\nbar foo\n",
    "src/deep/c.go": "package c\n",
    ".gitignore": "*.log\n/gen/\n",
    "win.txt": "one\r\ntwo\r\n",
}


def session(cwd="/repo"):
    return Session("s", "generic", "test", "l", cwd=cwd, started_at=100.0)


@pytest.fixture
def world(snapshot_of):
    return World.start(session(), ScaffoldProfile("generic"), snapshot_of(FILES))


def do(world, action):
    outcome, mutations = world.perform(action)
    for mutation in mutations:
        world.apply(mutation)
    return outcome


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.py", "file"),
        ("/repo/src", "dir"),
        ("/repo", "dir"),
        ("/", "dir"),
        ("nothing.py", "absent"),
        ("src/gone/x.py", "absent"),
        ("debug.log", "unknown"),
        ("gen/out.txt", "unknown"),
        ("node_modules/x/index.js", "unknown"),
        (".git/config", "unknown"),
        ("/etc/passwd", "unknown"),
        ("/repository/a.py", "unknown"),
    ],
)
def test_a_path_is_known_absent_or_unknown(world, path, kind):
    assert world.kind(path) == kind


def test_without_a_snapshot_everything_is_unknown_until_shown(snapshot_of):
    world = World.start(session(), ScaffoldProfile("generic"))
    assert isinstance(world.read("a.py"), Unseen)
    world.apply(Seen("a.py", "x\n", whole=True))
    assert world.read("a.py") == b"x\n"
    assert isinstance(world.files_under("."), Unseen)
    assert world.kind("b.py") == "unknown"


def test_windows_and_git_bash_spellings_are_one_path(snapshot_of):
    world = World.start(session("D:\\repo"), ScaffoldProfile("generic"), snapshot_of(FILES))
    for spelling in ("D:\\repo\\src\\b.ts", "d:/repo/src/b.ts", "/d/repo/src/b.ts", "src\\b.ts", "src/./deep/../b.ts"):
        assert world.read(spelling) == FILES["src/b.ts"].encode()


def test_paths_are_spelt_back_like_the_session_does():
    assert paths.spell("/d/repo/a", "D:\\repo") == "D:\\repo\\a"
    assert paths.spell("/d/repo/a", "D:/repo") == "D:/repo/a"
    assert paths.spell("/repo/a", "/repo") == "/repo/a"
    assert paths.canonical("/private/tmp/x") == "/tmp/x"


def test_a_fork_never_sees_its_siblings_writes(world):
    left, right = world.fork(), world.fork()
    left.apply(PutFile("a.py", b"left"))
    right.apply(RemovePath("src"))
    right.apply(SetEnv("A", "1"))
    right.apply(MarkRead("a.py"))
    assert left.read("a.py") == b"left"
    assert right.read("a.py") == FILES["a.py"].encode()
    assert left.kind("src/b.ts") == "file"
    assert left.env == {}
    assert world.read_paths == {}
    assert world.overlay().changed == {}


@given(st.text(alphabet="abc/.", min_size=1, max_size=12), st.binary(max_size=50))
def test_what_is_written_is_read_and_what_is_deleted_is_gone(name, content):
    world = World.start(session(), ScaffoldProfile("generic"))
    key = world.key("top/" + name.strip("./") + "x")
    world.apply(PutFile(key, content))
    assert world.read(key) == content
    directory, base = key.rpartition("/")[0], key.rpartition("/")[2]
    assert base in world.listdir(directory)
    world.apply(RemovePath(key))
    assert isinstance(world.read(key), Absent)
    assert base not in world.listdir(directory)


def test_removing_a_tree_takes_all_below_and_a_new_file_brings_its_directory_back(world):
    world.apply(RemovePath("src"))
    assert world.kind("src/deep/c.go") == "absent"
    assert world.listdir(".") == (".gitignore", "a.py", "win.txt")
    world.apply(PutFile("src/new/d.py", b""))
    assert world.listing("src") == Names(("new",), complete=True)
    assert world.files_under("src") == ("/repo/src/new/d.py",)


def test_a_listing_of_the_repository_is_not_complete_but_one_of_a_new_directory_is(world):
    assert world.listing("src") == Names(("b.ts", "deep"), complete=False)
    world.apply(MakeDirectory("fresh"))
    assert world.listing("fresh") == Names((), complete=True)


def test_moving_a_tree_moves_known_contents_and_modes(world):
    world.apply(PutFile("src/run.sh", b"#!", 0o100755))
    world.apply(MovePath("src", "lib"))
    assert world.kind("src") == "absent"
    assert world.read("lib/deep/c.go") == FILES["src/deep/c.go"].encode()
    assert world.mode("lib/run.sh") == 0o100755


def test_moving_an_unknown_path_leaves_an_unknown_target(world):
    world.apply(MovePath("/tmp/x", "here"))
    assert world.kind("here") == "unknown"
    assert world.kind("/tmp/x") == "absent"


def test_a_blurred_tree_is_unknown_until_a_file_is_put_there(world):
    world.apply(Blur("src/", "pulled"))
    assert world.kind("src/b.ts") == "unknown"
    assert isinstance(world.listing("src"), Unseen)
    assert isinstance(world.files_under("."), Unseen)
    world.apply(PutFile("src/b.ts", b"now"))
    assert world.read("src/b.ts") == b"now"
    assert world.kind("src/deep/c.go") == "unknown"


def test_a_content_blur_keeps_the_files_and_can_be_narrowed_to_endings(world):
    world.apply(Blur("./", "formatted", scope="content", suffixes=(".ts",)))
    assert isinstance(world.read("src/b.ts"), Unseen)
    assert world.read("a.py") == FILES["a.py"].encode()
    assert len(world.files_under(".")) == len(FILES)
    world.apply(PutFile("src/b.ts", b"after"))
    assert world.read("src/b.ts") == b"after"


def test_an_edited_blur_leaves_files_that_equal_the_commit(world):
    world.apply(PutFile("a.py", b"x=1\n"))
    world.apply(PutFile("src/b.ts", FILES["src/b.ts"].encode()))
    world.apply(Blur("./", "formatted", scope="edited"))
    assert isinstance(world.read("a.py"), Unseen)
    assert world.read("src/b.ts") == FILES["src/b.ts"].encode()
    assert world.read("src/deep/c.go") == FILES["src/deep/c.go"].encode()


def test_the_record_wins_over_the_commit_and_line_ends_are_no_difference(world):
    world.apply(Seen("win.txt", "one\ntwo\n", whole=True))
    assert world.read("win.txt") == b"one\r\ntwo\r\n"
    world.apply(Seen("a.py", "other\n", whole=True))
    assert world.read("a.py") == b"other\n"
    world.apply(Seen("src/b.ts", "baz", start=2))
    assert isinstance(world.read("src/b.ts"), Unseen)


def test_redacted_spans_of_a_record_are_not_the_truth(world):
    world.apply(Seen("a.py", "x = REDACTED\ny = 2\n", whole=True))
    assert world.read("a.py") == FILES["a.py"].encode()
    world.apply(Seen("a.py", "token = REDACTED\n", whole=True))
    assert isinstance(world.read("a.py"), Unseen)


def test_enough_shown_lines_confirm_a_content_that_had_become_uncertain(snapshot_of):
    text = "".join(f"line {n}\n" for n in range(20))
    world = World.start(session(), ScaffoldProfile("generic"), snapshot_of({"f": text}))
    world.apply(Blur("./", "a sub-agent worked", scope="content"))
    world.apply(Seen("f", "line 3\nline 4", start=4))
    assert isinstance(world.read("f"), Unseen)
    world.apply(Seen("f", "\n".join(f"line {n}" for n in range(3, 9)), start=4))
    assert world.read("f") == text.encode()


def test_lines_shown_after_a_sure_change_do_not_bring_the_old_content_back(snapshot_of):
    text = "".join(f"line {n}\n" for n in range(20))
    world = World.start(session(), ScaffoldProfile("generic"), snapshot_of({"f": text}))
    world.apply(Blur("f", "an edit that cannot be followed", scope="content"))
    world.apply(Seen("f", "\n".join(f"line {n}" for n in range(9))))
    assert isinstance(world.read("f"), Unseen)


def test_a_work_tree_that_is_another_is_no_longer_read_from_the_commit(world):
    world.apply(Seen("a.py", "not this\n", whole=True))
    world.apply(Seen("win.txt", "nor this\n", whole=True))
    assert isinstance(world.read("src/b.ts"), Unseen)
    assert world.read("a.py") == b"not this\n"


def test_a_file_that_the_commit_lacks_makes_other_missing_files_unknown(world):
    world.apply(Seen("extra.py", "here\n", whole=True))
    assert world.kind("more.py") == "unknown"


def test_digests_are_equal_exactly_if_the_state_is(world):
    before = world.digest(["."])
    fork = world.fork()
    fork.apply(PutFile("src/b.ts", b"changed"))
    assert fork.digest(["."]) != before
    assert fork.digest(["a.py"]) == world.digest(["a.py"])
    fork.apply(PutFile("src/b.ts", FILES["src/b.ts"].encode()))
    assert fork.digest(["."]) == before
    assert fork.digest(["src/deep", "a.py"]) == world.digest(["a.py", "src/deep"])


def test_unknown_files_agree_on_a_digest_only_while_nothing_new_happened(world):
    world.apply(Blur("a.py", "?", scope="content"))
    fork = world.fork()
    assert fork.digest(["a.py"]) == world.digest(["a.py"])
    fork.apply(Blur("a.py", "again", scope="content"))
    assert fork.digest(["a.py"]) != world.digest(["a.py"])


def test_the_clock_never_goes_back(world):
    world.apply(Advance(5))
    world.apply(Advance(-100))
    world.advance_to(50.0)
    assert world.now == 105.0


def test_reading_marks_the_file_as_read_and_a_later_change_is_noticed(world):
    assert world.read_since_change("a.py") is None
    assert do(world, Read("/repo/a.py")) == FileText("/repo/a.py", FILES["a.py"])
    assert world.read_since_change("a.py") is True
    world.apply(PutFile("a.py", b"new"))
    assert world.read_since_change("a.py") is False


CASES = [
    (Read("/repo/none"), "missing"),
    (Read("/repo/src"), "is_directory"),
    (Edit("/repo/a.py", (Replacement("zzz", "y"),)), "not_found_in_file"),
    (Edit("/repo/src/b.ts", (Replacement("foo", "y"),)), "not_unique"),
    (Edit("/repo/a.py", (Replacement("x", "x"),)), "identical"),
    (Edit("/repo/a.py", (Replacement("", "x"),)), "exists"),
    (Edit("/repo/none", (Replacement("a", "x"),)), "missing"),
    (Write("/repo/a.py", "", must_be_new=True), "exists"),
    (Write("/repo/src", ""), "is_directory"),
    (EditLines("/repo/a.py", 9, 9, "x"), "bad_range"),
    (Delete("/repo/none"), "missing"),
    (Glob("*.py", "/repo/none"), "missing"),
    (Grep("x", "/repo/none"), "missing"),
    (ListDirectory("/repo/a.py"), "not_directory"),
    (Poll("7"), "no_process"),
    (Kill("7"), "no_process"),
    (Patch("nonsense", "/repo"), "bad_patch"),
]


@pytest.mark.parametrize(("action", "kind"), CASES)
def test_failures_of_the_tool_are_problems_and_change_nothing(world, action, kind):
    outcome, mutations = world.perform(action)
    assert isinstance(outcome, Problem)
    assert outcome.kind == kind
    assert mutations == ()


@pytest.mark.parametrize(
    "action",
    [Read("/etc/hosts"), Read("/repo/x.log"), Edit("/tmp/f", (Replacement("a", "b"),)), RunShell("ls"),
     ListDirectory("/repo"), Grep("[[:alpha:]]", "/repo")],
)  # fmt: skip
def test_what_the_world_cannot_know_goes_down_the_ladder(world, action):
    assert isinstance(world.perform(action)[0], Unknown)


def test_a_write_to_an_unknown_path_is_unknown_but_puts_its_content(world):
    assert isinstance(do(world, Write("/tmp/plan.md", "hello")), Unknown)
    assert world.read("/tmp/plan.md") == b"hello"


def test_an_edit_shows_in_the_next_read_and_keeps_windows_line_ends(world):
    outcome = do(world, Edit("/repo/win.txt", (Replacement("one\ntwo", "uno\ndos"),)))
    assert isinstance(outcome, Changed)
    assert world.read("win.txt") == b"uno\r\ndos\r\n"


def test_edit_lines_replaces_inserts_and_deletes(world):
    do(world, EditLines("/repo/a.py", 2, 2, "y = 3"))
    do(world, EditLines("/repo/a.py", 1, 0, "import z\n"))
    assert world.read("a.py") == b"import z\nx = 1\ny = 3\n"
    do(world, EditLines("/repo/a.py", 1, 1, ""))
    assert world.read("a.py") == b"x = 1\ny = 3\n"


def test_unread_files_may_not_be_edited_where_the_scaffold_insists(snapshot_of):
    profile = ScaffoldProfile("claude-code", parameters={"must_read": True})
    world = World.start(session(), profile, snapshot_of(FILES))
    edit = Edit("/repo/a.py", (Replacement("x = 1", "x = 5"),))
    assert world.perform(edit)[0] == Problem("not_read", "/repo/a.py")
    do(world, Read("/repo/a.py"))
    assert isinstance(do(world, edit), Changed)
    assert isinstance(do(world, Edit("/repo/a.py", (Replacement("x = 5", "x = 6"),))), Changed)
    assert isinstance(do(world, Write("/repo/new.py", "n")), Changed)


def test_an_edit_of_a_file_that_was_read_succeeds_also_where_its_text_is_no_longer_certain(snapshot_of):
    profile = ScaffoldProfile("claude-code", parameters={"must_read": True})
    world = World.start(session(), profile, snapshot_of(FILES))
    do(world, Read("/repo/a.py"))
    world.apply(Blur("a.py", "formatted", "content"))
    outcome = do(world, Edit("/repo/a.py", (Replacement("x = 1", "x = 5"),)))
    assert isinstance(outcome, Changed)
    assert outcome.unseen
    assert isinstance(world.read("a.py"), Unseen), "what the file holds stays uncertain"
    world.apply(Blur("src/", "formatted", "content"))
    assert world.perform(Edit("/repo/src/b.ts", (Replacement("bar", "b"),)))[0] == Problem("not_read", "/repo/src/b.ts")
    do(world, Read("/repo/src/b.ts"))
    assert world.perform(Edit("/repo/src/b.ts", (Replacement("foo", "f"),)))[0] == Unknown("formatted"), "twice there"
    assert world.perform(Edit("/repo/src/b.ts", (Replacement("gone", "f"),)))[0] == Unknown("formatted"), "not there"


@pytest.mark.parametrize(("must_read", "created"), [(True, True), (False, False)])
def test_a_write_to_an_unknown_place_that_was_never_read_makes_a_new_file(snapshot_of, must_read, created):
    profile = ScaffoldProfile("claude-code", parameters={"must_read": must_read})
    world = World.start(session(), profile, snapshot_of(FILES))
    outcome, _ = world.perform(Write("/elsewhere/plan.md", "text"))
    assert isinstance(outcome, Changed) is created
    if created:
        assert outcome.changes[0].before is None
    world.apply(MarkRead("/elsewhere/plan.md"))
    assert isinstance(world.perform(Write("/elsewhere/plan.md", "text"))[0], Unknown)


def test_a_tree_is_lost_when_all_of_it_may_have_changed(world):
    assert not world.files.lost
    world.apply(Blur("/repo/", "a sub-agent worked", "content"))
    assert not world.files.lost
    world.apply(Blur("/repo/", "git checkout"))
    assert world.files.lost


def test_searches_see_edits_and_pass_over_ignored_files(world):
    world.apply(PutFile("src/e.ts", b"a\nfoo\nb\n"))
    world.apply(PutFile("noise.log", b"foo\n"))
    outcome = do(world, Grep("fo+", "/repo", {"after": 1}))
    assert isinstance(outcome, Matches)
    assert [(m.path, m.line, m.context) for m in outcome.matches] == [
        ("/repo/src/b.ts", 1, False),
        ("/repo/src/b.ts", 2, False),
        ("/repo/src/e.ts", 2, False),
        ("/repo/src/e.ts", 3, True),
    ]
    assert do(world, Grep("fo+", "/repo", {"glob": "!*.ts"})) == Matches(())


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.ts", ("/repo/src/b.ts",)),
        ("*.py", ("/repo/a.py",)),
        ("src/**/*", ("/repo/src/b.ts", "/repo/src/deep/c.go")),
        ("**/*.{go,py}", ("/repo/a.py", "/repo/src/deep/c.go")),
        ("src/[ab].t?", ("/repo/src/b.ts",)),
    ],
)
def test_globs_match_relative_paths(world, pattern, found):
    assert do(world, Glob(pattern, "/repo")) == Listing(found)


def test_a_process_is_polled_on_virtual_time_and_killed_once(world):
    world.apply(StartProcess("1", "serve", ((1.0, "up\n"), (9.0, "down\n")), 0))
    world.apply(Advance(2))
    first = do(world, Poll("1"))
    assert (first.output, first.exit_code, first.running) == ("up\n", None, "1")
    world.apply(Advance(20))
    last = do(world, Poll("1"))
    assert (last.output, last.exit_code, last.running) == ("down\n", 0, None)
    world.apply(StartProcess("2", "watch"))
    assert isinstance(do(world, Poll("2")), Unknown)
    assert do(world, Kill("2")) == Reply("watch")
    assert isinstance(do(world, Kill("2")), Problem)
    assert world.processes["2"].ended
    world.apply(EndProcess("3"))


def test_notes_change_nothing_and_numbered_ones_count_on(world):
    assert do(world, Note("todo", [])) == Noted()
    assert do(world, Note("numbered:task")) == Reply("1")
    assert do(world, Note("numbered:task")) == Reply("2")
    world.apply(Fact("ran: make", "token"))
    assert world.effect_tokens() == ("token",)


def test_a_patch_over_several_files_is_all_or_nothing(world):
    patch = (
        "*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = 2\n*** Add File: n/new.py\n+hi\n"
        "*** Delete File: src/b.ts\n*** End Patch"
    )
    outcome = do(world, Patch(patch, "/repo"))
    assert [c.path for c in outcome.changes] == ["a.py", "n/new.py", "src/b.ts"]
    assert world.read("a.py") == b"x = 2\ny = 2\n"
    assert world.read("n/new.py") == b"hi\n"
    assert world.kind("src/b.ts") == "absent"
    assert isinstance(do(world, Patch(patch, "/repo")), Problem)


def test_the_overlay_and_the_diff_name_what_changed(world):
    world.apply(PutFile("a.py", b"1"))
    world.apply(PutFile("n.py", b"2"))
    world.apply(RemovePath("src/b.ts"))
    world.apply(Blur("src/deep/", "?"))
    world.apply(SetCwd("src"))
    overlay = world.overlay()
    assert overlay.changed == {"/repo/a.py": b"1", "/repo/n.py": b"2", "/repo/src/b.ts": None}
    assert overlay.unknown == {"/repo/src/deep/"}
    diff = world.diff()
    assert {f["path"]: f["status"] for f in diff["files"]} == {
        "/repo/a.py": "modified", "/repo/n.py": "added", "/repo/src/b.ts": "deleted",
    }  # fmt: skip
    assert diff["cwd"] == "/repo/src"


@pytest.mark.parametrize("shown", ['key = "[REDACTED]"\n', 'key = "REDACTED"\n', 'key = REDACTED"\n'])
def test_a_redacted_span_agrees_with_what_stands_there_with_or_without_brackets(shown):
    assert agrees(Seen("/r/a", shown, whole=True), b'key = "abc"\n')
    assert not agrees(Seen("/r/a", shown, whole=True), b'other = "abc"\n')
