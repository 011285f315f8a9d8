"""`deploysim view`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import json_option, print_json, say, store_option


@click.command("view")
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=7575, show_default=True, help="0 takes a free one.")
@click.option("--token", default=None, help="What a browser must know to see anything.  [default: a random one]")
@json_option
def command(store: Path, host: str, port: int, token: str | None, as_json: bool) -> None:
    """Show a store in the browser until it is stopped: runs, rollouts side by side, verdicts, labels.

    Needs the extra `deploysim[view]`. Only this machine can open it, and only with the token in the printed address.
    """
    from harness.viewer.serving import serve

    def ready(address: str) -> None:
        if as_json:
            print_json({"address": address, "store": store})
        else:
            click.echo(address)
        say("stop with Ctrl-C")

    serve(store, host, port, token, ready)
