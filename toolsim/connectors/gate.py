"""The only door to the network for connectors, holding their contract from outside.

GET only, `https` only (`http` where the host is allowed to be private), hosts of the allow-list only, no redirect
followed, no private address reached, limits on size and time, no environment proxies, no cookies, no credentials.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from toolsim.connectors.base import Connector, Fetched, Query, Sourced
from toolsim.errors import ConnectorError

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host by the system's resolver.

    Raises:
        ConnectorError: the name has none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectorError(f"{host} cannot be resolved: {error}") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Gate:
    """Limits of all connectors of a run. `private_hosts` may have private addresses and plain `http` (own mirrors).

    `resolve` and `allowed` are the two checks of an address; tests bring their own.
    """

    private_hosts: frozenset[str] = frozenset()
    max_bytes: int = 20_000_000
    seconds: float = 20.0
    resolve: Resolve = resolve
    allowed: Callable[[str], bool] = is_public

    async def ask(self, connector: Connector, query: Query, as_of: float | None) -> Sourced | None:
        """What a connector says of a query as of a moment; `None` where it does not apply or knows nothing.

        Raises:
            ConnectorError: there is no moment, or the connector was refused or failed.
        """
        if not connector.applies(query):
            return None
        if as_of is None:
            raise ConnectorError(f"{connector.name}: the session states no time, so nothing can be asked as of it")

        async def fetch(url: str, parameters: Mapping[str, str]) -> Fetched:
            return await self.get(url, parameters, connector.hosts)

        return await connector.answer(query, fetch, as_of)

    async def request(self, method: str, url: str, hosts: frozenset[str]) -> Fetched:
        """One request in the name of a connector; anything but GET is refused.

        Raises:
            ConnectorError: see `get`.
        """
        if method.upper() != "GET":
            raise ConnectorError(f"{method} {url} is refused: connectors only read (GET)")
        return await self.get(url, {}, hosts)

    async def get(self, url: str, parameters: Mapping[str, str], hosts: frozenset[str]) -> Fetched:
        """GET from an allowed host.

        Raises:
            ConnectorError: the URL, its address, a redirect, the status, the size or the time is not acceptable.
        """
        await self._check(url, hosts)
        try:
            async with asyncio.timeout(self.seconds), self._client() as client:
                return await self._read(client, url, parameters)
        except TimeoutError:
            raise ConnectorError(f"{url} gave no answer within {self.seconds:g} s") from None
        except httpx2.HTTPError as error:
            raise ConnectorError(f"{url} cannot be read: {type(error).__name__}: {error}") from error

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=self.seconds)

    async def _check(self, url: str, hosts: frozenset[str]) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host not in hosts:
            raise ConnectorError(f"{url} is refused: its host is not one of {', '.join(sorted(hosts))}")
        if parts.username is not None or parts.password is not None:
            raise ConnectorError(f"{parts.scheme}://{host} is refused: the URL carries credentials")
        private = host in self.private_hosts
        if parts.scheme != "https" and not (private and parts.scheme == "http"):
            raise ConnectorError(f"{url} is refused: only https is read")
        if private:
            return
        addresses = await self.resolve(host, parts.port or 443)
        refused = [address for address in addresses if not self.allowed(address)]
        if refused or not addresses:
            raise ConnectorError(f"{url} is refused: {host} is at {', '.join(refused) or 'no address'}, not public")

    async def _read(self, client: httpx2.AsyncClient, url: str, parameters: Mapping[str, str]) -> Fetched:
        async with client.stream("GET", url, params=dict(parameters) or None) as response:
            self.check_peer(url, response)
            if response.is_redirect:
                raise ConnectorError(f"{url} is refused: it redirects to {response.headers.get('location')}")
            if response.status_code not in (200, 404):
                raise ConnectorError(f"{url} answered with status {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self.max_bytes:
                    raise ConnectorError(f"{url} is larger than {self.max_bytes} bytes")
            return Fetched(url, response.status_code, bytes(body))

    def check_peer(self, url: str, response: httpx2.Response) -> None:
        """Look at who really answered: the name may have changed its address since it was resolved.

        Raises:
            ConnectorError: a private address did.
        """
        stream = response.extensions.get("network_stream")
        peer = None if stream is None else stream.get_extra_info("server_addr")
        host = urlsplit(url).hostname
        if peer is None or host in self.private_hosts:
            return
        if not self.allowed(str(peer[0])):
            raise ConnectorError(f"{url} is refused: {host} answered from {peer[0]}, not public")
