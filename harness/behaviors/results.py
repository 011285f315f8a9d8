"""Whether a run of a check failed, as its result shows. Pure."""

from __future__ import annotations

import re

from toolsim.trajectory import ToolResult

_FAILED = re.compile(
    r"\b[1-9]\d* (?:failed|failing|failures?)\b|^FAIL(?:ED)?\b|^--- FAIL|\bTests:\s+[1-9]\d* failed"
    r"|error TS\d+|npm ERR!", re.M,
)  # fmt: skip


def failed(result: ToolResult) -> bool:
    """An error flag, an exit code that is not 0, or words of common test runners."""
    return bool(result.is_error) or (result.exit_code or 0) != 0 or _FAILED.search(result.content) is not None
