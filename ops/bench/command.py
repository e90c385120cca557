"""Owns `hub bench …`: options in, tables or JSON out, exit code 1 when anything was lost."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ops.bench.bus import BusOptions, run_bus
from ops.bench.bus import quick as quick_bus
from ops.bench.channels import ChannelsOptions, run_channels
from ops.bench.channels import quick as quick_channels
from ops.bench.channels_seat import CHANNELS
from ops.bench.connect import ConnectOptions, run_connect
from ops.bench.connect import quick as quick_connect
from ops.bench.errors import BenchError
from ops.bench.fanout import FanoutOptions, run_fanout
from ops.bench.fanout import quick as quick_fanout
from ops.bench.growth import GrowthOptions, run_growth
from ops.bench.growth import quick as quick_growth
from ops.bench.interrupt import end_like_ctrl_c
from ops.bench.recovery import RecoveryOptions, run_recovery
from ops.bench.recovery import quick as quick_recovery
from ops.bench.report import Report
from ops.bench.route import RouteOptions, run_route
from ops.bench.route import quick as quick_route
from ops.bench.unicast import RATES, UnicastOptions, run_unicast
from ops.bench.unicast import quick as quick_unicast
from ops.embedded.errors import EmbeddedError
from ops.logs import configure

Command = Callable[..., Any]

_recovery = click.option("--recovery", is_flag=True, help="Clients ask for connection state recovery.")
_seconds = click.option(
    "--seconds", default=5.0, show_default=True, type=click.FloatRange(0.2, 600), help="Of each phase."
)
_smoke = click.option(
    "--quick", "smoke", is_flag=True, help="A few seconds, to see that it works; not for figures."
)
_json = click.option("--json", "as_json", is_flag=True, help="The whole report as JSON on stdout.")
_DEFAULT_PEER = "Default: node where Node.js is there."
_peer = click.option("--peer", type=click.Choice(["node", "floor", "none"]), help=_DEFAULT_PEER)
_node_or_none = click.option("--peer", type=click.Choice(["node", "none"]), help=_DEFAULT_PEER)
_runs = click.option("--runs", default=5, show_default=True, type=click.IntRange(1, 100))


def _clients(default: int) -> Callable[[Command], Command]:
    return click.option("--clients", default=default, show_default=True, type=click.IntRange(1, 50_000))


def _window(default: int) -> Callable[[Command], Command]:
    return click.option(
        "--window",
        default=default,
        show_default=True,
        type=click.IntRange(1, 10_000),
        help="Events under way.",
    )


def _reporting(measure: Callable[..., Report]) -> Command:
    """Give a command that measures its common options, and show what it found."""

    @wraps(measure)
    def command(*, as_json: bool, **options: Any) -> None:
        try:
            report = measure(**options)
        except (BenchError, EmbeddedError) as error:
            raise click.ClickException(str(error)) from error
        show(report, as_json=as_json)

    return _runs(_smoke(_json(command)))


@click.group()
def bench() -> None:
    """Measure the hub beside its peers, on this machine, with services of its own."""
    end_like_ctrl_c()
    configure("warning", "console")  # on stderr: stdout is the report's


@bench.command()
@_clients(1_000)
@_seconds
@click.option(
    "--rate", default=30_000.0, show_default=True, type=click.FloatRange(1), help="Deliveries/s, paced."
)
@_window(2)
@_recovery
@_peer
@_reporting
def fanout(*, smoke: bool, **options: Any) -> Report:
    """One event to many sockets: as fast as it goes, at a given pace, and many in one read."""
    return run_fanout(quick_fanout(options["peer"]) if smoke else FanoutOptions(**options), _say)


@bench.command()
@_clients(1_000)
@_seconds
@click.option("--rate", "rates", multiple=True, type=click.IntRange(1), help="Events/s; may be repeated.")
@_window(500)
@_recovery
@_peer
@_reporting
def unicast(*, smoke: bool, rates: tuple[int, ...], **options: Any) -> Report:
    """Each event to one of many sockets: as fast as it goes, and one by one."""
    asked = UnicastOptions(**options, rates=rates or RATES)
    return run_unicast(quick_unicast(options["peer"]) if smoke else asked, _say)


@bench.command()
@_clients(2_000)
@click.option(
    "--warm-up", default=500, show_default=True, type=click.IntRange(0), help="Clients connected before."
)
@_recovery
@_peer
@_reporting
def connect(*, smoke: bool, **options: Any) -> Report:
    """What a connection costs in CPU, and in memory while it is idle."""
    return run_connect(quick_connect(options["peer"]) if smoke else ConnectOptions(**options), _say)


@bench.command()
@_clients(2_000)
@click.option(
    "--events", default=100, show_default=True, type=click.IntRange(1, 1_000), help="Missed by each."
)
@_node_or_none
@_reporting
def recovery(*, smoke: bool, **options: Any) -> Report:
    """Many clients come back at once to what they missed."""
    return run_recovery(quick_recovery(options["peer"]) if smoke else RecoveryOptions(**options), _say)


@bench.command()
@_clients(4_000)
@click.option(
    "--few", default=500, show_default=True, type=click.IntRange(1), help="Clients they are compared with."
)
@_seconds
@_window(2)
@_node_or_none
@_reporting
def growth(*, smoke: bool, **options: Any) -> Report:
    """What a delivery costs among many sockets, and an event that nobody here listens to."""
    return run_growth(quick_growth(options["peer"]) if smoke else GrowthOptions(**options), _say)


@bench.command()
@click.option(
    "--events", default=20_000, show_default=True, type=click.IntRange(500), help="Through the streams."
)
@_clients(1_000)
@click.option("--rate", default=20.0, show_default=True, type=click.FloatRange(0.1), help="Events/s posted.")
@_seconds
@_reporting
def bus(*, smoke: bool, **options: Any) -> Report:
    """Events through the streams, and from a POST to many sockets."""
    return run_bus(quick_bus() if smoke else BusOptions(**options), _say)


@bench.command()
@click.option(
    "--people", default=100_000, show_default=True, type=click.IntRange(1_000), help="Followers told."
)
@click.option(
    "--stored",
    default=2_000_000,
    show_default=True,
    type=click.IntRange(20_000),
    help="Notifications there are already, compared with 10,000.",
)
@_reporting
def route(*, smoke: bool, **options: Any) -> Report:
    """A walk through an audience beside a bare COPY, and what others feel of it."""
    return run_route(quick_route() if smoke else RouteOptions(**options), _say)


@bench.command()
@click.option(
    "--messages", default=2_000, show_default=True, type=click.IntRange(100), help="On each channel."
)
@click.option(
    "--channel",
    "channels",
    multiple=True,
    type=click.Choice(CHANNELS),
    help="Only this one; may be repeated.",
)
@_reporting
def channels(*, smoke: bool, channels: tuple[Any, ...], **options: Any) -> Report:
    """Messages sent on each channel to its simulator, beside the bare library in a loop."""
    asked = ChannelsOptions(**options, channels=channels or CHANNELS)
    return run_channels(quick_channels(asked.channels) if smoke else asked, _say)


def show(report: Report, *, as_json: bool) -> None:
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_text())
    if report.problems():
        raise SystemExit(1)


def _say(line: str) -> None:
    click.echo(line, err=True)
