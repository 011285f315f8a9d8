"""Tokens beside realism, of deploysim and other simulators of tools: the same recorded calls, one small model for all.

python benchmarks/peers_realism.py [--calls N] [--model local-small] [--peers P,P] [--keep FILE]

N recorded calls of the fixtures of Claude Code and Codex (the first call of the last turn that has one) are put before
each simulator of `peers.py`, in the situation in which the agent made them: an endpoint between plays the candidate,
which makes the recorded call, and hands what the simulator asks to the embedded model. What the agent would have been
shown is compared with the recorded result by the project's own grades, by text alone. `similarity` is the share of
characters in common (difflib's ratio), its interval clustered by task. Tokens are those that the embedded server
counts, so one tokenizer for all.

deploysim is asked without the affordances `rollout`, which would show it the record, and `calls`: the fixtures have
three sessions of each task, so a pair of another one may be the answer. `rungs` is deploysim as it is used: what code
can compute is not asked of the model. An answer is cut off at 512 tokens. `--keep` adds a line for each answer to a
file, and goes on from it. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import faults
import peers

from harness.callclass import action_of, command_line, has_no_order
from harness.demo import find_fixtures, unpack_repository
from harness.estimates import clustered_share
from harness.fidelity import grade
from harness.importing import import_paths
from harness.selection import Criteria, Cut, choose_cuts
from harness.store import Store
from repos.catalog import inspect_repository
from toolsim.calldb import CallDatabase
from toolsim.model import EmbeddedModel, open_model
from toolsim.trajectory import CallPair, ToolCall, ToolResult, call_pairs, split

LONGEST, CONTEXT, PATIENCE = 512, 8_192, 900
OURS = {"deploysim": ("repo,connectors", "simulated"), "deploysim-none": ("none", "simulated"),
        "rungs": ("repo,connectors", "computed,connector,simulated")}  # fmt: skip
NOBODY = ("none", "computed")
NAMES = {"rungs": "deploysim, with its rungs"}
SMALL = ("--evidence-tokens", 1_500, "--history-tokens", 1_500, "--context", 16_384)
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded call: its session and agent, the task (the user's message), and what the real tool answered."""

    session: str
    agent: str
    task: str
    call: ToolCall
    result: ToolResult


@dataclass(slots=True)
class Answered:
    """What a peer made of a call: the text that the agent was shown (`None`: there was none), and what it took."""

    peer: str
    session: str
    text: str | None = None
    requests: int = 0
    prompt: int = 0
    written: int = 0


