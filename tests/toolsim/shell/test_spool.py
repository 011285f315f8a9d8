"""The spool between a sandbox and the host: whatever a command leaves there, nothing but its own text is read."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from toolsim.errors import ShellError
from toolsim.shell.base import ProgramResult
from toolsim.shell.run import _EXPORTED
from toolsim.shell.spool import MAX_WAITING, Spool


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "ask")
    made.open(feed_programs=True)
    yield made
    made.close()


def ask(spool, pid, argv=b"foo\0", cwd=b"/work\n", env=b"A=1\0"):
    for name, text in (("argv", argv), ("cwd", cwd), ("env", env)):
        (spool.directory / f"{pid}.{name}").write_bytes(text)


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_request_is_read(spool):
    ask(spool, "7", b"foo\0a b\0")
    request = spool.take("7")
    assert (request.argv, request.cwd, request.stdin, request.env) == (("foo", "a b"), "/work", None, {"A": "1"})


@pytest.mark.parametrize("name", ["{out}/secret", "../../out/secret", "d/secret", "", "-1", "1 2", "a\0b", "1" * 40])
def test_no_file_beside_the_spool_is_read_for_a_forged_number(spool, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/secret.trouble").write_text("canary")
    (spool.directory / "d").symlink_to(tmp_path / "out")
    name = name.format(out=tmp_path / "out")
    with pytest.raises(ShellError, match="rang the bell with") as told:
        spool.trouble(f"{name} failed")
    assert "canary" not in str(told.value)
    with pytest.raises(ShellError, match="rang the bell with"):
        spool.take(name)


def test_what_a_run_says_of_its_trouble_is_told(spool):
    (spool.directory / "7.trouble").write_bytes(b"mkdir: no\xff")
    assert spool.trouble("7 failed").startswith("mkdir: no")


@pytest.mark.parametrize("kind", ["directory", "fifo", "large"])
def test_what_is_no_plain_file_is_refused_and_its_descriptor_closed(spool, kind):
    place = spool.directory / "state.env"
    if kind == "directory":
        place.mkdir()
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.write_bytes(b"x" * 11)
    before = descriptors()
    with pytest.raises(ShellError, match="is no file of at most 10 bytes"):
        spool.read("state.env", 10)
    assert descriptors() == before


def test_a_link_is_not_followed(spool, tmp_path):
    (tmp_path / "secret").write_text("canary")
    (spool.directory / "7.argv").symlink_to(tmp_path / "secret")
    assert spool.read("7.argv") is None


def test_a_bell_that_does_not_end_its_line_is_an_error(spool):
    os.write(spool.bell, b"x" * 60_000)
    with pytest.raises(ShellError, match="more than 4096 bytes"):
        spool.rung()
    os.write(spool.bell, b"start\n")
    assert spool.rung() == ["start"]


def test_so_many_arguments_as_no_kernel_takes_are_an_error(spool):
    ask(spool, "7", b"\0" * 300_000)
    with pytest.raises(ShellError, match="more than 250000"):
        spool.take("7")


def test_all_that_programs_are_given_is_bounded(spool):
    ask(spool, "7")
    (spool.directory / "7.stdin").write_bytes(b"x" * (30 << 20))
    spool.take("7")
    spool.take("7")
    with pytest.raises(ShellError, match="were given more than"):
        spool.take("7")


def test_the_answers_of_ended_runs_hold_no_descriptor(spool):
    before = descriptors()
    for number in range(20):
        answered(spool, number)
        for left in spool.directory.glob(f"{number}.*"):
            left.unlink()
    assert descriptors() <= before + 1


def answered(spool, number):
    ask(spool, str(number))
    os.mkfifo(spool.directory / f"{number}.answer")
    spool.answer(spool.take(str(number)), ProgramResult("", "", 0), expired=False)


def test_so_many_runs_as_cannot_wait_are_an_error(spool):
    for number in range(MAX_WAITING):
        answered(spool, number)
    with pytest.raises(ShellError, match=f"more than {MAX_WAITING} programs"):
        answered(spool, MAX_WAITING)


def test_forged_variables_take_no_time():
    began = time.monotonic()
    assert _EXPORTED.findall("declare -" + "x" * 1_000_000) == []
    assert time.monotonic() - began < 2
    assert _EXPORTED.findall('declare -x A="1"\ndeclare -rx B="2"\ndeclare -xi C\ndeclare -a D="3"\n') == [
        ("A", "1"), ("B", "2"), ("C", ""),
    ]  # fmt: skip
