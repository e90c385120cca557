"""Sets of calls while the database fails, calls take long, leases run out, and people change their minds."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from bus.tasks import cancel, spawn
from routing.channels.base import Pace
from routing.dispatcher import Sender
from routing.errors import (
    AddressMovedError,
    AmbiguousDeliveryError,
    DeliveryError,
    EndpointBusyError,
    MessageRejectedError,
    TransientDeliveryError,
)
from routing.model import Digest
from schemas.clock import SystemClock
from schemas.db import Connection, Pool
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries
from tests.routing.house import House
from tests.routing.post import Post, dispatching, statuses, tips
from tests.routing.scripted import TELEGRAM, Keyed, Plain, Scripted, with_chat
from tests.waiting import until

RETRYABLE = "40001"
FAILED = "P0001"
STANDING = "SELECT status, count(*) FROM deliveries GROUP BY 1 ORDER BY 1"


@pytest.fixture
async def chats(database: str, pool: Pool) -> AsyncIterator[House]:
    house = await House(database, pool, channels=TELEGRAM).begin()
    yield house
    assert not await house.dead()
    await house.end()


async def told(house: House, *users: str, times: int = 1) -> None:
    """Everybody's chat is called as they are."""
    for user in users:
        await with_chat(house, user, f"c-{user}")
    await house.told(*tips([*users] * times))


@asynccontextmanager
async def failing(pool: Pool, table: str, condition: str, code: str) -> AsyncIterator[None]:
    """Let one kind of change of a table fail for a while; it begins once it has failed."""
    await pool.execute("CREATE SEQUENCE IF NOT EXISTS breaks")
    await pool.execute(
        "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN PERFORM nextval('breaks'); RAISE 'broken' USING ERRCODE = '{code}'; END$$"
    )
    await pool.execute(
        f"CREATE TRIGGER broken BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({condition})"
        " EXECUTE FUNCTION break()"
    )
    yield
    await until(lambda: pool.fetchval("SELECT is_called FROM breaks"))
    await pool.execute(f"DROP TRIGGER broken ON {table}")


async def asked(channel: Scripted, count: int = 1) -> None:
    async def enough() -> bool:
        return len(channel.asked) >= count

    await until(enough)


async def standing(pool: Pool) -> dict[str, int]:
    return {row["status"]: row["count"] for row in await pool.fetch(STANDING)}


async def test_what_came_is_kept_until_the_database_takes_it(chats: House) -> None:
    await told(chats, "ann", "bob")
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    async with failing(chats.pool, "deliveries", "NEW.status = 'sent'", RETRYABLE):
        turn = spawn(post.turn(), name="turn")
        await asked(channel, 2)
    assert channel.under_way == 1
    gate.set()
    await turn
    assert await statuses(chats.pool) == {"ann": ("sent", None), "bob": ("sent", None)}


