"""Shell calls of a run with recorded actions, answered and right: `python benchmarks/shell_sessions.py STORE RUN...`.

Make the runs with `deploysim resample --candidate recorded --simulator none --with-calls --shell ENGINE`, one for each
engine, in a store (or a copy of it) each. `--reasons` lists why calls are unanswered, `--different` the wrong answers
(tune pool only).
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from harness.fidelity import grade_results
from harness.ledger import ToolStep, read_steps
from harness.store import Store


def shell_command(step: ToolStep) -> str | None:
    """The command line of a shell call; `None` for another tool."""
    text = step.call.arguments.get("command") or step.call.arguments.get("cmd")
    if isinstance(text, list):
        return str(text[-1])
    return text if isinstance(text, str) else None


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--reasons", action="store_true")
    parser.add_argument("--different", action="store_true")
    options = parser.parse_args()
    with Store(options.store, create=False) as store:
        for run in options.runs:
            report(store, run, reasons=options.reasons, different=options.different)


def report(store: Store, run: str, *, reasons: bool, different: bool) -> None:
    """The counts of one run."""
    grades: Counter[str] = Counter()
    why: Counter[str] = Counter()
    wrong: list[str] = []
    for row, _ in store.rollouts(run):
        for step in read_steps(store.steps(row.id)):
            command = shell_command(step) if isinstance(step, ToolStep) else None
            if not isinstance(step, ToolStep) or command is None or step.recorded is None:
                continue
            if step.answer is None:
                grades["unanswered"] += 1
                why[(step.failure or ("", ""))[1]] += 1
                continue
            found = grade_results(step.recorded, step.answer, step.call, row.agent)
            grades["right" if found.right else "wrong"] += 1
            if not found.right and row.pool == "tune":
                texts = (step.recorded.content[:300], step.answer.content[:300])
                wrong.append("\n    ".join(map(repr, (command, *texts))))
    engine = store.run(run)["manifest"]["config"]["shell"]
    calls = grades.total()
    answered = grades["right"] + grades["wrong"]
    print(f"{engine}: {calls} shell calls, {answered} answered ({share(answered, calls)}), ", end="")
    print(f"{grades['right']} right ({share(grades['right'], answered)} of these)")
    if reasons:
        for reason, count in why.most_common():
            print(f"  {count:5} {reason[:200]}")
    if different:
        print("\n".join(wrong))


def share(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


if __name__ == "__main__":
    main()
