"""Planted regressions and false alarms of the gate: `python benchmarks/gate.py [--reruns N] [--folder DIR]`.

The simulator is a scripted model that draws each program's result from what was recorded of the same command in any run
of the same task (fixtures/sessions has three runs a task), so it is right about as often as a good model, and otherwise
wrong in realistic ways. Reruns with fresh seeds are unchanged simulators: each regression among them is a false alarm.
Two regressions are planted: a sentence of explanation after every result, and results that lose their last lines.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import experiment
from harness.config import resolve
from harness.demo import find_fixtures
from harness.gate.baseline import Baseline
from harness.gate.compare import compare
from harness.gate.measure import measure_run
from harness.importing import import_paths
from harness.selection import Criteria
from harness.store import Store
from toolsim.actions import RunShell
from toolsim.calldb import CallDatabase
from toolsim.modeltypes import ModelRequest
from toolsim.scaffolds import scaffold_for
from toolsim.scripted import Line, ScriptedModel
from toolsim.seeds import derive_seed
from toolsim.trajectory import Message, call_pairs

AGENTS = ("claude-code", "codex", "mini-swe-agent", "swe-agent")
PROSE = "\nThe command completed successfully and produced the output shown above.\n"
Fault = Callable[[str, str], str]


class Recorded:
    """What was recorded of each command, in all runs."""

    def __init__(self, store: Store) -> None:
        self.results: dict[str, list[str]] = defaultdict(list)
        for row in store.sessions():
            trajectory = store.trajectory(row.id)
            scaffold = scaffold_for(row.agent)
            messages = [item for item in trajectory.items if isinstance(item, Message)]
            profile = scaffold.fit(trajectory.session, messages)
            for pair in call_pairs(trajectory.items):
                if pair.result is not None:
                    action = scaffold.action(pair.call, profile, trajectory.session.cwd or "/", {})
                    raw = (
                        scaffold.raw(pair.call, action, pair.result, profile) if isinstance(action, RunShell) else None
                    )
                    text = pair.result.content if raw is None else raw
                    self.results[self.text(pair.call.arguments, pair.call.raw)].append(text)
        self.names = sorted(self.results, key=len, reverse=True)

    @staticmethod
    def text(arguments: Any, raw: str | None) -> str:
        """What tells a call: its command, or the longest of its arguments."""
        values = [str(v) for v in arguments.values()] if arguments else [raw or ""]
        return str(arguments.get("command") or arguments.get("cmd") or max(values, key=len, default="")).strip()

    def asked(self, prompt: str) -> str | None:
        """The longest recorded command that ends the prompt's question."""
        question = prompt.rpartition("# Now")[2]
        return next((name for name in self.names if name and name in question), None)


def scripted(recorded: Recorded, seed: int, fault: Fault) -> ScriptedModel:
    """A simulator that draws from the recorded answers; its draws depend on the seed and on nothing else."""

    def answer(request: ModelRequest) -> Line:
        prompt = str(request.messages[-1]["content"])
        command = recorded.asked(prompt)
        rng = random.Random(derive_seed(seed, request.seed or 0, command or ""))
        known = recorded.results[command] if command else recorded.results[rng.choice(recorded.names)]
        text = fault(rng.choice(known), command or "")
        assert request.schema is not None
        return _filled(request.schema, text)

    return ScriptedModel(answer)


def _filled(schema: dict[str, Any], text: str) -> dict[str, Any]:
    """The reply of a form: the text where it has one (as one part of a list of parts), the plainest value elsewhere."""
    parts = [{"text": text, "source": None, "first": None, "last": None}]
    plain = {
        "stdout": parts, "text": parts, "stderr": "", "exit_code": 0, "duration": 0.1, "is_error": False,
        "running": False, "success": True, "problem": "none", "kind": "file",
        "total_lines": text.count("\n") + 1, "found": True, "paths": text.split("\n"), "matches": [],
        "files_changed": [],
    }  # fmt: skip
    whole = {"stdout": text, "text": text}
    wanted = schema["properties"]
    return {n: whole[n] if n in whole and wanted[n]["type"] == "string" else plain[n] for n in wanted}


def explained(text: str, _: str) -> str:
    """A sentence of explanation after the result."""
    return text + PROSE


def shortened(text: str, _: str) -> str:
    """Results of more than four lines lose their last two."""
    lines = text.split("\n")
    return "\n".join(lines[: max(1, len(lines) - 2)]) if len(lines) > 4 else text


async def play(store: Store, recorded: Recorded, seed: int, fault: Fault) -> Baseline:
    """One run of all recorded calls, with every answer by the scripted simulator."""
    config = resolve({
        "candidate": "recorded", "simulator": f"scripted-{seed}-{fault.__name__}", "rungs": "simulated",
        "affordances": "none", "seed": seed,
    })  # fmt: skip
    plan = experiment.plan(store, config, Criteria(agents=AGENTS, with_calls=True, seed=7), {})
    parts = experiment.Parts(store, None, (), None, scripted(recorded, seed, fault), None)
    await experiment.play(plan, config, parts, concurrency=8, notice=lambda *_: None)
    return measure_run(store, plan.run)


def same(text: str, _: str) -> str:
    """No fault."""
    return text


def main() -> None:
    """Play, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reruns", type=int, default=200)
    parser.add_argument("--delta", type=float, default=0.05)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gate-"))
    try:
        sessions, _ = find_fixtures()
        with Store(folder / "imported.db") as store, CallDatabase(folder / "calls.db") as calls:
            import_paths(store, calls, [sessions])
        print("| run | outcome | fidelity | realism |\n|---|---|---|---|", flush=True)
        outcomes: Counter[str] = Counter()
        old = once(folder, 0, same)
        for fault in (explained, shortened):
            told(f"planted: {fault.__doc__.splitlines()[0]}", old, once(folder, 1, fault), options.delta)
        for number in range(options.reruns):
            outcomes[compare(old, once(folder, 1000 + number, same), options.delta).outcome] += 1
        told("a rerun with a fresh seed", old, once(folder, 2, same), options.delta)
        print(f"\n{options.reruns} reruns with fresh seeds: {dict(outcomes)}; false alarms {outcomes['regression']}")
    finally:
        shutil.rmtree(folder)


def once(folder: Path, seed: int, fault: Fault) -> Baseline:
    """A run in a store of its own, so that stores do not grow over the reruns."""
    place = folder / "run.db"
    shutil.copy(folder / "imported.db", place)
    with Store(place) as store:
        made = asyncio.run(play(store, Recorded(store), seed, fault))
    for file in folder.glob("run.db*"):
        file.unlink()
    return made


def told(title: str, old: Baseline, new: Baseline, delta: float) -> None:
    """One line of the table."""
    verdict = compare(old, new, delta)
    cells = [f"{m.difference.value * 100:+.1f} [{m.difference.low * 100:+.1f}, {m.difference.high * 100:+.1f}]"
             if m.difference else "-" for m in verdict.measures]  # fmt: skip
    print(f"| {title} | {verdict.outcome} | {cells[0]} | {cells[1] if len(cells) > 1 else '-'} |", flush=True)


if __name__ == "__main__":
    main()
