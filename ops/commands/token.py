"""Owns `hub token`."""

from datetime import timedelta
from pathlib import Path

import click

from ops.commands.options import Duration, data_dir_option


@click.command()
@click.argument("user")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["user", "publish", "admin"]))
@click.option("--ttl", type=Duration(), default="1h", show_default=True)
@data_dir_option
def token(user: str, scopes: tuple[str, ...], ttl: timedelta, data_dir: Path | None) -> None:
    """Print a signed token for USER; --scope is repeatable (default: user)."""
    from ops.effective import effective
    from ops.signing import sign

    click.echo(sign(effective(data_dir), user, scopes or ("user",), ttl))
