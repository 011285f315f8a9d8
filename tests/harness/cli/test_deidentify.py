"""Planted canaries and the bodies that an endpoint is sent: candidate, simulator, judge, rubric and grader."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.leakage import filled
from harness.ledger import ModelStep, ToolStep, read_steps
from harness.store import Store


def _beside(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


endpoint, batch_server = _beside("endpoint"), _beside("batch_server")

KEY_LINES = ("MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW9a", "QKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW9zzPqr82hQ")
CANARIES = {
    "user": "mallory", "email": "mallory.kent@fernwood.io", "person": "Mallory Kent", "host": "kestrel-7",
    "ip": "10.42.17.9", "mac": "a4:83:e7:12:34:56", "phone": "+1 415-555-2671", "card": "4012 8888 8888 1881",
    "id_number": "123-45-6789", "github": "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "aws": "AKIA2E0A8F3B244C9986",
    "secret": "a8f5f167f44f4964e6c998dee827110c", "jwt":
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "password": "Tr0ub4dor-3x", "key": KEY_LINES[0], "key2": KEY_LINES[1],
}  # fmt: skip
SHOWN = f"""commit 1
Author: Mallory Kent <mallory.kent@fernwood.io>
mallory@kestrel-7:~/proj$ ip a: 10.42.17.9 ether a4:83:e7:12:34:56, call +1 415-555-2671
-rw-r--r-- 1 mallory staff 9 a.py
card 4012 8888 8888 1881, ssn 123-45-6789, {CANARIES["jwt"]}
API_KEY={CANARIES["secret"]}
password: "{CANARIES["password"]}"
token {CANARIES["github"]} {CANARIES["aws"]}
-----BEGIN RSA PRIVATE KEY-----
{KEY_LINES[0]}
{KEY_LINES[1]}
-----END RSA PRIVATE KEY-----
"""
WHERE = "/home/mallory/proj"


def session():
    def call(name, line, result):
        made = {
            "id": name,
            "type": "function",
            "function": {"name": "bash", "arguments": json.dumps({"command": line})},
        }
        return [
            {"role": "assistant", "content": f"In {WHERE}: I look.", "tool_calls": [made]},
            {"role": "tool", "tool_call_id": name, "content": result},
        ]

    messages = [
        {"role": "system", "content": f"You work for Mallory in {WHERE}. Never print {CANARIES['github']}."},
        {"role": "user", "content": f"Hi, mallory here ({CANARIES['email']}). What is in {WHERE}?"},
        *call("c1", f"cat {WHERE}/notes.txt", SHOWN),
        {"role": "assistant", "content": f"Notes of Mallory Kent, key {KEY_LINES[0]}."},
        {"role": "user", "content": f"Now list it and tell mallory. {SHOWN}"},
        *call("c2", f"ls -l {WHERE} | grep mallory", f"-rw-r--r-- 1 mallory staff 9 {WHERE}/a.py\n{CANARIES['ip']}"),
        {"role": "assistant", "content": f"There is {WHERE}/a.py by {CANARIES['email']}."},
    ]
    tool = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
    tools = [{"type": "function", "function": {"name": "bash", "description": f"Runs in {WHERE}", "parameters": tool}}]
    return {"session_id": "planted", "messages": messages, "tools": tools}


def answer(body):
    """A tool call on the home that the request shows, then words; by schema whatever fits, with that home in it."""
    text = json.dumps(body["messages"])
    shown = re.search(r"/home/(\w+)/proj", text)
    home = shown[0] if shown else "/none"
    if "response_format" in body:
        schema = body["response_format"]["json_schema"]["schema"]
        return {"content": json.dumps(filled(schema, f"-rw-r--r-- 1 {home}/a.py"))}
    if body["messages"][-1]["role"] == "tool":
        return {"content": f"It is {home}/a.py."}
    arguments = json.dumps({"command": f"stat {home}/a.py"})
    return {"tool_calls": [{"id": "x1", "type": "function", "function": {"name": "bash", "arguments": arguments}}]}


@pytest.fixture
def shell(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "s.json").write_text(json.dumps(session()))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["deploysim", *map(str, arguments)])
        capsys.readouterr()
        main()
        return capsys.readouterr().out

    call("import", "s.json")
    return call


def everything(shell, spec, *more):
    base = ("--simulator", spec, "--rungs", "simulated", "--affordances", "rollout,calls", "--shell", "none", *more)
    own = json.loads(shell("resample", "--candidate", spec, *base, "--json"))
    forced = json.loads(shell("resample", "--candidate", "recorded", *base, "--json"))
    for run in (own, forced):
        shell("discriminate", run["run"], "--judge", spec, "--fakes", 4, *more)
    shell("rubric", forced["run"], "--judge", spec, "--fakes", 2, *more)
    shell("grade", own["run"], "--grader", spec, *more)
    shell("grade", "--recorded", "--grader", spec, *more)
    shell("assess", own["run"], "--grader", spec, *more)
    return own["run"], forced["run"]


def test_no_planted_canary_reaches_an_endpoint_and_what_comes_back_acts_on_the_real_world(shell):
    with endpoint.recording(answer) as kept:
        run, _ = everything(shell, f"m@{kept.base_url}")
    assert len(kept.bodies) > 20
    roles = [json.loads(body)["messages"][-1]["content"] or "" for body in kept.bodies if body.startswith(b"{")]
    assert any("real" in text for text in roles)
    for name, canary in CANARIES.items():
        assert canary.lower() not in kept.text.lower(), name
    with Store(Path("deploysim.db")) as store:
        ((row, end),) = store.rollouts(run)
        steps = read_steps(store.steps(row.id))
        assert end.facts["deidentified"] == ["candidate", "simulator"]
        assert store.run(run)["manifest"]["inputs"]["deidentified"] == ["candidate", "simulator"]
    calls = [call for step in steps if isinstance(step, ModelStep) for call in step.message.calls]
    assert [call.arguments for call in calls] == [{"command": f"stat {WHERE}/a.py"}]
    results = [step.answer.content for step in steps if isinstance(step, ToolStep)]
    assert len(results) == 1
    assert f"{WHERE}/a.py" in results[0]
    assert [step.message.text for step in steps if isinstance(step, ModelStep)][-1] == f"It is {WHERE}/a.py."


def test_switched_off_the_texts_go_out_as_they_are(shell):
    with endpoint.recording(answer) as kept:
        spec = f"m@{kept.base_url}"
        shell("resample", "--candidate", spec, "--simulator", "none", "--shell", "none", "--deidentify", "off")
    assert {name for name, canary in CANARIES.items() if canary in kept.text} == set(CANARIES)
    assert not Path("deploysim.db.map").exists()


def test_the_report_counts_by_kind_and_shows_no_value(shell):
    found = shell("deidentify", "--json")
    assert not [canary for canary in CANARIES.values() if canary in found]
    (one,) = json.loads(found)["sessions"]
    assert one["session"].startswith("planted")
    assert set(one["values"]) == {
        "user", "email", "person", "host", "ip", "mac", "phone", "card", "id_number", "token", "secret", "private_key",
    }  # fmt: skip
    assert one["values"]["private_key"] == 2
    assert one["replaced"]["user"] > 10
    assert 0 < one["share"] < 1
    assert one["restores"]
    text = shell("deidentify")
    assert "private_key" in text
    assert not [canary for canary in CANARIES.values() if canary in text]


def test_purging_a_session_purges_its_map(shell):
    shell("deidentify")
    assert b"mallory" in Path("deploysim.db.map").read_bytes()
    shell("purge", "planted")
    assert b"mallory" not in Path("deploysim.db.map").read_bytes()


def test_no_canary_stands_in_the_file_of_a_batch(shell):
    with endpoint.recording(answer) as kept:
        spec = f"m@{kept.base_url}"
        own = json.loads(shell("resample", "--candidate", spec, "--simulator", spec, "--shell", "none", "--json"))
    api = batch_server.Api(lambda body: {"reason": "x", "real": "A", "probability": 0.9})
    with batch_server.serve(api) as url:
        shell("discriminate", own["run"], "--judge", f"m@{url}", "--fakes", 2, "--batch", "--batch-poll", 0)
    sent = b"".join(api.files.values()).decode()
    assert "custom_id" in sent
    assert not [name for name, canary in CANARIES.items() if canary in sent]


def test_the_responses_form_is_scrubbed_too(shell):
    with endpoint.recording(lambda body: {"content": "fine"}) as kept:
        spec = f"m@{kept.base_url}"
        shell("resample", "--candidate", spec, "--api", "responses", "--simulator", "none", "--shell", "none")
    assert '"input"' in kept.text
    assert not [name for name, canary in CANARIES.items() if canary in kept.text]
