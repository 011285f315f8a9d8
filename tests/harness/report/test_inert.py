"""Trace text made safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.inert import inert, shorten


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain text\n\twith lines", "plain text\n\twith lines"),
        ("\x1b[31mred\x1b[0m and \x1b[1;4mbold", "red and bold"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("user\u202etxt.exe", "user⟨U+202E⟩txt.exe"),
        ("a\u2066b\u2069c\u200bd", "a⟨U+2066⟩b⟨U+2069⟩c⟨U+200B⟩d"),
        ("bell\x07 nul\x00 del\x7f", "bell⟨U+0007⟩ nul⟨U+0000⟩ del⟨U+007F⟩"),
        ("half \ud83d pair", "half ⟨U+D83D⟩ pair"),
        ("one\r\ntwo\rover", "one\ntwo␍over"),
        ("\x1b alone", "⟨U+001B⟩ alone"),
        ("\x1b[999", "⟨U+001B⟩[999"),
        ("ünïcödé 漢字 🙂", "ünïcödé 漢字 🙂"),
    ],
)
def test_what_could_act_is_removed_or_named(hostile, shown):
    assert inert(hostile) == shown


@given(st.text(st.characters(), max_size=60))
def test_nothing_that_acts_is_left(text):
    left = {unicodedata.category(c) for c in inert(text) if c not in "\n\t"}
    assert not left & {"Cc", "Cf", "Cs", "Co"}
    inert(text).encode("utf-8")


def test_a_long_text_says_how_much_is_left_out():
    assert shorten("abcdef", 4) == ("abcd", 2)
    assert shorten("abcd", 4) == ("abcd", 0)
