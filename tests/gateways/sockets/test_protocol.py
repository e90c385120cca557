"""HubServer alone, as the protocol test suites see it: echoes, binary data, and no patience at all."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web

from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.protocol import ATTACHMENTS, HubServer
from tests.gateways.sockets.basics import Runner
from tests.gateways.sockets.raw import RawSocket, connect
from tests.gateways.sockets.suite_app import LIMITS, echo_server
from tests.waiting import until

HOLE = '{"_placeholder":true,"num":%d}'
TWO = f"{HOLE % 0},{HOLE % 1}"


class Echoes:
    """A server of echoes that runs, and its clients."""

    def __init__(self, server: HubServer, session: ClientSession, url: str) -> None:
        self.server = server
        self.session = session
        self.address = f"{url}/socket.io/?EIO=4&transport="
        self.url = url

    async def raw(self) -> RawSocket:
        return await RawSocket.open(self.session, self.url)

    async def connected(self) -> RawSocket:
        raw = await self.raw()
        await raw.send("40")
        assert (await raw.next()).startswith('40{"sid":')
        assert await raw.next() == '42["auth",{}]'
        return raw

    async def polling(self) -> str:
        """Begin to poll; answers the address of the session."""
        async with self.session.get(f"{self.address}polling") as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        address = f"{self.address}polling&sid={sid}"
        await self.post(address, "40")
        await self.poll(address, 2)
        return address

    async def post(self, address: str, *packets: str) -> int:
        async with self.session.post(address, data="\x1e".join(packets)) as answer:
            return answer.status

    async def poll(self, address: str, count: int) -> list[str]:
        """Poll until there are so many packets; pings are answered on the way."""
        packets: list[str] = []
        while len(packets) < count:
            async with self.session.get(address) as answer:
                assert answer.status == 200
                for packet in (await answer.text()).split("\x1e"):
                    if packet != "2":
                        packets.append(packet)
                    else:
                        await self.post(address, "3")
        return packets


@pytest.fixture
async def echoes() -> AsyncIterator[Echoes]:
    server, app = echo_server(), web.Application()
    server.attach(app)
    runner = await Runner.start(app)
    async with ClientSession() as session:
        yield Echoes(server, session, runner.url)
        server.close_all()
    await runner.cleanup()


async def heard(raw: RawSocket, count: int) -> list[Any]:
    """What comes next, text or binary, without pings."""
    found: list[Any] = []
    while len(found) < count:
        message = await raw.ws.receive(timeout=10)
        assert message.type in {WSMsgType.TEXT, WSMsgType.BINARY}, message
        if message.data == "2":
            await raw.send("3")
        else:
            found.append(message.data)
    return found


async def test_the_handshake_shows_fractions_of_a_second(echoes: Echoes) -> None:
    handshake = (await echoes.raw()).handshake
    assert (handshake["pingInterval"], handshake["pingTimeout"]) == (300, 200)


async def test_a_namespace_gets_what_was_given_as_auth(echoes: Echoes) -> None:
    raw = await echoes.raw()
    await raw.send('40/custom,{"token":"abc"}')
    assert (await raw.next()).startswith('40/custom,{"sid":')
    assert await raw.next() == '42/custom,["auth",{"token":"abc"}]'


async def test_an_unknown_namespace_is_refused_in_nodes_words(echoes: Echoes) -> None:
    raw = await echoes.raw()
    await raw.send("40/random")
    assert await raw.next() == '44/random,{"message":"Invalid namespace"}'


async def test_leaving_one_namespace_leaves_the_other_alone(echoes: Echoes) -> None:
    raw = await echoes.connected()
    await raw.send("40/custom")
    assert (await raw.next()).startswith("40/custom,")
    await raw.next()
    await raw.send("41/custom", '42["message","here"]')
    assert await raw.next() == '42["message-back","here"]'


@pytest.mark.parametrize("packet", ["4abc", "42{}", '42abc["message-with-ack",1]', "43[]"])
async def test_a_server_that_forgives_nothing_closes_at_the_first_broken_packet(
    echoes: Echoes, packet: str
) -> None:
    raw = await echoes.connected()
    await raw.send(packet)
    assert await raw.closed() == Closing.MALFORMED.code


@pytest.mark.parametrize("direct", [True, False])
async def test_binary_data_comes_back_as_it_was(echoes: Echoes, direct: bool) -> None:
    if not direct:
        echoes.server.http.write_through_aiohttp()
    raw = await echoes.connected()
    await raw.send('42["message",1,"2",{"3":[true]}]', f'452-["message",{TWO}]')
    await raw.ws.send_bytes(b"\x01\x02\x03")
    await raw.ws.send_bytes(b"x" * 70_000)
    assert await heard(raw, 4) == [
        '42["message-back",1,"2",{"3":[true]}]',
        f'452-["message-back",{TWO}]',
        b"\x01\x02\x03",
        b"x" * 70_000,
    ]


async def test_binary_data_is_acknowledged(echoes: Echoes) -> None:
    raw = await echoes.connected()
    await raw.send(f'452-789["message-with-ack",{TWO}]')
    await raw.ws.send_bytes(b"\x01")
    await raw.ws.send_bytes(b"")
    assert await heard(raw, 3) == [f"462-789[{TWO}]", b"\x01", b""]


async def test_binary_data_is_base64_to_one_who_polls(echoes: Echoes) -> None:
    address = await echoes.polling()
    data = "b" + base64.b64encode(b"\x01\xff").decode()
    assert await echoes.post(address, f'451-["message",{HOLE % 0}]', data) == 200
    assert await echoes.poll(address, 2) == [f'451-["message-back",{HOLE % 0}]', data]


async def test_binary_data_goes_over_to_the_websocket_with_its_packet(echoes: Echoes) -> None:
    address = await echoes.polling()
    await echoes.post(address, f'451-["message",{HOLE % 0}]', "bAf8=")
    raw = RawSocket(await connect(echoes.session, address.replace("polling", "websocket")))
    await raw.send("2probe", "5")
    assert await heard(raw, 3) == ["3probe", f'451-["message-back",{HOLE % 0}]', b"\x01\xff"]


@pytest.mark.parametrize("number", ["7", '"a"', "null"])
async def test_a_placeholder_for_nothing_is_malformed(echoes: Echoes, number: str) -> None:
    raw = await echoes.connected()
    await raw.send(f'451-["message",{HOLE}]'.replace("%d", number))
    await raw.ws.send_bytes(b"x")
    assert await raw.closed() == Closing.MALFORMED.code


async def test_deep_nesting_around_a_placeholder_is_malformed(echoes: Echoes) -> None:
    raw = await echoes.connected()
    await raw.send('451-["message",' + "[" * 1000 + HOLE % 0 + "]" * 1001)
    await raw.ws.send_bytes(b"x")
    assert await raw.closed() == Closing.MALFORMED.code


@pytest.mark.parametrize("count", [0, ATTACHMENTS + 1])
async def test_a_binary_packet_has_a_few_attachments(echoes: Echoes, count: int) -> None:
    raw = await echoes.connected()
    await raw.send(f'45{count}-["message",{HOLE % 0}]')
    assert await raw.closed() == Closing.MALFORMED.code


async def test_attachments_together_are_no_larger_than_the_largest_message(echoes: Echoes) -> None:
    raw = await echoes.connected()
    await raw.send(f'452-["message",{TWO}]')
    for _ in range(2):
        await raw.ws.send_bytes(b"x" * (LIMITS.body_bytes // 2 + 1))
    assert await raw.closed() == Closing.MALFORMED.code


async def test_nothing_is_kept_of_attachments_that_a_packet_interrupts(echoes: Echoes) -> None:
    raw = await echoes.connected()
    await raw.send(f'452-["message",{TWO}]')
    await raw.ws.send_bytes(b"x")
    await raw.send('42["message"]')
    assert await raw.next() == '42["message-back"]'
    (connection,) = echoes.server.connections.values()
    assert (connection.attachments, connection.gathering) == (0, None)
    await raw.ws.send_bytes(b"x")
    assert await raw.closed() == Closing.MALFORMED.code


async def test_binary_data_is_not_gathered_for_one_who_is_not_signed_in(echoes: Echoes) -> None:
    raw = await echoes.connected()
    await raw.send('451-/custom,7["message",{"_placeholder":true,"num":0}]')
    assert (await raw.next()).startswith('43/custom,7[{"ok":false')
    (connection,) = echoes.server.connections.values()
    assert (connection.attachments, connection.gathering) == (1, None)


async def test_leaving_over_polling_ends_the_session(echoes: Echoes) -> None:
    address = await echoes.polling()
    assert await echoes.post(address, "1") == 200

    async def gone() -> bool:
        return not echoes.server.connections

    await until(gone)
    assert await echoes.post(address, "3") == 400


def test_frames_taken_apart_are_framed_again() -> None:
    joined = frames.text(b"4hello") + frames.binary(b"\x00" * 200) + frames.binary(b"")
    packets = list(frames.packets(joined))
    assert packets[0] == b"4hello"
    assert packets[2] == b"b"
    assert b"".join(map(frames.again, packets)) == joined
