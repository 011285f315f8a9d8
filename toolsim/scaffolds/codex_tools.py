"""The tool definitions that Codex CLI offers, for recordings that do not carry their own."""

from __future__ import annotations

from toolsim.trajectory import JsonObject, ToolDefinition


def _tool(name: str, description: str, required: tuple[str, ...], **properties: JsonObject) -> ToolDefinition:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ToolDefinition(name, description, schema)


def _of(kind: str, description: str) -> JsonObject:
    return {"type": kind, "description": description}


TOOLS: tuple[ToolDefinition, ...] = (
    _tool(
        "exec_command",
        "Runs a command in a PTY, returning output or a session ID for ongoing interaction.",
        ("cmd",),
        cmd=_of("string", "Shell command to execute."),
        workdir=_of("string", "Optional working directory to run the command in; defaults to the turn cwd."),
        yield_time_ms=_of("number", "How long to wait (in milliseconds) for output before yielding."),
        max_output_tokens=_of("number", "Maximum number of tokens to return. Excess output will be truncated."),
    ),
    _tool(
        "write_stdin",
        "Writes characters to an existing unified exec session and returns recent output.",
        ("session_id",),
        session_id=_of("number", "Identifier of the running unified exec session."),
        chars=_of("string", "Bytes to write to stdin (may be empty to poll)."),
        yield_time_ms=_of("number", "How long to wait (in milliseconds) for output before yielding."),
        max_output_tokens=_of("number", "Maximum number of tokens to return. Excess output will be truncated."),
    ),
    _tool(
        "apply_patch",
        "Use the `apply_patch` tool to edit files. The input is a patch between *** Begin Patch and *** End Patch.",
        ("input",),
        input=_of("string", "The entire contents of the apply_patch command."),
    ),
    _tool(
        "update_plan",
        "Updates the task plan. At most one step can be in_progress at a time.",
        ("plan",),
        explanation=_of("string", "Why the plan changes."),
        plan={
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "step": {"type": "string"},
                    "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
                },
                "required": ["step", "status"],
            },
        },
    ),
)
