"""Owns the processes of `hub serve --workers N`: starts them, replaces those that die, and restarts all."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.multiprocess import mark_process_dead

from bus.tasks import cancel, spawn
from ops.line import UpperEnd
from ops.metrics import shared_folder
from ops.run import FILES_APART, Ready, patience_of, raise_file_limit, tell_few_files, url_of
from ops.settings import Settings
from ops.stopping import on_signal
from ops.switch import MOST_SILENT, Switch
from ops.worker import METRICS
from schemas.errors import ExplainedError

log = structlog.get_logger(__name__)

START_S: Final = 300.0
"""Longer than any start should take, also with much to read; one that cannot read says so sooner."""
END_S: Final = 30.0
STEADY_S: Final = 10.0
"""Who lived longer is replaced at once; the others after a pause that grows."""
PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
HUNG_S: Final = 30.0
"""Who was ready and has said nothing for so long hangs: it is stopped, or its loop is blocked."""
LOOKS: Final = 10
"""How often one looks in that time: after all processes were stopped together nobody is taken for hung."""


class WorkersError(ExplainedError):
    """The processes could not be started."""


class Worker:
    """One process."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self.number = number
        self.process = process
        self.kept = False
        """Whether another is started when it ends."""
        self.settled = asyncio.Event()
        """Set when it is ready, or has ended."""
        self.line = UpperEnd(line, self._changed)
        self._silent = 0
        """At how many looks in a row it had said nothing."""

    def _changed(self) -> None:
        if self.line.ready:
            self.settled.set()

    def look(self) -> None:
        """Kill it if it says nothing any more; who has not been ready yet may take its time."""
        self._silent = self._silent + 1 if self.line.silent_s > HUNG_S / LOOKS else 0
        if self.kept and self._silent >= LOOKS:
            log.error("a worker hangs, and is killed", number=self.number)
            with suppress(ProcessLookupError):  # it ends in this moment
                self.process.kill()  # a stopped process hears nothing else

    async def ended(self) -> int:
        """Wait for its end; answers its status."""
        status = await self.process.wait()
        self.line.close()
        self.settled.set()
        return status

    async def let_go(self) -> None:
        """Have it let its clients go and end, in bounded time."""
        self.kept = False
        if not (self.line.ready and self.line.drain()):  # who still starts does not listen yet
            with suppress(ProcessLookupError):  # it ends in this moment
                self.process.terminate()
        try:
            async with asyncio.timeout(END_S):
                await self.process.wait()
        except TimeoutError:
            log.warning("a worker did not end, and was killed", number=self.number)
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


