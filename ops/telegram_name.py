"""Owns how the doors learn what the bot is called: links to it are asked for before `hub bot` is up."""

from typing import Final

import aiohttp
import structlog

from ops.settings import Settings
from schemas.db import Pool
from schemas.store.telegram_links import TelegramLinks

log = structlog.get_logger(__name__)

API: Final = "https://api.telegram.org"
CALL_S: Final = 10.0


async def learn_name(settings: Settings, pool: Pool) -> None:
    """Ask once, by plain HTTP (the library is heavy); if nobody answers now, `hub bot` will tell it.

    Also when a name is known: it may be another one by now.
    """
    token, number = settings.telegram.token, settings.telegram.number
    if token is None or number is None:
        return
    url = f"{settings.telegram.base_url or API}/bot{token.get_secret_value()}/getMe"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S)) as session,
            session.get(url) as answer,
        ):
            name = (await answer.json())["result"]["username"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        # Its text may show the token.
        log.info("the name of the bot is not known yet, `hub bot` will tell it", error=type(error).__name__)
        return
    await TelegramLinks().call_bot(pool, number, str(name))
