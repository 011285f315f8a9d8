"""A pytest plugin: a test says that a simulator configuration is no worse than its baseline on a frozen set of calls.

    @pytest.mark.deploysim_gate(baseline="gate.yaml", sessions="sessions/", repos=["repo.git"], delta=0.05)
    def test_the_simulator_is_no_worse(deploysim_verdict): ...

The fixture imports the sessions, answers their recorded calls, compares, and fails the test after a regression. An
undecided outcome skips the test with the number that is needed, or fails it under `--deploysim-strict`. Nothing heavy
is loaded before a test asks for the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.gate.compare import Verdict

_MARK = "deploysim_gate"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--deploysim-strict` and `--deploysim-write`."""
    group = parser.getgroup("deploysim")
    group.addoption("--deploysim-strict", action="store_true", help="an undecided realism gate fails its test")
    group.addoption("--deploysim-write", action="store_true", help="write the baselines of realism gates anew")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(baseline, sessions, repos=(), delta=0.05, pool=None, **settings): the simulator answers the recorded"
        " calls of these sessions no worse than the baseline says, by more than delta",
    )


@pytest.fixture
def deploysim_gate(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Verdict]:
    """A function that runs a gate and gives its verdict; relative paths count from the test's file."""

    def run(**arguments: Any) -> Verdict:
        from harness.gate.suite import Suite, verdict_of

        suite = Suite.resolve(arguments, request.path.parent)
        return verdict_of(suite, tmp_path / "deploysim", write=bool(request.config.getoption("--deploysim-write")))

    return run


@pytest.fixture
def deploysim_verdict(request: pytest.FixtureRequest, deploysim_gate: Callable[..., Verdict]) -> Verdict:
    """The verdict that the test's marker asks for; a regression fails here, an undecided outcome skips."""
    marker = request.node.get_closest_marker(_MARK)
    if marker is None:
        raise pytest.UsageError(f"{request.node.name} uses deploysim_verdict without @pytest.mark.{_MARK}(...)")
    verdict = deploysim_gate(**marker.kwargs)
    if verdict.outcome == "regression":
        pytest.fail(verdict.reason, pytrace=False)
    if verdict.outcome == "undecided":
        needs = "" if verdict.needs is None else f"; about {verdict.needs} lineages would decide"
        if request.config.getoption("--deploysim-strict"):
            pytest.fail(verdict.reason + needs, pytrace=False)
        pytest.skip(verdict.reason + needs)
    return verdict