class Workers:
    """All workers of one `hub serve`, by number; a number is given once."""

    def __init__(self, wanted: int, data_dir: Path, metrics: Path) -> None:
        self._wanted = wanted
        self._data_dir = data_dir
        self._metrics = metrics
        self._numbers = count(1)
        self._alive: dict[int, Worker] = {}
        self._watching: set[asyncio.Task[None]] = set()

    async def run(self, listening: socket.socket, ready: Ready) -> None:
        """Serve until a signal ends it; SIGHUP restarts one worker after the other."""
        stop, again = asyncio.Event(), asyncio.Event()
        on_signal(stop.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again.set)
        switch = Switch(listening, self._choose)
        began = asyncio.Event()

        async def live() -> None:
            if not await self._begin():
                return
            began.set()
            switch.open()
            ready(url_of(listening))
            while True:
                await again.wait()
                again.clear()
                await self._restart()

        living, stopping = spawn(live(), name="workers"), spawn(stop.wait(), name="signal")
        watching = spawn(self._end_hung(), name="hung workers")
        await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
        switch.close()
        await cancel(living, stopping, watching)
        await self._end()
        if stop.is_set():
            return
        if not living.cancelled() and (error := living.exception()):
            raise error
        if not began.is_set():
            raise WorkersError("a worker did not start: it has said why")

    def _choose(self, number: int | None) -> list[UpperEnd]:
        if number in self._alive:
            return [self._alive[number].line]
        lines = (worker.line for worker in self._alive.values())
        return sorted((one for one in lines if one.takes), key=lambda one: (one.is_quiet, one.open))

    async def _begin(self) -> bool:
        for several in (1, self._wanted - 1):  # the first alone: what is wrong is said once
            started = [await self._start() for _ in range(several)]
            if not all([await self._has_come(worker) for worker in started]):
                return False
        return True

    async def _start(self, attempt: int = 0) -> Worker:
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as failed:
            failed.callback(ours.close)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "ops.worker"),
                *(str(number), str(theirs.fileno()), str(self._data_dir)),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, METRICS: str(self._metrics)},
                start_new_session=True,  # Ctrl-C is for this process, which tells them
            )
            failed.pop_all()
        worker = self._alive[number] = Worker(number, process, ours)
        task = spawn(self._watch(worker, attempt), name=f"worker {number}")
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        return worker

    async def _try(self, attempt: int = 0) -> Worker | None:
        """Start one and wait until it is ready; None if it never is."""
        try:
            worker = await self._start(attempt)
        except (OSError, RuntimeError) as error:  # no file, no process; no thread that waits for its end
            log.warning("a process cannot be started", error=str(error))
            return None
        return worker if await self._has_come(worker) else None

    async def _has_come(self, worker: Worker) -> bool:
        """Wait until it is ready, and keep it; False if it never is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await worker.settled.wait()
        if not worker.settled.is_set():
            log.error("a worker was not ready in time, and is killed", number=worker.number, seconds=START_S)
        worker.kept = worker.number in self._alive and worker.line.ready
        if not worker.kept:
            with suppress(ProcessLookupError):
                worker.process.kill()
        return worker.kept

    async def _watch(self, worker: Worker, attempt: int) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        status = await worker.ended()
        del self._alive[worker.number]
        mark_process_dead(worker.process.pid, str(self._metrics))  # type: ignore[no-untyped-call]  # as it is
        if worker.kept:
            log.error("a worker ended, and is replaced", number=worker.number, status=status)
            await self._replace(0 if loop.time() - since > STEADY_S else attempt + 1)

    async def _replace(self, attempt: int) -> None:
        while True:
            if attempt:
                await asyncio.sleep(min(PAUSE_S * 2 ** min(attempt, 10), LONGEST_PAUSE_S))
            if await self._try(attempt):
                return
            attempt += 1
            log.error("a worker does not start, trying again", attempt=attempt)

    async def _end_hung(self) -> None:
        """Kill whoever hangs, again and again; `_watch` replaces it."""
        while True:
            await asyncio.sleep(HUNG_S / LOOKS)
            for worker in self._alive.values():
                worker.look()

    async def _restart(self) -> None:
        """Put a new worker in the place of each; the old one goes when the new one is there."""
        olds = [worker for worker in self._alive.values() if worker.kept]
        log.info("restarting the workers", workers=len(olds))
        for done, old in enumerate(olds, 1):
            new = await self._try()
            if new is None:
                log.error("the restart was given up: a new worker did not start, the old ones stay")
                return
            await (old if old.number in self._alive else new).let_go()  # it may have died, and been replaced
            log.info("a worker was restarted", done=f"{done} of {len(olds)}")
        log.info("all workers were restarted")

    async def _end(self) -> None:
        await cancel(*self._watching)  # nobody is replaced any more
        await asyncio.gather(*(worker.let_go() for worker in self._alive.values()))


def serve(wanted: int, listening: socket.socket, settings: Settings, ready: Ready) -> None:
    """Run that many workers until a signal ends it."""
    raise_file_limit(MOST_SILENT + FILES_APART)
    tell_few_files(settings, patience_of(settings))  # here, or each worker would say it
    with shared_folder(settings.data_dir) as metrics:
        asyncio.run(Workers(wanted, settings.data_dir, metrics).run(listening, ready))
