"""Keeps the embedded services running: starts them, brings back one that died, stops them."""

import asyncio
import time
from collections.abc import Callable

import structlog

from ops.embedded.errors import EmbeddedError
from ops.embedded.service import Service

_LOG = structlog.get_logger(__name__)
_LOOK = 0.1
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0
_STEADY = 30.0  # seconds after which an earlier death no longer counts


class Supervisor:
    """Its methods belong to the main thread: the kernel ends a child with the thread that started it."""

    def __init__(self, *services: Service, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._monotonic = monotonic
        self._stopped = False

    def start(self) -> None:
        """Start all of them, or none."""
        self._stopped = False
        try:
            for service in self._services:
                service.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._stopped = True
        for service in self._services:
            service.ask_to_stop()
        for service in self._services:
            service.stop()

    async def watch(self) -> None:
        """Bring back what dies, for ever; runs as a task of the hub's event loop."""
        async with asyncio.TaskGroup() as group:
            for service in self._services:
                group.create_task(self._watch(service))

    async def _watch(self, service: Service) -> None:
        delay, since = _FIRST_DELAY, self._monotonic()
        while not self._stopped:
            await asyncio.sleep(_LOOK)
            if service.alive or self._stopped:
                continue
            if self._monotonic() - since > _STEADY:
                delay = _FIRST_DELAY
            await self._bring_back(service, delay)
            delay, since = min(2 * delay, _LONGEST_DELAY), self._monotonic()

    async def _bring_back(self, service: Service, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            for pause in service.starting():
                await asyncio.sleep(pause)
        except EmbeddedError as error:
            _LOG.error("embedded service can't be restarted", service=service.name, reason=str(error))
        else:
            _LOG.warning("embedded service had died and was restarted", service=service.name, pid=service.pid)
