"""Serves one situation through the proxy, over HTTP, until it is stopped."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from harness.live.http import Guard
from harness.live.http import serve as serve_app
from harness.live.proxy import Proxy, build
from harness.viewer.guard import allowed_hosts
from harness.viewer.serving import listen


async def serve_proxy(
    proxy: Proxy, host: str, port: int, token: str | None, *, stop: asyncio.Event, ready: Callable[[str, str], None]
) -> None:
    """Answer until `stop` is set; `ready` is told the base URL and the token that products send as their key.

    Raises:
        HarnessError: the address is taken.
    """
    secret = token or secrets.token_urlsafe(24)
    with listen(host, port) as taken:
        at = taken.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{at}/v1", secret)
        await serve_app(Guard(build(proxy), secret, allowed_hosts(host, at)), taken, stop, proxy.close)
