"""Owns a pool on the hub's database for the length of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from ops.settings import Settings, SettingsError
from schemas.db import Pool, create_pool


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
    try:
        async with pool:
            yield pool
    except asyncpg.PostgresError as error:
        raise SettingsError(f"the database refused: {error}") from error
