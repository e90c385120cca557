"""How updates are handled: in order, once, and without one stopping the others."""

import asyncio
from datetime import timedelta

import pytest

from bots.updates import AGAIN, LEASE
from routing.channels.telegram import TelegramChannel
from schemas.db import Pool
from schemas.store.dead_updates import DeadUpdates
from schemas.store.telegram_updates import HORIZON, TelegramUpdates, storable
from tests.bots.robot import Robot, message
from tests.simulated import FakeClock
from tests.simulated_telegram import ANN, membership

BROKEN = {"message": {"chat": {"id": ANN, "type": "private"}, "text": "no sender, no date"}}


async def state(pool: Pool, number: int) -> tuple[str, int, str | None]:
    row = await pool.fetchrow(
        "SELECT state, attempts, error FROM telegram_updates WHERE update_id = $1", number
    )
    assert row is not None
    return tuple(row)


async def test_an_update_is_kept_once(robot: Robot) -> None:
    assert await robot.updates.put(robot.pool, {"update_id": 5, "poll": {}}, robot.clock.now())
    assert not await robot.updates.put(robot.pool, {"update_id": 5, "other": {}}, robot.clock.now())


async def test_what_was_said_before_anybody_remembers_is_not_taken_again(robot: Robot) -> None:
    old = message("/stop")
    robot.clock.go(HORIZON + timedelta(seconds=1))
    assert not await robot.updates.put(robot.pool, {"update_id": 5, **old}, robot.clock.now())
    change = {"my_chat_member": membership(ANN, "member", "kicked")}
    assert not await robot.updates.put(robot.pool, {"update_id": 6, **change}, robot.clock.now())
    assert not await robot.handling.due()


async def test_what_means_nothing_here_is_done(robot: Robot) -> None:
    number = await robot.keep({"of_a_new_kind": {"id": "1"}})
    await robot.handle()
    assert (await state(robot.pool, number))[0] == "done"


async def test_a_broken_update_is_given_up_after_some_attempts_and_stops_nobody_else(robot: Robot) -> None:
    broken = await robot.keep(BROKEN)
    behind = await robot.keep(message("/start"))
    elsewhere = await robot.keep(message("/start", chat=7))
    await robot.handle()
    assert (await state(robot.pool, elsewhere))[0] == "done"
    assert (await state(robot.pool, behind))[0] == "open"
    for _ in range(AGAIN.attempts):
        robot.clock.go(AGAIN.longest)
        await robot.handle()
    assert await state(robot.pool, broken) == ("dead", AGAIN.attempts, "ValidationError")
    assert (await state(robot.pool, behind))[0] == "done"


async def test_what_was_given_up_is_handled_after_all_when_it_is_redriven(robot: Robot) -> None:
    dead = await robot.keep(message("/stop"))
    await robot.pool.execute("UPDATE telegram_updates SET state = 'dead', attempts = $1", AGAIN.attempts)
    await robot.handle()
    assert (await state(robot.pool, dead))[0] == "dead"
    assert await DeadUpdates().redrive(robot.pool, None, robot.clock.now()) == 1
    await robot.handle()
    assert await state(robot.pool, dead) == ("done", 1, None)


async def test_an_update_that_kills_its_process_is_given_up(robot: Robot) -> None:
    number = await robot.keep(message("/start"))
    for _ in range(AGAIN.attempts):
        taken = await robot.updates.claim(robot.pool, "dies", robot.clock.now(), lease=LEASE, limit=9)
        assert [one.update_id for one in taken] == [number]
        robot.clock.go(LEASE)
    await robot.handle()
    assert (await state(robot.pool, number))[0] == "dead"


async def test_the_updates_of_a_chat_are_handled_in_their_order(robot: Robot) -> None:
    token = await robot.token()
    await robot.keep(message("/stop"), 12)
    await robot.keep(message(f"/start {token}"), 11)
    await robot.keep(message("hello", chat=7), 13)
    taken = await robot.updates.claim(robot.pool, "other", robot.clock.now(), lease=LEASE, limit=9)
    assert [one.update_id for one in taken] == [11, 13]
    assert not await robot.handling.due()
    robot.clock.go(LEASE)
    await robot.handle()
    assert (await robot.endpoints())[0][2:] == ("retired", "stopped")


async def test_what_comes_late_changes_nothing_that_was_decided_since(robot: Robot) -> None:
    await robot.linked()
    assert await robot.told("/stop", number=20) == "stopped"
    assert await robot.told(f"/start {await robot.token()}", number=19) == "overtaken"
    assert await robot.member("kicked", "member", number=18) == "overtaken"
    assert (await robot.endpoints())[0][2:] == ("retired", "stopped")
    assert await robot.told(f"/start {await robot.token()}", number=21) == "linked"


@pytest.mark.parametrize("first", [1_790_000_000, (1 << 63) - 1])
async def test_numbers_that_begin_anew_do_not_come_late(robot: Robot, first: int) -> None:
    linked = await robot.told(f"/start {await robot.token()}", number=first)
    assert linked == "linked"
    assert await robot.member("member", "kicked", number=7) == "blocked"
    assert (await robot.endpoints())[0][2:] == ("retired", "blocked")
    assert await robot.member("kicked", "member", number=6) == "overtaken"


async def test_what_came_late_is_no_reason_to_leave_another_chat_out(robot: Robot) -> None:
    assert await robot.told("/start", number=30) == "explained"
    assert await robot.told(f"/start {await robot.token()}", number=29) == "linked"
    assert await robot.told(f"/start {await robot.token('bob')}", number=28, chat=7) == "linked"


async def test_who_lost_the_lease_leaves_nothing_behind(
    database: str, pool: Pool, channel: TelegramChannel, clock: FakeClock
) -> None:
    slow, quick = (Robot(database, pool, channel, clock) for _ in range(2))
    token = await slow.token()
    await slow.keep(message(f"/start {token}"))
    (mine,) = await slow.updates.claim(pool, slow.name, clock.now(), lease=LEASE, limit=1)
    clock.go(LEASE + timedelta(seconds=1))
    (theirs,) = await slow.updates.claim(pool, quick.name, clock.now(), lease=LEASE, limit=1)
    await slow.handling._handle(mine)
    assert await slow.endpoints() == []
    await quick.handling._handle(theirs)
    assert len(await slow.endpoints()) == 1


async def test_several_share_the_work_and_each_update_counts_once(
    database: str, pool: Pool, channel: TelegramChannel, clock: FakeClock
) -> None:
    robots = [Robot(database, pool, channel, clock) for _ in range(3)]
    for number in range(60):
        await robots[0].keep(message("/stop", chat=number % 7), number)
    await asyncio.gather(*(robot.handle() for robot in robots))
    while await robots[0].handling.due():
        await robots[0].handle()
    rows = await pool.fetch("SELECT state, attempts FROM telegram_updates")
    assert {tuple(row) for row in rows} == {("done", 1)}


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
async def test_what_no_text_of_the_database_can_hold_is_kept_without_it(pool: Pool, text: str) -> None:
    assert await TelegramUpdates().put(pool, {"update_id": 1, "x": [{text: text}]}, FakeClock().now())
    assert storable([text]) == ["a\ufffdb"]
