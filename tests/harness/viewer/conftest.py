"""A store whose every text is hostile or plain, and the viewer over it, asked without a network or in a real server."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, replace

import httpx2
import pytest
import uvicorn

from harness import exchanges
from harness.behaviors.findings import Finding, TurnVerdict
from harness.discriminator.measure import Measure, discriminate
from harness.ledger import ModelStep, ToolStep, write_step
from harness.rows import End, RolloutRow
from harness.viewer import search
from harness.viewer.app import build
from harness.viewer.guard import allowed_hosts
from harness.viewer.serving import listen
from toolsim.actions import PutFile
from toolsim.modeltypes import ModelReply, ModelRequest
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import Message, ToolCall, ToolResult

TOKEN = "secret"
REST = {"criteria": {"pool": None}, "prompts": {}}
HOST = "127.0.0.1:7575"
HOSTILE = (
    "<script>document.title='owned'</script><img src=http://evil.invalid/x onerror=\"document.title='owned'\">'\">"
    "</pre></title><style>body{display:none}</style><a href='javascript:alert(3)'>\x1b[31mred\x1b[0m\u202eevil\u2066"
    " \x00 \ud800 {{ 7*7 }} &lt;b&gt;<iframe src=http://evil.invalid></iframe>"
)


@dataclass(frozen=True)
class Filled:
    """A store with the run `run1`: `r0` and `r1` with recorded actions (judged; `r0` with a prompt),
    `r2` of a candidate (graded), `r3` open; and the run `run2` with the open `r9`."""

    store: object
    text: str


@pytest.fixture(params=["plain", "hostile"])
def text(request):
    return "plain" if request.param == "plain" else HOSTILE


@pytest.fixture
async def filled(store, recorded, text):
    session = recorded("s1", ((("ls",), ("cat a.py",)),))
    storable = text.replace("\ud800", "")  # importers leave no half surrogate pairs; tools and models may give them
    items = tuple(replace(i, text=i.text + storable) if not i.result else i for i in session.items)
    store.add_session(replace(session, items=items), source="a", sha256="1")
    config = {"forcing": "teacher", "candidate": text, "simulator": "none", "rungs": ["computed"], "affordances": []}
    store.begin_run("run1", "resample", {"config": config, **REST}, now=1.76e9)
    rows = [
        RolloutRow(f"r{n}", "run1", "s1", 0, 0, n, "tune", "s1", "a/b" if n else None, "claude-code") for n in range(4)
    ]
    store.add_rollouts(rows)
    for n in range(2):
        store.append_steps(f"r{n}", [write_step(k, step) for k, step in enumerate(forced(text, n))])
        store.end_rollout(f"r{n}", End("completed", None, "end of the recording"))
    store.append_steps("r2", [write_step(k, step) for k, step in enumerate(own(text))])
    store.end_rollout("r2", End("failed", "candidate", text))
    asked = ModelRequest(
        ({"role": "system", "content": "the contract"}, {"role": "user", "content": text}), schema_name=text, schema={},
        role="simulator", prompt_hash=text, seed=7,
    )  # fmt: skip
    exchanges.keep(store, "r0", "1", asked, ModelReply(f"raw {text}", model=text, finish=text))
    said = TurnVerdict("s1:0.0", 2, "s1", "monitors", (Finding("unasked_deletion", 3, 1, "rm a.py", text, text),))
    failed = TurnVerdict("s1:0.0", 2, "s1", text, failed=text)
    graded = {"source": "run1", "turn": "s1:0.0", "sample": 2, "taxonomy": "coding@1", "made_at": 1.76e9}
    store.add_verdicts([
        graded | {"grader": v.grader, "status": "graded" if v.failed is None else "x", "body": json.dumps(v.body())}
        for v in (said, failed)
    ])  # fmt: skip
    store.begin_run("run2", "resample", {"config": {**config, "simulator": text}, **REST}, now=1.77e9)
    store.add_rollouts([RolloutRow("r9", "run2", "s1", 0, 0, 0, "tune", "s1", None, "claude-code")])
    judge = ScriptedModel(
        lambda _: {"reason": f"because {text[:80]}".replace("\ud800", ""), "real": "A", "probability": 0.7},
        name="judge",
    )
    await discriminate(store, "run1", judge, Measure(fakes=2), lambda *_: None)
    return Filled(store, text)


def forced(text, sample):
    call = ToolCall("s1-0", "Bash", {"command": f"ls {text}", "description": "look"})
    record = ToolResult("s1-0", f"one\ntwo words here\n{text}")
    answer = ToolResult("s1-0", f"one\ntwo other words here {sample}\n{text}")
    evidence = {"written": [{"pieces": [{"kind": "file", "title": text}], "prompt": "f00d" * 4, "model": "m"}]}
    yield ModelStep(Message("assistant", f"I look. {text}", "agent", calls=(call,)), "recorded")
    yield ToolStep(
        call, answer, answer, "simulated", (PutFile("/work/a.py", text.encode("utf-8", "replace")),), evidence,
        recorded=record,
    )  # fmt: skip
    failed = ToolCall("s1-1", "Bash", {"command": "cat a.py"})
    yield ModelStep(Message("assistant", "", "agent", calls=(failed,)), "recorded")
    yield ToolStep(failed, record, None, None, failure=("simulated", text), recorded=record, taken_in=True)


def own(text):
    call = ToolCall("x", "Bash", {"command": "ls"})
    yield ModelStep(Message("assistant", text, "agent", calls=(call,)), "native")
    yield ToolStep(call, ToolResult("x", "a.py"), ToolResult("x", "a.py"), "computed")
    other = ToolCall("y", "Bash", {"command": "rm a.py"})
    yield ModelStep(Message("assistant", "", "agent", calls=(other,)), "native")
    yield ToolStep(other, ToolResult("y", ""), ToolResult("y", ""), "computed")


@pytest.fixture
def indexed(filled):
    while search.step(filled.store.path):
        pass
    return filled


@pytest.fixture
def client(filled):
    """Asks the application itself; the cookie is there."""
    app = build(filled.store.path, TOKEN, allowed_hosts("127.0.0.1", 7575))
    return _client(app, cookies={"deploysim_7575": TOKEN})


@pytest.fixture
def stranger(filled):
    """Asks the application without knowing anything."""
    return _client(build(filled.store.path, TOKEN, allowed_hosts("127.0.0.1", 7575)))


def _client(app, **options):
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=f"http://{HOST}", **options)


@pytest.fixture
def served(indexed):
    """The viewer on a port of its own: its address with the token."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        app = build(indexed.store.path, TOKEN, allowed_hosts("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/?token={TOKEN}"
        server.should_exit = True
        thread.join()
