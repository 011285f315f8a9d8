"""Broken session files the way of a session. `benchmarks/fuzz.py` does the same for as long as it is given."""

from __future__ import annotations

import json
import random

import pytest

from tests.programs import benchmark

fuzz = benchmark("fuzz")
FILES = fuzz.sources([fuzz.Path(__file__).parents[2] / "fixtures" / "sessions"])


@pytest.mark.parametrize("seed", range(2))
def test_broken_files_are_skipped_or_read(seed):
    faults = fuzz.run(FILES, seconds=60.0, most=500, seed=seed, hang=20.0)
    assert dict(faults.found) == {}
    assert faults.outcomes["session"] > 100
    assert faults.outcomes["skipped"] > 100


def test_a_fault_would_be_told_with_its_place():
    faults = fuzz.Faults()
    try:
        json.loads("{")
    except ValueError as error:
        faults.add(error, b"{")
    ((name, count),) = faults.found.items()
    assert name.startswith("JSONDecodeError at ")
    assert count == 1
    assert faults.first[name] == b"{"


def test_files_are_broken_in_many_ways():
    rng = random.Random(0)
    data = FILES[0].read_bytes()
    assert len({fuzz.broken(data, rng) for _ in range(40)}) > 35
