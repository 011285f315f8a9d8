"""Variants of a pair set: without the scaffold's own text, or of like lengths only. Pure.

What a variant does is done to both sides by one function, so it can favour neither. See docs/methods.md, "Pairs".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from typing import Literal, TypeAlias

from harness.discriminator.pairs import Pair

Variant: TypeAlias = Literal["plain", "stripped", "matched"]

BAND = 0.8
"""Lengths match where the shorter side has at least this share of the longer one's characters."""
SLACK = 8
"""Characters by which lengths may differ whatever their ratio."""

_BLOCKS = re.compile(r"\n*<system-reminder>.*?</system-reminder>\n?", re.DOTALL)
_WARNINGS = re.compile(r"<warning>.*?</warning>\n?|<elided_chars>.*?</elided_chars>\n?", re.DOTALL)
_TAGS = re.compile(r"</?(?:output|output_head|output_tail)>\n?")
_LINES = re.compile(
    r"""(?mix)^(?:
      exit\ code:?\ -?\d+ | process\ exited\ with\ code\ -?\d+ | process\ running\ with\ session\ id\ \S+
    | <returncode>-?\d+</returncode> | <exited\ with\ exit\ code\ -?\d+> | <shellid:\ .* | <command\ with\ shellid:?\ .*
    | \[the\ command\ completed\ with\ exit\ code\ -?\d+\.\] | \[command\ finished\ with\ exit\ code\ -?\d+\]
    | \[current\ working\ directory:\ .*\] | \[python\ interpreter:\ .*\] | shell\ cwd\ was\ reset\ to\ .*
    | \(open\ file:\ .*\) | \(current\ directory:\ .*\) | bash-\$ | \[file:\ .*\ \(\d+\ lines\ total\)\]
    | chunk\ id:\ .* | wall\ time:\ [\d.]+\ seconds | original\ token\ count:\ \d+
    | total\ output\ lines:\ \d+ | output:
    | process\ group\ pgid:\ .* | background\ pids:\ \(none\) | signal:\ (?:0|\(none\)) | error:\ \(none\)
    | \(\d+\ more\ lines\ (?:above|below)\)
    | warning:\ truncated\ output\ \(original\ token\ count:\ \d+\)
    | [\[(<.…\ ]*(?:\d+\ (?:more\ )?(?:lines|characters|chars|tokens|bytes)|output|results?(?:\ are)?|response)
      \ (?:truncated|clipped|omitted|elided|left\ out)\b.*
    | …\ \+\d+\ lines.*
    )[ \t]*(?:\n|\Z)"""
)
_INLINE = re.compile(r"…\d+ tokens truncated…|\.\.\. ?\[\d+ (?:lines|characters|chars) (?:truncated|omitted)\] ?\.\.\.")
_GUTTER = re.compile(r"[ \t]*(\d+)(→|\t|:)")


def variants_of(pairs: Iterable[Pair], variant: Variant) -> tuple[Pair, ...]:
    """The pairs as the variant has them, marked with its name; `plain` gives them back as they are.

    `stripped`: `strip_scaffold` on both sides. `matched`: the subset of the pairs whose lengths match, texts as they
    are.
    """
    if variant == "stripped":
        return tuple(stripped(pair) for pair in pairs)
    if variant == "matched":
        return tuple(_marked(pair, variant) for pair in pairs if matched(pair))
    return tuple(pairs)


def stripped(pair: Pair) -> Pair:
    """The pair with the scaffold's own text taken from both sides by the same function."""
    bare = replace(pair, recorded=strip_scaffold(pair.recorded), simulated=strip_scaffold(pair.simulated))
    return _marked(bare, "stripped")


def matched(pair: Pair) -> bool:
    """Whether the two sides are of like length: within `SLACK` characters or the ratio `BAND`."""
    short, long = sorted((len(pair.recorded), len(pair.simulated)))
    return long - short <= SLACK or short >= BAND * long


def strip_scaffold(text: str) -> str:
    """A result without reminders, gutters of line numbers, lines of directory and exit code, and truncation notes.

    Labelled lines go whole; results in JSON stay as they are.
    """
    text = _TAGS.sub("", _WARNINGS.sub("", _BLOCKS.sub("", text)))
    return _without_gutter(_INLINE.sub("", _LINES.sub("", text)))


def _without_gutter(text: str) -> str:
    """Runs of lines that are numbered one by one lose their numbers; an arrow is a gutter also on a single line."""
    lines = text.split("\n")
    found = [_GUTTER.match(line) for line in lines]
    keys = [(at - int(m[1]), m[2]) if m else None for at, m in enumerate(found)]
    out: list[str] = []
    for key, group in groupby(range(len(lines)), key=lambda at: keys[at]):
        places = list(group)
        numbered = key is not None and (len(places) > 1 or key[1] == "→")
        for at in places:
            match = found[at]
            out.append(lines[at][match.end() :] if numbered and match else lines[at])
    return "\n".join(out)


def _marked(pair: Pair, variant: Variant) -> Pair:
    origin = pair.origin
    both = f"{origin.variant}+{variant}" if origin.variant else variant
    return replace(pair, origin=replace(origin, variant=both))
