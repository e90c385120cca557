"""Owns the command `hub`: puts the commands together and turns every expected failure into one sentence."""

import sys

import aiohttp
import asyncpg
import click

from bus.base import BusError
from bus.partitions import PartitionsError
from ops.bench.command import bench
from ops.commands.aside import dlq, replay
from ops.commands.look import config, doctor
from ops.commands.people import token, users
from ops.commands.publish import publish
from ops.commands.run import migrate, serve, up, work
from ops.commands.tail import tail
from ops.embedded.errors import EmbeddedError
from ops.settings import SettingsError
from schemas.migrate import MigrationError

EXPECTED = (EmbeddedError, SettingsError, MigrationError, PartitionsError, BusError)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hub")
def hub() -> None:
    """The hub: typed events, live sockets and notifications."""


for command in (up, serve, work, migrate, token, publish, tail, dlq, replay, users, bench, doctor, config):
    hub.add_command(command)


def main() -> None:
    """Run the command line; what can be expected to go wrong ends with one sentence and status 1."""
    try:
        hub(standalone_mode=True)
    except EXPECTED as error:
        _fail(str(error))
    except aiohttp.ClientConnectorError as error:
        _fail(f"the hub does not answer at {error.host}:{error.port}: is it running? (`hub up`)")
    except (OSError, asyncpg.PostgresError) as error:
        _fail(f"{type(error).__name__}: {error}")


def _fail(sentence: str) -> None:
    sys.stderr.write(f"hub: {sentence}\n")
    sys.exit(1)
