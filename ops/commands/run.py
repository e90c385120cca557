"""Owns the commands that run the hub: up, serve, work, migrate."""

import asyncio
from pathlib import Path

import click

from ops.commands.options import data_dir_option

host_option = click.option("--host", default="127.0.0.1", show_default=True)
port_option = click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))


@click.command()
@host_option
@port_option
@click.option("--no-simulators", is_flag=True, help="Without simulators of providers that are not set.")
@click.option(
    "--fallbacks",
    is_flag=True,
    help="Simulate a second account for SMS, too, and Resend before a mail server.",
)
@data_dir_option
def up(host: str, port: int, no_simulators: bool, fallbacks: bool, data_dir: Path | None) -> None:
    """Run all roles with embedded services; --port 0 picks a free port."""
    from ops.logs import configure
    from ops.settings import load
    from ops.up import up as run_everything

    settings = load(**({"data_dir": data_dir} if data_dir else {}))
    configure(settings.log_level, settings.log_format)
    try:
        run_everything(settings, host, port, simulate=not no_simulators, fallbacks=fallbacks)
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # Ctrl-C while starting


@click.command()
@host_option
@port_option
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Processes that share the port.",
)
@data_dir_option
def serve(host: str, port: int, workers: int, data_dir: Path | None) -> None:
    """Run the doors: HTTP, sockets, web client.

    With several workers, one that dies is replaced, and SIGHUP restarts one after the other (with the code
    and the .env file of that moment) so that clients that ask for recovery miss nothing. Limits and
    HUB_DATABASE_POOL count for each of them, /metrics is about all of them together, and each request comes
    over a connection of its own.
    """
    from ops import run as roles
    from ops import workers as several
    from ops.effective import effective
    from ops.logs import configure
    from ops.loop import run

    settings = effective(data_dir)
    configure(settings.log_level, settings.log_format)
    with roles.bind(host, port) as listening:
        if workers == 1:
            run(roles.serve(settings, listening, _say_ready))
        else:
            several.serve(workers, listening, settings, _say_ready)


def _say_ready(url: str) -> None:
    click.echo(f"hub ready {url}")


@click.command()
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Show /metrics of this process on this port."
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="The address to show it on.")
@data_dir_option
def work(metrics_port: int | None, metrics_host: str, data_dir: Path | None) -> None:
    """Run the relay, the groups and the maintenance."""
    from ops import run as roles
    from ops.effective import effective
    from ops.logs import configure
    from ops.loop import run
    from ops.metrics import shown

    settings = effective(data_dir)
    configure(settings.log_level, settings.log_format)
    with shown(metrics_host, metrics_port):
        run(roles.work(settings))


@click.command()
@data_dir_option
def migrate(data_dir: Path | None) -> None:
    """Apply the migrations that the database lacks."""
    from ops.effective import effective
    from ops.migrating import apply

    applied = asyncio.run(apply(effective(data_dir)))
    click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply")
