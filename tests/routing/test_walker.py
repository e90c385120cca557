"""Walks: everyone of an audience exactly once, whoever dies on the way, and nobody else held up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from asyncpg import InterfaceError

from bus.appender import Appender
from bus.base import Bus
from bus.consumer import Consumer, Handler
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from bus.worker import GroupWorker
from routing import audiences, router
from routing.walker import POLL_S, LostWalkError, Walker
from schemas.db import Pool, create_pool
from schemas.events.base import Event
from schemas.events.content import ContentCreated
from schemas.events.hours import HoursTipped
from schemas.events.live import LiveStarted
from schemas.store.walks import Walks
from tests.routing.house import AT_ONCE, PARTITIONS, House
from tests.waiting import until

MANY = 20_000
ONCE = "SELECT count(*), count(DISTINCT user_id) FROM notifications WHERE topic = $1"


async def follow(pool: Pool, target: str, count: int, kind: str = "followers") -> None:
    """As if so many people had followed."""
    await pool.execute(
        "INSERT INTO users (id) SELECT 'u' || n FROM generate_series(1, $1) n ON CONFLICT DO NOTHING", count
    )
    await pool.execute(
        "INSERT INTO audience_members (kind, target, member)"
        " SELECT $3, $1, 'u' || n FROM generate_series(1, $2) n",
        target,
        count,
        kind,
    )


def post(author: str = "ann") -> ContentCreated:
    return ContentCreated(content_id="c", author=author, kind="post", title="t")


async def queued(house: House, *events: ContentCreated | LiveStarted) -> None:
    """Up to the walk, and no step further."""
    await house.publish(*events)
    await house.relay()
    await house.handle(audiences.GROUP)
    await house.handle(router.GROUP)


async def told_once(pool: Pool, count: int, topic: str = "follows") -> None:
    row = await pool.fetchrow(ONCE, topic)
    assert row is not None
    assert tuple(row) == (count, count)
    assert await pool.fetchval("SELECT count(*) FROM decisions") == count


async def test_an_audience_of_many_chunks_is_told_once_each(house: House) -> None:
    await follow(house.pool, "ann", 2_500)
    await house.told(post())
    await told_once(house.pool, 2_500)
    pushed = await house.pushed()
    assert sorted(len(rooms) for rooms, _, _ in pushed) == [500, 1000, 1000]
    assert {room for rooms, _, _ in pushed for room in rooms} == {f"user:u{n}" for n in range(1, 2_501)}
    assert len({packet["data"]["id"] for _, _, packet in pushed}) == 1
    row = await house.pool.fetchrow("SELECT state, done FROM walks")
    assert row is not None
    assert tuple(row) == ("done", 2_500)


async def test_who_is_in_both_audiences_of_an_event_is_told_once(house: House) -> None:
    await follow(house.pool, "ann", 30, "subscribers")
    await follow(house.pool, "ann", 50)
    await house.told(LiveStarted(stream_id="s", host="ann"))
    await told_once(house.pool, 50, "live")


async def test_the_second_audience_waits_for_the_first(house: House) -> None:
    await follow(house.pool, "ann", 30, "subscribers")
    await follow(house.pool, "ann", 50)
    await queued(house, LiveStarted(stream_id="s", host="ann"))
    walks = Walks()
    first = await walks.claim(house.pool, "w1", timedelta(minutes=1))
    assert first is not None
    assert (first.step, await walks.claim(house.pool, "w2", timedelta(minutes=1))) == (0, None)


async def test_a_walker_that_lost_its_walk_commits_nothing(house: House) -> None:
    await follow(house.pool, "ann", 30)
    await queued(house, post())
    walk = await Walks().claim(house.pool, "w1", timedelta(0))
    assert walk is not None
    other = house.another_walker("w2")
    assert await other.step()
    route = await house.walker._route(walk)
    assert route is not None
    with pytest.raises(LostWalkError):
        async with house.pool.acquire() as tx, tx.transaction():
            await house.walker._tell_some(tx, walk, route, "")
    await told_once(house.pool, 30)


async def test_a_walker_whose_database_is_away_pauses_before_it_asks_again(house: House) -> None:
    away = await create_pool(house.dsn, max_size=1)
    await away.close()
    walker = Walker(away, house.outbox, house.teller, house.people, house.clock, name="w2")
    loop = asyncio.get_running_loop()
    since = loop.time()
    with pytest.raises(InterfaceError):
        await walker._look()
    assert loop.time() - since >= POLL_S


async def test_walkers_that_are_cut_off_again_and_again_tell_everyone_once(house: House) -> None:
    await follow(house.pool, "ann", MANY)
    await queued(house, post())

    async def step(name: str) -> None:
        await house.another_walker(name, lease=timedelta(milliseconds=200)).step()

    async def open_walks() -> bool:
        return bool(await house.pool.fetchval("SELECT count(*) FROM walks WHERE state = 'open'"))

    cut = 0
    while await open_walks():
        done = await house.pool.fetchval("SELECT done FROM walks")
        task = spawn(step(f"w{cut}"), name="walker")

        async def went_on(done: int = done, task: asyncio.Task[None] = task) -> bool:
            return task.done() or await house.pool.fetchval("SELECT done FROM walks") > done

        await until(went_on)
        await cancel(task)
        cut += 1
    assert cut > 3
    await told_once(house.pool, MANY)


async def test_walkers_beside_each_other_share_the_walks(house: House) -> None:
    authors = [f"a{n}" for n in range(6)]
    for author in authors:
        await follow(house.pool, author, 3_000)
    await queued(house, *(post(author) for author in authors))
    walkers = [house.another_walker(f"w{n}", chunk=500) for n in range(3)]

    async def walk(walker: Walker) -> None:
        while await walker.step():
            pass

    await asyncio.gather(*map(walk, walkers))
    assert await house.pool.fetchval("SELECT count(*) FROM walks WHERE state = 'done' AND done = 3000") == 6
    rows = await house.pool.fetch(
        "SELECT event_ids, count(DISTINCT user_id) AS n FROM notifications GROUP BY 1"
    )
    assert [row["n"] for row in rows] == [3_000] * 6


async def test_a_walk_that_fails_is_tried_again_and_dies_in_the_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follow(house.pool, "ann", 3)
    await queued(house, post())

    async def fails(*_: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(house.teller, "tell_all", fails)
    for _ in range(AT_ONCE.attempts):
        assert await house.walker.step()
    assert not await house.walker.step()
    row = await house.pool.fetchrow("SELECT state, attempts, error FROM walks")
    assert row is not None
    assert tuple(row) == ("dead", 3, "RuntimeError: no luck")
    monkeypatch.undo()
    assert len(await Walks().redrive(house.pool)) == 1
    await house.walk()
    await told_once(house.pool, 3)


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    made = RedisBus(redis_url, prefix="test")
    yield made
    await made.close()


@pytest.fixture
async def running(house: House, bus: Bus) -> AsyncIterator[Walker]:
    """Relay, groups and walker as `hub work` runs them."""
    await house.pool.execute("UPDATE consumer_positions SET owner = NULL")
    groups: dict[str, dict[type[Event], Handler]] = {
        audiences.GROUP: dict.fromkeys(audiences.KEPT_BY, audiences.keep),
        router.GROUP: dict.fromkeys(router.TOLD_OF, house.router.handle),
    }
    appender = Appender(bus, house.pool, partitions=PARTITIONS, groups=list(groups), window_s=120)
    tasks = [
        spawn(Relay(house.dsn, appender, RelayConfig(partitions=PARTITIONS)).run(), name="relay"),
        spawn(house.walker.run(), name="walker"),
    ]
    for group, handlers in groups.items():
        consumer = Consumer(group=group, handlers=handlers, retry=AT_ONCE)
        worker = GroupWorker(consumer, worker="w", pool=house.pool, bus=bus, partitions=PARTITIONS)
        tasks.append(spawn(worker.run(), name=group))
    yield house.walker
    await cancel(*tasks)


async def test_a_walk_holds_nobody_up(house: House, running: Walker) -> None:
    await follow(house.pool, "ann", MANY)
    await house.publish(post())

    async def under_way() -> bool:
        return bool(await house.pool.fetchval("SELECT count(*) FROM walks WHERE state = 'open' AND done > 0"))

    await until(under_way)
    tip = HoursTipped(to="u1", amount=1, actor="bob")
    await house.publish(tip)
    house.outbox.wake()

    async def heard() -> bool:
        return bool(await house.pool.fetchval("SELECT count(*) FROM notifications WHERE topic = 'tips'"))

    await until(heard)
    assert await under_way()

    async def over() -> bool:
        return not await under_way()

    await until(over, within_s=60)
    row = await house.pool.fetchrow(ONCE, "follows")
    assert row is not None
    assert tuple(row) == (MANY, MANY)
