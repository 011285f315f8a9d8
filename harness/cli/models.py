"""`deploysim models`: bring the weights of the embedded models into the cache, and list them."""

from __future__ import annotations

import json

import click

from toolsim import weights

_NAMES = click.Choice(list(weights.WEIGHTS))


@click.group("models")
def command() -> None:
    """Fetch and list embedded models.

    They are kept in $DEPLOYSIM_CACHE/models, else in deploysim/models in the user's cache folder.
    """


@command.command("pull")
@click.argument("names", nargs=-1, type=_NAMES, metavar="[local|local-small]...")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def pull(names: tuple[str, ...], as_json: bool) -> None:
    """Bring the weights of NAMES (default: local) into the cache: resumed where they were left, checked by hash."""
    paths = {name: str(weights.pull(weights.WEIGHTS[name])) for name in dict.fromkeys(names or ("local",))}
    click.echo(json.dumps(paths) if as_json else "\n".join(f"{name}: {path}" for name, path in paths.items()))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_(as_json: bool) -> None:
    """The embedded models and where their weights are."""
    rows = [
        {"name": short, "model": known.name, "bytes": known.size, "context": known.context, "path": path and str(path)}
        for short, known, path in weights.listed()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        where = row["path"] or "not here: deploysim models pull " + str(row["name"])
        click.echo(f"{row['name']:12} {row['model']:28} {int(str(row['bytes'])) / 1e6:7.0f} MB  {where}")
