from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from toolsim.trajectory import (
    Compaction,
    Message,
    Prefix,
    Repository,
    Rewind,
    Session,
    ToolCall,
    ToolDefinition,
    ToolResult,
    Trajectory,
    Turn,
    call_pairs,
    canonical_json,
    content_hash,
    dump_trajectory,
    effects,
    last_time,
    load_trajectory,
    model_view,
    split,
    steps,
    turns,
)

SESSION = Session(id="s", agent="claude-code", format="claude-code", lineage="l", started_at=1.0, cwd="/start")


def user(text="go", **fields):
    return Message("user", text, "user", **fields)


def harness(text="note", role="user", **fields):
    return Message(role, text, "harness", **fields)


def agent(*calls, text="", **fields):
    return Message("assistant", text, "agent", calls=tuple(ToolCall(c, "Bash") for c in calls), **fields)


def tool(call, content="out", **fields):
    return Message("tool", origin="tool", result=ToolResult(call, content), **fields)


def trajectory(*items, autonomous=False):
    return Trajectory(replace(SESSION, autonomous=autonomous), tuple(items))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.none() | st.floats(0, 2e9)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)


@st.composite
def messages(draw, number):
    kind = draw(st.sampled_from(["user", "agent", "tool", "harness", "demonstration"]))
    at = draw(TIMES)
    if kind == "user":
        return user(draw(st.text()), at=at, cwd=draw(st.none() | st.text()), extra=draw(OBJECTS))
    if kind == "harness":
        return harness(draw(st.text()), draw(st.sampled_from(["user", "system"])), at=at)
    if kind == "demonstration":
        return Message("assistant", draw(st.text()), "harness", at=at)
    if kind == "tool":
        call = f"c{draw(st.integers(0, max(0, number - 1)))}.0"
        result = ToolResult(
            call, draw(st.text()), structured=draw(JSON), exit_code=draw(st.none() | st.integers(0, 255))
        )
        return Message("tool", origin="tool", result=result, at=at)
    calls = tuple(
        ToolCall(f"c{number}.{place}", draw(st.text()), draw(OBJECTS), draw(st.none() | st.text()))
        for place in range(draw(st.integers(0, 2)))
    )
    return Message("assistant", draw(st.text()), "agent", draw(st.none() | st.text()), calls, at=at)


@st.composite
def trajectories(draw):
    items = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["message"] * 6 + ["compaction", "rewind"]))
        if kind == "message":
            items.append(draw(messages(number)))
        elif kind == "compaction":
            items.append(Compaction(tuple(draw(messages(number)) for _ in range(draw(st.integers(0, 2)))), draw(TIMES)))
        else:
            items.append(Rewind(draw(st.integers(0, max(0, number - 1)))))
    session = Session(
        id=draw(st.text()), agent="codex", format="codex", lineage=draw(st.text()), autonomous=draw(st.booleans()),
        repository=Repository(draw(st.none() | st.text()), None, "b"), started_at=draw(TIMES),
        tools=(ToolDefinition("t", "d", draw(OBJECTS)),), metadata=draw(OBJECTS),
    )  # fmt: skip
    return Trajectory(session, tuple(items), draw(OBJECTS))


@given(trajectories())
def test_what_was_dumped_is_loaded_again(value):
    assert load_trajectory(dump_trajectory(value)) == value


@given(trajectories())
def test_prefix_and_reference_of_every_step_make_the_turn_again(value):
    for turn in turns(value):
        for step, at in enumerate(steps(value, turn)):
            prefix, reference = split(value, turn, step)
            assert prefix.items + reference.items == value.items[: turn.end]
            assert len(prefix.items) == at
            assert isinstance(reference.items[0], Message)
            assert reference.items[0].origin == "agent"


@given(trajectories())
def test_turns_follow_each_other_and_reach_the_end(value):
    found = turns(value)
    assert [turn.index for turn in found] == list(range(len(found)))
    for turn, following in pairwise(found):
        assert turn.end == following.start
    if found:
        assert found[-1].end == len(value.items)
    assert len(found) <= 1 or not value.session.autonomous


