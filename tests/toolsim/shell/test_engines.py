"""Programs that are asked for, the clock, unknown paths, and what a command leaves: the same in each shell engine."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from toolsim.actions import (
    REWRITTEN,
    Blur,
    Fact,
    GitMove,
    MakeDirectory,
    MovePath,
    PutFile,
    RemovePath,
    SetCwd,
    SetEnv,
    Unknown,
)
from toolsim.errors import ShellError, SimulationFailed
from toolsim.shell.base import ProgramResult
from toolsim.shell.limits import Limits

ROOT = "/Users/ann/work"


@pytest.fixture
def mac_place(place_of, engine):
    return place_of(root=ROOT, engine=engine)


@pytest.mark.parametrize(("command", "argv"), [
    ("pytest -q", ("pytest", "-q")),
    ("/usr/bin/python3 -V", ("/usr/bin/python3", "-V")),
    ("/opt/homebrew/bin/rg x", ("/opt/homebrew/bin/rg", "x")),
    ("./node_modules/.bin/jest --ci", ("./node_modules/.bin/jest", "--ci")),
    (".venv/bin/python -c 1", (".venv/bin/python", "-c", "1")),
    ("~/go/bin/tool", ("/Users/ann/go/bin/tool",)),
    ("PATH=$PATH:~/go/bin; x1tool a", ("x1tool", "a")),
    ("p=python; $p -m pytest", ("python", "-m", "pytest")),
    ("echo a | xargs node", ("node", "a")),
    ("find src -name app.py -exec ruff check {} \\;", ("ruff", "check", "src/app.py")),
    ("bash -c 'go test ./...'", ("go", "test", "./...")),
    ("sh -c 'exec make all'", ("make", "all")),
    ("timeout 10 npm test", ("npm", "test")),
    ("nohup nice uvicorn app", ("uvicorn", "app")),
    ("(cd src && tsc)", ("tsc",)),
    ("printf '#!/usr/bin/env python3\\nprint(1)\\n' > t.py; chmod +x t.py; ./t.py x", ("python3", "./t.py", "x")),
    ("printf '#!/usr/bin/node\\n' > t; chmod +x t; ./t x", ("node", "./t", "x")),
    ("printf 'mypy .\\n' > s.sh; sh s.sh", ("mypy", ".")),
    ("which python", ("which", "python")),
    ("command -v node", ("command", "-v", "node")),
    ("type node", ("type", "node")),
    ("ls -la", ("ls", "-la")),
    ("env", ("env",)),
    ("perl -e 1", ("perl", "-e", "1")),
    ("curl -s http://localhost", ("curl", "-s", "http://localhost")),
])  # fmt: skip
async def test_a_program_is_asked_for_however_it_is_reached(mac_place, command, argv):
    found = await mac_place.run(command)
    assert [run.argv for run in mac_place.runs] == [argv]
    assert f"<{argv[0]}>\n" in found.output.stdout
    assert found.programs[0][0].line == command


@pytest.mark.parametrize(("command", "argv"), [
    ("env -i A=1 cargo build", ("cargo", "build")), ("git push origin main", ("git", "push", "origin", "main")),
])  # fmt: skip
async def test_the_sandbox_asks_for_what_bashkit_refuses(place_of, command, argv):
    place = place_of(root=ROOT)
    await place.run(command)
    assert [run.argv for run in place.runs] == [argv]
    assert isinstance(
        await place_of(root=ROOT, repository=place.scratch / "work", engine="bashkit").try_run(command), Unknown
    )


async def test_an_asked_program_stands_in_its_pipeline(place):
    place.answers["pytest"] = ProgramResult("1 passed\n2 failed\n", "warn\n", 1, 2.5)
    place.answers["python"] = ProgramResult("seen\n", "", 0, 0.5)
    found = await place.run("pytest -q 2>&1 | tee log.txt | grep failed | python -c x; echo ${PIPESTATUS[0]}")
    assert found.output.output == "seen\n1\n"
    assert [run.stdin for run in place.runs] == [None, "2 failed\n"]
    assert [run.ordinal for run in place.runs] == [0, 1]
    assert place.world.read(place.world.root + "/log.txt") == b"1 passed\n2 failed\nwarn\n"
    assert found.output.duration == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("ls", "a.py\nnew\n"), ("find . -maxdepth 1 -name 'n*'", "./new\n"), ("cat new", None), ("grep x new", None),
        ("wc -c new", None), ("test -s new && echo full", None), ("cp new other; ls", None), ("rm new; ls", "a.py\n"),
        ("echo z > new; cat new", "z\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["sandbox", "bashkit"])
async def test_what_is_in_a_file_of_which_only_the_name_is_known_is_not_answered(place_of, engine, line, shown):
    place = place_of({"a.py": "x\n"}, root=ROOT, engine=engine)
    place.world.apply(GitMove(dirty=(), untracked=(f"{ROOT}/new",)))
    found = await place.try_run(line)
    if isinstance(found, Unknown):
        assert shown is None or engine == "bashkit"
    else:
        assert found.output.output == shown


@pytest.mark.parametrize(("first", "shown"), [(False, "a\nwarn\n"), (True, "warn\na\n")])
async def test_a_program_says_in_which_order_it_wrote_its_streams(sandbox_place, first, shown):
    place = sandbox_place
    place.answers["rg"] = ProgramResult("a\n", "warn\n", 2, errors_first=first)
    found = await place.run("rg a 2>&1")
    assert found.output.output == shown
    assert (await place.run("rg a 2>/dev/null")).output.output == "a\n"


async def test_stages_run_at_the_same_time_get_their_own_input(sandbox_place):
    await sandbox_place.run("(echo a | foo) & (echo b | bar) & wait")
    assert {run.argv[0]: run.stdin for run in sandbox_place.runs} == {"foo": "a\n", "bar": "b\n"}


async def test_a_program_inside_a_reading_loop_leaves_the_loops_input_alone(place):
    await place.run("printf '1\\n2\\n3\\n' | while read n; do prog $n; done")
    assert [run.argv for run in place.runs] == [("prog", "1"), ("prog", "2"), ("prog", "3")]


async def test_effects_of_a_program_are_seen_by_what_follows_and_in_its_view(place):
    root = place.world.root
    place.answers["build"] = ProgramResult("", "", 0, 1.0, (
        PutFile(f"{root}/dist/out.js", b"js\n"), PutFile(f"{root}/bin.sh", b"#!/bin/sh\necho ran\n", 0o100755),
        MakeDirectory(f"{root}/made"), RemovePath(f"{root}/README.md"),
        MovePath(f"{root}/data/table.csv", f"{root}/t.csv"), Fact("built", "t1"),
    ))  # fmt: skip
    found = await place.run(
        "echo first > first.txt; build; cat dist/out.js; ./bin.sh; ls made; cat README.md; head -1 t.csv; after"
    )
    assert found.output.stdout == "js\nran\nname,age,city\n<after>\n"
    assert found.output.stderr == "cat: README.md: No such file or directory\n"
    assert place.views[0].read(f"{root}/first.txt") == b"first\n"
    assert place.views[1].read(f"{root}/dist/out.js") == b"js\n"
    assert place.views[1].kind(f"{root}/README.md") == "absent"
    assert place.views[1].effect_tokens() == ("t1",)
    assert place.world.kind(f"{root}/made") == "dir"
    assert place.world.mode(f"{root}/bin.sh") == 0o100755


async def test_what_a_program_may_have_changed_answers_nothing_afterwards(place):
    path = place.world.root + "/src/app.py"
    place.answers["prettier"] = ProgramResult("", "", 0, 1.0, (Blur(path, "formatted"),))
    assert isinstance(await place.try_run("prettier; cat src/app.py"), Unknown)
    assert isinstance(await place.try_run("prettier; grep -rn import src"), Unknown)
    assert await place.text("prettier; cat README.md | head -1") == "# Title\n"
    assert isinstance(await place.try_run("cat src/app.py"), Unknown)
    assert isinstance(await place.try_run("git status"), Unknown)
    assert await place.text("echo new > src/app.py; cat src/app.py") == "new\n"
    assert await place.text("cat src/app.py") == "new\n"


async def test_a_failed_simulation_stops_the_command_and_is_raised(place):
    place.answers["boom"] = SimulationFailed("program", "no model")
    began = time.monotonic()
    with pytest.raises(SimulationFailed, match="no model"):
        await place.try_run("(boom || true) 2>/dev/null; yes > /dev/null")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("command", [
    "cat /tmp/other", "ls ~", "ls /", "cat ../sibling/x",
    "test -f /etc/hosts && echo y", "cat node_modules/x/package.json",
    "ls node_modules 2>/dev/null || echo none", "[ -d .venv ] && echo venv", "cat ~/.bashrc 2>/dev/null", "cat x.log",
    "cd /somewhere/else && ls", "echo more >> /tmp/log", "source ~/.profile",
    "cat /etc/passwd", "echo $EDITOR", "echo $$",
    "cat /proc/cpuinfo", "find / -name x", "d=/opt/data; cat $d/x",
    "export", "ulimit -a", "test -x /usr/bin/python3 && echo y",
    "grep -rn echo .", "find . -type f | wc -l", "cat .git/*", "cat .git/HEAD x | sed 's/^/.git\\//'", "echo 'unclosed",
])  # fmt: skip
async def test_what_is_not_known_is_not_answered(mac_place, command):
    assert isinstance(await mac_place.try_run(command), Unknown)


async def test_files_written_outside_of_the_repository_are_known_from_then_on(mac_place):
    await mac_place.run("echo one > /tmp/a.txt; mkdir -p /Users/ann/other && echo two > ~/other/b")
    assert (
        await mac_place.text("cat /tmp/a.txt ~/other/b; echo three >> /tmp/a.txt; wc -l < /tmp/a.txt")
        == "one\ntwo\n2\n"
    )
    assert isinstance(await mac_place.try_run("ls /tmp"), Unknown)


async def test_time_is_the_sessions(place):
    place.answers["slow"] = ProgramResult("partial\n", "", 0, 100.0)
    found = await place.run(
        "sleep 5; date +%s; date -u '+%Y-%m-%d %H:%M'; timeout 3 sleep 10; echo $?; timeout 5 slow; echo $?"
    )
    assert found.output.output == "1700000005\n2023-11-14 22:13\n124\npartial\n124\n"
    assert found.output.duration == pytest.approx(13.0)
    assert place.world.now == pytest.approx(1700000013.0)


async def test_the_commands_own_timeout_counts_virtual_seconds(place):
    place.answers["server"] = ProgramResult("listening\n", "", 0, 1000.0)
    found = await place.run("echo start; server; echo never", timeout=60)
    assert found.output.timed_out
    assert (found.output.output, found.output.exit_code, found.output.duration) == ("start\nlistening\n", None, 60)


async def test_a_timeout_around_a_loop_ends_it(place):
    found = await place.run("timeout 3 bash -c 'while true; do echo tick; sleep 1; done'; echo $?")
    assert found.output.output == "tick\n" * 3 + "124\n"


async def test_directory_and_exported_variables_are_handed_back(place):
    found = await place.run("cd src && export A='x y' B=1 && c=2")
    assert [m for m in found.mutations if isinstance(m, SetCwd | SetEnv)] == [
        SetCwd(place.world.root + "/src"), SetEnv("A", "x y"), SetEnv("B", "1")
    ]  # fmt: skip
    assert found.output.cwd == place.world.root + "/src"
    assert await place.text('pwd; echo "$A-$B"') == place.world.root + "/src\nx y-1\n"


async def test_output_keeps_the_order_of_both_streams(place):
    found = await place.run("echo a >&2; echo b; cat missing; echo c > /dev/stderr; echo d")
    out = found.output
    assert out.output == "a\nb\ncat: missing: No such file or directory\nc\nd\n"
    assert (out.stdout, out.stderr) == ("b\nd\n", "a\ncat: missing: No such file or directory\nc\n")


async def test_standard_input_and_environment_are_the_commands(place):
    assert await place.text('read x; echo "$x $V"; cat', stdin="one\ntwo\n", env={"V": "v"}) == "one v\ntwo\n"


async def test_the_world_given_is_not_changed(place):
    world = place.world.fork()
    before = world.overlay()
    await place.run("rm -rf src; echo x > README.md")
    assert world.overlay() == before
    assert await replace(place, world=world).text("head -1 README.md; ls src") == "# Title\napp.py\nlib\n"


async def test_git_keeps_its_state_between_commands(sandbox_place):
    await sandbox_place.run(
        "git checkout -q -b topic && echo z > z && git add z && git commit -qm Second && git tag v1"
    )
    fork = replace(sandbox_place, world=sandbox_place.world.fork())
    await fork.run("git commit -q --allow-empty -m Third")
    text = "topic\nSecond\nFirst\nv1\n"
    assert await sandbox_place.text("git branch --show-current; git log --format=%s; git tag; git status -s") == text
    assert await fork.text("git log --format=%s | head -1") == "Third\n"
    first, second = (await sandbox_place.text("git rev-parse HEAD~1 HEAD")).split()
    assert (
        await sandbox_place.text(f"git show --stat --format=%s {second[:8]}")
        == "Second\n\n z | 1 +\n 1 file changed, 1 insertion(+)\n"
    )
    assert first != second


async def test_a_revision_that_only_the_session_has_is_asked_for(sandbox_place):
    found = await sandbox_place.run(
        "git show dfba5083 2>/dev/null; git checkout -q their-branch; git log --oneline | wc -l"
    )
    assert [run.argv[1] for run in sandbox_place.runs] == ["show", "checkout"]
    assert found.output.stdout == "<git>\n<git>\n1\n"


async def test_short_object_names_have_the_sessions_length(place_of):
    place = place_of()
    place.world.profile = replace(place.world.profile, parameters={"git_abbrev": 9})
    assert len((await place.text("git log -1 --format=%h")).strip()) == 9


async def test_the_users_own_branches_and_the_network_are_asked_for(sandbox_place):
    await sandbox_place.run("git branch; git fetch; git branch -a")
    assert [run.argv[1:] for run in sandbox_place.runs] == [("branch",), ("fetch",), ("branch", "-a")]


@pytest.mark.parametrize(("command", "expected"), [
    ("wc -l README.md", "       4 README.md\n"),
    ("wc -l < README.md", "       4\n"),
    ("wc README.md run.sh", ("       4       8      42 README.md\n"
     "       3       9      57 run.sh\n       7      17      99 total\n")),
    ("printf 'a\\na\\nb\\n' | uniq -c", "   2 a\n   1 b\n"),
    ("ls missing; echo $?", "ls: missing: No such file or directory\n1\n"),
    ("cat -nA README.md; echo $?", "cat: illegal option -- A\nusage: cat [-belnstuv] [file ...]\n1\n"),
    ("cat -n run.sh | head -1", "     1\t#!/bin/sh\n"),
    ("sed -i '' 's/Title/T/' README.md; head -1 README.md", "# T\n"),
    ("printf '' | xargs echo x", ""),
    ("echo 'a\\nb'", "a\nb\n"),
    ("grep -n Title README.md", "1:# Title\n"),
    ("find src -name '*.py' | sort", "src/app.py\nsrc/lib/empty.py\nsrc/lib/util.py\n"),
    ("for f in src/*.py; do echo \"$f\"; done", "src/app.py\n"),
])  # fmt: skip
async def test_bsd_forms_are_those_of_the_sessions_userland(place_of, command, expected):
    assert await place_of(userland="bsd", shell="zsh", root=ROOT).text(command) == expected


@pytest.mark.parametrize("command", [
    "ls *.nothing", "x='a b'; ls $x", "echo ${(U)x}", "cd missing", "time ls", "date", "print -l a",
])  # fmt: skip
async def test_what_zsh_does_otherwise_is_not_answered(place_of, command):
    assert isinstance(await place_of(userland="bsd", shell="zsh", root=ROOT).try_run(command), Unknown)


@pytest.mark.parametrize(
    "command", ["sed -i s/a/b/ README.md", "grep -P x README.md", "readlink -f x", "md5sum README.md"]
)
async def test_gnu_forms_on_a_mac_are_asked_for(place_of, command):
    place = place_of(userland="bsd", shell="zsh", root=ROOT)
    await place.run(command)
    assert [run.argv[0] for run in place.runs] == [command.split()[0]]


async def test_powershell_and_windows_are_not_answered(place_of):
    assert isinstance(await place_of(userland="powershell", shell="powershell").try_run("ls"), Unknown)


@pytest.mark.parametrize(("command", "limits", "message"), [
    ("while :; do :; done", Limits(seconds=0.6), "ran for more than"),
    ("yes", Limits(output=1 << 20), "printed more than"),
    ("for i in {1..60}; do (read x < <(:); while :; do :; done) & done; wait", Limits(processes=30), "processes"),
])  # fmt: skip
async def test_limits_are_errors_of_the_engine(sandbox_place, command, limits, message):
    sandbox_place.shell.limits = limits
    with pytest.raises(ShellError, match=message):
        await sandbox_place.try_run(command)


async def test_many_commands_run_at_once(place):
    await place.run("true")
    texts = await asyncio.gather(
        *(replace(place, world=place.world.fork()).text(f"echo {n} | foo{n}; echo {n}") for n in range(6))
    )
    assert texts == [f"<foo{n}>\n{n}\n" for n in range(6)]


PROJECT = {".gitignore": "node_modules/\n/dist\n", "package.json": "{}\n", "src/a.ts": "x\n", "src/b.ts": "x\n"}


@pytest.mark.parametrize(
    ("command", "certain"),
    [
        ("find . -name '*.ts'", False),
        ("grep -rn x .", False),
        ("ls", False),
        ("find src -name '*.ts'", True),
        ("ls src", True),
        ("git status --short", True),
        ("cat src/*.ts", True),
    ],
)
async def test_a_walk_past_what_a_build_leaves_behind_is_not_certain(place_of, command, certain):
    found = await place_of(PROJECT).try_run(command)
    assert isinstance(found, Unknown) is not certain
    if not certain:
        assert "node_modules" in found.reason


@pytest.mark.parametrize(
    ("command", "certain"),
    [
        ("find src -type f | head -1", False),
        ("grep -r x src | head -n 2", False),
        ("find src -type f | sort | head -1", True),
        ("find src -type f | head -20", True),
        ("cat src/a.ts src/b.ts | head -1", True),
    ],
)
async def test_a_walk_that_is_cut_unsorted_is_not_certain(place_of, command, certain):
    found = await place_of(PROJECT).try_run(command)
    assert isinstance(found, Unknown) is not certain


async def test_no_command_is_computed_once_a_proxy_stands_before_the_shell(place):
    place.world.apply(Fact(REWRITTEN, ""))
    assert await place.try_run("cat src/app.py") == Unknown(REWRITTEN)


async def test_a_windows_session_is_computed_unless_a_path_is_spelt_its_own_way(place_of):
    place = place_of(root="/d/work")
    place.world.windows = True
    assert (await place.run("cat README.md; pwd")).output.stdout.endswith("/d/work\n")
    assert "nothing to commit" in (await place.run("git -C D:/work status")).output.stdout
    for command in ("cat 'D:\\work\\README.md'", "type src\\app.py"):
        assert await place.try_run(command) == Unknown("a path in the spelling of Windows")
    assert (
        await place.run("cd D:/work/src && grep -n TODO d:/work/src/app.py")
    ).output.stdout == "5:    # TODO: parse\n"
    assert await place.try_run("cd D:/work/src && pwd") == Unknown(
        "which spelling of a path the machine's programs print"
    )


@pytest.mark.parametrize(
    "command",
    [
        "cat web/dist/a.js 2>/dev/null || true",
        "cd web && sed -n 1,2p dist/a.js",
        "test -f web/node_modules/x && echo y",
    ],
)
async def test_an_ignored_path_that_a_command_names_is_not_taken_as_absent(place_of, command):
    found = await place_of({".gitignore": "dist/\nnode_modules/\n", "web/a.ts": "x\n"}).try_run(command)
    assert isinstance(found, Unknown)
    assert "is not known" in found.reason


async def test_what_stands_in_a_directory_with_a_dot_stays_there(place):
    found = await place.run("mkdir -p .github/workflows && echo on > .github/workflows/ci.yml; echo x > .env")
    made = {m.path for m in found.mutations if isinstance(m, PutFile)}
    assert made == {f"{place.world.root}/{name}" for name in (".github/workflows/ci.yml", ".env")}
