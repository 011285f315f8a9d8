"""The session's clock: what a command writes where only `timeout` and `date` should write does no harm."""

from __future__ import annotations

import pytest

from toolsim.actions import Unknown
from toolsim.shell.base import ProgramResult
from toolsim.shell.clock import Clock, answer, deadline, seconds

NOW = 1700000000.0


def said(*argv, zone=None):
    return answer(argv, Clock(NOW, True), zone, "gnu")


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "-1", "1e5", "9" * 400, "1.5 ", ""])
def test_a_forged_deadline_is_none(text):
    assert deadline({"__DEADLINE": text}) is None
    assert said(":deadline", "1", text) == ProgramResult(f"{NOW + 1!r}\n", "", 0)


def test_a_deadline_of_timeout_is_read():
    assert deadline({"__DEADLINE": "1700000003.5"}) == 1700000003.5
    assert said(":deadline", "5", "1700000003.5") == ProgramResult("1700000003.5\n", "", 0)


def test_a_deadline_without_words_is_none():
    assert said(":deadline") == ProgramResult("", "", 0)


@pytest.mark.parametrize("text", ["9" * 30, "9" * 400, "99999d", "1000000001"])
def test_nobody_sleeps_for_years(text):
    assert seconds(text) is None
    assert said("sleep", text) is None


@pytest.mark.parametrize("form", ["+%99999999d", "+%-_0200000000d", "+%:000z", "+%Y%100d"])
def test_a_date_as_wide_as_it_is_told_is_asked(form):
    assert said("date", form) is None


def test_a_usual_date_is_computed():
    assert said("date", "-u", "+%Y-%m-%d %10d|%3N") == ProgramResult("2023-11-14 0000000014|000\n", "", 0)


@pytest.mark.parametrize("zone", ["/etc/passwd", ":/etc/passwd", "../../etc/passwd", "a\nb"])
def test_no_file_of_this_machine_is_taken_for_a_time_zone(zone):
    assert isinstance(said("date", zone=zone), Unknown)


@pytest.mark.parametrize("zone", ["Europe/Rome", "UTC", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3"])
def test_a_named_time_zone_is_taken(zone):
    assert isinstance(said("date", zone=zone), ProgramResult)
