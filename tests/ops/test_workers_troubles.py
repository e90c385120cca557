"""The workers of `hub serve` in trouble: no more processes, a port that is taken, an odd moment."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.tasks import spawn
from ops.run import bind
from ops.workers import LOOKS, Worker, Workers
from tests.waiting import until


class Machine:
    """Starts workers that only say they are ready; now and then it cannot start any."""

    SCRIPT = """
import select, socket
line = socket.socket(fileno={})
line.send(b"ready\\n")
while not select.select([line], [], [], 0.02)[0]:
    line.send(b"0\\n")
"""

    def __init__(self) -> None:
        self.refusals = 0
        self.refused = 0
        self._exec = asyncio.create_subprocess_exec

    async def start(self, *command: str, **options: Any) -> asyncio.subprocess.Process:
        if self.refusals:
            self.refusals -= 1
            self.refused += 1
            raise BlockingIOError("no more processes")
        file = command[command.index("ops.worker") + 2]
        return await self._exec(sys.executable, "-c", self.SCRIPT.format(file), **options)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr("ops.workers.PAUSE_S", 0.01)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", made.start)
    return made


async def end(started: Workers) -> None:
    await started._end()
    for worker in started._alive.values():
        worker.line.close()


@asynccontextmanager
async def some_workers(folder: Path) -> AsyncIterator[Workers]:
    started = Workers(2, folder, folder)
    try:
        assert await started._begin()
        yield started
    finally:
        await end(started)


async def test_a_dead_worker_is_replaced_once_the_machine_can_again(machine: Machine, tmp_path: Path) -> None:
    async with some_workers(tmp_path) as started:
        machine.refusals = 3
        with capture_logs() as logs:
            started._alive[1].process.kill()

            async def is_replaced() -> bool:
                return [one.number for one in started._alive.values() if one.kept] == [2, 6]

            await until(is_replaced)
        assert machine.refused == 3
        assert [one["attempt"] for one in logs if "trying again" in one["event"]] == [2, 3, 4]


async def test_a_restart_that_the_machine_cannot_do_leaves_the_old_workers(
    machine: Machine, tmp_path: Path
) -> None:
    async with some_workers(tmp_path) as started:
        machine.refusals = 1
        with capture_logs() as logs:
            await started._restart()
        assert "the restart was given up" in logs[-1]["event"]
        assert all(one.kept and one.line.takes for one in started._alive.values())
        assert list(started._alive) == [1, 2]


@pytest.mark.usefixtures("machine")
async def test_a_restart_says_how_far_it_is(tmp_path: Path) -> None:
    async with some_workers(tmp_path) as started:
        with capture_logs() as logs:
            await started._restart()
        assert [(one["event"], one.get("done")) for one in logs] == [
            ("restarting the workers", None),
            ("a worker was restarted", "1 of 2"),
            ("a worker was restarted", "2 of 2"),
            ("all workers were restarted", None),
        ]


async def test_who_has_the_fewest_connections_is_asked_first_but_not_alone(
    machine: Machine, tmp_path: Path
) -> None:
    async with some_workers(tmp_path) as started:
        first, second = (one.line for one in started._alive.values())
        first.open = 1
        assert started._choose(None) == [second, first]
        assert started._choose(1) == [first]


@pytest.mark.usefixtures("machine")
async def test_what_fails_unexpectedly_is_raised_after_all_workers_ended(tmp_path: Path) -> None:
    def broken(_: str) -> None:
        raise OSError("no space left")

    listening = bind("127.0.0.1", 0)
    started = Workers(2, tmp_path, tmp_path)
    with pytest.raises(OSError, match="no space left"):
        await started.run(listening, broken)
    assert [one.process.returncode is None for one in started._alive.values()] == [False, False]
    await end(started)


async def test_a_worker_that_has_ended_already_is_let_go() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    worker = Worker(1, process, ours)
    assert await worker.ended() == 0
    await worker.let_go()


async def test_a_worker_that_still_starts_is_let_go_by_a_signal() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
        worker = Worker(1, process, ours)
        await worker.let_go()
        assert await worker.ended() == -signal.SIGTERM


async def test_a_worker_that_is_not_ready_in_time_is_killed_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, tmp_path: Path
) -> None:
    monkeypatch.setattr("ops.workers.START_S", 0.05)
    monkeypatch.setattr(Machine, "SCRIPT", "import time; time.sleep(60)  # {}")
    started = Workers(1, tmp_path, tmp_path)

    with capture_logs() as logs:
        assert await started._try() is None

    assert "a worker was not ready in time, and is killed" in [one["event"] for one in logs]
    await end(started)


async def test_a_stopped_worker_is_given_nobody_and_replaced(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.workers.HUNG_S", 1.0)
    monkeypatch.setattr("ops.line.QUIET_S", 0.2)
    started = Workers(2, tmp_path, tmp_path)
    is_ready = asyncio.Event()
    running = spawn(started.run(bind("127.0.0.1", 0), lambda _: is_ready.set()), name="workers")
    await is_ready.wait()
    first, second = started._alive.values()
    second.line.open = 5
    first.process.send_signal(signal.SIGSTOP)

    async def is_avoided() -> bool:
        return started._choose(None) == [second.line, first.line]

    async def is_replaced() -> bool:
        return [one.number for one in started._alive.values() if one.kept] == [2, 3]

    with capture_logs() as logs:
        await until(is_avoided)
        await until(is_replaced)
    assert [one["number"] for one in logs if one["event"] == "a worker hangs, and is killed"] == [1]
    os.kill(os.getpid(), signal.SIGTERM)  # which `run` waits for
    await running
    await end(started)


async def test_after_all_were_stopped_together_nobody_is_taken_for_hung(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with some_workers(tmp_path) as started:
        (worker, _) = started._alive.values()
        monkeypatch.setattr("ops.line._now", lambda: asyncio.get_running_loop().time() + 1000)
        for _ in range(LOOKS - 1):
            worker.look()
        monkeypatch.undo()
        worker.line._hear()
        worker.look()
        monkeypatch.setattr("ops.line._now", lambda: asyncio.get_running_loop().time() + 1000)
        with capture_logs() as logs:
            worker.look()
        assert logs == []
        assert worker.process.returncode is None
