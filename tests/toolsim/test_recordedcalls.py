"""Texts in blocks, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolsim.recordedcalls import in_blocks, lines_of, squeezed

LONG = 32 << 10


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.integers(1, 3 * LONG).map(bytes)), max_size=30))
def test_texts_come_out_of_their_blocks_in_order(made):
    texts = [text.replace(b"\n", b" ") for text in made]
    blocks = in_blocks(texts)
    assert [text for block in squeezed(blocks) for text in lines_of(block)] == texts
    assert all(block for block in blocks)


def test_a_long_text_has_a_block_of_its_own():
    short, long = b"x" * 40, b"y" * (LONG + 1)
    assert in_blocks([short, short, long, short]) == [[short, short], [long], [short]]


def test_a_block_has_no_more_texts_than_a_place_can_name():
    assert [len(block) for block in in_blocks([b""] * 5_000)] == [4_096, 904]
