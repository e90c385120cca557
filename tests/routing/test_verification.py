"""Proving an address: the code goes out through the dispatcher, and only its reader can bring it back."""

import asyncio
import re
from datetime import timedelta
from uuid import UUID

import pytest

from routing.codes import Codes
from routing.consent import Consents, Scope
from routing.verification import TooSoonError, VerificationLimits, Verifying
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store import held
from schemas.store.consent import ConsentLedger
from schemas.store.endpoints import Endpoints, NewEndpoint, StoredEndpoint
from schemas.store.users import Users
from schemas.store.verifications import Verifications
from tests.routing.house import FakeClock, House
from tests.routing.post import LINKS, MAILS, Post, attempts, email_at, statuses
from tests.simulated import Resend

MAIL = "ann@example.com"
URL = "https://hub.example.com"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def verifying(clock: FakeClock) -> Verifying:
    return Verifying(clock, LINKS, Consents(clock))


async def pending(
    pool: Pool, clock: FakeClock, *, user: str = "ann", channel: str = "email", address: str = MAIL
) -> StoredEndpoint:
    await Users().greet(pool, user, name=None, tz=None)
    new = NewEndpoint(id=uuid7(), user_id=user, channel=channel, address=address, state="pending")
    return await Endpoints().put(pool, new, clock.now())


async def asked(pool: Pool, verifying: Verifying, endpoint: StoredEndpoint) -> UUID:
    """Ask for a code; answers which verification it is of."""
    async with pool.acquire() as tx, tx.transaction():
        standing = await verifying.ask(tx, endpoint)
    assert standing.last is not None
    return standing.last.id


async def said(pool: Pool, clock: FakeClock, one: UUID) -> str | None:
    found = await Codes(LINKS, URL, clock).load(pool, [one])
    return found[one].said if one in found else None


async def prove(pool: Pool, verifying: Verifying, endpoint: StoredEndpoint, given: str) -> str:
    async with pool.acquire() as tx, tx.transaction():
        return (await verifying.prove(tx, endpoint.user_id, endpoint.id, given)).result


async def test_a_mail_with_a_link_goes_out_and_the_link_proves_the_address(
    mailing: House, pool: Pool, resend: Resend
) -> None:
    clock = mailing.clock
    verifying = Verifying(clock, LINKS, Consents(clock))
    endpoint = await pending(pool, clock)
    await asked(pool, verifying, endpoint)
    channel = email_at(resend.url, clock, call_s=1.5)
    await Post(mailing, channel, writer=MAILS, codes=Codes(LINKS, URL, clock)).empty()
    await channel.close()
    [mail] = resend.messages
    assert mail.address == MAIL
    found = re.search(rf"{URL}/verify/([\w-]+)", mail.text)
    assert found
    assert mail.html is not None
    assert found[0] in mail.html
    one = await verifying.of_link(pool, found[1])
    assert one is not None
    async with pool.acquire() as tx, tx.transaction():
        assert (await verifying.prove_by_link(tx, one)).result == "proved"
    assert (await statuses(pool))["ann"][0] == "sent"


async def test_who_asks_does_not_see_whether_anything_was_sent(
    mailing: House, pool: Pool, resend: Resend
) -> None:
    """Neither at the endpoint nor in the export, until the address is proved."""
    clock = mailing.clock
    verifying = Verifying(clock, LINKS, Consents(clock))
    endpoint = await pending(pool, clock)
    one = await asked(pool, verifying, endpoint)
    link = await said(pool, clock, one)
    channel = email_at(resend.url, clock, call_s=1.5)
    await Post(mailing, channel, writer=MAILS, codes=Codes(LINKS, URL, clock)).empty()
    await channel.close()
    assert (await statuses(pool))["ann"][0] == "sent"
    after = await Endpoints().get(pool, endpoint.id)
    assert after == endpoint
    assert await exported(pool) == []
    clock.goes_on(minutes=1)
    assert await prove(pool, verifying, endpoint, (link or "").rpartition("/")[2]) == "proved"
    assert await exported(pool) == [one]


async def exported(pool: Pool) -> list[UUID]:
    """Of which verifications ann's export shows that something was sent."""
    pages = held.pages(pool, held.DELIVERIES, "ann", 10)
    return [row["verification"] async for page in pages for row in page]


