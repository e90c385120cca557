"""kill -9 of those who close digests: each of them leaves once, with all that was put into it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store.digests import NewItem
from tests.routing.gathered import gather
from tests.routing.house import FakeClock
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
MANY = 6_000

StartScheduler = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def scheduling(database: str, tmp_path: Path) -> Iterator[StartScheduler]:
    running: list[subprocess.Popen[bytes]] = []
    now = (FakeClock().now() + timedelta(days=8)).isoformat()

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / "schedulers.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.crash.scheduling", database, now]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.slow
async def test_schedulers_are_killed_one_after_the_other_while_tellers_append(
    pool: Pool, scheduling: StartScheduler
) -> None:
    await pool.execute("INSERT INTO users (id) SELECT 'u' || n FROM generate_series(1, $1) n", MANY)
    await pool.execute(
        "INSERT INTO endpoints (id, user_id, channel, address, state)"
        " SELECT gen_random_uuid(), u.id, 'email', u.id || '@example.com', 'active' FROM users u"
    )
    endpoints = await pool.fetch("SELECT id, user_id FROM endpoints")
    now, put_in = FakeClock().now(), 0

    async def something_happens() -> None:
        nonlocal put_in
        event = uuid7()
        items = [
            NewItem(row["user_id"], "email", row["id"], "spacing", now, event, event, "likes")
            for row in endpoints
        ]
        for begin in range(0, len(items), 200):
            await gather(pool, now, items[begin : begin + 200])
        put_in += len(items)

    async def closed() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM digests WHERE state = 'closed'"))

    await something_happens()
    for part in (1, 2, 3):
        one, another = scheduling(), scheduling()
        await something_happens()

        async def has_come_far(part: int = part) -> bool:
            return await closed() >= part * MANY // 5

        await until(has_come_far, within_s=60)
        one.kill()
        another.kill()
    scheduling()
    scheduling()

    async def is_over() -> bool:
        return not await pool.fetchval("SELECT EXISTS (SELECT FROM digests WHERE state = 'open')")

    await until(is_over, within_s=90)
    held = await pool.fetchrow("SELECT count(*), count(DISTINCT digest_id) AS digests FROM digest_items")
    assert held is not None
    assert held["count"] == put_in == 4 * MANY
    sent = await pool.fetchrow(
        "SELECT count(*), count(DISTINCT d.digest_id) AS digests, bool_and(status = 'queued') AS queued,"
        " bool_and(d.user_id = g.user_id AND g.state = 'closed') AS theirs"
        " FROM deliveries d JOIN digests g ON g.id = d.digest_id"
    )
    assert sent is not None
    assert tuple(sent) == (held["digests"], held["digests"], True, True)
