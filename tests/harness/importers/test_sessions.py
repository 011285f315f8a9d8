"""Import of a folder of real sessions (named by `DEPLOYSIM_SESSIONS`), held against its own list of contents."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from harness.importers import Skipped, read_paths
from toolsim.trajectory import call_pairs, dump_trajectory, load_trajectory, split, steps, turns

pytestmark = pytest.mark.sessions

# The list counts no calls for fixtures, message lists with text actions and ATIF files.
UNCOUNTED = ("scrubbed multi-agent fixtures", "mini-swe-agent", "tiny fixture", "ATIF", "OpenAI chat", "inspect")


@pytest.fixture(scope="module")
def folder():
    if "DEPLOYSIM_SESSIONS" not in os.environ:
        pytest.skip("DEPLOYSIM_SESSIONS names no folder of recorded sessions")
    return Path(os.environ["DEPLOYSIM_SESSIONS"])


@pytest.fixture(scope="module")
def found(folder):
    by_file = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "MANIFEST.tsv"):
        by_file[path.relative_to(folder).as_posix()] = list(read_paths([path]))
    return by_file


def test_every_file_yields_a_session_or_a_reason(found):
    assert all(found.values())
    unread = {
        file: content[0].reason
        for file, content in found.items()
        if all(isinstance(x, Skipped) for x in content) and "fixtures" not in file
    }
    assert set(unread.values()) <= {"no message in it"}


def test_calls_recorded_with_a_result_are_paired(found):
    orphans, pairs = 0, Counter()
    for content in found.values():
        for x in content:
            if isinstance(x, Skipped):
                orphans += "answers no open call" in x.reason
            else:
                pairs.update(pair.result is not None for pair in call_pairs(x.items))
    assert orphans / pairs[True] < 0.01
    assert pairs[True] / (pairs[True] + pairs[False]) > 0.99


def test_calls_are_as_many_as_the_list_says(folder, found):
    expected, counted = {}, {}
    with (folder / "MANIFEST.tsv").open(newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if not row["format"].startswith(UNCOUNTED) and not any(mark in row["format"] for mark in UNCOUNTED):
                expected[row["local_file"]] = int(row["tool_calls"] or 0)
    for file in expected:
        sessions = [x for x in found[file] if not isinstance(x, Skipped) and x.session.parent is None]
        counted[file] = sum(1 for x in sessions for _ in call_pairs(x.items))
    assert counted == expected


def test_every_session_can_be_stored_and_cut(found):
    for content in found.values():
        for x in content:
            if isinstance(x, Skipped):
                continue
            assert load_trajectory(dump_trajectory(x)) == x
            for turn in turns(x):
                for step in range(len(steps(x, turn))):
                    prefix, reference = split(x, turn, step)
                    assert prefix.items + reference.items == x.items[: turn.end]
