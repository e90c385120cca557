"""Owns what the commands share: `--data-dir`, durations, and a pool for the length of a command."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click

from ops.settings import Settings, SettingsError
from schemas.db import Pool, create_pool

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def data_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data-dir` to a command."""
    return click.option(
        "--data-dir",
        envvar="HUB_DATA_DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the embedded services and the development secret (default .hub).",
    )(command)


class Duration(click.ParamType[timedelta]):
    """A length of time like 90s, 30m, 1h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhd])", value)
        if not match:
            self.fail(f"{value!r} is not a duration like 90s, 30m, 1h or 7d", param, ctx)
        return timedelta(seconds=int(match[1]) * UNITS[match[2]])


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Pool]:
    """Open a small pool on the hub's database; raises SettingsError when it cannot be reached."""
    if settings.database_url is None:
        raise SettingsError(
            f"no hub is running in {settings.data_dir}: start it with `hub up`, or set HUB_DATABASE_URL"
        )
    try:
        pool = await create_pool(settings.database_url.get_secret_value(), max_size=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise SettingsError(f"the database cannot be reached: {error or 'no answer'}") from error
    async with pool:
        yield pool
