"""A cluster as the bus meets it: members that are away, streams that move, signals through any member."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from bus import redis_servers
from bus.base import BusError, Entry
from bus.redis_servers import addresses
from bus.redis_streams import RedisBus
from tests.valkeycluster import PASSWORD, Member, ValkeyCluster
from tests.waiting import until

AWAY = f"redis://:{PASSWORD}@127.0.0.1:1/0"
SHARDS = [f"s{n}" for n in range(12)]  # enough that each primary holds some


@pytest.fixture
async def bus(cluster_urls: str) -> AsyncIterator[RedisBus]:
    made = RedisBus(cluster_urls, prefix="test")
    yield made
    await made.close()


def entry(seq: int) -> Entry:
    return Entry(seq, seq - 1, [b"event", b"v"])


def test_addresses_are_parted_at_commas_that_begin_an_address() -> None:
    assert addresses("redis://:a,b@h:1/0,rediss://h2:2") == ["redis://:a,b@h:1/0", "rediss://h2:2"]


@pytest.mark.parametrize("n", [0, 1, 2])
async def test_one_member_is_enough_to_find_all_streams(shared_cluster: ValkeyCluster, n: int) -> None:
    shared_cluster.flush()
    bus = RedisBus(shared_cluster.members[n].url, prefix="test")
    assert [await bus.append(stream, 0, [entry(1)]) for stream in SHARDS] == [1] * len(SHARDS)
    assert {shared_cluster.owner(f"test:{stream}") for stream in SHARDS} == set(shared_cluster.primaries)
    await bus.close()


async def test_a_named_member_that_is_away_is_passed_over(cluster_urls: str) -> None:
    bus = RedisBus(f"{AWAY},{AWAY},{cluster_urls}", prefix="test")
    assert await bus.last(SHARDS) == [0] * len(SHARDS)
    await bus.close()


async def test_a_member_that_hangs_is_nothing_to_the_streams_of_others(
    bus: RedisBus, shared_cluster: ValkeyCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {stream: shared_cluster.owner(f"test:{stream}") for stream in SHARDS}
    assert await bus.last(SHARDS) == [0] * len(SHARDS)
    monkeypatch.setattr(redis_servers, "TIMEOUT_S", 0.2)  # over before the cluster finds it missing
    hanging, looks = owners["s0"], bus._servers._turn
    hanging.signal(signal.SIGSTOP)
    try:
        with pytest.raises(BusError):
            await bus.last(["s0"])
        assert await bus.last([stream for stream in SHARDS if owners[stream] is not hanging])
        assert bus._servers._turn == looks  # nobody asked for the map, for which it may be waited
    finally:
        hanging.signal(signal.SIGCONT)
    shared_cluster.wait_whole()


async def test_several_addresses_of_servers_that_are_no_cluster_are_refused(redis_url: str) -> None:
    bus = RedisBus(f"{redis_url},{redis_url}", prefix="test")
    with pytest.raises(BusError, match="member of one cluster"):
        await bus.ping()
    await bus.close()


async def test_a_signal_reaches_listeners_at_every_member(
    bus: RedisBus, shared_cluster: ValkeyCluster
) -> None:
    async with AsyncExitStack() as stack:
        heard = []
        for member in shared_cluster.members:
            client = await stack.enter_async_context(Redis.from_url(member.url))
            pubsub = await stack.enter_async_context(client.pubsub(ignore_subscribe_messages=True))
            await pubsub.subscribe("test:signals")
            assert await pubsub.get_message(timeout=5) is None  # the confirmation
            heard.append(pubsub)
        await bus.signal(b"typing")
        async with asyncio.timeout(5):
            assert [(await anext(pubsub.listen()))["data"] for pubsub in heard] == [b"typing"] * 3


async def test_signals_of_one_gateway_stay_in_order(bus: RedisBus) -> None:
    sent = [b"%d" % n for n in range(50)]
    async with bus.signals() as heard, asyncio.timeout(5):
        for payload in sent:
            await bus.signal(payload)
        assert [await anext(heard) for _ in sent] == sent


async def test_a_stream_is_followed_while_it_moves_to_another_member(
    bus: RedisBus, shared_cluster: ValkeyCluster
) -> None:
    await asyncio.gather(*(bus.last(["s"]) for _ in range(5)))  # several connections to each member
    assert await bus.append("s", 0, [entry(1)]) == 1
    source = shared_cluster.owner("test:s")
    target = next(member for member in shared_cluster.primaries if member is not source)
    slot = source.ask("CLUSTER KEYSLOT", "test:s")
    target.ask("CLUSTER SETSLOT", slot, "IMPORTING", source.id())
    source.ask("CLUSTER SETSLOT", slot, "MIGRATING", target.id())
    assert await bus.append("s", 1, [entry(2)]) == 2
    move(source, target, "test:s")
    assert await bus.append("s", 2, [entry(3)]) == 3
    assert [e.seq for e in await bus.read("s", 0, count=10, block_ms=1)] == [1, 2, 3]
    for member in (target, source):
        member.ask("CLUSTER SETSLOT", slot, "NODE", target.id())
    assert await bus.append("s", 3, [entry(4)]) == 4
    assert await bus.last(["s"]) == [4]


def move(source: Member, target: Member, key: str) -> None:
    source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 5000, "AUTH", PASSWORD)


async def test_a_waiting_reader_goes_on_where_its_stream_went(
    bus: RedisBus, shared_cluster: ValkeyCluster
) -> None:
    source = shared_cluster.owner("test:w")
    target = next(member for member in shared_cluster.primaries if member is not source)
    slot = source.ask("CLUSTER KEYSLOT", "test:w")
    reading = asyncio.ensure_future(bus.read("w", 0, count=10, block_ms=1000))

    async def blocked() -> bool:
        return bool(source.client.info("clients")["blocked_clients"])

    await until(blocked)
    for member in (target, source):
        member.ask("CLUSTER SETSLOT", slot, "NODE", target.id())
    await bus.append("w", 0, [entry(1)])
    assert [e.seq for e in await reading] == [1]
