"""`deploysim report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import any_store_option, json_option, print_json, say

if TYPE_CHECKING:
    from harness.report.risk import Risk


@click.command("report")
@click.argument("run", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="Where to write the page.",
)
@click.option("--judge", default=None, help="Show this judge's verdicts.  [default: the one asked most]")
@click.option(
    "--baseline",
    default=None,
    help="A graded run of the store to compare behaviours with.  [default: the recorded agent on the same prefixes]",
)
@click.option(
    "--traffic",
    default=None,
    help="Graded turns after the launch, a file or a graded run: frozen forecasts are scored on them.",
)
@any_store_option
@json_option
def command(
    run: str | None, output: Path, judge: str | None, baseline: str | None, traffic: str | None, store: Path | str,
    as_json: bool,
) -> None:  # fmt: skip
    """Write RUN (the newest by default) as one self-contained HTML page."""
    from harness.report.risk import risk_of
    from harness.sources import graded_set
    from harness.store import Store

    seen = None if traffic is None else graded_set(traffic, store)
    with Store(store, create=False) as opened:
        name = str(opened.run(run)["id"])
        write_report(opened, name, output, judge, risk_of(opened, name, baseline=baseline, traffic=seen))
    if as_json:
        print_json({"run": name, "output": output})


def write_report(store: object, run: str, output: Path, judge: str | None = None, risk: Risk | None = None) -> None:
    """Write the page; `risk` has its sections on behaviour.

    Raises:
        HarnessError: it cannot be written.
    """
    from collections import Counter

    from harness.discriminator.judges import panel
    from harness.discriminator.measure import realism_of
    from harness.errors import HarnessError
    from harness.report.page import render_page
    from harness.store import Store

    assert isinstance(store, Store)
    judges = Counter(row["judge"] for row in store.judgements(run))
    name = judge or (judges.most_common(1)[0][0] if judges else None)
    realism = realism_of(store, run, name) if store.pairs(run) else None
    if realism is None:
        page = render_page(store, run, None, risk=risk)
    else:
        others = [realism_of(store, run, other, controls=realism.controls) for other in sorted(judges) if other != name]
        page = render_page(store, run, realism, panel(store, run, [realism, *others]), risk)
    try:
        output.write_text(page, "utf-8")
    except OSError as error:
        raise HarnessError(f"cannot write {output}: {error.strerror}") from error
    say(f"wrote {output} ({len(page.encode()) // 1024} KiB)")