async def test_a_code_for_an_endpoint_that_was_given_up_is_not_sent(
    mailing: House, pool: Pool, resend: Resend
) -> None:
    clock = mailing.clock
    endpoint = await pending(pool, clock)
    await asked(pool, Verifying(clock, LINKS, Consents(clock)), endpoint)
    await Endpoints().retire(pool, "ann", endpoint.id, "removed")
    channel = email_at(resend.url, clock, call_s=1.5)
    await Post(mailing, channel, writer=MAILS, codes=Codes(LINKS, URL, clock)).empty()
    await channel.close()
    assert resend.messages == []
    assert (await statuses(pool))["ann"][0] == "dropped"
    assert await attempts(pool, "ann") == ["dropped"]


async def test_a_code_is_said_only_while_it_counts(
    pool: Pool, clock: FakeClock, verifying: Verifying
) -> None:
    endpoint = await pending(pool, clock, channel="sms", address="+15550001111")
    first = await asked(pool, verifying, endpoint)
    digits = await said(pool, clock, first)
    assert digits is not None
    assert re.fullmatch("[0-9]{6}", digits)
    clock.goes_on(minutes=1)
    second = await asked(pool, verifying, endpoint)
    assert await said(pool, clock, first) is None
    assert await said(pool, clock, second) not in (None, digits)
    clock.goes_on(minutes=10)
    assert await said(pool, clock, second) is None


async def test_a_code_shows_itself_nowhere(pool: Pool, clock: FakeClock, verifying: Verifying) -> None:
    endpoint = await pending(pool, clock, channel="sms", address="+15550001111")
    one = await asked(pool, verifying, endpoint)
    [code] = (await Codes(LINKS, URL, clock).load(pool, [one])).values()
    assert code.said not in repr(code)
    for table in ("verifications", "deliveries", "delivery_attempts"):
        rows = await pool.fetch(f"SELECT t::text AS row FROM {table} t")
        assert not [row for row in rows if re.search(rf"\b{code.said}\b", row["row"])]


async def test_one_person_s_proofs_do_not_hold_up_another_s(
    pool: Pool, clock: FakeClock, verifying: Verifying
) -> None:
    anns = await pending(pool, clock, channel="sms", address="+15550001111")
    bobs = await pending(pool, clock, user="bob", channel="sms", address="+15550001111")
    codes = [await said(pool, clock, await asked(pool, verifying, one)) for one in (anns, bobs)]
    assert codes[0] != codes[1]
    assert await prove(pool, verifying, bobs, codes[0] or "") == "wrong"
    assert await prove(pool, verifying, anns, codes[0] or "") == "proved"
    assert await prove(pool, verifying, bobs, codes[1] or "") == "proved"


async def test_an_endpoint_given_up_in_the_very_moment_is_not_proved(
    pool: Pool, clock: FakeClock, verifying: Verifying
) -> None:
    endpoint = await pending(pool, clock)
    one = await verifying.of_link(
        pool, (await said(pool, clock, await asked(pool, verifying, endpoint)) or "").rpartition("/")[2]
    )
    assert one is not None
    async with pool.acquire() as tx, tx.transaction():
        await Endpoints().lock(tx, "ann")
        assert (await verifying.look(tx, one)).result == "open"
        await Endpoints().retire(pool, "ann", endpoint.id, "removed")
        assert (await verifying.prove_by_link(tx, one)).result == "gone"
    assert await pool.fetchval("SELECT used_at FROM verifications") is None


SOURCES = ["link", "settings", "bounce", "complaint", "suppressed"]


async def stopped(pool: Pool, clock: FakeClock, source: str, topic: str = "") -> None:
    async with pool.acquire() as tx, tx.transaction():
        await Consents(clock).stop(tx, Scope("email", MAIL, topic), source=source)


async def proved_before(pool: Pool, clock: FakeClock) -> StoredEndpoint:
    """An endpoint that the person has proved once, and brings again."""
    endpoint = await pending(pool, clock)
    assert await Endpoints().verify(pool, "ann", endpoint.id, clock.now())
    await Endpoints().retire(pool, "ann", endpoint.id, "removed")
    return await pending(pool, clock)


@pytest.mark.parametrize("source", SOURCES)
async def test_who_proves_an_address_of_theirs_is_written_to_again_whatever_was_before(
    pool: Pool, clock: FakeClock, verifying: Verifying, source: str
) -> None:
    endpoint = await proved_before(pool, clock)
    await stopped(pool, clock, source)
    link = await said(pool, clock, await asked(pool, verifying, endpoint))
    assert await prove(pool, verifying, endpoint, (link or "").rpartition("/")[2]) == "proved"
    assert await ConsentLedger().refused(pool, [("email", MAIL)]) == {}
    entries = [one for one in await ConsentLedger().of_address(pool, "email", MAIL) if one.allowed]
    assert [(one.source, one.user_id) for one in entries] == [("settings", "ann")]


