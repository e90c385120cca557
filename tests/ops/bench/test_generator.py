"""Both load generators against a server that behaves as the test tells it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from bus.tasks import cancel, spawn
from ops.bench import compiler, generator
from ops.bench.errors import BenchError
from ops.bench.generator import Generator, Load, PhasePlan
from ops.bench.results import Comeback, Connected, Figures, Phase, Unheard
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


@pytest.fixture(scope="module", params=["C", "Python"])
def load_generator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    if request.param == "Python":
        return generator.python()
    folder = tmp_path_factory.mktemp("generator")
    return generator.native(folder) or pytest.skip("there is no C compiler here")


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


@pytest.fixture
def measure(load_generator: Generator, redis_url: str, tmp_path: Path) -> Measure:
    return Measure(load_generator, redis_url, tmp_path)


def only_phase(measured: tuple[Figures, ...]) -> Phase:
    _, phase = measured
    assert isinstance(phase, Phase)
    return phase


def connected(measured: tuple[Figures, ...]) -> Connected:
    assert isinstance(measured[0], Connected)
    return measured[0]


async def test_what_arrives_is_counted_and_timed(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])

    measured = await measure(server)

    phase = only_phase(measured)
    assert phase.problems() == []
    assert 15 <= phase.published <= 21
    assert phase.expected == phase.received == CLIENTS * phase.published
    assert 0 < phase.p50_us <= phase.p90_us <= phase.p99_us <= phase.max_us < 5_000_000
    assert phase.deliveries_per_second > 0
    assert connected(measured).clients == CLIENTS
    assert sorted(server.heard) == [f'40/feed,{{"token":"{"t" * 200}{i}"}}'.encode() for i in range(CLIENTS)]


async def test_a_window_keeps_events_under_way(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [sent]), "window:3:0.2"))

    assert phase.problems() == []
    assert phase.published > 3


async def test_a_burst_is_in_the_stream_at_once(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])

    phase = only_phase(await measure(server, "burst:8:0.2"))

    assert phase.problems() == []
    assert phase.published > 16
    assert {size % 8 for size in server.reads} == {0}


async def test_each_event_goes_to_one_client_in_turn(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])

    measured = await measure(server, audience=Audience("/feed", "feed", unicast=True))

    phase = only_phase(measured)
    assert phase.problems() == []
    assert phase.received == phase.expected == phase.published > 50


async def test_an_event_for_another_client_is_reported(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])
    server.moved = 1

    phase = only_phase(await measure(server, audience=Audience("/feed", "feed", unicast=True)))

    assert phase.disorder > 0


async def test_who_connects_first_is_not_measured(measure: Measure) -> None:
    measured = await measure(OddServer(lambda place, sent: [sent]), warm=1)

    assert connected(measured).clients == CLIENTS - 1
    assert only_phase(measured).problems() == []


async def test_frames_cut_and_joined_anywhere_are_read(measure: Measure) -> None:
    def cut(place: int, sent: bytes) -> Iterable[bytes]:
        at = place * 7 % len(sent)
        return sent[:1], sent[1:3], sent[3:at], sent[max(at, 3) :]  # in the header, and somewhere in the text

    assert only_phase(await measure(OddServer(cut))).problems() == []


async def test_pings_are_answered_and_signals_not_counted(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [frame(b"2") + frame(b'42/feed,["content.stats",{}]') + sent])

    phase = only_phase(await measure(server))

    assert phase.problems() == []
    assert server.heard.count(b"3") == phase.received


async def test_a_lost_event_is_reported(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [] if place == 3 else [sent])))

    assert phase.received == phase.expected - CLIENTS
    assert phase.disorder == CLIENTS


async def test_a_repeated_event_is_reported(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [sent, sent] if place == 3 else [sent])))

    assert phase.received == phase.expected + CLIENTS
    assert phase.disorder == CLIENTS


async def test_swapped_events_are_reported(measure: Measure) -> None:
    held: list[bytes] = []

    def swap(place: int, sent: bytes) -> Iterable[bytes]:
        if place == 3:
            held.append(sent)
            return []
        return [sent, held[-1]] if place == 4 else [sent]

    phase = only_phase(await measure(OddServer(swap)))

    assert phase.received == phase.expected
    assert phase.disorder == 3 * CLIENTS  # the later one, the earlier one, and the next after both


async def test_a_closed_connection_is_reported(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [b"\x88\x00"] if place == 3 else [sent])))

    assert phase.dead == CLIENTS
    assert phase.problems()


async def test_refused_clients_end_the_measurement(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])
    server.answer_to_connect = b'44/feed,{"message":"no","data":{"code":"unauthorized"}}'

    with pytest.raises(BenchError, match="only 0 of 4 clients could connect"):
        await measure(server)


@pytest.fixture
def measure_in_c(redis_url: str, tmp_path: Path) -> Measure:
    native = generator.native(tmp_path) or pytest.skip("there is no C compiler here")
    return Measure(native, redis_url, tmp_path)


async def come_back(measure: Measure, server: OddServer) -> Comeback:
    _, comeback = await measure(server, "comeback:20:0.2", drain=0.5)
    assert isinstance(comeback, Comeback)
    return comeback


async def test_all_come_back_to_what_they_missed(measure_in_c: Measure) -> None:
    server = RecoveringServer()

    comeback = await come_back(measure_in_c, server)

    assert comeback.problems() == []
    assert (comeback.recovered, comeback.received) == (CLIENTS, CLIENTS * 20)
    assert 0 < comeback.p50_us <= comeback.p99_us <= comeback.seconds * 1e6 < 150_000
    returned = [json.loads(payload.removeprefix(b"40/feed,")) for payload in server.heard[CLIENTS:]]
    assert [claim["offset"] for claim in returned] == ["0"] * CLIENTS


async def test_a_session_that_begins_afresh_is_reported(measure_in_c: Measure) -> None:
    server = RecoveringServer()
    server.forgets = True

    comeback = await come_back(measure_in_c, server)

    assert (comeback.recovered, comeback.complete, comeback.received) == (0, 0, 0)


async def test_a_missed_event_that_does_not_come_is_reported(measure_in_c: Measure) -> None:
    server = RecoveringServer()
    server.loses = 1

    comeback = await come_back(measure_in_c, server)

    assert (comeback.recovered, comeback.received, comeback.disorder) == (CLIENTS, CLIENTS * 19, CLIENTS)


@pytest.mark.parametrize("unicast", [False, True])
async def test_an_unheard_event_has_a_room_of_its_own_and_one_of_a_burst_is_heard(
    measure_in_c: Measure, unicast: bool
) -> None:
    server = OddServer(lambda place, sent: [sent])

    _, phase = await measure_in_c(
        server, "unheard:20:0.2", audience=Audience("/feed", "feed", unicast=unicast)
    )

    assert isinstance(phase, Unheard)
    assert phase.problems() == []
    bursts = phase.published // 20
    assert bursts > 2
    assert phase.received == phase.expected == bursts * (1 if unicast else CLIENTS)
    assert len(server.unheard) == len(set(server.unheard)) == bursts * 19
    assert {size % 20 for size in server.reads} == {0}


async def test_a_burst_that_nobody_hears_the_end_of_is_reported(measure_in_c: Measure) -> None:
    server = OddServer(lambda place, sent: [])

    _, phase = await measure_in_c(server, "unheard:20:0.2")

    assert isinstance(phase, Unheard)
    assert (phase.published, phase.received) == (40, 0)
    assert phase.problems()


@pytest.mark.parametrize("sources", [compiler.generator_sources(), compiler.floor_sources()])
def test_what_is_in_c_compiles_without_warnings(sources: list[str], tmp_path: Path) -> None:
    strictly = ("-Wconversion", "-Werror")

    if not compiler.compile_c(tmp_path / "program", sources, *strictly):
        pytest.skip("there is no C compiler here")
