"""The command line: a group whose commands are loaded when called, so that `--help` is fast.

Exit status: 0 success, 1 an expected error in one sentence, 2 wrong usage.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version

import click

COMMANDS = {
    "import": ("imports", "Read recorded sessions into a store."),
    "export": ("export", "Write sessions as ATIF v1.8."),
    "purge": ("purge", "Remove a session and all that was made from it."),
    "deidentify": ("deidentify", "Count what is replaced before a model is asked."),
    "sessions": ("sessions", "List the sessions of a store."),
    "repos": ("repos", "Add, list and check repositories."),
    "calls": ("calls", "Search the database of recorded tool calls."),
    "models": ("models", "Fetch and list embedded models."),
    "world": ("world", "Show the world that a prefix gives."),
    "estimate": ("estimate", "Say what a run will use before it is started."),
    "resample": ("resample", "Let a candidate take recorded turns again."),
    "fidelity": ("fidelity", "Measure how exactly recorded calls are answered."),
    "pairs": ("pairs", "Build and export the pairs that judges compare."),
    "discriminate": ("discriminate", "Measure how often simulated results pass for recorded ones."),
    "rubric": ("rubric", "Grade simulated results against the recorded ones."),
    "ablate": ("ablate", "Measure what each affordance gives, and what leaks."),
    "executed": ("executed", "Grade simulated results against programs that really run."),
    "tells": ("tells", "Name what gives simulated results away."),
    "power": ("power", "How many pairs a question needs."),
    "gate": ("gate", "Say whether a run is worse than a baseline."),
    "compare": ("compare", "Compare two models on the same prefixes."),
    "discover": ("discover", "Find behaviours that nobody has named."),
    "grade": ("grade", "Find undesired behaviour in turns."),
    "forecast": ("forecast", "Freeze what a candidate will do, and score it later."),
    "label": ("label", "Check graders by hand, and correct rates by the labels."),
    "awareness": ("awareness", "Measure evaluation awareness on recorded, simulated and eval-like prefixes."),
    "assess": ("assess", "Review a candidate before its launch."),
    "report": ("report", "Write a run as one HTML page."),
    "view": ("view", "Show a store in the browser."),
    "mcp": ("mcp", "Serve a recorded situation to agent products over MCP."),
    "proxy": ("proxy", "Answer an agent product's tool calls from a recorded situation."),
    "run": ("run", "Import, resample, discriminate and summarise a folder."),
    "demo": ("demo", "The main job on the shipped fixtures."),
}


class LazyGroup(click.Group):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of a session's way through the program."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, with its module imported."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"harness.cli.{COMMANDS[cmd_name][0]}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("deploysim"), prog_name="deploysim")
def cli() -> None:
    """Preview how a candidate coding agent will behave in deployment.

    Recorded sessions go in; a candidate takes recorded turns again in a simulated world; out come numbers on how
    real that world was and what the candidate did.
    """


def main() -> None:
    """Entry point of the `deploysim` command."""
    from harness.errors import HarnessError
    from repos.errors import RepositoryError
    from toolsim import telemetry
    from toolsim.errors import ToolsimError

    try:
        telemetry.configure()
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("deploysim: stopped; the same command goes on from here", err=True)
        sys.exit(130)
    except (HarnessError, RepositoryError, ToolsimError) as error:
        click.echo(f"deploysim: {error}", err=True)
        sys.exit(1)
