"""`deploysim demo`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import say
from harness.cli.realism import print_realism

if TYPE_CHECKING:
    from harness.store import Store


@click.command("demo")
@click.option("--model", default="local", show_default=True, help="Plays candidate, simulator and judge.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("deploysim-demo"),
    show_default=True,
    help="Where store, databases and report are written.",
)
@click.option(
    "--minutes",
    type=float,
    default=8.0,
    show_default=True,
    help="Time for model calls; what does not fit is left open and said.",
)
@click.option(
    "--shell", type=click.Choice(["auto", "both", "sandbox", "bashkit", "none"]), default=None,
    help="What runs shell commands.  [default: auto: both where they can run, else the one that can, else nothing]",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Go on with what the folder holds instead of starting anew.")
def command(model: str, folder: Path, minutes: float, shell: str | None, keep: bool) -> None:
    """The main job on the shipped fixtures, with an embedded model.

    Imports recorded sessions and their repository, answers recorded calls in the simulated world (how real is it?),
    lets the model take turns of its own (what does it do?), judges, and writes a report.
    """
    from harness.demo import find_fixtures, unpack_repository
    from harness.importing import import_paths
    from harness.store import Store
    from repos.catalog import inspect_repository
    from toolsim.calldb import CallDatabase

    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    sessions, bundle = find_fixtures()
    repository = unpack_repository(bundle, folder / "repository.git")
    with Store(folder / "deploysim.db") as store:
        with CallDatabase(folder / "calls.db") as calls:
            imported = import_paths(store, calls, [sessions])
        store.add_repository(inspect_repository(repository, url=None))
        say(f"1/5 imported {imported.added} sessions, {imported.calls} calls, {len(imported.skipped)} skips")
        _play(store, folder, model, minutes, shell)
    say(f"done in {(time.monotonic() - started) / 60:.1f} minutes")


def _play(store: Store, folder: Path, model: str, minutes: float, shell: str | None) -> None:
    from harness.cli.discriminate import judge
    from harness.cli.report import write_report
    from harness.cli.resample import play, print_resampled
    from harness.config import resolve
    from harness.discriminator.serialise import Window
    from harness.selection import Criteria
    from toolsim.modeltypes import Budget

    calls = folder / "calls.db"
    seconds = 60 * minutes
    small = {"simulator": model, "shell": shell, "evidence_tokens": 500, "history_tokens": 300}
    say("2/5 recorded actions in the simulated world, without a model: what code answers exactly")
    exact = play(
        store, calls, resolve({"candidate": "recorded", "simulator": "none", "shell": shell}), Criteria(), Budget(), 2
    )
    _fetch(model)
    say("3/5 the same with the model, on some of the sessions")
    config = resolve({"candidate": "recorded", **small})
    criteria = Criteria(agents=("claude-code", "codex"), sample=4, stratify=("agent",), with_calls=True)
    forced = play(store, calls, config, criteria, Budget(max_seconds=0.35 * seconds), 1)
    say("4/5 the judge")
    flags = {"judge": model, "pairs": 6, "fakes": 6, "kinds": ("call",), "seed": 0, "concurrency": 1}
    window = Window(history=500, message=250, result=600)
    realism = judge(store, forced.run, flags, Budget(max_seconds=0.3 * seconds), window).judges[0]
    say("5/5 the candidate takes turns of its own")
    own = resolve({"candidate": model, "actions": "schema", "max_steps": 3, **small})
    turns = Criteria(agents=("claude-code", "mini-swe-agent"), sample=2, stratify=("agent",), with_calls=True)
    taken = play(store, calls, own, turns, Budget(max_seconds=0.35 * seconds), 1)
    click.echo("\nRecorded actions, answered without a model (rung `recorded` off, reference no evidence):")
    print_resampled(exact)
    click.echo("\nRecorded actions, answered with the model:")
    print_resampled(forced)
    click.echo("\nRealism:")
    print_realism(realism)
    click.echo("\nTurns taken by the candidate:")
    print_resampled(taken)
    click.echo()
    write_report(store, forced.run, folder / "report.html")
    write_report(store, taken.run, folder / "rollouts.html")


def _fetch(model: str) -> None:
    """Have the weights here before the clock of the model calls starts."""
    from toolsim.weights import WEIGHTS, pull

    if model in WEIGHTS:
        pull(WEIGHTS[model])
