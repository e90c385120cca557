"""A worker process with one group of its own: it writes down what it handles, in the order it does."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from bus.consumer import Consumer
from bus.worker import GroupWorker
from ops.effective import effective
from ops.logs import configure
from ops.wiring import base
from schemas.db import Connection
from schemas.events.base import Event
from schemas.events.content import ContentLiked

TABLE = """
CREATE TABLE IF NOT EXISTS recorded (
    n bigint GENERATED ALWAYS AS IDENTITY, id uuid NOT NULL, subject text NOT NULL, worker text NOT NULL
)
"""


async def main(data_dir: Path, name: str) -> None:
    async def record(tx: Connection, events: Sequence[Event]) -> None:
        await tx.executemany(
            "INSERT INTO recorded (id, subject, worker) VALUES ($1, $2, $3)",
            [(event.id, event.subject, name) for event in events],
        )

    consumer = Consumer(group="recorder", handlers={ContentLiked: record})
    async with base(effective(data_dir)) as parts:
        await parts.pool.execute(TABLE)
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        worker = GroupWorker(
            consumer, worker=name, pool=parts.pool, bus=parts.bus, partitions=parts.instance.partitions
        )
        await worker.run()


if __name__ == "__main__":
    configure()
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
