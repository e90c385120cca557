"""Owns a pool on the hub's database for the length of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from ops.effective import no_hub
from ops.settings import Settings, SettingsError
from schemas.db import STATEMENT_TIMEOUT_S, Pool, create_pool

UNLIMITED_S = 0
"""For work that grows with the log: a statement takes as long as it takes."""


@asynccontextmanager
async def database(
    settings: Settings, *, statement_timeout_s: int = STATEMENT_TIMEOUT_S
) -> AsyncIterator[Pool]:
    """Open a small pool on the hub's database; raises SettingsError when it cannot be reached."""
    if settings.database_url is None:
        raise no_hub(settings, "HUB_DATABASE_URL")
    try:
        pool = await create_pool(
            settings.database_url.get_secret_value(), max_size=2, statement_timeout_s=statement_timeout_s
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise SettingsError(
            f"HUB_DATABASE_URL: the database cannot be reached: {error or 'no answer'}"
        ) from error
    try:
        async with pool:
            yield pool
    except asyncpg.PostgresError as error:
        raise SettingsError(f"the database refused: {error}") from error
    except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
        raise SettingsError(f"the database went away: {error or 'no answer'}") from error
