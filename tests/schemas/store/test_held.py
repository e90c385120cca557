"""What an export reads beside the rest: of a chat, no more than the person themselves wrote there."""

from datetime import datetime, timedelta

from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store import held
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.telegram_updates import TelegramUpdates
from tests.simulated import FakeClock

NOW = FakeClock().now()
HOUR = timedelta(hours=1)


async def linked(pool: Pool, user: str, at: datetime, chat: int = 7) -> None:
    new = NewEndpoint(id=uuid7(), user_id=user, channel="telegram", address=str(chat), state="active")
    await Endpoints().put(pool, new, at)


async def said(pool: Pool, number: int, at: datetime, chat: int = 7) -> None:
    await TelegramUpdates().put(pool, {"update_id": number, "message": {"chat": {"id": chat}}}, at)


async def told(pool: Pool, user: str) -> list[int]:
    return [row["id"] async for page in held.pages(pool, held.TOLD_THE_BOT, user, 2) for row in page]


async def test_of_a_chat_each_owner_gets_what_was_said_while_it_is_theirs(pool: Pool) -> None:
    await said(pool, 1, NOW)
    await linked(pool, "bob", NOW + HOUR)
    for number in (2, 3, 4):
        await said(pool, number, NOW + number * HOUR)
    await said(pool, 5, NOW + 4 * HOUR, chat=8)
    assert await told(pool, "bob") == [4, 3, 2]
    await Endpoints().retire_address(pool, "telegram", "7", "stopped")
    await linked(pool, "ann", NOW + 5 * HOUR)
    await said(pool, 6, NOW + 6 * HOUR)
    assert await told(pool, "bob") == []
    assert await told(pool, "ann") == [6]
