"""OpenAI's Batch API: many requests uploaded as one file, answered within a day at a lower price.

Documented routes and forms: `/files` (purpose `batch`), `/batches`, `/batches/ID`, `/files/ID/content`. The HTTP side
is `toolsim.model.Endpoint`; what an endpoint says is read by pydantic. Nothing waits here: who polls decides when.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError

from toolsim.endpoint import Endpoint
from toolsim.errors import EndpointError, ModelError, ModelUnavailable
from toolsim.trajectory import JsonObject
from toolsim.wire import Loose, excerpt, read_body, refuse

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""Statuses that a batch does not leave."""
MOST_LINES = 50_000
MOST_BYTES = 190_000_000
"""Documented limits of one batch: 50,000 requests, 200 MB."""

_NO_ROUTE = frozenset({404, 405, 501})
_REFUSED = frozenset({"content_filter", "content_policy_violation"})


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as its endpoint describes it; `errors` say why it failed as a whole."""

    id: str
    status: str
    output_file: str | None
    error_file: str | None
    done: int
    total: int
    errors: tuple[str, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED


class _Counts(Loose):
    completed: int = 0
    failed: int = 0
    total: int = 0


class _Error(Loose):
    code: str | None = None
    message: str | None = None
    line: int | None = None


class _Errors(Loose):
    data: list[_Error] | None = None


class _Batch(Loose):
    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: _Counts | None = None
    errors: _Errors | None = None


class _File(Loose):
    id: str


class _Response(Loose):
    status_code: int
    body: Any = None


class _Line(Loose):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = Field(default=None)


def packed(path: str, bodies: Mapping[str, JsonObject]) -> Iterator[dict[str, bytes]]:
    """The lines of the input files by custom id, in as few files as the limits allow."""
    lines: dict[str, bytes] = {}
    size = 0
    for name, body in bodies.items():
        value = {"custom_id": name, "method": "POST", "url": f"/v1{path}", "body": body}
        line = json.dumps(value, ensure_ascii=True).encode() + b"\n"
        if lines and (len(lines) == MOST_LINES or size + len(line) > MOST_BYTES):
            yield lines
            lines, size = {}, 0
        lines[name] = line
        size += len(line)
    if lines:
        yield lines


async def start(endpoint: Endpoint, path: str, lines: Iterable[bytes]) -> Batch:
    """Upload the lines and start a batch over them.

    Raises:
        ModelUnavailable: the endpoint has no Batch API.
        EndpointError: it does not take the file or the batch.
    """
    try:
        file = read_body(await endpoint.upload("requests.jsonl", b"".join(lines), "batch"), _File)
        body = {"input_file_id": file.id, "endpoint": f"/v1{path}", "completion_window": "24h"}
        made, _ = await endpoint.post("/batches", body)
    except EndpointError as error:
        if error.status in _NO_ROUTE:
            raise ModelUnavailable(f"{endpoint.name} has no Batch API: leave --batch away") from None
        raise
    return _described(made)


async def look(endpoint: Endpoint, batch: str) -> Batch:
    """How far a batch is.

    Raises:
        EndpointError: the endpoint fails, or does not know the batch.
    """
    return _described(await endpoint.get(f"/batches/{batch}"))


async def results(endpoint: Endpoint, batch: Batch) -> dict[str, bytes | ModelError]:
    """By custom id the response body of each answered request, and the error of each other that the endpoint names.

    Raises:
        EndpointError: a file cannot be read.
    """
    found: dict[str, bytes | ModelError] = {}
    for file in (batch.output_file, batch.error_file):
        if file is None:
            continue
        content = await endpoint.get(f"/files/{file}/content")
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip():
                name, answer = _answer(line, f"line {number} of {file}")
                found[name] = answer
    return found


def _answer(line: bytes, where: str) -> tuple[str, bytes | ModelError]:
    try:
        read = _Line.model_validate_json(line)
    except ValidationError:
        raise EndpointError(f"{where} of the batch is no result: {excerpt(line)}") from None
    if read.response is not None and read.response.status_code < 300 and read.error is None:
        return read.custom_id, json.dumps(read.response.body).encode()
    return read.custom_id, _failure(read)


def _failure(read: _Line) -> ModelError:
    error = read.error
    if error is None and read.response is not None:
        body = read.response.body
        said = body.get("error") if isinstance(body, dict) else None
        error = _Error.model_validate(said) if isinstance(said, dict) else _Error()
    code = None if error is None else error.code
    said = (error and error.message) or "no reason was given"
    if code in _REFUSED:
        return refuse(said)
    status = read.response.status_code if read.response is not None else None
    named = " ".join(str(part) for part in (status, code) if part is not None)
    return EndpointError(f"the batch failed this request{f' ({named})' if named else ''}: {said}", status)


def _described(body: bytes) -> Batch:
    read = read_body(body, _Batch)
    counts = read.request_counts or _Counts()
    errors = read.errors.data if read.errors is not None else None
    return Batch(
        read.id, read.status, read.output_file_id, read.error_file_id, counts.completed + counts.failed, counts.total,
        tuple(_worded(error) for error in errors or ()),
    )  # fmt: skip


def _worded(error: _Error) -> str:
    where = f"line {error.line}: " if error.line is not None else ""
    return f"{where}{error.message or error.code or 'no reason was given'}"
