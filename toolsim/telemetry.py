"""OpenTelemetry spans of what the harness does, by the semantic conventions for generative AI. Off unless asked for.

`DEPLOYSIM_OTEL` asks: `otlp` sends to where the `OTEL_EXPORTER_OTLP_*` variables say, `console` writes to stderr,
`file:PATH` adds a JSON line for each span to a file. Needs the extra `otel`. Names, counts and causes are told, never
what was said or what a tool answered, and never an address with its query or a key.
Conventions: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import IO, Any, Literal

from toolsim.errors import ToolsimError

VARIABLE = "DEPLOYSIM_OTEL"
Value = str | int | float | bool | None
Tell = Callable[[Mapping[str, Value]], None]
"""Adds attributes to a span; those that are `None` are left out."""

_state: dict[str, Any] = {}


class TelemetryUnavailable(ToolsimError):
    """Spans were asked for and cannot be made; says why."""


def configure(target: str | None = None) -> None:
    """Begin to make spans if `target`, or else `DEPLOYSIM_OTEL`, asks for it. Spans left over are sent at exit.

    Raises:
        TelemetryUnavailable: the extra is missing, or the target is not known.
    """
    target = os.environ.get(VARIABLE) if target is None else target
    if not target:
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TelemetryUnavailable("spans need an extra: pip install 'deploysim[otel]'") from error
    stop()
    named = {"service.name": "deploysim", "service.version": version("deploysim")}
    provider = TracerProvider(resource=Resource.create(named))
    exporter, stream = _exporter(target)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _state.update(tracer=provider.get_tracer("deploysim"), provider=provider, stream=stream)
    atexit.register(stop)


def stop() -> None:
    """Send what is left and make no more spans."""
    provider, stream = _state.get("provider"), _state.get("stream")
    _state.clear()
    if provider is not None:
        provider.shutdown()
    if stream is not None:
        stream.close()


@contextmanager
def span(
    name: str, attributes: Mapping[str, Value], kind: Literal["internal", "client"] = "internal"
) -> Iterator[Tell]:
    """A span around a block. An error that leaves the block is its cause (`error.type`), without its text."""
    tracer = _state.get("tracer")
    if tracer is None:
        yield _nothing
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode

    kinds = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}
    with tracer.start_as_current_span(
        name, kind=kinds[kind], attributes=_clean(attributes), record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield lambda more: made.set_attributes(_clean(more))
        except BaseException as error:
            made.set_attribute("error.type", getattr(error, "stage", None) or type(error).__name__)
            made.set_status(Status(StatusCode.ERROR))
            raise


def _nothing(_: Mapping[str, Value]) -> None:
    return None


def _clean(attributes: Mapping[str, Value]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _exporter(target: str) -> tuple[Any, IO[str] | None]:
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    kind, _, place = target.partition(":")
    if kind == "console" and not place:
        return ConsoleSpanExporter(out=sys.stderr), None
    if kind == "file" and place:
        try:
            stream = open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")  # noqa: PTH123, SIM115
        except OSError as error:
            raise TelemetryUnavailable(f"cannot write spans to {place}: {error.strerror}") from error
        return ConsoleSpanExporter(out=stream, formatter=lambda made: made.to_json(indent=None) + "\n"), stream
    if kind == "otlp" and not place:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise TelemetryUnavailable("spans need an extra: pip install 'deploysim[otel]'") from error
        return OTLPSpanExporter(), None
    raise TelemetryUnavailable(f"{VARIABLE} is otlp, console or file:PATH, not {target!r}")
