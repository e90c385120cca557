"""Owns the client processes of the generator in Python: websockets that check and time what they receive."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from ops.bench.loadgen_publisher import MARKER

Counts = MutableSequence[int]
RECEIVED, DISORDER, READY, DEAD = range(4)  # places in the counts, which the parent process reads

_TEXT, _CLOSE = 0x81, 0x88
_NUMBER_DIGITS, _TIME_DIGITS = 10, 20


CONNECT_REST = -1
"""Sent instead of a phase's first number, which is above zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one process connects."""

    port: int
    namespace: str
    clients: tuple[tuple[int, str], ...]
    """Each a number among all clients and a CONNECT payload."""
    warm: int
    """So many connect at once, the others when they are told to."""
    connecting: int
    step: int
    """How far apart the numbers of one client's events are."""


class Group:
    """What the clients of one process count together."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.latencies: Counter[int] = Counter()  # µs
        self.clients: list[Client] = []

    def begin(self, first_number: int) -> None:
        self.latencies = Counter()
        self.counts[RECEIVED] = self.counts[DISORDER] = 0
        for client in self.clients:
            client.begin(first_number)


class Client(asyncio.Protocol):
    """One websocket that speaks Engine.IO 4 and Socket.IO 5."""

    transport: asyncio.Transport

    def __init__(self, group: Group, plan: Plan, number: int, payload: str) -> None:
        self._group = group
        self._port = plan.port
        self._number = number
        self._step = plan.step
        prefix = "" if plan.namespace == "/" else f"{plan.namespace},"
        self._connect_packet = f"40{prefix}{payload}".encode()
        self._rest = b""
        self._upgraded = False
        self._ready = False
        self.next_number = 0
        self.settled = asyncio.get_running_loop().create_future()

    def begin(self, first_number: int) -> None:
        """Expect next the first event from this number on that is for us."""
        self.next_number = first_number + (self._number - first_number) % self._step

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self.transport = transport
        transport.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n" % self._port
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._group.counts[READY] -= self._ready
        self._group.counts[DEAD] += 1
        self._ready = False
        if not self.settled.done():
            self.settled.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._upgraded:
            answer, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = answer
                return
            self._upgraded = answer.startswith(b"HTTP/1.1 101")
            if not self._upgraded:
                self.transport.abort()
                return
        used = 0
        for start, end_of_frame in frames(data):
            self._receive(data[start:end_of_frame])
            used = end_of_frame
        self._rest = data[used:]

    def _receive(self, packet: bytes) -> None:
        kind = packet[:2]
        if kind == b"42":
            self._receive_event(packet)
        elif packet == b"2":
            self._send(b"3")
        elif kind[:1] == b"0":
            self._send(self._connect_packet)
        elif kind == b"40" and not self._ready:
            self._ready = True
            self._group.counts[READY] += 1
            self.settled.set_result(None)
        elif kind in {b"41", b"44", b""}:  # told to go; or a websocket close, which `frames` leaves empty
            self.transport.abort()

    def _receive_event(self, packet: bytes) -> None:
        at = packet.find(MARKER)
        if at < 0:
            return  # a signal, or an event that is none of ours
        number_at = at + len(MARKER)
        time_at = number_at + _NUMBER_DIGITS + 1
        number = int(packet[number_at : number_at + _NUMBER_DIGITS])
        sent = int(packet[time_at : time_at + _TIME_DIGITS])
        group = self._group
        group.latencies[(time.monotonic_ns() - sent) // 1000] += 1
        group.counts[RECEIVED] += 1
        group.counts[DISORDER] += number != self.next_number
        self.next_number = number + self._step

    def _send(self, packet: bytes) -> None:
        size = len(packet)
        header = bytes((_TEXT, 0x80 | size)) if size < 126 else bytes((_TEXT, 0xFE, size >> 8, size & 0xFF))
        mask = os.urandom(4)
        self.transport.write(header + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(packet)))


def frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the payloads of the complete frames begin and end; a close frame's is left empty."""
    at = 0
    while len(data) - at >= 2:
        header, size = 2, data[at + 1] & 0x7F
        if size >= 126:
            header = 4 if size == 126 else 10
            if len(data) - at < header:
                return
            size = int.from_bytes(data[at + 2 : at + header], "big")
        end = at + header + size
        if end > len(data):
            return
        yield (end if data[at] == _CLOSE else at + header), end
        at = end


def run_clients(plan: Plan, counts: Counts, parent: Connection) -> None:
    """Be one process: connect, then answer the parent until it closes the pipe."""
    asyncio.run(_run(Group(counts), plan, parent))


async def _run(group: Group, plan: Plan, parent: Connection) -> None:
    told, gone = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_reader(parent.fileno(), _answer, group, parent, told, gone)
    slots = asyncio.Semaphore(plan.connecting)
    for clients in (plan.clients[: plan.warm], plan.clients[plan.warm :]):
        await asyncio.gather(*(_connect(group, plan, *client, slots) for client in clients))
        await told.wait()
    await gone.wait()


async def _connect(group: Group, plan: Plan, number: int, payload: str, slots: asyncio.Semaphore) -> None:
    async with slots:
        client = Client(group, plan, number, payload)
        group.clients.append(client)
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", plan.port)
        await client.settled


def _answer(group: Group, parent: Connection, told: asyncio.Event, gone: asyncio.Event) -> None:
    """A number begins a phase; None asks for its latencies."""
    try:
        question = parent.recv()
    except EOFError:
        asyncio.get_running_loop().remove_reader(parent.fileno())
        told.set()
        gone.set()
        return
    if question == CONNECT_REST:
        told.set()
        return
    if question is not None:
        group.begin(question)
    parent.send(group.latencies)
