"""`deploysim grade`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    budget_options,
    deidentify_option,
    json_option,
    print_json,
    print_table,
    reply_cache_option,
    store_option,
)
from harness.cli.progress import failed_grades
from harness.cli.roles import bar, budget_from, criteria_from, filter_options, open_graders, run_async

if TYPE_CHECKING:
    from harness.behaviors.grading import Grading
    from harness.behaviors.taxonomy import Taxonomy
    from harness.behaviors.validity import Validity
    from harness.store import Store


@click.command("grade")
@click.argument("run", required=False)
@click.option("--recorded", is_flag=True, help="Grade the recorded turns of the chosen sessions instead of a run.")
@click.option(
    "--labelled",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="Grade turns with labels and say how far the graders can be believed.",
)
@click.option(
    "--turns",
    type=click.Choice(["last", "all"]),
    default="all",
    show_default=True,
    help="With --recorded: every turn of a session, or its last.",
)
@click.option(
    "--grader",
    "graders",
    multiple=True,
    default=("none",),
    show_default=True,
    help="NAME[@BASE_URL], local, local-small, or none (monitors only); may be repeated.",
)
@click.option("--taxonomy", default="coding", show_default=True, help="coding, chat, or a YAML file.")
@click.option("--withhold-reasoning", is_flag=True, help="Graders do not see what the agent thought.")
@click.option(
    "--tokens",
    type=click.IntRange(min=200),
    default=6_000,
    show_default=True,
    help="Tokens of a turn that a model grader is shown.",
)
@click.option(
    "--before-tokens",
    type=click.IntRange(min=0),
    default=1_500,
    show_default=True,
    help="Tokens of what came before it.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the graded turns here, for compare and forecast.",
)
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Grades at once.")
@filter_options
@click.option("--seed", type=int, default=0, show_default=True, help="Which sessions are drawn; the graders' seed.")
@deidentify_option
@reply_cache_option
@budget_options
@store_option
@json_option
def command(run: str | None, store: Path, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Find undesired behaviour in turns: monitors first, then model graders.

    RUN (the newest by default) is a run in which a candidate acted; with --recorded the recording itself is graded, as
    the baseline. Every verdict is kept; started again, what is missing is graded. A failed grade is counted as one.
    """
    from harness.behaviors.taxonomy import load_taxonomy
    from harness.graded import dump_graded
    from harness.store import Store

    taxonomy = load_taxonomy(flags["taxonomy"])
    if flags["labelled"] is not None:
        _print_validity(run_async(_measure(taxonomy, store, flags)), taxonomy, as_json=as_json)
        return
    with Store(store, create=False) as opened:
        grading = run_async(_grade(opened, run, taxonomy, flags))
    if flags["out"] is not None:
        flags["out"].write_text(dump_graded(grading.whole()), "utf-8")
    if as_json:
        print_json(_facts(grading))
    else:
        _print(grading)


async def _grade(store: Store, run: str | None, taxonomy: Taxonomy, flags: dict[str, Any]) -> Grading:
    from harness.behaviors.grader import GraderWindow
    from harness.behaviors.grading import grade
    from harness.behaviors.reading import recorded, rollouts
    from harness.selection import filter_sessions

    left: dict[str, int] = {}
    if flags["recorded"]:
        chosen, excluded = filter_sessions(store.sessions(), criteria_from(flags))
        turns = tuple(recorded(store, [row.id for row in chosen], every=flags["turns"] == "all"))
        source = "recorded"
        for exclusion in excluded:
            left[exclusion.reason] = left.get(exclusion.reason, 0) + 1
    else:
        source = str(store.run(run)["id"])
        turns, left = rollouts(store, source)
    window = GraderWindow(flags["tokens"], flags["before_tokens"], not flags["withhold_reasoning"])
    async with AsyncExitStack() as stack:
        budget = budget_from(flags)
        models = open_graders(store.path, flags, stack, budget)
        with bar("grades", budget, failed_grades(store, source)) as tell:
            return await grade(
                store, source, turns, taxonomy, models, window=window, seed=flags["seed"],
                concurrency=flags["concurrency"], notice=lambda done, planned: tell(done, total=planned), left_out=left,
            )  # fmt: skip


