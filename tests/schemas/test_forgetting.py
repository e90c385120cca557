"""What an erased person leaves in notifications: nothing of theirs, and others lose no more than the name."""

from typing import Any

import pytest
from asyncpg import DeadlockDetectedError

from bus.base import Target
from bus.log import RelayLog
from bus.outbox import Outbox
from bus.tasks import spawn
from routing.catalog import CATALOG, said
from schemas.clock import SystemClock
from schemas.db import Connection, Pool
from schemas.events.content import ContentCommented, ContentLiked
from schemas.events.users import UserFollowed
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store import forgetting
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries, NewDelivery
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.erasure import erase_user
from schemas.store.preferences import PreferenceDocuments
from schemas.store.telegram_links import TelegramLinks
from schemas.store.users import Users
from schemas.store.verifications import Verification, Verifications
from tests.routing.house import House
from tests.waiting import until

NOW = SystemClock().now()
TABLES = (
    "audience_members",
    "consent",
    "decisions",
    "deliveries",
    "delivery_attempts",
    "digest_items",
    "digests",
    "endpoints",
    "notifications",
    "outbox",
    "parked",
    "preferences",
    "relay_log",
    "telegram_links",
    "telegram_updates",
    "users",
    "verifications",
    "walks",
)


@pytest.fixture
async def house(database: str, pool: Pool) -> Any:
    made = await House(database, pool).begin()
    yield made
    await made.end()


