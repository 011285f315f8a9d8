"""The experiment: recorded sessions in, estimates out. The names of the library are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.langgraph_tools import tool_node
    from harness.library import SimulatedTools, Taken, import_sessions, resample_turn, simulated_tools
    from harness.store import Store

_HOMES = {
    "SimulatedTools": "library", "Store": "store", "Taken": "library", "import_sessions": "library",
    "resample_turn": "library", "simulated_tools": "library", "tool_node": "langgraph_tools",
}  # fmt: skip
__all__ = [
    "SimulatedTools",
    "Store",
    "Taken",
    "import_sessions",
    "resample_turn",
    "simulated_tools",
    "tool_node",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(f"harness.{_HOMES[name]}"), name)
