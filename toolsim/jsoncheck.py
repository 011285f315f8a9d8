"""Whether a JSON value fits a JSON schema, and whether a schema is one that endpoints can hold strictly. Pure."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from toolsim.trajectory import JsonObject

_MANY = 5


def complaints(value: Any, schema: JsonObject) -> tuple[str, ...]:
    """What does not fit, at most five, most relevant first, each as `path: reason`; empty if all fits.

    A schema that is itself broken or refers to another document (recorded tool definitions may) holds nothing back;
    no document is fetched.
    """
    validator = _validator(json.dumps(schema, sort_keys=True))
    if validator is None:
        return ()
    try:
        found = list(validator.iter_errors(value))
    except Unresolvable:
        return ()
    errors = sorted(found, key=lambda e: (len(e.absolute_path), e.message))
    return tuple(_line(e) for e in errors[:_MANY])


@lru_cache(256)
def _validator(schema: str) -> Draft202012Validator | None:
    """The validator of a schema, `None` if it is broken. Checking a schema takes 20 times as long as a value."""
    value = json.loads(schema)
    registry: Registry[Any] = Registry()
    try:
        Draft202012Validator.check_schema(value)
    except (SchemaError, Unresolvable):
        return None
    return Draft202012Validator(value, registry=registry)


def strictable(schema: Any) -> bool:
    """Whether every object of the schema is closed and requires all its properties, as strict output needs it."""
    if isinstance(schema, list):
        return all(map(strictable, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties", ()))
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != names:
            return False
        return all(map(strictable, schema.get("properties", {}).values()))
    return all(strictable(v) for k, v in schema.items() if k not in {"const", "enum", "default", "examples"})


def _line(error: Any) -> str:
    path = ".".join(str(part) for part in error.absolute_path) or "the value"
    message = error.message if len(error.message) <= 300 else error.message[:300] + "…"
    return f"{path}: {message}"
