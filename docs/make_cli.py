"""Writes docs/cli.md from the commands' own `--help`; `--check` says whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli import COMMANDS, cli

TARGET = Path(__file__).parent / "cli.md"


def text() -> str:
    """The whole reference."""
    parts = ["# Commands\n\nMade by `make docs` from `--help`. Do not edit.\n"]
    root = click.Context(cli, info_name="deploysim", max_content_width=110)
    parts.append(_block("deploysim", cli.get_help(root)))
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        parts += _described(command, name, root)
    return "\n".join(parts)


def _described(command: click.Command, name: str, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=110)
    found = [_block(context.command_path, command.get_help(context))]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            inner = command.get_command(context, child)
            assert inner is not None
            found += _described(inner, child, context)
    return found


def _block(title: str, body: str) -> str:
    return f"## {title}\n```\n{body}\n```\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if TARGET.read_text("utf-8") == text() else f"{TARGET} is not up to date: run `make docs`")
    TARGET.write_text(text(), "utf-8")
