"""Progress of long commands on stderr: how far, how fast, how long still, what it costs, what failed and why.

A live line in a terminal, else plain lines, at most one every few seconds. Texts of sessions are made inert.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from harness.report.inert import inert

if TYPE_CHECKING:
    from harness.store import Store
    from toolsim.modeltypes import Budget

PAUSE = 2.0
"""Seconds between two plain lines, and between two looks at what failed."""
_REASONS = 4

Failures = Callable[[], Mapping[str, int]]
"""What has failed so far, by reason."""


class Tell(Protocol):
    """Says how far the work is; `total` as soon as it is known."""

    def __call__(self, done: int, text: str = "", total: int | None = None) -> None:
        """`done` pieces of work are ended; `text` is about the last one."""


@dataclass(slots=True)
class Watch:
    """The state of a piece of work, and its figures as one line. Rates are of what this command did itself: what was
    done before it began (a resumed run) is left out.
    """

    what: str
    budget: Budget | None = None
    failures: Failures | None = None
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    total: int | None = None
    _first: int | None = None
    _began: float = 0.0
    _made: float = field(init=False, default=0.0)
    _looked: float | None = None
    _failed: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._made = self.clock()

    def take(self, done: int, total: int | None) -> None:
        """Take in how far the work is."""
        if self._first is None:
            # the first word is of the plan, where the work begins now, or of the first piece that is done
            planned = total is not None and done != 1
            self._first, self._began = (done, self.clock()) if planned else (0, self._made)
        self.done = done
        self.total = self.total if total is None else total

    def facts(self) -> str:
        """Rate, time left, model calls, tokens, cost, and failures by reason, as far as there are any."""
        return " · ".join(part for part in (*self._pace(), *self._spent(), self._failures()) if part)

    def line(self, text: str = "") -> str:
        """Everything on one plain line."""
        whole = "?" if self.total is None else self.total
        return " · ".join(part for part in (f"{self.what}: {self.done}/{whole}", self.facts(), inert(text)) if part)

    def _pace(self) -> Iterator[str]:
        made, seconds = self.done - (self._first or 0), self.clock() - self._began
        if made <= 0 or seconds <= 0:
            return
        rate = made / seconds
        yield f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
        if self.total is not None and self.total > self.done:
            yield f"{duration((self.total - self.done) / rate)} left"

    def _spent(self) -> Iterator[str]:
        if self.budget is None or not self.budget.calls:
            return
        yield f"{self.budget.calls:,} model calls"
        if self.budget.usage.total:
            yield f"{self.budget.usage.total:,} tokens"
        if self.budget.cost:
            unpriced = (
                f" and {self.budget.unpriced_calls:,} calls without a price" if self.budget.unpriced_calls else ""
            )
            yield f"{self.budget.cost:.2f} USD{unpriced}"

    def _failures(self) -> str:
        now = self.clock()
        if self.failures is not None and (
            self._looked is None or now - self._looked >= PAUSE or self.done == self.total
        ):
            self._looked, self._failed = now, self.failures()
        most = Counter(self._failed).most_common()
        if not most:
            return ""
        named = ", ".join(f"{n} {inert(reason)}" for reason, n in most[:_REASONS])
        rest = sum(n for _, n in most[_REASONS:])
        return f"failed: {named}" + (f", {rest} others" if rest else "")


def duration(seconds: float) -> str:
    """A length of time for people: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def bar(what: str, budget: Budget | None = None, failures: Failures | None = None) -> Iterator[Tell]:
    """Show progress while inside. `budget` is what model calls are counted by; `failures` is asked now and then."""
    console, watch = Console(stderr=True), Watch(what, budget, failures)
    yield from _drawn(console, watch) if console.is_terminal else _plain(watch)


def _plain(watch: Watch) -> Iterator[Tell]:
    said: tuple[int, float] | None = None

    def tell(done: int, text: str = "", total: int | None = None) -> None:
        nonlocal said
        watch.take(done, total)
        now = watch.clock()
        if said is None or now - said[1] >= PAUSE or watch.done == watch.total:
            click.echo(watch.line(text), err=True)
            said = watch.done, now

    try:
        yield tell
    finally:
        if said is not None and said[0] != watch.done:
            click.echo(watch.line(), err=True)


def _drawn(console: Console, watch: Watch) -> Iterator[Tell]:
    columns = (
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("{task.fields[facts]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(watch.what, total=None, facts="")

        def tell(done: int, text: str = "", total: int | None = None) -> None:
            watch.take(done, total)
            progress.update(task, completed=done, total=watch.total, facts=watch.facts())
            if text:
                progress.console.print(Text(inert(text), overflow="ellipsis", no_wrap=True, style="dim"))

        yield tell


def failed_rollouts(store: Store, runs: Collection[str]) -> Failures:
    """The failed rollouts of runs by stage; `runs` may grow later."""

    def look() -> dict[str, int]:
        marks = ",".join("?" * len(runs))
        ends = store.rows(
            "select 'at ' || coalesce(e.stage, 'an unknown stage') as reason, count(*) as n from ends e"
            f" join rollouts r on r.id=e.rollout where r.run in ({marks}) and e.status='failed' group by 1",
            tuple(runs),
        )  # fmt: skip
        return {row["reason"]: row["n"] for row in ends}

    return look


def failed_judgements(store: Store, run: str) -> Failures:
    """The questions to judges in a run that have no valid answer, by kind."""
    query = "select status as reason, count(*) as n from judgements where run=? and status<>'valid' group by 1"
    return lambda: {row["reason"]: row["n"] for row in store.rows(query, (run,))}


def failed_grades(store: Store, source: str) -> Failures:
    """The grades of a source that came to nothing, by kind."""
    query = "select status as reason, count(*) as n from turn_verdicts where source=? and status<>'graded' group by 1"
    return lambda: {row["reason"]: row["n"] for row in store.rows(query, (source,))}
