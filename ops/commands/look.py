"""Owns the commands that look: doctor and config."""

import asyncio
import json
from pathlib import Path

import click

from ops.commands.options import data_dir_option


@click.command()
@data_dir_option
def config(data_dir: Path | None) -> None:
    """Show the effective settings by variable name, as JSON, secrets masked."""
    from ops.effective import effective
    from ops.settings import shown

    click.echo(json.dumps(shown(effective(data_dir)), indent=2, default=str))


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
