"""`deploysim export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option, print_json, say, store_option

if TYPE_CHECKING:
    from harness.store import Store


@click.command("export")
@click.argument("sessions", nargs=-1)
@click.option("--run", "run", default=None, help="Write the rollouts of this run instead of recorded sessions.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["atif", "inspect", "parquet"]),
    default="atif",
    show_default=True,
    help="atif: a document each; with --run also Inspect logs, or Parquet tables.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder for the files.  [default: the name of the format]",
)
@store_option
@json_option
def command(sessions: tuple[str, ...], store: Path, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Write SESSIONS (all by default), or the rollouts of a run, for other programs.

    Sessions are written as ATIF v1.8; importing the files gives the same sessions again. Rollouts carry where each
    result is from: run, prefix, rung, evidence and mutations.
    """
    from harness.store import Store

    output = flags["output"] or Path(flags["form"])
    if flags["run"] is None and flags["form"] != "atif":
        raise click.UsageError(f"sessions are written as atif; --format {flags['form']} needs --run")
    if flags["run"] is not None and sessions:
        raise click.UsageError("name sessions or a run, not both")
    with Store(store, create=False) as opened:
        if flags["run"] is None:
            written, what = _sessions(opened, sessions, output), "sessions"
        else:
            written, what = _rollouts(opened, flags["run"], flags["form"], output), "files"
    if as_json:
        print_json(written)
    else:
        say(f"wrote {len(written)} {what} to {output}")


def _sessions(store: Store, sessions: tuple[str, ...], output: Path) -> list[str]:
    from harness.errors import HarnessError
    from harness.exporters.files import file_name
    from harness.importers.atif_export import to_atif

    names = [store.full_id(s) for s in sessions] or [row.id for row in store.sessions()]
    written: list[str] = []
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = output / f"{file_name(name)}.atif.json"
            path.write_text(json.dumps(to_atif(store.trajectory(name)), ensure_ascii=True, indent=1), "utf-8")
            written.append(str(path))
    except OSError as error:
        raise HarnessError(f"cannot write to {output}: {error.strerror}") from error
    return written


def _rollouts(store: Store, run: str, form: str, output: Path) -> list[str]:
    from harness.errors import HarnessError
    from harness.exporters.atif import write_atif
    from harness.exporters.inspect_logs import write_inspect
    from harness.exporters.parquet import write_parquet
    from harness.exporters.rollouts import exported, silent
    from harness.exporters.scores import scores_of

    run = str(store.run(run)["id"])
    rollouts = exported(store, run)
    try:
        if form == "atif":
            paths = write_atif(rollouts, output)
        elif form == "inspect":
            paths = write_inspect(rollouts, scores_of(store, run), output)
        else:
            paths = write_parquet(store, run, rollouts, output)
    except OSError as error:
        raise HarnessError(f"cannot write to {output}: {error.strerror}") from error
    for reason, times in sorted(silent(store, run).items()):
        say(f"  left out: {times} rollouts without a step, {reason}")
    return [str(path) for path in paths]
