"""One OpenAI-compatible endpoint over HTTP: requests, retries, limits, and failures as one sentence.

The only openai import of the project. Retries, their delays and `Retry-After` are the client's.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakKeyDictionary

import httpx2
import openai
import orjson

from toolsim.errors import EndpointError, ModelError
from toolsim.trajectory import JsonObject
from toolsim.wire import excerpt, refuse

_REFUSAL_CODES = frozenset({"content_filter", "content_policy_violation"})
_HINTS = {
    401: "check OPENAI_API_KEY",
    403: "check OPENAI_API_KEY",
    404: "check the model name and the base URL",
}
_CUT = "cut off: too large"
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_LIMITS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How an endpoint is used.

    `timeout` is seconds for one whole answer, however slowly it drips, `connect_timeout` for a connection; `retries`
    follow a failed request (a first contact that fails to connect is tried twice only); `concurrency` limits requests
    in flight to one endpoint; an answer of more than `largest` bytes is a failure.
    """

    timeout: float = 600.0
    connect_timeout: float = 10.0
    retries: int = 4
    concurrency: int = 16
    largest: int = 8 << 20


class _Client(openai.DefaultAioHttpClient):
    """The client's HTTP side, which bounds an answer as a whole in time and size."""

    def __init__(self, settings: ClientSettings, timeout: httpx2.Timeout) -> None:
        super().__init__(timeout=timeout)
        self._settings = settings

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request and read its answer; a timeout of the whole looks like one of a read, so it is retried."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                response = await super().send(request, **{**options, "stream": True})
                try:
                    return await self._whole(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise httpx2.ReadTimeout("the answer as a whole took too long", request=request) from None

    async def _whole(self, response: httpx2.Response) -> httpx2.Response:
        found = bytearray()
        cut = False
        async for part in response.aiter_bytes():
            found += part
            if len(found) > self._settings.largest:
                cut = True
                break
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_WIRE]
        return httpx2.Response(
            response.status_code, headers=headers, content=b"" if cut else bytes(found), request=response.request,
            extensions={**response.extensions, _CUT: cut},
        )  # fmt: skip


class Endpoint:
    """The HTTP side: one endpoint, its client, and its failures as one-sentence errors. The key appears in none."""

    def __init__(self, base_url: str | None, settings: ClientSettings, api_key: str | None = None) -> None:
        self.name = _shown_url(base_url) if base_url else "OpenAI's API"
        self.local = base_url is not None
        self._base_url = base_url
        self._settings = settings
        self._api_key = api_key
        self._client: openai.AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()
        self._reached = False

    async def post(self, path: str, body: JsonObject) -> tuple[bytes, int]:
        """The response body, and how many requests it took. A path that begins with `//` is at the server's root.

        Raises:
            EndpointError: no answer, or not a good one, after all retries.
            Refused: the endpoint names a content filter as the reason.
        """
        async with _limit(self.name, self._settings.concurrency):
            return await self._request(path, body)

    async def get(self, path: str) -> bytes:
        """The response body of a GET; errors as for `post`."""
        return (await self._request(path, None))[0]

    async def upload(self, name: str, content: bytes, purpose: str) -> bytes:
        """The response body of an upload to `/files`; errors as for `post`."""
        file = (name, content, "application/jsonl")
        return (await self._request("/files", {"purpose": purpose}, [("file", file)]))[0]

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _request(
        self, path: str, body: JsonObject | None, files: list[tuple[str, tuple[str, bytes, str]]] | None = None
    ) -> tuple[bytes, int]:
        client = self._client or await self._connected()
        sent = None if body is None or files is not None else encoded(body)
        base = str(client.base_url)  # a whole address is parsed once, a path is joined to it and parsed twice more
        url = f"{_root(base)}{path[1:]}" if path.startswith("//") else f"{base.rstrip('/')}{path}"
        while True:
            retries = self._settings.retries if self._reached else min(1, self._settings.retries)
            try:
                if body is None:
                    response = await client.get(url, cast_to=httpx2.Response, options={"max_retries": retries})
                else:
                    form = {"Content-Type": "multipart/form-data" if files is not None else "application/json"}
                    response = await client.post(
                        url, cast_to=httpx2.Response, content=sent, body=body if sent is None else None, files=files,
                        options={"max_retries": retries, "headers": form},
                    )  # fmt: skip
            except openai.APIConnectionError as error:
                raise EndpointError(self._connection_failure(error)) from None
            except openai.APIStatusError as error:
                self._reached = True
                if _worth_retrying(error.status_code) and retries < self._settings.retries:
                    continue  # tried as a first contact, and there was somebody
                raise self._status_error(error, retries) from None
            self._reached = True
            if response.extensions.get(_CUT):
                raise EndpointError(f"{self.name} answered more than {self._settings.largest} bytes")
            return response.content, 1 + int(response.request.headers.get("x-stainless-retry-count", 0))

    def _connection_failure(self, error: openai.APIConnectionError) -> str:
        # the aiohttp transport reports a refused connection as a connect timeout
        if isinstance(error, openai.APITimeoutError) and not isinstance(error.__cause__, httpx2.ConnectTimeout):
            return f"{self.name} did not answer within {self._settings.timeout:g} s"
        return f"cannot reach {self.name}: {_cause(error)}"

    def _status_error(self, error: openai.APIStatusError, retries: int) -> ModelError:
        said = excerpt(error.response.content)
        if self._api_key:
            said = said.replace(self._api_key, "[key]")
        if error.code in _REFUSAL_CODES:
            return refuse(said)
        tries = f" after {retries + 1} attempts" if _worth_retrying(error.status_code) else ""
        hint = f" ({_HINTS[error.status_code]})" if error.status_code in _HINTS else ""
        return EndpointError(f"{self.name} answered {error.status_code}{tries}{hint}: {said}", error.status_code)

    async def _connected(self) -> openai.AsyncOpenAI:
        """The client, made in a thread: what it loads and reads (certificates) takes a tenth of a second."""
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            return self._client

    def _connect(self) -> openai.AsyncOpenAI:
        timeout = httpx2.Timeout(self._settings.timeout, connect=self._settings.connect_timeout)
        return openai.AsyncOpenAI(
            api_key=self._api_key or "none",
            base_url=self._base_url,
            max_retries=self._settings.retries,
            timeout=timeout,
            http_client=_Client(self._settings, timeout),
        )


def encoded(body: JsonObject) -> bytes:
    """The body as JSON, once for all attempts; what the fast encoder refuses (halves of surrogate pairs, numbers of
    more than 64 bits) is written by the other one.
    """
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()


def _limit(endpoint: str, concurrency: int) -> asyncio.Semaphore:
    limits = _LIMITS.setdefault(asyncio.get_running_loop(), {})
    return limits.setdefault(endpoint, asyncio.Semaphore(concurrency))


def _worth_retrying(status: int) -> bool:
    return status in {408, 409, 429} or status >= 500


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _shown_url(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _root(base_url: str) -> str:
    return base_url.rstrip("/").removesuffix("/v1")
