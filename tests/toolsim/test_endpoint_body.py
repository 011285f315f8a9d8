"""A request's body as bytes: the same JSON whichever encoder could write it."""

from __future__ import annotations

import json

import pytest

from toolsim.endpoint import encoded


@pytest.mark.parametrize(
    "value",
    ["plain", "ü 漢 😀", "\udcff half of a pair", "\0\n\"\\", 1.5, -0.0, 10**40, True, None, [{"a": [1, {}]}]],
)  # fmt: skip
def test_a_body_is_read_back_as_it_was(value):
    body = {"messages": [{"role": "user", "content": value}], "seed": 7}
    sent = encoded(body)
    assert json.loads(sent) == body
    sent.decode("utf-8")
