"""Owns viewer counts across gateways: each gateway's own count, kept for a minute unless renewed."""

from typing import Final

import structlog

from bus import telemetry
from bus.base import Bus, BusError
from bus.tasks import forever

log = structlog.get_logger(__name__)

KEPT_S: Final = 60.0


class ViewerCounts:
    """The counts of one gateway, and the sums over all of them."""

    def __init__(self, bus: Bus, gateway: str) -> None:
        self._bus = bus
        self._gateway = gateway
        self._mine: dict[str, int] = {}

    async def set(self, stream_id: str, count: int) -> int:
        """Note this gateway's viewers of a stream; answers all gateways' (ours alone if Redis is away)."""
        if count:
            self._mine[stream_id] = count
        else:
            self._mine.pop(stream_id, None)
        try:
            return await self._bus.count(f"viewers:{stream_id}", self._gateway, count, KEPT_S)
        except BusError as error:
            telemetry.BUS_ERRORS.inc()
            log.info("other gateways' viewers are not known", error=str(error))
            return count

    async def run(self) -> None:
        """Renew this gateway's counts for ever, so that only a dead gateway's run out."""

        async def renew() -> None:
            for stream_id, count in list(self._mine.items()):
                await self.set(stream_id, count)

        await forever(renew, name="viewer counts", pause_s=KEPT_S / 3)
