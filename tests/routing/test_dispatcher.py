"""Sending: what is due goes out once, whatever the provider and the dispatchers do."""

import asyncio
from datetime import UTC, datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.simulators.base import json_answer
from routing.consent import Consents, Scope
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.events.live import LiveStarted
from schemas.events.users import UserFollowed
from tests.routing.gathered import close, due_at
from tests.routing.house import House
from tests.routing.post import (
    Post,
    attempts,
    dispatching,
    statuses,
    tipped,
    tips,
    with_address,
)
from tests.simulated import Resend
from tests.waiting import until


async def test_a_mail_goes_out_with_a_way_to_unsubscribe(post: Post, resend: Resend) -> None:
    await tipped(post, "ann")
    await post.empty()
    (mail,) = resend.messages
    assert (mail.address, mail.subject) == ("ann@example.com", "fan tipped you 5.00 HRS")
    assert mail.headers is not None
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.headers["List-Unsubscribe"].startswith("<https://hub.example.com/u/")
    assert await statuses(post.pool) == {"ann": ("sent", None)}
    assert await attempts(post.pool, "ann") == ["accepted"]


async def test_many_mails_are_one_call(post: Post, resend: Resend) -> None:
    users = [f"u{n:03}" for n in range(100)]
    await tipped(post, *users)
    await post.turn()
    assert sorted(one.address for one in resend.messages) == [f"{user}@example.com" for user in users]
    assert set((await statuses(post.pool)).values()) == {("sent", None)}


async def test_what_was_read_in_the_meantime_is_not_sent(post: Post, resend: Resend) -> None:
    await tipped(post, "ann")
    await post.pool.execute("UPDATE notifications SET state = 'read'")
    await post.empty()
    assert resend.messages == []
    assert await statuses(post.pool) == {"ann": ("dropped", "read_already")}


async def test_consent_taken_back_in_the_meantime_counts(post: Post, resend: Resend) -> None:
    await tipped(post, "ann")
    await Consents(post.clock).stop(post.pool, Scope("email", "ann@example.com", "tips"), source="link")  # type: ignore[arg-type]  # one statement
    await post.empty()
    assert resend.messages == []
    assert await statuses(post.pool) == {"ann": ("dropped", "unsubscribed")}


async def test_quiet_hours_that_began_hold_it_until_they_end(post: Post, resend: Resend) -> None:
    await tipped(post, "ann")
    quiet = {"enabled": True, "tz": "Europe/Berlin", "windows": [{"from": "13:00", "to": "14:30"}]}
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    quiet["windows"] = [{"days": days, "from": "13:00", "to": "14:30"}]
    await post.pool.execute(
        "INSERT INTO preferences (user_id, document) VALUES ('ann', $1)", {"quiet_hours": quiet}
    )
    post.clock.moment = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)  # 13:30 in Berlin
    await post.empty()
    assert await statuses(post.pool) == {"ann": ("held", "quiet_hours")}
    post.clock.moment = datetime(2026, 3, 2, 13, 29, 59, tzinfo=UTC)
    assert not await post.lane.due()
    post.clock.moment = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
    await post.empty()
    assert await statuses(post.pool) == {"ann": ("sent", None)}
    assert len(resend.messages) == 1


async def test_two_mails_to_one_person_are_an_hour_apart(post: Post, resend: Resend) -> None:
    await with_address(post.pool, "ann")
    await post.house.told(*tips(["ann", "ann"]))
    await post.empty()
    assert len(resend.messages) == 1
    assert await due_at(post.pool) == post.clock.now() + timedelta(hours=1)
    post.clock.goes_on(hours=1)
    await close(post.house)
    await post.empty()
    assert len(resend.messages) == 2


async def test_what_comes_too_soon_after_a_mail_comes_with_others_of_its_kind(
    post: Post, resend: Resend
) -> None:
    await with_address(post.pool, "ann")
    await post.house.told(*tips(["ann"] * 6))
    await post.empty()
    post.clock.goes_on(minutes=30)
    await post.house.told(*tips(["ann"] * 2, actor="bob"))
    await post.empty()
    assert len(resend.messages) == 1
    post.clock.goes_on(minutes=30)
    await close(post.house)
    await post.empty()
    [_, second] = resend.messages
    assert second.text.count("tipped you") == 7


async def test_mails_to_one_person_are_an_hour_apart_whoever_sends_them(
    mailing: House, database: str, resend: Resend, pool: Pool
) -> None:
    users = [f"u{n:03}" for n in range(40)]
    mailing.clock.moment = SystemClock().now()
    await with_address(pool, *users)
    resend.behave("slow")

    async def settled() -> bool:
        return bool(
            await pool.fetchval("SELECT count(*) = 40 FROM deliveries WHERE reason = 'email_spacing'")
        ) and bool(await pool.fetchval("SELECT count(*) = 40 FROM deliveries WHERE status = 'sent'"))

    async with dispatching(database, pool, resend.url, SystemClock(), several=2):
        for _ in range(2):
            await mailing.told(*tips(users))
        await until(settled, within_s=20)
    assert len(resend.messages) == 40


async def test_what_expired_is_dropped(post: Post, resend: Resend) -> None:
    await with_address(post.pool, "ann")
    await post.house.told(UserFollowed(target="host", actor="ann", time=post.clock.now()))
    await post.house.told(LiveStarted(stream_id="s1", host="host", time=post.clock.now()))
    assert await statuses(post.pool) == {"ann": ("queued", None)}
    post.clock.goes_on(minutes=31)
    await post.empty()
    assert resend.messages == []
    assert await statuses(post.pool) == {"ann": ("dropped", "expired")}


async def test_several_dispatchers_send_each_mail_once(
    mailing: House, database: str, resend: Resend, pool: Pool
) -> None:
    users = [f"u{n:04}" for n in range(500)]
    mailing.clock.moment = SystemClock().now()
    await with_address(pool, *users)

    async def all_sent() -> bool:
        return bool(await pool.fetchval("SELECT count(*) = 500 FROM deliveries WHERE status = 'sent'"))

    async with dispatching(database, pool, resend.url, SystemClock(), several=3):
        await mailing.told(*tips(users))
        await until(all_sent, within_s=30)
    assert sorted(one.address for one in resend.messages) == [f"{user}@example.com" for user in users]


async def test_a_dispatcher_wakes_up_when_something_is_committed(
    mailing: House, database: str, resend: Resend, pool: Pool
) -> None:
    await with_address(pool, "ann")

    async def sent() -> bool:
        return bool(resend.messages)

    async with dispatching(database, pool, resend.url, SystemClock()):
        mailing.clock.moment = SystemClock().now()
        await mailing.told(*tips(["ann"]))
        await until(sent, within_s=5)


async def test_a_call_that_is_under_way_when_the_process_ends_is_not_cut(
    mailing: House, database: str, resend: Resend, pool: Pool
) -> None:
    await with_address(pool, "ann")
    mailing.clock.moment = SystemClock().now()
    held = asyncio.Event()

    async def slowly(*_: object) -> web.Response:
        held.set()
        await asyncio.sleep(0.5)
        return json_answer({"data": [{"id": "re_1"}]})

    slow = web.Application()
    slow.router.add_post("/emails/batch", slowly)
    server = TestServer(slow)
    await server.start_server()
    async with dispatching(database, pool, str(server.make_url("/")), SystemClock()):
        await mailing.told(*tips(["ann"]))
        await asyncio.wait_for(held.wait(), 10)
    await server.close()
    assert await statuses(pool) == {"ann": ("sent", None)}
