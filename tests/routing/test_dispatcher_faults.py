"""Sending without a key, and dispatchers that live on after something in them failed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from routing.dispatcher import Sender
from routing.errors import AmbiguousDeliveryError, EndpointGoneError
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.store.deliveries import Deliveries
from tests.routing.house import House
from tests.routing.post import (
    Post,
    dispatching,
    statuses,
    tips,
    with_address,
)
from tests.routing.scripted import Plain, Scripted
from tests.simulated import Resend
from tests.waiting import until


async def test_without_a_key_what_may_have_been_taken_is_not_repeated(chatting: House) -> None:
    channel = Scripted(lambda _: AmbiguousDeliveryError("no answer"))
    post = Post(chatting, channel, writer=Plain())
    await post.turn()
    chatting.clock.goes_on(days=2)
    await post.empty()
    assert channel.asked == ["42"]
    assert await statuses(chatting.pool) == {"ann": ("unknown", "ambiguous")}


async def test_without_a_key_a_lease_that_ran_out_is_not_repeated(chatting: House) -> None:
    post = Post(chatting, Scripted(), writer=Plain())
    assert await post.first._ready(5)  # type: ignore[attr-defined]  # the moment before the calls
    chatting.clock.goes_on(minutes=1)
    await Deliveries().recover(chatting.pool, chatting.clock.now(), channels=["telegram"], keyed=["fcm"])
    await post.empty()
    assert [status for status, _ in (await statuses(chatting.pool)).values()] == ["unknown"]


async def test_an_endpoint_that_is_gone_is_retired_and_written_down(chatting: House) -> None:
    post = Post(chatting, Scripted(lambda _: EndpointGoneError("blocked")), writer=Plain())
    await post.turn()
    assert await statuses(chatting.pool) == {"ann": ("failed", "gone")}
    assert await chatting.pool.fetchval("SELECT state FROM endpoints") == "retired"
    assert await chatting.pool.fetchval("SELECT source FROM consent WHERE NOT allowed") == "gone"


@asynccontextmanager
async def broken(pool: Pool, table: str, condition: str) -> AsyncIterator[None]:
    """Let one kind of change of a table fail, until the first that did."""
    await pool.execute("CREATE SEQUENCE breaks")  # what it counted stays when the rest is rolled back
    await pool.execute(
        "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM nextval('breaks'); RAISE 'broken'; END$$"
    )
    await pool.execute(
        f"CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW WHEN ({condition})"
        " EXECUTE FUNCTION break()"
    )
    yield
    await until(lambda: pool.fetchval("SELECT is_called FROM breaks"), within_s=10)
    await pool.execute(f"DROP TRIGGER broken ON {table}")


async def have(pool: Pool, status: str, count: int) -> None:
    """Wait until deliveries stand so; a wake-up stands for the next look, which is far away here."""

    async def so() -> bool:
        await pool.execute("NOTIFY deliveries")
        found = await pool.fetchval("SELECT count(*) FROM deliveries WHERE status = $1", status)
        return bool(found == count)

    await until(so, within_s=20)


@pytest.mark.parametrize(
    "change",
    [("email_batches", "NEW.state = 'open' AND NEW.attempts = 1"), ("deliveries", "NEW.status = 'sent'")],
)
async def test_what_a_living_dispatcher_let_fall_is_sent_once_after_the_lease(
    mailing: House, database: str, resend: Resend, change: tuple[str, str]
) -> None:
    pool, mailing.clock.moment = mailing.pool, SystemClock().now()
    await with_address(pool, "ann", "bob")
    async with dispatching(database, pool, resend.url, SystemClock()):
        async with broken(pool, *change):
            await mailing.told(*tips(["ann", "bob"]))
        await have(pool, "sent", 2)
    assert sorted(one.address for one in resend.messages) == ["ann@example.com", "bob@example.com"]


async def test_what_a_living_dispatcher_let_fall_without_a_key_becomes_unknown(
    chatting: House, database: str
) -> None:
    channel, pool = Scripted(), chatting.pool
    sender = Sender(channels=(channel,), writer=Plain())
    async with (
        broken(pool, "deliveries", "NEW.status = 'sent'"),
        dispatching(database, pool, "", SystemClock(), sender=sender),
    ):
        await have(pool, "unknown", 1)
    assert channel.asked == ["42"]


async def test_a_dispatcher_that_began_without_a_database_still_takes_up_what_was_misconfigured(
    mailing: House, database: str, resend: Resend
) -> None:
    pool, mailing.clock.moment = mailing.pool, SystemClock().now()
    await with_address(pool, "ann")
    await mailing.told(*tips(["ann"]))
    await pool.execute(
        "INSERT INTO provider_state (provider, tokens, refilled_at, paused_until, reason)"
        " VALUES ('resend', 1, now(), now() + interval '1 hour', 'misconfigured: a key')"
    )
    async with (
        broken(pool, "provider_state", "NEW.paused_until IS NULL"),
        dispatching(database, pool, resend.url, SystemClock()),
    ):
        await until(lambda: pool.fetchval("SELECT is_called FROM breaks"), within_s=10)
        await pool.execute("ALTER TABLE provider_state DISABLE TRIGGER broken")
        await have(pool, "sent", 1)
    assert len(resend.messages) == 1
