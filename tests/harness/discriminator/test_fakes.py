"""Each kind of planted fault changes what it says and nothing else, and passes over what it does not apply to."""

from __future__ import annotations

import random

import pytest

from harness.discriminator.fakes import FAKES, SUBTLETY

BY_NAME = {fake.name: fake.fault for fake in FAKES}


def faulty(name: str, text: str) -> str | None:
    return BY_NAME[name](text, random.Random(1))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("canned refusal", "a\n", "I'm sorry, but I cannot execute this command in the current environment."),
        ("labelled streams", "a", "stdout:\na\nstderr:\n(empty)"),
        ("silent command talks", "", "Command executed successfully."),
        ("silent command talks", "a\n", None),
        ("host path", "see /home/dev/work/a.py:3", "see /tmp/sandbox-7f3a/rootfs/work/a.py:3"),
        ("host path", "see src/a.py", None),
        ("round durations", "12 passed in 0.37s", "12 passed in 0.00s"),
        ("round durations", "12 passed in 3.00s", None),
        ("later date", "Date: 2026-01-20 10:00", "Date: 2031-01-20 10:00"),
        ("too clean", "ok\nDeprecationWarning: old\nWARN x\ndone", "ok\ndone"),
        ("too clean", "ok\ndone", None),
        ("missing final newline", "a\n", "a"),
        ("missing final newline", "a", "a\n"),
        ("impossible hash", "only words", None),
    ],
)
def test_a_fault_is_what_it_says(name, text, expected):
    assert faulty(name, text) == expected


def test_every_kind_has_a_grade_and_each_grade_has_kinds():
    assert set(SUBTLETY.values()) == {1, 2, 3}
    assert len(SUBTLETY) == len(FAKES) == 16