async def traces(pool: Pool, word: str) -> list[str]:
    """In which tables a word is left."""
    return [
        table
        for table in TABLES
        if await pool.fetchval(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%' || $1 || '%'", word)
    ]


async def deliver(pool: Pool, user: str, address: str) -> None:
    delivery = NewDelivery(
        id=uuid7(), user_id=user, event_id=uuid7(), notification_id=uuid7(), topic="tips", priority=0,
        channel="email", endpoint_id=uuid7(), address=address, status="sent", due_at=NOW, created_at=NOW,
    )  # fmt: skip
    async with pool.acquire() as tx, tx.transaction():
        await Deliveries().insert(tx, [delivery])
        await tx.execute(
            "INSERT INTO delivery_attempts VALUES ($1, 1, now(), 'sent', 'to zq-eve@example.com')",
            delivery.id,
        )


async def test_nothing_of_an_erased_person_is_left(house: House, pool: Pool) -> None:
    eve = "zq-eve"
    await Users().put(pool, eve, Profile(name="Eve zq-eve", email="zq-eve@example.com"))
    await house.told(
        UserFollowed(target=eve, actor="bob"),
        UserFollowed(target="ann", actor=eve),
        ContentLiked(content_id="c", author="ann", actor="bob"),
        ContentLiked(content_id="c", author="ann", actor=eve),
        ContentCommented(content_id="c", author="ann", actor=eve, text="says zq-eve", mentions=("dan",)),
        ContentLiked(content_id="d", author=eve, actor="ann"),
    )
    await PreferenceDocuments().put(pool, eve, {"muted": [{"user": "zq-eve"}]})
    await deliver(pool, eve, "zq-eve@example.com")
    refused = NewConsent(
        channel="email",
        address="zq-eve@example.com",
        allowed=False,
        source="link",
        user_id=eve,
        detail="zq-eve",
    )
    await ConsentLedger().add(pool, refused, NOW)
    assert len(await traces(pool, "zq-eve")) > 8
    await erase_user(pool, eve)
    assert await traces(pool, "zq-eve") == []
    titles = dict(zip(("c", "f", "m"), await house.titles("ann"), strict=False))
    assert set(titles.values()) == {"[erased]"}
    assert await house.titles("dan") == ["[erased]"]
    assert await pool.fetchval("SELECT count(DISTINCT event_id) FROM decisions WHERE user_id = 'ann'") == 4


async def gathered(pool: Pool, user: str, chat: int) -> None:
    """What is held of somebody beside notifications: proofs, a digest, what is between them and the bot."""
    await pool.execute(
        "INSERT INTO endpoints (id, user_id, channel, address, state)"
        " VALUES ($1, $2, 'telegram', $3, 'active')",
        uuid7(),
        user,
        str(chat),
    )
    proof = Verification(
        id=uuid7(), user_id=user, endpoint_id=uuid7(), channel="email", address=f"{user}@example.com",
        created_at=NOW, expires_at=NOW,
    )  # fmt: skip
    async with pool.acquire() as tx, tx.transaction():
        await Verifications().add(tx, proof)
    digest = uuid7()
    await pool.execute(
        "INSERT INTO digests (id, user_id, channel, endpoint_id, kind, due_at, opened_at)"
        " VALUES ($1, $2, 'email', $1, 'scheduled', now(), now())",
        digest,
        user,
    )
    await pool.execute("INSERT INTO digest_items VALUES ($1, $1, $1, 'likes', now())", digest)
    await TelegramLinks().put(pool, user, user, NOW)
    group = -chat
    for number, (where, words) in enumerate(((chat, "private"), (group, "in a group")), start=2 * chat):
        said = {"message": {"from": {"id": chat}, "chat": {"id": where}, "text": f"{user} {words}"}}
        await pool.execute(
            "INSERT INTO telegram_updates (update_id, chat, body) VALUES ($1, $2, $3)", number, where, said
        )


async def test_what_is_held_beside_notifications_goes_with_the_person(pool: Pool) -> None:
    tables = ("digests", "digest_items", "verifications", "telegram_links", "telegram_updates", "endpoints")

    async def rows() -> list[int]:
        return [await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]

    await gathered(pool, "zq-ann", 41)
    alone = await rows()
    await gathered(pool, "zq-eve", 42)
    await erase_user(pool, "zq-eve")
    assert await traces(pool, "zq-eve") == []
    assert await rows() == alone
    assert len(await traces(pool, "zq-ann")) == 5


async def test_a_chat_that_is_another_s_by_now_is_left_to_them(pool: Pool) -> None:
    await gathered(pool, "zq-eve", 42)
    await Endpoints().retire_address(pool, "telegram", "42", "stopped")
    new = NewEndpoint(id=uuid7(), user_id="ann", channel="telegram", address="42", state="active")
    await Endpoints().put(pool, new, NOW)
    before = await pool.fetchval("SELECT count(*) FROM telegram_updates")
    await erase_user(pool, "zq-eve")
    assert await pool.fetchval("SELECT count(*) FROM telegram_updates") == before > 0


async def test_a_refusal_outlives_the_person_and_a_permission_does_not(pool: Pool) -> None:
    ledger = ConsentLedger()
    for address, allowed in (("a@example.com", False), ("b@example.com", False), ("b@example.com", True)):
        await ledger.add(
            pool,
            NewConsent(channel="email", address=address, allowed=allowed, source="link", user_id="eve"),
            NOW,
        )
    await erase_user(pool, "eve")
    places = [("email", f"{name}@example.com") for name in "abc"]
    assert await ledger.refused(pool, places) == {("email", "a@example.com"): frozenset({""})}
    rows = await pool.fetch("SELECT address, user_id FROM consent")
    assert [(row["address"].startswith("erased:"), row["user_id"]) for row in rows] == [(True, None)]
    await ledger.add(
        pool, NewConsent(channel="email", address="a@example.com", allowed=True, source="settings"), NOW
    )
    assert await ledger.refused(pool, places) == {}


async def test_a_refusal_outlives_the_person_however_the_address_was_spelled(pool: Pool) -> None:
    ledger = ConsentLedger()
    await pool.execute("INSERT INTO users (id, email) VALUES ('eve', 'Eve@Example.com')")
    await ledger.add(
        pool, NewConsent(channel="email", address="eve@EXAMPLE.com", allowed=False, source="bounce"), NOW
    )
    await erase_user(pool, "eve")
    assert await traces(pool, "eve@example.com") == []
    place = ("email", "EVE@example.com")
    assert await ledger.refused(pool, [place]) == {place: frozenset({""})}
    assert await ledger.is_earned(pool, *place)


async def test_what_is_told_of_an_erased_person_later_does_not_bring_back_the_address(pool: Pool) -> None:
    ledger, place = ConsentLedger(), ("telegram", "-42")
    endpoint = NewEndpoint(id=uuid7(), user_id="eve", channel="telegram", address="-42", state="active")
    await Endpoints().put(pool, endpoint, NOW)
    bounce = NewConsent(channel="telegram", address="-42", allowed=False, source="gone")
    await ledger.add(pool, bounce, NOW)
    assert await pool.fetchval("SELECT address FROM consent") == "-42"
    await erase_user(pool, "eve")
    await ledger.add(pool, bounce, NOW)
    rows = await pool.fetch("SELECT address FROM consent")
    assert all(row["address"].startswith("erased:") for row in rows)
    assert await ledger.refused(pool, [place]) == {place: frozenset({""})}
    assert [one.source for one in await ledger.of_address(pool, *place)] == ["gone", "gone"]
    await ledger.follow(pool, *place, "-43", NOW)
    assert await ledger.refused(pool, [("telegram", "-43")]) == {("telegram", "-43"): frozenset({""})}


async def test_a_packet_for_many_loses_one_room_and_one_that_names_the_person_goes(
    house: House, pool: Pool
) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).push(
            tx,
            Target.of("/n", ("user:ann", "user:eve"), b'["x",{}]'),
            Target.of("/n", ("user:ann", "user:bob"), b'["x",{"actors":["eve"]}]'),
            Target.of("/n", ("user:eve",), b'["x",{}]'),
            Target.of("/n", ("user:bob",), b'["x",{"actors":["eve2"]}]'),
        )
    await house.relay()
    await erase_user(pool, "eve")
    entries = await RelayLog(pool).push(0, 10)
    assert [entry.fields for entry in entries] == [
        [b"/n\0user:ann", b'["x",{}]'],
        [],
        [],
        [b"/n\0user:bob", b'["x",{"actors":["eve2"]}]'],
    ]
    assert [entry.prev for entry in entries] == [0, 1, 2, 3]


