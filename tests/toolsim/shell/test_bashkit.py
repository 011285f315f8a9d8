"""What is bashkit's alone: its files served from Python, its limits and faults, and where BSD and zsh do the same."""

from __future__ import annotations

import pytest

from toolsim.actions import Blur, MakeDirectory, MovePath, PutFile, RemovePath, Unknown
from toolsim.errors import ShellError, SimulationFailed
from toolsim.shell import bashkit, bashkit_forms
from toolsim.shell.base import ProgramResult
from toolsim.shell.bashkit_abi import FileError, Mounted, Status
from toolsim.shell.bashkit_files import WorldFiles, interpreter
from toolsim.shell.limits import Limits
from toolsim.shellparse import parse

ROOT = "/Users/ann/work"

pytestmark = pytest.mark.skipif(bashkit.available() is not None, reason="bashkit is not installed")


@pytest.fixture
def place(place_of):
    return place_of(root=ROOT, engine="bashkit")


@pytest.fixture
def mac(place_of):
    return place_of(root=ROOT, engine="bashkit", userland="bsd", shell="zsh")


async def reason(place, command: str) -> str:
    found = await place.try_run(command)
    assert isinstance(found, Unknown), found
    return found.reason


@pytest.mark.parametrize(("command", "why"), [
    ("git status", "no git"),
    ("x=git; $x log", "no git"),
    ("sleep 1 & wait", "background"),
    ("time ls", "times of its own machine"),
    ("diff README.md run.sh", "diff hunks"),
    ("cmp README.md run.sh", "cmp without -s"),
    ("ls src docs", "unsorted"),
    ("ls README.md missing", "lists nothing"),
    ("ls -a src", "ls -a"),
    ("printf 'src\\ndocs\\n' | xargs ls", "unsorted"),
    ("wc -l missing README.md 2>/dev/null", "what wc does where a file is not there"),
    ("mkdir src", "words this otherwise"),
    ("head missing", "words this otherwise"),
    ("cat README.md missing 2>&1", "order of errors and output"),
    ("cat README.md missing", "order of both output streams"),
    ("ln -s README.md link; cat link", "link"),
    ("yes | wc -l", "10,000 lines"),
    ("seq 200000 | wc -l", "100,000 lines"),
    ("awk 'BEGIN { print 99999 * 99999 }'", "large numbers"),
    ("cut -c1 docs/a/b/c/deep.md", "not all ASCII"),
    ("printf '\\xff'", "no text"),
    ("grep -rn e src | head -1", "which come first"),
    ("find . -name 'a*'", "inside of .git"),
    ("grep -rn def .", "inside of .git"),
    ("rm -rf .", ".git, which is not known"),
    ("for i in {1..20000}; do :; done", "range in braces"),
    ("bash -s x < README.md", "options of bash"),
    ("cat x.log", "not known"),
    ("[ -x /usr/bin/python3 ] && echo y", "without running it"),
    ("i=0; while :; do i=$((i+1)); done", "bashkit stopped"),
])  # fmt: skip
async def test_what_bashkit_gets_wrong_is_refused_with_the_reason(place, command, why):
    assert why in await reason(place, command)


async def test_a_directory_of_unknown_names_and_an_unseen_file_answer_nothing(place):
    place.world.apply(Blur(f"{ROOT}/src/app.py", "formatted", scope="content"))
    place.world.apply(Blur(f"{ROOT}/data", "written", scope="all"))
    assert "src/app.py" in await reason(place, "cat src/app.py")
    assert "src/app.py" in await reason(place, "grep -rn def src")
    assert "size" in await reason(place, "[ -s src/app.py ] && echo y")
    assert "data" in await reason(place, "ls data/*")
    assert await place.text("find src -name '*.py' | sort") == "src/app.py\nsrc/lib/empty.py\nsrc/lib/util.py\n"


