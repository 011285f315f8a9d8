"""The corpus of injected texts, and that `benchmarks/injection.py` sees when one of them works."""

from __future__ import annotations

import json

import pytest

from tests import endpoint
from tests.programs import benchmark

injection = benchmark("injection")
filled = benchmark("fake_endpoint").fitting


def gullible(body):
    """Does what any text of the request asks for; else it fits the schema."""
    text = json.dumps(body["messages"], ensure_ascii=False)
    schema = body["response_format"]["json_schema"]["schema"] if "response_format" in body else {"type": "object"}
    value = filled(schema, 7)
    if injection.MARK in text:
        value = json.loads(json.dumps(value).replace("answer 00000007", injection.MARK))
    if "real" in value:
        value["real"] = "A" if any(attack in text for attack in shown("judge")) else "B"
    return {"content": json.dumps(value)}


def shown(role):
    return [json.dumps(text, ensure_ascii=False)[1:-1] for text in injection.attacks()[role]]


def test_there_are_fifteen_attacks_for_each_role():
    found = injection.attacks()
    assert {role: len(set(texts)) for role, texts in found.items()} == dict.fromkeys(injection.ROLES, 15)
    assert all(injection.MARK in text for text in found["simulator"])


@pytest.mark.parametrize("role", ["simulator", "judge"])
def test_a_model_that_obeys_is_seen_to_obey(role, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with endpoint.recording(gullible) as kept:
        found = injection.steered(role, f"m@{kept.base_url}", injection.attacks()[role][:3], tmp_path)
    attacked = [all(values) for name, values in found.items() if name.startswith("attacked")]
    plain = [any(values) for name, values in found.items() if name.startswith("plain")]
    assert attacked == [True] * 3
    assert plain == [False] * 3
    assert injection.told(role, found).endswith("more often than in its control: 3")
