"""Owns the command `hub`: finds the commands, and turns every expected failure into one sentence."""

import os
import sys
from importlib import import_module
from typing import Final

import click

from schemas.errors import ExplainedError

FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130

# Imported when called, and told here what they do: `hub --help` need not wait for a web server's imports.
COMMANDS: Final = {
    "up": ("ops.commands.run:up", "Run all roles with embedded services."),
    "serve": ("ops.commands.run:serve", "Run the doors: HTTP, sockets, web client."),
    "work": ("ops.commands.run:work", "Run the relay, the groups and the maintenance."),
    "bot": ("ops.commands.bot:bot", "Run the bot of Telegram."),
    "migrate": ("ops.commands.run:migrate", "Apply the migrations that the database lacks."),
    "token": ("ops.commands.token:token", "Print a signed token for a user."),
    "publish": ("ops.commands.publish:publish", "Publish one event, or a file of them."),
    "tail": ("ops.commands.tail:tail", "Show events as they happen."),
    "dlq": ("ops.commands.aside:dlq", "Look at parked and dead work, and redrive it."),
    "replay": ("ops.commands.aside:replay", "Rebuild what a group made, from the log."),
    "users": ("ops.commands.people:users", "Suspend, resume and erase people."),
    "bench": ("ops.bench.command:bench", "Measure the hub beside its peer."),
    "chaos": ("ops.commands.chaos:chaos", "Kill real processes and say what was lost."),
    "doctor": ("ops.commands.look:doctor", "Check every dependency and say what to do."),
    "config": ("ops.commands.look:config", "Show the effective settings, secrets masked."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        place, _ = COMMANDS[cmd_name]
        module, _, name = place.partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{place} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, does) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hub")
def hub() -> None:
    """The hub: typed events, live sockets and notifications."""


def main() -> None:
    """Run the command line; ends with status 2 for a call that makes no sense, 1 for what else goes wrong."""
    try:
        sys.exit(hub(prog_name="hub", standalone_mode=False))
    except click.UsageError as error:
        _misused(error)
    except click.ClickException as error:
        _fail(error.format_message())
    except click.Abort as error:
        _fail("stopped", INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else FAILED)
    except ExplainedError as error:
        _fail(str(error))
    except BrokenPipeError:  # whoever read what we print has seen enough, as in `hub tail | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        _fail(_in_words(error))


def _misused(error: click.UsageError) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        sys.exit(MISUSED)
    if error.ctx is not None:
        hint = f"Try `{error.ctx.command_path} --help`."
        sys.stderr.write(f"{error.ctx.get_usage()}\n{hint}\n\n")
    _fail(error.format_message(), MISUSED)


def _in_words(error: OSError) -> str:
    if error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {error}"


def _fail(sentence: str, status: int = FAILED) -> None:
    sys.stderr.write(f"hub: {sentence}\n")
    sys.exit(status)
