"""deploysim beside other simulators of tools: `python benchmarks/peers.py [--rollouts N] [--flight N] [--peers P,P]`.

The same recorded turns (the fixtures of Claude Code and Codex) are played by deploysim, LangChain's LLM tool
emulator, Inspect AI with a tool that asks a model, and Strands' ToolSimulator: each a process of its own, with as
many rollouts at once, against `fake_endpoint.py` for both the candidate and the simulator. A first, small pass keeps
what each sends to its simulator and looks in it for what a realistic answer needs. Prints Markdown.

The peers live in environments of their own, made on first use (pip must reach a package index). Realism is not
measured here: the endpoint has no model (`peers_realism.py` has a small one). What the prompts hold is what a model
could know.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import fake_endpoint

FIXTURES = ("claude-code", "codex")
ENVIRONMENTS = Path(__file__).parents[1] / "build" / "peers"
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """One row: a program for the peer's own Python and what that needs, or deploysim with these affordances."""

    name: str
    script: str = ""
    packages: tuple[str, ...] = ()
    affordances: str = ""


PEERS = {
    "deploysim": Peer("deploysim", affordances="rollout,repo,calls,connectors"),
    "deploysim-none": Peer("deploysim, no affordances", affordances="none"),
    "langchain": Peer("LangChain LLMToolEmulator", "with_langchain.py", ("langchain>=1,<2", "langchain-openai>=1,<2")),
    "inspect": Peer("Inspect AI, simulated tool", "with_inspect.py", ("inspect-ai>=0.3.285,<0.4", "openai>=3.4,<4")),
    "strands": Peer(
        "Strands ToolSimulator", "with_strands.py",
        ("strands-agents-evals>=1,<2", "strands-agents[openai]>=1,<2"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What one request to a simulator held: the call before (None at the first call), the user's last message, and
    the share of the lines of recorded tool results (None where none was recorded).
    """

    before: bool | None
    asked: bool
    lines: float | None


def text_of(body: Body) -> str:
    """All text of a request's messages."""
    parts = []
    for message in body["messages"]:
        content = message.get("content") or ""
        parts += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return "\n".join(parts)


def rollouts_of(bodies: Sequence[Body]) -> Iterator[tuple[list[Body], list[Body]]]:
    """Requests of the candidate and of the simulator for each rollout, from those of rollouts one after the other."""
    asked: list[Body] = []
    simulated: list[Body] = []
    for body in bodies:
        if body["model"] == "simulator":
            simulated.append(body)
            continue
        if body["messages"][-1]["role"] == "user" and asked:
            yield asked, simulated
            asked, simulated = [], []
        asked.append(body)
    if asked:
        yield asked, simulated


def recorded_lines(messages: Sequence[dict[str, Any]]) -> set[str]:
    """The lines of recorded tool results that say something, without the numbers that a reading tool puts there."""
    found = set()
    for message in messages:
        if message["role"] == "tool":
            said = text_of({"messages": [message]})
            lines = (re.sub(r"^\s*\d+(?:→|\t)", "", line).strip() for line in said.splitlines())
            found |= {line for line in lines if len(line) >= 12}
    return found


def seen(asked: Sequence[Body], simulated: Sequence[Body]) -> list[Seen]:
    """What each request to the simulator held; raises if the rollout has not one request for each call."""
    prefix, after = asked[0]["messages"], asked[-1]["messages"][len(asked[0]["messages"]) :]
    calls = [call["function"]["arguments"] for message in after for call in message.get("tool_calls") or ()]
    if len(calls) != len(simulated):
        raise SystemExit(f"{len(calls)} calls but {len(simulated)} requests to the simulator")
    keys = [re.search(r"--key \w+", call) for call in calls]
    if None in keys:
        raise SystemExit("a call that the endpoint did not write")
    longest = max(text_of({"messages": prefix[-1:]}).splitlines(), key=len).strip()
    lines = recorded_lines(prefix)
    found = []
    for number, body in enumerate(simulated):
        text = text_of(body)
        before = keys[number - 1].group() in text if number else None  # type: ignore[union-attr]
        share = fmean(line in text for line in lines) if lines else None
        found.append(Seen(before, longest in text, share))
    return found


def evidence(bodies: Sequence[Body]) -> tuple[str, str, str]:
    """How many of the simulator's requests held the call before and the user's message, and how much of the record."""
    found = [one for asked, simulated in rollouts_of(bodies) for one in seen(asked, simulated)]
    before = [one.before for one in found if one.before is not None]
    lines = [one.lines for one in found if one.lines is not None]
    shares = (before, [one.asked for one in found], lines)
    if not all(shares):
        raise SystemExit("too few calls to say what the requests held")
    first, second, third = (f"{100 * fmean(share):.0f} %" for share in shares)
    return first, second, third


def is_ready(home: Path, packages: Sequence[str]) -> bool:
    """Whether an environment was made in full, and for these packages."""
    stamp = home / ".ready"
    return stamp.exists() and stamp.read_text("utf-8").splitlines() == list(packages)


def environment(peer: Peer, folder: Path) -> Path:
    """The Python of the peer's environment, made if it is not there or was made for other packages."""
    home = folder / peer.script.removesuffix(".py")
    python = home / "bin" / "python"
    if not is_ready(home, peer.packages):
        print(f"making an environment for {peer.name}", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        install = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", *peer.packages]
        subprocess.run([python, *install], check=True, stdout=sys.stderr)
        (home / ".ready").write_text("\n".join(peer.packages), "utf-8")
    return python


def stats(url: str) -> dict[str, int]:
    """What the endpoint has counted."""
    with urllib.request.urlopen(f"{url}/stats") as answered:
        found: dict[str, int] = json.load(answered)
    return found


def prepared(folder: Path, steps: int) -> None:
    """A store of the fixtures, and the first request of each of their turns, in `folder`."""
    import throughput

    from harness.demo import find_fixtures
    from harness.importing import import_paths
    from harness.store import Store
    from toolsim.calldb import CallDatabase

    sources = [find_fixtures()[0] / name for name in FIXTURES]
    for keep in (False, True):
        with Store(folder / "store.db") as store, CallDatabase(folder / "calls.db") as calls:
            import_paths(store, calls, sources)
        if keep:
            return
        with fake_endpoint.running(steps=steps) as url:
            throughput.ended(throughput.start(throughput.Leg("record", url, folder, 1, 1, _ours("none"))))
        bodies = [turn[0] for turn in json.loads((folder / "bodies.json").read_text())]
        if not all(body.get("tools") and body["messages"][-1]["role"] == "user" for body in bodies):
            raise SystemExit("a recorded turn does not begin with a user's message, or has no tools")
        (folder / "turns.json").write_text(json.dumps(bodies))
        (folder / "store.db").unlink()


def _ours(affordances: str) -> argparse.Namespace:
    return argparse.Namespace(affordances=affordances, deidentify="auto", profile="")


def played(peer: Peer, folder: Path, url: str, rollouts: int, flight: int) -> dict[str, Any]:
    """The figures of one leg: `calls`, `seconds`, `cpu`, `memory` and `version`; raises if it failed."""
    if not peer.script:
        import throughput

        found = throughput.played(throughput.Leg("deploysim", url, folder, rollouts, flight, _ours(peer.affordances)))
        if found["completed"] != rollouts:
            raise SystemExit(f"{peer.name}: {found['completed']:g} of {rollouts} rollouts completed")
        named = ", ".join(f"{name} {version(name)}" for name in ("deploysim", "openai"))
        return found | {"calls": int(found["simulated"]), "memory": found["memory most"], "version": named}
    python = environment(peer, ENVIRONMENTS)
    script = Path(__file__).parent / "peer" / peer.script
    words = [python, script, folder / "turns.json", url, rollouts, flight]
    quiet = os.environ | {"LANGSMITH_TRACING": "false", "OTEL_SDK_DISABLED": "true"}
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True, check=False, env=quiet)
    if done.returncode:
        raise SystemExit(f"{peer.name} ended with {done.returncode}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def kept(peer: Peer, folder: Path, steps: int) -> list[Body]:
    """The requests of one rollout of each turn, one after the other."""
    turns = len(json.loads((folder / "turns.json").read_text()))
    file = folder / "kept.jsonl"
    file.unlink(missing_ok=True)
    with fake_endpoint.running(steps=steps, keep=file) as url:
        played(peer, folder, url, turns, 1)
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def timed(peer: Peer, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One leg at full size, with what the endpoint counted."""
    with fake_endpoint.running(latency=options.latency, steps=options.steps) as url:
        run = played(peer, folder, url, options.rollouts, options.flight)
        run["stats"] = stats(url)
    if run["calls"] != options.rollouts * options.steps:
        raise SystemExit(f"{peer.name}: {run['calls']} tool results, not {options.rollouts * options.steps}")
    return run


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The leg of the middle rate, with the middle of the processor times, which vary less."""
    ordered = sorted(runs, key=lambda run: run["calls"] / run["seconds"])
    return ordered[len(runs) // 2] | {"cpu": sorted(run["cpu"] for run in runs)[len(runs) // 2]}


def speed_row(peer: Peer, run: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Cells of the table of speed; `ours` is the leg that the others are set beside."""
    rate, cpu = run["calls"] / run["seconds"], run["cpu"] / run["calls"]
    return [
        peer.name, run["version"], f"{run['calls']}", f"{rate:.1f}", f"{1000 * cpu:.1f}",
        f"{ours['calls'] / ours['seconds'] / rate:.2f}", f"{cpu * ours['calls'] / ours['cpu']:.2f}",
        f"{run['memory']:.0f}",
    ]  # fmt: skip


def prompt_row(peer: Peer, run: dict[str, Any], held: tuple[str, str, str]) -> list[str]:
    """Cells of the table of prompts: a simulator's and a candidate's request in bytes, tokens as a quarter of that."""
    count = run["stats"]
    each, other = (count[f"prompt bytes {model}"] / count[f"requests {model}"] for model in ("simulator", "candidate"))
    calls = f"{count['requests simulator'] / run['calls']:.2f}"
    return [peer.name, calls, f"{each:,.0f}", f"{each / 4:,.0f}", f"{other:,.0f}", *held]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """All legs that were asked for, then both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="Which rows; the first is what others are set beside.")
    parser.add_argument("--rollouts", type=int, default=144)
    parser.add_argument("--flight", type=int, default=64, help="Rollouts at once.")
    parser.add_argument("--steps", type=int, default=4, help="Tool calls of a rollout.")
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--repeats", type=int, default=1, help="Rounds of all legs; the middle is shown.")
    options = parser.parse_args()
    peers = [PEERS[name] for name in options.peers.split(",")]
    for peer in peers:
        if peer.script:
            environment(peer, ENVIRONMENTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, options.steps)
        held = [evidence(kept(peer, folder, options.steps)) for peer in peers]
        load = f"{os.getloadavg()[0]:.1f}"
        rounds = [[timed(peer, folder, options) for peer in peers] for _ in range(options.repeats)]
        runs = [middle(legs) for legs in zip(*rounds, strict=True)]
    print(f"{options.rollouts} rollouts of {options.steps} calls, {options.flight} at once, {options.latency:g} s "
          f"latency, load average {load} before and {os.getloadavg()[0]:.1f} after\n")  # fmt: skip
    speed = ("peer", "version", "calls", "calls/s", "CPU ms a call", "ours is faster by", "its CPU to ours", "MiB most")
    print(table(speed, [speed_row(peer, run, runs[0]) for peer, run in zip(peers, runs, strict=True)]))
    prompt = ("peer", "requests a call", "bytes a request", "about tokens", "candidate's bytes",
              "hold the call before", "hold the user's message", "recorded result lines held")  # fmt: skip
    rows = zip(peers, runs, held, strict=True)
    print(table(prompt, [prompt_row(peer, run, what) for peer, run, what in rows]))


if __name__ == "__main__":
    main()
