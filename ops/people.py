"""Owns what is done by hand with a person: suspension and erasure."""

from bus import partitions
from bus.base import PUSH, BusError, events_stream
from bus.outbox import CHANNEL, Outbox
from bus.redis_streams import RedisBus
from ops.effective import no_hub
from ops.pool import UNLIMITED_S, database
from ops.settings import Settings
from schemas.db import Connection
from schemas.errors import ExplainedError
from schemas.store.erasure import Erasure, erase_user
from schemas.store.users import Users

# After an erasure that had to leave events only these still name the user.
KNOWN = """
SELECT EXISTS (SELECT FROM users WHERE id = $1) OR EXISTS (SELECT FROM event_people WHERE user_id = $1)
"""


class PersonError(ExplainedError):
    """What was asked does not fit this person; the message says why."""


async def suspend(settings: Settings, user: str) -> None:
    """Keep a user out, and cut what is open; raises PersonError for a user who was never seen."""
    async with database(settings) as pool, pool.acquire() as tx, tx.transaction():
        await _check(tx, user)
        await Users().suspend(tx, user)
        await Outbox(pool).control(tx, "suspend", user)  # also when it was so already: cut what is open
        await tx.execute(f"NOTIFY {CHANNEL}")


async def resume(settings: Settings, user: str) -> None:
    """Let a user in again; raises PersonError for one who was never seen or is not suspended."""
    async with database(settings) as pool, pool.acquire() as tx, tx.transaction():
        await _check(tx, user)
        if not await Users().resume(tx, user):
            raise PersonError(f"{user} is not suspended")


async def named(settings: Settings, user: str) -> str:
    """Say who somebody is, for a question; raises PersonError for one who was never seen."""
    async with database(settings) as pool:
        if not await pool.fetchval(KNOWN, user):
            raise PersonError(f"{_unknown(user)}, or say --yes to search the whole log for it")
        known = await Users().get(pool, user)
    return f"{user} ({known.name})" if known and known.name else user


async def erase(settings: Settings, user: str) -> Erasure:
    """Take a person out of the log; raises PersonError when nothing was known, and nothing came to light."""
    if settings.redis_url is None:
        raise no_hub(settings, "HUB_REDIS_URL")
    async with database(settings, statement_timeout_s=UNLIMITED_S) as pool:
        async with pool.acquire() as tx, tx.transaction():
            instance = await partitions.agree(tx, settings.partitions)
        known = await pool.fetchval(KNOWN, user)
        erasure = await erase_user(pool, user)
    # Also for an unknown one: an erasure that was interrupted here is finished by doing it again.
    bus = RedisBus(settings.redis_url.get_secret_value(), prefix=instance.prefix)
    await _forget(bus, instance.partitions)
    if not known and not erasure.rewritten:
        raise _unknown(user)
    return erasure


async def _forget(bus: RedisBus, count: int) -> None:
    """Empty the streams, which may still hold the words; the relay fills them again from the log."""
    try:
        await bus.drop([PUSH, *(events_stream(partition) for partition in range(count))])
    except BusError as error:
        raise PersonError(
            f"the log is rewritten, but the streams in Redis may still hold the words ({error}):"
            " do it again, with --yes, when HUB_REDIS_URL answers"
        ) from error
    finally:
        await bus.close()


async def _check(tx: Connection, user: str) -> None:
    if await Users().get(tx, user) is None:
        raise _unknown(user)


def _unknown(user: str) -> PersonError:
    return PersonError(f"there is no user {user}: no event, token or profile ever named one; check the id")
