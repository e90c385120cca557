"""One of several processes of `hub serve`, started by hand: connections come down its line, words go up."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.line import UpperEnd
from ops.worker import METRICS
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)

SECRET = "a-secret-of-tests-with-more-than-32-bytes"
NUMBER = 7


@dataclass
class Started:
    """A worker, and our end of its line."""

    process: asyncio.subprocess.Process
    line: UpperEnd
    metrics: Path

    async def ready(self) -> "Started":
        async def is_so() -> bool:
            assert self.process.returncode is None
            return self.line.ready

        await until(is_so, within_s=60)
        return self

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 30)

    def ask(self, request: bytes) -> socket.socket:
        """Send a request over a connection that is passed down."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = socket.create_connection(listening.getsockname(), timeout=20)
            theirs, _ = listening.accept()
        with theirs:
            ours.sendall(request)
            assert self.line.give(theirs)
        return ours

    async def answer(self, request: bytes) -> bytes:
        with self.ask(request) as connection:
            return await asyncio.to_thread(_all, connection)


def _all(connection: socket.socket) -> bytes:
    found = b""
    while some := connection.recv(65536):
        found += some
    return found


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


Start = Callable[..., "asyncio.Future[Started]"]


@pytest.fixture
async def start(database: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Start]:
    made: list[Started] = []

    async def run(**changed: str) -> Started:
        ours, theirs = socket.socketpair()
        metrics = tmp_path / "metrics"
        metrics.mkdir()
        outer = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}  # noqa: TID251  for the child
        own = {
            "HUB_DATABASE_URL": database,
            "HUB_REDIS_URL": redis_url,
            "HUB_AUTH__SECRET": SECRET,
            METRICS: str(metrics),
        }
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ops.worker", str(NUMBER), str(theirs.fileno()), str(tmp_path)),
                pass_fds=[theirs.fileno()],
                env=outer | own | changed,
                stderr=asyncio.subprocess.PIPE,
            )
        made.append(Started(process, UpperEnd(ours, lambda: None), metrics))
        return made[-1]

    yield run  # type: ignore[misc]
    for one in made:
        if one.process.returncode is None:
            one.process.kill()
        await one.process.communicate()
        one.line.close()


async def test_it_answers_what_comes_down_the_line_one_request_to_a_connection(start: Start) -> None:
    worker = await (await start()).ready()
    answer = await worker.answer(get("/health/live"))  # which reads to the end of the connection
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answer


async def test_its_sessions_bear_its_number_and_it_tells_how_many_it_has(start: Start) -> None:
    worker = await (await start()).ready()
    assert b'"sid":"7-' in await worker.answer(get("/socket.io/?EIO=4&transport=polling"))
    with worker.ask(b"GET /health"):

        async def is_told() -> bool:
            return worker.line.open == 1

        await until(is_told)

    async def is_told_of_the_end() -> bool:
        return worker.line.open == 0

    await until(is_told_of_the_end)


async def test_told_to_it_takes_nobody_more_and_ends_well(start: Start) -> None:
    worker = await (await start()).ready()
    assert worker.line.drain()

    async def says_so() -> bool:
        return worker.line.leaving

    await until(says_so)
    assert await worker.ended() == 0
    assert worker.metrics.exists(), "others use it, too"


async def test_a_signal_is_as_good(start: Start) -> None:
    worker = await (await start()).ready()
    worker.process.send_signal(signal.SIGTERM)
    assert await worker.ended() == 0


async def test_left_alone_it_ends_by_itself_and_leaves_no_folder(start: Start) -> None:
    worker = await (await start()).ready()
    worker.line._line.shutdown(socket.SHUT_RDWR)
    assert await worker.ended() == 0
    assert not worker.metrics.exists()


async def test_what_is_wrong_is_said_in_one_sentence(start: Start) -> None:
    worker = await start(HUB_DATABASE_URL="postgresql://hub@127.0.0.1:9/hub")
    _, said = await asyncio.wait_for(worker.process.communicate(), 60)
    assert worker.process.returncode == 1
    assert said.decode().splitlines()[-1].startswith("hub: HUB_DATABASE_URL: the database cannot be reached")
