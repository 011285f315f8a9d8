"""A situation served to the SDK's own client, in process: what it offers, how calls are answered, kept and ended."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import anyio
import pytest

pytest.importorskip("mcp")

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, Implementation

from harness.live.server import ALONE
from harness.live.serving import Options, seated
from harness.selection import Criteria
from toolsim.errors import EndpointError
from toolsim.scripted import ScriptedModel
from toolsim.shell.sandbox import available

ERAS = ("legacy", "auto")
ME = Implementation(name="an agent", version="1")


@asynccontextmanager
async def client_of(situation, *, era="legacy", name="an agent", said=None, **options):
    """A client at a server of its own; leaves as a client does, and the rollouts are ended."""
    async with seated(situation, Options(**options), ([] if said is None else said).append) as seats:
        async with Client(seats.server, mode=era, client_info=Implementation(name=name, version="1")) as client:
            yield client
        await seats.table.leave(ALONE, "the client closed the connection")


@pytest.mark.parametrize("era", ERAS)
async def test_tools_are_those_of_the_recording(situation, era):
    async with situation() as opened, client_of(opened, era=era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    recorded = {tool.name: tool for tool in opened.scene.tools}
    assert list(tools) == list(recorded)
    assert tools["Read"].input_schema["properties"] == recorded["Read"].parameters["properties"]
    assert tools["Read"].input_schema["type"] == "object"


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_is_computed_and_kept_before_it_is_answered(situation, told, root, era):
    async with situation() as opened:
        async with client_of(opened, era=era) as client:
            written = await client.call_tool("Write", {"file_path": f"{root}/new.txt", "content": "one\ntwo\n"})
            kept = told(opened.store, opened.run)
            assert [call.name for call in kept.calls()] == ["Write"]
            read = await client.call_tool("Read", {"file_path": f"{root}/new.txt"})
        after = told(opened.store, opened.run)
    assert not written.is_error
    assert "two" in read.content[0].text
    assert after.ends == [("completed", None)]
    assert after.reason() == "the client closed the connection"
    assert [step.rung for step in after.results()] == ["computed", "computed"]
    assert after.results()[1].shown.content == read.content[0].text
    assert after.rows[0][0].facts["client"] == {"name": "an agent", "version": "1"}


async def test_each_client_is_a_sample_with_a_world_of_its_own(situation, told, root):
    async with situation() as opened:
        for text in ("first", "second"):
            async with client_of(opened) as client:
                before = await client.call_tool("Read", {"file_path": f"{root}/a.new"})
                await client.call_tool("Write", {"file_path": f"{root}/a.new", "content": text})
                assert before.is_error
        kept = told(opened.store, opened.run)
    assert [row.sample for row, _ in kept.rows] == [0, 1]
    assert kept.ends == [("completed", None)] * 2


async def test_an_error_of_the_simulated_tool_is_a_result_and_the_rollout_goes_on(situation, told, root):
    async with situation() as opened:
        async with client_of(opened) as client:
            missing = await client.call_tool("Read", {"file_path": f"{root}/no-such-file.txt"})
            fine = await client.call_tool("Read", {"file_path": f"{root}/README.md"})
        assert missing.is_error
        assert not fine.is_error
        assert told(opened.store, opened.run).ends == [("completed", None)]


@pytest.mark.parametrize("era", ERAS)
async def test_a_failed_simulation_is_a_protocol_error_and_fails_the_rollout(situation, told, root, era):
    async with situation() as opened:
        async with client_of(opened, era=era) as client:
            await client.call_tool("Read", {"file_path": f"{root}/README.md"})
            with pytest.raises(MCPError) as failed:
                await client.call_tool("Bash", {"command": "pytest -q"})
            with pytest.raises(MCPError) as later:
                await client.call_tool("Read", {"file_path": f"{root}/README.md"})
        kept = told(opened.store, opened.run)
    assert failed.value.code == later.value.code == INTERNAL_ERROR
    assert failed.value.data["stage"] == "simulated"
    assert "no model" in failed.value.data["reason"]
    assert failed.value.data["rollout"] == kept.rows[0][0].id
    assert "simulat" not in failed.value.message
    assert kept.ends == [("failed", "simulated")]
    assert [step.rung for step in kept.results()] == ["computed"]


async def test_a_broken_endpoint_is_never_an_answer(situation, told):
    model = ScriptedModel([EndpointError("it answered 500")])
    async with situation(models=(None, model), simulator="x@http://127.0.0.1:1/v1") as opened:
        async with client_of(opened) as client:
            with pytest.raises(MCPError, match="not answered"):
                await client.call_tool("Bash", {"command": "pytest -q"})
        kept = told(opened.store, opened.run)
    assert [end and end[0] for end in kept.ends] == ["failed"]
    assert "it answered 500" in kept.reason()
    assert kept.results() == []


async def test_calls_at_once_are_answered_one_after_the_other(situation, told, root):
    place = f"{root}/count.txt"
    async with situation() as opened:
        async with client_of(opened) as client:
            await client.call_tool("Write", {"file_path": place, "content": "0"})
            edits = [
                client.call_tool("Edit", {"file_path": place, "old_string": str(n), "new_string": str(n + 1)})
                for n in range(20)
            ]
            done = await asyncio.gather(*edits)
            last = await client.call_tool("Read", {"file_path": place})
        kept = told(opened.store, opened.run)
    assert not any(result.is_error for result in done)
    assert "20" in last.content[0].text
    assert [type(step).__name__ for step in kept.steps[0]] == ["ModelStep", "ToolStep"] * 22 + ["ModelStep"]


async def test_a_client_that_gives_up_a_call_fails_the_rollout(situation, told):
    waiting = asyncio.Event()

    class Slow(ScriptedModel):
        async def complete(self, request):
            waiting.set()
            await asyncio.sleep(60)

    async with situation(models=(None, Slow([])), simulator="x@http://127.0.0.1:1/v1") as opened:
        async with client_of(opened) as client:
            with anyio.move_on_after(5) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.call_tool, "Bash", {"command": "pytest -q"})
                    await waiting.wait()
                    group.cancel_scope.cancel()
            assert not scope.cancelled_caught
            await asyncio.sleep(0.1)
        kept = told(opened.store, opened.run)
    assert kept.ends == [("failed", "client")]
    assert "during a call of Bash" in kept.reason()


async def test_a_server_that_is_stopped_during_a_call_says_so_and_fails_the_rollout(situation, told):
    waiting = asyncio.Event()

    class Slow(ScriptedModel):
        async def complete(self, request):
            waiting.set()
            await asyncio.sleep(60)

    async with situation(models=(None, Slow([])), simulator="x@http://127.0.0.1:1/v1") as opened:
        async with seated(opened, Options(), lambda _: None) as seats, Client(seats.server, client_info=ME) as client:
            calling = asyncio.create_task(client.call_tool("Bash", {"command": "pytest -q"}))
            await waiting.wait()
            await seats.table.close("the server was stopped")
            with pytest.raises(MCPError, match="failed and is over"):
                await calling
        kept = told(opened.store, opened.run)
    assert kept.ends == [("failed", "client")]
    assert kept.reason() == "the server was stopped during a call of Bash"


async def test_two_that_register_at_once_are_two_samples(situation):
    async with situation() as opened:
        first = opened.register({})
        taken = opened.store.rollouts
        opened.store.rollouts = lambda run: ()  # what another process sees that looked before
        second = opened.register({})
        opened.store.rollouts = taken
    assert [first.sample, second.sample] == [0, 1]


async def test_a_limit_of_steps_ends_the_rollout_and_later_calls_are_refused(situation, told, root):
    async with situation(max_steps=1) as opened:
        async with client_of(opened) as client:
            await client.call_tool("Read", {"file_path": f"{root}/README.md"})
            with pytest.raises(MCPError, match="the session is over"):
                await client.call_tool("Read", {"file_path": f"{root}/README.md"})
        kept = told(opened.store, opened.run)
    assert kept.ends == [("completed", None)]
    assert kept.reason() == "limit: steps"


async def test_a_rollout_without_calls_for_too_long_ends(situation, told):
    async with situation() as opened:
        async with client_of(opened, idle=0.05) as client:
            await client.list_tools()
            await asyncio.sleep(0.3)
        kept = told(opened.store, opened.run)
    assert kept.ends == [("completed", None)]
    assert kept.reason() == "no call came for 0.05 s"


async def test_who_only_connects_leaves_no_rollout(situation, told):
    async with situation() as opened:
        async with client_of(opened) as client:
            await client.list_prompts()
        assert told(opened.store, opened.run).rows == ()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ["claude-code", "codex-mcp-client", "Claude\u200bCode v2", "ｃｏｄｅｘ", ""])
async def test_products_with_tools_of_their_own_are_refused(situation, told, name, era):
    said = []
    async with situation() as opened:
        with pytest.raises((MCPError, BaseExceptionGroup)):
            async with client_of(opened, era=era, name=name, said=said) as client:
                await client.list_tools()
        assert told(opened.store, opened.run).rows == ()
    refused = [line for line in said if line.startswith("refused:")]
    assert refused
    assert ("--builtins-off" if name else "must give its name") in refused[0]


async def test_they_come_in_where_their_tools_are_said_to_be_off(situation, told, root):
    async with situation() as opened:
        async with client_of(opened, name="claude-code", builtins_off=True) as client:
            await client.call_tool("Read", {"file_path": f"{root}/README.md"})
        kept = told(opened.store, opened.run)
    assert kept.rows[0][0].facts["client"]["name"] == "claude-code"
    assert kept.rows[0][0].facts["builtins_off"] is True


async def test_a_hostile_name_is_kept_harmless_and_short(situation, told):
    said = []
    async with situation() as opened:
        async with client_of(opened, name="\x1b[2J<script>\u202e" + "x" * 100_000, said=said) as client:
            await client.list_tools()
        name = told(opened.store, opened.run).rows[0][0].facts["client"]["name"]
    assert len(name) <= 120
    assert name.isprintable() or "\ufffd" in name
    assert "\x1b" not in "".join(said) + name
    assert "\u202e" not in "".join(said) + name


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"file_path": None},
        {"file_path": ["a"], "limit": "x"},
        {"file_path": "\x00\ud800/../../../etc/passwd"},
        {"file_path": "a" * 100_000},
        {"nested": {"deep": [[[[[[[[]]]]]]]]}},
    ],
)
async def test_hostile_arguments_are_a_result_or_a_failure_never_a_crash(situation, told, root, arguments):
    async with situation() as opened:
        async with client_of(opened, era="auto") as client:
            (answer,) = await asyncio.gather(client.call_tool("Read", arguments), return_exceptions=True)
            assert answer.code == INTERNAL_ERROR if isinstance(answer, MCPError) else answer.content[0].text
            assert (await client.list_prompts()).prompts
        status, stage = told(opened.store, opened.run).ends[0]
    assert status in {"completed", "failed"}
    assert stage != "internal"


async def test_a_tool_that_is_not_offered_is_no_call(situation, told):
    async with situation() as opened:
        async with client_of(opened) as client:
            await client.list_tools()
            with pytest.raises(MCPError, match="Unknown tool") as unknown:
                await client.call_tool("rm\x1b[2J", {})
        kept = told(opened.store, opened.run)
    assert unknown.value.code == INVALID_PARAMS
    assert "\x1b" not in unknown.value.message
    assert kept.results() == []
    assert kept.ends == [("completed", None)]


async def test_the_prefix_is_offered_as_prompts_and_resources(situation, session):
    criteria = Criteria(ids=(session,), turn=-1)
    async with situation(criteria=criteria) as opened, client_of(opened) as client:
        task = (await client.get_prompt("task")).messages
        said = (await client.get_prompt("conversation")).messages
        uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
        chat = (await client.read_resource("session://conversation")).contents[0].text
        with pytest.raises(MCPError, match="Unknown resource"):
            await client.read_resource("file:///etc/passwd")
    assert task[0].content.text in said[-1].content.text
    assert {message.role for message in said} == {"user", "assistant"}
    assert "session://task" in uris
    assert '"tool_calls"' in chat
    after = [item.text for item in opened.scene.reference.items if getattr(item, "text", "")]
    assert after
    assert not any(text in chat for text in after)


async def test_prompts_and_resources_can_be_kept_back(situation):
    async with situation() as opened, client_of(opened, tools_only=True) as client:
        assert client.server_capabilities.prompts is None
        with pytest.raises(MCPError):
            await client.list_resources()


async def test_nothing_that_is_offered_speaks_of_a_simulation(situation):
    async with situation() as opened, client_of(opened) as client:
        sent = str([await client.list_prompts(), await client.list_resources(), client.server_info])
    assert "simul" not in sent.lower()


@pytest.mark.skipif(available() is not None, reason="the sandbox engine cannot run here")
async def test_command_lines_run_in_the_world(situation, told, root):
    line = "echo one > made.txt && cat made.txt README.md | head -2 && pwd && git log --oneline | wc -l"
    async with situation(shell="sandbox") as opened:
        async with client_of(opened) as client:
            done = await client.call_tool("Bash", {"command": line})
            failed = await client.call_tool("Bash", {"command": "cat no-such-file"})
        kept = told(opened.store, opened.run)
    assert done.content[0].text.splitlines()[:3] == ["one", "# tablewright", root]
    assert failed.is_error
    assert {step.rung for step in kept.results()} == {"computed"}
