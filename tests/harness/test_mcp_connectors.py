"""MCP servers in the settings of a run: opened for it, closed with it; part of its name only where there are any."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

pytest.importorskip("mcp")

from harness.config import RunConfig, resolve
from harness.experiment import open_connectors, run_name
from harness.selection import Criteria
from toolsim.connectors import Query
from toolsim.connectors.mcp_tools import McpTools
from toolsim.errors import ConnectorError

SERVER = f"notes={sys.executable} {Path(__file__).parents[1] / 'toolsim' / 'connectors' / 'notes_server.py'}"
GET = Query(tool="mcp__notes__get", arguments={"id": 1})


async def opened(stack, **settings):
    found = await open_connectors(stack, RunConfig(**settings))
    return [connector for connector in found if isinstance(connector, McpTools)]


async def test_a_named_server_is_a_connector_of_the_run():
    async with AsyncExitStack() as stack:
        (connector,) = await opened(stack, mcp_servers=(SERVER,), connector_now=True)
        assert connector.applies(GET)
        assert (await connector.answer(GET, None, 0.0)).stdout == "note 1: no secret"


async def test_without_the_affordance_no_server_is_started():
    async with AsyncExitStack() as stack:
        assert await open_connectors(stack, RunConfig(mcp_servers=(SERVER,), affordances=("repo",))) == ()


async def test_consent_is_off_unless_given():
    async with AsyncExitStack() as stack:
        (connector,) = await opened(stack, mcp_servers=(SERVER,))
        with pytest.raises(ConnectorError, match="--connector-now"):
            await connector.answer(GET, None, 0.0)


async def test_what_is_no_server_stops_the_run_before_it_begins():
    async with AsyncExitStack() as stack:
        with pytest.raises(ConnectorError, match="write NAME=COMMAND"):
            await opened(stack, mcp_servers=("notes",))


def test_servers_change_the_name_of_a_run_and_their_absence_does_not():
    names = [
        run_name(RunConfig(**more), Criteria(), None)
        for more in ({}, {"mcp_servers": (), "connector_now": False}, {"mcp_servers": (SERVER,)})
    ]
    assert names[0] == names[1] != names[2]


def test_the_environment_names_one_server_a_line():
    config = resolve(
        {}, environment={"DEPLOYSIM_MCP_SERVERS": "a=x y\n\nb=https://h/mcp\n", "DEPLOYSIM_CONNECTOR_NOW": "1"}
    )
    assert config.mcp_servers == ("a=x y", "b=https://h/mcp")
    assert config.connector_now
