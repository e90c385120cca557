"""A server that behaves as a test tells it, and a load generator that measures it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis

from bus.tasks import cancel, spawn
from ops.bench.generator import Generator, Load, PhasePlan
from ops.bench.results import Figures
from ops.bench.servers import Audience

CLIENTS = 4
STREAM = "bench-test:push"
FIELD = b"/feed\0feed"

Behaviour = Callable[[int, bytes], Iterable[bytes]]
"""What each client is sent for the event of this place (0 on), given its frame."""


def frame(text: bytes) -> bytes:
    size = len(text)
    return (bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + text


class OddServer:
    """A Socket.IO server that sends each event of the stream in its own way."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._clients: dict[str, asyncio.StreamWriter] = {}
        self.heard: list[bytes] = []
        self.reads: list[int] = []
        self.unheard: list[bytes] = []
        self.pause_s = 0.0
        self.moved = 0  # so many clients further goes what is for one of them
        self.answer_to_connect = b'40/feed,{"sid":"x"}'

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + frame(b'0{"sid":"x"}')
            )
            self.heard.append(await read_masked(reader))
            self._admit(self.heard[-1].removeprefix(b"40/feed,"), writer)
            while True:
                self.heard.append(await read_masked(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _admit(self, payload: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(self.answer_to_connect))
        self._clients[number_of(payload)] = writer

    async def follow(self, redis: Redis) -> None:
        prev = 0
        while True:
            answer: Any = await redis.xread({STREAM: f"{prev}-0"}, count=100, block=1_000)
            self.reads.append(len(answer[0][1]) if answer else 0)
            for entry, fields in answer[0][1] if answer else ():
                assert int(fields[b"prev"]) == prev, "the stream has a gap"
                place, prev = prev, int(entry.split(b"-")[0])
                ((field, packet),) = ((f, fields[f]) for f in fields if b"\0" in f)
                if field.startswith(FIELD):
                    await self._deliver(place, packet, field.removeprefix(FIELD).decode())
                else:
                    self.unheard.append(field)

    async def _deliver(self, place: int, packet: bytes, only: str) -> None:
        await asyncio.sleep(self.pause_s)
        sent = frame(b"42/feed," + packet)
        one = str((int(only) + self.moved) % CLIENTS) if only else ""
        for writer in [self._clients[one]] if only else self._clients.values():
            for piece in self._behaviour(place, sent):
                writer.write(piece)
                await asyncio.sleep(0)  # lets the loop send it by itself


class RecoveringServer(OddServer):
    """Takes up sessions again: everybody gets all events above the offset that is shown."""

    def __init__(self) -> None:
        super().__init__(lambda place, sent: [sent])
        self._frames: list[bytes] = []
        self.forgets = False
        self.loses = 0

    def _admit(self, payload: bytes, writer: asyncio.StreamWriter) -> None:
        shown = json.loads(payload)
        known = "pid" in shown and not self.forgets
        pid = shown["pid"] if known else f"session-{len(self.heard)}"
        writer.write(frame(f'40/feed,{{"sid":"x","pid":"{pid}"}}'.encode()))
        if known:
            missed = self._frames[int(shown["offset"]) + 1 :]
            writer.write(b"".join(missed[self.loses :]))
        self._clients[number_of(payload)] = writer

    async def _deliver(self, place: int, packet: bytes, only: str) -> None:
        self._frames.append(frame(b'42/feed,%b,"%d"]' % (packet[:-1], place)))
        for writer in self._clients.values():
            if not writer.is_closing():
                writer.write(self._frames[-1])


def number_of(payload: bytes) -> str:
    return str(json.loads(payload)["token"]).lstrip("t")


async def read_masked(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(2)
    assert header[0] == 0x81
    assert header[1] & 0x80, "a client's frame must be masked"
    size = header[1] & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    mask, masked = await reader.readexactly(4), await reader.readexactly(size)
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))


@asynccontextmanager
async def serving(server: OddServer, redis_url: str) -> AsyncIterator[int]:
    async with Redis.from_url(redis_url, protocol=2) as redis:
        following = spawn(server.follow(redis), name="odd server")
        async with await asyncio.start_server(server.handle, "127.0.0.1", 0) as listening:
            try:
                yield listening.sockets[0].getsockname()[1]
            finally:
                await cancel(following)


class Measure:
    """Runs a generator against an odd server."""

    def __init__(self, load_generator: Generator, redis_url: str, folder: Path) -> None:
        self._generator = load_generator
        self._redis_url = redis_url
        self._folder = folder
        payloads = [f'{{"token":"{"t" * 200}{client}"}}' for client in range(CLIENTS)]
        (folder / "payloads").write_text("\n".join(payloads) + "\n")

    async def __call__(
        self, server: OddServer, plan: str = "rate:400:0.2", **changes: Any
    ) -> tuple[Figures, ...]:
        kind, value, seconds = plan.split(":")
        async with serving(server, self._redis_url) as port:
            load = self._load(port, PhasePlan("it", kind, float(value), float(seconds)))
            load = replace(load, **changes)
            return await asyncio.to_thread(self._generator.run, load, self._folder)

    def _load(self, port: int, phase: PhasePlan) -> Load:
        redis = urlsplit(self._redis_url)
        return Load(
            port=port,
            server_pids=[os.getpid()],
            audience=Audience("/feed", "feed"),
            clients=CLIENTS,
            payloads=self._folder / "payloads",
            redis_port=redis.port or 0,
            redis_password=redis.password or "",
            stream=STREAM,
            phases=[phase],
            settle=0.1,
            drain=0.3,
        )
