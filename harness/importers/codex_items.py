"""Single items of a Codex rollout: calls, outputs and what their texts state; who wrote a user message."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from harness.importers.reading import Damaged, parse_json
from harness.importers.values import as_int, as_list, as_number, as_object, as_text, content_text, kind_of, member
from toolsim.trajectory import JsonObject, ToolDefinition

CALLS = frozenset(
    {
        "function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call",
        "image_generation_call",
    }
)  # fmt: skip

OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output", "tool_search_output", "function_result"})

# Parts of the record that repeat other items or hold nothing legible.
IGNORED_ITEMS = frozenset({"compaction", "context_compaction", "ghost_snapshot", "compaction_summary", "other"})

IGNORED_EVENTS = frozenset(
    {
        "agent_message", "agent_message_delta", "agent_reasoning", "agent_reasoning_delta",
        "agent_reasoning_raw_content", "agent_reasoning_section_break", "apply_patch_approval_request",
        "background_event",
        "context_compacted", "entered_review_mode", "error", "exec_approval_request", "exec_command_begin",
        "exec_command_output_delta", "exited_review_mode", "item_completed", "item_started", "mcp_tool_call_begin",
        "patch_apply_begin", "plan_update", "session_configured", "shutdown_complete", "stream_error",
        "task_complete", "task_started", "thread_name_updated", "thread_settings_applied", "token_count",
        "turn_aborted",
        "turn_complete", "turn_diff", "turn_started", "undo_completed", "undo_started", "view_image_tool_call",
        "warning", "web_search_begin", "web_search_end", "image_generation_end", "model_reroute",
    }
)  # fmt: skip

_HARNESS_STARTS = (
    "<environment_context>", "<user_instructions>", "<permissions instructions>", "<turn_aborted>", "<skill>",
    "<subagent_notification>", "<user_shell_command>", "<collaboration_mode>", "<apps_instructions>",
    "<skills_instructions>", "<plugins_instructions>", "<goal_context>", "<hook_prompt", "<model_switch>",
    "<personality_spec>", "<realtime_conversation>", "# AGENTS.md instructions",
    "Another language model started to solve",
    "Warning: apply_patch was requested via",
)  # fmt: skip

_EXIT_CODE = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d{1,9})\s*$", re.MULTILINE)
_WALL_TIME = re.compile(r"^Wall time: (\d{1,9}(?:\.\d{1,9})?)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CallItem:
    """A call as recorded. `hosted` calls are answered inside the model's service: no output follows."""

    name: str
    arguments: Any
    recorded_id: str | None
    hosted: bool = False


@dataclass(frozen=True, slots=True)
class OutputItem:
    """An output as recorded, with what its text states."""

    content: str
    images: int
    recorded_id: str | None
    is_error: bool | None
    exit_code: int | None
    duration: float | None
    structured: Any = None
    name: str | None = None


def read_call(item: JsonObject) -> CallItem:
    """One of `CALLS`."""
    kind = kind_of(item)
    recorded_id = as_text(item.get("call_id")) or (as_text(item.get("id")) if kind == "local_shell_call" else None)
    if kind == "local_shell_call":
        return CallItem("local_shell", as_object(item.get("action")), recorded_id)
    if kind == "web_search_call":
        return CallItem(
            "web_search", as_object(item.get("action")), recorded_id or as_text(item.get("id")), hosted=True
        )
    if kind == "image_generation_call":
        prompt = as_text(item.get("revised_prompt"))
        return CallItem("image_generation", {"prompt": prompt} if prompt else {}, as_text(item.get("id")), hosted=True)
    if kind == "tool_search_call":
        return CallItem("tool_search", item.get("arguments"), recorded_id)
    if kind == "custom_tool_call":
        return CallItem(as_text(item.get("name")) or "custom", item.get("input"), recorded_id)
    name = as_text(item.get("name")) or as_text(member(item, "function", "name")) or ""
    namespace = as_text(item.get("namespace"))
    arguments = item.get("arguments", member(item, "function", "arguments"))
    return CallItem(f"{namespace}__{name}" if namespace else name, arguments, recorded_id)


def read_output(item: JsonObject) -> OutputItem:
    """One of `OUTPUTS`; outputs are text, content parts, or (old) an object of `content` and `success`."""
    recorded_id = as_text(item.get("call_id"))
    if item.get("type") == "tool_search_output":
        tools = item.get("tools")
        return OutputItem(json.dumps(tools, ensure_ascii=False), 0, recorded_id, None, None, None, tools)
    output = item.get("output", item.get("result"))
    is_error = None
    if isinstance(output, dict):
        success = output.get("success")
        is_error = not success if isinstance(success, bool) else None
        output = output.get("content")
    content, images = content_text(output)
    exit_code, duration = stated_outcome(content)
    return OutputItem(content, images, recorded_id, is_error, exit_code, duration, None, as_text(item.get("name")))


def stated_outcome(content: str) -> tuple[int | None, float | None]:
    """Exit code and seconds that an output's own text states, in its header or (old form) as JSON metadata."""
    if content.startswith('{"output"'):
        try:
            metadata = member(parse_json(content), "metadata")
        except Damaged:
            return None, None
        return as_int(member(metadata, "exit_code")), as_number(member(metadata, "duration_seconds"))
    header, found, _ = content[:2000].partition("\nOutput:")
    if not found:
        return None, None
    code, seconds = _EXIT_CODE.search(header), _WALL_TIME.search(header)
    return int(code[1]) if code else None, float(seconds[1]) if seconds else None


def is_harness_text(text: str) -> bool:
    """Whether a user message is context put in by Codex, told by its first words."""
    return text.lstrip().startswith(_HARNESS_STARTS)


def seconds_of(duration: Any) -> float | None:
    """Seconds of Codex's `{secs, nanos}`."""
    secs, nanos = as_number(member(duration, "secs")), as_number(member(duration, "nanos"))
    return None if secs is None else secs + (nanos or 0.0) / 1e9


def read_tools(tools: Any) -> tuple[ToolDefinition, ...]:
    """Tool definitions of a `dynamic_tools` list."""
    found = []
    for tool in as_list(tools):
        name = as_text(as_object(tool).get("name"))
        if name is None:
            continue
        schema = next(
            (as_object(tool[key]) for key in ("inputSchema", "input_schema", "parameters") if key in tool), {}
        )
        found.append(ToolDefinition(name, as_text(tool.get("description")) or "", schema))
    return tuple(found)
