"""`deploysim label`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option, print_json, print_table, say, store_option

if TYPE_CHECKING:
    from harness.behaviors.reading import GradingTurn
    from harness.behaviors.spotcheck import Checked
    from harness.behaviors.taxonomy import Taxonomy
    from harness.store import Store
    from harness.turn_labels import Key, TurnLabel

_SHOWN = 1_500
_MORE = 20_000


@click.command("label")
@click.argument("run", required=False)
@click.option("--recorded", is_flag=True, help="Label recorded turns instead of a run's.")
@click.option("--category", default=None, help="The behaviour to look for.")
@click.option("--taxonomy", default="coding", show_default=True, help="coding, chat, awareness, or a YAML file.")
@click.option(
    "--accused",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Turns to label of those in which graders found it.",
)
@click.option(
    "--others",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Turns to label of the others; those with calls are drawn at a higher rate.",
)
@click.option("--rater", default=lambda: os.environ.get("USER") or "me", show_default="user name", help="Who labels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which turns are drawn, and their order.")
@click.option(
    "--export",
    "export",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the turns to label here, JSON lines, instead of asking.",
)
@click.option(
    "--from",
    "source_file",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    default=None,
    help="Read labels from such a file, filled in.",
)
@click.option("--summary", is_flag=True, help="Only print what the labels say.")
@store_option
@json_option
def command(run: str | None, store: Path, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Check graders by hand: label turns, and get rates corrected by the labels.

    Turns that graders accused and others come in one random order, without what the graders said. Labels are kept;
    started again, the next turn comes.
    """
    from harness.behaviors.taxonomy import load_taxonomy
    from harness.store import Store

    taxonomy = load_taxonomy(flags["taxonomy"])
    if not flags["summary"] and flags["category"] is None:
        raise click.UsageError(f"--category is missing, one of: {', '.join(taxonomy.names)}")
    with Store(store, create=False) as opened:
        source = "recorded" if flags["recorded"] else str(opened.run(run)["id"])
        if not flags["summary"]:
            _label(opened, source, taxonomy, flags)
        _print(opened, source, taxonomy, as_json=as_json)


def _label(store: Store, source: str, taxonomy: Taxonomy, flags: dict[str, Any]) -> None:
    from harness.behaviors.spotcheck import graded_source, strata, turns_of
    from harness.turn_labels import to_label, turn_labels

    category, rater = flags["category"], flags["rater"]
    stratified = strata(graded_source(store, source, taxonomy), category)
    turns = turns_of(store, source)
    stratified = {key: name for key, name in stratified.items() if key in turns}
    if flags["source_file"] is not None:
        _read(store, source, flags["source_file"], category, stratified, rater)
        return
    done = {(n.turn, n.sample) for n in turn_labels(store, source) if (n.rater, n.category) == (rater, category)}
    todo = to_label(stratified, done, flags["accused"], flags["others"], flags["seed"], category)
    if flags["export"] is not None:
        _write(flags["export"], [(key, turns[key]) for key in todo], category)
        return
    meaning = next(c for c in taxonomy.categories if c.name == category)
    click.echo(f"{meaning.title}: {meaning.definition}")
    click.echo("severity: " + "; ".join(f"{level} {text}" for level, text in meaning.severities.items()))
    for number, key in enumerate(todo, 1):
        label = _ask(store, source, key, turns[key], category, rater, f"turn {number} of {len(todo)}")
        if label is None:
            return


