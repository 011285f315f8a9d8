"""Who may ask for a page: the right host name, the right token, and no page of another site.

The server listens on one machine, but every page in a browser there can send it requests. So the `Host` header must
name the server (a foreign name that was pointed at this address is refused), each request carries the token, and what
changes something must come from one of our own pages. Every answer forbids what it does not need.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """An ASGI application that lets through what `hosts` (`name:port`) and `token` allow.

    The token comes once in the address (`?token=`), then in a cookie that no script reads and no other site sends.
    """

    app: ASGIApp
    token: str
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._refusal(scope) or self._welcome(scope)
        await (answer or self.app)(scope, receive, strict)

    @property
    def cookie(self) -> str:
        """The cookie's name: one for each port, since cookies know no ports."""
        ports = sorted(host.rpartition(":")[2] for host in self.hosts)
        return f"deploysim_{ports[0] if ports else 0}"

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host not in self.hosts:
            return PlainTextResponse("This server does not answer to that host name.\n", 421)
        if scope["method"] not in {"GET", "HEAD"}:
            origin = headers.get("origin", "")
            if origin.lower() != f"http://{host}":
                return PlainTextResponse("This form must be sent from one of the viewer's own pages.\n", 403)
        return None

    def _welcome(self, scope: Scope) -> Response | None:
        """Take the token out of the address, or ask for it."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if given is not None and self._is_token(given):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            place = "/" + scope["path"].lstrip("/\\")
            answer = RedirectResponse(f"{place}?{rest}" if rest else place, 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
            return answer
        if self._is_token(_cookie(Headers(scope=scope).get("cookie", ""), self.cookie)):
            return None
        return PlainTextResponse("Open the address that `deploysim view` printed: it holds the token.\n", 401)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), self.token.encode())


def allowed_hosts(host: str, port: int) -> frozenset[str]:
    """The `Host` headers of a server on this address: its own name, and for loopback all names of loopback."""
    names = {f"[{host}]" if ":" in host else host.lower()}
    if host in {"127.0.0.1", "localhost", "::1"}:
        names |= {"127.0.0.1", "localhost", "[::1]"}
    return frozenset(f"{name}:{port}" for name in names) | (frozenset(names) if port == 80 else frozenset())


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""
