"""What a hostile client may try, packet by packet; each test is a hole of the stock server."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus import telemetry
from bus.base import Target
from gateways.gateway import Gateway
from gateways.sockets import namespace as namespaces
from gateways.sockets.closing import Closing
from gateways.sockets.connection import Session
from gateways.sockets.namespace import Answer, Handler
from tests.gateways.sockets.conftest import Serve, Served, quick, token_of
from tests.gateways.sockets.raw import RawSocket
from tests.jsclient import JsClient
from tests.waiting import until

RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]


async def rooms(raw: RawSocket) -> list[str]:
    answer = await raw.ask("/feed", "subscribe", {}, ack=99)
    assert answer["ok"], answer
    return list(answer["rooms"])


async def is_alive(raw: RawSocket) -> bool:
    return await rooms(raw) == ["feed"]


@pytest.mark.parametrize("name", RESERVED)
async def test_reserved_event_names_are_not_found(hub: Served, name: str) -> None:
    raw = await hub.signed_in()
    forged = {"REMOTE_ADDR": "6.6.6.6"}
    for _ in range(5):  # they are unknown, not broken: nobody is closed for them
        answer = await raw.ask("/feed", name, forged, {"token": token_of("root", "admin")})
        assert (answer["ok"], answer["error"]["code"]) == (False, "not_found")
    assert await is_alive(raw)


async def test_no_namespace_gives_a_meaning_to_a_reserved_name(hub: Served) -> None:
    for space in hub.namespaces.values():
        assert space.handlers.keys().isdisjoint(RESERVED)


async def test_a_forged_disconnect_leaves_the_session_in_its_rooms(hub: Served) -> None:
    raw = await hub.signed_in()
    await raw.send('42/feed,["disconnect","client disconnect"]')
    hub.deliver("/feed", "feed", data=1)
    assert await raw.next() == '42/feed,["test.happened",{"data":1}]'


@pytest.mark.parametrize("data", ["{}", "[]", "[1]", "[null]", '[{"a":1}]', "7", '"subscribe"'])
async def test_an_event_without_a_proper_name_is_refused(hub: Served, data: str) -> None:
    raw = await hub.signed_in()
    # A number right after the namespace would be the id of the acknowledgement.
    await raw.send(f"42/feed,5{data}" if not data.isdigit() else "42/feed,5")
    answer = await raw.next()
    assert answer.startswith("43/feed,5[")
    assert json.loads(answer.removeprefix("43/feed,5"))[0]["error"]["code"] == "invalid"
    assert await is_alive(raw)


@pytest.mark.parametrize("name", ["trigger_event", "on_subscribe", "handlers", "__init__", "left", "*", ""])
async def test_methods_are_not_events(hub: Served, name: str) -> None:
    raw = await hub.signed_in()
    assert (await raw.ask("/feed", name))["error"]["code"] == "not_found"


async def test_binary_data_is_refused_and_its_attachments_pass_by(hub: Served, js: JsClient) -> None:
    socket = await js.connect(hub.url, "/feed", token_of("ann"), transports=["websocket"])
    answer = await socket.emit_binary("subscribe")
    assert answer["error"]["code"] == "invalid"
    assert "binary" in answer["error"]["message"]
    assert await socket.emit("subscribe") == {"ok": True, "rooms": ["feed"]}


async def test_binary_data_is_refused_over_polling_too(hub: Served, js: JsClient) -> None:
    socket = await js.connect(hub.url, "/feed", token_of("ann"), transports=["polling"])
    assert (await socket.emit_binary("subscribe"))["error"]["code"] == "invalid"
    assert await socket.emit("subscribe") == {"ok": True, "rooms": ["feed"]}


async def test_a_flood_of_attachments_is_not_waited_for(hub: Served) -> None:
    raw = await hub.signed_in()
    await raw.send('451000000-/feed,7["subscribe",{"_placeholder":true,"num":0}]')
    assert await raw.closed() == Closing.MALFORMED.code


async def test_attachments_that_nobody_announced_close_the_connection(hub: Served) -> None:
    raw = await hub.signed_in()
    for _ in range(4):
        await raw.ws.send_bytes(b"x" * 1000)
    assert await raw.closed() == Closing.MALFORMED.code


async def test_a_packet_between_attachments_ends_them(hub: Served) -> None:
    raw = await hub.signed_in()
    await raw.send('459-/feed,7["subscribe",{"_placeholder":true,"num":0}]')
    await raw.next()
    assert await is_alive(raw)
    for _ in range(4):
        await raw.ws.send_bytes(b"x")
    assert await raw.closed() == Closing.MALFORMED.code


async def test_broken_packets_are_forgiven_a_few_times_and_logged_once(
    hub: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = await hub.signed_in()
    before = telemetry.MALFORMED_PACKETS._value.get()
    await raw.send("4x", "42/feed,[", '43/feed,1["ack"]')
    assert await is_alive(raw)
    assert telemetry.MALFORMED_PACKETS._value.get() == before + 3
    await raw.send("49")
    assert await raw.closed() == Closing.MALFORMED.code
    printed = capsys.readouterr().out
    assert printed.count("a client sends broken packets") == 1
    assert "Traceback" not in printed


@pytest.mark.parametrize("packet", ["", "x", "9", "0", "2probe", "6"])
async def test_what_is_no_engine_io_packet_closes_the_connection(hub: Served, packet: str) -> None:
    raw = await hub.signed_in()
    await raw.send(packet)
    assert await raw.closed() == Closing.MALFORMED.code


async def test_unasked_pongs_are_counted(hub: Served) -> None:
    raw = await hub.signed_in()
    await raw.send(*["3"] * 4)
    assert await raw.closed() == Closing.MALFORMED.code


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(), st.from_regex(r"[0-9]([0-9]+-)?(/feed,)?[0-9]*[\[{\"].*", fullmatch=True)))
def test_whatever_is_decoded_is_a_packet_or_a_value_error(text: str) -> None:
    from gateways.sockets.protocol import HubPacket

    try:
        HubPacket(encoded_packet=text)
    except ValueError:
        return


async def test_bottomless_nesting_is_just_malformed(hub: Served) -> None:
    raw = await hub.signed_in()
    await raw.send("42/feed," + "[" * 500_000)
    assert await is_alive(raw)


async def test_a_second_connect_to_the_same_namespace_closes_the_connection(hub: Served) -> None:
    raw = await hub.signed_in()
    await raw.send(f'40/feed,{{"token":"{token_of("bob")}"}}')
    assert await raw.closed() == Closing.MALFORMED.code
    assert hub.sockets.membership.members(Target.of("/feed", ["feed"], b"")) == ()


async def test_leaving_and_coming_back_in_one_breath_keeps_its_order(hub: Served) -> None:
    raw = await hub.signed_in()
    connect = f'40/feed,{{"token":"{token_of("ann")}"}}'
    await raw.send("41/feed,", connect, "41/feed,", connect)
    for _ in range(2):
        assert (await raw.next()).startswith('40/feed,{"sid":')
    assert len(hub.sockets.membership.members(Target.of("/feed", ["feed"], b""))) == 1


async def test_events_before_connecting_are_not_handled(hub: Served) -> None:
    raw = await hub.raw()
    await raw.send('42/feed,1["subscribe",{"zones":["a"]}]')
    assert (await raw.connect("/feed", token_of("ann"))).startswith('40/feed,{"sid":')
    assert await is_alive(raw)


async def test_who_connects_no_namespace_is_closed(serve: Serve) -> None:
    hub = await serve(quick(connect_timeout=0.1))
    raw = await hub.raw()
    assert await raw.closed() == Closing.UNUSED.code


async def test_who_is_refused_again_and_again_is_closed_in_time(serve: Serve) -> None:
    hub = await serve(quick(connect_timeout=0.2))
    raw = await hub.raw()
    await raw.connect("/feed", "bad")
    assert await raw.closed() == Closing.UNUSED.code


async def test_who_leaves_the_last_namespace_is_closed_in_time(serve: Serve) -> None:
    hub = await serve(quick(connect_timeout=0.2))
    raw = await hub.signed_in()
    await raw.send("41/feed,")
    assert await raw.closed() == Closing.UNUSED.code


@pytest.mark.parametrize("burst", [1, 2])
async def test_leaving_where_one_never_was_does_not_put_off_the_deadline(serve: Serve, burst: int) -> None:
    hub = await serve(connect_rate=0.001, connect_burst=burst)
    await hub.signed_in()
    raw = await hub.raw()
    connection = list(hub.sockets.server.connections.values())[-1]
    assert (connection.refusal is not None) == (burst == 1)
    deadline = connection.deadline
    await raw.send("41/feed,", "41/live,", "41/feed,")
    await raw.connect("/live", "bad")
    await raw.connect("/feed", "bad")  # answered in order: the packets before were handled
    assert deadline is not None
    assert connection.deadline is deadline
    assert not deadline.cancelled()


async def test_who_is_signed_in_stays(serve: Serve) -> None:
    hub = await serve(quick(connect_timeout=0.1))
    raw, unused = await hub.signed_in(), await hub.raw()
    await unused.closed()
    assert await is_alive(raw)


async def test_a_message_beyond_the_limit_closes_with_1009(serve: Serve) -> None:
    hub = await serve(body_bytes=1000)
    raw = await hub.signed_in()
    (connection,) = hub.sockets.server.connections.values()
    await raw.send("42/feed,1" + '["nothing"]'.ljust(1000 - len("42/feed,1")))
    assert (await raw.next()).startswith("43/feed,1")
    await raw.send("42/feed,2" + '["nothing"]'.ljust(1001 - len("42/feed,2")))
    assert await raw.closed() == 1009
    assert connection.socket.closing is Closing.TOO_LARGE


async def test_compression_is_declined(hub: Served) -> None:
    address = f"{hub.url}/socket.io/?EIO=4&transport=websocket"
    async with hub.session.ws_connect(address, compress=15) as ws:
        assert ws.compress == 0
        assert "Sec-WebSocket-Extensions" not in ws._response.headers


class Empty(namespaces.Payload):
    pass


class Handled:
    """Stands in for what later namespaces do: handlers that wait, and handlers that fail."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.go_on = asyncio.Event()

    async def wait(self, session: Session, _: Empty) -> Answer:
        self.started.append(session.namespace)
        await self.go_on.wait()
        return {}

    async def fail(self, *_: Any) -> Answer:
        raise ZeroDivisionError

    def add_to(self, hub: Served) -> None:
        for space in hub.namespaces.values():
            waiting = {"wait": Handler(Empty, self.wait), "fail": Handler(Empty, self.fail)}
            space.handlers = {**space.handlers, **waiting}


