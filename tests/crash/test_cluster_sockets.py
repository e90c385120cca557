"""Kill a primary of a Valkey Cluster, then a gateway, under stock clients: each hears all of it, once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.db import Pool
from tests.crash.cluster_house import House, house
from tests.jsclient import JsClient
from tests.valkeycluster import Member, ValkeyCluster, valkey_cluster
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ValkeyCluster]:
    with valkey_cluster(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ValkeyCluster]:
    with valkey_cluster(tmp_path / "cluster", replicas=True) as cluster:
        yield cluster


async def lose_a_gateway(running: House) -> None:
    """Its clients come back to the other one recovered; those who were there notice nothing."""
    await running.can_be_recovered()
    await running.east.fall_to(running.west)

    async def back() -> bool:
        return all(len(client.connects()) > 1 for client in running.east.clients)

    await until(back, within_s=60)
    assert all(client.recovered() for client in running.east.clients)
    await running.all_hear()


async def assert_nobody_missed_anything(running: House) -> None:
    await running.assert_each_heard_the_log()
    await running.stream_is_whole()
    assert all(client.recovered() for client in running.east.clients)
    assert [len(client.connects()) for client in running.west.clients] == [1, 1]


def other_than(cluster: ValkeyCluster, primary: Member) -> Member:
    return next(member for member in cluster.primaries if member is not primary)


@pytest.mark.parametrize("holds_push", [True, False], ids=["push_stream", "others"])
async def test_a_primary_is_away_while_a_gateway_is_killed(
    bare: ValkeyCluster, database: str, pool: Pool, js: JsClient, tmp_path: Path, *, holds_push: bool
) -> None:
    async with house(tmp_path, bare, database, pool, js) as running:
        await running.all_hear()
        owner = bare.owner(running.push_key)
        lost = owner if holds_push else other_than(bare, owner)
        lost.kill()
        await running.all_hear()
        await lose_a_gateway(running)
        lost.start()
        await asyncio.to_thread(bare.wait_whole)
        await running.all_hear()
        await assert_nobody_missed_anything(running)


async def test_a_replica_takes_over_and_then_a_gateway_is_killed(
    replicated: ValkeyCluster, database: str, pool: Pool, js: JsClient, tmp_path: Path
) -> None:
    async with house(tmp_path, replicated, database, pool, js) as running:
        await running.all_hear()
        lost = replicated.owner(running.push_key)
        lost.kill()
        await asyncio.to_thread(replicated.wait_failed, lost)
        assert replicated.owner(running.push_key) is replicated.replica_of(lost)
        await running.all_hear()
        await lose_a_gateway(running)
        await assert_nobody_missed_anything(running)
