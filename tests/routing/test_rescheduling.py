"""Open digests follow their people: to another hour, another day, another place."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from bus.tasks import spawn
from routing.catalog import CATALOG, said
from routing.channels.base import Mail, Outcome
from routing.channels.email import EmailChannel, ResendConfig
from routing.consent import Consents
from routing.errors import EndpointGoneError
from routing.model import ChannelKind
from routing.rescheduling import reschedule
from routing.verification import Verifying
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.notifications import Notifications
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users
from tests.routing.gathered import close, due_at, like, milestone, outcomes, person
from tests.routing.house import House
from tests.routing.post import LINKS, Post, tips
from tests.routing.scripted import Plain, Scripted, with_chat
from tests.waiting import until

MONDAY = datetime(2026, 3, 9, 8, tzinfo=UTC)


async def change(house: House, user: str = "ann", **digest: Any) -> None:
    async with house.pool.acquire() as tx, tx.transaction():
        await PreferenceDocuments().put(tx, user, {"digest": digest})
        await reschedule(tx, user, house.clock)


async def test_another_hour_moves_what_is_gathered(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await person(mailing.pool, "bob")
    await mailing.told(milestone(), milestone("bob"))
    await change(mailing, mode="daily", at="20:00")
    assert await due_at(mailing.pool) == datetime(2026, 3, 2, 20, tzinfo=UTC)
    await change(mailing, mode="weekly", weekday="fri", at="06:30")
    assert await due_at(mailing.pool) == datetime(2026, 3, 6, 6, 30, tzinfo=UTC)
    assert await due_at(mailing.pool, "bob") == MONDAY


async def test_another_place_moves_what_is_gathered(mailing: House) -> None:
    await person(mailing.pool, "ann", "Europe/Berlin")
    await mailing.told(milestone())
    async with mailing.pool.acquire() as tx, tx.transaction():
        await Users().put(tx, "ann", Profile(email="ann@example.com", tz="America/New_York"))
        await reschedule(tx, "ann", mailing.clock)
    assert await due_at(mailing.pool) == datetime(2026, 3, 2, 13, tzinfo=UTC)  # it is seven there


async def test_what_is_due_already_is_not_put_off(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    mailing.clock.moment = MONDAY
    await change(mailing, mode="weekly")
    assert await due_at(mailing.pool) == MONDAY
    await close(mailing)
    assert await outcomes(mailing.pool) == [("ann", "queued", None)]


async def test_who_wants_none_any_more_may_still_change_their_mind(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    await change(mailing, mode="off")
    assert await due_at(mailing.pool) == MONDAY
    await change(mailing, mode="daily")
    assert await due_at(mailing.pool) == datetime(2026, 3, 3, 8, tzinfo=UTC)


async def test_a_mail_that_was_only_put_off_stays_where_it_is(mailing: House) -> None:
    await person(mailing.pool, "ann", topics={"likes": {"email": True}})
    await mailing.told(like())
    await mailing.pool.execute("UPDATE deliveries SET status = 'sent', sent_at = $1", mailing.clock.now())
    await mailing.told(like(content="c2"))
    before = await due_at(mailing.pool)
    await change(mailing, mode="daily", at="20:00")
    assert await due_at(mailing.pool) == before == datetime(2026, 3, 2, 13, tzinfo=UTC)


async def test_people_nothing_is_gathered_for_cost_nothing(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await change(mailing, mode="daily")
    await change(mailing, "nobody", mode="daily")
    assert await mailing.pool.fetchval("SELECT count(*) FROM digests") == 0


async def gathered(house: House) -> list[tuple[str, str, int]]:
    """Kind, address and number of items of each open digest of ann."""
    rows = await house.pool.fetch(
        "SELECT d.kind, e.address, (SELECT count(*) FROM digest_items i WHERE i.digest_id = d.id)"
        " FROM digests d JOIN endpoints e ON e.id = d.endpoint_id AND e.channel = d.channel"
        " WHERE d.user_id = 'ann' AND d.state = 'open' ORDER BY d.kind, e.address"
    )
    return [tuple(row) for row in rows]


async def test_another_channel_takes_along_what_is_gathered(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone(), milestone(value=200))
    await change(mailing, mode="daily", channel="telegram")
    assert await gathered(mailing) == [("scheduled", "ann@example.com", 2)]  # there is nowhere else yet
    await with_chat(mailing, "ann", "41")
    await change(mailing, mode="daily", channel="telegram", at="20:00")
    assert await gathered(mailing) == [("scheduled", "41", 2)]
    assert await due_at(mailing.pool) == datetime(2026, 3, 2, 20, tzinfo=UTC)


async def test_a_proved_address_takes_along_what_is_gathered(mailing: House) -> None:
    verifying = Verifying(mailing.clock, LINKS, Consents(mailing.clock))
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    await mailing.pool.execute("UPDATE endpoints SET state = 'retired'")
    new = NewEndpoint(id=uuid7(), user_id="ann", channel="email", address="b@example.com", state="pending")
    async with mailing.pool.acquire() as tx, tx.transaction():
        asked = await verifying.ask(tx, await Endpoints().put(tx, new, mailing.clock.now()))
        assert asked.last is not None
        assert (await verifying.prove_by_link(tx, asked.last)).result == "proved"
    assert await gathered(mailing) == [("scheduled", "b@example.com", 1)]


async def test_another_address_takes_along_what_is_gathered_to_what_is_there(mailing: House) -> None:
    await person(mailing.pool, "ann", topics={"likes": {"email": True}})
    await mailing.told(milestone(), like())
    await mailing.pool.execute("UPDATE deliveries SET status = 'sent', sent_at = $1", mailing.clock.now())
    await mailing.told(like(content="c2"))
    await with_chat(mailing, "ann", "b@example.com", "email")
    await mailing.told(milestone(value=200))
    assert [one[1:] for one in await gathered(mailing) if one[0] == "scheduled"] == [
        ("ann@example.com", 2),
        ("b@example.com", 1),
    ]
    async with mailing.pool.acquire() as tx, tx.transaction():
        await Users().put(tx, "ann", Profile(email="b@example.com"))
        await reschedule(tx, "ann", mailing.clock)
    assert await gathered(mailing) == [("scheduled", "b@example.com", 2), ("spacing", "b@example.com", 1)]
    assert await mailing.pool.fetchval("SELECT count(*) FROM digest_items") == 3


class Mails(Scripted):
    """A mail server."""

    kind: ClassVar[ChannelKind] = "email"


def gone(address: str) -> Exception | None:
    return EndpointGoneError("nobody is there") if address == "ann@example.com" else None


async def test_what_is_gathered_at_an_address_that_is_gone_leaves_by_another(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone(), *tips(["ann"]))
    await with_chat(mailing, "ann", "b@example.com", "email")
    assert await gathered(mailing) == [("scheduled", "ann@example.com", 1)]
    await Post(mailing, Mails(gone), writer=Plain()).empty()
    assert await gathered(mailing) == [("scheduled", "b@example.com", 1)]


class Batches(EmailChannel):
    """Says of each mail that nobody is there any more."""

    async def send_batch(self, mails: Sequence[Mail], *, key: str) -> list[Outcome]:
        return [EndpointGoneError("nobody is there") for _ in mails]


async def test_what_is_gathered_at_addresses_of_a_batch_that_are_gone_leaves_by_others(
    mailing: House,
) -> None:
    config = ResendConfig(api_key="re_test", sender="hub@example.com", base_url="http://127.0.0.1:9")
    post = Post(mailing, channel := Batches(config, mailing.clock))
    for user in ("ann", "bob"):
        await person(mailing.pool, user)
        await mailing.told(milestone(user), *tips([user]))
        await with_chat(mailing, user, f"{user}@b.example.com", "email")
    await post.empty()
    await channel.close()
    rows = await mailing.pool.fetch("SELECT address FROM digests d JOIN endpoints e ON e.id = d.endpoint_id")
    assert sorted(row["address"] for row in rows) == ["ann@b.example.com", "bob@b.example.com"]


async def test_inboxes_are_held_in_the_same_order_by_all_who_hold_several(pool: Pool) -> None:
    users, inboxes = [f"u{n}" for n in range(8)], Notifications()
    async with pool.acquire() as tx, pool.acquire() as other:
        transaction = tx.transaction()
        await transaction.start()
        await inboxes.seize(tx, *users)

        async def share() -> None:
            async with other.transaction():
                await inboxes.share(other, users[::-1])

        sharing = spawn(share(), name="sharing")
        await until(lambda: pool.fetchval("SELECT bool_or(NOT granted) FROM pg_locks"))
        mine = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = $1 AND granted"
        assert await pool.fetchval(mine, other.get_server_pid()) == 0  # it waits at the first already
        await transaction.rollback()
        await sharing


async def test_what_is_gathered_by_what_people_wanted_a_moment_ago_moves_too(mailing: House) -> None:
    await person(mailing.pool, "ann")
    event, now = milestone(), mailing.clock.now()
    [entry] = CATALOG[type(event)]
    async with mailing.pool.acquire() as tx, tx.transaction():
        await mailing.teller.share(tx, ["ann"])
        people = await mailing.people.load(tx, ["ann"])
        changing = spawn(change(mailing, mode="daily", at="20:00"), name="change")
        await until(lambda: mailing.pool.fetchval("SELECT bool_or(NOT granted) FROM pg_locks"))
        await mailing.teller.tell(tx, said(event, entry, {}), list(people.values()), now)
    await changing
    assert await due_at(mailing.pool) == datetime(2026, 3, 2, 20, tzinfo=UTC)
