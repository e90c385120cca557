"""kill -9 of those who walk: everyone of the audience is told exactly once, whoever died on the way."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from schemas.db import Pool
from schemas.events.content import ContentCreated
from tests.routing.house import House
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
MANY = 20_000

StartWalker = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
async def house(database: str, pool: Pool) -> AsyncIterator[House]:
    made = await House(database, pool).begin()
    yield made
    await made.end()


@pytest.fixture
def walking(database: str, tmp_path: Path) -> Iterator[StartWalker]:
    running: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / "walkers.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.crash.walking", database]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.slow
async def test_walkers_are_killed_one_after_the_other(house: House, walking: StartWalker) -> None:
    await house.pool.execute("INSERT INTO users (id) SELECT 'u' || n FROM generate_series(1, $1) n", MANY)
    await house.pool.execute(
        "INSERT INTO audience_members SELECT 'followers', 'ann', 'u' || n FROM generate_series(1, $1) n", MANY
    )
    await house.publish(ContentCreated(content_id="c", author="ann", kind="post", title="t"))
    await house.relay()
    await house.handle("audiences")
    await house.handle("router")
    for part in (1, 2, 3):
        walker = walking()

        async def has_come_far(part: int = part) -> bool:
            return bool(await house.pool.fetchval("SELECT done >= $1 FROM walks", part * MANY // 5))

        await until(has_come_far, within_s=60)
        walker.kill()
    walking()
    walking()

    async def is_over() -> bool:
        return bool(await house.pool.fetchval("SELECT state = 'done' FROM walks"))

    await until(is_over, within_s=60)
    told = await house.pool.fetchrow("SELECT count(*), count(DISTINCT user_id) FROM notifications")
    assert told is not None
    assert tuple(told) == (MANY, MANY)
    await house.relay()
    rooms = [room for rooms, _, _ in await house.pushed() for room in rooms]
    assert len(rooms) == len(set(rooms)) == MANY
