"""`deploysim mcp` and `deploysim proxy` where they cannot serve: one sentence, exit status 1, no traceback."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.demo import find_fixtures
from harness.errors import HarnessError
from harness.importing import import_paths
from harness.store import Store
from toolsim.calldb import CallDatabase
from toolsim.errors import ConnectorError


@pytest.fixture
def folder(tmp_path):
    sessions, _ = find_fixtures()
    with Store(tmp_path / "deploysim.db") as store, CallDatabase(tmp_path / "calls.db") as calls:
        import_paths(store, calls, [sessions / "mini-swe-agent" / "median-run1.traj.json"])
    return tmp_path


def asked(folder, *words):
    return CliRunner().invoke(cli, [*words, "--store", str(folder / "deploysim.db")])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("mcp", "nope", "--simulator", "none"), "no session"),
        (("mcp", "mini", "--simulator", "none", "--turn", "9"), "there is no turn 9"),
        (("mcp", "mini", "--candidate", "recorded"), "a product from outside"),
        (("proxy", "mini", "--candidate", "none"), "a product from outside"),
        (("proxy", "nope", "--candidate", "m@http://127.0.0.1:1/v1", "--simulator", "none"), "no session"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(folder, words, why):
    pytest.importorskip("mcp")
    done = asked(folder, *words)
    assert isinstance(done.exception, HarnessError)
    assert why in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_server_that_is_none_is_said_before_anything_is_served(folder):
    pytest.importorskip("mcp")
    done = asked(folder, "mcp", "mini", "--simulator", "none", "--shell", "none", "--mcp", "tracker")
    assert isinstance(done.exception, ConnectorError)


@pytest.mark.parametrize(
    ("command", "missing"), [(("mcp", "mini"), "mcp"), (("proxy", "mini", "--candidate", "m@http://x/v1"), "starlette")]
)
def test_a_missing_package_names_the_extra(folder, monkeypatch, command, missing):
    for name in [n for n in sys.modules if n.split(".")[0] == missing or n.startswith("harness.live")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    done = asked(folder, *command, "--simulator", "none")
    assert f"needs {missing}: `pip install 'deploysim[mcp]'`" in str(done.exception)


@pytest.mark.parametrize("what", ["task", "system", "conversation", "tools"])
def test_the_situation_is_shown_without_the_extra(folder, what):
    done = asked(folder, "mcp", "mini", "--step", "0", "--show", what)
    assert done.exit_code == 0, done.exception
    assert done.output.strip()
