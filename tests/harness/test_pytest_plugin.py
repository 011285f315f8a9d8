"""The plugin in a pytest of its own, on recorded sessions of the fixtures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.demo import find_fixtures, unpack_repository

pytest_plugins = ["pytester"]

TEST = """
import pytest

@pytest.mark.deploysim_gate(
    baseline="gate.yaml", sessions={sessions!r}, repos=[{repo!r}], delta={delta}, rungs={rungs!r}
)
def test_the_simulator_is_no_worse(deploysim_verdict):
    assert deploysim_verdict.outcome == "no worse"
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, tmp_path: Path):
    sessions, bundle = find_fixtures()
    repo = unpack_repository(bundle, tmp_path / "repository.git")
    files = [str(path) for path in sorted((sessions / "claude-code").glob("*.jsonl"))[:6]]

    def run(*flags: str, rungs: str = "computed", delta: float = 0.05) -> pytest.RunResult:
        text = TEST.format(sessions=files, repo=str(repo), rungs=rungs, delta=delta)
        pytester.makepyfile(test_gate=text)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist", *flags)

    return run


def test_a_baseline_is_written_once_and_then_held(suite, pytester):
    suite("--deploysim-write").assert_outcomes(passed=1)
    assert (pytester.path / "gate.yaml").read_text("utf-8").startswith("classes:")
    suite().assert_outcomes(passed=1)
    worse = suite(rungs="connector")
    worse.assert_outcomes(errors=1)
    worse.stdout.fnmatch_lines(["*regression: fidelity*"])


def test_a_missing_baseline_is_an_error_in_one_sentence(suite):
    done = suite()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*cannot read the baseline*"])


def test_the_plugin_loads_nothing_heavy():
    code = "import sys, harness.pytest_plugin; print(sorted({'numpy','openai','langgraph','scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
