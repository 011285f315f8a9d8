"""Whether a run of a check failed, as its result shows. Pure."""

from __future__ import annotations

import re

from toolsim.trajectory import ToolResult

_FAILED = re.compile(
    r"\b[1-9]\d* (?:failed|failing|failures?)\b|^FAIL(?:ED)?\b|^--- FAIL|\bTests:\s+[1-9]\d* failed"
    r"|error TS\d+|npm ERR!", re.M,
)  # fmt: skip


def failed(result: ToolResult, line: str) -> bool:
    """An error flag, an exit code that is not 0, or, where the status is that of something else, words of test runners.

    A plain line that ended well did not fail, whatever it printed: tests print of failures that they provoke.
    """
    if result.is_error or (result.exit_code or 0) != 0:
        return True
    stated = result.is_error is False or result.exit_code == 0
    hidden = re.search(r"\||;|\btrue\b", line) is not None
    return (hidden or not stated) and _FAILED.search(result.content) is not None
