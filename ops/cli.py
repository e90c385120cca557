"""Owns the command `hub`: finds the commands, and turns every expected failure into one sentence."""

import sys
from importlib import import_module
from typing import Final

import click

from schemas.errors import ExplainedError

# Imported when called: `hub token` need not wait for a web server's imports.
COMMANDS: Final = {
    "up": "ops.commands.run:up",
    "serve": "ops.commands.run:serve",
    "work": "ops.commands.run:work",
    "migrate": "ops.commands.run:migrate",
    "token": "ops.commands.token:token",
    "publish": "ops.commands.publish:publish",
    "tail": "ops.commands.tail:tail",
    "dlq": "ops.commands.aside:dlq",
    "replay": "ops.commands.aside:replay",
    "users": "ops.commands.people:users",
    "bench": "ops.bench.command:bench",
    "doctor": "ops.commands.look:doctor",
    "config": "ops.commands.look:config",
}


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is not a command")
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hub")
def hub() -> None:
    """The hub: typed events, live sockets and notifications."""


def main() -> None:
    """Run the command line; what can be expected to go wrong ends with one sentence and status 1."""
    try:
        hub(standalone_mode=True)
    except ExplainedError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{type(error).__name__}: {error}")


def _fail(sentence: str) -> None:
    sys.stderr.write(f"hub: {sentence}\n")
    sys.exit(1)
