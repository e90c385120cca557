"""Owns `hub bench …`: options in, tables or JSON out, exit code 1 when anything was lost."""

import json
import signal
from types import FrameType

import click

from ops.bench.errors import BenchError
from ops.bench.fanout import FanoutOptions, quick, run_fanout
from ops.bench.prepare import Peer
from ops.bench.report import Report
from ops.embedded.errors import EmbeddedError


@click.group()
def bench() -> None:
    """Measure the hub beside its peer, on this machine, with services of its own."""
    signal.signal(signal.SIGTERM, _interrupt)


@bench.command()
@click.option("--clients", default=1_000, show_default=True, type=click.IntRange(1, 50_000))
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--seconds", default=5.0, show_default=True, type=click.FloatRange(0.2, 600), help="Of each phase."
)
@click.option(
    "--rate", default=30_000.0, show_default=True, type=click.FloatRange(1), help="Deliveries/s, paced."
)
@click.option(
    "--window", default=2, show_default=True, type=click.IntRange(1, 10_000), help="Events under way."
)
@click.option("--recovery", is_flag=True, help="Clients ask for connection state recovery.")
@click.option("--peer", type=click.Choice(["node", "none"]), help="Default: node where Node.js is there.")
@click.option("--quick", "smoke", is_flag=True, help="A few seconds, to see that it works; not for figures.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON on stdout.")
def fanout(
    *,
    clients: int,
    runs: int,
    seconds: float,
    rate: float,
    window: int,
    recovery: bool,
    peer: Peer | None,
    smoke: bool,
    as_json: bool,
) -> None:
    """One event to many sockets: as fast as it goes, and at a given pace."""
    options = FanoutOptions(
        clients=clients, runs=runs, seconds=seconds, rate=rate, window=window, recovery=recovery, peer=peer
    )
    try:
        report = run_fanout(quick(peer) if smoke else options, _say)
    except (BenchError, EmbeddedError) as error:
        raise click.ClickException(str(error)) from error
    show(report, as_json=as_json)


def show(report: Report, *, as_json: bool) -> None:
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_text())
    if report.problems():
        raise SystemExit(1)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End like Ctrl-C does, which ends every child on the way out."""
    raise KeyboardInterrupt
