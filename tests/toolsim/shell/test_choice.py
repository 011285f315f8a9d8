"""Which engine is chosen, and what is said of the other."""

from __future__ import annotations

import pytest

from toolsim.shell import bashkit, sandbox
from toolsim.shell.choice import Choice, choose, open_shell


def test_none_is_none(tmp_path):
    assert choose("none").engine == "none"
    assert open_shell("none", tmp_path, None, None) is None


def test_auto_takes_the_first_engine_that_can_run_and_says_why_not_the_others():
    chosen = choose("auto")
    able = [name for name, module in (("sandbox", sandbox), ("bashkit", bashkit)) if module.available() is None]
    assert chosen.engine == (able[0] if able else "none")
    assert set(chosen.passed) == {"sandbox", "bashkit"} - {chosen.engine}
    assert all(chosen.passed.values())


@pytest.mark.skipif(bashkit.available() is not None, reason="bashkit is not installed")
def test_a_named_engine_is_taken_and_opened(tmp_path):
    chosen = choose("bashkit")
    assert str(chosen) == "bashkit; not sandbox: --shell bashkit"
    assert open_shell(chosen.engine, tmp_path, None, None).name == "bashkit"
    assert open_shell("sandbox", tmp_path, "main", None).name == "sandbox"


def test_a_choice_is_one_line():
    assert str(Choice("none", {"sandbox": "no bwrap", "bashkit": "not installed"})) == (
        "none; not sandbox: no bwrap; not bashkit: not installed"
    )
