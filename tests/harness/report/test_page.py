"""A run as one page: what it shows of forced runs and of candidates, and that no trace text does anything in it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from harness.discriminator.measure import Measure, discriminate
from harness.ledger import ModelStep, ToolStep, write_step
from harness.report.page import render_page
from harness.rows import End, RolloutRow
from toolsim.scripted import ScriptedModel
from toolsim.trajectory import Message, ToolCall, ToolResult

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>'\"><style>body{display:none}</style></pre>"
    "<a href='javascript:alert(3)'>\x1b[31mred\x1b[0m\u202eevil\u2066 \x00 \ud800 {{ 7*7 }} &lt;b&gt;"
)


class Page(HTMLParser):
    """The elements, attributes and texts of a page."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page_of(store, recorded):
    """Renders a run of one rollout, with every text in it `text`."""

    def make(text="plain", *, forced=True, judged=True, ended=True, results=True):
        config = {
            "candidate": "recorded" if forced else text, "simulator": text, "forcing": "teacher" if forced else "none",
            "rungs": ["computed", "simulated"], "affordances": [],
        }  # fmt: skip
        store.begin_run("run1", "resample", {"config": config, "note": text}, now=1.0)
        trajectory = recorded("s1", turns=[[["ls"], ["cat a.py"], ["pytest -q"]]])
        storable = text.replace("\ud800", "")  # importers leave no half surrogate pairs; tools and models may give them
        items = tuple(replace(i, text=storable) if i.role == "assistant" else i for i in trajectory.items)
        store.add_session(replace(trajectory, items=items), source="x", sha256="x")
        row = RolloutRow("r1", "run1", "s1", 0, 0, 0, "tune", "s1", text, "claude-code")
        store.add_rollouts([row, replace(row, id="r2", sample=1)])
        steps = []
        for n in range(3 if results else 0):
            call = ToolCall(f"s1-{n}", text or "Bash", {"command": f"{n} {text}"})
            shown, real = ToolResult(call.id, f"answer {n} {text}"), ToolResult(call.id, f"record {n} {text}")
            steps.append(ModelStep(Message("assistant", text, "agent", calls=(call,)), "native"))
            if n == 2 and forced:
                failure = ("simulated", text)
                steps.append(ToolStep(call, real, None, None, failure=failure, recorded=real, taken_in=True))
            else:
                truth = (real if n else shown) if forced else None
                rung = "simulated" if n else "computed"
                steps.append(ToolStep(call, shown, shown, rung, recorded=truth, evidence={"note": text}))
        store.append_steps("r1", [write_step(n, s) for n, s in enumerate(steps)])
        if ended:
            store.end_rollout("r1", End("completed", None, text, {}))
            store.end_rollout("r2", End("failed", "candidate", text, {}))
        store.add_exclusions("run1", [("s9", text)])
        return text, judged

    async def render(*arguments, **options):
        text, judged = make(*arguments, **options)
        realism = None
        if judged:
            judge = ScriptedModel(
                lambda _: {"reason": text[:100].replace("\ud800", ""), "real": "A", "probability": 0.7}, name=text
            )
            realism = await discriminate(store, "run1", judge, Measure(fakes=2), lambda *_: None)
        return render_page(store, "run1", realism)

    return render


@pytest.mark.parametrize("forced", [True, False], ids=["forced", "candidate"])
@pytest.mark.parametrize("judged", [True, False])
async def test_hostile_text_is_only_text(page_of, forced, judged):
    source = await page_of(HOSTILE, forced=forced, judged=judged)
    page = Page(source)
    assert page.open == []
    assert not set(page.tags) & {"script", "img", "a", "iframe", "link", "form", "object", "base"}
    assert page.tags.count("style") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in {"href", "src"}]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", source)
    assert "&lt;script&gt;alert(1)" in source
    assert "{{ 7*7 }}" in source
    source.encode("utf-8")


async def test_the_page_may_load_nothing_and_run_nothing(page_of):
    source = await page_of()
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in source
    assert source.index("Content-Security-Policy") < source.index("<style>")
    assert "http://" not in source.replace("http-equiv", "")


async def test_a_forced_run_shows_each_call_beside_its_record(page_of):
    source = await page_of()
    assert "recorded actions, teacher-forced" in source
    assert source.count("equal to the record") == 1
    assert source.count("differs from the record") == 1
    assert "+answer 1 plain" in source
    assert "-record 1 plain" in source
    assert "unanswered: plain" in source
    assert "judge: undecided (follows the position): plain" in source
    for rung, count in (("computed", 1), ("simulated", 1), ("unanswered", 1)):
        assert re.search(rf'class="badge {rung}">{rung}</span> {count}<', source)
    assert "failed at candidate: plain" in source


async def test_a_candidates_run_shows_both_turns_and_one_verdict(page_of):
    source = await page_of(forced=False)
    assert "to the record" not in source
    assert "recorded output of ls" in source
    assert "answer 1 plain" in source
    assert "Judge: undecided (follows the position): plain" in source
    assert "different models: not a measure of the environment alone" in source


async def test_the_figures_stand_with_their_interval_and_the_judges_power(page_of):
    source = await page_of()
    assert re.search(r'realism win rate</div><div class="big">50.0 %', source)
    assert "all fakes" in source
    assert "Judge too weak to tell." in source
    assert "1 lineages; 50 % is chance" in source
    assert "1 call, identical" in source


async def test_a_run_without_steps_ends_or_judge_is_a_page_too(page_of):
    source = await page_of(judged=False, ended=False, results=False)
    assert "<b>2</b> open" in source
    assert "win rate" not in source
    assert Page(source).open == []


async def test_a_long_result_says_how_much_is_not_shown(page_of):
    source = await page_of("x" * 7000)
    assert "characters more" in source
    assert len(source) < 400_000


async def test_the_pairs_of_a_run_are_read_once_however_many_rollouts_it_has(page_of, store):
    reads = []
    store.db.conn.set_trace_callback(lambda sql: reads.append(sql) if "from pairs" in sql and "body" in sql else None)
    await page_of(judged=True)
    before = len(reads)
    page = render_page(store, "run1", None)
    assert len(reads) - before == 1
    assert "judge: told apart" in page or "judge: undecided" in page or "judge: passed for real" in page
