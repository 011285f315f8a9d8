"""Each named tell is found where it was planted, and not in a result that is the record."""

from __future__ import annotations

import pytest

from harness.discriminator.catalogue import Moment, tells_of

RECORDED = "\n".join(f"{n}: line number {n} of the file" for n in range(1, 12)) + "\n"


def names(recorded: str, simulated: str, action: str = "Bash(cat notes.txt)", **facts: object) -> set[str]:
    return {tell.name for tell, _ in tells_of(Moment(action, recorded, simulated, **facts))}


def test_the_record_itself_has_no_tell():
    assert names(RECORDED, RECORDED) == set()


@pytest.mark.parametrize(
    ("simulated", "tell"),
    [
        ("Here is the output of the command:\n" + RECORDED, "explanatory prose"),
        (RECORDED.rstrip("\n"), "final newline"),
        (RECORDED[:80] + "\n... (truncated for brevity)\n", "cut for brevity"),
        (RECORDED + "contact john.doe@example.com\n", "textbook names"),
        ("{\"stdout\": \"a\", \"exit_code\": 0}", "JSON for text"),
        ("", "silence"),
    ],
)  # fmt: skip
def test_a_planted_tell_is_named(simulated, tell):
    assert tell in names(RECORDED, simulated)


def test_a_silent_command_that_talks_and_another_exit_code():
    assert "silent command talks" in names("", "Done.\n")
    assert "exit code or error flag" in names("a\n", "b\n", recorded_error=False, simulated_error=True)
