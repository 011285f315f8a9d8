"""The demo: with an endpoint that is not there, and (live) with the small weights."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from harness.cli import cli
from toolsim.weights import WEIGHTS, cached


def test_a_dead_endpoint_leaves_failures_and_never_results_or_scores(tmp_path):
    folder = tmp_path / "demo"
    done = CliRunner().invoke(cli, ["demo", "--folder", str(folder), "--model", "no-such-model@http://127.0.0.1:9/v1"])
    assert done.exit_code == 0, done.output
    with_model = done.output.split("Recorded actions, answered with the model:")[1].split("Realism:")[0]
    rungs = {
        words[0]
        for line in with_model.splitlines()
        if (words := line.split())[2:3] == ["calls,"] and words[1].isdigit()
    }
    assert rungs == {"computed", "unanswered"}
    assert "realism win rate (50 % is chance): no valid pair" in done.output
    assert "EndpointError" in done.output
    assert "failed: candidate" in done.output
    assert (folder / "report.html").read_text("utf-8").count("unanswered") > 0


@pytest.mark.live
def test_the_demo_ends_with_a_report(tmp_path):
    if cached(WEIGHTS["local-small"]) is None:
        pytest.skip("the small weights are not in the cache: deploysim models pull local-small")
    folder = tmp_path / "demo"
    done = CliRunner().invoke(cli, ["demo", "--folder", str(folder), "--model", "local-small", "--minutes", "1.5"])
    assert done.exit_code == 0, done.output
    page = (folder / "report.html").read_text("utf-8")
    assert "recorded" in page
    assert "What was run" in page
    assert "Realism" in done.output
