"""Owns signals: typing, presence, viewer counts. At most once, never stored, without a number."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
import structlog

from bus import telemetry
from bus.base import SEPARATOR, Bus, BusError, Target
from bus.render import packet
from bus.seldom import Seldom
from bus.tasks import forever

log = structlog.get_logger(__name__)

PAUSE_S: Final = 0.5


class Signals:
    """Publishes signals to every gateway and hears them all."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._say_lost = Seldom(log, level=logging.INFO)
        self._say_deaf = Seldom(log)

    async def publish(self, namespace: str, rooms: Sequence[str], name: str, data: Mapping[str, Any]) -> None:
        """Tell the sockets in some rooms; lost while the stream server is away."""
        target = Target.of(namespace, rooms, packet(name, orjson.dumps(data)))
        try:
            await self._bus.signal(target.name + SEPARATOR + target.packet)
        except BusError as error:
            telemetry.BUS_ERRORS.inc()
            self._say_lost("a signal was lost", signal=name, error=str(error))

    async def run(self, deliver: Callable[[Target], None]) -> None:
        """Deliver what is heard for ever; run it as a background task."""

        async def listen() -> None:
            try:
                async with self._bus.signals() as heard:
                    async for payload in heard:
                        # JSON text holds no raw NUL, so the last one parts rooms and packet
                        deliver(Target.named(*payload.rsplit(SEPARATOR, 1)))
            except BusError as error:
                self._say_deaf("no signals are heard", error=str(error))

        await forever(listen, name="signals", pause_s=PAUSE_S)
