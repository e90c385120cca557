"""`/live`: joining, leaving, and the count of viewers over several gateways."""

from dataclasses import replace
from typing import Any

import pytest

from bus.memory import MemoryBus
from bus.viewers import ViewerCounts
from gateways.gateway import Gateway
from tests.gateways.sockets.conftest import Serve, Served, quick, serving, token_of
from tests.jsclient import JsClient, JsSocket

QUICK = quick(viewers_interval=0.05)


@pytest.fixture
async def hub(serve: Serve) -> Served:
    return await serve(QUICK)


async def count_of(socket: JsSocket) -> Any:
    happened = await socket.next("event")
    assert happened["name"] == "live.viewers"
    (data,) = happened["args"]
    return data["stream_id"], data["count"]


async def viewer(js: JsClient, hub: Served, user: str) -> JsSocket:
    return await js.connect(hub.url, "/live", token_of(user), manager=f"{user}{js.next_number()}")


async def test_joining_answers_how_many_watch(hub: Served, js: JsClient) -> None:
    ann, bob = await viewer(js, hub, "ann"), await viewer(js, hub, "bob")
    assert await ann.emit("join", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
    assert await bob.emit("join", {"stream_id": "s1"}) == {"ok": True, "viewers": 2}
    assert await bob.emit("join", {"stream_id": "s1"}) == {"ok": True, "viewers": 2}
    assert await bob.emit("leave", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
    assert await bob.emit("leave", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}


async def test_viewers_are_told_when_the_count_changes(hub: Served, js: JsClient) -> None:
    ann, bob = await viewer(js, hub, "ann"), await viewer(js, hub, "bob")
    await ann.emit("join", {"stream_id": "s1"})
    assert await count_of(ann) == ("s1", 1)
    await bob.emit("join", {"stream_id": "s1"})
    assert await count_of(ann) == ("s1", 2)
    await bob.disconnect()
    assert await count_of(ann) == ("s1", 1)


async def test_one_person_with_two_tabs_is_one_viewer(hub: Served, js: JsClient) -> None:
    first, second = await viewer(js, hub, "ann"), await viewer(js, hub, "ann")
    await first.emit("join", {"stream_id": "s1"})
    assert await second.emit("join", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
    assert await first.emit("leave", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
    assert await second.emit("leave", {"stream_id": "s1"}) == {"ok": True, "viewers": 0}


async def test_counts_of_several_gateways_are_summed(
    hub: Served, js: JsClient, gateway: Gateway, bus: MemoryBus
) -> None:
    async with serving(replace(gateway, viewers=ViewerCounts(bus, "another")), QUICK) as another:
        ann, bob = await viewer(js, hub, "ann"), await viewer(js, another, "bob")
        assert await ann.emit("join", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
        assert await count_of(ann) == ("s1", 1)
        assert await bob.emit("join", {"stream_id": "s1"}) == {"ok": True, "viewers": 2}
        assert await count_of(ann) == ("s1", 2)
        assert await count_of(bob) == ("s1", 2)
        assert await bob.emit("leave", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
        assert await bob.emit("leave", {"stream_id": "s1"}) == {"ok": True, "viewers": 1}
        assert await count_of(ann) == ("s1", 1)


async def test_a_crowd_is_told_of_in_few_signals(serve: Serve, js: JsClient) -> None:
    hub = await serve(quick(viewers_interval=0.5))
    watcher = await viewer(js, hub, "ann")
    await watcher.emit("join", {"stream_id": "s1"})
    for n in range(20):
        raw = await hub.signed_in("/live", f"user{n}")
        await raw.send('42/live,["join",{"stream_id":"s1"}]')
    while await count_of(watcher) != ("s1", 21):
        pass
    assert len(watcher.events) < 10


async def test_what_happens_on_a_stream_reaches_its_viewers_only(hub: Served, js: JsClient) -> None:
    ann, bob = await viewer(js, hub, "ann"), await viewer(js, hub, "bob")
    await ann.emit("join", {"stream_id": "s1"})
    await bob.emit("join", {"stream_id": "s2"})
    hub.deliver("/live", "live:s1", data=1)
    hub.deliver("/live", "live:s2", data=2)
    for socket, data in ((ann, 1), (bob, 2)):
        while (happened := await socket.next("event"))["name"] != "test.happened":
            pass
        assert happened["args"] == [{"data": data}]


@pytest.mark.parametrize("payload", [{}, {"stream_id": ""}, {"stream_id": 1}, {"stream": "s1"}])
async def test_a_wrong_payload_is_refused(hub: Served, js: JsClient, payload: dict[str, Any]) -> None:
    answer = await (await viewer(js, hub, "ann")).emit("join", payload)
    assert answer["error"]["code"] == "invalid"


async def test_a_connection_watches_a_limited_number_of_streams(serve: Serve, js: JsClient) -> None:
    hub = await serve(QUICK, socket_rooms=1)
    ann = await viewer(js, hub, "ann")
    await ann.emit("join", {"stream_id": "s1"})
    error = (await ann.emit("join", {"stream_id": "s2"}))["error"]
    assert (error["code"], error["path"]) == ("invalid", "stream_id")
    assert (await ann.emit("join", {"stream_id": "s1"}))["ok"] is True


async def test_an_abandoned_stream_leaves_nothing_behind(hub: Served) -> None:
    from tests.waiting import until

    raw = await hub.signed_in("/live")
    await raw.ask("/live", "join", {"stream_id": "s1"})
    await raw.ws.close()
    (live,) = [space for name, space in hub.namespaces.items() if name == "/live"]

    async def forgotten() -> bool:
        return not live._viewers._streams  # type: ignore[attr-defined]

    await until(forgotten)
