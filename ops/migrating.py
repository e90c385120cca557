"""Owns applying the migrations to the database of the settings."""

import asyncpg

from ops.settings import Settings, SettingsError
from schemas.migrate import migrate


async def apply(settings: Settings) -> list[str]:
    """Apply what is missing; answers the names. Raises SettingsError when the database cannot be reached."""
    if settings.database_url is None:
        raise SettingsError(f"HUB_DATABASE_URL is not set, and no hub is running in {settings.data_dir}")
    try:
        return await migrate(settings.database_url.get_secret_value())
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        reason = str(error) or "no answer"
        raise SettingsError(f"HUB_DATABASE_URL: the database cannot be reached: {reason}") from error
