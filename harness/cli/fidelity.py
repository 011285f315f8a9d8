"""`deploysim fidelity`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    budget_options,
    calls_beside,
    calls_option,
    deidentify_option,
    json_option,
    print_json,
    print_table,
    say,
    shell_option,
    store_option,
)
from harness.cli.progress import failed_rollouts
from harness.cli.resample import share, watch
from harness.cli.roles import bar, config_from, criteria_from, filter_options, run_async

if TYPE_CHECKING:
    from harness.confidence import Experience, Point
    from harness.fidelity_run import Fidelity, Figures, Forced
    from harness.fidelity_table import Line, Row

_MOST_ROWS = 20
_MOST_REASONS = 12
_FORCINGS: dict[str, list[Forced]] = {"both": ["teacher", "free"], "teacher": ["teacher"], "free": ["free"]}
_TITLES = {"teacher": "teacher-forced (each call in the world as the record left it)", "free": "free-running"}


@click.command("fidelity")
@filter_options
@click.option(
    "--turns",
    type=click.Choice(["last", "all"]),
    default="last",
    show_default=True,
    help="The last turn with calls of a session, or every one; each from its own prefix. A session that is one turn is "
    "cut at a seeded step, or with all at every step.",
)
@click.option(
    "--forcing",
    type=click.Choice(["both", "teacher", "free"]),
    default="both",
    show_default=True,
    help="Take the record in after each call, let errors accumulate, or play both.",
)
@click.option("--free-running", is_flag=True, help="Same as --forcing free.")
@click.option("--simulator", default=None, help="NAME[@BASE_URL], local, local-small or none.  [default: none]")
@click.option("--rungs", default=None, help="Comma separated.  [default: computed,connector,simulated]")
@click.option("--affordances", default=None, help="Comma separated, or none.  [default: repo,calls,connectors]")
@shell_option
@click.option("--with-repository", is_flag=True, help="Figures over sessions whose repository is at hand, beside all.")
@click.option(
    "--max-drift",
    type=click.FloatRange(0, 1),
    default=None,
    metavar="SHARE",
    help="Figures over sessions with no more drift in the prefix, beside all.",
)
@click.option(
    "--lines",
    "lines_file",
    type=click.Path(dir_okay=False, allow_dash=True),
    default=None,
    help="Write one line a call of the tune pool: .jsonl is JSON lines, all else TSV; - is stdout.",
)
@click.option(
    "--confidence",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    default=None,
    help="Use this frozen table of error rates for the risk-coverage curve.",
)
@click.option(
    "--save-confidence",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Freeze the error rates of this run's tune pool.",
)
@deidentify_option
@click.option("--seed", type=int, default=None, help="Everything drawn is drawn from it.  [default: 0]")
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Rollouts at once.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="Settings by name, YAML.",
)
@budget_options
@store_option
@calls_option
@json_option
def command(store: Path, calls_path: Path | None, as_json: bool, lines_file: str | None, **flags: Any) -> None:
    """Answer recorded calls in the simulated world and grade each answer against the record.

    Every recorded call is answered in the world as the record left it, then the record is taken in; free-running
    lets errors accumulate, and the difference of the two is error accumulation. Started again with the same arguments
    it plays only what is missing.
    """
    from harness.confidence import Experience
    from harness.fidelity_run import Keep, measure
    from harness.store import Store

    frozen = None if flags["confidence"] is None else _read_confidence(flags["confidence"])
    with Store(store, create=False) as opened:
        runs, lines = _play(opened, calls_beside(store, calls_path), flags)
    main = lines.get("teacher") or lines.get("free") or ()
    if flags["save_confidence"] is not None:
        flags["save_confidence"].write_text(json.dumps(Experience.of(main).to_json(), indent=0) + "\n", "utf-8")
    if lines_file is not None:
        _write_lines(lines_file, lines)
    result = measure(runs, lines, Keep(flags["with_repository"], flags["max_drift"]), frozen)
    if as_json:
        print_json(result)
    elif lines_file != "-":
        print_fidelity(result)


def _play(store: Any, calls: Path, flags: dict[str, Any]) -> tuple[dict[Forced, Any], dict[Forced, Sequence[Line]]]:
    from harness.fidelity_run import WHOLE_TURN, play, read_lines
    from toolsim.modeltypes import Budget

    forcings = _FORCINGS["free" if flags["free_running"] else flags["forcing"]]
    run_flags = {**flags, "candidate": "recorded", "forcing": forcings[0], "max_steps": WHOLE_TURN}
    config = config_from({**run_flags, "simulator": flags["simulator"] or "none"})
    criteria = replace(criteria_from(flags), with_calls=True, every_turn=flags["turns"] == "all")
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    if config.identity_run:
        say("identity run, not a measurement: recorded actions may be answered from their own record")
    names: list[str] = []
    with bar("turns", budget, failed_rollouts(store, names)) as tell:
        notice, planned = watch(store, tell, runs=names)
        runs = run_async(
            play(
                store,
                calls,
                config,
                criteria,
                forcings,
                budget=budget,
                concurrency=flags["concurrency"],
                notice=notice,
                planned=planned,
            )
        )
    return runs, {name: tuple(read_lines(store, run.run)) for name, run in runs.items()}


def _read_confidence(path: Path) -> Experience:
    from harness.confidence import Experience
    from harness.errors import ConfigError

    try:
        return Experience.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the table of confidence {path}: {error}") from error


def _write_lines(target: str, lines: dict[Forced, Sequence[Line]]) -> None:
    """The lines of the tune pool; single answers of the report pool are not shown."""
    rows = [{"forcing": name, **asdict(line)} for name, found in lines.items() for line in found if line.pool == "tune"]
    held = sum(line.pool != "tune" for found in lines.values() for line in found)
    if held:
        say(f"{held} calls of the report pool count in the totals only; their lines are not written")
    text = "".join(json.dumps(row) + "\n" for row in rows) if target.endswith(".jsonl") else _tsv(rows)
    if target == "-":
        click.echo(text, nl=False)
    else:
        Path(target).write_text(text, "utf-8")


def _tsv(rows: Sequence[dict[str, Any]]) -> str:
    from harness.fidelity_table import Line

    names = ["forcing", *(f.name for f in fields(Line))]
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return out.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value.replace("\t", "\\t").replace("\r", "\\r").replace("\n", "\\n")
    return "" if value is None else str(value)


def print_fidelity(result: Fidelity) -> None:
    """The measurement for people."""
    for forcing, figures in result.figures.items():
        run = result.runs[forcing]
        kept = None if result.kept is None else result.kept.get(forcing)
        click.echo(f"{_TITLES[forcing]}: run {run.run}, {figures.sessions} sessions, {run.rollouts} turns")
        if result.unended[forcing]:
            click.echo(f"  {result.unended[forcing]} turns did not complete; their calls so far are counted")
        if figures.refused:
            click.echo(f"  {figures.refused} calls were refused by the user: no tool answered, they are in no figure")
        if result.kept is not None:
            click.echo(f"  kept: {0 if kept is None else kept.sessions} sessions, {result.left_out} left out")
        print_figures(figures, kept)
    if not result.figures:
        click.echo("no recorded call was played")
    if result.accumulation is not None:
        both = result.accumulation
        click.echo(f"error accumulation, on {both.calls} calls that both forcings played:")
        for what, teacher, free in (
            ("right", both.right_teacher, both.right_free),
            ("wrong", both.wrong_teacher, both.wrong_free),
        ):
            click.echo(f"  {what} {share(teacher, both.calls)} teacher-forced, {share(free, both.calls)} free-running")
        click.echo(f"  right only teacher-forced {both.only_teacher}, right only free-running {both.only_free}")
    print_curves(result.risk_coverage, result.learnt_from)
    if any(run.identity_run for run in result.runs.values()):
        click.echo("identity run, not a measurement")


def print_figures(figures: Figures, kept: Figures | None) -> None:
    """The tables of one forcing, over all sessions and beside them over the kept ones."""
    header = ["calls", "characters", "right [95 %]", "wrong [95 %]", "unanswered", "right ch.", "wrong ch.", "ms"]
    more = [] if kept is None else ["kept calls", "right", "wrong", "unanswered"]
    for name, rows in {"": (figures.whole,), **figures.by}.items():
        beside = {} if kept is None else {row.label: row for row in ((kept.whole,) if not name else kept.by[name])}
        shown = rows[:_MOST_ROWS]
        cells = [[row.label, *_cells(row)] for row in shown]
        if kept is not None:
            cells = [[*cell, *_kept_cells(beside.get(cell[0]))] for cell in cells]
        print_table([f"by {name}" if name else "", *header, *more], cells)
        if len(rows) > len(shown):
            click.echo(f"({len(rows) - len(shown)} more with fewer calls: --json has them)")
        click.echo()
    counts = ", ".join(f"{n} {kind}" for kind, n in figures.differences.items())
    click.echo(f"wrong answers by class of difference: {counts or 'none'}")
    for reason, n in list(figures.unanswered.items())[:_MOST_REASONS]:
        click.echo(f"  {n} unanswered: {reason}")
    click.echo()


def _cells(row: Row) -> list[str]:
    return [
        str(row.calls),
        str(row.characters),
        *(f"{100 * e.value:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]" for e in (row.right, row.wrong)),
        share(row.unanswered, row.calls),
        *("-" if x is None else f"{100 * x:.1f} %" for x in (row.right_characters, row.wrong_characters)),
        "-" if row.milliseconds is None else f"{row.milliseconds:.0f}",
    ]


def _kept_cells(row: Row | None) -> list[str]:
    if row is None:
        return ["0", "-", "-", "-"]
    return [
        str(row.calls),
        *(f"{100 * estimate.value:.1f} %" for estimate in (row.right, row.wrong)),
        share(row.unanswered, row.calls),
    ]


def print_curves(curves: dict[str, tuple[Point, ...]], learnt_from: int) -> None:
    """Risk against coverage for each scaffold, a line each."""
    if not any(curves.values()):
        return
    if not learnt_from:
        click.echo("risk-coverage: no answer of the tune pool to learn a confidence from")
        return
    click.echo(f"risk-coverage (coverage of all calls: wrong among them), confidence from {learnt_from} answers")
    for agent, points in curves.items():
        line = "  ".join(f"{100 * p.coverage:.1f}: {100 * p.wrong:.1f}" for p in points)
        click.echo(f"  {agent:16s} {line or 'no answered call'}  (%)")
