"""The forms in which a model writes what came out of a call: small JSON schemas, and the values read from them.

Pure. Every object is closed and requires all its properties, so that endpoints can hold it strictly.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolsim.errors import OutputInvalid
from toolsim.trajectory import JsonObject

FormName: TypeAlias = Literal["program", "process", "read", "change", "paths", "matches", "reply", "work", "note"]

_PROBLEMS = (
    "none",
    "missing",
    "exists",
    "not_found_in_file",
    "not_unique",
    "identical",
    "not_read",
    "is_directory",
    "bad_patch",
)


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(_Reply):
    """A part of a long output: literal `text`, or lines `first`..`last` of a `source` (a file path, or `e1` …)."""

    text: str | None = None
    source: str | None = None
    first: int | None = None
    last: int | None = None


class FileChange(_Reply):
    """A file as it stands afterwards; `content` is `None` for one that was deleted."""

    path: str
    content: str | None


class ProgramReply(_Reply):
    """What a program printed and did. `duration` in seconds; `running` only of a process that goes on."""

    stdout: str | list[Span]
    stderr: str
    exit_code: int
    duration: float = Field(ge=0)
    files_changed: list[FileChange] = Field(default_factory=list)
    running: bool = False


class ReadReply(_Reply):
    """A file as a viewer shows it: the `text` from the first line asked for, and how many lines the file has."""

    kind: Literal["file", "missing", "directory"]
    text: str | list[Span]
    total_lines: int = Field(ge=0)


class ChangeReply(_Reply):
    """Whether an edit tool took the edit."""

    success: bool
    problem: Literal[
        "none",
        "missing",
        "exists",
        "not_found_in_file",
        "not_unique",
        "identical",
        "not_read",
        "is_directory",
        "bad_patch",
    ]


class PathsReply(_Reply):
    """Names or paths found, in the order of the tool."""

    found: bool
    paths: list[str]


class FoundLine(_Reply):
    """One line found by a search."""

    path: str
    line: int = Field(ge=1)
    text: str


class MatchesReply(_Reply):
    """All lines found by a search."""

    matches: list[FoundLine]


class TextReply(_Reply):
    """A free text result."""

    text: str | list[Span]
    is_error: bool
    files_changed: list[FileChange] = Field(default_factory=list)


class NoteReply(_Reply):
    """Whether a note was taken, else what the tool said."""

    success: bool
    text: str


Reply: TypeAlias = ProgramReply | ReadReply | ChangeReply | PathsReply | MatchesReply | TextReply | NoteReply

_MODELS: dict[FormName, type[_Reply]] = {
    "program": ProgramReply, "process": ProgramReply, "read": ReadReply, "change": ChangeReply, "paths": PathsReply,
    "matches": MatchesReply, "reply": TextReply, "work": TextReply, "note": NoteReply,
}  # fmt: skip

_TEXT: JsonObject = {"type": "string"}
_COUNT: JsonObject = {"type": "integer", "minimum": 0}
_FLAG: JsonObject = {"type": "boolean"}


def _closed(**properties: Any) -> JsonObject:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(item: JsonObject) -> JsonObject:
    return {"type": "array", "items": item}


_SPANS = _list(
    _closed(
        text={"type": ["string", "null"]},
        source={"type": ["string", "null"]},
        first={"type": ["integer", "null"]},
        last={"type": ["integer", "null"]},
    )
)
_FILES = _list(_closed(path=_TEXT, content={"type": ["string", "null"]}))


def schema(form: FormName, *, spans: bool) -> JsonObject:
    """The JSON schema of a form; with `spans` long output is a list of parts, else one string."""
    long = _SPANS if spans else _TEXT
    program = {
        "stdout": long,
        "stderr": _TEXT,
        "exit_code": {"type": "integer"},
        "duration": {"type": "number", "minimum": 0},
    }
    forms: dict[FormName, JsonObject] = {
        "program": _closed(**program, files_changed=_FILES),
        "process": _closed(**program, files_changed=_FILES, running=_FLAG),
        "read": _closed(
            kind={"type": "string", "enum": ["file", "missing", "directory"]}, text=long, total_lines=_COUNT
        ),
        "change": _closed(success=_FLAG, problem={"type": "string", "enum": list(_PROBLEMS)}),
        "paths": _closed(found=_FLAG, paths=_list(_TEXT)),
        "matches": _closed(matches=_list(_closed(path=_TEXT, line={"type": "integer", "minimum": 1}, text=_TEXT))),
        "reply": _closed(text=long, is_error=_FLAG),
        "work": _closed(text=long, is_error=_FLAG, files_changed=_FILES),
        "note": _closed(success=_FLAG, text=_TEXT),
    }
    return forms[form]


def read_reply(form: FormName, value: Any) -> Any:
    """The validated value of a form.

    Raises:
        OutputInvalid: the value does not fit.
    """
    try:
        return _MODELS[form].model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise OutputInvalid(f"{where}: {first['msg']}") from error
