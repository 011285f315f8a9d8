"""`deploysim export`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click

from harness.cli.options import json_option, print_json, say, store_option


@click.command("export")
@click.argument("sessions", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("atif"),
    show_default=True,
    help="Folder for the files, one a session.",
)
@store_option
@json_option
def command(sessions: tuple[str, ...], output: Path, store: Path, as_json: bool) -> None:
    """Write SESSIONS (all by default) as ATIF v1.8; importing the files gives the same sessions again."""
    from harness.errors import HarnessError
    from harness.importers.atif_export import to_atif
    from harness.store import Store

    written: list[str] = []
    with Store(store, create=False) as opened:
        names = [opened.full_id(s) for s in sessions] or [row.id for row in opened.sessions()]
        try:
            output.mkdir(parents=True, exist_ok=True)
            for name in names:
                path = output / f"{_file_name(name)}.atif.json"
                document = to_atif(opened.trajectory(name))
                path.write_text(json.dumps(document, ensure_ascii=True, indent=1), "utf-8")
                written.append(str(path))
        except OSError as error:
            raise HarnessError(f"cannot write to {output}: {error.strerror}") from error
    if as_json:
        print_json(written)
    else:
        say(f"wrote {len(written)} sessions to {output}")


def _file_name(session: str) -> str:
    """The id as a file name; where that is not the id itself, with a hash, so that no two sessions share a file."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in session)[:120]
    return plain if plain == session else f"{plain}-{hashlib.sha256(session.encode()).hexdigest()[:8]}"
