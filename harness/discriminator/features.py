"""What a trained discriminator sees of a tool result: its shape in numbers, and the n-grams of its characters. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

_TRUNCATED = re.compile(r"truncat|omitted|\.\.\. ?\[|\[\.\.\.|elided|lines? (?:left out|hidden)|…", re.IGNORECASE)
_FAILED = re.compile(r"\b(?:error|failed|failure|exception|traceback|fatal|not found|denied)\b", re.IGNORECASE)
_EXIT = re.compile(r"(?im)^(?:exit code|process exited with code|<returncode>)\s*:?\s*(\d+)")
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b|\b\d{4}-\d{2}-\d{2}\b")
_ROUND = re.compile(r"(?<![\w.])\d+\.0+\b|(?<![\w.])\d*[1-9]0+(?![\w.])")
_PROSE = re.compile(r"(?m)^(?:Here|This|The|Note|I |It |As |Output)\b[^\n]{20,}[.:]$")
_HASH = re.compile(r"\b[0-9a-f]{7,40}\b")


def _share(pattern: str) -> Callable[[str], float]:
    compiled = re.compile(pattern)
    return lambda text: len(compiled.findall(text)) / max(1, len(text))


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _entropy(text: str) -> float:
    """Bits a character of the text's own character distribution."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) if text else 0.0


def _repeated(text: str) -> float:
    lines = [line for line in _lines(text) if line.strip()]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def _exit_code(text: str) -> float:
    found = _EXIT.search(text)
    return 0.0 if found is None else 1.0 + min(int(found.group(1)), 255) / 255


LENGTH: dict[str, Callable[[str], float]] = {
    "characters (log)": lambda text: math.log1p(len(text)),
    "lines (log)": lambda text: math.log1p(text.count("\n")),
}
"""The length-only baseline: what a judge could tell without reading."""

SHAPE: dict[str, Callable[[str], float]] = {
    **LENGTH,
    "longest line (log)": lambda text: math.log1p(max(map(len, _lines(text)))),
    "mean line (log)": lambda text: math.log1p(len(text) / (text.count("\n") + 1)),
    "digits, share": _share(r"\d"),
    "capitals, share": _share(r"[A-Z]"),
    "punctuation, share": _share(r"[^\w\s]"),
    "white space, share": _share(r"\s"),
    "non-ASCII, share": _share(r"[^\x00-\x7f]"),
    "entropy, bits a character": _entropy,
    "blank lines, share": lambda text: sum(not line.strip() for line in _lines(text)) / len(_lines(text)),
    "repeated lines, share": _repeated,
    "indented lines, share": lambda text: sum(line[:1] in (" ", "\t") for line in _lines(text)) / len(_lines(text)),
    "trailing blanks, lines": lambda text: math.log1p(sum(line != line.rstrip() for line in _lines(text))),
    "final newline": lambda text: float(text.endswith("\n")),
    "leading blank": lambda text: float(text[:1].isspace()),
    "empty": lambda text: float(not text.strip()),
    "truncation marks": lambda text: math.log1p(len(_TRUNCATED.findall(text))),
    "words of failure": lambda text: math.log1p(len(_FAILED.findall(text))),
    "exit code shown": _exit_code,
    "times and dates": lambda text: math.log1p(len(_CLOCK.findall(text))),
    "round numbers": lambda text: math.log1p(len(_ROUND.findall(text))),
    "sentences of prose": lambda text: math.log1p(len(_PROSE.findall(text))),
    "hashes": lambda text: math.log1p(len(_HASH.findall(text))),
}
"""Shape features by name; each maps a text to a finite number."""
