"""The words of calls and results as the lexical index of the pair database has them. Pure."""

from __future__ import annotations

import functools
import hashlib
import re
from itertools import chain

LONGEST = 80
"""Longer words are left out."""
_RESPONSE_HEAD = 4_000
_RESPONSE_TAIL = 1_000
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")
_WORDS = re.compile(r"[^\W_](?:[\w.:/@+=%~-]*\w)?|--?[A-Za-z](?:[\w-]*\w)?|\w+")
_ASCII_WORDS = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9_.:/@+=%~-]*[A-Za-z0-9_])?|--?[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?|[A-Za-z0-9_]+"
)  # the same on ASCII, in half the time
_SEPARATED = re.compile(r"[^\W_]+")


def terms(text: str) -> list[str]:
    """The words of a command, path or code: each run without white space or quotes as a whole (a path, a flag, a test
    id) and, if it has several, its parts of two letters and more, split at punctuation and at changes of case. All in
    lower case.
    """
    return list(chain.from_iterable(map(_forms, _found(text))))


def spelled(text: str) -> str:
    """The words of a text, a space between them."""
    return " ".join(filter(None, map(_spelled, _found(text))))


def text_number(words: str) -> int:
    """Names a text by its words."""
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")


def excerpt(text: str) -> str:
    """The ends of a result, without halves of surrogate pairs, which tantivy does not take."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= _RESPONSE_HEAD + _RESPONSE_TAIL:
        return text
    return f"{text[:_RESPONSE_HEAD]} {text[-_RESPONSE_TAIL:]}"


def _found(text: str) -> list[str]:
    found: list[str] = (_ASCII_WORDS if text.isascii() else _WORDS).findall(text)
    return found


@functools.lru_cache(maxsize=1 << 16)
def _spelled(word: str) -> str:
    return " ".join(_forms(word))


@functools.lru_cache(maxsize=1 << 14)
def _forms(word: str) -> tuple[str, ...]:
    if len(word) <= LONGEST and word.isascii() and word.isalpha() and word.islower():
        return (word,)
    whole = word.lower()
    found = [whole] if len(whole) <= LONGEST else []
    pieces = [part for part in _SEPARATED.findall(word) if 1 < len(part) <= LONGEST]
    found.extend(part.lower() for part in pieces if part.lower() != whole)
    for part in pieces:
        humps = _PIECES.findall(part)
        if len(humps) > 1:
            found.extend(hump.lower() for hump in humps)
    return tuple(found)
