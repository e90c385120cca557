"""Digests leave once, when their people want them, whoever else is at work."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from bus.tasks import cancel, spawn
from routing.digest import due_for
from routing.people import People
from routing.scheduler import Scheduler
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.digests import Digests, NewItem
from schemas.store.endpoints import Endpoints
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users
from tests.routing.gathered import close, due_at, gather, like, milestone, outcomes, person, scheduler
from tests.routing.house import FakeClock, House
from tests.waiting import until

MONDAY = datetime(2026, 3, 9, 8, tzinfo=UTC)  # the first after the house's clock
DAILY = {"mode": "daily", "at": "07:15"}


async def test_what_is_gathered_leaves_as_one_delivery_when_it_is_due(mailing: House) -> None:
    endpoint = await person(mailing.pool, "ann")
    await mailing.told(milestone(), milestone(value=1000))
    assert await due_at(mailing.pool) == MONDAY
    await close(mailing)
    assert await outcomes(mailing.pool) == []
    mailing.clock.moment = MONDAY
    await close(mailing)
    [row] = await mailing.pool.fetch("SELECT * FROM deliveries")
    assert (row["status"], row["topic"], row["endpoint_id"], row["address"], row["due_at"]) == (
        "queued",
        "digest",
        endpoint,
        "ann@example.com",
        MONDAY,
    )
    assert row["digest_id"] == await mailing.pool.fetchval("SELECT id FROM digests WHERE state = 'closed'")
    assert await mailing.pool.fetchval("SELECT count(*) FROM digest_items") == 2


async def test_what_comes_after_the_closing_is_in_the_next_digest(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    mailing.clock.moment = MONDAY
    await close(mailing)
    await mailing.told(milestone(value=1000))
    assert await due_at(mailing.pool) == MONDAY + timedelta(days=7)
    sizes = await mailing.pool.fetch("SELECT count(*) FROM digest_items GROUP BY digest_id")
    assert [row["count"] for row in sizes] == [1, 1]


async def test_what_comes_too_soon_after_a_mail_leaves_an_hour_after_that(mailing: House) -> None:
    await person(mailing.pool, "ann", topics={"likes": {"email": True}})
    await mailing.told(like())
    sent = mailing.clock.now()
    await mailing.pool.execute("UPDATE deliveries SET status = 'sent', sent_at = $1", sent)
    mailing.clock.goes_on(minutes=10)
    await mailing.told(like(content="c2"))
    mailing.clock.goes_on(minutes=10)
    await mailing.told(like(content="c3"))
    assert await due_at(mailing.pool) == sent + timedelta(hours=1)
    mailing.clock.moment = sent + timedelta(hours=1)
    await close(mailing)
    assert await outcomes(mailing.pool) == [("ann", "queued", None)]


async def test_a_digest_of_somebody_who_wants_none_any_more_is_dropped_when_it_is_due(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    await PreferenceDocuments().put(mailing.pool, "ann", {"digest": {"mode": "off"}})
    assert await due_at(mailing.pool) == MONDAY
    mailing.clock.moment = MONDAY
    await close(mailing)
    assert await outcomes(mailing.pool) == [("ann", "dropped", "digest_off")]
    assert len(await mailing.shown("ann")) == 1


async def test_who_turns_digests_on_again_in_time_loses_nothing(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    for mode in ("off", "weekly"):
        await PreferenceDocuments().put(mailing.pool, "ann", {"digest": {"mode": mode}})
    mailing.clock.moment = MONDAY
    await close(mailing)
    assert await outcomes(mailing.pool) == [("ann", "queued", None)]


async def test_a_digest_for_an_address_that_is_gone_is_dropped(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    await Endpoints().retire_address(mailing.pool, "email", "ann@example.com", "gone")
    mailing.clock.moment = MONDAY
    await close(mailing)
    assert await outcomes(mailing.pool) == [("ann", "dropped", "no_endpoint")]


async def test_who_unsubscribed_from_digests_gets_none(mailing: House) -> None:
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    refusal = NewConsent(
        channel="email", address="ann@example.com", topic="digest", allowed=False, source="link"
    )
    await ConsentLedger().add(mailing.pool, refusal, mailing.clock.now())
    mailing.clock.moment = MONDAY
    await close(mailing)
    assert await outcomes(mailing.pool) == [("ann", "dropped", "unsubscribed")]


async def test_who_lives_elsewhere_by_now_gets_it_at_the_hour_there(mailing: House) -> None:
    await person(mailing.pool, "ann", "Europe/Berlin", digest=DAILY)
    await mailing.told(milestone())
    at_first = await due_at(mailing.pool)
    assert at_first == datetime(2026, 3, 3, 6, 15, tzinfo=UTC)
    await Users().put(mailing.pool, "ann", Profile(email="ann@example.com", tz="America/New_York"))
    mailing.clock.moment = at_first
    await close(mailing)
    assert await outcomes(mailing.pool) == []
    there = await due_at(mailing.pool)
    assert there == datetime(2026, 3, 3, 12, 15, tzinfo=UTC)
    mailing.clock.moment = there
    await close(mailing)
    assert await outcomes(mailing.pool) == [("ann", "queued", None)]


async def test_a_digest_somebody_is_appending_to_leaves_with_what_they_append(mailing: House) -> None:
    endpoint = await person(mailing.pool, "ann")
    await mailing.told(milestone())
    mailing.clock.moment = MONDAY
    event = uuid7()
    item = NewItem("ann", "email", endpoint, "scheduled", MONDAY, event, event, "milestones")
    async with mailing.pool.acquire() as tx:
        appending = tx.transaction()
        await appending.start()
        await Digests().add(tx, [item], MONDAY)
        assert await scheduler(mailing).step() == 0
        await appending.commit()
    await close(mailing)
    assert await mailing.pool.fetchval("SELECT count(*) FROM digests") == 1
    assert await mailing.pool.fetchval("SELECT count(*) FROM digest_items") == 2
    assert await outcomes(mailing.pool) == [("ann", "queued", None)]


async def test_any_number_of_schedulers_close_each_digest_once(pool: Pool) -> None:
    clock, people = FakeClock(), [f"p{n}" for n in range(120)]
    await pool.execute("INSERT INTO users (id) SELECT unnest($1::text[])", people)
    await pool.execute(
        "INSERT INTO endpoints (id, user_id, channel, address, state)"
        " SELECT gen_random_uuid(), u, 'email', u || '@example.com', 'active' FROM unnest($1::text[]) u",
        people,
    )
    rows = await pool.fetch("SELECT id, user_id FROM endpoints")
    now, event = clock.now(), uuid7()
    items = [
        NewItem(row["user_id"], "email", row["id"], "spacing", now, event, event, "likes") for row in rows
    ]
    await gather(pool, now, items)
    several = [Scheduler(pool, People(clock), clock, at_once=7) for _ in range(4)]

    async def work(one: Scheduler) -> None:
        while await one.step():
            pass

    await asyncio.gather(*map(work, several))
    assert sorted(user for user, *_ in await outcomes(pool)) == sorted(people)


async def test_a_running_scheduler_wakes_up_when_something_is_due(pool: Pool) -> None:
    clock = SystemClock()
    endpoint, event = await person(pool, "ann"), uuid7()
    running = spawn(Scheduler(pool, People(clock), clock).run(), name="scheduler")
    try:
        soon = clock.now() + timedelta(seconds=0.3)
        await gather(
            pool, clock.now(), [NewItem("ann", "email", endpoint, "spacing", soon, event, event, "likes")]
        )

        async def has_left() -> bool:
            return bool(await outcomes(pool))

        await until(has_left)
        assert await pool.fetchval("SELECT created_at FROM deliveries") >= soon
    finally:
        await cancel(running)


YEAR = {
    "Europe/Berlin": {"mode": "daily", "at": "02:30"},  # skipped in March, twice in October
    "America/New_York": {"mode": "daily", "at": "01:30"},
    "America/Santiago": {
        "mode": "weekly",
        "weekday": "sun",
        "at": "00:15",
    },  # midnight is skipped on a Sunday
    "Australia/Lord_Howe": {"mode": "daily", "at": "02:15"},  # by half an hour
    "Asia/Kathmandu": {"mode": "daily", "at": "08:00"},
    "Pacific/Chatham": {"mode": "weekly", "weekday": "sun", "at": "03:00"},
}
SKIPPED = {
    ("Europe/Berlin", "2026-03-29 03:00"),
    ("America/Santiago", "2026-09-06 01:00"),
    ("Australia/Lord_Howe", "2026-10-04 02:30"),
    ("Pacific/Chatham", "2026-09-27 03:45"),
}


@pytest.mark.slow
async def test_in_a_year_in_six_zones_each_digest_leaves_once_at_the_right_time(pool: Pool) -> None:
    clock = FakeClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
    people = People(clock)
    endpoints = {zone: await person(pool, zone, zone, digest=wish) for zone, wish in YEAR.items()}
    end = clock.now() + timedelta(days=365)

    async def something_happens(*zones: str) -> None:
        now, event = clock.now(), uuid7()
        known = await people.load(pool, zones)
        items = [
            NewItem(zone, "email", endpoints[zone], "scheduled", due_for(to, now), event, event, "likes")
            for zone, to in known.items()
        ]
        await gather(pool, now, items)

    await something_happens(*YEAR)
    one = Scheduler(pool, people, clock)
    left: dict[UUID, str] = {}
    while (due := await Digests().next_due(pool)) and due < end:
        clock.moment = due
        while await one.step():
            pass
        rows = await pool.fetch("SELECT id, user_id FROM deliveries WHERE created_at = $1", due)
        new = {row["id"]: row["user_id"] for row in rows}
        assert new
        assert not new.keys() & left.keys()
        left |= new
        await something_happens(*new.values())
    rows = await pool.fetch("SELECT user_id, created_at FROM deliveries WHERE status = 'queued'")
    shown = {
        zone: sorted(
            row["created_at"].astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            for row in rows
            if row["user_id"] == zone
        )
        for zone in YEAR
    }
    odd = set()
    for zone, wish in YEAR.items():
        days = 1 if wish["mode"] == "daily" else 7
        dates = [moment.date() for moment in shown[zone]]
        assert dates == [dates[0] + timedelta(days=days) * n for n in range(len(dates))]
        assert len(dates) == (365 if days == 1 else 52)
        odd |= {
            (zone, f"{moment:%Y-%m-%d %H:%M}") for moment in shown[zone] if f"{moment:%H:%M}" != wish["at"]
        }
    assert odd == SKIPPED
