"""The door to the network: what it refuses, whatever a connector asks for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from toolsim.connectors import Gate, Query
from toolsim.connectors.gate import is_public
from toolsim.connectors.package_metadata import PackageMetadata
from toolsim.errors import ConnectorError

LOCAL = frozenset({"127.0.0.1"})

INDEXED = PackageMetadata("https://index.test", "https://index.test", "https://index.test/packages")


class _Pages(BaseHTTPRequestHandler):
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.seen.append(("GET", self.path))
        if self.path == "/slow":
            time.sleep(0.4)
        status = {"/moved": 302, "/broken": 500, "/gone": 404}.get(self.path, 200)
        body = b"x" * (5_000 if self.path == "/large" else 5)
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.seen.append(("POST", self.path))

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def pages() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    seen: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Pages", (_Pages,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


async def at(*addresses: str) -> tuple[str, ...]:
    return addresses


async def test_an_allowed_page_is_read_and_a_missing_one_is_an_answer(pages):
    url, _ = pages
    gate = Gate(private_hosts=LOCAL)
    assert (await gate.get(f"{url}/page", {}, LOCAL)).body == b"xxxxx"
    assert (await gate.get(f"{url}/gone", {}, LOCAL)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "post"])
async def test_anything_but_get_is_refused_before_it_is_sent(pages, method):
    url, seen = pages
    with pytest.raises(ConnectorError, match="only read"):
        await Gate(private_hosts=LOCAL).request(method, f"{url}/page", LOCAL)
    assert seen == []


async def test_a_redirect_is_refused_and_not_followed(pages):
    url, seen = pages
    with pytest.raises(ConnectorError, match="redirects to /elsewhere"):
        await Gate(private_hosts=LOCAL).get(f"{url}/moved", {}, LOCAL)
    assert seen == [("GET", "/moved")]


@pytest.mark.parametrize(
    ("path", "limits", "message"), [("/large", {"max_bytes": 100}, "larger than 100"), ("/broken", {}, "status 500")]
)
async def test_pages_that_are_too_large_or_broken_are_no_answer(pages, path, limits, message):
    url, _ = pages
    with pytest.raises(ConnectorError, match=message):
        await Gate(private_hosts=LOCAL, **limits).get(url + path, {}, LOCAL)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://elsewhere.test/x", "not one of"),
        ("https://index.test.elsewhere.test/x", "not one of"),
        ("http://index.test/x", "only https"),
        ("https://me:secret@index.test/x", "credentials"),
        ("file:///etc/passwd", "not one of"),
        ("https://index.test/x", "not public"),
    ],
)
async def test_other_hosts_schemes_and_private_addresses_are_refused(url, message):
    gate = Gate(resolve=lambda host, port: at("10.0.0.7"))
    with pytest.raises(ConnectorError, match=message) as refusal:
        await gate.get(url, {}, frozenset({"index.test"}))
    assert "secret" not in str(refusal.value)


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    gate = Gate(resolve=lambda host, port: at("93.184.216.34", "127.0.0.1"))
    with pytest.raises(ConnectorError, match=r"127\.0\.0\.1"):
        await gate.get("https://index.test/x", {}, frozenset({"index.test"}))


async def test_a_name_that_answers_from_another_address_than_it_resolved_to_is_refused(pages):
    url, _ = pages
    gate = Gate(private_hosts=frozenset({"localhost"}))

    async with httpx2.AsyncClient(trust_env=False) as client, client.stream("GET", f"{url}/page") as response:
        with pytest.raises(ConnectorError, match=r"answered from 127\.0\.0\.1"):
            gate.check_peer("https://index.test/x", response)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.0.1", False), ("169.254.169.254", False), ("::1", False),
        ("fe80::1%eth0", False), ("::ffff:10.0.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("100.64.0.1", False), ("not an address", False), ("93.184.216.34", True), ("2606:4700::1", True),
    ],
)  # fmt: skip
def test_public_addresses(address, public):
    assert is_public(address) is public


async def test_a_slow_source_is_given_up(pages):
    url, _ = pages
    with pytest.raises(ConnectorError, match=r"within 0.1 s|Timeout"):
        await Gate(private_hosts=LOCAL, seconds=0.1).get(f"{url}/slow", {}, LOCAL)


async def test_without_a_moment_nothing_is_asked():
    with pytest.raises(ConnectorError, match="states no time"):
        await Gate().ask(INDEXED, Query(argv=("pip", "index", "versions", "six")), None)
