"""The canaries can be early: a record that shows the future is caught; the echo fills every form."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness import experiment, leakage
from harness.ablation.planning import Design, plan
from harness.config import resolve
from harness.selection import Criteria
from toolsim.forms import read_reply, schema
from toolsim.recorded import Near, Record

CONFIG = resolve(
    {"candidate": "recorded", "simulator": "none", "rungs": "simulated", "affordances": "rollout"}, environment={}
)
FORMS = ("program", "process", "read", "change", "paths", "matches", "reply", "work", "note")


@pytest.mark.parametrize("spans", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_the_echo_fills_every_form_with_what_it_was_shown(form, spans):
    value = leakage.filled(schema(form, spans=spans), "all that is known")
    assert read_reply(form, value) is not None
    assert ("all that is known" in str(value)) == (form != "change")


def measured(store, reference="own"):
    made = plan(store, CONFIG, Criteria(with_calls=True), Design(reference), inputs={}, register=False)
    parts = experiment.Parts(store, None, (), None, None, None)
    return asyncio.run(leakage.leakage(parts, made, CONFIG))


@pytest.fixture
def filled(store, recorded):
    store.add_session(recorded(turns=[[["ls"], ["cat a.py"], ["pytest -q"], ["git log"]]]), source="x", sha256="1")
    return store


def test_what_is_due_is_shown_and_nothing_early(filled):
    found = measured(filled)
    assert (found.early.calls, found.early.prompts, found.early.answers) == (3, 0, 0)
    assert (found.due.calls, found.due.prompts, found.due.answers) == (4, 4, 4)
    assert found.secrets["system prompt"].prompts == found.secrets["environment"].prompts == 0
    assert found.secrets["fact"].prompts == found.calls == 4


def test_with_the_affordance_off_nothing_is_due(filled):
    found = measured(filled, "none")
    assert (found.early.calls, found.due.calls) == (0, 0)


class Prophet(Record):
    """Shows the reference's last call whatever was asked."""

    def near(self, action, world):
        return Near(self.entries[-1], False, "later")


def test_a_simulator_that_is_shown_the_future_is_caught(filled, monkeypatch):
    monkeypatch.setattr("toolsim.simulator.Record", Prophet)
    monkeypatch.setattr(Prophet, "marked", lambda self, mark: Prophet(Record.marked(self, mark).folded))
    found = measured(filled)
    assert (found.early.prompts, found.early.answers) == (3, 3)
    assert found.due.prompts == 1


def test_the_module_asks_no_endpoint():
    assert "open_model" not in Path(leakage.__file__).read_text("utf-8")
