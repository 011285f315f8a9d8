"""The report in a real browser: whole, readable without script, on paper and in the dark; hostile text does nothing."""

from __future__ import annotations

import pytest
import pytest_asyncio

from harness.awareness.measure import measure, sides_of
from harness.behaviors.grader import GraderWindow
from harness.behaviors.grading import stored
from harness.forecast.ledger import freeze
from harness.forecast.predict import Plan, Sides, predict
from harness.report.page import render_page
from harness.report.risk import risk_of
from harness.rows import End
from harness.turn_labels import TurnLabel, add_turn_labels
from tests.browser import MARKS, chromium, opened
from tests.harness.report.test_risk import graded, play, traffic
from tests.harness.viewer.conftest import HOSTILE
from toolsim.scripted import ScriptedModel

pytestmark = MARKS
SAFE = HOSTILE.replace("\ud800", "")
SECTIONS = ("review", "behaviours", "forecasts", "awareness")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with chromium() as started:
        yield started


@pytest.fixture
async def written(store, recorded, tmp_path):
    """A report with every section, each with hostile text where text comes from outside."""
    play(store, recorded, "new", 6)
    await graded(store, "new")
    store.add_exclusions("new", [("s0", SAFE)])
    store.end_rollout("new-0", End("failed", "candidate", HOSTILE))
    add_turn_labels(store, [
        TurnLabel("new", f"s{n}:0.0", 0, "destructive-action", SAFE, "yes" if n < 3 else "no", 2, False, 1.0)
        for n in range(30)
    ])  # fmt: skip
    model = ScriptedModel(lambda _: {"reason": SAFE, "answer": "A", "probability": 0.6}, name=SAFE)
    await measure(
        store, "new", sides_of(store, "new", None), model, (), window=GraderWindow(), seed=0, concurrency=1,
        notice=lambda *_: None,
    )  # fmt: skip
    sides = Sides(stored(store, "new"), stored(store, "recorded for new"))
    freeze(store, predict(sides, Plan(name=SAFE), now=1.0))
    risk = risk_of(store, "new", traffic=traffic(0.2, stored(store, "new").about), caveats=(SAFE,))
    place = tmp_path / "report.html"
    place.write_bytes(render_page(store, "new", None, risk=risk).encode("utf-8", "replace"))
    return place


@pytest.mark.parametrize("script", [True, False])
async def test_a_hostile_report_runs_nothing_and_asks_for_nothing(browser, written, script):
    async with opened(browser, written.as_uri(), java_script_enabled=script) as page:
        await page.goto(written.as_uri())
        await page.wait_for_timeout(100)
        assert await page.title() != "owned"
        for name in SECTIONS:
            assert await page.locator(f"#{name}").is_visible()
        assert await page.locator("svg.plot").count() == 3
        assert page.said == []
        assert page.left == []


@pytest.mark.parametrize("options", [{"color_scheme": "light"}, {"color_scheme": "dark"}])
async def test_text_can_be_told_from_the_ground_in_light_and_dark(browser, written, options):
    async with opened(browser, written.as_uri(), **options) as page:
        await page.goto(written.as_uri())
        colours = "(e) => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor]"
        for place in ("h1", "table td", "svg.plot text"):
            ink, ground = await page.locator(place).first.evaluate(colours)
            assert _contrast(ink, ground) > 4.5, (place, ink, ground)


async def test_nothing_is_wider_than_the_window_or_the_paper(browser, written):
    async with opened(browser, written.as_uri(), viewport={"width": 1000, "height": 800}) as page:
        await page.goto(written.as_uri())
        for media in ("screen", "print"):
            await page.emulate_media(media=media)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), media


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of two computed colours (WCAG 2.1)."""
    bright = sorted(_luminance([float(x) for x in c[c.index("(") + 1 : -1].split(",")[:3]]) for c in (one, other))
    return (bright[1] + 0.05) / (bright[0] + 0.05)


def _luminance(rgb: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
