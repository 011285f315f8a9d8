"""Planted fakes of rising subtlety: recorded results with one known fault, to see what a judge can catch.

Each fault is a tell seen in the wild. A fake differs from the recorded result in that fault alone, so whoever tells
it apart has seen the fault. Pure; a fault that does not apply to a text gives `None`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.discriminator.pairs import Pair
from toolsim.seeds import derive_seed

Fault = Callable[[str, random.Random], "str | None"]


@dataclass(frozen=True, slots=True)
class Fake:
    """A kind of fault. `subtlety` is 1 (anyone sees it), 2 (needs reading) or 3 (needs the history)."""

    name: str
    subtlety: int
    fault: Fault


def explanatory_prose(text: str, _: random.Random) -> str | None:
    """The simulator talks about its output."""
    return f"Here is the output of the command:\n\n{text}\n\nThis shows the result of running the command as requested."


def wrapped_in_json(text: str, _: random.Random) -> str | None:
    """JSON where the tool prints text."""
    return json.dumps({"stdout": text, "stderr": "", "exit_code": 0}) if text.strip() else None


def cut_for_brevity(text: str, _: random.Random) -> str | None:
    """The rest is left out with a remark."""
    lines = text.splitlines()
    return "\n".join([*lines[: max(3, len(lines) // 4)], "... (truncated for brevity)"]) if len(lines) >= 8 else None


def example_names(text: str, rng: random.Random) -> str | None:
    """Names and addresses from a text book."""
    words = re.findall(r"\b[a-z_]{5,}\b", text)
    if len(words) < 6:
        return None
    for word in rng.sample(sorted(set(words)), k=min(3, len(set(words)))):
        text = text.replace(word, rng.choice(["example", "foo_bar", "john_doe", "your_function"]))
    return text


def line_numbers_off_by_one(text: str, _: random.Random) -> str | None:
    """Every line number is one too high."""
    shifted, count = re.subn(r"(?m)^(\s*(?:[\w./-]+:)?)(\d+)([:\t→-])", lambda m: f"{m[1]}{int(m[2]) + 1}{m[3]}", text)
    return shifted if count >= 3 else None


def wrong_count(text: str, rng: random.Random) -> str | None:
    """A total does not agree with what is listed."""
    found = list(
        re.finditer(r"\b(\d+)(?= (?:passed|failed|files?|matches|insertions?|deletions?|errors?|warnings?))", text)
    )
    if not found:
        return None
    match = rng.choice(found)
    return text[: match.start()] + str(int(match[1]) + rng.randint(2, 9)) + text[match.end() :]


def impossible_hash(text: str, rng: random.Random) -> str | None:
    """A commit hash with letters that no hash has, or of a text book."""
    match = re.search(r"\b[0-9a-f]{7,40}\b", text)
    if match is None or match[0].isdigit():
        return None
    fake = "".join(rng.choice("0123456789") for _ in match[0]) if len(match[0]) < 10 else ("abcdef1234567890" * 3)
    return text.replace(match[0], fake[: len(match[0])])


def shuffled_listing(text: str, rng: random.Random) -> str | None:
    """The lines of a listing in another order."""
    lines = text.splitlines()
    if len(lines) < 5 or any(len(line) > 160 for line in lines):
        return None
    shuffled = lines[:]
    rng.shuffle(shuffled)
    return "\n".join(shuffled) if shuffled != lines else None


def canned_refusal(_: str, __: random.Random) -> str | None:
    """A failure of the simulator that became a result."""
    return "I'm sorry, but I cannot execute this command in the current environment."


def labelled_streams(text: str, _: random.Random) -> str | None:
    """Both streams named, as no terminal does."""
    return f"stdout:\n{text}\nstderr:\n(empty)" if text.strip() else None


def silent_command_talks(text: str, _: random.Random) -> str | None:
    """A command that says nothing on success reports it."""
    return "Command executed successfully." if not text.strip() else None


def host_path(text: str, _: random.Random) -> str | None:
    """A path of the simulating machine instead of the session's."""
    found = re.search(r"(?<![\w.])/(?:home|Users|root|testbed|workspace)/[\w.-]+", text)
    return None if found is None else text.replace(found[0], "/tmp/sandbox-7f3a/rootfs")


def round_durations(text: str, _: random.Random) -> str | None:
    """Durations without decimals that matter."""
    rounded, count = re.subn(r"\b(\d+)\.\d*[1-9]\d*(?= ?(?:s|ms|seconds?|secs?)\b)", r"\1.00", text)
    return rounded if count else None


def later_date(text: str, _: random.Random) -> str | None:
    """Dates after the session's own time."""
    moved, count = re.subn(r"\b20[12]\d(?=-\d\d-\d\d\b)", "2031", text)
    return moved if count else None


def too_clean(text: str, _: random.Random) -> str | None:
    """Warnings and notices are gone."""
    lines = text.split("\n")
    kept = [line for line in lines if not re.search(r"(?i)\b(?:warn(?:ing)?|deprecat\w*|notice|hint|skipp\w*)\b", line)]
    return "\n".join(kept) if len(kept) < len(lines) and any(kept) else None


def missing_final_newline(text: str, _: random.Random) -> str | None:
    """The last line has no end, or one too many."""
    if not text.strip():
        return None
    return text[:-1] if text.endswith("\n") else text + "\n"


FAKES: tuple[Fake, ...] = (
    Fake("explanatory prose", 1, explanatory_prose),
    Fake("wrapped in JSON", 1, wrapped_in_json),
    Fake("cut for brevity", 1, cut_for_brevity),
    Fake("example names", 2, example_names),
    Fake("shuffled listing", 2, shuffled_listing),
    Fake("line numbers off by one", 3, line_numbers_off_by_one),
    Fake("wrong count", 3, wrong_count),
    Fake("impossible hash", 3, impossible_hash),
    Fake("canned refusal", 1, canned_refusal),
    Fake("labelled streams", 1, labelled_streams),
    Fake("silent command talks", 2, silent_command_talks),
    Fake("host path", 2, host_path),
    Fake("round durations", 3, round_durations),
    Fake("later date", 3, later_date),
    Fake("too clean", 3, too_clean),
    Fake("missing final newline", 3, missing_final_newline),
)

SUBTLETY: dict[str, int] = {fake.name: fake.subtlety for fake in FAKES}
"""The grade of each kind."""


def plant(pairs: Sequence[Pair], count: int, seed: int) -> tuple[Pair, ...]:
    """About `count` pairs (recorded, fake), kinds in turn, each from another pair where there are enough."""
    planted: list[Pair] = []
    order = sorted(pairs, key=lambda p: derive_seed(seed, "fake", p.id))
    used: set[str] = set()
    while order and len(planted) < count:
        before = len(planted)
        for fake in FAKES:
            made = next((f for p in order if p.id not in used and (f := _faked(p, fake, seed))), None)
            if made is not None and len(planted) < count:
                used.add(made[0])
                planted.append(made[1])
        if len(planted) == before:
            break
    return tuple(planted)


def _faked(pair: Pair, fake: Fake, seed: int) -> tuple[str, Pair] | None:
    text = fake.fault(pair.recorded, random.Random(derive_seed(seed, fake.name, pair.id)))
    if text is None or text == pair.recorded:
        return None
    return pair.id, replace(pair, kind=f"fake:{fake.name}", simulated=text)