async def _measure(
    taxonomy: Taxonomy, store: Path, flags: dict[str, Any]
) -> list[tuple[str, str, tuple[Validity, ...]]]:
    """Validity by grader and half of the labelled turns."""
    from harness.behaviors.grader import GraderWindow, grade_once
    from harness.behaviors.grading import of_taxonomy
    from harness.behaviors.labelled import load_labelled
    from harness.behaviors.monitors import VERSION, monitor
    from harness.behaviors.validity import validity

    labelled = load_labelled(flags["labelled"], taxonomy)
    window = GraderWindow(flags["tokens"], flags["before_tokens"], not flags["withhold_reasoning"])
    verdicts = {VERSION: {turn.turn.name: of_taxonomy(monitor(turn.turn), taxonomy) for turn in labelled}}
    async with AsyncExitStack() as stack:
        budget = budget_from(flags)
        for model in open_graders(store, flags, stack, budget):
            with bar(f"grades by {model.name}", budget) as tell:
                said = {}
                for number, turn in enumerate(labelled, 1):
                    said[turn.turn.name] = await grade_once(model, turn.turn, (), taxonomy, window, flags["seed"])
                    tell(number, total=len(labelled))
                verdicts[model.name] = said
    return [
        (name, half, validity([t for t in labelled if t.half == half], said, taxonomy.names))
        for name, said in verdicts.items()
        for half in ("dev", "held")
    ]


def _print_validity(found: list[tuple[str, str, tuple[Validity, ...]]], taxonomy: Taxonomy, *, as_json: bool) -> None:
    if as_json:
        print_json([
            {"grader": grader, "half": half, "taxonomy": str(taxonomy), "rows": [_row(row) for row in rows]}
            for grader, half, rows in found
        ])  # fmt: skip
        return
    click.echo(f"taxonomy {taxonomy}")
    for grader, half, rows in found:
        click.echo(f"\n{grader}, {half} half; failed grades: {rows[-1].failed}")
        print_table(
            ("category", "sensitivity [95 %]", "specificity [95 %]", "precision [95 %]"),
            [(r.category, str(r.sensitivity), str(r.specificity), str(r.precision)) for r in rows],
        )


def _row(row: Validity) -> dict[str, Any]:
    shares = {"sensitivity": row.sensitivity, "specificity": row.specificity, "precision": row.precision}
    return {
        "category": row.category, "failed": row.failed,
        **{name: {"hits": s.hits, "of": s.of, "interval": s.interval} for name, s in shares.items()},
    }  # fmt: skip


def _facts(grading: Grading) -> dict[str, Any]:
    from harness.behaviors.grading import counts

    by_grader = {}
    for name in grading.graders:
        found, failed = counts(grading, name)
        by_grader[name] = {
            "graded": len(grading.verdicts[name]) - sum(failed.values()), "failed": failed,
            "findings": [{"category": c, "severity": s, "turns": n} for (c, s), n in sorted(found.items())],
        }  # fmt: skip
    return {
        "source": grading.source, "taxonomy": str(grading.taxonomy), "turns": grading.turns,
        "without_calls": grading.silent, "with_reasoning": grading.reasoned, "left_out": grading.left_out,
        "budget": grading.budget, "graders": by_grader,
    }  # fmt: skip


def _print(grading: Grading) -> None:
    from harness.behaviors.grading import counts

    click.echo(
        f"{grading.source}: {grading.turns} turns, {grading.silent} without a call, {grading.reasoned} with legible"
        f" reasoning; taxonomy {grading.taxonomy}"
    )
    for reason, times in sorted(grading.left_out.items()):
        click.echo(f"  left out: {times} {reason}")
    for name in grading.graders:
        found, failed = counts(grading, name)
        done = len(grading.verdicts[name]) - sum(failed.values())
        click.echo(f"\n{name}: {done} graded, {sum(failed.values())} failed {failed or ''}".rstrip())
        rows = [(c, str(s), str(n), f"{1000 * n / done:.1f}") for (c, s), n in sorted(found.items())] if done else []
        if rows:
            print_table(("category", "severity", "turns", "per 1,000"), rows)
        else:
            click.echo("  nothing found")
    if grading.budget:
        click.echo(f"stopped early: {grading.budget}")
