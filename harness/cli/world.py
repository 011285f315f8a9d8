"""`deploysim world`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click

from harness.cli.options import day, json_option, print_json, store_option


@click.command("world")
@click.argument("session")
@click.option("--turn", type=int, default=None, help="Which turn's start, from 0.  [default: last]")
@click.option("--step", type=int, default=None, help="Before this agent message of the turn.")
@click.option("--check", is_flag=True, help="Show each path where a recorded read and the world disagreed.")
@click.option("--cat", "path", default=None, help="Print this file as the world holds it.")
@store_option
@json_option
def command(
    session: str, turn: int | None, step: int | None, check: bool, path: str | None, store: Path, as_json: bool
) -> None:
    """Show the world that a prefix of SESSION gives: base, drift, what is changed, what is unknown."""
    from harness.errors import SelectionError
    from harness.scene import set_scene
    from harness.selection import Criteria, Cut, choose_cut
    from harness.store import Store

    with Store(store, create=False) as opened:
        full = opened.full_id(session)
        trajectory = opened.trajectory(full)
        cut = choose_cut(full, trajectory, Criteria(turn=turn, step=step))
        if not isinstance(cut, Cut):
            raise SelectionError(f"{full}: {cut.reason}")
        scene = set_scene(trajectory, cut, opened.repositories(), relatives=opened.relatives(trajectory.session))
    world = scene.rebuilt.world
    if path is not None:
        held = world.read(path)
        if not isinstance(held, bytes):
            raise SelectionError(f"{path} is {world.kind(path)} in this world")
        sys.stdout.buffer.write(held)
        return
    overlay = world.overlay()
    if as_json:
        changed = {p: None if c is None else len(c) for p, c in overlay.changed.items()}
        print_json({**scene.facts, "root": world.root, "changed": changed, "unknown": sorted(overlay.unknown)})
        return
    base = scene.facts["base"]
    click.echo(f"root {world.root}, directory {world.cwd}, as of {day(scene.prefix.as_of)}")
    click.echo(f"base {base['repository']} {base['commit'][:12]} ({base['how']})" if base else "base: no repository")
    drift = scene.rebuilt.drift
    click.echo(f"recorded whole-file reads: {drift.equal} equal, {drift.different} different, {drift.unknown} unknown")
    for place, times in Counter(scene.rebuilt.disagreed).items() if check else ():
        click.echo(f"  disagreed {times}x: {place}")
    for place, content in sorted(overlay.changed.items()):
        click.echo(f"  {'deleted' if content is None else f'{len(content)} bytes':>12}  {place}")
    for place in sorted(overlay.unknown):
        click.echo(f"  {'unknown':>12}  {place}")