@given(trajectories())
def test_no_call_is_open_where_a_step_may_be_cut(value):
    for turn in turns(value):
        for at in steps(value, turn):
            for pair in call_pairs(value.items[: turn.end]):
                if pair.position < at and pair.result_position is not None and pair.position >= turn.start:
                    assert pair.result_position < at


@given(trajectories())
def test_without_edits_of_the_history_the_model_sees_what_happened(value):
    plain = tuple(item for item in value.items if isinstance(item, Message))
    assert model_view(plain) == effects(plain) == plain


@given(trajectories(), st.integers(0, 12))
def test_the_model_view_after_a_compaction_does_not_depend_on_what_was_before(value, cut):
    after = tuple(item for item in value.items if isinstance(item, Message))
    base = Compaction((user("sum"),))
    assert model_view((*value.items[:cut], base, *after)) == (user("sum"), *after)


def test_a_rewind_hides_what_followed_but_its_effects_stay():
    items = (user("a"), agent("c1"), tool("c1"), Rewind(1), agent(text="b"))
    assert model_view(items) == (items[0], items[4])
    assert effects(items) == (items[0], items[1], items[2], items[4])


def test_a_rewind_before_a_compaction_hides_its_replacement_too():
    assert model_view((user("a"), Compaction((user("sum"),)), agent(text="x"), Rewind(0))) == ()


@pytest.mark.parametrize(
    ("items", "autonomous", "starts"),
    [
        ((), False, []),
        ((harness(), user()), False, [1]),
        ((user(), user(), agent(), user()), False, [0, 3]),
        ((user(), harness(), user(), agent()), False, [0]),
        ((user(), harness(), agent(), harness(), user()), False, [0, 4]),
        ((user(), agent(), user(), agent()), True, [0]),
        ((harness(), agent(), agent()), True, [1]),
        ((Message("assistant", "demo", "harness"), agent()), True, [1]),
        ((harness(),), True, []),
    ],
)
def test_a_turn_starts_at_the_first_of_a_run_of_typed_messages(items, autonomous, starts):
    assert [turn.start for turn in turns(trajectory(*items, autonomous=autonomous))] == starts


def test_steps_stand_where_no_call_of_the_turn_is_open():
    value = trajectory(
        user(),
        agent("a", "b"),
        tool("b"),
        agent("c"),
        tool("a"),
        tool("c"),
        Message("assistant", "x", "harness"),
        agent(),
    )
    (turn,) = turns(value)
    assert steps(value, turn) == (1, 7)
    with pytest.raises(ValueError, match="there is no step 2"):
        split(value, turn, 2)


def test_a_late_result_is_paired_and_a_second_one_is_not():
    items = (agent("a"), agent("b"), tool("b", "B"), tool("a", "A"), tool("a", "again"))
    pairs = list(call_pairs(items))
    assert [(p.call.id, p.result.content, p.position, p.result_position) for p in pairs] == [
        ("a", "A", 0, 3),
        ("b", "B", 1, 2),
    ]
    assert [p.result for p in call_pairs(items[:1])] == [None]


def test_a_prefix_knows_its_moment_and_its_directory():
    items = (user(at=5.0, cwd="/a"), agent(at=9.0, cwd="/b"), harness())
    prefix = Prefix(SESSION, items, 0)
    assert (prefix.as_of, prefix.cwd) == (9.0, "/b")
    assert (Prefix(SESSION, (), 0).as_of, Prefix(SESSION, (), 0).cwd) == (1.0, "/start")
    assert last_time(()) is None


def test_the_cut_is_within_the_turn_only():
    value = trajectory(user(), agent(text="1"), user(), agent(text="2"))
    prefix, reference = split(value, turns(value)[0])
    assert prefix.items == value.items[:1]
    assert reference.items == value.items[1:2]
    assert turns(value)[1] == Turn(1, 2, 4)


@given(OBJECTS)
def test_equal_values_have_one_canonical_text_and_hash(value):
    other = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(other)
    assert content_hash(value) == content_hash(other)


def test_what_is_no_trajectory_is_not_loaded():
    with pytest.raises(ValidationError):
        load_trajectory(b'{"session": {}}')
