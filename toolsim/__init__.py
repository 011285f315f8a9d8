"""Answers one tool call as the real tool would. The names of the library are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolsim.errors import BudgetExceeded, SimulationFailed, ToolsimError
    from toolsim.scripted import ScriptedModel
    from toolsim.simulator import Answer, SimulatorSettings, ToolSimulator
    from toolsim.trajectory import Message, ToolCall, ToolResult, Trajectory
    from toolsim.world import World

_HOMES = {
    "Answer": "simulator", "BudgetExceeded": "errors", "Message": "trajectory", "ScriptedModel": "scripted",
    "SimulationFailed": "errors", "SimulatorSettings": "simulator", "ToolCall": "trajectory",
    "ToolResult": "trajectory", "ToolSimulator": "simulator", "ToolsimError": "errors", "Trajectory": "trajectory",
    "World": "world",
}  # fmt: skip
__all__ = [
    "Answer",
    "BudgetExceeded",
    "Message",
    "ScriptedModel",
    "SimulationFailed",
    "SimulatorSettings",
    "ToolCall",
    "ToolResult",
    "ToolSimulator",
    "ToolsimError",
    "Trajectory",
    "World",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'toolsim' has no attribute {name!r}")
    return getattr(import_module(f"toolsim.{_HOMES[name]}"), name)