async def test_what_came_of_a_call_whose_delivery_others_have_by_now_is_told(chats: House) -> None:
    await told(chats, "ann", "bob")
    post = Post(chats, channel := Keyed(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    with capture_logs() as logs:
        turn = spawn(post.turn(), name="turn")
        await asked(channel, 2)
        await until(lambda: chats.pool.fetchval("SELECT true FROM deliveries WHERE status = 'sent'"))
        chats.clock.goes_on(minutes=1)
        await Deliveries().recover(chats.pool, chats.clock.now(), channels=TELEGRAM, keyed=[channel.provider])
        gate.set()
        await turn
    lost = await chats.pool.fetchval("SELECT id FROM deliveries WHERE user_id = 'ann'")
    (said,) = [one for one in logs if one["log_level"] == "warning"]
    assert (said["provider"], said["deliveries"]) == (channel.provider, {str(lost): "accepted"})


async def test_one_answer_that_cannot_be_on_record_costs_no_other(chats: House) -> None:
    await told(chats, "ann", "bob", "cleo")
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    broken = "NEW.status = 'sent' AND NEW.user_id = 'bob'"
    async with failing(chats.pool, "deliveries", broken, FAILED):
        turn = spawn(post.turn(), name="turn")

        async def cleo_is() -> bool:
            return (await statuses(chats.pool))["cleo"] == ("sent", None)

        await until(cleo_is)
    gate.set()
    await turn
    found = await statuses(chats.pool)
    assert (found["ann"], found["bob"]) == (("sent", None), ("sending", None))


@pytest.mark.parametrize("code", [RETRYABLE, FAILED])
async def test_a_judgement_that_fails_ends_no_call(chats: House, code: str) -> None:
    await told(chats, "ann", "bob")
    down = TransientDeliveryError("down")
    post = Post(chats, channel := Scripted(lambda to: down if to == "c-bob" else None), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    async with failing(chats.pool, "provider_state", "NEW.failures > OLD.failures", code):
        turn = spawn(post.turn(), name="turn")
        await asked(channel, 2)
    assert channel.under_way == 1
    gate.set()
    await turn
    assert await statuses(chats.pool) == {"ann": ("sent", None), "bob": ("queued", "unavailable")}


async def test_a_call_longer_than_the_grace_costs_those_behind_it_nothing(
    chats: House, database: str
) -> None:
    await told(chats, "ann", times=3)
    channel = Scripted()
    channel.gates["c-ann"] = asyncio.Event()
    sender = Sender(channels=(channel,), writer=Plain(), lanes=1)
    async with dispatching(database, chats.pool, "", chats.clock, sender=sender):
        await asked(channel)
    assert await standing(chats.pool) == {"queued": 2, "sending": 1}
    assert await chats.pool.fetchval("SELECT count(*) FROM deliveries WHERE provider IS NULL") == 2


async def test_a_call_longer_than_the_lease_stays_ours(chats: House, database: str) -> None:
    chats.clock.moment = SystemClock().now()
    await told(chats, "ann")
    channel = Scripted()
    channel.gates["c-ann"] = gate = asyncio.Event()
    sender = Sender(channels=(channel,), writer=Plain())
    async with dispatching(database, chats.pool, "", SystemClock(), several=2, sender=sender):
        await asked(channel)
        until_when = await chats.pool.fetchval("SELECT lease_until FROM deliveries")
        renewed = "SELECT lease_until > $1::timestamptz + interval '2 seconds' FROM deliveries"
        await until(lambda: chats.pool.fetchval(renewed, until_when))
        gate.set()
        await until(lambda: chats.pool.fetchval("SELECT status = 'sent' FROM deliveries"))
    assert channel.asked == ["c-ann"]


async def test_a_lease_that_is_over_before_the_first_call_means_no_call(
    chats: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(chats, "ann")
    post = Post(chats, channel := Scripted(), writer=Plain())
    ready = post.first._ready  # type: ignore[attr-defined]

    async def late(limit: int) -> object:
        found = await ready(limit)
        await _recovered(chats)
        return found

    monkeypatch.setattr(post.first, "_ready", late)
    await post.turn()
    assert channel.asked == []
    assert await statuses(chats.pool) == {"ann": ("queued", None)}  # its owner knows that nobody called


async def test_a_lease_that_is_over_before_a_later_call_means_no_call(chats: House) -> None:
    await told(chats, "ann", times=2)
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    turn = spawn(post.turn(), name="turn")
    await asked(channel)
    await _recovered(chats)
    gate.set()
    await turn
    assert channel.asked == ["c-ann"]
    assert await standing(chats.pool) == {"queued": 1, "sent": 1}


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (None, ("sent", None)),
        (MessageRejectedError("no"), ("failed", "rejected")),
        (TransientDeliveryError("down"), ("queued", "unavailable")),
        (AmbiguousDeliveryError("no answer"), ("unknown", "ambiguous")),
    ],
)
async def test_what_is_known_after_the_lease_ran_out_is_not_lost(
    chats: House, error: DeliveryError | None, becomes: tuple[str, str | None]
) -> None:
    await told(chats, "ann")
    post = Post(chats, channel := Scripted(lambda _: error), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    turn = spawn(post.turn(), name="turn")
    await asked(channel)
    await _recovered(chats)
    assert await statuses(chats.pool) == {"ann": ("unknown", "lease_ran_out")}
    gate.set()
    with capture_logs() as logs:
        await turn
    assert await statuses(chats.pool) == {"ann": becomes}
    assert not [one for one in logs if "lost" in one["event"]]


async def _recovered(house: House) -> None:
    house.clock.goes_on(minutes=1)
    await Deliveries().recover(house.pool, house.clock.now(), channels=TELEGRAM, keyed=[])


async def test_who_says_stop_in_the_middle_hears_no_more(chats: House) -> None:
    await told(chats, "ann", times=3)
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    turn = spawn(post.turn(), name="turn")
    await asked(channel)
    refusal = NewConsent(channel="telegram", address="c-ann", allowed=False, source="keyword")
    await ConsentLedger().add(chats.pool, refusal, chats.clock.now())
    gate.set()
    await turn
    await post.empty()
    assert channel.asked == ["c-ann"]
    assert await standing(chats.pool) == {"dropped": 2, "sent": 1}


async def test_what_expires_behind_a_long_call_is_not_sent(chats: House) -> None:
    await told(chats, "ann", times=2)
    await chats.pool.execute(
        "UPDATE deliveries SET expires_at = $1", chats.clock.now() + timedelta(seconds=5)
    )
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    turn = spawn(post.turn(), name="turn")
    await asked(channel)
    chats.clock.goes_on(seconds=6)
    gate.set()
    await turn
    assert channel.asked == ["c-ann"]
    assert await standing(chats.pool) == {"queued": 1, "sent": 1}


async def test_a_busy_address_costs_one_attempt_and_one_token(chats: House) -> None:
    await told(chats, "ann", times=5)
    busy = EndpointBusyError("too many requests", retry_after=timedelta(seconds=33))
    post = Post(chats, channel := Scripted(lambda _: busy), writer=Plain())
    channel.pace = Pace(20.0)
    await post.turn()
    assert channel.asked == ["c-ann"]
    rows = await chats.pool.fetch("SELECT attempts, notes, due_at FROM deliveries ORDER BY attempts")
    assert [(row["attempts"], row["notes"]) for row in rows] == [(0, 1)] * 4 + [(1, 1)]
    assert {row["due_at"] for row in rows} == {chats.clock.now() + timedelta(seconds=33)}
    assert await chats.pool.fetchval("SELECT tokens FROM provider_state") == 19


async def test_a_provider_that_took_some_of_a_set_is_well(chats: House) -> None:
    users = [f"u{n}" for n in range(4)]
    await told(chats, *users)
    down = TransientDeliveryError("down")
    post = Post(chats, channel := Scripted(lambda to: None if to == "c-u0" else down), writer=Plain())
    gate = asyncio.Event()
    channel.gates.update({f"c-{user}": gate for user in users[1:]})
    turn = spawn(post.turn(), name="turn")

    async def first_is() -> bool:
        return (await statuses(chats.pool))["u0"] == ("sent", None)

    await until(first_is)
    gate.set()
    await turn
    assert (await post.breaker.admit(chats.pool, chats.clock.now())).open


class Torn:
    """Digests that cannot be read, nor can anything beside them."""

    async def load(self, tx: Connection, ids: Sequence[UUID]) -> Mapping[UUID, Digest]:
        await tx.execute("SELECT 1 / 0")
        return {}


async def test_one_that_cannot_be_decided_about_fails_alone(chats: House) -> None:
    await told(chats, "ann", "bob", "cleo")
    await chats.pool.execute(
        "UPDATE deliveries SET digest_id = gen_random_uuid(), event_id = NULL, notification_id = NULL"
        " WHERE user_id = 'bob'"
    )
    post = Post(chats, Scripted(), writer=Plain(), digests=Torn())
    with pytest.raises(Exception, match="division by zero"):
        await post.turn()
    await post.empty()
    assert await statuses(chats.pool) == {
        "ann": ("sent", None),
        "bob": ("failed", "unreadable"),
        "cleo": ("sent", None),
    }


async def test_a_probe_that_failed_before_its_call_is_given_back(chats: House) -> None:
    await told(chats, "ann")
    post = Post(chats, channel := Scripted(lambda _: TransientDeliveryError("down")), writer=Plain())
    for _ in range(3):
        await post.turn()
        chats.clock.goes_on(hours=1)
    await chats.pool.execute(
        "UPDATE deliveries SET digest_id = gen_random_uuid(), event_id = NULL, notification_id = NULL"
    )
    torn = Post(chats, channel, writer=Plain(), digests=Torn())
    with pytest.raises(Exception, match="division by zero"):
        await torn.turn()
    assert (await post.breaker.admit(chats.pool, chats.clock.now())).probe


async def test_what_waits_for_a_provider_that_is_gone_keeps_nobody_busy(chats: House) -> None:
    await told(chats, "ann")
    post = Post(chats, Scripted(), writer=Plain())
    await chats.pool.execute("UPDATE deliveries SET provider = 'of another day'")
    assert not await post.lane.due()


async def test_what_waits_for_a_provider_that_is_gone_is_given_up_after_a_day(
    chats: House, database: str
) -> None:
    await told(chats, "ann", "bob")
    await chats.pool.execute("UPDATE deliveries SET provider = 'of another day'")
    now = chats.clock.now()
    old = "UPDATE deliveries SET updated_at = $1 WHERE user_id = 'ann'"
    await chats.pool.execute(old, now - timedelta(days=1, seconds=1))
    await chats.pool.execute("UPDATE deliveries SET updated_at = $1 WHERE user_id = 'bob'", now)
    sender = Sender(channels=(Scripted(),), writer=Plain())
    async with dispatching(database, chats.pool, "", chats.clock, sender=sender):
        await until(lambda: chats.pool.fetchval("SELECT true FROM deliveries WHERE status = 'unknown'"))
    assert await statuses(chats.pool) == {"ann": ("unknown", "provider_removed"), "bob": ("queued", None)}


@pytest.mark.parametrize(
    "error", [MessageRejectedError("a \0 b \ud800"), TransientDeliveryError("a \0"), AddressMovedError("x\0")]
)
async def test_words_that_no_database_keeps_are_put_on_record_without_them(
    chats: House, error: DeliveryError
) -> None:
    await told(chats, "ann")
    post = Post(chats, Scripted(lambda _: error), writer=Plain())
    await post.turn()
    assert await chats.pool.fetchval("SELECT count(*) FROM delivery_attempts") == 1


async def test_answers_are_on_record_when_the_process_ends_while_the_database_fails(chats: House) -> None:
    await told(chats, "ann", "bob")
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = asyncio.Event()
    async with failing(chats.pool, "deliveries", "NEW.status = 'sent'", RETRYABLE):
        turn = spawn(post.turn(), name="turn")
        await asked(channel, 2)
        await until(lambda: chats.pool.fetchval("SELECT is_called FROM breaks"))
        ending = spawn(cancel(turn), name="ending")
    await ending
    assert await statuses(chats.pool) == {"ann": ("sending", None), "bob": ("sent", None)}
