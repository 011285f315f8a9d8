"""A headless Chromium for tests: the marks that leave a test out with its reason where there is none, and a page."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

BROWSER = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)

MARKS = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(
        BROWSER is None, reason="there is no Chromium on this machine (Debian: apt-get install chromium)"
    ),
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """The browser, for all tests of a module: its start costs more than a test."""
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(browser: Any, root: str, **options: Any) -> AsyncIterator[Any]:
    """A fresh page. What it said is in `said`; what it asked of other places than `root` in `left`."""
    context = await browser.new_context(**options)
    page = await context.new_page()
    page.set_default_timeout(30_000)
    page.said, page.left = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("dialog", lambda dialog: page.said.append(f"dialog: {dialog.message}"))
    page.on("request", lambda r: None if r.url.startswith(root) else page.left.append(r.url))
    yield page
    await context.close()
