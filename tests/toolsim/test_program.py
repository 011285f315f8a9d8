"""What a model writes for a program: the forms, the claims it makes, and how they become text and mutations."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolsim.actions import Fact, PutFile, RemovePath, ShellOutput
from toolsim.claims import expand, file_mutations
from toolsim.commands import classify, commands, leading, writes_on_failure
from toolsim.errors import OutputInvalid, SimulationFailed
from toolsim.forms import FileChange, Span, read_reply, schema
from toolsim.jsoncheck import complaints, strictable
from toolsim.scripted import ScriptedModel
from toolsim.simulator import SimulatorSettings

FILES = {"a.py": "one\ntwo\nthree\n", "pkg/b.py": "x = 1\n"}
SIMULATED = SimulatorSettings(rungs=frozenset({"simulated"}))
FORMS = ("program", "process", "read", "change", "paths", "matches", "reply", "work", "note")


@pytest.mark.parametrize("spans", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_can_be_held_strictly_and_what_fits_it_is_read(form, spans, fill):
    held = schema(form, spans=spans)
    assert strictable(held)
    value = fill(held)
    assert not complaints(value, held)
    read_reply(form, value)


def test_a_reply_of_another_form_is_no_answer():
    with pytest.raises(OutputInvalid, match="exit_code"):
        read_reply("program", {"stdout": "", "stderr": "", "exit_code": "zero", "duration": 1})


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("out.txt", "/repo/out.txt"),
        ("./pkg/../out.txt", "/repo/out.txt"),
        ("/tmp/report.xml", "/tmp/report.xml"),
        ("/repo/new/deep.py", "/repo/new/deep.py"),
        ("../outside.txt", None),
        ("/etc/passwd", None),
        ("/repo/../etc/passwd", None),
        ("/repository/x", None),
        (".git/config", None),
        ("__pycache__/a.pyc", None),
        ("a\0b", None),
        ("", None),
        ("pkg", None),
    ],
)
def test_claimed_files_are_taken_in_only_where_the_session_works(bench, path, taken):
    made, rejected = file_mutations([FileChange(path=path, content="c")], bench(FILES).world, "/repo")
    assert [m.path for m in made] == ([taken] if taken else [])
    assert bool(rejected) is (taken is None)


NAMES = st.lists(st.sampled_from(["a.py", "new.txt", "pkg/b.py", "deep/er/c", "/tmp/x"]), unique=True)


@given(NAMES, st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_what_a_run_claims_to_have_written_is_what_is_read(bench, names, data):
    world = bench(FILES).world
    claims = [FileChange(path=name, content=data.draw(st.none() | st.text(max_size=30))) for name in names]
    made, rejected = file_mutations(claims, world, "/repo")
    for mutation in made:
        world.apply(mutation)
    assert rejected == ()
    for claim in claims:
        found = world.read(world.key(claim.path))
        if claim.content is not None:
            assert found == claim.content.encode("utf-8", "replace")
        else:
            assert not isinstance(found, bytes)


def test_a_deleted_file_is_removed_and_one_that_never_was_is_nothing(bench):
    changes = [FileChange(path="a.py", content=None), FileChange(path="nothing.py", content=None)]
    assert file_mutations(changes, bench(FILES).world, "/repo") == ((RemovePath("/repo/a.py"),), ())


def test_references_in_long_output_become_the_lines_they_stand_for(bench):
    parts = [Span(text=">> "), Span(source="/repo/a.py", first=2, last=3), Span(source="e1", first=1, last=1)]
    assert expand(parts, bench(FILES).world, "/repo", {"e1": "shown\nmore\n"}) == ">> two\nthree\nshown\n"


@pytest.mark.parametrize("span", [Span(source="/repo/a.py", first=2, last=9), Span(source="e7"), Span(source="no.py")])
def test_references_to_what_is_not_there_are_no_answer(bench, span):
    with pytest.raises(OutputInvalid):
        expand([span], bench(FILES).world, "/repo", {})


def reply(exit_code=0, stdout="ok\n", stderr="", duration=1.0, files=()):
    changed = [{"path": path, "content": content} for path, content in files]
    return {
        "stdout": stdout, "stderr": stderr, "exit_code": exit_code, "duration": duration, "files_changed": changed,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "exit_code", "written"),
    [("frobnicate", 0, True), ("frobnicate", 1, False), ("pytest --junitxml=out.xml", 1, True)],
)
async def test_a_failed_run_changes_nothing_unless_its_kind_does(bench, command, exit_code, written):
    model = ScriptedModel([reply(exit_code, files=[("out.xml", "<x/>")])], context=4096)
    answer = await bench(FILES, settings=SIMULATED, model=model).respond("Bash", command=command)
    assert any(isinstance(m, PutFile) for m in answer.mutations) is written
    assert ("rejected" in answer.evidence) is not written


async def test_every_run_with_effects_leaves_a_token_of_its_own(bench):
    model = ScriptedModel([reply()] * 2, context=4096)
    made = bench(FILES, settings=SIMULATED, model=model)
    for _ in range(2):
        await made.respond("Bash", command="make install")
    tokens = [fact.token for fact in made.world.facts if isinstance(fact, Fact)]
    assert len(set(tokens)) == 2


async def test_raw_output_goes_through_the_forms_of_the_scaffold(bench):
    long = "".join(f"line {n}\n" for n in range(5_000))
    model = ScriptedModel([reply(stdout=long)], context=4096)
    answer = await bench(FILES, "mini-swe-agent", settings=SIMULATED, model=model).respond("bash", command="make")
    assert "<returncode>0</returncode>" in answer.result.content
    assert len(answer.result.content) < 12_000
    model = ScriptedModel([{"kind": "file", "text": "def f():\n    pass\n", "total_lines": 40}], context=4096)
    answer = await bench({}, settings=SIMULATED, model=model).respond(
        "Read", file_path="/elsewhere/x.py", offset=7, limit=2
    )
    assert [line.split("→")[0].strip() for line in answer.result.content.splitlines()[:2]] == ["7", "8"]


async def test_a_run_that_takes_longer_than_the_tool_waits_is_stopped(bench):
    model = ScriptedModel([reply(duration=500.0)], context=4096)
    made = bench(FILES, settings=SIMULATED, model=model)
    answer = await made.respond("Bash", command="sleep-forever", timeout=2_000)
    assert answer.result.is_error
    assert "timed out" in answer.result.content


async def test_a_file_that_the_model_showed_whole_stays_as_shown(bench):
    model = ScriptedModel([{"kind": "file", "text": "127.0.0.1 localhost\n", "total_lines": 1}], context=4096)
    made = bench(FILES, settings=SimulatorSettings(), model=model)
    first = await made.respond("Read", file_path="/etc/hosts")
    second = await made.respond("Read", file_path="/etc/hosts")
    assert (first.rung, second.rung) == ("simulated", "computed")
    assert first.result.content == second.result.content


async def test_a_background_process_is_polled_by_its_handle(bench):
    model = ScriptedModel(
        [
            {**reply(stdout="listening\n"), "running": True},
            {"text": "Process running with session ID", "is_error": False},
        ],
        context=4096,
    )
    made = bench(FILES, settings=SimulatorSettings(), model=model)
    await made.respond("Bash", command="npm run dev", run_in_background=True)
    (handle,) = made.world.processes
    answer = await made.respond("TaskOutput", task_id=handle)
    assert answer.rung == "computed"
    assert "listening" in answer.result.content


async def test_a_reference_to_lines_that_do_not_exist_fails_the_call(bench):
    parts = [{"text": None, "source": "/repo/a.py", "first": 1, "last": 99}]
    model = ScriptedModel([{**reply(), "stdout": parts}])
    with pytest.raises(SimulationFailed) as failure:
        await bench(FILES, settings=SIMULATED, model=model).respond("Bash", command="frobnicate")
    assert failure.value.stage == "simulated"


@pytest.mark.parametrize(
    ("argv", "kind"),
    [
        ("pytest -q", "test"), ("python -m pytest", "test"), ("uv run pytest", "test"), ("npm run test:unit", "test"),
        ("go test ./...", "test"), ("cargo build", "build"), ("make lint", "lint"), ("timeout 5 ruff check", "lint"),
        ("ruff format .", "format"), ("pip3 install x", "install"), ("python3.11 -m pip install x", "install"),
        ("gh pr list", "network"), ("git status", "git"), ("./run.sh", "script"), ("ls", "look"), ("frob", "other"),
        ("env A=1 pytest", "test"), ("pip index versions x", "network"), ("", "other"),
    ],
)  # fmt: skip
def test_command_classes(argv, kind):
    assert classify(tuple(argv.split())) == kind


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cd /x && A=1 pytest -q | tail -3", ("pytest", "-q")),
        ("echo 'a && b'", ("echo", "a && b")),
        ("echo 'open", ("echo", "'open")),
        ("", ()),
    ],
)
def test_the_command_of_a_line_that_matters(line, expected):
    assert leading(line) == expected


def test_all_commands_of_a_line_are_found():
    assert [words[0] for words in commands("a x; b | c && (d)\ne")] == ["a", "b", "c", "d", "e"]
    assert writes_on_failure("test")
    assert not writes_on_failure("look")


def test_streams_are_kept_apart_and_joined(bench):
    output = ShellOutput("a\nb\n", "a\n", "b\n", 0)
    assert output.output == output.stdout + output.stderr
