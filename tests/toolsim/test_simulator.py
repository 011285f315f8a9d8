"""The ladder: which rung answers, what each switch takes away, and that no failure becomes text."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from toolsim.actions import PutFile, ShellOutput, Unknown
from toolsim.errors import BudgetExceeded, EndpointError, OutputInvalid, Refused, ShellError, SimulationFailed
from toolsim.modeltypes import Budget
from toolsim.scaffolds.claude_code import CLAUDE_CODE
from toolsim.scripted import ScriptedModel
from toolsim.shell.base import ProgramRun, ShellRun
from toolsim.simulator import AFFORDANCES, SimulatorSettings
from toolsim.trajectory import Message, ToolCall

FILES = {"a.py": "x = 1\n", "tests/test_a.py": "from a import x\n\n\ndef test_x():\n    assert x == 1\n"}
ALL = frozenset(AFFORDANCES)


def settings(rungs=("recorded", "computed", "connector", "simulated"), affordances=ALL, **more):
    return SimulatorSettings(rungs=frozenset(rungs), affordances=frozenset(affordances), **more)


def prompt(model, n=-1):
    return "\n".join(str(message["content"]) for message in model.requests[n].messages)


class PipeShell:
    """Runs `cat FILE`, and every other program through `programs`, with `|` and `&&` between them."""

    name = "pipe"

    async def run(self, command, world, programs):
        trial, mutations, stdin, errors, code = world.fork(), [], None, "", 0
        for n, stage in enumerate(command.command.replace("&&", "|").split("|")):
            argv = tuple(stage.split())
            if argv[0] == "fail":
                raise ShellError("the engine broke")
            if argv[0] == "cat":
                content = trial.read(argv[1])
                if not isinstance(content, bytes):
                    return Unknown("no such content")
                stdin, code = content.decode(), 0
                continue
            result = await programs(ProgramRun(argv, command.cwd, stdin, {}, command.command, n), trial)
            stdin, code, errors = result.stdout, result.exit_code, errors + result.stderr
            mutations += result.mutations
            for mutation in result.mutations:
                trial.apply(mutation)
        return ShellRun(ShellOutput((stdin or "") + errors, stdin or "", errors, code), tuple(mutations))

    async def close(self):
        """Nothing to free."""


def program_reply(stdout="", exit_code=0, files=()):
    changed = [{"path": path, "content": content} for path, content in files]
    return {"stdout": stdout, "stderr": "", "exit_code": exit_code, "duration": 1.5, "files_changed": changed}


READ = ("Read", {"file_path": "/repo/a.py"}, "     1→x = recorded")


@pytest.mark.parametrize(
    ("rungs", "affordances", "expected"),
    [
        (("recorded", "computed", "connector", "simulated"), ALL, "recorded"),
        (("recorded", "computed", "connector", "simulated"), ALL - {"rollout"}, "computed"),
        (("computed", "simulated"), ALL, "computed"),
        (("simulated",), ALL, "simulated"),
        (("computed", "simulated"), ALL - {"repo"}, "simulated"),
        (("recorded", "simulated"), ALL, "recorded"),
    ],
)
async def test_the_first_rung_that_stands_and_knows_answers(bench, rungs, affordances, expected):
    model = ScriptedModel([{"kind": "file", "text": "x = 1\n", "total_lines": 1}], context=4096)
    made = bench(FILES, reference=(READ,), settings=settings(rungs, affordances), model=model)
    answer = await made.respond("Read", file_path="/repo/a.py")
    assert answer.rung == expected
    assert answer.result.content.lstrip().startswith("1")


CALLS = [
    ("claude-code", "Read", {"file_path": "/repo/a.py"}),
    ("claude-code", "Read", {"file_path": "/etc/hosts", "offset": 3, "limit": 2}),
    ("claude-code", "Edit", {"file_path": "/repo/a.py", "old_string": "x = 1", "new_string": "x = 2"}),
    ("claude-code", "Write", {"file_path": "/repo/b.py", "content": "y = 1\n"}),
    ("claude-code", "Grep", {"pattern": "x", "path": "/repo", "output_mode": "content"}),
    ("claude-code", "Glob", {"pattern": "**/*.py"}),
    ("claude-code", "LS", {"path": "/repo"}),
    ("claude-code", "Bash", {"command": "python -m pytest -q"}),
    ("claude-code", "Bash", {"command": "npm run dev", "run_in_background": True}),
    ("claude-code", "TodoWrite", {"todos": []}),
    ("claude-code", "WebFetch", {"url": "https://index.test/pypi/six/json", "prompt": "newest?"}),
    ("claude-code", "Task", {"prompt": "look around", "subagent_type": "Explore"}),
    ("claude-code", "AskUserQuestion", {"questions": [{"question": "Which?", "options": [{"label": "One"}]}]}),
    ("claude-code", "NoSuchTool", {"x": 1}),
    ("codex", "shell", {"command": ["bash", "-lc", "ls"]}),
    ("codex", "exec_command", {"cmd": "ls"}),
    ("codex", "update_plan", {"plan": []}),
    ("codex", "write_stdin", {"session_id": 1, "chars": ""}),
    ("swe-agent", "bash", {"command": "ls"}),
    ("mini-swe-agent", "bash", {"command": "ls | head"}),
    ("openhands", "execute_bash", {"command": "ls"}),
    ("gemini", "read_file", {"absolute_path": "/repo/a.py"}),
    ("copilot", "view", {"path": "/repo/a.py"}),
    ("unheard-of", "frobnicate", {"level": 3}),
]


@pytest.mark.parametrize(
    "affordances", [frozenset(c) for n in range(5) for c in itertools.combinations(AFFORDANCES, n)]
)
async def test_the_model_alone_answers_every_call_with_any_affordances(bench, fill, affordances):
    for agent, name, arguments in CALLS:
        model = ScriptedModel(lambda request: fill(request.schema), context=4096)
        made = bench(FILES, agent, (READ,), settings(("simulated",), affordances), model=model, shell=PipeShell())
        answer = await made.respond(name, **arguments)
        assert answer.rung == "simulated", (agent, name)
        assert answer.model_calls == len(model.requests) >= 1
        assert answer.evidence["written"]
        assert answer.usage is not None


async def test_a_command_takes_the_lowest_rung_of_its_programs(bench):
    model = ScriptedModel([program_reply("3 passed\n")], context=4096)
    made = bench(FILES, "mini-swe-agent", settings=settings(), model=model, shell=PipeShell())
    assert (await made.respond("bash", command="cat a.py")).rung == "computed"
    answer = await made.respond("bash", command="pytest -q && cat a.py")
    assert answer.rung == "simulated"
    assert "x = 1" in answer.result.content
    assert [entry["argv"] for entry in answer.evidence["programs"]] == [["pytest", "-q"]]
    assert "pytest" in prompt(model)


async def test_a_program_that_nothing_answers_fails_the_command(bench):
    made = bench(FILES, "mini-swe-agent", settings=settings(), shell=PipeShell())
    with pytest.raises(SimulationFailed, match="no model") as failure:
        await made.respond("bash", command="pytest -q")
    assert failure.value.stage == "simulated"


async def test_without_a_model_the_failure_names_what_each_rung_lacked(bench):
    made = bench(FILES, settings=settings())
    with pytest.raises(SimulationFailed, match=r"no model.*computed: ") as failure:
        await made.respond("Bash", command="make")
    assert failure.value.stage == "simulated"


@pytest.mark.parametrize(
    "error", [EndpointError("down"), OutputInvalid("no JSON"), Refused("no"), None], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("command", ["make", "cat a.py | make"])
async def test_a_failing_model_fails_the_call_and_never_becomes_text(bench, error, command):
    model = ScriptedModel([error] if error is not None else [], context=4096)
    made = bench(FILES, "mini-swe-agent", settings=settings(), model=model, shell=PipeShell())
    with pytest.raises(SimulationFailed) as failure:
        await made.respond("bash", command=command)
    assert failure.value.stage == "simulated"
    assert made.history == []


async def test_a_reached_budget_is_no_failure_of_the_call(bench):
    model = ScriptedModel([], context=4096, budget=Budget(max_calls=0))
    made = bench(FILES, "mini-swe-agent", settings=settings(), model=model, shell=PipeShell())
    with pytest.raises(BudgetExceeded):
        await made.respond("bash", command="make")


async def test_a_broken_engine_fails_at_its_own_stage(bench):
    model = ScriptedModel([program_reply("made up")], context=4096)
    made = bench(FILES, "mini-swe-agent", settings=settings(), model=model, shell=PipeShell())
    with pytest.raises(SimulationFailed) as failure:
        await made.respond("bash", command="fail")
    assert failure.value.stage == "shell"
    assert model.requests == []


async def test_what_a_simulated_run_wrote_is_read_afterwards(bench):
    model = ScriptedModel([program_reply("wrote\n", files=[("gen.py", "made = True\n")])], context=4096)
    made = bench(FILES, settings=settings(), model=model, shell=PipeShell())
    await made.respond("Bash", command="python gen.py")
    answer = await made.respond("Read", file_path="/repo/gen.py")
    assert answer.rung == "computed"
    assert "made = True" in answer.result.content


async def test_a_later_stage_of_a_command_sees_what_an_earlier_run_wrote(bench):
    model = ScriptedModel([program_reply("", files=[("out.txt", "fresh\n")])], context=4096)
    made = bench(FILES, "mini-swe-agent", settings=settings(), model=model, shell=PipeShell())
    answer = await made.respond("bash", command="python gen.py && cat out.txt")
    assert "fresh" in answer.result.content


async def test_an_edit_that_the_model_takes_is_applied_by_code(bench):
    model = ScriptedModel(
        [{"kind": "file", "text": "x = 1\n", "total_lines": 1}, {"success": True, "problem": "none"}], context=4096
    )
    made = bench(FILES, settings=settings(("simulated",)), model=model)
    await made.respond("Read", file_path="/repo/a.py")
    answer = await made.respond("Edit", file_path="/repo/a.py", old_string="x = 1", new_string="x = 2")
    assert answer.rung == "simulated"
    assert made.world.read("/repo/a.py") == b"x = 2\n"


async def test_an_edit_that_the_files_do_not_take_is_no_success_whatever_the_model_says(bench):
    model = ScriptedModel(
        [{"kind": "file", "text": "x = 1\n", "total_lines": 1}, {"success": True, "problem": "none"}], context=4096
    )
    made = bench(FILES, settings=settings(("simulated",)), model=model)
    await made.respond("Read", file_path="/repo/a.py")
    answer = await made.respond("Edit", file_path="/repo/a.py", old_string="not there", new_string="x = 2")
    assert answer.result.is_error
    assert "overruled" in answer.evidence
    assert made.world.read("/repo/a.py") == b"x = 1\n"


async def test_respond_changes_no_world(bench):
    model = ScriptedModel([program_reply("", files=[("out.txt", "fresh\n")])], context=4096)
    made = bench(FILES, "mini-swe-agent", settings=settings(), model=model)
    before = made.world.digest(["/repo"])
    answer = await made.simulator.respond(_call("bash", command="python gen.py"), made.world, ())
    assert any(isinstance(mutation, PutFile) for mutation in answer.mutations)
    assert made.world.digest(["/repo"]) == before
    assert made.world.facts == ()


CANARY = "canary-7f3a"
LATER = (
    ("Bash", {"command": "pytest -q"}, "1 failed"),
    ("Write", {"file_path": "/repo/new.py", "content": "z = 1\n"}, "File created successfully at: /repo/new.py"),
    ("Bash", {"command": "pytest -q --later"}, f"{CANARY} 2 passed"),
    ("Bash", {"command": "pytest -q"}, f"{CANARY} 3 passed"),
)


async def test_nothing_of_a_later_state_of_the_reference_reaches_the_prompt(bench):
    model = ScriptedModel([program_reply("1 failed\n", 1)] * 3, context=4096)
    made = bench(FILES, reference=LATER, settings=settings(("simulated",)), model=model)
    await made.respond("Bash", command="pytest -q")
    assert "1 failed" in prompt(model)
    await made.respond("Bash", command="pytest -q --later")
    await made.respond("Bash", command="pytest -q -x")
    assert all(CANARY not in prompt(model, n) for n in range(3))


async def test_the_reference_is_no_evidence_without_its_affordance(bench):
    reference = (("Bash", {"command": "pytest -q"}, CANARY),)
    for affordances, expected in ((ALL, True), (ALL - {"rollout"}, False)):
        model = ScriptedModel([program_reply("ok\n")], context=4096)
        made = bench(FILES, reference=reference, settings=settings(("simulated",), affordances), model=model)
        await made.respond("Bash", command="pytest -q")
        assert (CANARY in prompt(model)) is expected


async def test_without_the_repo_only_what_the_trajectory_showed_is_known(bench):
    files = {"a.py": f"# {CANARY}\n"}
    for affordances, expected in ((ALL, True), (ALL - {"repo"}, False)):
        model = ScriptedModel([program_reply("ok\n")], context=4096)
        made = bench(files, settings=settings(("simulated",), affordances), model=model)
        await made.respond("Bash", command="python a.py")
        assert (CANARY in prompt(model)) is expected


async def test_seeds_differ_by_step_and_repeat_by_run(bench):
    seeds = []
    for _ in range(2):
        model = ScriptedModel([program_reply("ok\n")] * 2, context=4096)
        made = bench(FILES, settings=settings(("simulated",), seed=5), model=model)
        await made.respond("Bash", command="make")
        await made.respond("Bash", command="make")
        seeds.append([request.seed for request in model.requests])
    assert seeds[0] == seeds[1]
    assert seeds[0][0] != seeds[0][1]


async def test_prompts_begin_with_what_stays_the_same(bench):
    model = ScriptedModel([program_reply("ok\n")] * 3, context=4096)
    made = bench(FILES, settings=settings(("simulated",)), model=model)
    for command in ("make", "make test", "make lint"):
        await made.respond("Bash", command=command)
    systems = {request.messages[0]["content"] for request in model.requests}
    assert len(systems) == 1
    first, last = (model.requests[n].messages[1]["content"] for n in (1, 2))
    assert last.startswith(first.partition("\n\n# ")[0])


async def test_the_prompt_does_not_speak_of_how_the_answer_comes_about(bench):
    model = ScriptedModel([program_reply("ok\n")], context=4096)
    made = bench(FILES, settings=settings(("simulated",)), model=model)
    await made.respond("Bash", command="make")
    words = prompt(model).lower()
    assert not [word for word in ("simulat", "pretend", "fake", "imagin", "brief", "concise") if word in words]


async def test_the_human_is_answered_by_policy(bench):
    asked = {"questions": [{"question": "Which?", "options": [{"label": "One"}, {"label": "Two"}]}]}
    reference = (("AskUserQuestion", asked, "User has answered: Two"),)
    made = bench(FILES, reference=reference, settings=settings())
    answer = await made.respond("AskUserQuestion", **asked)
    assert (answer.rung, answer.result.content) == ("recorded", "User has answered: Two")
    made = bench(FILES, reference=reference, settings=settings(approval="always"))
    assert (await made.respond("AskUserQuestion", **asked)).result.content == "One"
    made = bench(FILES, reference=reference, settings=settings(approval="never"))
    assert (await made.respond("AskUserQuestion", **asked)).result.is_error
    model = ScriptedModel([{"text": "Neither", "is_error": False}], context=4096)
    made = bench(FILES, reference=reference, settings=settings(approval="model"), model=model)
    assert (await made.respond("AskUserQuestion", **asked)).result.content == "Neither"


def _call(name, **arguments):
    return ToolCall("c1", name, arguments)


@pytest.mark.parametrize(("version", "cancelled"), [("2.1.20", False), ("2.1.37", True), ("2.1.70", False)])
async def test_a_failed_call_cancels_the_later_ones_of_its_message_in_the_versions_that_do_so(
    bench, version, cancelled
):
    made = bench(FILES, settings=settings(("computed",)))
    profile = CLAUDE_CODE.fit(replace(made.simulator.session, agent_version=version), ())
    made.simulator.profile = made.world.profile = profile
    calls = [ToolCall(f"c{n}", "Read", {"file_path": path}) for n, path in enumerate(("/repo/no.py", "/repo/a.py"))]
    asked = Message("assistant", origin="agent", calls=tuple(calls))
    first = await made.simulator.respond(calls[0], made.world, (asked,))
    assert first.result.is_error
    history = (asked, Message("tool", origin="tool", result=first.result))
    second = await made.simulator.respond(calls[1], made.world, history)
    assert second.rung == "computed"
    assert ("Sibling tool call errored" in second.result.content, second.result.is_error is True) == (cancelled,) * 2
    later = ToolCall("c9", "Read", {"file_path": "/repo/a.py"})
    again = (*history, Message("assistant", origin="agent", calls=(later,)))
    assert not (await made.simulator.respond(later, made.world, again)).result.is_error