def _ask(
    store: Store, source: str, key: Key, turn: GradingTurn, category: str, rater: str, place: str
) -> TurnLabel | None:
    """Show a turn and keep the answer; `None` where the rater leaves."""
    from harness.turn_labels import TurnLabel, add_turn_labels

    click.echo(f"\n--- {place}")
    click.echo(_text(turn, _SHOWN))
    while True:
        said = click.prompt(f"{category}? [y]es [n]o [s]kip [m]ore [q]uit", type=click.Choice(list("ynsmq")),
                            show_choices=False)  # fmt: skip
        if said == "m":
            click.echo_via_pager(_text(turn, _MORE))
            continue
        break
    if said == "q":
        return None
    severity = click.prompt("severity", type=click.IntRange(1, 4), default=2) if said == "y" else 0
    simulated = any(turn.simulated(act) for act in turn.acts.acts)
    fault = said == "y" and simulated and click.confirm("caused by a wrong simulated result?", default=False)
    answer = {"y": "yes", "n": "no", "s": "skip"}[said]
    label = TurnLabel(source, *key, category, rater, answer, severity, fault, time.time())
    add_turn_labels(store, [label])
    return label


def _text(turn: GradingTurn, tokens: int) -> str:
    """The turn for a person: as graders see it, with control characters shown by name."""
    from harness.behaviors.grader import GraderWindow, blind, shorten, turn_steps
    from harness.report.inert import inert

    steps = "\n".join(f"[{n}] {text}" for n, text in turn_steps(turn.acts, GraderWindow()))
    request = blind(shorten(turn.acts.request, min(tokens, 1_500)))
    return inert(f"asked: {request}\n\n{blind(shorten(steps, tokens))}\n")


def _write(path: Path, turns: Sequence[tuple[Key, GradingTurn]], category: str) -> None:
    lines = [
        {"turn": key[0], "sample": key[1], "category": category, "text": _text(turn, _MORE), "answer": "",
         "severity": 0, "fault": False, "note": ""}
        for key, turn in turns
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8", "backslashreplace")
    say(f"{len(lines)} turns written to {path}; fill in `answer` (yes, no, skip) and `severity`, then --from {path}")


def _read(store: Store, source: str, path: Path, category: str, known: dict[Key, str], rater: str) -> None:
    from harness.errors import ConfigError
    from harness.turn_labels import TurnLabel, add_turn_labels

    found, empty = [], 0
    try:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not row["answer"]:
                empty += 1
                continue
            key = (str(row["turn"]), int(row["sample"]))
            if key not in known or row["category"] != category:
                raise ConfigError(f"{path}:{number}: {key[0]} is no graded turn of {source}, or not about {category}")
            found.append(TurnLabel(source, *key, category, rater, row["answer"], int(row.get("severity", 0)),
                                   bool(row.get("fault", False)), time.time(), str(row.get("note", ""))))  # fmt: skip
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} does not fit: {error}") from error
    say(f"{add_turn_labels(store, found)} labels read, {empty} lines without an answer")


def _print(store: Store, source: str, taxonomy: Taxonomy, *, as_json: bool) -> None:
    from harness.behaviors.spotcheck import audits

    found = audits(store, source, taxonomy)
    if as_json:
        print_json(found)
    elif not found:
        click.echo(f"{source}: no label yet")
    else:
        print_audits(found)


def print_audits(found: dict[str, Checked]) -> None:
    """Rates corrected by labels, for people."""
    shown: Callable[[object], str] = lambda value: "not identified" if value is None else str(value)  # noqa: E731
    print_table(
        ("category", "labels", "accused", "corrected rate [95 %]", "sensitivity", "specificity", "by a fault"),
        [(c, str(f.labels), f"{100 * f.audit.graded:.2f} %", shown(f.audit.rate), shown(f.audit.sensitivity),
          shown(f.audit.specificity), str(f.faults)) for c, f in found.items()],
    )  # fmt: skip
    for category, checked in found.items():
        if checked.audit.not_identified:
            low, high = checked.audit.bounds
            bounds = f"the labels leave {100 * low:.2f} to {100 * high:.2f} %"
            click.echo(f"  {category}: not identified ({checked.audit.not_identified}); {bounds}")
        if checked.between is not None and checked.between.kappa is not None:
            raters = ", ".join(checked.raters)
            click.echo(f"  {category}: {raters} agree with kappa {checked.between.kappa:.2f} (n={checked.between.n})")
