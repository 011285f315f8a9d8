"""The documents say what is true: commands and options that they name exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from harness.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _command_lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        if page.name == "cli.md":
            continue
        for block in re.findall(r"```\w*\n(.*?)```", page.read_text("utf-8"), re.S):
            lines = [line.split("#")[0].strip() for line in block.replace("\\\n", " ").splitlines()]
            found += [(page.name, line) for line in lines if line.startswith("deploysim ")]
    return found


def _find(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = cli
    context = click.Context(cli)
    while words and isinstance(command, click.Group):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"no command {words[0]}"
        command, words = inner, words[1:]
    return command, words


@pytest.mark.parametrize(("page", "line"), _command_lines())
def test_every_command_line_of_the_documents_has_known_options(page: str, line: str) -> None:
    command, rest = _find(shlex.split(line)[1:])
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    named = {word.split("=")[0] for word in rest if word.startswith("-")}
    assert named <= options | {"--help"}, f"{page}: {named - options}"


def test_the_command_reference_is_what_help_prints() -> None:
    command = [sys.executable, "docs/make_cli.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_two_commands_stand_near_the_top_of_the_readme() -> None:
    top = (ROOT / "README.md").read_text("utf-8").splitlines()[:14]
    assert any(line.startswith("make demo") for line in top)
    assert any(line.startswith("make test") for line in top)
