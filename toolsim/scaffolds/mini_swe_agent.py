"""mini-swe-agent: one bash command a step; results in the template of its configuration.

Source: the public `minisweagent` default and swebench configurations. Profile parameters: `form` (`tags` and
`tight`: `<returncode>` and `<output>` with or without a line break; `json`: the v2 JSON observation),
`limit` (characters after which the middle is left out), `advice` (the warning above a shortened output).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from jinja2.utils import htmlsafe_json_dumps

from toolsim.actions import Action, Invalid, Mutation, Outcome, Problem, Reply, RunShell, ShellOutput, Unknown
from toolsim.scaffolds.base import Rendered, ScaffoldProfile
from toolsim.trajectory import Message, Session, ToolCall, ToolDefinition, ToolResult

LIMIT = 10_000
_HALF = 5_000
_DONE = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
_TAGS = re.compile(r"<returncode>(-?\d+)</returncode>\n<output>(\n?)(.*)</output>", re.DOTALL)
_WARNED = re.compile(r"<returncode>-?\d+</returncode>\n<warning>\n((?s:.*?))</warning><output_head>\n")
_TOOL = ToolDefinition(
    "bash",
    "Execute a bash command",
    {
        "type": "object",
        "properties": {"command": {"type": "string", "description": "The bash command to execute"}},
        "required": ["command"],
    },
)
_JSON = re.compile(r'\{\n  "returncode": -?\d+,\n  "output', re.DOTALL)
_ADVICE = (
    "The output of your last command was too long.\nPlease try a different command that produces less output.\n"
    "If you're looking at a file you can try use head, tail or sed to view a smaller number of lines selectively.\n"
    "If you're using grep or find and it produced too much output, you can use a more selective search pattern.\n"
    "If you really need to see something from the full command's output, you can redirect output to a file and then "
    "search in that file.\n"
)


class MiniSweAgentScaffold:
    """mini-swe-agent v1 and v2: every command runs in a fresh subshell at the configured directory."""

    name = "mini-swe-agent"

    def tools(self, profile: ScaffoldProfile) -> tuple[ToolDefinition, ...]:
        """The one tool."""
        return (_TOOL,)

    def fit(self, session: Session, messages: Sequence[Message]) -> ScaffoldProfile:
        """The template's line breaks, as most results of the prefix show them."""
        forms: Counter[str] = Counter()
        unexplained = 0
        for message in messages:
            if message.result is not None and message.result.content:
                form = _form(message.result.content)
                unexplained += form is None
                if form is not None:
                    forms[form] += 1
        texts = [m.result.content for m in messages if m.result is not None]
        advice = next((match[1] for text in texts if (match := _WARNED.match(text))), _ADVICE)
        common = forms.most_common(1)[0][0] if forms else "tags"
        return ScaffoldProfile(
            self.name,
            session.agent_version,
            "gnu",
            "bash",
            session.cwd or "/",
            {"form": common, "limit": LIMIT, "advice": advice},
            unexplained,
        )

    def action(
        self, call: ToolCall, profile: ScaffoldProfile, cwd: str, env: Mapping[str, str] | None = None
    ) -> Action:
        """Run the command at the session's directory: a `cd` does not outlive its command."""
        command = call.arguments.get("command", call.raw)
        return RunShell(command, profile.cwd) if isinstance(command, str) else Invalid("Missing 'command' argument")

    def render(
        self,
        call: ToolCall,
        action: Action,
        outcome: Outcome,
        profile: ScaffoldProfile,
        env: Mapping[str, str] | None = None,
    ) -> Rendered | Unknown:
        """The observation template over the output."""
        match outcome:
            case ShellOutput(timed_out=False) if (submitted := _submission(outcome.output)) is not None:
                return Rendered(submitted, None, outcome.exit_code)
            case ShellOutput(timed_out=False, exit_code=int(code)):
                return Rendered(_template(outcome.output, code, profile), None, code)
            case ShellOutput():
                return Unknown("versions differ in what they say of a command that does not end")
            case Reply(text, is_error):
                return Rendered(text, is_error)
            case Problem() if isinstance(action, Invalid):
                return Rendered(action.message, True)
        return Unknown(f"the form of {type(outcome).__name__} is not known")

    def observe(
        self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile
    ) -> tuple[Mutation, ...]:
        """Nothing by itself: all effects are the shell's."""
        return ()

    def raw(self, call: ToolCall, action: Action, result: ToolResult, profile: ScaffoldProfile) -> str | None:
        """The whole output: as the recording keeps it beside, else inside the template where nothing is left out."""
        if isinstance(result.structured, dict) and isinstance(result.structured.get("raw_output"), str):
            return str(result.structured["raw_output"])
        form = _form(result.content)
        if form is None and isinstance(action, RunShell) and _DONE in action.command:
            return f"{_DONE}\n{result.content}"
        if form is None or form != profile.parameters.get("form", "tags"):
            return None
        if form == "json":
            return _json_output(result.content)
        match = _TAGS.fullmatch(result.content)
        return None if match is None else match[3]


def _submission(output: str) -> str | None:
    """What follows the line that ends the task; `None` for any other output. The agent sees no template then."""
    lines = output.lstrip().splitlines(keepends=True)
    return "".join(lines[1:]) if lines and lines[0].strip() == _DONE else None


def _form(content: str) -> str | None:
    if _JSON.match(content):
        return "json"
    match = _TAGS.fullmatch(content)
    if match is None:
        return "tags" if _WARNED.match(content) else None
    return "tags" if match[2] else "tight"


def _json_output(content: str) -> str | None:
    try:
        value = json.loads(content)
    except ValueError:
        return None
    output = value.get("output") if isinstance(value, dict) else None
    return output if isinstance(output, str) else None


def _json_template(output: str, code: int, limit: int) -> str:
    if len(output) < limit:
        return f'{{\n  "returncode": {code},\n  "output": {htmlsafe_json_dumps(output)}\n}}'
    return (
        f'{{\n  "returncode": {code},\n  "output_head": {htmlsafe_json_dumps(output[:_HALF])},\n'
        f'  "output_tail": {htmlsafe_json_dumps(output[-_HALF:])},\n'
        f'  "elided_chars": {len(output) - 2 * _HALF},\n  "warning": "Output too long."\n}}'
    )


def _template(output: str, code: int, profile: ScaffoldProfile) -> str:
    limit = int(profile.parameters.get("limit", LIMIT))
    if profile.parameters.get("form") == "json":
        return _json_template(output, code, limit)
    gap = "\n" if profile.parameters.get("form", "tags") == "tags" else ""
    if len(output) < limit:
        return f"<returncode>{code}</returncode>\n<output>{gap}{output}</output>"
    left_out = len(output) - 2 * _HALF
    return (
        f"<returncode>{code}</returncode>\n<warning>\n{profile.parameters.get('advice', _ADVICE)}</warning>"
        f"<output_head>\n{output[:_HALF]}\n</output_head>\n<elided_chars>\n{left_out} characters elided\n"
        f"</elided_chars>\n<output_tail>\n{output[-_HALF:]}\n</output_tail>"
    )


MINI_SWE_AGENT = MiniSweAgentScaffold()
