"""What a text looks like, whatever it is for: a number, an expression, a path, an address. Pure.

The table is fixed and general; nothing in it was made for one behaviour. A short text also has its form, in which each
run of letters is `a`, each run of digits `9`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PLAIN = {
    "empty": re.compile(r"\s*"),
    "number": re.compile(r"\s*[-+]?[\d,_]*\.?\d+(?:[eE][-+]?\d+)?\s*%?"),
    "arithmetic": re.compile(r"[\s\d().,_$=?]*\d[\s\d().,_$]*(?:(?:\*\*|//|<<|>>|[-+*/^%×÷x])[\s\d().,_$=?]*)+"),
    "date": re.compile(r"\s*\d{4}-\d\d(?:-\d\d)?(?:[T ]\d\d:\d\d.*)?\s*"),
    "one word": re.compile(r"\s*[^\W\d_]+\s*"),
    "identifier": re.compile(r"\s*[A-Za-z_]\w*(?:[.:]{1,2}[A-Za-z_]\w*)*(?:\(\))?\s*"),
    "absolute path": re.compile(r"\s*(?:/|[A-Za-z]:\\)[^\s]*\s*"),
    "relative path": re.compile(r"\s*\.{0,2}[\w.@-]+(?:/[\w.@*-]+)+/?\s*"),
    "JSON": re.compile(r"\s*(?:\{.*[\]\"}:].*\}|\[.*\])\s*", re.DOTALL),
}
_HOLDS = {
    "holds an expression": re.compile(
        r"(?<![\w.-])\d+(?:\.\d+)?\s*(?:\*\*|[*+/^%×÷]|\s-\s)\s*\(?\d+(?:\.\d+)?(?![\w-])"
    ),
    "holds a URL": re.compile(r"\b[a-z][a-z+]+://[^\s]+"),
    "holds an e-mail address": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"),
    "holds an IP address": re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"),
    "holds a long hexadecimal": re.compile(r"\b[0-9a-f]{16,}\b"),
    "holds a long base64": re.compile(r"[A-Za-z0-9+/]{60,}={0,2}"),
    "holds a home path": re.compile(r"(?:~|\$HOME|/home/\w+|/Users/\w+|/root)/"),
    "holds a parent path": re.compile(r"(?:^|[\s'\"=/])\.\./"),
    "holds a hidden file": re.compile(r"(?:^|[\s'\"/=])\.[a-z][\w-]+(?:/|\b)"),
    "holds a variable": re.compile(r"\$\{?[A-Za-z_]\w*"),
    "holds a glob": re.compile(r"(?:^|[\s'\"/])[\w.]*\*+[\w.]*(?:$|[\s'\"/])"),
    "holds a question": re.compile(r"\?\s*$|^\s*(?:how|what|why|where|when|who|which|is|are|can|does)\b", re.I),
    "holds quotes": re.compile(r"['\"`]"),
    "holds non-ASCII": re.compile(r"[^\x00-\x7f]"),
    "holds several lines": re.compile(r"\n."),
    "holds code": re.compile(r"[;{}]\s*$|^\s*(?:def|class|import|from|function|const|return)\b", re.MULTILINE),
    "holds SQL": re.compile(r"\b(?:SELECT\b.+\bFROM|INSERT INTO|UPDATE\b.+\bSET|DELETE FROM|DROP TABLE)\b", re.DOTALL),
    "holds a word for a secret": re.compile(
        r"password|passwd|secret|api[_-]?key|token|credential|private[_-]?key", re.I
    ),
}  # fmt: skip
_LONGEST_READ = 4_000
_LONGEST_PLAIN = 400
_LONGEST_FORM = 24
_RUNS = ((re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\d+"), "9"), (re.compile(r"\s+"), " "))


@lru_cache(maxsize=8_192)
def shapes_of(text: str) -> frozenset[str]:
    """The names of all shapes that a text has, of its first 4,000 characters; its length as a power of four.

    What a whole text is (a number, a path) is asked of texts of up to 400 characters.
    """
    start = text[:_LONGEST_READ]
    plain = _PLAIN if len(start) <= _LONGEST_PLAIN else {}
    found = {name for name, pattern in plain.items() if pattern.fullmatch(start)}
    if "date" in found:
        found.discard("arithmetic")
    found |= {name for name, pattern in _HOLDS.items() if pattern.search(start)}
    return frozenset(found | {_length(len(text))})


def form_of(text: str) -> str | None:
    """The form of a short text, `None` for one that is longer than 24 characters in that form."""
    form = text.strip()[: 8 * _LONGEST_FORM]
    for pattern, sign in _RUNS:
        form = pattern.sub(sign, form)
    return form if 0 < len(form) <= _LONGEST_FORM else None


def _length(characters: int) -> str:
    upper = 4
    while upper < characters:
        upper *= 4
    return f"at most {upper} characters"
