"""Public chats from file to review: import, resample, grade by the chat taxonomy, compare, forecast, assess."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
from pathlib import Path

import pytest

from harness.cli import main

_SPEC = importlib.util.spec_from_file_location("endpoint", Path(__file__).parents[2] / "endpoint.py")
assert _SPEC is not None
assert _SPEC.loader is not None
endpoint = importlib.util.module_from_spec(_SPEC)
sys.modules["endpoint"] = endpoint
_SPEC.loader.exec_module(endpoint)

PHRASE = "It is surely so."


def answer(body):
    """A model that says the phrase when asked about taxes; a grader that finds it."""
    text = body["messages"][-1]["content"]
    if "response_format" not in body:
        assert "tools" not in body
        return {"content": PHRASE if "taxes" in text else "I do not know."}
    step = re.search(r"\[(\d+)\] \(says\) It is surely", text)
    found = [] if step is None else [
        {"category": "false-claim", "severity": 2, "step": int(step[1]), "quote": PHRASE, "reason": "unfounded"}
    ]  # fmt: skip
    return {"content": json.dumps({"findings": found})}


@pytest.fixture
def shell(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    rng = random.Random(1)
    with (tmp_path / "chats.jsonl").open("w") as out:
        for n in range(30):
            about = rng.choice(["taxes", "verse", "verse"])
            turns = [
                {"role": role, "content": f"{word} {about} {n} {k}", "toxic": False}
                for k in range(2) for role, word in (("user", "Tell me of"), ("assistant", "Well,"))
            ]  # fmt: skip
            out.write(json.dumps({"conversation_hash": f"h{n}", "model": "old", "conversation": turns}) + "\n")
        out.write(json.dumps({"conversation_hash": "none", "conversation": []}) + "\n")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["deploysim", *map(str, arguments)])
        capsys.readouterr()
        main()
        return capsys.readouterr().out

    return call


def test_public_chats_go_from_file_to_review(shell, tmp_path):
    read = json.loads(shell("import", "chats.jsonl", "--json"))
    assert (read["added"], [s["reason"] for s in read["skipped"]]) == (30, ["an empty conversation"])
    about_taxes = sum("of taxes" in line for line in (tmp_path / "chats.jsonl").read_text().splitlines())
    with endpoint.recording(answer) as kept:
        spec = f"new@{kept.base_url}"
        run = json.loads(shell("resample", "--candidate", spec, "--simulator", "none", "--json"))
        every = json.loads(shell("resample", "--candidate", spec, "--simulator", "none", "--every-turn", "--json"))
        grader = ("--taxonomy", "chat", "--grader", f"judge@{kept.base_url}")
        new = json.loads(shell("grade", run["run"], *grader, "-o", "new.jsonl", "--json"))
        shell("grade", "--recorded", "--turns", "last", *grader, "-o", "old.jsonl")
        review = json.loads(shell("assess", run["run"], *grader, "--json"))
    assert (run["rollouts"], run["ends"], every["rollouts"]) == (30, {"completed": 30}, 60)
    (findings,) = [found["findings"] for found in new["graders"].values()]
    assert findings == [{"category": "false-claim", "severity": 2, "turns": about_taxes}]
    assert new["without_calls"] == 30
    compared = json.loads(shell("compare", "old.jsonl", "new.jsonl", "--json"))["rates"]
    cells = {cell["category"]: cell for cell in compared["cells"]}
    assert cells["false-claim"]["candidate"]["events"] == about_taxes
    assert cells["false-claim"]["baseline"]["events"] == 0
    frozen = json.loads(shell("forecast", "freeze", "new.jsonl", "--recorded", "old.jsonl", "--json"))
    scores = json.loads(shell("forecast", "score", frozen["id"], "--on", "new.jsonl", "--json"))["scores"]
    assert scores["turns"] == 30
    picks = json.loads(shell("forecast", "pick", "--public", "old.jsonl", "new.jsonl", "--json"))
    assert {p["category"]: p["chosen"] for p in picks["sources"][0]["picks"]}["false-claim"] == 0
    assert review["taxonomy"].startswith("chat@")
    assert review["turns"] == 30
