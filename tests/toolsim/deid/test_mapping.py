"""The two-way map: nothing known leaves, everything comes back, and no stand-in is taken for a text's own word."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolsim.deid.detect import find
from toolsim.deid.found import Found
from toolsim.deid.mapping import NATIVE, SessionMap

ALICE = "cd /Users/alice/proj; ls -l: alice staff; Alice said; alice2 malice ALICE_HOME=1 \\nalice %2Falice"


def learnt(*texts, space="s"):
    made = SessionMap(space)
    made.learn([one for text in texts for one in find(text)], texts)
    return made


def test_a_name_is_replaced_wherever_it_stands_and_never_inside_of_a_word():
    made = learnt(ALICE)
    name = next(entry.surrogate for entry in made.entries if entry.value == "alice")
    scrubbed = made.scrub(ALICE)
    assert scrubbed == (
        f"cd /Users/{name}/proj; ls -l: {name} staff; {made.scrub('Alice')} said; alice2 malice"
        f" {made.scrub('ALICE')}_HOME=1 \\n{name} %2F{name}"
    )
    assert made.restore(scrubbed) == ALICE
    assert made.scrub("Alice").lower() != "alice" != made.scrub("ALICE").lower()


def test_a_name_that_is_a_word_is_replaced_only_where_it_is_an_account():
    text = "cd /home/entity/x; class entity: -rw-r--r-- 1 entity staff 2 entity@box:~$ ~entity \\\\Users\\\\entity"
    made = learnt("/home/entity/x")
    name = made.entries[0].surrogate
    scrubbed = made.scrub(text)
    assert scrubbed == text.replace("entity", name).replace(f"class {name}", "class entity")
    assert made.restore(scrubbed) == text


def test_a_stand_in_that_a_text_has_of_its_own_is_replaced_too():
    made = learnt("/home/soph/x")
    name = made.entries[0].surrogate
    text = f"/home/soph/x /home/{name}/y"
    assert made.restore(made.scrub(text)) != text
    new = made.learn([], [text])
    assert [entry.kind for entry in new] == [NATIVE]
    assert made.restore(made.scrub(text)) == text
    assert made.scrub(text).count(name) == 1


def test_a_new_stand_in_never_occurs_in_the_texts_at_hand():
    taken = learnt("/home/soph/x").entries[0].surrogate
    other = learnt("/home/soph/x", f"{taken} is here")
    assert other.entries[0].surrogate != taken


def test_the_same_texts_give_the_same_map_and_other_sessions_others():
    assert learnt(ALICE).entries == learnt(ALICE).entries
    assert learnt(ALICE).entries != learnt(ALICE, space="other").entries


@pytest.mark.parametrize(("kind", "value", "keep"), [
    ("token", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", 4), ("secret", "Tr0ub4dor+3/x", 0),
    ("card", "4012 8888 8888 1881", 0), ("private_key", "MIIEowIBAAKCAQEAx4UbaDzY==", 0),
])  # fmt: skip
def test_a_secret_keeps_its_shape_and_nothing_else(kind, value, keep):
    made = SessionMap("s")
    (entry,) = made.learn([Found(kind, value, keep)], [value])
    assert len(entry.surrogate) == len(value)
    assert entry.surrogate[:keep] == value[:keep]
    assert [c.isalnum() for c in entry.surrogate] == [c.isalnum() for c in value]
    same = sum(a == b for a, b in zip(entry.surrogate[keep:], value[keep:], strict=True))
    assert same < len(value) / 2


_WORDS = st.sampled_from([
    "alice", "Alice", "soph", "/home/soph/", "/Users/alice/", "\\n", "\\\\", " ", "\n", "jane@corp.io", "%40", "%2F",
    "user417", "User417", "mail417@mail.example", "10.20.30.40", "198.18.3.4", ":", "/", "_", "-", ".", "x", "7", "@",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "\x1b[32m", "Author: Jane Doe <", ">", "entity", "/home/entity", "é",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(_WORDS, max_size=14).map("".join), min_size=1, max_size=4), st.randoms())
def test_scrubbing_and_restoring_is_the_identity(texts, random):
    made = SessionMap("s")
    made.learn([one for text in texts for one in find(text)], texts)
    # stand-ins of the map itself, glued into the texts
    names = [entry.surrogate for entry in made.entries]
    mixed = [text + random.choice(["", " ", "-", "\\n"]) + random.choice(names or [""]) for text in texts]
    made.learn([one for text in mixed for one in find(text)], mixed)
    for text in (*texts, *mixed):
        assert made.restore(made.scrub(text)) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(_WORDS, max_size=14).map("".join))
@example("mail417@mail.example:/home/soph/jane@corp.io")
def test_what_was_found_does_not_stand_in_what_leaves(text):
    made = learnt(text)
    scrubbed = made.scrub(text)
    for found in find(text):
        if not found.word and found.value not in {e.surrogate for e in made.entries}:
            assert made.scrub(scrubbed).count(found.value) == scrubbed.count(found.value)
