"""The viewer in a real browser: filters, evidence, verdicts, keys, labels; and hostile text does nothing."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from harness.rows import End
from tests.browser import MARKS, chromium, opened

pytestmark = MARKS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser, served):
    """A page that was opened with the token."""
    async with opened(browser, served.partition("?")[0]) as fresh:
        await fresh.goto(served)
        yield fresh


async def test_a_run_is_followed_from_the_list_to_a_label(page, indexed):
    assert "token" not in page.url
    await page.click("text=run1")
    await page.select_option("select[name=grade]", "different")
    await page.click("button:has-text('Filter')")
    await page.wait_for_url("**grade=different**")  # and its script has run: keys before that are lost
    assert await page.locator("tbody tr[data-row]").count() == 2
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/rollout/r0")
    await page.click(".strip a[href='#step-1']")
    assert page.url.endswith("/rollout/r0#step-1")
    step = page.locator("#step-1")
    assert "here" in await step.get_attribute("class")
    assert "undecided" in await step.locator(".verdict").inner_text()
    assert not await step.locator(".facts").is_visible()
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#step-1 .facts", state="visible")
    assert "f00df00d" in await step.locator(".facts").inner_text()
    assert "/work/a.py" in await step.locator(".change").inner_text()
    assert await step.locator(".simulated .word").count() >= 1
    await page.keyboard.press("n")
    await page.wait_for_url("**/rollout/r1")
    await page.keyboard.press("?")
    assert await page.locator("dialog#keys").is_visible()
    await page.keyboard.press("?")
    await page.click(".crumbs a >> nth=0")
    await page.click("text=label pairs")
    await page.fill("input[name=rater]", "ada")
    await page.click("button:has-text('Begin')")
    await page.wait_for_url("**rater=ada**")
    await page.wait_for_selector("form.blind")
    await page.keyboard.press("1")
    await page.wait_for_selector("p.note")
    (label,) = indexed.store.labels("run1")
    assert (label.rater, label.choice) == ("ada", "first")
    assert page.said == []
    assert page.left == []


@pytest.mark.parametrize(
    "path",
    ["/", "/sessions", "/session/s1", "/run/run1", "/rollout/r0", "/rollout/r2", "/search?q=look",
     "/run/run1/label?rater=ada", "/run/run1/fidelity", "/rollout/r0/step/1/asked", "/rollout/r2/world",
     "/compare?a=run1&b=run2"],
)  # fmt: skip
async def test_hostile_text_runs_no_script_and_asks_no_other_host(page, path):
    await page.goto(page.url.rstrip("/") + path)
    await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    await asyncio.sleep(0.1)
    assert await page.title() != "owned"
    assert await page.locator("main, pre").first.is_visible()
    assert page.said == []
    assert page.left == []


async def test_the_counts_of_a_run_that_goes_on_are_asked_for_again(page, indexed):
    await page.goto(page.url.rstrip("/") + "/run/run1")
    assert "open" in await page.inner_text("#counts")
    indexed.store.end_rollout("r3", End("completed"))
    for _ in range(80):
        if "open" not in (shown := await page.inner_text("#counts")):
            break
        await asyncio.sleep(0.1)
    assert shown.split() == ["completed", "3", "failed", "at", "candidate", "1"]


async def test_the_pages_are_usable_without_script(browser, served):
    async with opened(browser, served.partition("?")[0], java_script_enabled=False) as page:
        await page.goto(served)
        await page.click("text=run1")
        await page.select_option("select[name=rung]", "simulated")
        await page.click("button:has-text('Filter')")
        await page.click("tbody a >> nth=0")
        await page.click("#step-1 summary")
        assert await page.locator("#step-1 .facts").is_visible()


async def test_a_run_that_goes_on_refreshes_itself_without_script(browser, served, indexed):
    async with opened(browser, served.partition("?")[0], java_script_enabled=False) as page:
        await page.goto(served)
        await page.goto(page.url.rstrip("/") + "/run/run1")
        assert "open" in await page.inner_text("#counts")
        indexed.store.end_rollout("r3", End("completed"))
        await page.wait_for_selector("#counts:not(:has-text('open'))", timeout=20_000)


async def test_a_finding_and_a_verdict_are_followed_to_what_stands_behind_them(page):
    await page.goto(page.url.rstrip("/") + "/rollout/r2")
    await page.click(".findings a")
    assert page.url.endswith("#step-3")
    assert "rm a.py" in await page.locator("#step-3").inner_text()
    await page.goto(page.url.partition("/rollout")[0] + "/rollout/r0")
    await page.click("#step-1 summary")
    await page.click("#step-1 a:has-text('raw answer')")
    await page.wait_for_url("**/step/1/asked")
    assert "the contract" in await page.locator("main").inner_html()
    await page.click("text=back to the rollout")
    await page.click("#step-1 a:has-text('prompts and answers')")
    await page.wait_for_url("**/pair/*/asked")
    assert await page.locator(".exchange").count() == 2
    assert page.left == []
