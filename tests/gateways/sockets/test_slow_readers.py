"""Clients that do not read: they are cut, their memory is bounded, and nobody else notices."""

import asyncio
import contextlib

import pytest

from bus import telemetry
from bus.base import Target
from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.engine_config import EngineConfig
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.timings import Timings
from tests.gateways.sockets.conftest import Serve, quick, token_of
from tests.gateways.sockets.raw import RawSocket
from tests.waiting import until

BIG = '"' + "x" * 20_000 + '"'


@pytest.fixture(params=[True, False], ids=["direct", "stock"])
def direct(request: pytest.FixtureRequest) -> bool:
    """Both ways of writing frames."""
    return bool(request.param)


def stop_reading(raw: RawSocket) -> None:
    transport = raw.ws._response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()  # type: ignore[union-attr]


async def test_a_client_that_does_not_read_is_cut_and_others_hear_everything(serve: Serve) -> None:
    hub = await serve(quick(close_grace=0.2), socket_unsent_bytes=100_000)
    slow, fast = await hub.signed_in(user="slow"), await hub.signed_in(user="fast")
    stop_reading(slow)
    before = telemetry.SLOW_CLOSES._value.get()
    (session,) = hub.sockets.membership.of_user("slow")
    sent = 0
    async with asyncio.timeout(20):
        while session.connection.socket.closing is None:
            hub.deliver("/feed", "feed", data=BIG)
            assert BIG in await fast.next()
            sent += 1
            assert session.connection.socket._wire is not None
            assert session.connection.socket._wire.get_write_buffer_size() <= 100_000 + len(BIG) + 100
    assert session.connection.socket.closing is Closing.SLOW
    assert telemetry.SLOW_CLOSES._value.get() == before + 1
    assert hub.sockets.membership.of_user("slow") == ()
    hub.deliver("/feed", "feed", data=1)
    assert await fast.next() == '42/feed,["test.happened",{"data":1}]'

    async def gone() -> bool:
        return session.connection.sid not in hub.sockets.server.http.sockets

    await until(gone)


async def test_a_slow_client_that_reads_on_hears_why(serve: Serve) -> None:
    hub = await serve(socket_unsent_bytes=100_000)
    slow = await hub.signed_in(user="slow")
    stop_reading(slow)
    (session,) = hub.sockets.membership.of_user("slow")
    async with asyncio.timeout(20):
        while session.connection.socket.closing is None:
            hub.deliver("/feed", "feed", data=BIG)
            await asyncio.sleep(0)
    transport = slow.ws._response.connection.transport  # type: ignore[union-attr]
    transport.resume_reading()  # type: ignore[union-attr]
    assert await slow.closed() == Closing.SLOW.code


async def test_answers_that_nobody_reads_are_bounded_too(serve: Serve) -> None:
    hub = await serve(
        Timings(close_grace=0.2),
        socket_event_rate=1_000_000,
        socket_event_burst=1_000_000,
        socket_unsent_bytes=100_000,
    )
    raw = await hub.signed_in()
    await raw.ask("/feed", "subscribe", {"zones": [f"{n}" + "z" * 190 for n in range(100)]})
    stop_reading(raw)
    (session,) = hub.sockets.membership.of_user("ann")

    with contextlib.suppress(ConnectionError):  # it may be cut in the middle
        async with asyncio.timeout(20):
            while session.connection.socket.closing is None:
                await raw.send(*['42/feed,1["subscribe"]'] * 20)
    assert session.connection.socket.closing is Closing.SLOW


async def test_a_burst_that_the_writer_had_no_turn_for_is_nobodys_fault(serve: Serve) -> None:
    hub = await serve(socket_buffer=50)
    raw = await hub.signed_in()
    for n in range(300):
        hub.deliver("/feed", "feed", data=n)
    for n in range(300):
        assert await raw.next() == f'42/feed,["test.happened",{{"data":{n}}}]'


async def test_a_client_that_stopped_polling_is_cut(serve: Serve) -> None:
    hub = await serve(socket_buffer=50)
    base = f"{hub.url}/socket.io/?EIO=4&transport=polling"
    async with hub.session.get(base) as answer:
        sid = (await answer.text())[1:].split('"sid":"')[1].split('"')[0]
    async with hub.session.post(f"{base}&sid={sid}", data=f'40/feed,{{"token":"{token_of("ann")}"}}'):
        pass

    async def joined() -> bool:
        return bool(hub.sockets.membership.of_user("ann"))

    await until(joined)
    (session,) = hub.sockets.membership.of_user("ann")
    for n in range(51):
        hub.deliver("/feed", "feed", data=n)
    assert session.connection.socket.closing is Closing.SLOW
    async with hub.session.get(f"{base}&sid={sid}") as answer:
        assert answer.status == 400


class Nobody:
    """Listens to nothing."""

    def __init__(self) -> None:
        self.heard: list[Closing] = []

    async def message(self, sid: str, text: str) -> None:
        raise AssertionError

    async def attachment(self, sid: str, data: bytes) -> None:
        raise AssertionError

    def malformed(self, sid: str, what: str) -> None:
        raise AssertionError

    def closed(self, sid: str, closing: Closing) -> None:
        self.heard.append(closing)


async def test_signals_are_dropped_long_before_packets() -> None:
    config = EngineConfig(timings=Timings(), max_bytes=1000, max_packets=40, max_unsent=4000)
    listener = Nobody()
    socket = EngineSocket("sid", config, listener, lambda _: None)
    taken = [socket.send(frames.text(b"signal"), droppable=True) for _ in range(20)]
    assert taken == [True] * 11 + [False] * 9
    assert all(socket.send(frames.text(b"packet")) for _ in range(29))
    assert not socket.send(frames.text(b"one too many"))
    assert listener.heard == [Closing.SLOW]


async def test_bytes_are_bounded_as_packets_are() -> None:
    config = EngineConfig(timings=Timings(), max_bytes=1000, max_packets=1000, max_unsent=4000)
    socket = EngineSocket("sid", config, Nobody(), lambda _: None)
    assert [socket.send(frames.text(b"x" * 1000)) for _ in range(5)] == [True] * 4 + [False]


async def test_signals_are_dropped_and_counted_while_packets_still_wait(serve: Serve) -> None:
    hub = await serve(quick(), socket_unsent_bytes=1_000_000)
    raw = await hub.signed_in()
    stop_reading(raw)
    (session,) = hub.sockets.membership.of_user("ann")
    before = telemetry.SIGNALS_DROPPED._value.get()
    signal = Target.of("/feed", ("feed",), b'["content.stats",%s]' % BIG.encode())
    async with asyncio.timeout(20):
        while telemetry.SIGNALS_DROPPED._value.get() == before:
            hub.sockets.signal(signal)
            await asyncio.sleep(0)
    hub.deliver("/feed", "feed", data=1)
    assert session.connection.socket.closing is None
    transport = raw.ws._response.connection.transport  # type: ignore[union-attr]
    transport.resume_reading()  # type: ignore[union-attr]
    while "content.stats" in (heard := await raw.next()):
        pass
    assert heard == '42/feed,["test.happened",{"data":1}]'