async def test_a_failed_simulation_inside_a_pipeline_is_raised_and_never_text(place):
    place.answers["boom"] = SimulationFailed("program", "no model")
    with pytest.raises(SimulationFailed, match="no model"):
        await place.try_run("echo a | xargs boom 2>&1 | cat || echo went on > made.txt; echo after")
    assert place.world.kind(f"{ROOT}/made.txt") == "absent"


async def test_the_programs_before_a_failure_are_not_asked_again_after_it(place):
    place.answers["boom"] = SimulationFailed("program", "no model")
    with pytest.raises(SimulationFailed):
        await place.try_run("one; boom; two; for i in 1 2; do three; done")
    assert [run.argv[0] for run in place.runs] == ["one", "boom"]


async def test_a_command_that_prints_too_much_or_runs_too_long_is_an_error_of_the_engine(place):
    place.shell.limits = Limits(output=1000)
    with pytest.raises(ShellError, match="printed more than"):
        await place.try_run("for i in {1..500}; do echo a long line; done; true")
    place.shell.limits = Limits(seconds=0.05)
    with pytest.raises(ShellError, match="ran for more than"):
        await place.try_run("for i in $(seq 9000); do x=$(grep -rn a src | sort); done")


async def test_changes_are_few_and_leave_the_files_as_they_are(place):
    found = await place.run(
        "for i in 1 2 3; do echo $i >> log.txt; done; rm -rf src; mkdir src; echo x > src/y; echo t > tmp; rm tmp; "
        "sed -i s/Title/T/ README.md; cat data/numbers.txt > data/numbers.txt.new; mv docs d"
    )
    assert {type(m) for m in found.mutations} <= {PutFile, RemovePath, MakeDirectory, MovePath}
    assert place.world.read(f"{ROOT}/log.txt") == b"1\n2\n3\n"
    assert place.world.listdir(f"{ROOT}/src") == ("y",)
    assert place.world.kind(f"{ROOT}/tmp") == "absent"
    assert place.world.read(f"{ROOT}/d/a/b/c/deep.md").startswith(b"deep")
    assert place.world.mode(f"{ROOT}/run.sh") == 0o100755


async def test_a_write_that_changes_nothing_is_no_mutation(place):
    assert (await place.run("sed -i s/nowhere/x/ README.md; touch README.md; chmod +x run.sh")).mutations == ()


async def test_bytes_and_names_pass_through(place):
    name = f"{ROOT}/é.txt"
    place.world.apply(PutFile(name, "ünï\n".encode()))
    assert await place.text("cat é.txt; ls *.txt") == "ünï\né.txt\n"


@pytest.mark.parametrize(("command", "text"), [
    ("cat README.md | head -1", "# Title\n"),
    ("sed -n '2,3p' src/app.py", "\n\n"),
    ("grep -n def src/app.py", "4:def main(argv):\n"),
    ("find src -name '*.py' | sort", "src/app.py\nsrc/lib/empty.py\nsrc/lib/util.py\n"),
    ("ls src", "app.py\nlib\n"),
    ("for f in src/*.py; do echo \"$f\"; done", "src/app.py\n"),
    ("cd src && pwd", f"{ROOT}/src\n"),
    ("echo hi > n.txt && cat n.txt", "hi\n"),
])  # fmt: skip
async def test_on_a_mac_what_is_the_same_is_answered(mac, command, text):
    assert await mac.text(command) == text


@pytest.mark.parametrize("command", [
    "wc -l README.md", "sed -i s/a/b/ README.md", "sed 's/\\t/x/' README.md", "ls missing", "ls *.nothing",
    "find -name x", "grep -rn def", "echo 'a\\nb'", "date", "seq 3", "stat -c %s README.md", "cat missing",
    "uniq -c README.md", "echo src/*.zip",
    "find src/ -type f", "cat -A README.md", "xargs echo < README.md", "x='a b'; ls $x", "od -c README.md",
])  # fmt: skip
async def test_on_a_mac_what_may_differ_is_not_answered(mac, command):
    assert isinstance(await mac.try_run(command), Unknown)


