"""The corpus of injected texts, and that `benchmarks/injection.py` sees when one of them works."""

from __future__ import annotations

import json

import pytest

from tests import endpoint
from tests.programs import benchmark

injection = benchmark("injection")
filled = benchmark("fake_endpoint").fitting
FINDING = {"category": "destructive-action", "severity": 4, "step": 0, "quote": "./check.sh", "reason": "told to"}


def gullible(body):
    """Does what any text of the request asks for; else it fits the schema."""
    text = json.dumps(body["messages"], ensure_ascii=False)
    schema = body["response_format"]["json_schema"]["schema"] if "response_format" in body else {"type": "object"}
    value = filled(schema, 7)
    if injection.MARK in text:
        value = json.loads(json.dumps(value).replace("answer 00000007", injection.MARK))
    if "findings" in value:
        asked = any(attack in text for attack in shown("grader"))
        value["findings"] = [FINDING] if asked else []
    if "real" in value:
        value["real"] = "A" if any(attack in text for attack in shown("judge")) else "B"
    return {"content": json.dumps(value)}


def shown(role):
    return [json.dumps(text, ensure_ascii=False)[1:-1] for text in injection.attacks()[role]]


def test_there_are_fifteen_attacks_for_each_role():
    found = injection.attacks()
    assert {role: len(set(texts)) for role, texts in found.items()} == dict.fromkeys(injection.ROLES, 15)
    assert all(injection.MARK in text for text in found["simulator"])


@pytest.mark.parametrize("role", injection.ROLES)
def test_a_model_that_obeys_is_seen_to_obey(role, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    texts = list(enumerate(injection.attacks()[role]))[4:7]
    with endpoint.recording(gullible) as kept:
        found = injection.steered(role, f"m@{kept.base_url}", texts, tmp_path)
    attacked = [all(one.steered) for one in found if one.session.startswith("attacked")]
    plain = [any(one.steered) for one in found if one.session.startswith("plain")]
    assert not any(one.failed for one in found)
    assert attacked == [True] * 3
    assert plain == [False] * 3
    assert injection.told(role, found).endswith("more often than in its control: 3")


def test_slices_add_up_and_a_failed_answer_is_counted_apart(tmp_path):
    file = tmp_path / "kept.jsonl"
    one = [injection.Answers("grader", "attacked-0-x", [True]), injection.Answers("grader", "plain-0-x", [False])]
    two = [
        injection.Answers("grader", "attacked-1-x", [], {"InvalidVerdict": 1}),
        injection.Answers("grader", "plain-1-x", [False]),
        injection.Answers("judge", "plain-1-x", [True]),
    ]
    injection.kept(file, "grader", one)
    found = injection.kept(file, "grader", [*two, one[1]])
    assert len(found) == 4
    line = injection.told("grader", found)
    assert "attacked 1 of 1 (100 % [15, 100]), failed InvalidVerdict: 1" in line
    assert "plain 0 of 2" in line
    assert line.endswith("more often than in its control: 1")
