"""Claude Code's tool definitions, for sessions whose recording has none: names, short descriptions, JSON schemas."""

from __future__ import annotations

from toolsim.trajectory import JsonObject, ToolDefinition


def _object(required: tuple[str, ...], **properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _string(description: str = "", **more: object) -> JsonObject:
    return {"type": "string", "description": description, **more}


def _number(description: str = "") -> JsonObject:
    return {"type": "number", "description": description}


def _flag(description: str = "") -> JsonObject:
    return {"type": "boolean", "description": description}


_EDIT: JsonObject = {
    "old_string": _string("The text to replace"),
    "new_string": _string("The text to replace it with (must be different from old_string)"),
    "replace_all": _flag("Replace all occurrences of old_string (default false)"),
}
_TODO: JsonObject = _object(
    ("content", "status", "activeForm"),
    content=_string(),
    status=_string(enum=["pending", "in_progress", "completed"]),
    activeForm=_string(),
)

TOOLS: tuple[ToolDefinition, ...] = (
    ToolDefinition(
        "Bash",
        "Executes a given bash command with optional timeout. Working directory persists between commands.",
        _object(
            ("command",),
            command=_string("The command to execute"),
            timeout=_number("Optional timeout in milliseconds (max 600000)"),
            description=_string("Clear, concise description of what this command does"),
            run_in_background=_flag("Set to true to run this command in the background"),
        ),
    ),
    ToolDefinition(
        "Read",
        "Reads a file from the local filesystem. By default, it reads up to 2000 lines from the beginning of the file.",
        _object(
            ("file_path",),
            file_path=_string("The absolute path to the file to read"),
            offset=_number("The line number to start reading from"),
            limit=_number("The number of lines to read"),
        ),
    ),
    ToolDefinition(
        "Edit",
        "Performs exact string replacements in files. You must use Read at least once before editing a file.",
        _object(
            ("file_path", "old_string", "new_string"),
            file_path=_string("The absolute path to the file to modify"),
            **_EDIT,
        ),
    ),
    ToolDefinition(
        "Write",
        "Writes a file to the local filesystem. This tool will overwrite the existing file if there is one.",
        _object(
            ("file_path", "content"),
            file_path=_string("The absolute path to the file to write (must be absolute, not relative)"),
            content=_string("The content to write to the file"),
        ),
    ),
    ToolDefinition(
        "Glob",
        "Fast file pattern matching tool. Returns matching file paths sorted by modification time.",
        _object(
            ("pattern",),
            pattern=_string("The glob pattern to match files against"),
            path=_string("The directory to search in; the current working directory if not given"),
        ),
    ),
    ToolDefinition(
        "Grep",
        "A powerful search tool built on ripgrep. Supports full regex syntax.",
        _object(
            ("pattern",),
            **{
                "pattern": _string("The regular expression pattern to search for in file contents"),
                "path": _string("File or directory to search in; defaults to current working directory"),
                "glob": _string('Glob pattern to filter files (e.g. "*.js")'),
                "output_mode": _string(enum=["content", "files_with_matches", "count"]),
                "-B": _number("Number of lines to show before each match"),
                "-A": _number("Number of lines to show after each match"),
                "-C": _number("Number of lines to show before and after each match"),
                "-n": _flag("Show line numbers in output. Defaults to true"),
                "-i": _flag("Case insensitive search"),
                "type": _string("File type to search (js, py, rust, go, java, ...)"),
                "head_limit": _number("Limit output to first N lines or entries"),
                "offset": _number("Skip first N lines or entries before applying head_limit"),
                "multiline": _flag("Enable multiline mode where . matches newlines"),
            },
        ),
    ),
    ToolDefinition(
        "TodoWrite",
        "Create and manage a structured task list for your current coding session.",
        _object(("todos",), todos={"type": "array", "items": _TODO, "description": "The updated todo list"}),
    ),
    ToolDefinition(
        "Task",
        "Launch a new agent to handle complex, multi-step tasks autonomously.",
        _object(
            ("description", "prompt", "subagent_type"),
            description=_string("A short (3-5 word) description of the task"),
            prompt=_string("The task for the agent to perform"),
            subagent_type=_string("The type of specialized agent to use for this task"),
        ),
    ),
    ToolDefinition(
        "NotebookEdit",
        "Replaces, inserts or deletes a cell of a Jupyter notebook.",
        _object(
            ("notebook_path", "new_source"),
            notebook_path=_string("The absolute path to the Jupyter notebook file to edit"),
            cell_id=_string("The ID of the cell to edit"),
            new_source=_string("The new source for the cell"),
            cell_type=_string(enum=["code", "markdown"]),
            edit_mode=_string(enum=["replace", "insert", "delete"]),
        ),
    ),
    ToolDefinition(
        "WebFetch",
        "Fetches content from a URL and processes it with a prompt.",
        _object(
            ("url", "prompt"),
            url=_string("The URL to fetch content from", format="uri"),
            prompt=_string("The prompt to run on the fetched content"),
        ),
    ),
    ToolDefinition(
        "WebSearch",
        "Searches the web and returns results for up-to-date information.",
        _object(("query",), query=_string("The search query to use", minLength=2)),
    ),
    ToolDefinition(
        "TaskOutput",
        "Retrieves output from a running or completed task.",
        _object(
            ("task_id",),
            task_id=_string("The task ID to get output from"),
            block=_flag("Whether to wait for completion"),
            timeout=_number("Max wait time in ms"),
        ),
    ),
    ToolDefinition(
        "KillShell",
        "Kills a running background bash shell by its ID.",
        _object(("shell_id",), shell_id=_string("The ID of the background shell to kill")),
    ),
    ToolDefinition(
        "Skill",
        "Execute a skill within the main conversation.",
        _object(("skill",), skill=_string("The skill name"), args=_string("Optional arguments for the skill")),
    ),
    ToolDefinition(
        "ExitPlanMode",
        "Signals that the plan is written and ready for the user's approval.",
        {"type": "object", "properties": {}},
    ),
    ToolDefinition(
        "AskUserQuestion",
        "Asks the user questions with options during execution.",
        _object(("questions",), questions={"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 4}),
    ),
)