async def test_what_the_platform_tells_of_a_person_becomes_endpoints_and_old_ones_go(pool: Pool) -> None:
    async def known() -> set[tuple[str, str, str]]:
        return {(one.channel, one.address, one.state) for one in await Endpoints().of_user(pool, "ann")}

    users = Users()
    await users.put(pool, "ann", Profile(email="a@example.com", phone="+15550001111"))
    phone = ("sms", "+15550001111", "active")
    assert await known() == {("email", "a@example.com", "active"), phone}
    await users.put(pool, "ann", Profile(email="b@example.com", phone="+15550001111"))
    assert await known() == {
        ("email", "a@example.com", "retired"),
        ("email", "b@example.com", "active"),
        phone,
    }
    await Endpoints().retire_address(pool, "email", "b@example.com", "bounced")
    await users.put(pool, "ann", Profile(email="b@example.com"))
    assert ("email", "b@example.com", "retired") in await known()
    assert ("sms", "+15550001111", "retired") in await known()
    await users.put(pool, "ann", Profile(email="a@example.com"))
    assert ("email", "a@example.com", "active") in await known()


async def blocked(pool: Pool) -> bool:
    """Whether somebody waits for a lock."""
    return bool(await pool.fetchval("SELECT bool_or(NOT granted) FROM pg_locks"))


async def test_a_walk_that_knew_the_person_leaves_nothing_of_them(house: House, pool: Pool) -> None:
    await Users().put(pool, "zq-eve", Profile(email="zq-eve@example.com"))
    event = UserFollowed(target="zq-eve", actor="bob")
    [entry] = CATALOG[UserFollowed]
    async with pool.acquire() as tx, tx.transaction():
        await house.teller.share(tx, ["zq-eve"])
        people = await house.people.load(tx, ["zq-eve"])
        erasing = spawn(erase_user(pool, "zq-eve"), name="erase")
        await until(lambda: blocked(pool))
        await house.teller.tell(tx, said(event, entry, {}), list(people.values()), NOW)
    await erasing
    assert set(await traces(pool, "zq-eve")) <= {"outbox", "relay_log"}  # packets, for a day


async def test_what_is_written_while_packets_are_searched_goes_too(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Users().put(pool, "zq-eve", Profile(email="zq-eve@example.com"))

    async def meanwhile(*_: Any) -> None:
        assert await traces(pool, "zq-eve") == []  # also the person: whoever asks finds nobody
        await deliver(pool, "zq-eve", "zq-eve@example.com")

    monkeypatch.setattr(forgetting, "_unpack", meanwhile)
    await erase_user(pool, "zq-eve")
    assert await traces(pool, "zq-eve") == []


async def test_an_address_that_is_brought_meanwhile_goes_with_the_person(pool: Pool) -> None:
    await Users().put(pool, "zq-eve", Profile())
    new = NewEndpoint(id=uuid7(), user_id="zq-eve", channel="push", address="zq-eve", state="active")
    async with pool.acquire() as tx, tx.transaction():
        await Endpoints().lock(tx, "zq-eve")
        erasing = spawn(forgetting.forget(pool, "zq-eve"), name="forget")
        await until(lambda: blocked(pool))
        await Endpoints().put(tx, new, NOW)
    await erasing
    assert await traces(pool, "zq-eve") == []


async def test_whoever_notes_what_became_of_a_delivery_is_waited_for(pool: Pool) -> None:
    await Users().put(pool, "zq-eve", Profile(email="zq-eve@example.com"))
    await deliver(pool, "zq-eve", "zq-eve@example.com")
    async with pool.acquire() as tx, tx.transaction():
        await tx.execute("UPDATE deliveries SET status = 'bounced'")
        erasing = spawn(forgetting.forget(pool, "zq-eve"), name="forget")
        await until(lambda: blocked(pool))
        await Endpoints().retire_address(tx, "email", "zq-eve@example.com", "bounced")
    await erasing
    assert await traces(pool, "zq-eve") == []


async def test_who_meets_others_in_a_circle_begins_anew(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await Users().put(pool, "zq-eve", Profile(email="zq-eve@example.com"))
    once = forgetting._forget_once
    met: list[str] = []

    async def circle(tx: Connection, user: str) -> None:
        await once(tx, user)
        if not met:
            met.append(user)
            raise DeadlockDetectedError

    monkeypatch.setattr(forgetting, "_forget_once", circle)
    await erase_user(pool, "zq-eve")
    assert await traces(pool, "zq-eve") == []
