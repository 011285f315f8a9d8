"""Recorded sessions of many products: formats are recognised, calls are paired, every session survives ATIF."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import atif
import pytest

from harness.importers import detect, read_paths
from harness.importers.atif import from_atif, to_atif
from harness.importers.base import Skipped
from toolsim.trajectory import Message, Trajectory, call_pairs

FORMATS = ("atif", "chat", "copilot", "gemini", "generic", "inspect", "pi")
UNANSWERED = "a tool result that answers no open call"

pytestmark = pytest.mark.sessions


@pytest.fixture(scope="module")
def folder() -> Path:
    named = os.environ.get("DEPLOYSIM_SESSIONS")
    if not named:
        pytest.skip("DEPLOYSIM_SESSIONS names no folder of recorded sessions")
    return Path(named)


def test_results_of_every_format_are_paired_with_their_calls(folder: Path) -> None:
    recorded: Counter[str] = Counter()
    paired: Counter[str] = Counter()
    for path in sorted(folder.rglob("*")):
        importer = detect(path) if path.is_file() else None
        if importer is None or importer.name not in FORMATS or "schema_drift" in path.name:
            continue
        for item in importer.read(path):
            if isinstance(item, Trajectory):
                results = sum(isinstance(i, Message) and i.result is not None for i in item.items)
                recorded[importer.name] += results
                paired[importer.name] += sum(pair.result is not None for pair in call_pairs(item.items))
            elif item.reason.startswith(UNANSWERED):
                recorded[importer.name] += 1
    assert set(recorded) == set(FORMATS)
    assert sum(paired.values()) >= 0.99 * sum(recorded.values())


def test_every_session_comes_back_from_its_valid_atif_export(folder: Path) -> None:
    count = 0
    for item in read_paths([folder]):
        if isinstance(item, Skipped):
            continue
        document = to_atif(item)
        atif.Trajectory.model_validate(document)
        assert from_atif(json.loads(json.dumps(document)), folder) == [item], item.session.id
        count += 1
    assert count > 300
