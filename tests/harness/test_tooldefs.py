from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.tooldefs import infer_tools
from toolsim.trajectory import JsonObject, Message, ToolCall, ToolDefinition

ARGUMENTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
        max_leaves=8,
    ),
)


def _responses(*calls: ToolCall) -> list[Message]:
    return [Message("assistant", origin="agent", calls=(call,)) for call in calls]


def _fits(value: Any, schema: JsonObject) -> bool:
    """A small reading of the parts of JSON schema that are written here."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    known = {
        "null": value is None, "boolean": isinstance(value, bool), "string": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool), "array": isinstance(value, list),
        "number": isinstance(value, int | float) and not isinstance(value, bool), "object": isinstance(value, dict),
    }  # fmt: skip
    if not any(known[kind] for kind in kinds):
        return False
    if isinstance(value, list) and "items" in schema:
        return all(_fits(item, schema["items"]) for item in value)
    if isinstance(value, dict) and "properties" in schema:
        inside = all(key in value for key in schema.get("required", ()))
        return inside and all(_fits(item, schema["properties"][key]) for key, item in value.items())
    return True


def test_types_are_those_seen_and_required_is_what_every_call_has() -> None:
    calls = [
        ToolCall("1", "read", {"path": "a", "limit": 3}),
        ToolCall("2", "read", {"path": "b", "limit": None, "lines": [1, 2.5]}),
        ToolCall("3", "ls", {}),
    ]
    assert infer_tools(_responses(*calls)) == (
        ToolDefinition(
            "read", "",
            {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "limit": {"type": ["integer", "null"]},
                    "lines": {"type": "array", "items": {"type": "number"}},
                },
                "required": ["path", "limit"],
            },
        ),
        ToolDefinition("ls", "", {"type": "object", "properties": {}}),
    )  # fmt: skip


def test_free_text_calls_take_one_text() -> None:
    [tool] = infer_tools(_responses(ToolCall("1", "apply_patch", {}, raw="*** Begin Patch")))
    assert tool.parameters == {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def test_no_calls_give_no_tools() -> None:
    assert infer_tools([Message("user", "hi"), Message("assistant", "yo", "agent")]) == ()


@given(st.lists(ARGUMENTS, min_size=1, max_size=4))
def test_every_seen_call_fits_the_inferred_schema(seen: list[JsonObject]) -> None:
    [tool] = infer_tools(_responses(*(ToolCall(str(n), "t", arguments) for n, arguments in enumerate(seen))))
    assert all(_fits(arguments, tool.parameters) for arguments in seen)