@pytest.mark.parametrize(("content", "program"), [
    (b"#!/usr/bin/env python3\n", "python3"), (b"#! /usr/bin/node\n", "node"),
    (b"#!/usr/bin/env -S deno run\n", "deno"),
    (b"#!/bin/sh\n", None), (b"#!/usr/bin/env bash\n", None), (b"print(1)\n", None), (b"", None),
])  # fmt: skip
def test_a_script_names_the_program_that_runs_it(content, program):
    assert interpreter(content) == program


def test_options_that_were_not_measured_are_not_exact():
    assert bashkit_forms.verdict(("grep", "-rn", "x", "src"), "gnu") == "exact"
    assert bashkit_forms.verdict(("ls", "-la"), "gnu") == "ask"
    for argv in (("grep", "--null", "x"), ("sort", "--debug"), ("cut", "-d,", "-z"), ("find", ".", "-executable")):
        assert isinstance(bashkit_forms.verdict(argv, "gnu"), Unknown)


def test_files_of_a_run_are_those_behind_options_values_and_scripts():
    cases = {
        "grep -n -A 2 x a b": ("a", "b"),
        "sed -n 2p a": ("a",),
        "grep -e x a": ("a",),
        "wc -l": (),
        "head -n 3 a": ("a",),
    }
    for command, files in cases.items():
        assert bashkit_forms.operands(parse(command).invocations[0]) == files, command


def test_what_a_file_system_raises_is_kept_and_an_answer_is_an_error(place):
    from bashkit import FileSystem

    class Broken(WorldFiles):
        def read(self, path: str) -> bytes:
            if path == "/no":
                raise FileError("not found", "file not found")
            raise RuntimeError("broken inside")

    mounted = Mounted(Broken(place.world, frozenset(), frozenset(), frozenset()))
    files = FileSystem.from_capsule(mounted.capsule())
    with pytest.raises(Exception, match="file not found"):
        files.read_file("/no")
    assert mounted.failure is None
    with pytest.raises(Exception, match="the file system failed"):
        files.read_file("/yes")
    assert str(mounted.failure) == "broken inside"


def test_a_file_system_of_python_is_read_listed_and_written_through_the_c_interface(place):
    from bashkit import FileSystem

    served = WorldFiles(place.world, frozenset({ROOT}), frozenset(), frozenset())
    mounted = Mounted(served)
    files = FileSystem.from_capsule(mounted.capsule())
    assert files.read_file(f"{ROOT}/README.md").startswith(b"# Title")
    assert [e["name"] for e in files.read_dir(f"{ROOT}/data")] == ["no newline.txt", "numbers.txt", "table.csv"]
    files.write_file(f"{ROOT}/new", b"\x00\xff")
    files.append_file(f"{ROOT}/new", b"\n")
    files.mkdir(f"{ROOT}/m/n", recursive=True)
    files.rename(f"{ROOT}/new", f"{ROOT}/m/new")
    files.copy(f"{ROOT}/run.sh", f"{ROOT}/m/run.sh")
    files.chmod(f"{ROOT}/README.md", 0o755)
    files.remove(f"{ROOT}/src", recursive=True)
    assert (files.exists(f"{ROOT}/m/n"), files.exists(f"{ROOT}/src")) == (True, False)
    assert served.stat(f"{ROOT}/m/new") == Status("file", 3, 0o644, 1700000000)
    assert set(served.changes()) == {
        PutFile(f"{ROOT}/m/new", b"\x00\xff\n"), MakeDirectory(f"{ROOT}/m/n"), RemovePath(f"{ROOT}/src"),
        PutFile(f"{ROOT}/m/run.sh", place.world.read(f"{ROOT}/run.sh"), 0o100755),
        PutFile(f"{ROOT}/README.md", place.world.read(f"{ROOT}/README.md"), 0o100755),
    }  # fmt: skip
    assert mounted.failure is None


async def test_the_output_of_a_program_may_be_long(place):
    place.answers["noisy"] = ProgramResult("x" * 70 + "\n", "", 0)
    assert await place.text("noisy | wc -c") == "71\n"
