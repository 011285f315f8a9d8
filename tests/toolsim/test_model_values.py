"""Prices, token estimates, schema checks and the scripted model: what a model is without an endpoint."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsim.errors import BudgetExceeded, EndpointError, ModelUnavailable, OutputInvalid
from toolsim.jsoncheck import complaints, strictable
from toolsim.modeltypes import Budget, ModelReply, ModelRequest, Usage
from toolsim.pricing import cost_of, known_model, load_prices
from toolsim.scripted import ScriptedModel
from toolsim.tokens import estimate
from toolsim.trajectory import ToolCall

ASK = ({"role": "user", "content": "hi"},)
CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("name", "cost"),
    [("gpt-5", 1.25 + 0.125 + 10), ("gpt-5-2025-08-07", 1.25 + 0.125 + 10), ("claude-haiku-4-5-20251001", 6.1)],
)
def test_a_call_costs_what_the_table_says(name, cost):
    assert cost_of(Usage(2_000_000, 1_000_000, 1_000_000), known_model(name)) == pytest.approx(cost)


@pytest.mark.parametrize("name", ["gpt-5-unheard-of", "qwen2.5-coder", "gpt"])
def test_an_unknown_model_has_no_price_instead_of_none_to_pay(name):
    assert cost_of(Usage(1, 0, 1), known_model(name)) is None


def test_another_price_table_can_be_given(tmp_path):
    table = {"version": 1, "as_of": "2026-01", "models": {"mine": {"input": 1, "cached": 0, "output": 2, "context": 9}}}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(table))
    assert known_model("mine", load_prices(path)).context == 9


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1, "as_of": "", "models": {"a": {"input": -1}}}'])
def test_a_broken_price_table_is_one_sentence(tmp_path, text):
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(ModelUnavailable, match="is no price table"):
        load_prices(path)


@pytest.mark.parametrize(
    ("value", "schema", "wrong"),
    [
        ({"a": 1}, CLOSED, None),
        ({"a": "x"}, CLOSED, "a: 'x' is not of type 'integer'"),
        ({}, CLOSED, "the value: 'a' is a required property"),
        ({"a": 1, "b": 2}, CLOSED, "the value: Additional properties are not allowed ('b' was unexpected)"),
        ({"a": 1}, {"type": 7}, None),
        ({"a": 1}, {"$ref": "http://model.invalid/schema.json"}, None),
        ("x" * 900, {"type": "integer"}, "the value: '" + "x" * 299 + "…"),
    ],
)
def test_what_does_not_fit_a_schema_is_named(value, schema, wrong):
    assert next(iter(complaints(value, schema)), None) == wrong


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (CLOSED | {"required": []}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"anyOf": [CLOSED, {"type": "string"}]}, True),
        ({"anyOf": [{"type": "object"}]}, False),
        ({"type": "array", "items": CLOSED}, True),
    ],
)
def test_strict_output_is_asked_for_only_where_it_can_be_held(schema, strict):
    assert strictable(schema) is strict


@given(st.lists(st.text(), max_size=5), st.text())
def test_a_longer_conversation_never_counts_less(texts, more):
    messages = [{"role": "user", "content": text} for text in texts]
    assert estimate(messages) < estimate([*messages, {"role": "user", "content": more}])


async def test_a_script_is_read_in_order_and_requests_are_kept():
    model = ScriptedModel(["one", {"a": 1}, ToolCall("", "Ls", {}), ModelReply("last", finish="length")])
    replies = [await model.complete(ModelRequest(ASK, seed=n)) for n in range(4)]
    assert [reply.text for reply in replies] == ["one", '{"a": 1}', "", "last"]
    assert replies[2].calls[0].id
    assert replies[2].finish == "tool_calls"
    assert [request.seed for request in model.requests] == [0, 1, 2, 3]
    with pytest.raises(ModelUnavailable, match="no more lines"):
        await model.complete(ModelRequest(ASK))


async def test_a_script_may_be_a_function_and_may_fail():
    model = ScriptedModel(lambda request: EndpointError("down") if request.seed else "up")
    assert (await model.complete(ModelRequest(ASK, seed=0))).text == "up"
    with pytest.raises(EndpointError, match="down"):
        await model.complete(ModelRequest(ASK, seed=1))


async def test_a_scripted_line_is_held_to_the_schema():
    model = ScriptedModel([{"a": 1}, {"a": "x"}, "no json"])
    assert (await model.complete(ModelRequest(ASK, schema=CLOSED))).parsed == {"a": 1}
    for _ in range(2):
        with pytest.raises(OutputInvalid):
            await model.complete(ModelRequest(ASK, schema=CLOSED))


async def test_a_scripted_model_keeps_a_budget():
    model = ScriptedModel(lambda _: "x", budget=Budget(max_calls=1))
    await model.complete(ModelRequest(ASK))
    with pytest.raises(BudgetExceeded):
        await model.complete(ModelRequest(ASK))


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), max_size=6))
def test_a_budget_counts_all_usage(used):
    budget = Budget()
    for prompt, cached, completion in used:
        budget.admit("m", priced=False)
        budget.charge(Usage(prompt, cached, completion), None)
    assert budget.calls == len(used) == budget.unpriced_calls
    assert budget.usage.total == sum(p + c for p, _, c in used)
