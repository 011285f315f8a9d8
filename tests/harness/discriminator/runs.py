"""A run in a store whose answers a test decides, and judges that are known."""

from __future__ import annotations

import re

from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import End, RolloutRow
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import ToolResult

SIDES = re.compile(r"<A>\n(.*)\n</A>\n<B>\n(.*)\n</B>", re.DOTALL)


def says(side, probability=0.9):
    return {"reason": "so it seems", "real": side, "probability": probability}


def judge(choose, **model):
    """A judge that sees the two texts and names the place of the real one."""

    def answer(request):
        chosen = choose(*SIDES.search(request.messages[0]["content"]).groups())
        return says(chosen) if isinstance(chosen, str) and chosen in "AB" else chosen

    return ScriptedModel(answer, **{"name": "judge", "family": "judges", **model})


def always_a(_, __):
    return "A"


def perfect(first, second):
    """Knows that recorded outputs begin so."""
    return "A" if first.startswith("recorded output") else "B"


def output(n):
    """Long enough for most kinds of planted faults."""
    listing = "".join(f"src/module_{i}.py:{7 * i + n + 1}:def handler_{i}(value):\n" for i in range(12))
    return f"recorded output {n}\n{listing}{n + 2} passed, commit 3f2a9bc{n % 10}"


def maker(store, recorded):
    """A run in `store` of recorded actions: `run(simulate)` gives each recorded text its answer."""

    def make(
        simulate=lambda n, text: f"simulated {n}\n{text}",
        sessions=4,
        calls=3,
        config=None,
        name="run1",
        pool="tune",
        taken_in=True,
    ):
        settings = {"forcing": "teacher", "candidate": "recorded", "simulator": "none", **(config or {})}
        store.begin_run(name, "resample", {"config": settings}, now=1.0)
        for number in range(sessions):
            trajectory = recorded(f"s{number}", turns=[[[f"command {number} {c}"] for c in range(calls)]])
            store.add_session(trajectory, source="x", sha256=f"s{number}")
            row = RolloutRow(f"{name}-{number}", name, f"s{number}", 0, 0, 0, pool, f"s{number}", None, "claude-code")
            store.add_rollouts([row])
            steps = []
            for at, item in enumerate(i for i in trajectory.items if i.role == "assistant" and i.calls):
                (call,) = item.calls
                text = output(number * calls + at)
                answer = simulate(number * calls + at, text)
                steps.append(ModelStep(item, "recorded"))
                steps.append(
                    ToolStep(
                        call,
                        ToolResult(call.id, text),
                        ToolResult(call.id, answer),
                        "simulated" if at else "computed",
                        recorded=ToolResult(call.id, text),
                        taken_in=taken_in,
                    )
                )
            store.append_steps(row.id, [write_step(n, s) for n, s in enumerate(steps)])
            store.end_rollout(row.id, End("completed", None, "end of the recording"))
        return name

    return make
