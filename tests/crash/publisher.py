"""A publisher that does what a careful platform does: the same ids again until it gets its 202."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import aiohttp

from schemas.ids import uuid7
from tests.hubprocess import HubProcess

COUNT = 10_000
BATCH = 25
LANES = 4
SUBJECTS = 40


class Publisher:
    """Publishes `COUNT` events over a few lanes; the subjects of a lane are its own, so order is known."""

    def __init__(self, hub: HubProcess) -> None:
        self.sent: dict[str, list[UUID]] = {}
        self._hub = hub
        self._headers = hub.headers("platform", "publish")
        self._accepted = 0
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Publish everything; raises TimeoutError when the hub does not come back."""
        async with aiohttp.ClientSession(headers=self._headers) as session, asyncio.TaskGroup() as group:
            for lane in range(LANES):
                group.create_task(self._lane(session, lane))

    async def _lane(self, session: aiohttp.ClientSession, lane: int) -> None:
        for first in range(0, COUNT // LANES, BATCH):
            batch = [self._event(lane, first + n) for n in range(BATCH)]
            async with asyncio.timeout(90):
                while not await self._post(session, batch):  # noqa: ASYNC110  the hub is another process
                    await asyncio.sleep(0.1)
            async with self._changed:
                self._accepted += BATCH
                self._changed.notify_all()

    def _event(self, lane: int, n: int) -> dict[str, object]:
        event_id, content = uuid7(), f"c{lane}-{n % SUBJECTS}"
        self.sent.setdefault(f"content:{content}", []).append(event_id)
        data = {"content_id": content, "author": "ann"}
        return {
            "specversion": "1.0",
            "type": "content.liked",
            "id": str(event_id),
            "actor": "bob",
            "data": data,
        }

    async def _post(self, session: aiohttp.ClientSession, batch: list[dict[str, object]]) -> bool:
        try:
            async with session.post(f"{self._hub.url}/v1/events", json=batch) as response:
                assert response.status in {202, 429, 503}, await response.text()
                return response.status == 202
        except (aiohttp.ClientError, OSError):
            return False  # nobody knows whether it was accepted: that is what the ids are for

    async def wait_accepted(self, count: int) -> None:
        """Wait until that many events got their 202."""
        async with asyncio.timeout(120), self._changed:
            await self._changed.wait_for(lambda: self._accepted >= count)


@asynccontextmanager
async def publishing(hub: HubProcess) -> AsyncIterator[Publisher]:
    """Publish while the body does harm; leaves when everything was accepted."""
    publisher = Publisher(hub)
    async with asyncio.TaskGroup() as group:
        group.create_task(publisher.run())
        await publisher.wait_accepted(COUNT // 3)
        yield publisher
