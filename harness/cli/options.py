"""Options that several commands share, and the two ways to print: for people and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_SURROGATES = re.compile("[\ud800-\udfff]")


def _stack(decorators: Iterable[Callable[[Any], Any]]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for decorator in reversed(tuple(decorators)):
            function = decorator(function)
        return function

    return apply


_SCHEMES = ("postgresql://", "postgres://")


class StorePlace(click.Path):
    """A file, or, where a command works there too, the address of a Postgres server, which stays text."""

    def __init__(self, *, servers: bool) -> None:
        super().__init__(path_type=Path, dir_okay=False)
        self.servers = servers

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not (isinstance(value, str) and value.startswith(_SCHEMES)):
            return super().convert(value, param, ctx)
        if self.servers:
            return value
        return self.fail("this command reads a store in a file, not one on a server", param, ctx)


store_option = click.option(
    "--store", type=StorePlace(servers=False), default=Path("deploysim.db"), show_default=True,
    help="The store, one SQLite file.",
)  # fmt: skip
any_store_option = click.option(
    "--store", type=StorePlace(servers=True), default=Path("deploysim.db"), show_default=True,
    help="The store: one SQLite file, or postgresql://USER@HOST/DATABASE.",
)  # fmt: skip
calls_option = click.option(
    "--calls", "calls_path", type=click.Path(path_type=Path, dir_okay=False), default=None,
    help="The database of recorded pairs.  [default: calls.db beside the store]",
)  # fmt: skip
shell_option = _stack(
    [
        click.option(
            "--shell", type=click.Choice(["auto", "both", "sandbox", "bashkit", "container", "none"]), default=None,
            help="What runs shell commands; a container is used only where it is named.  [default: auto: both sandbox "
            "and bashkit where they can run, else the one that can, else nothing]",
        ),
        click.option("--image", default=None, metavar="NAME", help="The container image: the session's userland."),
        click.option(
            "--execute", default=None, metavar="NAME,NAME",
            help="Programs of the image that really run, in the container, and are not asked of the simulator.",
        ),
    ]
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output on stdout.")
budget_options = _stack(
    [
        click.option("--max-cost", type=float, default=None, help="Stop when model calls have cost this much."),
        click.option("--max-tokens", type=int, default=None, help="Stop after this many tokens."),
        click.option("--max-model-calls", type=int, default=None, help="Stop after this many model calls."),
    ]
)


deidentify_option = click.option(
    "--deidentify", type=click.Choice(["auto", "on", "off"]), default=None,
    help="Replace names, addresses and secrets in what a model is sent.  [default: auto: at every endpoint, not in "
    "embedded weights]",
)  # fmt: skip
reply_cache_option = click.option(
    "--reply-cache", type=click.Path(dir_okay=False), default=None, metavar="FILE|off",
    envvar="DEPLOYSIM_REPLY_CACHE",
    help="Keep models' answers by what was asked; an identical request is asked once.  [default: off]",
)  # fmt: skip


def reply_cache(flags: Mapping[str, Any]) -> str | None:
    """The file of `--reply-cache`; none where it is off."""
    file = flags.get("reply_cache")
    return None if file in {None, "off"} else str(file)


def calls_beside(store: Path | str, calls: Path | None) -> Path:
    """The pair database: as named, else `calls.db` beside the store, or here if that is on a server."""
    if calls is not None:
        return calls
    return store.with_name("calls.db") if isinstance(store, Path) else Path("calls.db")


def moment(text: str | None) -> float | None:
    """Unix seconds of an ISO date or date-time (UTC unless it says otherwise).

    Raises:
        click.BadParameter: it is neither.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not an ISO date or time such as 2026-02-28T12:00:00") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def day(at: float | None) -> str:
    """A moment for people: `2026-02-28 12:00`, or a dash."""
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def say(text: str) -> None:
    """Progress, on stderr."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout; dataclasses become objects."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=2)
    # half a surrogate pair can be written only escaped
    click.echo(_SURROGATES.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns aligned by spaces: numbers to the right, text to the left."""
    cells = [[("-" if c is None else f"{c:.3g}" if isinstance(c, float) else str(c)) for c in row] for row in rows]
    table = [list(header), *cells]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    right = [bool(cells) and all(_numeric(row[i]) for row in cells) for i in range(len(header))]
    for row in table:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        click.echo("  ".join(padded).rstrip())


def _numeric(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("%", "").strip().lstrip("-").isdigit()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path | bytes):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
