"""Owns `hub chaos …`: options in, a report out, exit code 1 when anything was lost or doubled."""

import json
import secrets
from pathlib import Path

import click


@click.group()
def chaos() -> None:
    """Kill real processes and say what was lost.

    Nothing needs to run for it: it brings its own PostgreSQL, Valkey, gateways and workers, all on loopback,
    and leaves nothing behind. The clients are stock ones on Node.js.
    """


@chaos.command()
@click.option(
    "--minutes", default=5.0, show_default=True, type=click.FloatRange(0.1, 1440), help="Of faults."
)
@click.option("--seed", type=click.IntRange(0), help="Repeat the choices of another run.")
@click.option("--clients", default=100, show_default=True, type=click.IntRange(4, 5_000))
@click.option(
    "--rate", default=200.0, show_default=True, type=click.FloatRange(1), help="Events/s published."
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave all logs, and what each client saw, in this folder.",
)
def sockets(
    minutes: float, seed: int | None, clients: int, rate: float, *, as_json: bool, keep: Path | None
) -> None:
    """Stock clients on three gateways, while gateways, workers and Valkey are killed and connections cut.

    At the end each client that recovered must have exactly the events of its rooms, in order and once, and
    each that did not must have been told.
    """
    from ops.bench.errors import BenchError
    from ops.bench.interrupt import end_like_ctrl_c
    from ops.chaos.course import Options
    from ops.chaos.run import run_sockets
    from ops.logs import configure

    end_like_ctrl_c()
    configure("error", "console")
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    options = Options(seed=chosen, seconds=minutes * 60, clients=clients, rate=rate)
    try:
        report = run_sockets(options, _say, keep)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_text())
    if report.problems:
        raise SystemExit(1)


def _say(line: str) -> None:
    click.echo(line, err=True)
