"""Which engine is chosen, and what is said of the other."""

from __future__ import annotations

import pytest

from toolsim.actions import ShellOutput, Unknown
from toolsim.shell import bashkit, sandbox
from toolsim.shell.base import ProgramRun, ShellCommand, ShellRun
from toolsim.shell.both import BothShell
from toolsim.shell.choice import Choice, choose, open_shell


def test_none_is_none(tmp_path):
    assert choose("none").engine == "none"
    assert open_shell(Choice("none"), tmp_path, None, None) is None


def test_auto_takes_what_can_run_and_says_why_not_the_others():
    chosen = choose("auto")
    able = [name for name, module in (("sandbox", sandbox), ("bashkit", bashkit)) if module.available() is None]
    assert chosen.engine == ("both" if len(able) == 2 else able[0] if able else "none")
    assert set(chosen.passed) == {"sandbox", "bashkit"} - set(able)
    assert all(chosen.passed.values())


class Fake:
    """An engine that notes what it was asked; it may refuse, or ask for a program."""

    name = "fake"

    def __init__(self, *, refuses: bool = False, asks: bool = False) -> None:
        self.lines: list[str] = []
        self.refuses, self.asks = refuses, asks

    async def run(self, command, world, programs):
        self.lines.append(command.command)
        if self.asks:
            await programs(ProgramRun(("x",), "/", None, {}, command.command, 0), world)
        return Unknown("no") if self.refuses else ShellRun(ShellOutput("", "", "", 0), ())

    async def close(self):
        pass


async def _nobody(run, view):
    raise AssertionError(run)


@pytest.mark.parametrize(
    "line", ["cat a.py", "sed -n '1,3p' a.py | head -2", "cd src && wc -l app.py", "tail -5 < a.py"]
)
async def test_a_plain_look_at_files_is_answered_by_the_quick_engine(line):
    quick, whole = Fake(), Fake()
    assert isinstance(await BothShell(quick, whole).run(ShellCommand(line, "/"), None, _nobody), ShellRun)
    assert (quick.lines, whole.lines) == ([line], [])


@pytest.mark.parametrize(
    "line", ["git status", "cat a > b", "x=1; cat $x", "grep -rn x .", "pytest", "cat $(ls)", "cat <<E\nx\nE"]
)
async def test_any_other_line_goes_to_the_whole_engine_alone(line):
    quick, whole = Fake(), Fake()
    await BothShell(quick, whole).run(ShellCommand(line, "/"), None, _nobody)
    assert (quick.lines, whole.lines) == ([], [line])


@pytest.mark.parametrize("quick", [Fake(refuses=True), Fake(asks=True)])
async def test_what_the_quick_engine_refuses_or_would_ask_for_goes_to_the_other(quick):
    whole = Fake()
    assert isinstance(await BothShell(quick, whole).run(ShellCommand("cat a", "/"), None, _nobody), ShellRun)
    assert whole.lines == ["cat a"]


@pytest.mark.skipif(bashkit.available() is not None, reason="bashkit is not installed")
def test_a_named_engine_is_taken_and_opened(tmp_path):
    chosen = choose("bashkit")
    assert str(chosen) == "bashkit; not sandbox: --shell bashkit"
    assert open_shell(chosen, tmp_path, None, None).name == "bashkit"
    assert open_shell(Choice("sandbox"), tmp_path, "main", None).name == "sandbox"


def test_a_choice_is_one_line():
    assert str(Choice("none", {"sandbox": "no bwrap", "bashkit": "not installed"})) == (
        "none; not sandbox: no bwrap; not bashkit: not installed"
    )
