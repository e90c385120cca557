"""Owns doing the harm: it carries the plan out on the house, and puts everything right again."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from bus.tasks import cancel, spawn
from ops.bench.errors import BenchError
from ops.bench.prepare import Say
from ops.chaos.faults import Fault, Kind
from ops.chaos.house import House
from ops.chaos.line import Passage

AWAY: Final = 2
"""How many gateways are away at the same time, at most: one of the three stays."""
HEAL_S: Final = 90.0


class Havoc:
    """What was done, by kind; several things may be broken at the same time."""

    def __init__(self, house: House, say: Say) -> None:
        self.done: Counter[Kind] = Counter()
        self._over = False
        """Set at the end: what still waits for its turn is given up."""
        self._house = house
        self._say = say
        self._gateways_away = asyncio.Semaphore(AWAY)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def wreak(self, faults: Sequence[Fault]) -> None:
        """Carry the plan out; what lasts goes on when the next one comes."""
        for fault in faults:
            await asyncio.sleep(fault.after_s)
            self._raise_failures()
            self._under_way.add(spawn(self._do(fault), name=str(fault.kind)))

    async def heal(self) -> None:
        """Wait until everything is back. Raises what kept it from coming back."""
        self._over = True
        try:
            async with asyncio.timeout(HEAL_S):
                await asyncio.gather(*self._under_way)
        except TimeoutError:
            raise BenchError(f"the house was not whole again after {HEAL_S:.0f} s") from None

    async def stop(self) -> None:
        await cancel(*self._under_way)

    def _raise_failures(self) -> None:
        for task in self._under_way:
            if task.done() and (error := task.exception()):
                raise error

    async def _do(self, fault: Fault) -> None:
        random = Random(fault.seed)  # noqa: S311  it must come out the same again
        match fault.kind:
            case Kind.GATEWAY:
                await self._kill_gateway(fault, random)
            case Kind.WORK:
                await self._kill_work(fault, random)
            case Kind.SERVE_WORKER:
                await self._kill_serve_worker(random)
            case Kind.RELOAD:
                await self._reload()
            case Kind.VALKEY:
                await self._kill_valkey(fault)
            case Kind.EMPTIED:
                async with self._house.valkey_lock:
                    await self._house.empty_valkey()
                    self._note(fault.kind)
            case Kind.CUT | Kind.HANGING | Kind.STALL:
                self._disturb(fault, random)

    async def _kill_gateway(self, fault: Fault, random: Random) -> None:
        gateway = random.choice(self._house.gateways)
        async with self._gateways_away, gateway.lock:
            if self._over:
                return
            gateway.kill()
            self._house.lead()
            self._note(fault.kind, f"{gateway.name}, back after {fault.lasts_s:.1f} s")
            await asyncio.sleep(fault.lasts_s)
            begun = asyncio.get_running_loop().time()
            await gateway.start()
            self._house.lead()
            self._say(
                f"  {gateway.name} is back, started in {asyncio.get_running_loop().time() - begun:.1f} s"
            )

    async def _kill_work(self, fault: Fault, random: Random) -> None:
        worker = random.choice(self._house.workers)
        async with worker.lock:
            if self._over:
                return
            worker.kill()
            self._note(fault.kind, f"{worker.name}, back after {fault.lasts_s:.1f} s")
            await asyncio.sleep(fault.lasts_s)
            await worker.start()

    async def _kill_serve_worker(self, random: Random) -> None:
        gateway = self._house.gateways[0]
        async with gateway.lock:
            if gateway.kill_a_worker(random.choice):
                self._note(Kind.SERVE_WORKER)

    async def _reload(self) -> None:
        gateway = self._house.gateways[0]
        async with gateway.lock:
            gateway.reload()
            self._note(Kind.RELOAD)

    async def _kill_valkey(self, fault: Fault) -> None:
        async with self._house.valkey_lock:
            await self._house.kill_valkey()
            self._note(fault.kind, f"back after {fault.lasts_s:.1f} s")
            await asyncio.sleep(fault.lasts_s)
            await self._house.start_valkey()

    def _disturb(self, fault: Fault, random: Random) -> None:
        """Do something to a share of all connections."""
        passages = sorted(
            (passage for line in self._house.lines for passage in line.passages), key=lambda one: one.number
        )
        chosen: Sequence[Passage] = random.sample(passages, round(len(passages) * fault.share))
        for passage in chosen:
            match fault.kind:
                case Kind.CUT:
                    passage.cut()
                case Kind.HANGING:
                    passage.leave_hanging(fault.lasts_s)
                case _:
                    passage.hold(fault.lasts_s)
        self._note(fault.kind, f"{len(chosen)} of {len(passages)}, {fault.lasts_s:.1f} s")

    def _note(self, kind: Kind, more: str = "") -> None:
        self.done[kind] += 1
        self._say(f"  {kind}{': ' if more else ''}{more}")
