"""Owns the commands that look: doctor and config."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Final

import click

from ops.commands.options import data_dir_option

LONGEST_VALUE: Final = 14


@click.command()
@click.option("--explain", is_flag=True, help="Show what each setting means instead, as a table to read.")
@data_dir_option
def config(explain: bool, data_dir: Path | None) -> None:
    """Show the effective settings by variable name, as JSON, secrets masked."""
    from ops.effective import effective
    from ops.settings import explained, shown

    settings = effective(data_dir)
    if explain:
        click.echo(_table(explained(settings)), nl=False)
    else:
        click.echo(json.dumps(shown(settings), indent=2, default=str))


def _table(rows: list[tuple[str, object, str]]) -> str:
    """Names, values and meanings below each other; the meaning of a long value begins on the next line."""
    longest = max(len(name) for name, _, _ in rows)
    formatter = click.HelpFormatter(width=min(120, max(100, shutil.get_terminal_size().columns)))
    formatter.write_dl(
        [(f"{name:{longest}}  {_written(value)}", meaning) for name, value, meaning in rows],
        col_max=longest + LONGEST_VALUE,
    )
    return formatter.getvalue()


def _written(value: object) -> str:
    """A value as it is written in the environment."""
    if value is None or value == "":
        return "(not set)"
    return json.dumps(value) if isinstance(value, (tuple, list)) else str(value)


@click.command()
@data_dir_option
def doctor(data_dir: Path | None) -> None:
    """Check every dependency and say what to do."""
    from ops.doctor import examine
    from ops.effective import effective

    findings = asyncio.run(examine(effective(data_dir)))
    for finding in findings:
        click.echo(f"{'ok  ' if finding.well else 'FAIL'}  {finding.what}: {finding.says}")
    if not all(finding.well for finding in findings):
        raise SystemExit(1)
