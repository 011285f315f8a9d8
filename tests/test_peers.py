"""The pure parts of the comparison with other simulators of tools (`benchmarks/peers.py`)."""

from __future__ import annotations

import json

import pytest

from tests.programs import benchmark

peers = benchmark("peers")
PREFIX = [
    {"role": "user", "content": "look at the file\nand mend the median of it"},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "Read", "arguments": "{}"}}]},
    {"role": "tool", "content": "     1→def median(values):\n     2→    return middle_of(values)\n     3→}"},
    {"role": "assistant", "content": "Done."},
    {"role": "user", "content": "now add a changelog line"},
]


def asked(*keys: str) -> dict[str, object]:
    """The candidate's request after calls with these keys."""
    messages = list(PREFIX)
    for key in keys:
        arguments = json.dumps({"command": f"./check.sh --part 0 --key {key}"})
        call = {"function": {"name": "Bash", "arguments": arguments}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": f"out {key}"},
        ]
    return {"model": "candidate", "messages": messages}


def told(*texts: str) -> dict[str, object]:
    """A simulator's request."""
    return {"model": "simulator", "messages": [{"role": "user", "content": text} for text in texts]}


def rollout(*simulated: dict[str, object]) -> list[dict[str, object]]:
    """Requests of a rollout with the calls a, b, ... in the order of their being sent."""
    keys = [f"000{n}" for n in range(len(simulated))]
    found = [asked()]
    for n, body in enumerate(simulated):
        found += [body, asked(*keys[: n + 1])]
    return found


def test_a_request_without_history_holds_nothing_of_it():
    found = peers.evidence(rollout(told("run --key 0000"), told("run --key 0001")))

    assert found == ("0 %", "0 %", "0 %")


def test_the_call_before_the_users_message_and_recorded_lines_are_found_where_they_stand():
    everything = told("now add a changelog line", "def median(values):", "return middle_of(values)", "--key 0000")
    some = told("return middle_of(values)", "--key 0001")

    assert peers.evidence(rollout(everything, some)) == ("0 %", "50 %", "75 %")
    assert peers.evidence(rollout(some, everything)) == ("100 %", "50 %", "75 %")


def test_rollouts_are_told_apart_by_a_request_that_ends_with_a_users_message():
    one = rollout(told("x"), told("y"))
    found = list(peers.rollouts_of([*one, *rollout(told("z"))]))

    assert [(len(ours), len(theirs)) for ours, theirs in found] == [(3, 2), (2, 1)]


def test_a_call_without_a_request_to_the_simulator_is_no_figure():
    with pytest.raises(SystemExit, match="1 calls but 2 requests"):
        peers.evidence([asked(), told("x"), told("x again"), asked("0000")])


def test_text_in_parts_is_read_as_text_in_one():
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]}

    assert peers.text_of(body) == "a\nb"


def run(calls: int, seconds: float, cpu: float) -> dict[str, object]:
    stats = {
        "prompt bytes simulator": 8_000,
        "requests simulator": 4,
        "prompt bytes candidate": 9,
        "requests candidate": 9,
    }
    return {"calls": calls, "seconds": seconds, "cpu": cpu, "memory": 1.0, "version": "v", "stats": stats}


def test_rows_set_a_leg_beside_ours():
    peer = peers.PEERS["langchain"]

    cells = peers.speed_row(peer, run(4, 4.0, 0.08), run(8, 2.0, 0.08))
    assert cells[2:7] == ["4", "1.0", "20.0", "4.00", "2.00"]
    assert peers.prompt_row(peer, run(4, 4.0, 0.08), ("a", "b", "c"))[1:] == [
        "1.00", "2,000", "500", "1", "a", "b", "c",
    ]  # fmt: skip


def test_the_middle_leg_is_that_of_the_middle_rate_with_the_middle_processor_time():
    found = peers.middle([run(4, 1.0, 0.3), run(4, 3.0, 0.1), run(4, 2.0, 0.2)])

    assert (found["seconds"], found["cpu"]) == (2.0, 0.2)


def test_an_environment_is_ready_only_in_full_and_for_the_same_packages(tmp_path):
    packages = peers.PEERS["inspect"].packages
    assert not peers.is_ready(tmp_path, packages)

    (tmp_path / ".ready").write_text("\n".join(packages))
    assert peers.is_ready(tmp_path, packages)
    assert not peers.is_ready(tmp_path, packages[:1])
