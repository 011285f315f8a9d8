"""What the linter that SWE-agent 0.x runs after an edit of a Python file complains of. Pure.

The linter is `flake8 --isolated --select=F821,F822,F831,E111,E112,E113,E999,E902`: pyflakes on what can be parsed, the
indents of its statements, or else the one syntax error. The words of a syntax error are those of the Python that
flake8 runs under, so what this one says is translated, and where that is not sure nothing is said.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pyflakes import checker, messages

Words: TypeAlias = Literal["3.9", "3.10"]
"""Whose words syntax errors have: Python up to 3.9, or from 3.10 on."""

_CODES = {messages.UndefinedName: "F821", messages.UndefinedExport: "F822", messages.DuplicateArgument: "F831"}
# flake8's own comments, on a line or for the whole file; codes after them are kept to.
_CODED = r"(?::\s?(?P<codes>[A-Z][0-9]+(?:[,\s]+[A-Z][0-9]+)*))?"
_NOQA = re.compile(rf"# noqa{_CODED}", re.I)
_NOQA_FILE = re.compile(rf"(?m)^\s*# flake8[:=]\s*noqa{_CODED}\s*$", re.I)
# Built in since Python 3.10: an older linter does not know them.
_NEW_NAMES = frozenset({"aiter", "anext", "EncodingWarning", "BaseExceptionGroup", "ExceptionGroup"})
_SKIPPED = frozenset({
    tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER,
})  # fmt: skip

_SAME = (
    re.compile(r"unexpected indent"),
    re.compile(r"unindent does not match any outer indentation level"),
    re.compile(r"unmatched '[)\]}]'"),
    re.compile(r"closing parenthesis '[)\]}]' does not match opening parenthesis '[(\[{]'(?: on line \d+)?"),
    re.compile(r"unexpected character after line continuation character"),
    re.compile(r"invalid syntax"),
)
_AHEAD = re.compile(r"unmatched|closing parenthesis|unterminated|.* was never closed")
# What Python from 3.10 on says, and what 3.9 said of the same.
_OLD_WORDS = (
    (re.compile(r"expected an indented block after .*"), "expected an indented block"),
    (re.compile(r"invalid syntax\. Perhaps you forgot a comma\?|expected ':'"), "invalid syntax"),
    (re.compile(r"unterminated string literal \(detected at line \d+\)"), "EOL while scanning string literal"),
    (re.compile(r"unterminated triple-quoted string literal \(detected at line \d+\)"),
     "EOF while scanning triple-quoted string literal"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Finding:
    words: str
    line: int
    column: int


def complaints(text: str, words: Words) -> tuple[str, ...] | None:
    """The linter's findings, as code and words, in its order; none is a clean file, `None` is not known."""
    skipped = _NOQA_FILE.search(text)
    if skipped:
        return None if skipped["codes"] else ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, feature_version=(3, 9) if words == "3.9" else None)
        findings = [each for each in [*_names(tree), *_indents(text)] if not _excused(each, text)]
    except SyntaxError as error:
        said = _said(_first(error, text) if words == "3.9" else error, words)
        return None if said is None or _NOQA.search(error.text or "") else (said,)
    except (ValueError, tokenize.TokenError, RecursionError, MemoryError):
        return None
    if words == "3.9" and any(isinstance(n, ast.Name) and n.id in _NEW_NAMES for n in ast.walk(tree)):
        return None
    return tuple(finding.words for finding in sorted(findings, key=lambda found: (found.line, found.column)))


def _excused(finding: _Finding, text: str) -> bool:
    """Whether a comment on the statement's lines takes the finding back."""
    line = finding.line
    first, last = next((span for span in _statements(text) if span[0] <= line <= span[1]), (line, line))
    comment = _NOQA.search("\n".join(text.split("\n")[first - 1 : last]))
    if comment is None:
        return False
    codes = comment["codes"]
    return codes is None or any(finding.words.startswith(code.upper()) for code in re.split(r"[,\s]+", codes))


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """First and last line of each logical line."""
    first: int | None = None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if first is None and token.type not in _SKIPPED:
            first = token.start[0]
        if token.type == tokenize.NEWLINE and first is not None:
            yield first, token.end[0]
            first = None


def _names(tree: ast.Module) -> Iterator[_Finding]:
    for message in checker.Checker(tree, "edited", withDoctest=False).messages:
        code = _CODES.get(type(message))
        if code is not None:
            yield _Finding(f"{code} {message.message % message.message_args}", message.lineno, message.col)


def _indents(text: str) -> Iterator[_Finding]:
    """E111, on the first token of each logical line; a tab goes to the next multiple of eight."""
    first = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            first = True
        elif first and token.type not in _SKIPPED:
            if len(token.line[: token.start[1]].expandtabs(8)) % 4:
                yield _Finding("E111 indentation is not a multiple of 4", *token.start)
            first = False


def _first(error: SyntaxError, text: str) -> SyntaxError:
    """The error that Python up to 3.9 stopped at. Later ones read on to the end of the text and prefer a bracket or a
    string that is wrong further down.
    """
    if error.lineno is None or error.offset is None or not _AHEAD.match(str(error.args[0])):
        return error
    lines = text.split("\n")[: error.lineno]
    lines[-1] = lines[-1][: error.offset - 1]
    try:
        ast.parse("\n".join(lines))
    except SyntaxError as earlier:
        if earlier.lineno is not None and earlier.lineno < error.lineno and not _AHEAD.match(str(earlier.args[0])):
            return earlier
    return error


def _said(error: SyntaxError, words: Words) -> str | None:
    """The finding for a text that cannot be parsed; `None` where the other Python's words are not known."""
    kind, message = type(error).__name__, str(error.args[0])
    if any(pattern.fullmatch(message) for pattern in _SAME):
        return f"E999 {kind}: {message}"
    for pattern, old in _OLD_WORDS:
        if pattern.fullmatch(message):
            return f"E999 {kind}: {old if words == '3.9' else message}"
    return None
