from __future__ import annotations

import json

import pytest
from jinja2 import Template

from toolsim.actions import Invalid, RunShell, ShellOutput, Unknown
from toolsim.scaffolds.base import Rendered
from toolsim.scaffolds.mini_swe_agent import MINI_SWE_AGENT
from toolsim.trajectory import Message, Session, ToolCall, ToolResult

CALL = ToolCall("1", "bash", {"command": "x"})
TAGS = "<returncode>0</returncode>\n<output>\nok\n</output>"
TIGHT = "<returncode>0</returncode>\n<output>ok\n</output>"
JSON = '{\n  "returncode": 0,\n  "output": "ok\\n"\n}'
JSON_TEMPLATE = Template(
    "{%- if output.output | length < 10000 -%}\n{\n"
    '  "returncode": {{ output.returncode }},\n  "output": {{ output.output | tojson }}\n'
    '  {%- if output.exception_info %}, "exception_info": {{ output.exception_info | tojson }}{% endif %}\n}\n'
    "{%- else -%}\n{\n"
    '  "returncode": {{ output.returncode }},\n  "output_head": {{ output.output[:5000] | tojson }},\n'
    '  "output_tail": {{ output.output[-5000:] | tojson }},\n'
    '  "elided_chars": {{ output.output | length - 10000 }},\n  "warning": "Output too long."\n'
    '  {%- if output.exception_info %}, "exception_info": {{ output.exception_info | tojson }}{% endif %}\n}\n'
    "{%- endif -%}\n"
)


def profile(*results):
    messages = [Message("tool", result=ToolResult(str(n), text)) for n, text in enumerate(results)]
    return MINI_SWE_AGENT.fit(Session("s", "mini-swe-agent", "t", "l", cwd="/testbed"), messages)


def shown(output, form, code=0):
    action = MINI_SWE_AGENT.action(CALL, form, "/elsewhere")
    return MINI_SWE_AGENT.render(CALL, action, ShellOutput(output, output, "", code), form)


@pytest.mark.parametrize("text", [TAGS, TIGHT, JSON])
def test_the_template_is_the_one_of_the_prefix(text):
    assert shown("ok\n", profile(text)) == Rendered(text, None, 0)
    assert MINI_SWE_AGENT.raw(CALL, RunShell("x"), ToolResult("1", text), profile(text)) == "ok\n"


@pytest.mark.parametrize("output", ["", "ok\n", "<b>'&\n", "x" * 9_999, "x" * 10_000, "é" * 12_345 + "\n"])
def test_json_observations_equal_the_published_template(output):
    values = {"output": output, "returncode": 3, "exception_info": ""}
    answer = shown(output, profile(JSON), code=3)
    assert isinstance(answer, Rendered)
    assert answer.content == JSON_TEMPLATE.render(output=values)
    assert json.loads(answer.content)["returncode"] == 3


def test_a_long_output_keeps_five_thousand_characters_at_each_end():
    answer = shown("a" * 6_000 + "b" * 6_000, profile())
    assert isinstance(answer, Rendered)
    assert answer.content.startswith("<returncode>0</returncode>\n<warning>\nThe output of your last command was too")
    assert f"</warning><output_head>\n{'a' * 5_000}\n</output_head>\n<elided_chars>\n2000 characters" in answer.content
    assert answer.content.endswith(f"<output_tail>\n{'b' * 5_000}\n</output_tail>")


def test_the_warning_is_the_one_of_the_prefix():
    long = "<returncode>0</returncode>\n<warning>\nToo long, be brief.\n</warning><output_head>\nx\n</output_head>"
    answer = shown("a" * 10_000, profile(long))
    assert isinstance(answer, Rendered)
    assert "<warning>\nToo long, be brief.\n</warning><output_head>" in answer.content


def test_the_line_that_ends_the_task_is_not_shown():
    output = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\ndiff --git a/x b/x\n"
    assert shown(output, profile()) == Rendered("diff --git a/x b/x\n", None, 0)


def test_every_command_starts_in_the_configured_directory():
    assert MINI_SWE_AGENT.action(CALL, profile(), "/elsewhere") == RunShell("x", "/testbed")
    assert MINI_SWE_AGENT.action(ToolCall("1", "bash", {"command": 1}), profile(), "/") == Invalid(
        "Missing 'command' argument"
    )
    assert MINI_SWE_AGENT.action(ToolCall("1", "bash", raw="ls"), profile(), "/") == RunShell("ls", "/testbed")


def test_the_whole_output_is_taken_where_the_record_keeps_it():
    result = ToolResult("1", "anything", structured={"raw_output": "whole\n"})
    assert MINI_SWE_AGENT.raw(CALL, RunShell("x"), result, profile()) == "whole\n"


def test_a_command_that_timed_out_has_no_known_form():
    outcome = ShellOutput("", "", "", None, timed_out=True)
    assert isinstance(MINI_SWE_AGENT.render(CALL, RunShell("x"), outcome, profile()), Unknown)
