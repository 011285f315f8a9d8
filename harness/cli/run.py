"""`deploysim run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import any_store_option, budget_options, calls_beside, calls_option, json_option, print_json
from harness.cli.realism import print_realism
from harness.cli.roles import config_from, criteria_from, judge_options, run_options, selection_options


@click.command("run")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A repository that the sessions worked in; may be repeated.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Also write the report here."
)
@selection_options
@run_options
@judge_options
@budget_options
@any_store_option
@calls_option
@json_option
def command(
    paths: tuple[Path, ...], repositories: tuple[Path, ...], output: Path | None, store: Path | str,
    calls_path: Path | None, as_json: bool, **flags: Any,
) -> None:  # fmt: skip
    """Import PATHS, let the candidate take the turns again, judge, and summarise."""
    from harness.cli.discriminate import judge
    from harness.cli.imports import print_summary
    from harness.cli.report import write_report
    from harness.cli.resample import play, print_resampled
    from harness.importing import import_paths
    from harness.store import Store
    from repos.catalog import inspect_repository
    from toolsim.calldb import CallDatabase
    from toolsim.modeltypes import Budget

    config, criteria = config_from(flags), criteria_from(flags)
    budget = Budget(flags["max_model_calls"], flags["max_tokens"], flags["max_cost"])
    database = calls_beside(store, calls_path)
    with Store(store) as opened:
        with CallDatabase(database) as calls:
            imported = import_paths(opened, calls, paths, consent=criteria.consent)
        for path in repositories:
            opened.add_repository(inspect_repository(path))
        result = play(opened, database, config, criteria, budget, flags["concurrency"])
        realism = judge(opened, result.run, {**flags, "kinds": (), "reply_cache": config.reply_cache}, budget).judges[0]
        if output is not None:
            write_report(opened, result.run, output)
    if as_json:
        print_json({"import": imported, "resample": result, "realism": realism})
        return
    print_summary(imported)
    print_resampled(result)
    print_realism(realism)
