"""How many calls of a run with recorded actions code could answer at all: `python benchmarks/ceiling.py STORE [RUN]`.

After `deploysim fidelity`. A call is within reach if it looks at, searches, edits or notes something, or asks git, by
nothing but the sandbox's own programs, and names no path outside of the directory that its session began in. Whether
the world can know the answer is not asked, so this is an upper bound. Prints Markdown, one row a scaffold.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from harness.callclass import action_of, call_class, command_line
from harness.fidelity_table import lines_of
from harness.ledger import ToolStep, read_steps
from harness.store import Store
from toolsim import paths, shellparse
from toolsim.shell import toolbox

WITHIN = frozenset({"view", "search", "edit", "git read", "git write", "note"})
SHELL = frozenset({
    "cd", "pushd", "popd", "echo", "printf", "test", "[", "[[", "true", "false", ":", "export", "set", "read",
    "command", "type", "exit", "rg", "wait", "local", "shift", "return", "unset", "eval", "source", ".",
})  # fmt: skip
_OUTSIDE = re.compile(r"^(?:/|~|[A-Za-z]:[\\/])")


def within(step: ToolStep, agent: str, root: str, programs: frozenset[str]) -> bool:
    """Whether code could answer the call if it knew the repository."""
    if call_class(step.call, agent) not in WITHIN:
        return False
    action = action_of(step.call, agent, root)
    named = [getattr(action, "path", None), getattr(action, "cwd", None)]
    line = shellparse.parse(command_line(action))
    if any(i.name.rpartition("/")[2] not in programs for i in line.invocations):
        return False
    named += [word for word in line.words if _OUTSIDE.match(word) and not word.startswith(("/dev/", "/tmp"))]
    return all(paths.relative(paths.canonical(path, root), root) is not None for path in named if path)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("run", nargs="?", default="")
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with Store(options.store, create=False) as store, tempfile.TemporaryDirectory() as cache:
        programs = SHELL.union(*toolbox.build(Path(cache)).names.values())
        (run,) = [row["id"] for row in store.rows("select id from runs") if str(row["id"]).startswith(options.run)]
        roots: dict[str, str] = {}
        for row, end in store.rollouts(run):
            if row.session not in roots:
                roots[row.session] = store.trajectory(row.session).session.cwd or "/"
            steps = list(read_steps(store.steps(row.id)))
            right = [line.right for line in lines_of(row, end, steps)]
            calls = [step for step in steps if isinstance(step, ToolStep) and step.recorded is not None]
            for step, was_right in zip(calls, right, strict=True):
                reached = within(step, row.agent, paths.canonical(roots[row.session]), programs)
                counts[row.agent].update(
                    {"calls": 1, "within": reached, "right": was_right, "both": reached and was_right}
                )
    print("| scaffold | calls | within reach | right of these | right of all |\n|---|---|---|---|---|")
    for agent, found in sorted(counts.items()):
        share = [
            found["within"] / found["calls"],
            found["both"] / (found["within"] or 1),
            found["right"] / found["calls"],
        ]
        print(f"| {agent} | {found['calls']} | " + " | ".join(f"{100 * part:.1f} %" for part in share) + " |")


if __name__ == "__main__":
    main()
