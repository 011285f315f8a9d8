"""What engines with several processes share, without any of them: the account, a worker's share, which stores go."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.config import RunConfig, resolve
from harness.engines.account import Account, Limits, SharedBudget
from harness.engines.share import Share, check, program, take_part, variables
from harness.errors import ConfigError
from harness.experiment import database_hash, plan
from harness.selection import Criteria
from harness.store import Store
from tests.programs import benchmark
from toolsim.errors import BudgetExceeded
from toolsim.modeltypes import Budget, Usage

faults = benchmark("faults")


def budgets(account, limits):
    return [SharedBudget(limits, account.admit, account.charge) for _ in range(2)]


@pytest.mark.parametrize(
    ("limits", "admitted", "said"),
    [
        (Limits(calls=3), 3, "3 model calls"),
        (Limits(tokens=25), 3, "25 tokens"),
        (Limits(cost=0.35), 4, "0.35 USD"),
        (Limits(), 10, None),
    ],
)
def test_a_limit_holds_over_both_workers(limits, admitted, said):
    account = Account(limits)
    both = budgets(account, limits)
    taken, refused = 0, ""
    for n in range(10):
        try:
            both[n % 2].admit("m", priced=True)
        except BudgetExceeded as error:
            refused = str(error)
            break
        taken += 1
        both[n % 2].charge(Usage(prompt_tokens=8, completion_tokens=1), 0.1)
    assert taken == admitted
    assert refused.startswith(f"the budget of {said} is used up") if said else not refused
    news = account.news()
    assert (news.calls, news.usage.total) == (admitted, 9 * admitted)
    assert news.cost == pytest.approx(0.1 * admitted)


def test_an_event_is_told_once():
    account = Account(Limits())
    account.note(1, "r", "ended", {"status": "completed"})
    assert account.news().events == ((1, "r", "ended", {"status": "completed"}),)
    assert account.news().events == ()


@pytest.fixture
def share(tmp_path):
    """The share of a run of two recorded sessions whose calls are all unanswered."""
    (tmp_path / "sessions").mkdir()
    for number in range(2):
        (tmp_path / "sessions" / f"{number}.json").write_text(json.dumps(faults.session(number)))
    place, calls = tmp_path / "deploysim.db", tmp_path / "calls.db"
    faults.said("import", "--store", place, "--calls", calls, tmp_path / "sessions")
    flags = {"candidate": "recorded", "simulator": "none", "rungs": "computed", "shell": "none"}
    config = resolve(flags, environment={})
    with Store(place) as store:
        rows = plan(store, config, Criteria(), {}).rows
    names = tuple(row.id for row in rows)
    pairs = database_hash(calls)
    return Share(place, calls, pairs, tmp_path, program(), rows[0].run, names, config, 2, {"OPENAI_API_KEY": "k-1"})


async def test_a_share_is_played_in_its_folder_and_leaves_no_variable(share, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    before, seen = Path.cwd(), []

    def notice(row, event, facts):
        seen.append((event, Path.cwd(), os.environ["OPENAI_API_KEY"]))

    outcome = await take_part(share, Budget(), notice)
    completed = [row.id for row, end in outcome.ends if end.status == "completed"]
    assert sorted(completed) == sorted(share.rollouts)
    assert {("started", share.folder, "k-1"), ("ended", share.folder, "k-1")} <= set(seen)
    assert Path.cwd() == before
    assert "OPENAI_API_KEY" not in os.environ


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"program": "another"}, "another version of deploysim"),
        ({"pairs": "0" * 64}, "is not the pair database that the command has"),
        ({"folder": Path("/nowhere/at/all")}, "there is no folder /nowhere/at/all"),
    ],
)
async def test_a_machine_that_lacks_something_plays_nothing(share, other, message):
    with pytest.raises(ConfigError, match=message):
        await take_part(replace(share, **other), Budget(), lambda *_: None)
    with Store(share.store) as store:
        assert [end for _, end in store.rollouts(share.run)] == [None, None]


def test_a_share_does_not_show_its_keys(share):
    told = repr(replace(share, store="postgresql://me:pw-1@host/db"))
    assert "k-1" not in told
    assert "pw-1" not in told


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["DEPLOYSIM_PACKAGE_INDEX"]),
        ({"candidate": "gpt-5", "affordances": ()}, ["OPENAI_API_KEY"]),
        ({"simulator": "m@http://127.0.0.1/v1", "affordances": ()}, ["OPENAI_API_KEY"]),
        ({"simulator": "none", "affordances": ()}, []),
        (
            {"mcp_servers": ("my-docs=https://docs.example/mcp",)},
            ["DEPLOYSIM_PACKAGE_INDEX", "DEPLOYSIM_MCP_TOKEN_MY_DOCS"],
        ),
    ],
)
def test_only_variables_that_the_settings_need_are_sent(settings, names):
    assert list(variables(RunConfig(**settings))) == names


@pytest.mark.parametrize("address", ["10.0.0.7:6379", "auto", "head.example:6379"])
def test_a_file_is_not_shared_with_other_machines(address, tmp_path):
    with pytest.raises(ConfigError, match="is a file, which workers on other machines cannot share"):
        check(address, tmp_path / "deploysim.db")
    check(address, "postgresql://me@host/db")


@pytest.mark.parametrize("address", [None, "127.0.0.1:6379", "localhost:6379", "[::1]:6379"])
def test_a_file_is_shared_on_this_machine(address, tmp_path):
    check(address, tmp_path / "deploysim.db")


def test_an_address_of_rays_client_is_refused():
    with pytest.raises(ConfigError, match="a cluster that this machine is a part of, not ray://"):
        check("ray://head:10001", "postgresql://me@host/db")


def test_options_of_ray_need_the_engine(tmp_path):
    done = CliRunner().invoke(cli, ["resample", "--store", str(tmp_path / "a.db"), "--workers", "2"])
    assert done.exit_code == 2
    assert "are for --engine ray" in done.output