@dataclass(slots=True)
class Between:
    """The endpoint between: it plays the candidate and counts what the simulator asks of the model behind `behind`."""

    cases: Sequence[Case]
    behind: str
    model: str
    peer: str = ""
    case: Case | None = None
    bodies: dict[str, Body] = field(default_factory=dict)
    found: dict[tuple[str, str], Answered] = field(default_factory=dict)
    open: Answered | None = None

    def reply(self, body: Body) -> Body:
        """The answer to one request."""
        if body["model"] == "simulator" or "response_format" in body:
            return self._forwarded(body)
        case = self.case
        assert case is not None
        answered = self.found.setdefault((self.peer, case.session), Answered(self.peer, case.session))
        last = body["messages"][-1]
        if last["role"] == "tool":
            answered.text = peers.text_of({"messages": [last]})
            return _said({"content": "Done."})
        self.bodies.setdefault(case.session, body)
        self.open = answered
        function = {"name": case.call.name, "arguments": json.dumps(case.call.arguments)}
        return _said({"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]})

    def _forwarded(self, body: Body) -> Body:
        sent = {**body, "model": self.model, "stream": False, "seed": 7,
                "max_tokens": min(LONGEST, body.get("max_tokens") or LONGEST)}  # fmt: skip
        request = urllib.request.Request(
            f"{self.behind}/chat/completions", json.dumps(sent).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            reply: Body = json.load(answer)
        if self.open is not None:
            self.open.requests += 1
            self.open.prompt += reply["usage"]["prompt_tokens"]
            self.open.written += reply["usage"]["completion_tokens"]
        return {**reply, "model": body["model"]}


def _said(message: Body) -> Body:
    choice = {"index": 0, "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
              "message": {"role": "assistant", **message}}  # fmt: skip
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


@contextmanager
def serving(between: Between) -> Iterator[str]:
    """The endpoint until the block ends; gives its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, reply = 200, between.reply(body)
            except OSError as error:  # the model's server refused, or took too long
                status, reply = 400, {"error": {"message": str(error)}}
            sent = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def prepared(folder: Path, most: int) -> list[Case]:
    """A store of the fixtures with their repository, and the first calls of their last turns."""
    sessions, bundle = find_fixtures()
    found = []
    with Store(folder / "store.db") as store, CallDatabase(folder / "calls.db") as calls:
        import_paths(store, calls, [sessions / name for name in peers.FIXTURES])
        store.add_repository(inspect_repository(unpack_repository(bundle, folder / "repository.git")))
        for row in store.sessions():
            trajectory = store.trajectory(row.id)
            cuts = choose_cuts(row.id, trajectory, Criteria(with_calls=True))
            if isinstance(cuts, Sequence):
                prefix, reference = split(trajectory, cuts[0].turn)
                said = next(m.text for m in reversed(prefix.items) if getattr(m, "role", "") == "user")
                pair = first_call(call_pairs(reference.items), cuts[0])
                if pair is not None and pair.result is not None:
                    found.append(Case(row.id, row.agent, said.strip(), pair.call, pair.result))
    taken: Counter[str] = Counter()
    places = []
    for case in sorted(found, key=lambda case: case.session):
        taken[case.task] += 1
        places.append((taken[case.task], case))
    return [case for _, case in sorted(places, key=lambda place: (place[0], place[1].task))][:most]


def first_call(pairs: Iterator[CallPair], cut: Cut) -> CallPair | None:
    """The first call of a turn, if the agent's first message makes it and it has arguments as JSON."""
    pair = next(pairs, None)
    whole = pair is not None and pair.position == 0 and pair.call.raw is None and cut.step in {None, 0}
    return pair if whole else None


def ours(peer: str, case: Case, folder: Path, url: str) -> None:
    """One call answered by deploysim."""
    affordances, rungs = OURS.get(peer, NOBODY)
    simulator = f"both@{url}" if peer in OURS else "none"
    said = ("resample", "--store", folder / "store.db", "--candidate", f"both@{url}", "--simulator", simulator,
            "--actions", "native", "--rungs", rungs, "--affordances", affordances, "--session", case.session,
            "--with-calls", "--deidentify", "off", "--concurrency", 1, *SMALL, "--json")  # fmt: skip
    faults.said(*said)


def theirs(peer: str, body: Body, folder: Path, url: str) -> None:
    """One call answered by another simulator, in its own process; a failure leaves the call without an answer."""
    turns = folder / "turns.json"
    turns.write_text(json.dumps([{"messages": body["messages"], "tools": body["tools"]}]))
    python = peers.environment(peers.PEERS[peer], peers.ENVIRONMENTS)
    words = [python, Path(__file__).parent / "peer" / peers.PEERS[peer].script, turns, url, 1, 1]
    quiet = os.environ | {"LANGSMITH_TRACING": "false", "OTEL_SDK_DISABLED": "true"}
    with suppress(subprocess.TimeoutExpired):
        subprocess.run([*map(str, words)], capture_output=True, check=False, env=quiet, timeout=PATIENCE)


def row(peer: str, cases: Sequence[Case], found: dict[tuple[str, str], Answered]) -> list[str]:
    """Cells of one simulator."""
    grades: Counter[str] = Counter()
    values, of = [], []
    known = [(case, found[peer, case.session]) for case in cases if (peer, case.session) in found]
    for case, answered in known:
        if answered.text is None:
            grades["none"] += 1
            continue
        action = action_of(case.call, case.agent)
        grades[
            grade(case.result.content, answered.text, command_line(action), ordered=not has_no_order(action)).name
        ] += 1
        values.append(difflib.SequenceMatcher(None, case.result.content, answered.text, autojunk=False).ratio())
        of.append(case.task)
    mean = clustered_share(values, of)
    shown = "-" if mean is None else f"{mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}]"
    per = [sum(getattr(a, name) for _, a in known) / max(1, len(known)) for name in ("requests", "prompt", "written")]
    name = NAMES.get(peer) or peers.PEERS[peer].name
    counts = [str(grades[kind]) for kind in ("equal", "order", "near", "different", "none")]
    return [name, str(len(known)), f"{per[0]:.2f}", f"{per[1]:,.0f}", f"{per[2]:,.0f}", *counts, shown]


HEADER = ("simulator", "calls", "requests a call", "prompt tokens a call", "written", "equal", "order", "near",
          "different", "no answer", "similarity [95 %]")  # fmt: skip


def play(between: Between, chosen: Sequence[str], folder: Path, keep: Path | None) -> None:
    """All calls by each simulator; what is in `keep` already is not asked again."""
    with serving(between) as url:
        for case in between.cases:
            between.peer, between.case = "body", case
            ours("body", case, folder, url)  # for the first request, which the others are given
        for peer in chosen:
            between.peer = peer
            for case in between.cases:
                if (peer, case.session) in between.found:
                    continue
                between.case = case
                between.found[peer, case.session] = between.open = Answered(peer, case.session)
                if peer in OURS:
                    ours(peer, case, folder, url)
                else:
                    theirs(peer, between.bodies[case.session], folder, url)
                print(peer, case.session[:12], asdict(between.found[peer, case.session]), file=sys.stderr, flush=True)
                if keep is not None:
                    with keep.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(between.found[peer, case.session])) + "\n")


def main() -> None:
    """Play, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=12)
    parser.add_argument("--model", default="local-small")
    parser.add_argument("--peers", default="langchain,inspect,strands,deploysim,deploysim-none,rungs")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    model = open_model(options.model, context=CONTEXT, slots=1)
    if not isinstance(model, EmbeddedModel):
        raise SystemExit(f"{options.model} is not embedded")
    behind = asyncio.run(model.started()).endpoint
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = prepared(folder, options.calls)
        between = Between(cases, behind.name, model.name)
        if options.keep is not None and options.keep.exists():
            rows = [Answered(**json.loads(line)) for line in options.keep.read_text("utf-8").splitlines()]
            between.found = {(one.peer, one.session): one for one in rows}
        chosen = options.peers.split(",")
        play(between, chosen, folder, options.keep)
    print(f"{len(cases)} recorded calls, {model.name}\n")
    print(peers.table(HEADER, [row(peer, cases, between.found) for peer in chosen]))


if __name__ == "__main__":
    main()