@pytest.fixture
def handled(hub: Served) -> Handled:
    made = Handled()
    made.add_to(hub)
    return made


async def test_a_failing_handler_is_answered_and_logged_with_its_trace(
    hub: Served, handled: Handled, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = await hub.signed_in()
    error = (await raw.ask("/feed", "fail"))["error"]
    assert error["code"] == "internal"
    trace = error["message"].split()[-1]
    printed = capsys.readouterr().out
    assert trace in printed
    assert "ZeroDivisionError" in printed
    assert await is_alive(raw)


async def test_a_handler_that_takes_too_long_is_answered(serve: Serve) -> None:
    hub = await serve(quick(handler_timeout=0.1))
    Handled().add_to(hub)
    raw = await hub.signed_in()
    assert (await raw.ask("/feed", "wait"))["error"]["code"] == "internal"


async def test_events_of_one_namespace_are_handled_in_order_and_another_goes_on(
    hub: Served, handled: Handled
) -> None:
    raw = await hub.signed_in()
    await raw.connect("/live", token_of("ann"))
    await raw.send('42/feed,1["wait"]', '42/feed,2["subscribe",{}]', '42/live,3["nothing"]')
    assert (await raw.next()).startswith("43/live,3")
    handled.go_on.set()
    assert [(await raw.next())[:9] for _ in range(2)] == ["43/feed,1", "43/feed,2"]


async def test_a_connection_has_a_limited_number_of_events_in_hand(serve: Serve) -> None:
    hub = await serve(socket_in_flight=4)
    handled = Handled()
    handled.add_to(hub)
    raw = await hub.signed_in()
    await raw.connect("/live", token_of("ann"))
    await raw.send(*[f'42/feed,{n}["wait"]' for n in range(4)], '42/live,7["nothing"]')
    hub.deliver("/feed", "feed", data=1)
    assert (await raw.next()).startswith("42/feed,")  # others' news go out, but /live is not read
    handled.go_on.set()
    answers = {(await raw.next()).split("[")[0] for _ in range(5)}
    assert answers == {"43/feed,0", "43/feed,1", "43/feed,2", "43/feed,3", "43/live,7"}


async def test_a_client_gone_while_it_signed_in_leaves_nothing_behind(hub: Served, gateway: Gateway) -> None:
    async with gateway.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE users")
        raw = await hub.raw()
        await raw.send(f'40/feed,{{"token":"{token_of("ann")}"}}')
        await raw.ws.close()

    async def gone() -> bool:
        return not hub.sockets.server.connections

    await until(gone)
    assert hub.sockets.membership.members(Target.of("/feed", ["feed"], b"")) == ()
    assert hub.sockets.membership.of_user("ann") == ()
