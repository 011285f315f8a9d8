"""Settings: where they come from, which wins, and what is refused."""

from __future__ import annotations

import pytest

from harness.config import AFFORDANCES, RUNGS, resolve
from harness.errors import ConfigError


def test_without_any_source_the_defaults_stand():
    config = resolve({}, environment={})
    assert (config.candidate, config.simulator, config.rungs, config.affordances) == (
        "local", "local", RUNGS, AFFORDANCES,
    )  # fmt: skip
    assert not config.identity_run


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("seed: 1\nmax_steps: 11\nsimulator: file\n")
    environment = {"DEPLOYSIM_MAX_STEPS": "22", "DEPLOYSIM_SIMULATOR": "environment", "OTHER": "x"}
    config = resolve({"simulator": "flag", "temperature": None}, file, environment)
    assert (config.seed, config.max_steps, config.simulator) == (1, 22, "flag")


@pytest.mark.parametrize(
    ("given", "rungs"),
    [
        ("simulated,computed", ("computed", "simulated")),
        (" simulated , computed", ("computed", "simulated")),
        (["simulated", "simulated"], ("simulated",)),
        ("none", ()),
        ((), ()),
    ],
)
def test_lists_are_put_in_order_wherever_they_come_from(given, rungs):
    assert resolve({"rungs": given}, environment={}).rungs == rungs
    if isinstance(given, str):
        assert resolve({}, environment={"DEPLOYSIM_RUNGS": given}).rungs == rungs


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"rungs": "computed,guessed"}, "setting rungs: guessed: not one of recorded, computed, connector, simulated"),
        ({"affordances": "web"}, "setting affordances: web: not one of rollout, repo, calls, connectors"),
        ({"max_steps": 0}, "setting max_steps: Input should be greater than or equal to 1"),
        ({"api": "smoke"}, "setting api: Input should be 'chat' or 'responses'"),
        (
            {"shell": "fish"},
            "setting shell: Input should be 'auto', 'both', 'sandbox', 'bashkit', 'container' or 'none'",
        ),
        ({"shell": "container"}, "settings: an image belongs to shell container, and containers need one"),
        ({"image": "x"}, "settings: an image belongs to shell container, and containers need one"),
        ({"execute": "python"}, "settings: programs are executed in containers only \\(shell container\\)"),
        ({"colour": "red"}, "setting colour: Extra inputs are not permitted"),
        ({"forcing": "free"}, "settings: recorded actions need forcing free or teacher, and a candidate of its own .*"),
        ({"candidate": "recorded", "forcing": "none"}, "settings: recorded actions need forcing .*"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(flags, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        resolve(flags, environment={})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "is no YAML"),
        (b"- seed", "does not hold settings by name"),
        (b"", "does not hold settings by name"),
        (b"\xff\xfe\x00", "is no UTF-8 text"),
        (b"1: 2", "setting 1:"),
        (b"samples: 3", "setting samples: Extra inputs are not permitted"),
        (b"seed: one", "setting seed: Input should be a valid integer"),
    ],
)
def test_a_file_that_holds_no_settings_is_one_sentence(tmp_path, content, message):
    file = tmp_path / "run.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        resolve({}, file, {})


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file or directory"):
        resolve({}, tmp_path / "none.yaml", {})


@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_recorded_actions_are_not_answered_from_their_record_unless_asked(tmp_path, source):
    file = tmp_path / "run.yaml"
    file.write_text("candidate: recorded\n")
    config = {
        "flag": lambda: resolve({"candidate": "recorded"}, environment={}),
        "environment": lambda: resolve({}, environment={"DEPLOYSIM_CANDIDATE": "recorded"}),
        "file": lambda: resolve({}, file, {}),
    }[source]()
    assert (config.forcing, config.identity_run) == ("teacher", False)
    assert config.rungs == ("computed", "connector", "simulated")
    assert config.affordances == ("repo", "calls", "connectors")


@pytest.mark.parametrize("asked", [{"rungs": "recorded,computed"}, {"affordances": "rollout"}])
def test_recorded_actions_with_their_record_at_hand_are_an_identity_run(asked):
    assert resolve({"candidate": "recorded", **asked}, environment={}).identity_run