@pytest.mark.parametrize("source", SOURCES)
async def test_an_address_that_wants_no_mails_gets_none_because_a_stranger_asks(
    pool: Pool, clock: FakeClock, verifying: Verifying, source: str
) -> None:
    await stopped(pool, clock, source)
    endpoint = await pending(pool, clock)
    assert await said(pool, clock, await asked(pool, verifying, endpoint)) is None
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 0


async def test_who_wants_no_mails_about_something_may_still_prove_the_address(
    pool: Pool, clock: FakeClock, verifying: Verifying
) -> None:
    await stopped(pool, clock, "link", "likes")
    assert await said(pool, clock, await asked(pool, verifying, await pending(pool, clock)))


async def test_without_a_refusal_nothing_is_written_about_consent(
    pool: Pool, clock: FakeClock, verifying: Verifying
) -> None:
    endpoint = await pending(pool, clock)
    link = await said(pool, clock, await asked(pool, verifying, endpoint))
    await prove(pool, verifying, endpoint, (link or "").rpartition("/")[2])
    assert await ConsentLedger().of_address(pool, "email", MAIL) == []


async def sent(pool: Pool, clock: FakeClock, verifying: Verifying, user: str) -> bool:
    """Let somebody ask for a proof of the one address; answers whether a mail goes there."""
    endpoint = await pending(pool, clock, user=user)
    return await said(pool, clock, await asked(pool, verifying, endpoint)) is not None


async def test_limits_are_counted_for_the_address_over_all_people(
    pool: Pool, clock: FakeClock, verifying: Verifying
) -> None:
    came = [await sent(pool, clock, verifying, f"user{number}") for number in range(17)]
    assert came == [True] * 15 + [False] * 2
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 15
    clock.goes_on(hours=1)
    assert await sent(pool, clock, verifying, "later")


async def test_nobody_keeps_the_owner_of_an_address_from_proving_it(
    pool: Pool, clock: FakeClock, verifying: Verifying
) -> None:
    for user in ("eve", "eva"):
        for _ in range(2):
            assert await sent(pool, clock, verifying, user)
            clock.goes_on(minutes=1)
        with pytest.raises(TooSoonError) as caught:
            await sent(pool, clock, verifying, user)
        assert timedelta(minutes=50) < caught.value.wait < timedelta(hours=1)
    assert await sent(pool, clock, verifying, "evi")
    assert await sent(pool, clock, verifying, "ann")
    clock.goes_on(minutes=1)
    assert not await sent(pool, clock, verifying, "evi")  # a second one is beyond what an address gets


async def test_there_are_limits_for_a_day(pool: Pool, clock: FakeClock) -> None:
    limits = VerificationLimits(person_a_day=4, address_a_day=2)
    verifying = Verifying(clock, LINKS, Consents(clock), limits)
    came = []
    for number in range(8):
        clock.goes_on(hours=1)
        came.append(await sent(pool, clock, verifying, f"user{number}"))
    assert came == [True] * 6 + [False] * 2
    elsewhere = [await pending(pool, clock, address=f"ann{n}@example.com") for n in range(5)]
    for endpoint in elsewhere[:4]:
        clock.goes_on(hours=1)
        await asked(pool, verifying, endpoint)
    clock.goes_on(hours=1)
    with pytest.raises(TooSoonError) as caught:
        await asked(pool, verifying, elsewhere[4])
    assert caught.value.wait == timedelta(hours=20)


async def test_a_look_waits_for_nobody(pool: Pool, clock: FakeClock, verifying: Verifying) -> None:
    endpoint = await pending(pool, clock)
    one = await Verifications().get(pool, await asked(pool, verifying, endpoint))
    assert one is not None
    async with pool.acquire() as other, other.transaction(), pool.acquire() as conn, asyncio.timeout(5):
        await Verifications().take_latest(other, endpoint.id)
        assert (await verifying.look(conn, one)).result == "open"


async def test_too_soon_tells_how_long_to_wait(pool: Pool, clock: FakeClock, verifying: Verifying) -> None:
    endpoint = await pending(pool, clock)
    await asked(pool, verifying, endpoint)
    clock.goes_on(seconds=10)
    with pytest.raises(TooSoonError) as caught:
        await asked(pool, verifying, endpoint)
    assert caught.value.wait == timedelta(seconds=20)
