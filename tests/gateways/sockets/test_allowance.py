"""How much one connection may send: by number, by size, and before it has signed in."""

import json

import pytest

from bus import telemetry
from gateways.sockets.closing import Closing
from gateways.sockets.protocol import LARGE_CHARS
from tests.gateways.sockets.conftest import Serve, Served, token_of

NOT_JSON = '["subscribe",' + "x" * 6 * LARGE_CHARS
"""What costs seven, and would be counted as broken if it were decoded."""


@pytest.mark.parametrize("auth", ["[" + "[]," * 330_000 + "[]]", '{"token":"' + "x" * 16_384 + '"}'])
async def test_large_packets_of_who_is_not_signed_in_are_not_decoded(hub: Served, auth: str) -> None:
    raw = await hub.raw()
    before = telemetry.MALFORMED_PACKETS._value.get()
    await raw.send(*[f"40/feed,{auth}"] * 3)
    assert (await raw.connect("/feed", token_of("ann"))).startswith('40/feed,{"sid":')
    assert telemetry.MALFORMED_PACKETS._value.get() == before + 3


async def test_who_sends_nothing_but_large_packets_before_signing_in_is_closed(hub: Served) -> None:
    raw = await hub.raw()
    await raw.send(*["40/feed," + "[" * 500_000] * 4)
    assert await raw.closed() == Closing.MALFORMED.code


async def test_a_large_token_is_read_and_so_is_a_large_event_of_who_is_signed_in(hub: Served) -> None:
    raw = await hub.raw()
    assert '"unauthorized"' in await raw.connect("/feed", "x" * 16_000)
    zones = json.dumps(["subscribe", {"zones": [f"{n:0200}" for n in range(100)]}])
    await raw.send(f'40/feed,{{"token":"{token_of("ann")}"}}', f"42/feed,7{zones}")
    assert (await raw.next()).startswith('40/feed,{"sid":')  # it was under way when the event came
    assert (await raw.next()).startswith('43/feed,7[{"ok":true')


async def test_events_beyond_the_rate_are_refused_and_the_rest_is_handled(serve: Serve) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=5)
    raw = await hub.signed_in()  # takes one of the five
    codes = []
    for n in range(6):
        answer = await raw.ask("/feed", "subscribe", {"zones": [str(n)]}, ack=n)
        codes.append("ok" if answer["ok"] else answer["error"]["code"])
    assert codes == ["ok"] * 4 + ["rate_limited"] * 2


async def test_persistent_abuse_closes_the_transport(serve: Serve) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=2)
    raw = await hub.signed_in()
    await raw.send(*['42/feed,["subscribe",{}]'] * 30)
    assert await raw.closed() == Closing.ABUSE.code


async def test_connects_within_a_connection_are_counted_too(serve: Serve) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=3)
    raw = await hub.raw()
    for _ in range(3):
        assert '"unauthorized"' in await raw.connect("/feed", "bad")
    assert '"rate_limited"' in await raw.connect("/feed", token_of("ann"))


async def test_a_large_event_costs_as_much_as_several(serve: Serve) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=10)
    raw = await hub.signed_in()  # takes one of the ten
    large = await raw.ask("/feed", "subscribe", {"zones": ["x" * 5 * LARGE_CHARS]})  # and this six
    assert large["error"]["code"] == "invalid"
    codes = []
    for n in range(4):
        answer = await raw.ask("/feed", "subscribe", {}, ack=n)
        codes.append("ok" if answer["ok"] else answer["error"]["code"])
    assert codes == ["ok"] * 3 + ["rate_limited"]


async def test_the_largest_event_is_taken_by_a_full_allowance(serve: Serve) -> None:
    hub = await serve(socket_event_rate=1_000_000, socket_event_burst=2)
    raw = await hub.signed_in()
    answer = await raw.ask("/feed", "subscribe", {"zones": ["x" * 900_000]})
    assert answer["error"]["code"] == "invalid"


async def test_a_large_event_beyond_the_allowance_is_answered_and_not_decoded(serve: Serve) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=7)
    raw = await hub.signed_in()
    before = telemetry.MALFORMED_PACKETS._value.get()
    await raw.send(f"42/feed,{NOT_JSON}", f"42/feed,12{NOT_JSON}")
    answer = await raw.next()  # the first asked for none
    assert answer.startswith("43/feed,12[")
    assert json.loads(answer.removeprefix("43/feed,12"))[0]["error"]["code"] == "rate_limited"
    assert telemetry.MALFORMED_PACKETS._value.get() == before
    assert (await raw.ask("/feed", "subscribe"))["ok"] is True


@pytest.mark.parametrize("packet", ["2/feed,1", "2/feed,", "x", "0/feed,", "2" + "9" * 200])
async def test_a_large_packet_beyond_the_allowance_that_tells_no_id_closes(serve: Serve, packet: str) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=7)
    raw = await hub.signed_in()
    await raw.send(f'4{packet}"' + "x" * 6 * LARGE_CHARS)
    assert await raw.closed() == Closing.MALFORMED.code


async def test_binary_data_beyond_the_allowance_is_refused_and_passes_by(serve: Serve) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=1)
    raw = await hub.signed_in()
    await raw.send('455-/feed,7["subscribe",{"_placeholder":true,"num":0}]')
    assert '"rate_limited"' in await raw.next()
    for _ in range(5):
        await raw.ws.send_bytes(b"x")
    assert (await raw.ask("/feed", "subscribe"))["error"]["code"] == "rate_limited"


async def test_who_goes_on_with_large_events_is_closed_soon(serve: Serve) -> None:
    hub = await serve(socket_event_rate=0.001, socket_event_burst=2)
    raw = await hub.signed_in()
    await raw.send(*[f"42/feed,1{NOT_JSON}"] * 12)  # each costs the whole burst, and ten bursts are forgiven
    assert await raw.closed() == Closing.ABUSE.code
