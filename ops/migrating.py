"""Owns applying the migrations to the database of the settings."""

import asyncpg

from ops.effective import no_hub
from ops.settings import Settings, SettingsError
from schemas.migrate import migrate


async def apply(settings: Settings) -> list[str]:
    """Apply what is missing; answers the names. Raises SettingsError when the database cannot be reached."""
    if settings.database_url is None:
        raise no_hub(settings, "HUB_DATABASE_URL")
    try:
        return await migrate(settings.database_url.get_secret_value())
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        reason = str(error) or "no answer"
        raise SettingsError(f"HUB_DATABASE_URL: the database cannot be reached: {reason}") from error
